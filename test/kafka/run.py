#!/usr/bin/env python3
"""Runs the tests against real brokers; prints the time of each, and at last `N passed, N failed`."""

import argparse
import glob
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)


class Result(unittest.TestResult):
    """One line a test, with its time; all of what went wrong."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self._start = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._start = time.monotonic()

    def _say(self, test, verdict, details=""):
        name = test.id().removeprefix("test_")
        print(f"{verdict:6} {time.monotonic() - self._start:6.1f} s  {name}\n{details}", end="", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self._say(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._say(test, "FAILED", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._say(test, "FAILED", self.errors[-1][1])


def tests(patterns):
    """The self-tests of the harness first: without them no verdict counts."""
    names = [os.path.basename(path).removesuffix(".py") for kind in ("*_selftest.py", "test_*.py")
             for path in sorted(glob.glob(os.path.join(HERE, kind)))]
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{pattern}*" for pattern in patterns] or None
    return loader.loadTestsFromNames(names)


def verdict(result, start):
    """Prints the sum; the exit code."""
    failed = len(result.failures) + len(result.errors)
    print(f"{time.monotonic() - start:.0f} s in all\n{result.passed} passed, {failed} failed")
    return 1 if failed or not result.passed else 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("pattern", nargs="*", help="only tests whose module.Class.name contains one of these")
    start, result = time.monotonic(), Result()
    tests(arguments.parse_args().pattern).run(result)
    return verdict(result, start)


if __name__ == "__main__":
    sys.exit(main())
