#!/usr/bin/env python3
"""Shows that tools/check.py counts what programs say and mistrusts what they do not say."""

import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))

import check  # noqa: E402  (the path comes first)

# what a program does, the seconds it gets, and what must be counted
PROGRAMS = [
    ("echo 3 passed, 0 failed",                       5, (3, 0)),
    ("echo 3 passed, 2 failed; exit 1",               5, (3, 2)),
    ("echo 1 passed, 0 failed; echo 3 passed, 0 failed", 5, (3, 0)),
    ("echo 3 passed, 0 failed; exit 1",               5, (3, 1)),
    ("echo 3 passed, 0 failed; kill -SEGV $$",        5, (3, 1)),
    ("echo 0 passed, 0 failed",                       5, (0, 1)),
    ("echo all 3 passed, 0 failed",                   5, (0, 1)),
    ("true",                                          5, (0, 1)),
    ("echo 3 passed, 0 failed; sleep 30",             1, (3, 1)),
    ("sleep 30 & echo 3 passed, 0 failed",            5, (3, 0)),
]


def main():
    """Runs them all."""
    passed = failed = 0
    for command, seconds, wanted in PROGRAMS:
        start = time.monotonic()
        outcome = check.tests(["sh", "-c", command], seconds)
        in_time = time.monotonic() - start < seconds + 3  # what a program leaves behind is not waited for
        named = command in outcome.output
        if (outcome.passed, outcome.failed) == wanted and named == (wanted[1] > 0) and in_time:
            passed += 1
        else:
            failed += 1
            print(f"FAILED {command}: {outcome.passed} passed, {outcome.failed} failed, expected {wanted}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
