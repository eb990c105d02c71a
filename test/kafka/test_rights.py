"""That the rights README.md names are enough, and that one that is missing is named and stops nothing else."""

import functools
import unittest

import net
import protocol
import scenario
from cluster import GuardedCluster

# What README.md says. READ, WRITE, ALTER and DELETE imply DESCRIBE (AclAuthorizer, StandardAuthorizer).
AT_THE_SOURCE = {"TOPIC": ("READ", "DESCRIBE_CONFIGS")}
AT_THE_DESTINATION = {
    "TOPIC": ("CREATE", "DESCRIBE_CONFIGS", "WRITE", "READ", "ALTER", "DELETE"),
    "GROUP": ("READ",),
    "CLUSTER": ("DESCRIBE_CONFIGS",),
}
CLUSTER_NAME = "kafka-cluster"  # Resource.CLUSTER_NAME


@functools.cache
def guarded():
    return scenario.shared(GuardedCluster("guarded", scenario.BOTH_CONFIG, scenario.VERSION))


class RightsTest(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.guarded = guarded()

    def give(self, kind, name, rights, but=None):
        """Rights until the end of the story, all `but` one."""
        self.load.allow(self.guarded, kind, name, *(right for right in rights if right != but))
        self.addCleanup(self.load.forbid, self.guarded, kind, name, *rights)

    def give_destination(self, *topics, group, but=None):
        """What is needed at the destination; the first topic lacks `but`."""
        for topic in topics:
            self.give("TOPIC", topic, AT_THE_DESTINATION["TOPIC"], but if topic == topics[0] else None)
        self.give("GROUP", group, AT_THE_DESTINATION["GROUP"])
        self.give("CLUSTER", CLUSTER_NAME, AT_THE_DESTINATION["CLUSTER"])

    def mirrored(self, topic):
        """Whether all of it is at the destination."""
        ends = self.source.offsets(topic)
        return topic in self.guarded.metadata() and self.guarded.offsets(topic) == ends

    def two_topics(self, name):
        lacking, whole = self.topic(f"lacking-{name}"), self.topic(f"whole-{name}")
        self.produce(lacking, whole, total=500)
        self.load.delete_records(self.source, lacking, 0, 100)
        return lacking, whole

    def test_enough_at_the_destination(self):
        topic = self.topic("orders", partitions=2)
        self.produce(topic, total=2000)
        self.load.delete_records(self.source, topic, 0, 500)
        mirror = self.start_mirror(target=self.guarded, start=False)
        self.give_destination(topic, group=mirror.group)
        mirror.start()
        self.destination = self.guarded
        net.wait_until(lambda: topic in self.guarded.metadata(), 30, "the topic to be made")
        self.assertMirrored()
        self.assertEqual(self.guarded.offsets(topic, protocol.EARLIEST), {0: 500, 1: 0})
        self.load.grow(self.source, topic, 3)
        net.wait_until(lambda: len(self.guarded.metadata()[topic]) == 3, 30, "the partition to be added")
        self.produce(topic, total=500)
        self.assertMirrored()
        self.assertEqual(mirror.events(line="right|AUTHORIZATION"), [])

    def test_enough_at_the_source(self):
        self.source = self.guarded
        self.give("TOPIC", self.prefix + "orders", AT_THE_SOURCE["TOPIC"])
        topic = self.topic("orders", partitions=2)
        self.produce(topic, total=2000)
        self.load.delete_records(self.source, topic, 0, 500)
        mirror = self.start_mirror()
        net.wait_until(lambda: topic in self.destination.metadata(), 30, "the topic to be made")
        self.assertMirrored()
        self.assertEqual(mirror.events(line="right|AUTHORIZATION"), [])

    def test_one_is_missing_at_the_destination(self):
        said = {"CREATE": {"msg": "topic halted", "reason": "right CREATE"},
                "DESCRIBE_CONFIGS": {"msg": "settings not read", "reason": "right DESCRIBE_CONFIGS"},
                "WRITE": {"msg": "partition halted", "reason": "right WRITE .* at b"},
                "READ": {"msg": "partition halted", "reason": "right READ .* at b"},
                "DELETE": {"msg": "log start not raised", "why": "right DELETE"}}
        for right, words in said.items():
            with self.subTest(missing=right):
                lacking, whole = self.two_topics(right)
                mirror = self.start_mirror(f"{lacking},{whole}", target=self.guarded, start=False)
                self.give_destination(lacking, whole, group=mirror.group, but=right)
                mirror.start()
                mirror.wait_for(30, topic=lacking, **words)
                net.wait_until(lambda: self.mirrored(whole), 30, "the other topic")
                mirror.kill()

    def test_the_group_is_missing(self):
        topic = self.topic("orders")
        mirror = self.start_mirror(target=self.guarded, start=False)
        self.give("TOPIC", topic, AT_THE_DESTINATION["TOPIC"])
        mirror.start()
        mirror.wait_for(30, level="error", group=mirror.group, detail="allow READ on it")
        mirror.wait_for(30, level="warn", msg="producer.id.expiration.ms not read", reason="right DESCRIBE_CONFIGS")

    def test_one_is_missing_at_the_source(self):
        self.source = self.guarded
        for right, words in {"READ": {"msg": "partition halted", "reason": r"right READ .* at a\d+"},
                             "DESCRIBE_CONFIGS": {"msg": "topic halted", "reason": "right DESCRIBE_CONFIGS"}}.items():
            with self.subTest(missing=right):
                self.give("TOPIC", self.prefix + right, (*AT_THE_SOURCE["TOPIC"], "DESCRIBE"), right)
                topic = self.topic(right)
                self.produce(topic, total=500)
                mirror = self.start_mirror(topic)
                mirror.wait_for(30, topic=topic, **words)
                mirror.kill()


if __name__ == "__main__":
    unittest.main()
