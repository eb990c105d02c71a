"""What odraz must not copy: the partition halts at the right offset with a reason, and all others go on."""

import unittest

import compare
import net
import protocol
import scenario

UNIQUE = 300  # records whose keys do not come again: compaction leaves their batches as they are


class HaltsTest(scenario.Scenario):
    @staticmethod
    def append(cluster, topic, partition, values):
        """One batch; the offset it got."""
        with cluster.connect(cluster.leader(topic, partition)) as leader:
            return leader.append(topic, partition, protocol.batch(values))

    def append_foreign(self, topic, partition):
        """Somebody else writes into the mirror; the offset it got."""
        return self.append(self.destination, topic, partition, [b"foreign"])

    def assertOthersGoOn(self, topic, others, **options):
        """The partitions beside the halted one still follow the source."""
        self.produce(topic, total=1000, partitions=others, **options)
        ends = {p: end for p, end in self.source.offsets(topic).items() if p in others}
        net.wait_until(lambda: all(self.destination.offsets(topic)[p] >= end for p, end in ends.items()), 30,
                       "the other partitions to go on")
        self.assertMirroredBelow(topic, ends)

    def test_foreign_records_while_it_runs(self):
        topic = self.topic("orders", partitions=3)
        self.produce(topic, total=3000)
        mirror = self.start_mirror()
        self.assertMirrored()
        end = self.source.offsets(topic)[1]
        self.assertEqual(self.append_foreign(topic, 1), end)
        self.produce(topic, total=3000)
        halt = mirror.halted(topic, 1, "foreign|diverged")
        self.assertEqual(int(halt["offset"]), end)
        self.assertOthersGoOn(topic, [0, 2])

    def test_foreign_records_while_it_was_away(self):
        topic = self.topic("orders", partitions=3)
        self.produce(topic, total=3000)
        mirror = self.start_mirror()
        self.assertMirrored()
        self.assertEqual(mirror.stop(), 0)
        end = self.source.offsets(topic)[2]
        self.append_foreign(topic, 2)
        self.produce(topic, total=3000)
        mirror.start()
        halt = mirror.halted(topic, 2, "foreign|diverged")
        self.assertEqual(int(halt["offset"]), end)
        self.assertEqual(self.destination.offsets(topic)[2], end + 1)
        self.assertOthersGoOn(topic, [0, 1])

    def test_a_topic_that_holds_foreign_records_from_the_start(self):
        topic = self.topic("orders", partitions=2)
        self.produce(topic, total=1000)
        self.load.create(self.destination, topic, partitions=2)
        self.load.produce(self.destination, topic, total=50, partitions=[0])
        mirror = self.start_mirror()
        mirror.halted(topic, 0, "foreign|diverged")
        self.assertEqual(self.destination.offsets(topic)[0], 50)
        self.assertOthersGoOn(topic, [1])

    def test_more_partitions_at_the_destination(self):
        topic = self.topic("orders", partitions=2)
        self.produce(topic, total=1000)
        self.load.create(self.destination, topic, partitions=5)
        mirror = self.start_mirror()
        mirror.wait_for(30, level="warn|error", topic=topic, line="partitions")
        self.assertEqual(set(self.destination.offsets(topic).values()), {0})

    def test_fewer_partitions_at_the_destination(self):
        topic = self.topic("orders", partitions=5)
        self.produce(topic, total=1000)
        self.load.create(self.destination, topic, partitions=2)
        self.start_mirror()
        net.wait_until(lambda: len(self.destination.metadata(topic)[topic]) == 5, 30, "the partitions to be added")
        self.assertMirrored()

    def test_a_destination_that_begins_to_stamp_records(self):
        """The broker's answer tells; the settings are read again much later."""
        topic = self.topic("orders", partitions=2)
        self.produce(topic, total=1000)
        mirror = self.start_mirror(settings={"metadata.max.age.ms": 300000})
        self.assertMirrored()
        end = self.destination.offsets(topic)[0]
        self.load.alter(self.destination, topic, message_timestamp_type="LogAppendTime")
        self.produce(topic, total=200, partitions=[0])
        halt = mirror.halted(topic, 0, "message.timestamp.type of the destination topic is LogAppendTime")
        self.assertEqual(int(halt["offset"]), end)

    def test_transactions(self):
        topic = self.topic("orders", partitions=2)
        self.produce(topic, total=200, partitions=[1])
        self.produce(topic, total=500, partitions=[0])
        self.load.transactions(self.source, topic, 0)
        mirror = self.start_mirror()
        halt = mirror.halted(topic, 0, "transaction")
        self.assertGreaterEqual(int(halt["offset"]), 500)
        self.assertMirroredBelow(topic, {0: int(halt["offset"])})
        self.assertOthersGoOn(topic, [1])

    def test_holes_of_compaction(self):
        topic = self.topic("orders", partitions=2, cleanup_policy="compact", segment_bytes=1 << 20, segment_ms=5000,
                           min_cleanable_dirty_ratio=0.001, max_compaction_lag_ms=1000)
        self.produce(topic, total=UNIQUE, partitions=[0], keys=1 << 30)
        self.produce(topic, total=3000, partitions=[0], keys=20)
        net.wait_until(self.has_holes_or_nudge(topic), 60, "the log cleaner", pause=0.5)
        mirror = self.start_mirror()
        halt = mirror.halted(topic, 0, "compact")
        self.assertGreaterEqual(int(halt["offset"]), UNIQUE)
        self.assertMirroredBelow(topic, {0: int(halt["offset"])})
        self.assertOthersGoOn(topic, [1], keys=1 << 30)

    def has_holes_or_nudge(self, topic):
        """Whether compaction has passed over partition 0; a record now and then rolls its segments."""
        folder = self.source.partition_folder(0, topic, 0)

        def look():
            batches = compare.read_log(folder, 0, UNIQUE + 3000)
            if sum(batch.count for batch in batches) < UNIQUE + 3000:
                return True
            self.produce(topic, total=1, partitions=[0], keys=1)
            return False
        return look

    def test_a_range_that_retention_took(self):
        topic = self.topic("orders", partitions=2)
        self.produce(topic, total=1000)
        mirror = self.start_mirror()
        self.assertMirrored()
        self.assertEqual(mirror.stop(), 0)
        end = self.source.offsets(topic)[0]
        self.produce(topic, total=2000)
        self.load.delete_records(self.source, topic, 0, end + 500)
        mirror.start()
        halt = mirror.halted(topic, 0, "lost", seconds=60)  # it is doubted for half a minute
        self.assertEqual(int(halt["offset"]), end)
        self.assertEqual(self.destination.offsets(topic)[0], end)
        self.assertOthersGoOn(topic, [1])

    def test_the_source_topic_was_made_anew(self):
        topic = self.topic("orders", partitions=1)
        self.produce(topic, total=1000)
        mirror = self.start_mirror()
        self.assertMirrored()
        self.make_anew(topic)
        self.load.produce(self.source, topic, total=2000, seed=4711)
        mirror.halted(topic, 0, "re-created")
        self.assertEqual(self.destination.offsets(topic), {0: 1000})

    def append_at_source(self, topic, count):
        """One batch of so many records; the offset it got."""
        return self.append(self.source, topic, 0, [b"%d" % i for i in range(count)])

    def make_anew(self, topic):
        """Deletes the source's topic, and creates it again."""
        self.load.delete(self.source, topic)
        net.wait_until(lambda: topic not in self.source.metadata(), 20, "the topic to be gone")
        self.load.create(self.source, topic)

    def mirror_a_last_batch(self, topic, count):
        """Mirrors `topic` up to a batch of so many records; the mirror, stopped, and the batch's offset."""
        self.produce(topic, total=1000)
        mirror = self.start_mirror()
        self.assertMirrored()
        base = self.append_at_source(topic, count)
        self.assertMirrored()
        self.assertEqual(mirror.stop(), 0)
        return mirror, base

    def test_a_topic_made_anew_that_starts_inside_the_last_batch(self):
        topic = self.topic("orders", partitions=1)
        mirror, base = self.mirror_a_last_batch(topic, 10)
        self.make_anew(topic)
        for count in (base + 3, 7, 5):  # one of them ends where the old one did
            self.append_at_source(topic, count)
        self.load.delete_records(self.source, topic, 0, base + 5)
        mirror.start()
        mirror.halted(topic, 0, "diverged")
        self.assertEqual(self.destination.offsets(topic), {0: base + 10})

    def test_a_log_that_starts_inside_the_last_batch_goes_on(self):
        topic = self.topic("orders", partitions=1)
        mirror, base = self.mirror_a_last_batch(topic, 10)
        self.load.delete_records(self.source, topic, 0, base + 5)
        mirror.start()
        self.produce(topic, total=1000)
        self.assertMirrored(same_start=False)


if __name__ == "__main__":
    unittest.main()
