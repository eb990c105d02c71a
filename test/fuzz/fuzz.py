#!/usr/bin/env python3
"""Fuzzes every target for some seconds and prints what was done: test/fuzz/fuzz.py [--seconds N] [--jobs N] [TARGET...]

The programs and their seeds are those of the build folder (--build, `make fuzz` makes it). What is found on the way is
kept in its fuzz/found folder for the next run; an input that breaks a target is kept as fuzz/crash-TARGET-*.
"""

import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INPUT_SECONDS_MAX = 10      # for one input, of an ordinary one microseconds
GRACE_SECONDS = 120         # to read the seeds and to end
OUTPUT_LINES_MAX = 60       # shown of a target that broke
HEADER = re.compile(r"^    X\((\w+)\)", re.MULTILINE)


class Run:
    """What became of one target."""

    def __init__(self, target, code, output):
        def number(pattern):
            found = re.findall(pattern, output)
            return int(found[-1]) if found else 0
        self.target, self.broke, self.output = target, code != 0, output
        self.executions = number(r"stat::number_of_executed_units:\s*(\d+)")
        self.edges = number(r"cov: (\d+)")
        self.corpus = number(r"corp: (\d+)/")


def fuzz(folder, target, seconds):
    """One target for that long."""
    found = os.path.join(folder, "found", target)
    os.makedirs(found, exist_ok=True)
    command = [os.path.join(folder, "fuzz_" + target), found, os.path.join(folder, "corpus", target),
               f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS_MAX}", "-max_len=32000", "-rss_limit_mb=3000",
               "-print_final_stats=1", "-use_value_profile=1", f"-artifact_prefix={folder}/crash-{target}-"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=seconds + GRACE_SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        return Run(target, 1, f"{late}\n")
    return Run(target, done.returncode, done.stdout)


def targets():
    """The names in fuzz.h."""
    with open(os.path.join(ROOT, "test", "fuzz", "fuzz.h"), encoding="utf-8") as file:
        return HEADER.findall(file.read())


def main():
    """A line for each target, then the sum."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", default="build-fuzz", metavar="FOLDER")
    arguments.add_argument("--seconds", type=int, default=10, help="of each target")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments.add_argument("target", nargs="*")
    options = arguments.parse_args()
    names = options.target or targets()
    unknown = set(names) - set(targets())
    if unknown:
        sys.exit(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(targets())}")
    folder = os.path.join(ROOT, options.build, "fuzz")
    broke, executions = [], 0
    print(f"{'target':24} {'seconds':>8} {'executions':>12} {'edges':>7} {'inputs kept':>12}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(max(options.jobs, 1)) as pool:
        for run in pool.map(lambda name: fuzz(folder, name, options.seconds), names):
            print(f"{run.target:24} {options.seconds:8} {run.executions:12} {run.edges:7} {run.corpus:12}", flush=True)
            executions += run.executions
            if run.broke:
                broke.append(run.target)
                print("".join(run.output.splitlines(True)[-OUTPUT_LINES_MAX:]) + f"BROKEN: {run.target}", flush=True)
    for path in sorted(glob.glob(os.path.join(folder, "crash-*"))):
        print(f"kept: {os.path.relpath(path, ROOT)}")
    print(f"{executions} executions")
    print(f"{len(names) - len(broke)} passed, {len(broke)} failed")
    sys.exit(1 if broke else 0)


if __name__ == "__main__":
    main()
