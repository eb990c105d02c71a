#!/usr/bin/env python3
"""Applies each small mutant of the core to a copy of the tree, and lets the simulator find it.

A mutant is a patch in test/sim/mutants; the first line of its text says which rule is missing. First the scenarios are
told, then seeds run, of both programs in turn, until one fails or the time is over. A survivor is a hole in the
simulator, unless the text's second line says what is known of it: `unit: NAME_test` sees what the simulator cannot,
and is run before all else; or `kept: WHY`: another rule keeps it, too, or nobody could tell.
`mutants.py [--seconds N] [--jobs N] [--build FOLDER] [--table] [NAME...]`
"""

import argparse
import concurrent.futures
import filecmp
import os
import queue
import re
import resource
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PATCHES = os.path.join(HERE, "mutants")
COPIED = ("CMakeLists.txt", "src", "tools", "test")
PROGRAMS = ("sim", "sim_unowned", "scenarios", "scenarios_unowned")
BATCHES = (20, 80, 200, 400, 800)  # seeds of each program before it is the other's turn; the last one again and again


def run(*command, **options):
    """A command whose output matters only when it fails."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)


def must(*command, **options):
    """A command that has to work."""
    done = run(*command, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{done.stdout[-3000:]}")
    return done


def timed(*command):
    """(output, exit code, seconds of processor time): on a busy machine the clock says little."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with child.stdout:
        output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return output, child.returncode, usage.ru_utime + usage.ru_stime


class Copy:
    """The tree beside the tree, built once; each mutant rebuilds what it touches."""

    def __init__(self, folder):
        self.tree = os.path.join(folder, "tree")
        self.build = os.path.join(folder, "build")
        files = set(filter(None, must("git", "ls-files", *COPIED, cwd=ROOT).stdout.split("\n")))
        for place, _, names in os.walk(self.tree):  # what is gone would still be built
            for path in (os.path.join(place, name) for name in names):
                if os.path.relpath(path, self.tree) not in files:
                    os.remove(path)
        for name in sorted(files):
            target = os.path.join(self.tree, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            # A mutant left behind by an interrupted run must look changed, or its object would stay.
            if not os.path.exists(target) or not filecmp.cmp(os.path.join(ROOT, name), target, shallow=False):
                shutil.copy(os.path.join(ROOT, name), target)
        # Without debugging information: what takes time is to link.
        must("cmake", "-G", "Ninja", "-S", self.tree, "-B", self.build, "-DCMAKE_BUILD_TYPE=None",
             "-DCMAKE_C_FLAGS=-O2")
        if not self.make():
            sys.exit("the tree without any mutant does not build: ninja -C " + self.build)

    def make(self, *targets):
        """Builds them, or the simulators; True when that worked."""
        return run("ninja", "-C", self.build, "-j2", *(targets or PROGRAMS)).returncode == 0

    def patch(self, path, *options):
        """Applies a mutant, or takes it back."""
        return run("patch", "-p1", "-s", "--no-backup-if-mismatch", "-i", path, *options, cwd=self.tree)

    def scenarios(self, program):
        """Scenario that failed and why, or None."""
        output, code, _ = timed(os.path.join(self.build, program), "brief")
        failed = re.search(r"^FAILED (\w+): at (\d+) of", output, re.MULTILINE)
        if not failed:
            return None if code == 0 else f"died: {output[-200:]}"
        said = re.search(rf"^{failed.group(1)} at [\d.]+ ms: (.*)$", output, re.MULTILINE)
        return f"{failed.group(1)}: {said.group(1) if said else 'died'}"

    def seeds(self, program, first, count):
        """(seconds, seeds run, checker that failed or None)."""
        output, code, seconds = timed(os.path.join(self.build, program), f"seeds={count}", f"first={first}",
                                      "failures=1", "brief", "jobs=1")
        failed = re.search(r"^FAILED seed (\d+): (\w+): (.*)$", output, re.MULTILINE)
        if failed:
            return seconds, int(failed.group(1)) - first + 1, f"{failed.group(2)}: {failed.group(3)}"
        return seconds, count, None if code == 0 else f"died: {output[-200:]}"

    def unit(self, test):
        """The first line that a unit test says of what is wrong, or None."""
        if not self.make(test):
            sys.exit(f"there is no unit test {test}")
        done = run(os.path.join(self.build, "unit", test))
        return (done.stdout.splitlines() or ["died"])[0] if done.returncode != 0 else None


def hunt(copy, seconds_max, unit=None):
    """(program, seeds run, by whom) of the first failure; by whom is None when there was none."""
    spent, ran = 0.0, 0
    killer = unit and copy.unit(unit)
    if killer:
        return unit, 0, killer
    for program in ("scenarios", "scenarios_unowned"):
        killer = copy.scenarios(program)
        if killer:
            return program, 0, killer
    first, batch = 1, 0
    while spent < seconds_max:
        size = BATCHES[min(batch, len(BATCHES) - 1)]
        for program in ("sim", "sim_unowned"):
            seconds, count, killer = copy.seeds(program, first, size)
            spent, ran = spent + seconds, ran + count
            if killer:
                return program, ran, killer
        first, batch = first + size, batch + 1
    return "", ran, None


def judge(copy, name, seconds_max):
    """(verdict, what the mutant breaks, program, seeds, killer)."""
    path = os.path.join(PATCHES, name)
    with open(path, encoding="utf-8") as f:
        what = f.readline().strip()
        kind, _, known = f.readline().strip().partition(": ")
    applied = copy.patch(path, "-F0")
    if applied.returncode != 0:
        # Half of it may have gone in.
        for touched in re.findall(r"^\+\+\+ b/(\S+)", open(path, encoding="utf-8").read(), re.MULTILINE):
            shutil.copy(os.path.join(ROOT, touched), os.path.join(copy.tree, touched))
        return "STALE", f"does not apply any more: {applied.stdout.strip()[:200]}", "", 0, ""
    try:
        if not copy.make():
            return "UNBUILT", what, "", 0, ""
        program, ran, killer = hunt(copy, seconds_max, known if kind == "unit" else None)
    finally:
        must("patch", "-p1", "-s", "--no-backup-if-mismatch", "-R", "-i", path, cwd=copy.tree)
    if not killer and kind == "kept":
        return "kept", what, "", ran, known
    return "killed" if killer else "SURVIVED", what, program, ran, killer or ""


def tell(name, verdict, what, program, ran, killer, table):
    """One line about one mutant."""
    if table:
        by = f"{program}, {killer}"[:110].replace("|", "/") if killer else verdict
        print(f"| {name[:-6]} | {what} | {ran} | {by} |", flush=True)
    else:
        print(f"{verdict:9} {name}: {what} | {program} {ran} seeds | {killer}"[:300], flush=True)


def main():
    """Judges all mutants, or those named."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=int, default=90, help="of processor time for the seeds of one mutant")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments.add_argument("--build", default="build-mutants", metavar="FOLDER")
    arguments.add_argument("--table", action="store_true", help="as docs/SIMULATION.md has it")
    arguments.add_argument("name", nargs="*")
    options = arguments.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # mutants die often
    names = [n for n in sorted(os.listdir(PATCHES)) if n.endswith(".patch")]
    if options.name:
        names = [n for n in names if any(part in n for part in options.name)]
    copies = queue.SimpleQueue()
    for job in range(options.jobs):
        copies.put(Copy(os.path.join(ROOT, options.build, str(job))))

    def one(name):
        copy = copies.get()
        try:
            verdict = judge(copy, name, options.seconds)
        finally:
            copies.put(copy)
        tell(name, *verdict, options.table)
        return verdict[0] in ("killed", "kept")

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        as_known = sum(pool.map(one, names))
    print(f"{as_known} passed, {len(names) - as_known} failed")
    return as_known < len(names)


if __name__ == "__main__":
    sys.exit(main())
