"""Who is measured: each contender is a command that copies one topic from one cluster to another, and what it reads."""

import os
import shlex
from typing import NamedTuple

import jvm
import mirror
import settings

MIRRORMAKER_HEAP = "256m:2g"  # what Kafka's own connect-mirror-maker.sh gives it
MIRRORMAKER_1_HEAP = "256m"  # what kafka-mirror-maker.sh gives it
MIRRORMAKER_1 = "3.9.1"  # the last version that has it
NEVER = 1 << 62
BUSY_FETCH = 64 << 10  # bytes
FLOOR = os.path.join(os.path.dirname(mirror.PROGRAM), "bench", "floor")


class Data(NamedTuple):
    """A topic at the source, the same for all."""

    topic: str
    codec: str
    batch_kib: int
    partitions: int
    records: int
    ends: dict  # of its partitions; NEVER: somebody goes on producing
    stored: int  # bytes of its segments


class Task(NamedTuple):
    """One run: what is copied, between which clusters, and a folder for what the contender needs."""

    data: Data
    source: object
    destination: object
    number: int  # of the run: names made of it have no past at the destination
    home: str

    def aliases(self):
        return f"s{self.number}", f"d{self.number}"

    def write(self, name, text):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


def floor(task):
    """test/bench/floor.c: nothing but the copying."""
    ends = ",".join(str(task.data.ends[p]) for p in range(task.data.partitions))
    return [FLOOR, task.source.nodes[1].address, task.destination.nodes[1].address, task.data.topic, ends]


def busy_floor(task):
    """The floor with small fetches: who copies fast sends so few that a broker would still interpret them."""
    return [*floor(task), f"{BUSY_FETCH >> 10}"]


def odraz(task):
    """This program with its defaults."""
    return _odraz(task, {})


def busy_odraz(task):
    """It uses requests that the floor does without: a broker must have compiled what serves these, too."""
    return _odraz(task, {"fetch.max.bytes": BUSY_FETCH})


def _odraz(task, more):
    values = {"topics": task.data.topic, "refresh.topics.interval.seconds": 600, **more}
    text = mirror.properties(task.aliases(), (task.source.bootstrap, task.destination.bootstrap), values)
    return [mirror.PROGRAM, "run", task.write("mirror.properties", text)]


def _mirrormaker(task, more):
    a, b = task.aliases()
    kinds = ("", "checkpoints.topic.", "heartbeats.topic.", "offset-syncs.topic.", "offset.storage.", "status.storage.",
             "config.storage.")
    replicas = {f"{kind}replication.factor": min(3, len(task.destination.nodes)) for kind in kinds}
    replicas["offset-syncs.topic.replication.factor"] = min(3, len(task.source.nodes))
    values = {"clusters": f"{a}, {b}", f"{a}.bootstrap.servers": task.source.bootstrap,
              f"{b}.bootstrap.servers": task.destination.bootstrap, f"{a}->{b}.enabled": "true",
              "topics": task.data.topic,
              "replication.policy.class": "org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
              **replicas, **{key.replace("A", a, 1).replace("B", b, 1): value for key, value in more.items()}}
    path = task.write("mm2.properties", "".join(f"{key} = {value}\n" for key, value in values.items()))
    return jvm.java(settings.VERSION, "org.apache.kafka.connect.mirror.MirrorMaker", [path], MIRRORMAKER_HEAP)


def mm2(task):
    """MirrorMaker 2 with its defaults."""
    return _mirrormaker(task, {})


# What guides to MirrorMaker 2 agree on: a task for each partition, large fetches, large batches that wait a little,
# compression as at the source.
TUNED = {
    "tasks.max": 8,
    "A->B.consumer.max.poll.records": 20000,
    "A->B.consumer.fetch.min.bytes": 100000,
    "A->B.consumer.fetch.max.bytes": 50 << 20,
    "A->B.consumer.max.partition.fetch.bytes": 8 << 20,
    "B.producer.batch.size": 1 << 19,
    "B.producer.linger.ms": 50,
    "B.producer.buffer.memory": 128 << 20,
    "B.producer.max.request.size": 8 << 20,
}


def mm2_tuned(task):
    """MirrorMaker 2 made as fast as its settings allow."""
    return _mirrormaker(task, {**TUNED, "B.producer.compression.type": task.data.codec})


def mm1(task):
    """MirrorMaker 1 with its defaults: a consumer and a producer."""
    consumer = task.write("consumer.properties", f"bootstrap.servers={task.source.bootstrap}\n"
                                                 f"group.id=mm1-{task.number}\nauto.offset.reset=earliest\n")
    producer = task.write("producer.properties", f"bootstrap.servers={task.destination.bootstrap}\n")
    arguments = ["--consumer.config", consumer, "--producer.config", producer, "--include", task.data.topic]
    return jvm.java(MIRRORMAKER_1, "kafka.tools.MirrorMaker", arguments, MIRRORMAKER_1_HEAP)


# What stands between keys, values and records in the pipe; nothing escapes it.
KEY_END, RECORD_END = "|key\x1f|", "|record\x1e|"


def kcat(task):
    """kcat piped into kcat, to the end of the topic: keys and values, but neither headers nor times."""
    read = ["kcat", "-C", "-q", "-e", "-b", task.source.bootstrap, "-t", task.data.topic, "-o", "beginning",
            "-f", f"%k{KEY_END}%s{RECORD_END}"]
    write = ["kcat", "-P", "-b", task.destination.bootstrap, "-t", task.data.topic, "-K", KEY_END, "-D", RECORD_END]
    return ["sh", "-c", f"{shlex.join(read)} | {shlex.join(write)}"]


ALL = {"floor": floor, "odraz": odraz, "mm2": mm2, "mm2-tuned": mm2_tuned, "mm1": mm1, "kcat": kcat}
