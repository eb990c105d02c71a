#!/usr/bin/env python3
"""The ceiling: odraz alone, between a synthetic source and a sink that only answers, next to a bare TCP relay."""

import argparse
import glob
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "kafka"))
import document  # noqa: E402  (found by the line above, as all that follow)
import mirror  # noqa: E402
import namespace  # noqa: E402
import process  # noqa: E402
import synthetic  # noqa: E402

RELAY = os.path.join(os.path.dirname(mirror.PROGRAM), "bench", "relay")
KIB = 1024
SIZES, PARTITIONS = (1, 4, 16, 64, 1024), (1, 10, 100, 1000, 10000)
CALLGRIND_SIZES, CALLGRIND_PARTITIONS = (1, 16, 64), 10
CALLGRIND_BATCHES = (50, 150)  # of each partition: what both runs share does not count
CALLGRIND_S_MAX = 120
IDLE_PARTITIONS, IDLE_COPY_S_MAX, IDLE_SETTLE_S, IDLE_S = 10000, 60, 6, 10
GB = 1e9


def parse():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--sizes", default=",".join(map(str, SIZES)), help="of batches, in KiB (1,4,16,64,1024)")
    p.add_argument("--partitions", default=",".join(map(str, PARTITIONS)), help="1,10,100,1000,10000")
    p.add_argument("--seconds", type=float, default=3, help="of each measurement (3)")
    p.add_argument("--repeat", type=int, default=1, help="of each; medians are told (1)")
    p.add_argument("--quick", action="store_true", help="a small matrix, in two minutes")
    p.add_argument("--document", action="store_true", help="put the report into docs/performance.md")
    arguments = p.parse_args()
    if arguments.quick:
        arguments.sizes, arguments.partitions, arguments.seconds = "1,16,64", "1,100,1000", 2
    return arguments


def on_core(number):
    """A prefix that binds a process to one core, where there are two."""
    return ["taskset", "-c", str(number)] if os.cpu_count() >= 2 else []


def cpu_seconds(pid):
    """Of all threads, in nanoseconds exact; /proc/PID/stat counts ticks."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def peak_mib(pid):
    """The largest resident size so far."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) / 1024


def system_calls(pid, seconds):
    """How many the process makes in that time; None where perf may not count them. strace would slow it down."""
    if not shutil.which("perf"):
        return None
    command = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(pid), "sleep", str(seconds)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = re.search(r"^(\d+),,raw_syscalls:sys_enter", done.stderr, re.MULTILINE)
    return int(found.group(1)) if found else None


def measure(size_kib, partitions, seconds):
    """The figures of one cell."""
    with synthetic.Rig(partitions, size_kib * KIB, prefix=on_core(0), own=on_core(1)) as rig:
        warm = rig.warm_up()
        pid = rig.child.pid
        before, cpu, begin = rig.sink.counters(), cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        after, cpu_after, end = rig.sink.counters(), cpu_seconds(pid), time.monotonic()
        calls_before = rig.sink.counters()
        calls = system_calls(pid, seconds / 2)
        calls_bytes = rig.sink.counters().bytes - calls_before.bytes
        moved = max(after.bytes - before.bytes, 1)
        return {"size_kib": size_kib, "partitions": partitions, "warm": warm,
                "gb_per_s": moved / GB / (end - begin), "cpu_s_per_gb": (cpu_after - cpu) / (moved / GB),
                "core": (cpu_after - cpu) / (end - begin), "batches_per_s": (after.batches - before.batches) /
                (end - begin), "batches_per_request": (after.batches - before.batches) /
                max(after.requests - before.requests, 1), "peak_mib": peak_mib(pid),
                "calls_per_mb": calls / max(calls_bytes / 1e6, 1e-6) if calls is not None else None}


def median_of(cells):
    """One cell of several of the same kind."""
    return {key: statistics.median(cell[key] for cell in cells) if isinstance(cells[0][key], float) else cells[0][key]
            for key in cells[0]}


def relay(seconds):
    """The bare relay; its children, the source and the sink, share the other core."""
    command = [*on_core(0), RELAY, str(seconds)] + (["1"] if os.cpu_count() >= 2 else [])
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    moved, took, cpu, calls = map(float, done.stdout.split())
    return {"gb_per_s": moved / GB / took, "cpu_s_per_gb": cpu / (moved / GB), "core": cpu / took,
            "calls_per_mb": calls / (moved / 1e6)}


def instructions(size_kib, batches):
    """What a run of so many batches of each partition takes, from start to end; None where callgrind cannot."""
    total = batches * CALLGRIND_PARTITIONS
    out = os.path.join(process.temporary("callgrind"), "out")
    prefix = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"]
    with synthetic.Rig(CALLGRIND_PARTITIONS, size_kib * KIB, batches, prefix=prefix) as rig:
        deadline = time.monotonic() + CALLGRIND_S_MAX
        while rig.sink.counters().batches < total and rig.child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        if rig.sink.counters().batches < total or rig.child.poll() is not None:
            return None
        rig.child.send_signal(signal.SIGTERM)
        rig.child.wait(60)
    with open(out, encoding="utf-8") as f:
        found = re.search(r"^(?:summary|totals): (\d+)", f.read(), re.MULTILINE)
    return int(found.group(1)) if found else None


def instructions_per_batch(size_kib):
    """The slope between a short and a long run."""
    few, many = (instructions(size_kib, batches) for batches in CALLGRIND_BATCHES)
    if few is None or many is None:
        return None
    return (many - few) / ((CALLGRIND_BATCHES[1] - CALLGRIND_BATCHES[0]) * CALLGRIND_PARTITIONS)


def idle(partitions, seconds):
    """What it costs to have copied everything: the share of a core, and memory. None when it does not come so far."""
    with synthetic.Rig(partitions, KIB, 1, prefix=on_core(0), own=on_core(1)) as rig:
        deadline = time.monotonic() + IDLE_COPY_S_MAX
        while rig.sink.counters().batches < partitions and time.monotonic() < deadline:
            time.sleep(0.1)
        if rig.sink.counters().batches < partitions:
            return None
        time.sleep(IDLE_SETTLE_S)
        cpu, begin = cpu_seconds(rig.child.pid), time.monotonic()
        time.sleep(seconds)
        return {"partitions": partitions, "core": (cpu_seconds(rig.child.pid) - cpu) / (time.monotonic() - begin),
                "peak_mib": peak_mib(rig.child.pid)}


def shown(value, layout):
    """A figure, or nothing where it could not be had."""
    return layout.format(value) if value is not None else "n/a"


COLUMNS = (
    ("batches", lambda c: f"{c['size_kib']:,} KiB"),
    ("partitions", lambda c: f"{c['partitions']:,}"),
    ("GB/s per core", lambda c: f"{1 / max(c['cpu_s_per_gb'], 1e-9):.2f}"),
    ("CPU-s/GB", lambda c: f"{c['cpu_s_per_gb']:.2f}"),
    ("of relay", lambda c: f"{c['to_relay']:.2f}"),
    ("GB/s", lambda c: f"{c['gb_per_s']:.2f}"),
    ("core busy", lambda c: f"{c['core']:.0%}"),
    ("us a batch", lambda c: f"{c['core'] * 1e6 / max(c['batches_per_s'], 1e-9):.2f}"),
    ("batches a request", lambda c: f"{c['batches_per_request']:.1f}"),
    ("calls/MB", lambda c: shown(c["calls_per_mb"], "{:.2f}")),
    ("peak MiB", lambda c: f"{c['peak_mib']:.0f}"),
    ("steady", lambda c: "yes" if c["warm"] else "NO"),
)


def report(made):
    """The report as Markdown."""
    bare = made["relay"]
    counted = [{"size": size, "instructions": count} for size, count in made["instructions"].items()]
    return "\n\n".join([
        document.surroundings(made["environment"]),
        f"Bare relay: {bare['gb_per_s']:.2f} GB/s, {bare['cpu_s_per_gb']:.2f} CPU-s/GB, "
        f"{bare['calls_per_mb']:.2f} calls/MB, its core busy {bare['core']:.0%}.",
        f"Idle, {made['idle']['partitions']:,} partitions caught up: {made['idle']['core']:.2%} of a core, peak "
        f"{made['idle']['peak_mib']:.0f} MiB." if made["idle"] else "Idle: not everything was copied in time.",
        document.table(COLUMNS, made["cells"]),
        f"Instructions (user space, callgrind) for each further batch, {CALLGRIND_PARTITIONS} partitions:",
        document.table((("batches", lambda r: f"{r['size']} KiB"),
                        ("instructions", lambda r: shown(r["instructions"], "{:,.0f}"))), counted),
    ]) + "\n"


def run(arguments):
    """All cells; the relay before and after them, the machine may have changed its mind."""
    others, relays, cells = document.others(), [relay(arguments.seconds)], []
    for size in map(int, arguments.sizes.split(",")):
        for partitions in map(int, arguments.partitions.split(",")):
            cell = median_of([measure(size, partitions, arguments.seconds) for _ in range(arguments.repeat)])
            print(f"{size} KiB, {partitions} partitions: {cell['gb_per_s']:.2f} GB/s, {cell['cpu_s_per_gb']:.2f} "
                  "CPU-s/GB", flush=True)
            cells.append(cell)
    relays.append(relay(arguments.seconds))
    bare = median_of(relays)
    for cell in cells:
        cell["to_relay"] = cell["cpu_s_per_gb"] / bare["cpu_s_per_gb"]
    counted = {size: instructions_per_batch(size) for size in CALLGRIND_SIZES} if shutil.which("valgrind") else {}
    around = document.environment(document.command_line("ceiling", "bench-ceiling"),
                                  others=others, network=f"loopback, {namespace.CONGESTION}")
    return {"environment": around, "relay": bare, "idle": idle(IDLE_PARTITIONS, IDLE_S), "cells": cells,
            "instructions": counted}


def main():
    """Measures, prints, and writes the report where asked to."""
    arguments = parse()
    namespace.enter()
    for program in (mirror.PROGRAM, RELAY, synthetic.PROGRAM):
        if not os.path.exists(program):
            sys.exit(f"{program} is not there: run make first")
    made = run(arguments)
    print(report(made))
    if arguments.document:
        document.write("ceiling", made, report(made))


if __name__ == "__main__":
    main()
