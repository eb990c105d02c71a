#!/usr/bin/env python3
"""Runs every check of the house, part by part, and closes with one line that sums up: N passed, N failed.

tools/check.py [--build FOLDER] [PART...]    without PART: all of them, in the order of the table below

A part is a build (counts only when it fails) or programs that close with "N passed, N failed". A program that ends
otherwise, or too late, is one failure more.
"""

import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS_MAX = 40 * 60       # of the whole run, against hanging: on two quiet cores it takes 15 to 20 minutes
UNIT_SECONDS_MAX = 120      # of one unit test program
GRACE_SECONDS = 10          # for a late program to clean up before it is killed
OUTPUT_LINES_MAX = 200      # shown of a program that failed
CPUS = os.cpu_count() or 1
RESULT = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)
ENVIRONMENT = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1", PYTHONDONTWRITEBYTECODE="1")


class Outcome:
    """How many passed and failed, and the output of what failed."""

    def __init__(self, passed=0, failed=0, output=""):
        self.passed, self.failed, self.output = passed, failed, output

    def add(self, other):
        """Sums up."""
        self.passed += other.passed
        self.failed += other.failed
        self.output += other.output


def run(command, seconds, shown=False):
    """(exit code or None when it took too long, output). Nothing a program started in its group outlives it."""
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=ENVIRONMENT,
                             stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    lines = []

    def read():
        for line in child.stdout:
            lines.append(line)
            if shown:
                print("    " + line, end="", flush=True)

    reader = threading.Thread(target=read)
    reader.start()
    late = not ended(child, max(seconds, 1))
    if late:  # politely first: a test of real brokers has brokers to end
        signal_group(child.pid, signal.SIGTERM)
        ended(child, GRACE_SECONDS)
    signal_group(child.pid, signal.SIGKILL)
    child.wait()
    reader.join()
    return None if late else child.returncode, "".join(lines)


def ended(child, seconds):
    """True when the child ends within that time."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def signal_group(group, number):
    """A group without members is fine."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


def tests(command, seconds, shown=False):
    """Runs a program that counts its own tests."""
    code, output = run(command, seconds, shown)
    counts = RESULT.findall(output)
    passed, failed = (int(n) for n in counts[-1]) if counts else (0, 0)
    why = None
    if code is None:
        why = f"did not end within {seconds:.0f} s"
    elif not counts:
        why = f"ended with {code} and no line 'N passed, N failed'"
    elif passed + failed == 0:
        why = "ran no test"
    elif code != 0 and failed == 0:
        why = f"ended with {code}"
    name = " ".join(command).replace(ROOT + os.sep, "").replace(sys.executable, "python3")
    if why:
        failed += 1
    if not failed:
        return Outcome(passed)
    tail = "" if shown else "".join(output.splitlines(True)[-OUTPUT_LINES_MAX:])
    return Outcome(passed, failed, f"{tail}FAILED: {name}{': ' + why if why else ''}\n")


def build(folder, options):
    """Configures when need be, and builds all."""
    def part(left):
        configure = ["cmake", "-G", "Ninja", "-S", ".", "-B", folder, *options]
        for command in ([] if os.path.exists(os.path.join(ROOT, folder, "build.ninja")) else [configure]) + [
                ["ninja", "-C", folder]]:
            code, output = run(command, left())
            if code != 0:
                return Outcome(0, 1, output[-20000:] + f"FAILED: {' '.join(command)}\n")
        return Outcome()
    return part


def simulated(folder, seeds, seconds_max):
    """Scenarios, and so many seeds of each simulator; on a slow machine those that were begun in time."""
    def part(left):
        total = Outcome()
        for program, count in seeds.items():
            seconds = max(1, min(left(), seconds_max) * count / sum(seeds.values()))
            command = [os.path.join(ROOT, folder, program), f"seeds={count}", f"seconds={seconds:.0f}"]
            total.add(tests(command, left()))
        total.add(tests([sys.executable, os.path.join(ROOT, "test/sim/reached.py"), folder], left()))
        return total
    return part


def unit(folder):
    """Every test/unit/*_test.c has a program of its own; old programs of removed tests are not run."""
    def part(left):
        sources = sorted(name for name in os.listdir(os.path.join(ROOT, "test/unit")) if name.endswith("_test.c"))
        programs = [os.path.join(ROOT, folder, "unit", name[:-len(".c")]) for name in sources]
        total = Outcome()
        with concurrent.futures.ThreadPoolExecutor(CPUS) as pool:
            for outcome in pool.map(lambda program: program_tests(program, left), programs):
                total.add(outcome)
        return total
    return part


def program_tests(program, left):
    """One unit test program, which must have been built."""
    if not os.path.exists(program):
        return Outcome(0, 1, f"FAILED: {os.path.relpath(program, ROOT)} was not built\n")
    return tests([program], min(UNIT_SECONDS_MAX, left()))


def replay(folder):
    """The fuzz targets over their seeds."""
    def part(left):
        program = os.path.join(ROOT, folder, "fuzz", "replay")
        return tests([program, os.path.join(ROOT, folder, "fuzz", "corpus")], min(UNIT_SECONDS_MAX, left()))
    return part


def script(*command):
    """A test program in Python, shown while it runs."""
    def part(left):
        if not os.path.exists(os.path.join(ROOT, command[0])):
            return Outcome(0, 1, f"FAILED: {command[0]} does not exist\n")
        return tests([sys.executable, *command], left(), shown=True)
    return part


def parts(folder):
    """The table of all parts: name, what it needs, what it does."""
    release = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    asan = release + ["-DODRAZ_SANITIZE=ON"]
    # name          needs       doing
    return [
        ("build",      None,    build(folder, release)),
        ("build-asan", None,    build(folder + "-asan", asan)),
        ("unit",       "build", unit(folder)),
        ("unit-asan",  "build-asan", unit(folder + "-asan")),
        ("fuzz",       "build-asan", replay(folder + "-asan")),
        ("sim",        "build", simulated(folder, {"sim": 2400, "sim_unowned": 600}, 100)),
        ("sim-asan",   "build-asan", simulated(folder + "-asan", {"sim": 150, "sim_unowned": 50}, 60)),
        ("schema",     None,    script("test/unit/schema_test.py")),
        ("tidy",       None,    script("test/tidy/tidy.py")),
        ("tidy-built", "build", script("test/tidy/tidy.py", "--build", folder)),
        ("tidy-self",  None,    script("test/tidy/selftest.py")),
        ("check-self", None,    script("test/tidy/check_selftest.py")),
        ("bench-self", None,    script("test/bench/selftest.py")),
        ("torture",    "build-asan", script("test/torture/torture.py", "--every", "19", "--program",
                                            os.path.join(ROOT, folder + "-asan", "odraz_torture"))),
        ("conformance", "build", script("test/conformance/run.py")),
        ("kafka",      "build", script("test/kafka/run.py")),
    ]


def chosen(table, names):
    """The parts asked for, and before them those they need."""
    if not names:
        return table
    unknown = set(names) - {name for name, _, _ in table}
    if unknown:
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(name for name, _, _ in table)}")
    wanted = set(names) | {needs for name, needs, _ in table if name in names and needs}
    return [row for row in table if row[0] in wanted]


def main():
    """Runs the parts one after the other; one that needs a broken build is a failure without being run."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", default="build", metavar="FOLDER")
    arguments.add_argument("part", nargs="*")
    options = arguments.parse_args()
    ENVIRONMENT["ODRAZ"] = os.path.join(ROOT, options.build, "odraz")  # the program that the broker tests run
    begin = time.monotonic()
    total, broken = Outcome(), set()
    for name, needs, doing in chosen(parts(options.build), options.part):
        print(f"{name} ...", flush=True)
        start = time.monotonic()
        if needs in broken:
            outcome = Outcome(0, 1, f"FAILED: {name} was not run, {needs} failed\n")
        elif start - begin >= SECONDS_MAX:
            outcome = Outcome(0, 1, f"FAILED: {name} was not run, the {SECONDS_MAX} s of the whole are over\n")
        else:
            outcome = doing(lambda: SECONDS_MAX - (time.monotonic() - begin))
        if not name.startswith("build") and outcome.passed + outcome.failed == 0:
            outcome = Outcome(0, 1, f"FAILED: {name} has no tests\n")
        if outcome.failed:
            broken.add(name)
        print(outcome.output, end="")
        took = time.monotonic() - start
        print(f"{name}: {outcome.passed} passed, {outcome.failed} failed in {took:.1f} s", flush=True)
        total.add(outcome)
    print(f"all in {time.monotonic() - begin:.1f} s")
    print(f"{total.passed} passed, {total.failed} failed")
    sys.exit(0 if total.passed and not total.failed else 1)


if __name__ == "__main__":
    main()
