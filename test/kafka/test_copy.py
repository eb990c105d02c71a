"""What is copied, and that it is copied byte for byte: every kind of record, batch, topic and starting point."""

import signal
import time
import unittest

import compare
import net
import protocol
import scenario
from cluster import Cluster
from load import CODECS

OLDEST = "2.8.2"
LAST_YEAR = int((time.time() - 365 * 86400) * 1000)
MiB = 1 << 20


class CopyTest(scenario.Scenario):
    def test_every_codec_size_key_and_header(self):
        orders = self.topic("orders", partitions=4)
        for codec in CODECS:
            self.produce(orders, total=3000, codecs=[codec], batch_size=2000)
        self.start_mirror()
        self.produce(orders, total=20000, size_max=900_000)
        self.assertMirrored()
        for partition in range(4):
            self.assertConsumersAgree(orders, partition)

    def test_many_batches_a_second(self):
        ticks = self.topic("ticks", partitions=3)
        self.start_mirror()
        self.produce(ticks, seconds=5, rate=5000, batch_size=1, linger_ms=0, size_max=100)
        self.assertMirrored()

    def test_a_batch_joined_over_segment_files(self):
        # A file for each batch: a fetch reads from one file only, so who looks again gets the parts one by one.
        ticks = self.topic("ticks", segment_ms=1, retention_ms=-1)
        mirror = self.start_mirror()
        begun = int(time.time() * 1000)

        def tick(first, count):
            with self.source.connect(0) as leader:
                for n in range(first, first + count):
                    leader.append(ticks, 0, protocol.batch([b"tick"], timestamp=begun + 10 * n))

        tick(0, 5)
        self.assertMirrored()
        node, end, joined = self.destination.leader(ticks, 0), 5, 1
        while joined < 2 and end < 100:  # where it coordinates the group, too, the pause may cost the membership
            self.destination.pause(node)  # what comes meanwhile waits for an append that is under way
            tick(end, 1)
            time.sleep(0.3)
            tick(end + 1, 20)
            time.sleep(0.3)
            self.destination.resume(node)
            end += 21
            self.assertMirrored()
            folder = self.destination.partition_folder(node, ticks, 0)
            joined = compare.read_log(folder, end - 1, end)[-1].count
        self.assertGreater(joined, 1, "nothing was joined")
        mirror.kill()
        mirror.start()
        tick(end, 5)
        self.assertMirrored()

    def test_an_older_source(self):
        self.source = self.cluster("older", 1, "3.9.1")
        old = self.topic("old", partitions=2)
        self.produce(old, total=5000)
        self.start_mirror()
        self.produce(old, total=5000)
        self.assertMirrored()

    @unittest.skipUnless(scenario.SOAK, "six more Java processes; make soak has the time")
    def test_the_oldest_brokers(self):
        self.source = self.cluster("oldest-source", 1, OLDEST)
        self.destination = self.cluster("oldest-destination", 3, OLDEST)
        old = self.topic("old", partitions=3)
        self.produce(old, total=5000, batch_size=2000)
        self.load.delete_records(self.source, old, 0, 500)
        mirror = self.start_mirror()
        loading = self.begin_produce(old, rate=2000)
        for _ in range(3):
            net.wait_until(lambda: old in self.destination.metadata(), 30, "the topic to be made")
            self.wait_growth(old)
            mirror.kill()
            mirror.start()
        self.assertGreater(loading.stop()["records"], 0)
        self.assertMirrored()

    def cluster(self, name, nodes, version):
        """One for this story alone."""
        made = Cluster(name, nodes, scenario.BOTH_CONFIG, version)
        self.addCleanup(made.stop)
        return made

    def wait_growth(self, topic):
        """Until something arrives that was not there."""
        before = self.destination.offsets(topic)
        net.wait_until(lambda: self.destination.offsets(topic) != before, 30, "records to flow")

    def test_a_log_that_starts_in_the_middle_of_a_batch(self):
        orders = self.topic("orders", partitions=2)
        self.produce(orders, total=4000)
        self.load.delete_records(self.source, orders, 0, 777)
        self.start_mirror()
        self.assertMirrored()
        self.assertEqual(self.destination.offsets(orders, protocol.EARLIEST), {0: 777, 1: 0})
        self.assertConsumersAgree(orders)

    def test_filler_that_a_killed_mirror_left(self):
        orders = self.topic("orders")
        self.produce(orders, total=4000, keys=1000)
        self.load.delete_records(self.source, orders, 0, 777)
        # The broker refuses DeleteRecords there (POLICY_VIOLATION): the mirror copies, and dies before it could delete.
        self.load.create(self.destination, orders, config={"cleanup.policy": "compact"})
        mirror = self.start_mirror()
        net.wait_until(lambda: self.destination.offsets(orders) == {0: 4000}, 30, "the records to be copied")
        mirror.kill()
        self.assertEqual(self.destination.offsets(orders, protocol.EARLIEST), {0: 0})
        self.load.alter(self.destination, orders, cleanup_policy="delete")
        mirror.start()
        self.produce(orders, total=1000)
        self.assertMirrored()
        self.assertEqual(self.destination.offsets(orders, protocol.EARLIEST), {0: 777})
        self.assertConsumersAgree(orders)

    def test_filler_that_a_killed_broker_shows_again(self):
        """The disk is told the log start now and then; a broker that is killed before forgets DeleteRecords. The mirror
        keeps its slices meanwhile: who gets them anew looks at the beginning anyway."""
        forgetful = Cluster("forgetful", 1, {**scenario.BOTH_CONFIG, "log.initial.task.delay.ms": 3600000}, first=0)
        self.addCleanup(forgetful.stop)
        orders = self.topic("orders")
        self.produce(orders, total=4000)
        self.load.delete_records(self.source, orders, 0, 777)
        mirror = self.start_mirror(target=forgetful, settings={"session.timeout.ms": 120000})
        for _ in range(3):
            self.produce(orders, total=100)
            net.wait_until(lambda: forgetful.offsets(orders, protocol.EARLIEST) == {0: 777} and
                           forgetful.offsets(orders) == self.source.offsets(orders), 60, "the filler to be hidden")
            mirror.pause()
            forgetful.restart(0, signal.SIGKILL)
            net.wait_until(lambda: forgetful.offsets(orders, protocol.EARLIEST) == {0: 0}, 30, "the start to go back")
            mirror.resume()
        net.wait_until(lambda: forgetful.offsets(orders, protocol.EARLIEST) == {0: 777}, 60, "the filler to go again")

    def test_a_log_that_starts_far_up(self):
        orders = self.topic("orders")
        many = protocol.batch([b""] * 500_000, attributes=protocol.GZIP)
        with self.source.connect(0) as leader:
            for _ in range(3):
                leader.append(orders, 0, many)
        self.load.delete_records(self.source, orders, 0, 1_500_000)
        self.produce(orders, total=500)
        self.start_mirror()
        self.assertMirrored()
        self.assertEqual(self.destination.offsets(orders, protocol.EARLIEST), {0: 1_500_000})

    def test_an_empty_log_that_starts_above_zero(self):
        orders = self.topic("orders")
        self.produce(orders, total=1000)
        self.load.delete_records(self.source, orders, 0, 1000)
        self.start_mirror()
        net.wait_until(lambda: self.destination.offsets(orders) == {0: 1000}, 30, "the empty log to be followed")
        self.produce(orders, total=100)
        self.assertMirrored()

    def test_batches_larger_than_a_fetch(self):
        large = self.topic("large", partitions=2, max_message_bytes=9 * MiB)
        self.produce(large, total=40, size_max=20)
        self.load.largest(self.source, large, 0, 1_000_000)
        self.load.largest(self.source, large, 0, 8 * MiB)
        self.load.largest(self.source, large, 1, 8 * MiB)
        self.produce(large, total=40, size_max=20)
        self.start_mirror()
        self.assertMirrored()
        self.load.largest(self.source, large, 1, 8 * MiB)
        self.assertMirrored()

    def test_timestamps_of_last_year(self):
        archive = self.topic("archive", partitions=2, retention_ms=-1)
        self.produce(archive, total=3000, timestamp=LAST_YEAR)
        mirror = self.start_mirror()
        self.assertMirrored()
        mirror.kill()
        self.produce(archive, total=3000, timestamp=LAST_YEAR + 3000)
        time.sleep(5)  # by now the destination's brokers have forgotten the state of a producer of last year
        mirror.start()
        self.produce(archive, total=3000, timestamp=LAST_YEAR + 6000)
        self.assertMirrored()

    def test_log_append_time(self):
        stamped = self.topic("stamped", message_timestamp_type="LogAppendTime")
        self.produce(stamped, total=500, codecs=["lz4"])
        self.start_mirror()
        net.wait_until(lambda: self.destination.offsets(stamped) == {0: 500}, 30, "the records to arrive")
        self.assertEqual(*(self.load.digest(cluster, stamped, 0, 0, 500, timestamp_type=False)
                           for cluster in (self.source, self.destination)))

    def test_a_new_topic_and_grown_partitions_while_it_runs(self):
        first = self.topic("first", partitions=1)
        self.produce(first, total=100)
        self.start_mirror()
        self.assertMirrored(first)
        second = self.topic("second", partitions=3)
        self.load.grow(self.source, first, 4)
        self.produce(first, second, total=2000)
        net.wait_until(lambda: len(self.destination.metadata(second)[second]) == 3 and
                       len(self.destination.metadata(first)[first]) == 4, 30, "the new partitions to be made")
        self.assertMirrored()

    def test_names_of_the_default_policy(self):
        orders, other = self.topic("orders"), self.topic("other")
        self.produce(orders, other, total=500)
        self.start_mirror(orders, {"replication.policy.class": "Default"})
        mirrored = f"a{self.number}.{orders}"
        net.wait_until(lambda: mirrored in self.destination.metadata(), 30, mirrored)
        self.assertMirrored(named={orders: mirrored})
        self.assertNotIn(f"a{self.number}.{other}", self.destination.metadata())


if __name__ == "__main__":
    unittest.main()
