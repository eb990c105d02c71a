#!/usr/bin/env python3
"""Added latency: how long after the source a consumer of the mirror sees a record, with odraz, MirrorMaker 2 and a bare
loop."""

import argparse
import array
import itertools
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "kafka"))
import contenders  # noqa: E402  (found by the line above, as all that follow)
import document  # noqa: E402
import jvm  # noqa: E402
import load  # noqa: E402
import mirror  # noqa: E402
import namespace  # noqa: E402
import net  # noqa: E402
import process  # noqa: E402
import quantiles  # noqa: E402
import settings  # noqa: E402
from cluster import Cluster  # noqa: E402

CONTENDERS = ("odraz", "floor", "mm2", "mm2-tuned")
RATES, LINGERS = (100, 1000, 10000), (0, 50)
PARTITIONS = 4
WARM_RATE, WARM_S = 1000, 20  # for those who compile their code while they work
BROKERS_WARM_S = 120          # longer, for the brokers are the same for all that come after
START_S_MAX = 120
PROBE_GRACE_S = 60


def parse():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rates", default=",".join(map(str, RATES)), help="records a second (100,1000,10000)")
    p.add_argument("--lingers", default=",".join(map(str, LINGERS)), help="of the producer, in ms (0,50)")
    p.add_argument("--seconds", type=int, default=20, help="of each measurement; there are two rounds (20)")
    p.add_argument("--contenders", default="odraz,floor,mm2",
                   help=f"some of {', '.join(CONTENDERS)} (odraz,floor,mm2)")
    p.add_argument("--quick", action="store_true", help="5 seconds each, in one round: six minutes")
    p.add_argument("--document", action="store_true", help="put the report into docs/performance.md")
    arguments = p.parse_args()
    if arguments.quick:
        arguments.seconds = 5
    arguments.contenders = arguments.contenders.split(",")
    unknown = set(arguments.contenders) - set(CONTENDERS)
    if unknown:
        p.error(f"--contenders: {', '.join(sorted(unknown))}: expected some of {', '.join(CONTENDERS)}")
    return arguments


def build_probe():
    """The probe wants librdkafka, which nothing else does, so the build leaves it to us."""
    program = os.path.join(os.path.dirname(mirror.PROGRAM), "bench", "probe")
    source = os.path.join(HERE, "probe.c")
    if os.path.exists(program) and os.path.getmtime(program) > os.path.getmtime(source):
        return program
    asked = subprocess.run(["pkg-config", "--cflags", "--libs", "rdkafka"], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        sys.exit("librdkafka is missing: apt-get install librdkafka-dev")
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source, *asked.stdout.split(),
                    "-lpthread"], stdin=subprocess.DEVNULL, check=True)
    return program


class Clusters:
    """Two clusters, and the probe between them."""

    def __init__(self, probe):
        self.probe = probe
        self.client = load.Load(settings.VERSION)
        self.source = Cluster("source", 1, settings.BROKER, settings.VERSION, settings.BROKER_HEAP)
        self.destination = Cluster("destination", 1, settings.BROKER, settings.VERSION, settings.BROKER_HEAP)

    def start(self, name, number):
        """A contender that copies a new topic, once it does: (process, topic)."""
        topic = f"latency-{number}-{name}"
        for cluster in (self.source, self.destination):
            self.client.create(cluster, topic, partitions=PARTITIONS)
        home = process.temporary(name)
        ends = dict.fromkeys(range(PARTITIONS), contenders.NEVER)
        data = contenders.Data(topic, "none", 16, PARTITIONS, 0, ends, 0)
        command = contenders.ALL[name](contenders.Task(data, self.source, self.destination, number, home))
        with open(os.path.join(home, "out.log"), "wb") as log:
            child = process.launch(command, stdout=log, stderr=subprocess.STDOUT)
        self.client.produce(self.source, topic, total=PARTITIONS, size_max=10)
        wanted = sum(self.source.offsets(topic).values())
        net.wait_until(lambda: sum(self.destination.offsets(topic).values()) >= wanted, START_S_MAX,
                       f"{name} to copy, see {home}/out.log", 0.2)
        return child, topic

    def measure(self, topic, rate, seconds, linger_ms):
        """[(produced, seen at the source, seen at the destination)] in nanoseconds."""
        out = os.path.join(process.temporary("probe"), "out")
        subprocess.run([self.probe, str(rate), str(seconds), str(linger_ms), str(PARTITIONS), self.source.bootstrap,
                        self.destination.bootstrap, topic, out], stdin=subprocess.DEVNULL, check=True,
                       timeout=seconds + PROBE_GRACE_S)
        values = array.array("q")
        with open(out, "rb") as f:
            values.frombytes(f.read())
        return list(zip(values[0::3], values[1::3], values[2::3]))

    def stop(self):
        self.client.close()
        self.source.stop()
        self.destination.stop()


def figures(records):
    """Milliseconds of what was seen at both ends."""
    whole = [r for r in records if r[1] and r[2]]
    if not whole:
        raise RuntimeError("no record was seen at both ends")
    return {"records": len(records), "lost": len(records) - len(whole),
            "added_ms": quantiles.summary([(d - s) / 1e6 for _, s, d in whole]),
            "direct_ms": quantiles.summary([(s - p) / 1e6 for p, s, _ in whole]),
            "mirrored_ms": quantiles.summary([(d - p) / 1e6 for p, _, d in whole])}


def end(child):
    """A contender that is not needed any more."""
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        process.end(child)


def rounds(names, quick):
    """Who is measured, in turn: who came first comes last the next time, because the brokers get faster meanwhile."""
    return names if quick else [*names, *reversed(names)]


def run(clusters, arguments):
    """All cells of all contenders, after the brokers have been warmed."""
    seen = {}
    child, topic = clusters.start("odraz", 0)
    clusters.measure(topic, WARM_RATE, BROKERS_WARM_S, 0)
    end(child)
    for number, name in enumerate(rounds(arguments.contenders, arguments.quick), 1):
        child, topic = clusters.start(name, number)
        clusters.measure(topic, WARM_RATE, WARM_S, 0)
        for rate, linger in itertools.product(map(int, arguments.rates.split(",")),
                                              map(int, arguments.lingers.split(","))):
            records = clusters.measure(topic, rate, arguments.seconds, linger)
            seen.setdefault((name, rate, linger), []).extend(records)
            added = figures(records)["added_ms"]
            print(f"{name:9} {rate:6} records/s, linger {linger:2} ms: added p50 {added['p50']:.2f} ms, "
                  f"p99 {added['p99']:.2f} ms", flush=True)
        end(child)
    return [{"contender": name, "rate": rate, "linger_ms": linger, **figures(records)}
            for (name, rate, linger), records in seen.items()]


def compared(cells):
    """Ratios: of the added p99 to MM2's, and of the median through the mirror to that of the source."""
    of_mm2 = {(c["rate"], c["linger_ms"]): c["added_ms"]["p99"] for c in cells if c["contender"] == "mm2"}
    for cell in cells:
        cell["mirrored_to_direct"] = cell["mirrored_ms"]["p50"] / cell["direct_ms"]["p50"]
        other = of_mm2.get((cell["rate"], cell["linger_ms"]))
        cell["p99_to_mm2"] = cell["added_ms"]["p99"] / other if other else None
    return sorted(cells, key=lambda c: (c["linger_ms"], c["rate"], CONTENDERS.index(c["contender"])))


def _ms(series, key):
    return lambda c: f"{c[series][key]:.2f}"


COLUMNS = (
    ("", lambda c: c["contender"]),
    ("records/s", lambda c: f"{c['rate']:,}"),
    ("linger ms", lambda c: str(c["linger_ms"])),
    *((f"added {key}", _ms("added_ms", key)) for key in ("p50", "p99", "p99.9", "max")),
    ("p99 of MM2's", lambda c: f"{c['p99_to_mm2']:.2f}" if c["p99_to_mm2"] is not None else ""),
    ("direct p50", _ms("direct_ms", "p50")),
    ("mirrored p50", _ms("mirrored_ms", "p50")),
    ("mirrored of direct", lambda c: f"{c['mirrored_to_direct']:.2f}"),
    ("not seen", lambda c: str(c["lost"])),
)


def report(made):
    """The report as Markdown."""
    return "\n\n".join([document.surroundings(made["environment"]), "All in milliseconds:",
                        document.table(COLUMNS, made["cells"])]) + "\n"


def main():
    """Measures, prints, and writes the report where asked to."""
    arguments = parse()
    jvm.prepare(settings.VERSION)  # outside of the namespace: it may have to download
    probe = build_probe()
    namespace.enter()
    jvm.FAST[:] = settings.JAVA
    others = document.others()
    clusters = Clusters(probe)
    try:
        cells = compared(run(clusters, arguments))
    finally:
        clusters.stop()
    around = document.environment(document.command_line("latency", "bench-latency"), others=others,
                                  java=document.java_version(),
                                  kafka=f"{settings.VERSION} (brokers and MirrorMaker), a broker each, "
                                        f"{PARTITIONS} partitions, records of 100 bytes",
                                  network=f"loopback, {namespace.CONGESTION}")
    made = {"environment": around, "cells": cells}
    print(report(made))
    if arguments.document:
        document.write("latency", made, report(made))


if __name__ == "__main__":
    main()
