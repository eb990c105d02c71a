#!/usr/bin/env python3
"""The benchmark: a bare copying loop, odraz and MirrorMaker 2 copy the same topics between the same real brokers."""

import argparse
import itertools
import json
import os
import shlex
import shutil
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "kafka"))
import contenders  # noqa: E402  (found by the line above, as all that follow)
import jvm  # noqa: E402
import load  # noqa: E402
import measure  # noqa: E402
import mirror  # noqa: E402
import net  # noqa: E402
import process  # noqa: E402
import report  # noqa: E402
from cluster import Cluster  # noqa: E402

VERSION = "4.3.1"
RECORD_BYTES = 1000
BROKER_HEAP = "1g"
BROKER_CONFIG = {"log.segment.delete.delay.ms": 500, "num.network.threads": 3, "num.io.threads": 8}  # Kafka's defaults
# What kafka-run-class.sh gives: brokers and MirrorMaker are measured as they run in production, not as in our tests.
JAVA = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
        "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true", "-XX:-UsePerfData"]
CONGESTION = "cubic"
IN_NAMESPACE = "ODRAZ_BENCH_NAMESPACE"
# The route decides, for both ends of each connection; the setting of this name is not open to every namespace.
NAMESPACE = f"""ip link set lo up
for address in 127.0.0.0/8 127.0.0.1; do
    ip route replace local $address dev lo proto kernel scope host src 127.0.0.1 congctl {CONGESTION} table local
done
exec "$@"
"""


def parse():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--megabytes", type=int, default=1000, help="of records, each time (1000)")
    p.add_argument("--repeat", type=int, default=3, help="runs of each (3)")
    p.add_argument("--partitions", default="1,8", help="1,8")
    p.add_argument("--codecs", default="none,lz4", help="none,lz4")
    p.add_argument("--contenders", default=",".join(contenders.ALL), help=",".join(contenders.ALL))
    p.add_argument("--brokers", type=int, default=1, help="of the destination (1)")
    p.add_argument("--patience", type=int, default=60, help="seconds to wait for a quiet machine before each run (60)")
    p.add_argument("--folder", default=os.path.join(os.path.dirname(mirror.PROGRAM), "bench"), help="for the report")
    p.add_argument("--document", action="store_true", help="put the report into docs/performance.md")
    arguments = p.parse_args()
    arguments.contenders = arguments.contenders.split(",")
    unknown = set(arguments.contenders) - set(contenders.ALL)
    if unknown:
        p.error(f"--contenders: {', '.join(sorted(unknown))}: expected some of {', '.join(contenders.ALL)}")
    return arguments


def command_line(arguments):
    """What makes the same report again, without the folder of this machine."""
    words = [word for word in sys.argv[1:] if word not in ("--folder", arguments.folder, "--document")]
    return "python3 test/bench/bench.py " + shlex.join(words) if words else "make bench"


def enter_namespace():
    """Starts over where loopback connections use CONGESTION: most machines' default, and the same for everybody."""
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as f:
        if IN_NAMESPACE in os.environ or f.read().strip() == CONGESTION:
            return
    if shutil.which("ip") is None:
        sys.exit("ip is missing: apt-get install iproute2")
    os.environ[IN_NAMESPACE] = CONGESTION
    rights = ["--net"] if os.geteuid() == 0 else ["--net", "--map-root-user"]
    os.execvp("unshare", ["unshare", *rights, "sh", "-ec", NAMESPACE, "sh", sys.executable, *sys.argv])


def fill(source, client, arguments):
    """Produces the topics that everybody copies; [Data]."""
    found = []
    for codec, partitions in itertools.product(arguments.codecs.split(","), map(int, arguments.partitions.split(","))):
        topic = f"bench-{codec}-{partitions}"
        client.create(source, topic, partitions=partitions)
        records = arguments.megabytes * 1_000_000 // RECORD_BYTES
        client.begin_produce(source, topic, total=records, size_min=RECORD_BYTES, size_max=RECORD_BYTES, keys=1000,
                             codecs=[codec], batch_size=16384, linger_ms=100).result(600)
        data = contenders.Data(topic, codec, partitions, records, source.offsets(topic),
                               measure.stored_bytes(source, topic))
        print(f"{topic}: {records:,} records, {data.stored:,} bytes at the source", flush=True)
        found.append(data)
    return found


def clear(cluster, client, keep):
    """Deletes all topics but Kafka's own and `keep`, and waits until their files are gone."""
    doomed = [t for t in cluster.metadata() if not t.startswith("__") and t not in keep]
    if doomed:
        client.delete(cluster, *doomed)
    net.wait_until(lambda: not any(measure.stored_bytes(cluster, topic) for topic in doomed), 60, "topics to go")


class Bench:
    """Two clusters, what is copied between them, and the runs so far."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.client = load.Load(VERSION)
        self.source = Cluster("source", 1, BROKER_CONFIG, VERSION, BROKER_HEAP)
        self.destination = Cluster("destination", arguments.brokers, BROKER_CONFIG, VERSION, BROKER_HEAP)
        self.data = fill(self.source, self.client, arguments)
        self.numbers = itertools.count(1)
        self.runs = []

    def run(self, name, data):
        """The figures of one run, with fresh topics."""
        clear(self.source, self.client, {d.topic for d in self.data})
        clear(self.destination, self.client, ())
        self.client.create(self.destination, data.topic, partitions=data.partitions)
        net.wait_until(lambda: len(self.destination.offsets(data.topic)) == data.partitions, 30, "leaders")
        task = contenders.Task(data, self.source, self.destination, next(self.numbers), process.temporary(name))
        measure.wait_quiet(task, self.arguments.patience)
        figures = measure.run(contenders.ALL[name](task), task)
        print(f"{data.topic:14} {name:9} {figures['records_per_s']:9,.0f} records/s, {figures['seconds']:6.2f} s, "
              f"CPU {figures['cpu_s']['contender']:6.2f} s, others {figures['others_cores']:.2f} cores", flush=True)
        return {"contender": name, "topic": data.topic, **figures}

    def all(self):
        """Everybody in turn, each round in another order; what fails is told and left out.

        Interrupted, it leaves it at the runs there are.
        """
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for data in self.data:
                self.run("floor", data)  # brokers compile while they work: the first runs would pay for it
            self._rounds()
        except KeyboardInterrupt:
            print(f"interrupted after {len(self.runs)} runs", flush=True)

    def _rounds(self):
        for repetition in range(self.arguments.repeat):
            names = self.arguments.contenders
            turn = repetition % len(names)
            for data, name in itertools.product(self.data, names[turn:] + names[:turn]):
                try:
                    self.runs.append(self.run(name, data))
                except measure.Failed as problem:
                    print(f"FAILED {data.topic} {name}: {problem}", flush=True)
                    self.runs.append({"contender": name, "topic": data.topic, "failed": str(problem).splitlines()[0]})

    def stop(self):
        self.client.close()
        self.source.stop()
        self.destination.stop()


def main():
    """Measures, prints and writes the report; 1 when somebody failed."""
    arguments = parse()
    jvm.prepare(VERSION)  # outside of the namespace: it may have to download
    enter_namespace()
    for program in (mirror.PROGRAM, contenders.FLOOR):
        if not os.path.exists(program):
            sys.exit(f"{program} is not there: run make first")
    jvm.FAST[:] = JAVA
    bench = Bench(arguments)
    try:
        bench.all()
    finally:
        bench.stop()
    made = report.make(bench.runs, bench.data, report.environment(command_line(arguments), CONGESTION, arguments))
    os.makedirs(arguments.folder, exist_ok=True)
    for name, text in (("report.json", json.dumps(made, indent=1)), ("report.md", report.markdown(made)),
                       ("report.svg", report.svg(made))):
        with open(os.path.join(arguments.folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    print(report.markdown(made))
    if arguments.document:
        report.document(made)
    return 1 if any("failed" in run for run in bench.runs) else 0


if __name__ == "__main__":
    sys.exit(main())
