#!/usr/bin/env python3
"""The benchmark: a bare loop, odraz, MirrorMaker 2 and 1, and kcat copy the same topics between the same brokers."""

import argparse
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "kafka"))
import contenders  # noqa: E402  (found by the line above, as all that follow)
import document  # noqa: E402
import jvm  # noqa: E402
import load  # noqa: E402
import measure  # noqa: E402
import mirror  # noqa: E402
import namespace  # noqa: E402
import net  # noqa: E402
import process  # noqa: E402
import report  # noqa: E402
import settings  # noqa: E402
from cluster import Cluster  # noqa: E402

RECORD_BYTES = 1000
# CODEC:KIB:PARTITIONS; KIB of a batch at most.
DATA = "none:16:1,none:16:8,lz4:16:8,none:1:8,none:1024:8,none:16:100,none:16:2000"
QUICK_DATA = "none:16:8,lz4:16:8"
FULL_DATA = ",".join(f"{codec}:{size}:{partitions}" for codec in ("none", "lz4") for size in (1, 16, 1024)
                     for partitions in (1, 8, 100, 2000) if size * partitions <= 32 << 10)  # the producer's memory
MANY_PARTITIONS = 1000  # from here on the producer has to wait long for full batches
LINGER_MS, LINGER_MANY_MS = 100, 1000
CREATE_S_MAX = 180
MEMORY = "/dev/shm"
COMPILERS_SHARE = 0.05  # of the brokers' CPU time, below which they are warm
WARM_SHARE = 0.25  # of the time there is, at most
PATIENT = {"group.initial.rebalance.delay.ms": 3000}  # Kafka's default: a new group waits for more members


def parse():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--megabytes", type=int, default=400, help="of records, each time (400)")
    p.add_argument("--repeat", type=int, default=2, help="runs of each (2)")
    p.add_argument("--data", default=DATA, help=f"CODEC:KIB_OF_A_BATCH:PARTITIONS,... ({DATA})")
    p.add_argument("--contenders", default=",".join(contenders.ALL), help=",".join(contenders.ALL))
    p.add_argument("--brokers", type=int, default=1, help="of the destination (1)")
    p.add_argument("--patience", type=int, default=20, help="seconds to wait for a quiet machine before each run (20)")
    p.add_argument("--minutes", type=int, default=30, help="after which no other run begins (30)")
    p.add_argument("--disk", action="store_true", help="brokers' logs on disk even where memory has room for them")
    p.add_argument("--quick", action="store_true", help=f"{QUICK_DATA}, 100 MB, once: four minutes")
    p.add_argument("--full", action="store_true", help="every combination, 1 GB, three times: hours")
    p.add_argument("--document", action="store_true", help="put the report into docs/performance.md")
    arguments = p.parse_args()
    if arguments.quick:
        arguments.data, arguments.megabytes, arguments.repeat, arguments.patience = QUICK_DATA, 100, 1, 5
        arguments.minutes = 4
    if arguments.full:
        arguments.data, arguments.megabytes, arguments.repeat, arguments.patience = FULL_DATA, 1000, 3, 60
        arguments.minutes = 24 * 60
    arguments.contenders = arguments.contenders.split(",")
    unknown = set(arguments.contenders) - set(contenders.ALL)
    if unknown:
        p.error(f"--contenders: {', '.join(sorted(unknown))}: expected some of {', '.join(contenders.ALL)}")
    try:
        arguments.data = [(codec, int(size), int(partitions)) for codec, size, partitions in
                          (word.split(":") for word in arguments.data.split(","))]
    except ValueError:
        p.error("--data: expected CODEC:KIB:PARTITIONS, such as lz4:16:8, with commas in between")
    return arguments


def choose_folder(arguments):
    """Where the brokers' logs go, in words. In memory where there is room: the first append to each partition of a new
    topic waits for a disk (LeaderEpochFileCache writes its checkpoint through), whoever makes it.
    """
    needed = (len(arguments.data) + 2) * arguments.megabytes * 1_500_000
    if arguments.disk or not os.path.isdir(MEMORY) or shutil.disk_usage(MEMORY).free < needed:
        return "on disk"
    tempfile.tempdir = MEMORY
    return "in memory"


def create(cluster, client, topic, partitions):
    """Makes a topic and waits for all its leaders: thousands of partitions take their time."""
    client.call("create", cluster, topics=[topic], partitions=partitions, config={})
    net.wait_until(lambda: len(cluster.offsets(topic)) == partitions, CREATE_S_MAX, f"{topic} to be made", 0.2)


def fill(source, client, arguments):
    """Produces the topics that everybody copies; [Data]."""
    found = []
    for codec, size, partitions in arguments.data:
        topic = f"bench-{codec}-{size}-{partitions}"
        create(source, client, topic, partitions)
        records = arguments.megabytes * 1_000_000 // RECORD_BYTES
        linger = LINGER_MANY_MS if partitions >= MANY_PARTITIONS else LINGER_MS
        client.begin_produce(source, topic, total=records, size_min=RECORD_BYTES, size_max=RECORD_BYTES, keys=1000,
                             codecs=[codec], batch_size=size << 10, linger_ms=linger).result(900)
        data = contenders.Data(topic, codec, size, partitions, records, source.offsets(topic),
                               measure.stored_bytes(source, topic))
        print(f"{topic}: {records:,} records, {data.stored:,} bytes at the source", flush=True)
        found.append(data)
    return found


def clear(cluster, client, keep):
    """Deletes all topics but Kafka's own and `keep`, and waits until their files are gone."""
    doomed = [t for t in cluster.metadata() if not t.startswith("__") and t not in keep]
    if doomed:
        client.delete(cluster, *doomed)
    net.wait_until(lambda: not any(measure.stored_bytes(cluster, topic) for topic in doomed), CREATE_S_MAX,
                   "topics to go", 0.2)


class Bench:
    """Two clusters, what is copied between them, and the runs so far."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.client = load.Load(settings.VERSION)
        self.source = Cluster("source", 1, settings.BROKER, settings.VERSION, settings.BROKER_HEAP)
        self.destination = Cluster("destination", arguments.brokers, settings.BROKER, settings.VERSION,
                                   settings.BROKER_HEAP)
        self.data = fill(self.source, self.client, arguments)
        self.few = min(self.data, key=lambda data: data.partitions)
        self.numbers = itertools.count(1)
        self.runs, self.starts = [], []

    def run(self, name, contender, data):
        """The figures of one run, with fresh topics."""
        clear(self.source, self.client, {d.topic for d in self.data})
        clear(self.destination, self.client, ())
        create(self.destination, self.client, data.topic, data.partitions)
        task = contenders.Task(data, self.source, self.destination, next(self.numbers), process.temporary(name))
        measure.wait_quiet(task, self.arguments.patience)
        figures = measure.run(contender(task), task)
        print(f"{data.topic:18} {name:10} {figures['records_per_s']:9,.0f} records/s, {figures['seconds']:6.2f} s, "
              f"CPU {figures['cpu_s']['contender']:6.2f} s, others {figures['others_cores']:.2f} cores", flush=True)
        return {"contender": name, "topic": data.topic, **figures}

    def all(self):
        """Everybody in turn, each round in another order; what fails is told and left out.

        Interrupted, it leaves it at the runs there are.
        """
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        deadline = time.monotonic() + self.arguments.minutes * 60
        try:
            self._warm()
            self._rounds(deadline)
            self._start_patiently()
        except KeyboardInterrupt:
            print(f"interrupted after {len(self.runs)} runs", flush=True)

    def _warm(self):
        """Brokers compile while they work, for minutes: who sends few requests, or other ones, would pay for it."""
        self.run("busy floor", contenders.busy_floor, self.few)
        self.run("busy odraz", contenders.busy_odraz, self.few)
        for data in self.data:
            deadline = time.monotonic() + self.arguments.minutes * 60 * WARM_SHARE / len(self.data)
            while not self._is_warm(data) and time.monotonic() < deadline:
                pass

    def _is_warm(self, data):
        """Copies it by both who send few requests."""
        runs = [self.run(name, contenders.ALL[name], data)["cpu_s"] for name in ("floor", "odraz")]
        compilers = sum(cpu["compilers"] for cpu in runs)
        return compilers < COMPILERS_SHARE * sum(cpu["source"] + cpu["destination"] for cpu in runs)

    def _rounds(self, deadline):
        for repetition in range(self.arguments.repeat):
            names = self.arguments.contenders
            turn = repetition % len(names)
            for data, name in itertools.product(self.data, names[turn:] + names[:turn]):
                if time.monotonic() > deadline:
                    print(f"{self.arguments.minutes} minutes are over, after {len(self.runs)} runs", flush=True)
                    return
                self.runs.append(self._try(name, data))

    def _try(self, name, data):
        try:
            return self.run(name, contenders.ALL[name], data)
        except measure.Failed as problem:
            print(f"FAILED {data.topic} {name}: {problem}", flush=True)
            return {"contender": name, "topic": data.topic, "failed": str(problem).splitlines()[0]}

    def _start_patiently(self):
        """How soon each begins at a destination whose groups wait for members, as they do by default."""
        self.destination.stop()
        self.destination = Cluster("patient", 1, {**settings.BROKER, **PATIENT}, settings.VERSION, settings.BROKER_HEAP)
        self.run("busy floor", contenders.busy_floor, self.few)
        self.starts = [self._try(name, self.few) for name in self.arguments.contenders * self.arguments.repeat]

    def stop(self):
        self.client.close()
        self.source.stop()
        self.destination.stop()


def main():
    """Measures, prints and writes the report; 1 when somebody failed."""
    arguments = parse()
    for version in (settings.VERSION, contenders.MIRRORMAKER_1):
        jvm.prepare(version)  # outside of the namespace: it may have to download
    namespace.enter()
    logs = choose_folder(arguments)
    for program in (mirror.PROGRAM, contenders.FLOOR):
        if not os.path.exists(program):
            sys.exit(f"{program} is not there: run make first")
    jvm.FAST[:] = settings.JAVA
    bench = Bench(arguments)
    try:
        bench.all()
    finally:
        bench.stop()
    around = document.environment(
        document.command_line("bench", "bench"), java=document.java_version(),
        kafka=f"{settings.VERSION} (brokers and MirrorMaker 2), {contenders.MIRRORMAKER_1} (MirrorMaker 1), "
              f"source 1 broker, destination {arguments.brokers}, logs {logs}",
        kcat=document.said(r"Version (\S+)", "kcat", "-V"),
        network=f"loopback, {namespace.CONGESTION}")
    made = report.make(bench.runs, bench.starts, bench.data, arguments.contenders, around)
    print(report.markdown(made))
    if arguments.document:
        document.write("bench", made, report.markdown(made))
        report.draw(made)
    return 1 if any("failed" in run for run in bench.runs + bench.starts) else 0


if __name__ == "__main__":
    sys.exit(main())
