"""Drives test/bench/synthetic: endless logs as a source, a sink that only answers, and how much went through."""

import os
import subprocess
import time
from typing import NamedTuple

import mirror
import net
import process

PROGRAM = os.path.join(os.path.dirname(mirror.PROGRAM), "bench", "synthetic")
TOPIC = "synthetic"
ENDLESS = 2_000_000_000  # batches
WARM_S_MAX = 30


class Counters(NamedTuple):
    """What a synthetic broker gave or took so far."""

    bytes: int
    batches: int
    requests: int


class Broker:
    """A source or a sink: one process, one topic. `prefix` chooses its processor, or its network namespace."""

    def __init__(self, kind, address, partitions, batch_bytes, batches=ENDLESS, prefix=(), topic=TOPIC):
        self.address = address
        command = [*prefix, PROGRAM, kind, address, topic, str(partitions), str(batch_bytes)]
        self.child = process.launch(command + ([str(batches)] if kind == "source" else []), stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        said = self.child.stdout.readline()
        if said != "listening\n":
            raise RuntimeError(f"{' '.join(command)}: no broker")

    def counters(self):
        """The Counters of now."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return Counters(*map(int, self.child.stdout.readline().split()))

    def stop(self):
        process.end(self.child)
        self.child.stdin.close()
        self.child.stdout.close()


class Rig:
    """odraz between a source and a sink; `prefix` stands before its command, `own` before those of the brokers."""

    def __init__(self, partitions, batch_bytes, batches=ENDLESS, prefix=(), own=()):
        ports = net.free_ports(2)
        self.partitions = partitions
        addresses = [f"127.0.0.1:{port}" for port in ports]
        self.source = Broker("source", addresses[0], partitions, batch_bytes, batches, own)
        self.sink = Broker("sink", addresses[1], partitions, batch_bytes, prefix=own)
        home = process.temporary("rig")
        path = os.path.join(home, "mirror.properties")
        with open(path, "w", encoding="utf-8") as f:
            f.write(mirror.properties(("a", "b"), addresses, {"topics": TOPIC}))
        with open(os.path.join(home, "out.log"), "wb") as log:
            self.child = process.launch([*prefix, mirror.PROGRAM, "run", path], stdout=log, stderr=subprocess.STDOUT)

    def warm_up(self):
        """The first batch of each partition goes alone; what comes after is the steady state. False: not reached."""
        deadline = time.monotonic() + WARM_S_MAX
        while time.monotonic() < deadline:
            if self.sink.counters().batches >= 2 * self.partitions:
                return True
            time.sleep(0.05)
        return False

    def stop(self):
        process.end(self.child)
        self.source.stop()
        self.sink.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
