#!/usr/bin/env python3
"""A simulated WAN between the source's broker and odraz: the share of the line that is used, by round trip and loss."""

import argparse
import itertools
import os
import re
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "kafka"))
import document  # noqa: E402  (found by the line above, as all that follow)
import jvm  # noqa: E402
import load  # noqa: E402
import mirror  # noqa: E402
import namespace  # noqa: E402
import net  # noqa: E402
import process  # noqa: E402
import settings  # noqa: E402
import synthetic  # noqa: E402
from cluster import Cluster  # noqa: E402

RECORD_BYTES = 1000
TUNED = "socket.send.buffer.bytes=-1\nsocket.receive.buffer.bytes=-1\n"  # the kernel chooses, up to its own limit
BULK_CONNECTIONS = (1, 4, 16, 64)
START_S_MAX = 60
WARM_ROUND_TRIPS = 250  # beside --warm: for windows to grow, and for odraz to try the first other number of sessions
WARM_PLAIN_ROUND_TRIPS = 100  # the same for plain TCP, which has nothing to try
CHOSEN = re.compile(r"fetch sessions.* sessions=(\d+)")
BULK_SINK = """import socket, sys, threading
def drain(s):
    room = bytearray(1 << 20)
    while s.recv_into(room): pass
for _ in range(int(sys.argv[3])):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    threading.Thread(target=drain, args=(s,)).start()
"""


def parse():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rates", default="400", help="of the line in Mbit/s (400)")
    p.add_argument("--round-trips", default="10,100,250", help="in ms (10,100,250)")
    p.add_argument("--losses", default="0,0.1,1", help="in percent (0,0.1,1)")
    p.add_argument("--partitions", default="1,4,16,100", help="of the topic (1,4,16,100)")
    p.add_argument("--brokers", default="default,tuned", help="default,tuned (socket buffers left to the kernel)")
    p.add_argument("--sessions", default="0", help="fetch.sessions; 0: odraz chooses (0)")
    p.add_argument("--set", default="", help="further settings of odraz: key=value, with commas in between")
    p.add_argument("--warm", type=int,
                   help=f"seconds, and {WARM_ROUND_TRIPS} round trips, from the first byte until it counts (5; "
                        "with --quick 0)")
    p.add_argument("--seconds", type=int, default=15, help="of each measurement (15)")
    p.add_argument("--quick", action="store_true", help="only 100 ms and 16 or 100 partitions: a quarter of an hour")
    p.add_argument("--document", action="store_true", help="put the report into docs/performance.md")
    arguments = p.parse_args()
    if arguments.warm is None:
        arguments.warm = 0 if arguments.quick else 5
    if arguments.quick:
        arguments.round_trips, arguments.partitions = "100", "16,100"
    for name in ("rates", "round_trips", "losses", "partitions", "sessions"):
        setattr(arguments, name, [float(x) if "." in x else int(x) for x in getattr(arguments, name).split(",")])
    arguments.set = dict(word.split("=", 1) for word in arguments.set.split(",") if "=" in word)
    arguments.brokers = sorted(arguments.brokers.split(","))  # "default" first: a tuned one stays tuned
    if set(arguments.brokers) - {"default", "tuned"}:
        p.error("--brokers: expected default, tuned or both")
    return arguments


class Source(Cluster):
    """A broker whose second listener stands at the near end of the line."""

    def _configure(self, node, config):
        self.wan_bootstrap = f"{namespace.Line.NEAR}:{node.proxied_port}"
        listeners = f"PLAINTEXT://{node.address},PROXIED://{self.wan_bootstrap}"
        super()._configure(node, {**config, "advertised.listeners": listeners,
                                  "listeners": f"{listeners},CONTROLLER://127.0.0.1:{node.controller_port}"})

    def tune(self):
        """Starts it over with TUNED."""
        with open(os.path.join(self.nodes[1].home, "server.properties"), "a", encoding="utf-8") as f:
            f.write(TUNED)
        self.restart(1)


class Copy:
    """odraz at the far end, into a sink beside it: no other broker's settings or speed are in the way."""

    def __init__(self, line, source, partitions, values):
        address = f"127.0.0.1:{net.free_ports(1)[0]}"
        topic = topic_of(partitions)
        self.sink = synthetic.Broker("sink", address, partitions, 0, prefix=line.inside, topic=topic)
        self.line = line
        home = process.temporary("copy")
        path = os.path.join(home, "mirror.properties")
        with open(path, "w", encoding="utf-8") as f:
            f.write(mirror.properties(("a", "b"), (source.wan_bootstrap, address),
                                      {"topics": topic, **values}))
        self.log = os.path.join(home, "out.log")
        with open(self.log, "wb") as log:
            self.child = process.launch([*line.inside, mirror.PROGRAM, "run", path], stdout=log,
                                        stderr=subprocess.STDOUT)

    def bytes(self):
        """What has arrived at the sink."""
        return self.sink.counters().bytes

    def connections(self):
        """Over the line, those for anything but fetching included."""
        listed = subprocess.run([*self.line.inside, "ss", "-Htn", "state", "established", "dst", self.line.NEAR],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        return len(listed.stdout.splitlines())

    def sessions(self):
        """What odraz chose; None: it did not change them."""
        with open(self.log, encoding="utf-8") as f:
            chosen = CHOSEN.findall(f.read())
        return int(chosen[-1]) if chosen else None

    def stop(self):
        process.end(self.child)
        self.sink.stop()


class Bulk:
    """Plain TCP connections from memory, as many bytes as they carry: what the line itself can do."""

    def __init__(self, line, connections):
        self.line, self.count = line, connections
        self._listener = socket.create_server((line.NEAR, 0))
        port = self._listener.getsockname()[1]
        self.child = process.launch([*line.inside, sys.executable, "-c", BULK_SINK, line.NEAR, str(port),
                                     str(connections)])
        self._sockets = [self._listener.accept()[0] for _ in range(connections)]
        for s in self._sockets:
            threading.Thread(target=self._feed, args=(s,), daemon=True).start()

    @staticmethod
    def _feed(connection):
        chunk = bytes(1 << 20)
        try:
            while True:
                connection.sendall(chunk)
        except OSError:  # closed
            pass

    def bytes(self):
        """What has left the line; headers included, so a share near 1 is full."""
        return self.line.counters()["bytes"]

    def connections(self):
        return self.count

    @staticmethod
    def sessions():
        return None

    def stop(self):
        process.end(self.child)
        for s in self._sockets:
            s.close()
        self._listener.close()


def warm_s(arguments, round_trip_ms, round_trips):
    """From the first byte until it counts."""
    return arguments.warm + round_trip_ms / 1000 * round_trips


def measure(line, mover, arguments, cell):
    """The figures of one cell; `mover` has been started."""
    try:
        before = mover.bytes()
        net.wait_until(lambda: mover.bytes() > before + 100000, START_S_MAX, f"the first bytes of {cell}")
        time.sleep(warm_s(arguments, cell["round_trip_ms"], WARM_ROUND_TRIPS if cell["partitions"] else
                          WARM_PLAIN_ROUND_TRIPS))
        first, counted, begin = mover.bytes(), line.counters(), time.monotonic()
        time.sleep(arguments.seconds)
        last, end = mover.bytes(), time.monotonic()
        now = line.counters()
        speed = (last - first) / (end - begin)
        cell.update(mb_per_s=speed / 1e6, share=speed * 8 / (cell["mbit"] * 1e6), connections=mover.connections(),
                    sessions=mover.sessions(),
                    lost=now["lost"] - counted["lost"], dropped=now["dropped"] - counted["dropped"],
                    line_share=(now["bytes"] - counted["bytes"]) / (end - begin) * 8 / (cell["mbit"] * 1e6))
    finally:
        mover.stop()
    over = f", {cell['partitions']} partitions" if cell["partitions"] else ""
    print(f"{cell['what']}{over}: {cell['mbit']} Mbit/s, {cell['round_trip_ms']} ms, {cell['loss_percent']} % lost: "
          f"{cell['mb_per_s']:.1f} MB/s, {cell['share']:.0%} of the line, {cell['connections']} connections, "
          f"sessions: {cell['sessions'] or 'as at first'}", flush=True)
    return cell


def lines(arguments):
    """Every (Mbit/s, round trip, loss) to be measured."""
    return itertools.product(arguments.rates, arguments.round_trips, arguments.losses)


def topic_of(partitions):
    """The source's topic of so many partitions."""
    return f"{synthetic.TOPIC}-{partitions}"


def cell_of(line, what, rate, round_trip, loss, partitions=None):
    """Sets the line; the beginning of a cell."""
    line.set(rate, round_trip, loss)
    return {"what": what, "partitions": partitions, "mbit": rate, "round_trip_ms": round_trip, "loss_percent": loss}


def run(line, source, arguments):
    """Plain TCP first, then odraz with each kind of broker."""
    cells = []
    for (rate, round_trip, loss), count in itertools.product(lines(arguments), BULK_CONNECTIONS):
        cell = cell_of(line, f"plain TCP, {count}", rate, round_trip, loss)
        cells.append(measure(line, Bulk(line, count), arguments, cell))
    for kind in arguments.brokers:
        if kind == "tuned":
            source.tune()
        for partitions in arguments.partitions:
            client = load.Load(settings.VERSION)
            fill(client, source, partitions, arguments)
            for (rate, round_trip, loss), sessions in itertools.product(lines(arguments), arguments.sessions):
                what = f"{kind} brokers" + (f", fetch.sessions={sessions}" if sessions else "")
                cell = cell_of(line, what, rate, round_trip, loss, partitions)
                values = {"fetch.sessions": sessions, **arguments.set}
                cells.append(measure(line, Copy(line, source, partitions, values), arguments, cell))
            client.delete(source, topic_of(partitions))  # its log takes memory
            client.close()
    return cells


def fill(client, source, partitions, arguments):
    """Enough for the longest run; over the loopback."""
    warm = warm_s(arguments, max(arguments.round_trips), WARM_ROUND_TRIPS)
    records = int(max(arguments.rates) * 1e6 / 8 * (warm + arguments.seconds + 5) / RECORD_BYTES)
    client.create(source, topic_of(partitions), partitions=partitions)
    client.begin_produce(source, topic_of(partitions), total=records, size_min=RECORD_BYTES, size_max=RECORD_BYTES,
                         keys=1000, codecs=["none"], batch_size=16384, linger_ms=100).result(900)
    print(f"{records:,} records at the source in {partitions} partitions", flush=True)


COLUMNS = (
    ("", lambda c: c["what"]),
    ("partitions", lambda c: str(c["partitions"] or "")),
    ("Mbit/s", lambda c: f"{c['mbit']:,}"),
    ("round trip ms", lambda c: str(c["round_trip_ms"])),
    ("loss %", lambda c: str(c["loss_percent"])),
    ("MB/s", lambda c: f"{c['mb_per_s']:.1f}"),
    ("share of the line", lambda c: f"{c['share']:.1%}"),
    ("with headers", lambda c: f"{c['line_share']:.1%}"),
    ("connections", lambda c: str(c["connections"])),
    ("sessions", lambda c: str(c["sessions"] or "")),
    ("packets lost", lambda c: f"{c['lost']:,}"),
    ("dropped by the queue", lambda c: f"{c['dropped']:,}"),
)


def report(made):
    """The report as Markdown."""
    return document.surroundings(made["environment"]) + "\n\n" + document.table(COLUMNS, made["cells"]) + "\n"


def kernel_limit():
    """What one connection may have under way, at most."""
    with open("/proc/sys/net/ipv4/tcp_wmem", encoding="ascii") as f:
        return f.read().split()[2]


def main():
    """Measures, prints, and writes the report where asked to."""
    arguments = parse()
    if os.geteuid() != 0:
        sys.exit("TUN devices and namespaces want root")
    jvm.prepare(settings.VERSION)  # outside of the namespace: it may have to download
    namespace.enter(always=True)
    jvm.FAST[:] = settings.JAVA
    others = document.others()
    line = namespace.Line()
    source = Source("source", 1, settings.BROKER, settings.VERSION, settings.BROKER_HEAP)
    try:
        cells = run(line, source, arguments)
    finally:
        source.stop()
        line.stop()
    around = document.environment(
        document.command_line("wan", "bench-wan"), others=others, java=document.java_version(),
        kafka=f"{settings.VERSION}, one source broker, batches of 16 KiB",
        network=f"TUN devices, MTU 1500, {namespace.CONGESTION}, queue of a round trip, tcp_wmem at most "
                f"{kernel_limit()}")
    made = {"environment": around, "cells": cells}
    print(report(made))
    if arguments.document:
        document.write("wan", made, report(made))


if __name__ == "__main__":
    main()
