#!/usr/bin/env python3
"""Each allocation of a run fails once, and each system call of src/io: nothing is lost, nothing stands twice.

test/torture/torture.py [--program ODRAZ_TORTURE] [--every N] [--from N]    of all points of failure each N-th

A run mirrors one small topic between two embedded clusters. Where its point of failure ends the program, it must have
said why; it is then started again without a fault. Both logs must be equal at the end. The build with sanitizers finds
what leaks.
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "kafka"))
import mirror  # noqa: E402
import net  # noqa: E402
import process  # noqa: E402
from embedded import EmbeddedCluster  # noqa: E402

RECORDS = 300
PARTITIONS = 2
SECONDS_MAX = 40  # of one run; most take a fraction of a second
ABORTED = -6      # SIGABRT: without memory the program ends at once
BEGINS_LATE = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1000, "status.interval.ms": 60000,
               "request.timeout.ms": 5000}


class Failed(Exception):
    """What a point of failure must not do."""


class Rig:
    """Two clusters, and one run after the other between them."""

    def __init__(self, program, traffic):
        self.program, self.traffic = program, traffic
        # Time-outs small enough for a test.
        settings = {"group.min.session.timeout.ms": 1000}
        self.source, self.destination = EmbeddedCluster(1, settings), EmbeddedCluster(3, settings)

    def stop(self):
        self.source.stop()
        self.destination.stop()

    def traffics(self, *words):
        done = subprocess.run([self.traffic, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=SECONDS_MAX, check=False)
        if done.returncode:
            raise Failed(done.stdout.strip())

    def start(self, topic, environment, number):
        """One instance; its output is kept in a file."""
        m = mirror.Mirror(self.source, self.destination, topic, BEGINS_LATE, aliases=(f"a{number}", "b"))
        path = os.path.join(m.home, "said")
        with open(path, "wb") as said:
            child = process.launch([self.program, "run", m.file], stdout=said, stderr=said,
                                   env={**os.environ, **environment})
        return child, path

    def caught_up(self, topic):
        there = self.destination.metadata().get(topic, {})
        return len(there) == PARTITIONS and sum(self.destination.offsets(topic).values()) == RECORDS

    def run(self, number, environment):
        """One point of failure."""
        topic = f"t{number}"
        self.traffics("fill", self.source.bootstrap, PARTITIONS, 1, RECORDS, 0, number, topic)
        child, said = self.start(topic, environment, number)
        net.wait_until(lambda: child.poll() is not None or self.caught_up(topic), SECONDS_MAX, f"run {number}")
        if child.poll() is None:
            child.terminate()
            if child.wait(SECONDS_MAX) not in (0, ABORTED):
                raise Failed(f"ended with {child.returncode}: {_tail(said)}")
        if child.returncode:
            self.go_on(child, said, topic, number)
        self.traffics("compare", self.source.bootstrap, self.destination.bootstrap, 20, topic)

    def go_on(self, child, said, topic, number):
        """It has ended: for a reason that it named, and the next start finishes the work."""
        if child.returncode not in (1, 2, ABORTED) or "odraz: " not in _tail(said):
            raise Failed(f"ended with {child.returncode} and said: {_tail(said)}")
        again, path = self.start(topic, {}, number)
        net.wait_until(lambda: again.poll() is not None or self.caught_up(topic), SECONDS_MAX, f"run {number} again")
        if again.poll() is None:
            again.terminate()
        if again.wait(SECONDS_MAX):
            raise Failed(f"the start after it ended with {again.returncode}: {_tail(path)}")


def _tail(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()[-3000:]


def points(rig):
    """How many calls and allocations one run has."""
    path = os.path.join(process.temporary("count"), "count")
    rig.run(0, {"TORTURE_COUNT": path})
    with open(path, encoding="ascii") as f:
        return map(int, f.read().split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "odraz_torture"))
    parser.add_argument("--every", type=int, default=1, metavar="N")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="N")
    options = parser.parse_args()
    rig = Rig(options.program, os.path.join(os.path.dirname(mirror.PROGRAM), "traffic"))
    calls, allocations = points(rig)
    runs = [("TORTURE_CALL", n) for n in range(options.first, calls + 1, options.every)]
    runs += [("TORTURE_ALLOC", n) for n in range(options.first, allocations + 1, options.every)]
    print(f"one run has {calls} system calls and {allocations} allocations; {len(runs)} of them fail", flush=True)
    failed = 0

    def one(i):
        name, n = runs[i]
        try:
            rig.run(i + 1, {name: str(n)})
        except (Failed, net.TimedOut, subprocess.TimeoutExpired) as problem:
            print(f"FAILED {name}={n}: {problem}", flush=True)
            return 1
        return 0

    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            failed = sum(pool.map(one, range(len(runs))))
    finally:
        rig.stop()
    print(f"{len(runs) - failed} passed, {failed} failed")
    return 1 if failed or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
