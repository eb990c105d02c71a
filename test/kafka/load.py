"""Load and administration of real clusters: drives one long-running Load.java by lines of JSON."""

import hashlib
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading

import jvm
import kafka_jars
import net
import process

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Load.java")
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
FOREVER = 1 << 53
NOW = -1
STEADY = {
    "seed": 1,
    "total": FOREVER,
    "seconds": 3600,
    "rate": 0,  # records a second; 0 for as many as possible
    "codecs": CODECS,
    "size_min": 0,  # bytes of a value
    "size_max": 10000,  # seldom reached
    "keys": 0,  # so many different keys; 0 for random and null ones
    "timestamp": NOW,  # of the first record, each next one a millisecond later; NOW for the wall clock
    "partitions": [],  # [] for all
    # Where leaders move, 1: of more, a batch that a deposed leader took may be asked for again after five others have
    # followed; no broker knows it as a repeat then, and Java's producer asks until delivery.timeout.ms is over.
    "in_flight": 5,
}


class LoadError(Exception):
    """A command of Load.java failed; the text is Kafka's."""


def _compiled(version):
    """The folder of Load.class, compiled once for each text of Load.java."""
    with open(SOURCE, "rb") as f:
        name = "load-" + hashlib.sha256(f.read()).hexdigest()[:16]
    folder = os.path.join(kafka_jars.folder(version), "prepared", name)
    if not os.path.isdir(folder):
        work = process.temporary("javac")
        path = jvm.class_path(version)
        subprocess.run(["javac", "-proc:none", "-nowarn", "-cp", path, "-d", work, SOURCE], check=True)
        shutil.copytree(work, folder + f".{os.getpid()}")
        try:
            os.rename(folder + f".{os.getpid()}", folder)
        except OSError:  # another run was faster
            shutil.rmtree(folder + f".{os.getpid()}")
    return folder


class Pending:
    """The answer of a command that may still be running."""

    def __init__(self, load, number):
        self._load, self.number = load, number
        self._answers = queue.Queue(1)

    def put(self, answer):
        self._answers.put(answer)

    def result(self, seconds=120):
        answer = self._answers.get(timeout=seconds)
        if "error" in answer:
            raise LoadError(answer["error"])
        return answer

    def stop(self, seconds=120):
        """Ends a produce() early; its result."""
        self._load.call("stop", load=str(self.number))
        return self.result(seconds)

    def abandon(self):
        """For a test's end: stops a produce() that may have ended long ago."""
        self._load.call("stop", load=str(self.number))


class Load:
    """Clients of one Kafka version. Each method names the cluster it talks to first."""

    def __init__(self, version="4.3.1"):
        jvm.prepare(version)
        command = jvm.java(version, "Load", [], heap="512m", classes=_compiled(version))
        self._err = open(os.path.join(process.temporary("load"), "err.log"), "wb")
        self._child = process.launch(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._err)
        self._numbers = itertools.count(1)
        self._pending = {}
        threading.Thread(target=self._read, daemon=True, name="load answers").start()

    def _read(self):
        for line in self._child.stdout:
            answer = json.loads(line)
            self._pending.pop(answer["id"]).put(answer)

    def begin(self, command, cluster=None, **fields):
        pending = Pending(self, next(self._numbers))
        self._pending[pending.number] = pending
        if cluster is not None:
            fields.update(getattr(cluster, "superuser", {"bootstrap": cluster.bootstrap}))
        line = json.dumps({"id": pending.number, "do": command, **fields}) + "\n"
        self._child.stdin.write(line.encode())
        self._child.stdin.flush()
        return pending

    def call(self, command, cluster=None, **fields):
        return self.begin(command, cluster, **fields).result()

    def close(self):
        process.end(self._child)
        self._err.close()

    def create(self, cluster, *topics, partitions=1, assignment=None, config=None):
        """`assignment`: for each partition the broker ids of its replicas, instead of a count.

        Returns once every partition answers: an idempotent producer that meets a partition in the making may wait for
        its sequence numbers for ever.
        """
        placing = {"assignment": assignment} if assignment else {"partitions": partitions}

        def create():
            try:
                self.call("create", cluster, topics=topics, config=config or {}, **placing)
            except LoadError as problem:  # of that name one is still being deleted, which metadata do not show
                if "TopicExistsException" not in str(problem):
                    raise
                return False
            return True

        net.wait_until(create, 20, f"{topics} to be made anew")
        count = len(assignment or range(partitions))
        for topic in topics:
            net.wait_until(lambda: len(cluster.offsets(topic)) == count, 20, f"{topic} to be made")

    def grow(self, cluster, topic, partitions):
        self.call("grow", cluster, topic=topic, partitions=partitions)

    def delete(self, cluster, *topics):
        self.call("delete", cluster, topics=dict(enumerate(topics)))

    def delete_records(self, cluster, topic, partition, before):
        self.call("delete_records", cluster, topic=topic, partition=partition, before=before)

    def alter(self, cluster, topic, **config):
        """Settings with underscores for dots: max_message_bytes=..."""
        self.call("alter", cluster, topic=topic, config={k.replace("_", "."): v for k, v in config.items()})

    def limit(self, cluster, quota, rate):
        """A quota of each client at each broker, such as producer_byte_rate; None takes it away."""
        self.call("limit", cluster, quota=quota, rate=rate)

    def allow(self, cluster, kind, name, *rights):
        """Gives clients that say no name rights on a TOPIC, a GROUP or the CLUSTER."""
        self.call("allow", cluster, type=kind, name=name, rights=rights)

    def forbid(self, cluster, kind, name, *rights):
        """Takes them away again."""
        self.call("forbid", cluster, type=kind, name=name, rights=rights)

    def move_leader(self, cluster, topic, partition, replicas):
        """Puts replicas[0] in the lead."""
        self.call("reassign", cluster, topic=topic, partition=partition, replicas=replicas)
        self.call("elect", cluster, topic=topic, partition=partition)

    def begin_produce(self, cluster, *topics, **options):
        """Starts a load; the options stand in STEADY. Ends at `total` records, after `seconds`, or by stop()."""
        return self.begin("produce", cluster, topics=topics, **{**STEADY, **options})

    def produce(self, cluster, *topics, **options):
        return self.begin_produce(cluster, *topics, **options).result(300)["records"]

    def transactions(self, cluster, topic, partition, count=10):
        self.call("transactions", cluster, **{**STEADY, "topic": topic, "partition": partition, "count": count})

    def largest(self, cluster, topic, partition, size):
        """One record with a value of that size, uncompressed."""
        self.produce(cluster, topic, partitions=[partition], total=1, size_min=size, size_max=size, codecs=["none"])

    def digest(self, cluster, topic, partition, start, end, seconds=60, timestamp_type=True):
        """(records, sha256) of what a consumer sees from `start` to before `end`."""
        bounds = {"from": start, "to": end, "seconds": seconds, "timestamp_type": timestamp_type}
        answer = self.call("digest", cluster, topic=topic, partition=partition, **bounds)
        return answer["records"], answer["sha256"]
