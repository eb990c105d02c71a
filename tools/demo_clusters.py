"""The clusters of the demonstration: embedded ones, or real Kafka; and how each is compared."""

import subprocess

import compare
from embedded import EmbeddedCluster


class Embedded:
    """Two clusters in memory: neither Java nor a network is needed."""

    what = "two clusters of odraz's own brokers, in memory,"
    how_compared = "Reading both clusters from start to end as a consumer would, and comparing batch by batch."
    proof = "by reading both logs over the ordinary protocol, not by asking odraz"
    source = destination = None

    def __init__(self, traffic):
        self._traffic = traffic

    def start(self):
        self.destination = EmbeddedCluster(3, {"min.insync.replicas": 2})
        self.source = EmbeddedCluster(1)

    def compare(self, topics):
        """(equal, a sentence)."""
        try:
            said = self._traffic("compare", self.source.bootstrap, self.destination.bootstrap, 60, *topics)
        except subprocess.CalledProcessError as problem:
            return False, (problem.stdout or "").strip()
        return True, f"All partitions are {said}."

    def stop(self):
        for cluster in (self.source, self.destination):
            if cluster is not None:
                cluster.stop()


class Kafka:
    """Two real clusters, of jars from Maven Central."""

    version = "4.3.1"
    what = f"two Apache Kafka {version} clusters"
    how_compared = ("Comparing the log files of the source with those of all three replicas of the destination, "
                    "batch by batch.")
    proof = "by reading the brokers' own files, not by asking odraz"
    source = destination = None

    def start(self):
        import kafka_jars  # pylint: disable=import-outside-toplevel  (the embedded demo does without)
        from cluster import Cluster  # pylint: disable=import-outside-toplevel
        kafka_jars.jars(self.version)
        self.destination = Cluster("destination", 3, {"min.insync.replicas": 2}, self.version)
        self.source = Cluster("source", 1, version=self.version)

    def compare(self, topics):
        """(equal, a sentence)."""
        try:
            batches = compare.wait_equal(self.source, self.destination, {topic: topic for topic in topics})
        except compare.NotEqual as problem:
            return False, str(problem)
        return True, (f"{batches:,} batches were compared, on each of the three replicas of all "
                      f"{sum(topics.values())} partitions.")

    def stop(self):
        for cluster in (self.source, self.destination):
            if cluster is not None:
                cluster.stop()
