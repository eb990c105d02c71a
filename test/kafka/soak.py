#!/usr/bin/env python3
"""The mirror under failures, again and again at other random moments, until Ctrl-C or until the minutes are over."""

import argparse
import os
import sys
import time

os.environ["ODRAZ_SOAK"] = "1"  # read by scenario.py: each story is long
import run  # noqa: E402  (after the line above)

STORIES = ["test_failures", "test_network", "test_copy", "test_halts"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=float("inf"))
    arguments.add_argument("pattern", nargs="*", default=STORIES, help="only stories whose name contains one of these")
    chosen = arguments.parse_args()
    start, result, rounds = time.monotonic(), run.Result(), 0
    try:
        while time.monotonic() - start < chosen.minutes * 60 and result.wasSuccessful():
            rounds += 1
            print(f"round {rounds}, after {(time.monotonic() - start) / 60:.0f} minutes", flush=True)
            run.tests(chosen.pattern).run(result)
    except KeyboardInterrupt:
        print("stopped")
    return run.verdict(result, start)


if __name__ == "__main__":
    sys.exit(main())
