#!/usr/bin/env python3
"""Counts which lines of some rooms run under the unit tests and the fuzz seeds.

tools/coverage.py [--build FOLDER] [--missing] [ROOM...]    without ROOM: wire, whose decoders read what strangers send

--missing names the lines that never ran.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINES_MIN = 95.0            # percent of the wire room
PROGRAM_SECONDS_MAX = 300   # not optimised


def run_tests(folder):
    """Every unit test and the replay of the seeds; what they count adds up in the build folder."""
    for path in glob.glob(os.path.join(folder, "**", "*.gcda"), recursive=True):
        os.remove(path)
    sources = glob.glob(os.path.join(ROOT, "test", "unit", "*_test.c"))
    programs = [[os.path.join(folder, "unit", os.path.basename(source)[:-2])] for source in sorted(sources)]
    programs.append([os.path.join(folder, "fuzz", "replay"), os.path.join(folder, "fuzz", "corpus")])

    def run(program):
        done = subprocess.run(program, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PROGRAM_SECONDS_MAX, check=False)
        if done.returncode != 0:
            print(f"{program[0]} ended with {done.returncode}: its lines count all the same", file=sys.stderr)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(run, programs))


def count_lines(folder, room):
    """{path: {line: how often it ran}}, as gcov says."""
    counts = {}
    objects = glob.glob(os.path.join(folder, "CMakeFiles", room + ".dir", "src", room, "*.gcda"))
    for path in sorted(objects):
        text = subprocess.run(["gcov", "--json-format", "--stdout", path], cwd=ROOT, check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        for document in text.splitlines():
            for file in json.loads(document)["files"]:
                name = os.path.relpath(os.path.join(ROOT, file["file"]), ROOT)
                if not name.startswith(f"src/{room}/"):
                    continue
                lines = counts.setdefault(name, {})
                for line in file["lines"]:
                    number = line["line_number"]
                    lines[number] = max(lines.get(number, 0), line["count"])
    return counts


def report(room, counts, missing):
    """A line for each file, then the room's; answers the percentage."""
    ran = total = 0
    for name, lines in sorted(counts.items()):
        there = sum(1 for count in lines.values() if count > 0)
        print(f"{name:36} {there:5} of {len(lines):5} lines  {100 * there / len(lines):6.1f} %")
        if missing and there < len(lines):
            print("    never: " + ", ".join(str(n) for n, count in sorted(lines.items()) if count == 0))
        ran, total = ran + there, total + len(lines)
    percent = 100 * ran / total if total else 0.0
    print(f"{'src/' + room:36} {ran:5} of {total:5} lines  {percent:6.1f} %")
    return percent


def main():
    """Builds, runs, counts."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", default="build-coverage", metavar="FOLDER")
    arguments.add_argument("--missing", action="store_true")
    arguments.add_argument("room", nargs="*", default=["wire"])
    options = arguments.parse_args()
    folder = os.path.join(ROOT, options.build)
    subprocess.run(["ninja", "-C", folder, "--quiet"], check=True, stdout=sys.stderr)
    run_tests(folder)
    low = [room for room in options.room
           if report(room, count_lines(folder, room), options.missing) < LINES_MIN and room == "wire"]
    sys.exit(f"src/{low[0]}: less than {LINES_MIN} % of the lines ran" if low else 0)


if __name__ == "__main__":
    main()
