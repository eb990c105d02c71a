"""Clients that know nothing of us against `odraz broker`: Kafka's own Java clients and tools, and kcat (librdkafka)."""

import subprocess
import unittest

import jvm
import process
import scenario
from embedded import EmbeddedCluster

VERSION = "4.3.1"
SECONDS_MAX = 60


def run(*command, given=None):
    """What a client prints; its failure is the test's."""
    done = subprocess.run([str(word) for word in command], input=given, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0, f"{command[:6]} ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


class Embedded(unittest.TestCase):
    """Three brokers in memory."""

    def setUp(self):
        self.cluster = EmbeddedCluster(3)
        self.addCleanup(self.cluster.stop)
        self.addCleanup(lambda: self.assertTrue(self.cluster.alive(), self.cluster.last_words()))

    def kcat(self, *words, given=None):
        return run("kcat", "-b", self.cluster.bootstrap, *words, given=given)

    def tool(self, name, *words):
        """One of the command line tools of Kafka's distribution."""
        log = process.temporary("tool")
        command = jvm.java(VERSION, f"org.apache.kafka.tools.{name}", words, heap="128m")
        return subprocess.run(command, cwd=log, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=SECONDS_MAX, check=True).stdout

    def test_java_clients(self):
        load = scenario.load()
        load.create(self.cluster, "t", partitions=3)
        written = load.produce(self.cluster, "t", total=5000)
        ends = self.cluster.offsets("t")
        self.assertEqual(sum(ends.values()), written)
        for partition, end in ends.items():
            records, _ = load.digest(self.cluster, "t", partition, 0, end)
            self.assertEqual(records, end)
        load.grow(self.cluster, "t", 5)
        self.assertEqual(len(self.cluster.metadata("t")["t"]), 5)
        load.alter(self.cluster, "t", retention_ms="1000000")
        load.delete_records(self.cluster, "t", 0, 10)
        self.assertEqual(self.cluster.offsets("t", -2)[0], 10)
        load.delete(self.cluster, "t")
        self.assertNotIn("t", self.cluster.metadata())

    def test_java_transactions(self):
        load = scenario.load()
        load.create(self.cluster, "x")
        load.transactions(self.cluster, "x", 0, count=10)
        end = self.cluster.offsets("x")[0]
        self.assertGreater(end, 10)
        self.assertGreater(load.digest(self.cluster, "x", 0, 0, end)[0], 0)

    def test_kcat_fills_and_reads(self):
        scenario.load().create(self.cluster, "k", partitions=2)
        lines = [f"key{i}:value{i}" for i in range(500)]
        self.kcat("-P", "-t", "k", "-K:", "-z", "lz4", given="\n".join(lines) + "\n")
        self.kcat("-P", "-t", "k", "-K:", "-X", "enable.idempotence=true", given="a:b\n")
        self.assertEqual(sorted(self.kcat("-C", "-t", "k", "-e", "-q", "-K:").split()), sorted(lines + ["a:b"]))
        self.assertIn('topic "k" with 2 partitions', self.kcat("-L"))

    def test_kcat_codecs_and_transactions(self):
        scenario.load().create(self.cluster, "c", partitions=1)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            self.kcat("-P", "-t", "c", "-z", codec, given=f"{codec}\n" * 20)
        self.kcat("-P", "-t", "c", "-X", "transactional.id=kcat", given="in a transaction\n")
        read = self.kcat("-C", "-t", "c", "-e", "-q", "-X", "isolation.level=read_committed").splitlines()
        self.assertEqual(read[:1] + read[-21:-19] + read[-1:], ["none", "zstd", "zstd", "in a transaction"])
        self.assertEqual(len(read), 101)

    def test_kcat_group(self):
        scenario.load().create(self.cluster, "g", partitions=3)
        self.kcat("-P", "-t", "g", given="".join(f"{i}\n" for i in range(90)))
        options = ("-X", "auto.offset.reset=earliest", "-e", "-q", "-G", "readers", "g")
        self.assertEqual(sorted(map(int, self.kcat(*options).split())), list(range(90)))
        self.kcat("-P", "-t", "g", given="more\n")
        self.assertEqual(self.kcat(*options).split(), ["more"], "the group goes on from its committed offsets")
        for how in ("partition.assignment.strategy=cooperative-sticky", "group.instance.id=one"):
            other = ("-X", "auto.offset.reset=earliest", "-e", "-q", "-X", how, "-G", how.split("=")[1], "g")
            self.assertEqual(len(self.kcat(*other).split()), 91, how)

    def test_kafka_tools(self):
        scenario.load().create(self.cluster, "tools", partitions=2)
        self.kcat("-P", "-t", "tools", given="".join(f"{i}\n" for i in range(20)))
        server = ("--bootstrap-server", self.cluster.bootstrap)
        read = self.tool("consumer.ConsoleConsumer", *server, "--topic", "tools", "--from-beginning", "--group", "c",
                         "--max-messages", "20", "--timeout-ms", "20000")
        self.assertEqual(sorted(map(int, read.split())), list(range(20)))
        self.assertIn("tools", self.tool("TopicCommand", *server, "--describe", "--topic", "tools"))
        groups = self.tool("consumer.group.ConsumerGroupCommand", *server, "--describe", "--group", "c")
        self.assertEqual(sum(int(line.split()[5]) for line in groups.splitlines() if line.startswith("c ")), 0)
        self.assertIn("c", self.tool("consumer.group.ConsumerGroupCommand", *server, "--list").split())
        found = self.tool("GetOffsetShell", *server, "--topic", "tools")
        self.assertEqual(sum(int(line.split(":")[2]) for line in found.split()), 20)

    def test_offsets_by_tools(self):
        scenario.load().create(self.cluster, "moved", partitions=2)
        self.kcat("-P", "-t", "moved", given="".join(f"{i}\n" for i in range(20)))
        self.kcat("-C", "-t", "moved", "-e", "-q", "-X", "auto.offset.reset=earliest", "-G", "m", "moved")
        group = ("--bootstrap-server", self.cluster.bootstrap, "--group", "m")
        command = "consumer.group.ConsumerGroupCommand"
        back = self.tool(command, *group, "--reset-offsets", "--topic", "moved", "--to-earliest", "--execute")
        self.assertEqual([line.split()[-1] for line in back.splitlines() if line.startswith("m ")], ["0", "0"])
        self.assertIn("Successful", self.tool(command, *group, "--delete-offsets", "--topic", "moved:0"))
        self.assertIn("successful", self.tool(command, *group, "--delete"))
        self.assertNotIn("m", self.tool("GroupsCommand", *group[:2], "--list").split())

    def test_newer_protocol_is_refused(self):
        """As of a broker where only the classic protocol is switched on."""
        scenario.load().create(self.cluster, "newer")
        consumer = jvm.java(VERSION, "org.apache.kafka.tools.consumer.ConsoleConsumer", [
            "--bootstrap-server", self.cluster.bootstrap, "--topic", "newer", "--timeout-ms", "20000",
            "--command-property", "group.protocol=consumer"], heap="128m")
        done = subprocess.run(consumer, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=SECONDS_MAX, check=False)
        self.assertIn("unsupported version response on broker side", done.stdout)


if __name__ == "__main__":
    unittest.main()
