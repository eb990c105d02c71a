"""That nothing is lost, doubled or shifted when odraz, brokers or leaders fail in the midst of a load."""

import random
import signal
import time
import unittest

import compare
import net
import protocol
import scenario


class FailuresTest(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.random = random.Random(self.number)

    def pause(self, least, most):
        time.sleep(self.random.uniform(least, most))

    def topic_under_load(self, partitions=6, rate=3000, **options):
        """A topic that grows until end_load()."""
        topic = self.topic("orders", partitions=partitions)
        self.loading = self.begin_produce(topic, rate=rate, **options)
        return topic

    def end_load(self):
        self.assertGreater(self.loading.stop()["records"], 0)

    def wait_position(self, topic, offset, partition=0, seconds=30):
        net.wait_until(lambda: self.destination.offsets(topic).get(partition, 0) >= offset, seconds,
                       f"{topic}-{partition} to reach {offset}")

    def test_stopped_in_order_and_started_again(self):
        topic = self.topic_under_load()
        mirror = self.start_mirror()
        self.wait_position(topic, 500)
        self.assertEqual(mirror.stop(), 0)
        mirror.start()
        self.end_load()
        self.assertMirrored()

    def test_killed_at_random_moments(self):
        self.topic_under_load()
        mirror = self.start_mirror()
        for _ in range(scenario.depth(8, 50)):
            self.pause(0.1, 2)
            mirror.kill()
            mirror.start()
        self.end_load()
        self.assertMirrored()

    def test_small_batches_are_joined_and_the_mirror_killed(self):
        topic = self.topic("ticks", partitions=4)
        self.loading = self.begin_produce(topic, batch_size=1, linger_ms=0, size_max=100, codecs=["none"],
                                          rate=500)
        mirror = self.start_mirror()
        for _ in range(scenario.depth(6, 50)):
            self.pause(0.5, 2)
            mirror.kill()
            self.pause(0, 1)
            mirror.start()
        self.end_load()
        self.assertMirrored()
        self.assertConsumersAgree(topic)
        at_source, mirrored = (self.batches(cluster, topic) for cluster in (self.source, self.destination))
        self.assertLess(mirrored, at_source)  # by how much depends on how busy the machine is

    def test_large_batches_and_the_mirror_killed(self):
        """Partitions that share a leader have two connections to it, and change between them as batches grow."""
        topic = self.topic("images", partitions=8)
        self.produce(topic, total=80)
        mirror = self.start_mirror()
        self.assertMirrored()
        self.loading = self.begin_produce(topic, batch_size=400000, linger_ms=300, size_min=5000, size_max=10000,
                                          codecs=["none"], rate=800)
        for _ in range(scenario.depth(6, 50)):
            self.pause(0.5, 2)
            mirror.kill()
            mirror.start()
        self.end_load()
        self.assertMirrored()

    def batches(self, cluster, topic):
        """How many batches a topic has."""
        return sum(len(compare.read_log(cluster.partition_folder(leader, topic, partition), 0, 1 << 62))
                   for partition, (leader, _, _, _) in cluster.metadata(topic)[topic].items())

    def test_stopped_for_longer_than_the_session(self):
        topic = self.topic_under_load()
        mirror = self.start_mirror()
        self.wait_position(topic, 300)
        mirror.pause()
        time.sleep(scenario.SESSION_TIMEOUT_S + 2)
        mirror.resume()
        self.end_load()
        self.assertMirrored()

    def test_two_instances_of_which_the_sleeper_wakes(self):
        topic = self.topic_under_load(partitions=12)
        sleeper, heir = self.start_mirror(), self.start_mirror()
        self.wait_position(topic, 300)
        for first, second in ((sleeper, heir), (heir, sleeper)):
            first.pause()
            time.sleep(scenario.SESSION_TIMEOUT_S + 2)
            ends = self.source.offsets(topic)
            net.wait_until(lambda: all(self.destination.offsets(topic)[p] >= end for p, end in ends.items()), 30,
                           "the other instance to take over every partition")
            first.resume()
            self.pause(0.5, 1.5)
            self.assertTrue(second.running())
        self.end_load()
        self.assertMirrored()

    def test_four_instances_killed_at_random(self):
        self.topic_under_load(partitions=16)
        mirrors = [self.start_mirror() for _ in range(4)]
        for _ in range(scenario.depth(6, 40)):
            self.pause(0.2, 2)
            victim = self.random.choice(mirrors)
            victim.kill()
            self.pause(0, 1)
            victim.start()
        self.end_load()
        self.assertMirrored()

    def test_the_leader_dies_while_its_followers_are_behind(self):
        topic = self.topic_under_load(partitions=1)
        self.start_mirror()
        for _ in range(scenario.depth(2, 8)):
            self.wait_position(topic, self.source.offsets(topic)[0])
            leader = self.destination.leader(topic, 0)
            followers = [n for n in self.destination.nodes if n != leader]
            for follower in followers:
                self.destination.pause(follower)
            self.pause(0.3, 1)  # acks=1: the leader takes what its followers never see
            self.destination.kill(leader)
            for follower in followers:
                self.destination.resume(follower)
            net.wait_until(lambda: self.destination.leader(topic, 0) not in (leader, -1), 30, "another leader")
            self.destination.start(leader)
        self.end_load()
        self.assertMirrored()

    def test_the_groups_coordinator_freezes(self):
        topic = self.topic_under_load(partitions=6)
        mirror = self.start_mirror()
        self.wait_position(topic, 300)
        frozen = self.destination.coordinator(mirror.group)
        self.destination.pause(frozen)
        # Rule 7: who cannot hear the coordinator must not write. How long that is, is Kafka's to say.
        net.wait_until(lambda: self.destination.coordinator(mirror.group) not in (frozen, -1), 60, "another one")
        moved = time.monotonic()
        ends = self.source.offsets(topic)
        net.wait_until(lambda: all(self.destination.offsets(topic).get(p, 0) >= end for p, end in ends.items()), 30,
                       "the flow to go on")
        print(f"went on {time.monotonic() - moved:.1f} s after the coordinator had moved")
        self.destination.resume(frozen)
        self.end_load()
        self.assertMirrored()

    def test_rolling_restarts_of_the_destination(self):
        self.topic_under_load(rate=1000)  # brokers that start need the processors
        self.start_mirror()
        for number_of_signal in (signal.SIGTERM, signal.SIGKILL):
            for node in self.destination.nodes:
                self.pause(0, 0.5)
                self.destination.restart(node, number_of_signal)
        self.end_load()
        self.assertMirrored()

    def test_leaders_of_the_source_move(self):
        self.source, self.destination = self.destination, self.source
        topic = self.topic_under_load(partitions=3, rate=1000, in_flight=1)
        self.start_mirror()
        for _ in range(scenario.depth(3, 20)):
            self.pause(0.5, 1.5)
            for partition in range(3):
                replicas = self.source.metadata(topic)[topic][partition][2]
                self.load.move_leader(self.source, topic, partition, replicas[1:] + replicas[:1])
        self.end_load()
        self.assertMirrored()

    def test_a_leader_of_the_source_dies(self):
        self.source, self.destination = self.destination, self.source
        topic = self.topic_under_load(partitions=3, rate=1000, in_flight=1)
        self.start_mirror()
        self.wait_position(topic, 300)
        self.source.restart(self.source.leader(topic, 0), signal.SIGKILL)
        self.end_load()
        self.assertMirrored()

    def test_the_source_is_away_for_a_while(self):
        topic = self.topic("orders", partitions=4)
        self.produce(topic, total=5000)
        mirror = self.start_mirror()
        self.assertMirrored()
        self.source.kill(0)
        time.sleep(3)
        self.assertTrue(mirror.running())
        self.source.start(0)
        self.produce(topic, total=5000)
        self.assertMirrored()

    def test_the_destination_is_away_for_a_while(self):
        topic = self.topic_under_load(rate=1000)
        mirror = self.start_mirror()
        self.wait_position(topic, 300)
        for node in self.destination.nodes:
            self.destination.kill(node)
        mirror.wait_for(25, msg="status", not_joined="1", lag_records="unknown")  # 0 would mean that all is well
        self.assertTrue(mirror.running())
        self.destination.start()
        self.end_load()
        self.assertMirrored()

    def test_both_are_away_when_it_starts(self):
        topic = self.topic("orders")
        self.produce(topic, total=1000)
        self.source.kill(0)
        for node in self.destination.nodes:
            self.destination.kill(node)
        mirror = self.start_mirror()
        mirror.wait_for(20, level="warn|error", line="cannot connect")
        self.source.start(0)
        self.destination.start()
        net.wait_until(lambda: topic in self.destination.metadata(), 60, "the topic to be made")
        self.assertMirrored()
        self.assertEqual(self.destination.offsets(topic, protocol.EARLIEST), {0: 0})


if __name__ == "__main__":
    unittest.main()
