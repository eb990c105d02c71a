"""Several sources, and settings files that know nothing of each other: clusters in memory are enough."""

import unittest

import net
import scenario
from embedded import EmbeddedCluster
from mirror import Mirror

PARTITIONS = 8


class Flows(unittest.TestCase):
    def cluster(self, nodes=1):
        made = EmbeddedCluster(nodes, {"group.min.session.timeout.ms": 1000})
        self.addCleanup(made.stop)
        return made

    def mirror(self, source, target, topics=".*"):
        """Of a settings file with the aliases that everybody takes."""
        mirror = Mirror(source, target, topics, scenario.QUICK, aliases=("local", "hub"))
        self.addCleanup(mirror.kill)
        mirror.start()
        return mirror

    def produce(self, cluster, topic):
        scenario.load().create(cluster, topic, partitions=PARTITIONS)
        scenario.load().produce(cluster, topic, total=2000)

    def assert_arrives(self, source, target, topic):
        net.wait_until(lambda: target.offsets(topic) == source.offsets(topic), 30, f"all of {topic}")

    def test_regions_whose_files_have_the_same_aliases(self):
        hub, regions = self.cluster(3), {"eu-orders": self.cluster(), "us-orders": self.cluster()}
        for topic, region in regions.items():
            self.produce(region, topic)
        mirrors = [self.mirror(region, hub) for region in regions.values()]
        for topic, region in regions.items():
            self.assert_arrives(region, hub, topic)
        said = [line for m in mirrors for line in m.events(msg="mirrors another source cluster")]
        self.assertTrue(said, "somebody should hear that the aliases mean two things")
        for mirror in mirrors:
            mirror.wait_for(msg="^topic ready$", flow="^local->hub$")

    def test_teams_whose_files_have_the_same_aliases(self):
        source, target = self.cluster(), self.cluster(3)
        mirrors = [self.mirror(source, target, topics) for topics in ("orders", "payments")]
        net.wait_until(lambda: any(m.events(level="error", msg="mirrors other topics") for m in mirrors), 30,
                       "that what the other owns is not mirrored as we say")

    def test_who_never_reached_the_source_ends_at_once(self):
        source, target = self.cluster(), self.cluster()
        source.stop()
        mirror = self.mirror(source, target)
        mirror.wait_for(msg="broker unreachable", cluster="local")
        self.assertEqual(mirror.stop(5), 0)


if __name__ == "__main__":
    unittest.main()
