"""What the stories share: one source broker, three destination brokers and one load, whole at each start."""

import atexit
import functools
import itertools
import os
import unittest

import compare
import net
import protocol
from cluster import Cluster
from load import Load
from mirror import Mirror

BOTH_CONFIG = {
    "group.min.session.timeout.ms": 1000,
    "log.cleaner.backoff.ms": 500,
    "producer.id.expiration.check.interval.ms": 2000,
}
SESSION_TIMEOUT_S = 3
# Tests wait for what these decide.
QUICK = {
    "session.timeout.ms": SESSION_TIMEOUT_S * 1000,
    "heartbeat.interval.ms": 500,
    "metadata.max.age.ms": 5000,
    "request.timeout.ms": 10000,
}
SOAK = bool(os.environ.get("ODRAZ_SOAK"))
VERSION = os.environ.get("KAFKA", "4.3.1")  # of the brokers
_numbers = itertools.count(1)


def depth(quick, soak):
    """How often something is done: within a check of minutes, or in a soak of hours."""
    return soak if SOAK else quick


@functools.cache
def source(version=VERSION):
    return shared(Cluster("source", 1, BOTH_CONFIG, version, first=0))


@functools.cache
def destination(version=VERSION):
    return shared(Cluster("destination", 3, {**BOTH_CONFIG, "min.insync.replicas": 2}, version, first=0))


@functools.cache
def load(version="4.3.1"):
    made = Load(version)
    atexit.register(made.close)
    return made


def shared(cluster):
    """Lives until the end of the run."""
    atexit.register(cluster.stop)
    return cluster


class Scenario(unittest.TestCase):
    """A test with real clusters. Its topics and its flow have names of their own."""

    def setUp(self):
        self.load = load()  # its JVM starts while the clusters do
        self.destination = destination()
        self.source = source()
        for cluster in (self.source, self.destination):
            cluster.heal()
        self.number = next(_numbers)
        self.prefix = f"s{self.number:03d}-"
        self.mirrors = []
        self.made = []
        self.addCleanup(self.tidy)

    def tidy(self):
        for mirror in self.mirrors:
            mirror.kill()
        for cluster in (self.source, self.destination):
            if cluster.stopped:
                continue
            cluster.heal()
            mine = [topic for topic in cluster.metadata() if self.prefix in topic]
            if mine:
                self.load.delete(cluster, *mine)

    def run(self, result=None):
        """A failure tells what odraz said last."""
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for mirror in getattr(self, "mirrors", []):
                print(f"--- {self.id()}: the last lines of {mirror.file}\n{mirror.tail()}")

    def topic(self, name, partitions=1, **config):
        """Makes a topic at the source; its full name."""
        topic = self.prefix + name
        self.load.create(self.source, topic, partitions=partitions,
                         config={key.replace("_", "."): str(value) for key, value in config.items()})
        self.made.append(topic)
        return topic

    def produce(self, *topics, **options):
        return self.load.produce(self.source, *topics, seed=self.number, **options)

    def begin_produce(self, *topics, **options):
        pending = self.load.begin_produce(self.source, *topics, seed=self.number, **options)
        self.addCleanup(pending.abandon)
        return pending

    def start_mirror(self, topics=None, settings=None, source_cluster=None, target=None, start=True):
        """One more instance of this test's flow; by default it mirrors all topics of this test."""
        mirror = Mirror(source_cluster or self.source, target or self.destination, topics or self.prefix + ".*",
                        {**QUICK, **(settings or {})}, aliases=(f"a{self.number}", "b"))
        self.mirrors.append(mirror)
        if start:
            mirror.start()
        return mirror

    def assertMirrored(self, *topics, seconds=60, named=None, same_start=True):
        """Every replica holds what the source holds now; `named` maps topics to their names at the destination."""
        names = named or {topic: topic for topic in topics or self.made}
        compared = compare.wait_equal(self.source, self.destination, names, seconds, same_start)
        self.assertGreater(compared, 0, "nothing was compared")

    def assertMirroredBelow(self, topic, ends):
        """The destination comes to stand exactly at `ends` ({partition: offset}) and holds what the source holds."""
        def stands():
            offsets = self.destination.offsets(topic)
            return {p: offsets[p] for p in ends}

        try:
            net.wait_until(lambda: stands() == ends, 15, "what precedes a halt")
        except net.TimedOut:
            self.assertEqual(stands(), ends)
        found, _ = compare.compare_topic(self.source, self.destination, topic, topic, ends, partitions=ends)
        self.assertEqual(found, [])

    def assertConsumersAgree(self, topic, partition=0, mirrored=None):
        """A second opinion, by Kafka's own consumer."""
        start = self.source.offsets(topic, protocol.EARLIEST)[partition]
        end = self.source.offsets(topic)[partition]
        self.assertEqual(self.load.digest(self.source, topic, partition, start, end),
                         self.load.digest(self.destination, mirrored or topic, partition, start, end))
