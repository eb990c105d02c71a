"""That ownership keeps the logs equal where compare-and-append cannot: what is copied is a year old, so the
destination forgets the producer's state within seconds (design, rules 7 and 14)."""

import random
import time

import scenario

A_YEAR_MS = 365 * 24 * 3600 * 1000


class ExpiryTest(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.chance = random.Random(self.number)

    def load_of_last_year(self, partitions):
        topic = self.topic("archive", partitions=partitions, retention_ms=-1)
        return self.begin_produce(topic, rate=2000, timestamp=int(time.time() * 1000) - A_YEAR_MS)

    def committed(self, mirror):
        """What the destination shows as offsets of the mirror's group."""
        with self.destination.connect(self.destination.coordinator(mirror.group)) as connection:
            return connection.committed(mirror.group)

    def test_a_lease_is_an_offset_that_says_that_there_is_none(self):
        today = self.topic("today")
        self.produce(today, total=500)
        mirror = self.start_mirror()
        self.assertMirrored()
        self.assertEqual(self.committed(mirror), {})  # whom the brokers remember needs none
        archive = self.topic("archive", retention_ms=-1)
        self.produce(archive, total=500, timestamp=int(time.time() * 1000) - A_YEAR_MS)
        self.assertMirrored()
        leases = self.committed(mirror)
        self.assertEqual(len(leases), 1)
        self.assertEqual(set(leases.values()), {-1})

    def test_killed_at_random_moments(self):
        loading = self.load_of_last_year(4)
        mirror = self.start_mirror()
        for _ in range(scenario.depth(1, 50)):
            time.sleep(self.chance.uniform(11, 14))  # the wait for what the dead one sent, and some copying
            mirror.kill()
            mirror.start()
        self.assertGreater(loading.stop()["records"], 0)
        self.assertMirrored()

    def test_instances_stopped_and_killed(self):
        loading = self.load_of_last_year(8)
        mirrors = [self.start_mirror() for _ in range(scenario.depth(2, 4))]
        for turn in range(scenario.depth(2, 40)):
            time.sleep(self.chance.uniform(8, 14))
            victim = self.chance.choice(mirrors)
            if turn % 2:
                victim.kill()
                victim.start()
            else:
                victim.pause()
                time.sleep(scenario.SESSION_TIMEOUT_S + self.chance.uniform(0, 3))
                victim.resume()
        self.assertGreater(loading.stop()["records"], 0)
        self.assertMirrored()
