#!/usr/bin/env python3
"""Applies each small mutant of the core to a copy of the tree, and lets the simulator find it: by seeds alone.

A mutant is a patch in test/sim/mutants; the first line of its text says which rule is missing. A survivor is a hole in
the simulator. `mutants.py [--seeds N] [--build FOLDER] [NAME...]`
"""

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PATCHES = os.path.join(HERE, "mutants")
COPIED = ("CMakeLists.txt", "src", "tools", "test")
BATCH = 250  # seeds of the program with ownership, then of the one without, in turn
SECONDS_MAX = 240  # for one mutant


def run(*command, **options):
    """A command whose output matters only when it fails."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)


def must(*command, **options):
    """A command that has to work."""
    done = run(*command, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{done.stdout[-3000:]}")
    return done


class Copy:
    """The tree beside the tree, built once; each mutant rebuilds what it touches."""

    def __init__(self, folder):
        self.tree = os.path.join(folder, "tree")
        self.build = os.path.join(folder, "build")
        files = must("git", "ls-files", *COPIED, cwd=ROOT).stdout.split("\n")
        for name in filter(None, files):
            target = os.path.join(self.tree, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            # A mutant left behind by an interrupted run must look changed, or its object would stay.
            if not os.path.exists(target) or not filecmp.cmp(os.path.join(ROOT, name), target, shallow=False):
                shutil.copy(os.path.join(ROOT, name), target)
        must("cmake", "-G", "Ninja", "-S", self.tree, "-B", self.build)
        self.make()

    def make(self):
        """Builds both simulators; True when that worked."""
        return run("ninja", "-C", self.build, "-j2", "sim", "sim_unowned").returncode == 0

    def patch(self, path, *options):
        """Applies a mutant, or takes it back."""
        return run("patch", "-p1", "-s", "--no-backup-if-mismatch", "-i", path, *options, cwd=self.tree)

    def seeds(self, program, first, count, jobs):
        """(seeds run, checker that failed or None)."""
        done = run(os.path.join(self.build, program), f"seeds={count}", f"first={first}", "failures=1", "brief",
                   f"jobs={jobs}")
        failed = re.search(r"^FAILED seed (\d+): (\w+): (.*)$", done.stdout, re.MULTILINE)
        if failed:
            return int(failed.group(1)) - first + 1, f"{failed.group(2)}: {failed.group(3)}"
        return count, None if done.returncode == 0 else f"died: {done.stdout[-200:]}"


def hunt(copy, seeds, jobs):
    """(program, seeds run, by whom) of the first failure, or None."""
    ran, start = 0, time.monotonic()
    for first in range(1, seeds + 1, BATCH):
        for program in ("sim", "sim_unowned"):
            count, killer = copy.seeds(program, first, min(BATCH, seeds - first + 1), jobs)
            ran += count
            if killer:
                return program, ran, killer
        if time.monotonic() - start > SECONDS_MAX:
            break
    return None, ran, None


def judge(copy, name, seeds, jobs):
    """One line about one mutant; True when it was killed."""
    path = os.path.join(PATCHES, name)
    with open(path, encoding="utf-8") as f:
        what = f.readline().strip()
    applied = copy.patch(path)
    if applied.returncode != 0:
        copy.patch(path, "-R", "-f")
        print(f"STALE     {name}: does not apply any more: {applied.stdout.strip()[:200]}", flush=True)
        return False
    if not copy.make():
        program, ran, killer = None, 0, None
        print(f"UNBUILT   {name}: {what}", flush=True)
    else:
        program, ran, killer = hunt(copy, seeds, jobs)
        verdict = "killed  " if killer else "SURVIVED"
        print(f"{verdict}  {name}: {what} | {program or ''} {ran} seeds | {killer or ''}"[:300], flush=True)
    must("patch", "-p1", "-s", "--no-backup-if-mismatch", "-R", "-i", path, cwd=copy.tree)
    return killer is not None


def main():
    """Judges all mutants, or those named."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seeds", type=int, default=2000)
    arguments.add_argument("--jobs", type=int, default=1)
    arguments.add_argument("--build", default="build-mutants", metavar="FOLDER")
    arguments.add_argument("name", nargs="*")
    options = arguments.parse_args()
    names = [n for n in sorted(os.listdir(PATCHES)) if n.endswith(".patch")]
    if options.name:
        names = [n for n in names if any(part in n for part in options.name)]
    copy = Copy(os.path.join(ROOT, options.build))
    if not copy.make():
        sys.exit("the tree without any mutant does not build")
    killed = sum(judge(copy, name, options.seeds, options.jobs) for name in names)
    print(f"{killed} passed, {len(names) - killed} failed")
    return killed < len(names)


if __name__ == "__main__":
    sys.exit(main())
