#!/usr/bin/env python3
"""Holds the whole repository against the habits of the house: each rule is a test that names file and line."""

import argparse
import os
import subprocess
import sys

import rooms
import rules
import source

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def settings_documented(root, build):
    """docs/configuration.md is what the program says of its settings, byte for byte."""
    path = "docs/configuration.md"
    program = os.path.join(build, "odraz")
    if not os.path.exists(program):
        yield path, 0, "the program is not there to be asked: odraz help settings --markdown"
        return
    asked = subprocess.run([program, "help", "settings", "--markdown"], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=10, check=False)
    wanted = asked.stdout.splitlines()
    if asked.returncode != 0 or not wanted:
        yield path, 0, f"odraz help settings --markdown ended with {asked.returncode}: {asked.stderr.strip()}"
        return
    try:
        with open(os.path.join(root, path), encoding="utf-8") as f:
            there = f.read().splitlines()
    except FileNotFoundError:
        there = []
    if there != wanted:
        same = 0
        while same < min(len(there), len(wanted)) and there[same] == wanted[same]:
            same += 1
        yield path, same + 1, "is not what the program says: odraz help settings --markdown >docs/configuration.md"


def of_texts(root):
    """(rule, what it found in the texts of the repository)."""
    sources = source.repository(root)
    for rule in (*rules.RULES, rooms.directions):
        yield rule, list(rule(sources))


def of_build(root, build):
    """(rule, what it found in a release build)."""
    for rule in (rooms.purity, rooms.exports_used):
        yield rule, list(rule(build))
    yield settings_documented, list(settings_documented(root, build))


def main():
    """Prints what is wrong, and how many rules hold."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--build", metavar="FOLDER", help="look at a release build instead of the texts")
    build = arguments.parse_args().build
    passed = failed = 0
    for rule, found in of_build(ROOT, os.path.join(ROOT, build)) if build else of_texts(ROOT):
        if not found:
            passed += 1
            continue
        failed += 1
        print(f"FAILED {rule.__name__}: {rule.__doc__}")
        for path, line, wrong in found:
            print(f"{os.path.relpath(path, ROOT) if os.path.isabs(path) else path}:{line}: {wrong}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
