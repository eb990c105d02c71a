#!/usr/bin/env python3
"""Tells all scenarios, and asks of each rare branch of the core that one of them comes to it.

When the core changes, a scenario may pass because it no longer brings about what it was written for. Branches that none
reaches stand in unreached.txt with who does. `reached.py BUILD`
"""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def told(program):
    """(output, tests passed, tests failed, rare branches reached) of all its scenarios."""
    done = subprocess.run([program, "rare"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    counts = re.search(r"^(\d+) passed, (\d+) failed$", done.stdout, re.MULTILINE)
    passed, failed = (int(n) for n in counts.groups()) if counts else (0, 1)
    return done.stdout, passed, failed, set(re.findall(r"^ +\d+ (\S.*)$", done.stdout, re.MULTILINE))


def marks():
    """What stands in the core's source files."""
    found = set()
    for folder, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                found |= set(re.findall(r'\bRARE\("([^"]+)"\)', f.read()))
    return found


def known():
    """Branches that no scenario reaches."""
    with open(os.path.join(HERE, "unreached.txt"), encoding="utf-8") as f:
        lines = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    return {line.partition(" | ")[0] for line in lines}


def main():
    """0: all scenarios hold, and what they reach is what is known."""
    passed, failed, reached = 0, 0, set()
    for name in ("scenarios", "scenarios_unowned"):
        output, more_passed, more_failed, rare = told(os.path.join(ROOT, sys.argv[1], name))
        passed, failed, reached = passed + more_passed, failed + more_failed, reached | rare
        if more_failed:
            print(output)
    there, unreached = marks(), known()
    wrong = [f"no scenario comes any more to: {mark}" for mark in sorted(there - reached - unreached)]
    wrong += [f"unreached.txt: a scenario does come to: {mark}" for mark in sorted(unreached & reached)]
    wrong += [f"unreached.txt: there is no such branch: {mark}" for mark in sorted(unreached - there)]
    for line in wrong:
        print(f"FAILED {line}")
    failed += len(wrong)
    print(f"{passed + (not wrong)} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
