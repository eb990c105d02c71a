#!/usr/bin/env python3
"""The demonstration: two clusters, a mirror that is killed in between, and the proof that they agree.

The clusters are odraz's own brokers in memory; with KAFKA=1 they are real ones, from Maven Central.
"""

import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "kafka"))
import demo_clusters  # noqa: E402  (needs the line above, as all that follow)
import net  # noqa: E402
import process  # noqa: E402
from mirror import PROGRAM, Mirror  # noqa: E402

TRAFFIC = os.path.join(os.path.dirname(PROGRAM), "traffic")
TOPICS = {"orders": 6, "payments": 3, "clicks": 12}
BACKLOG_RECORDS = 200_000
LIVE_RECORDS_PER_S = 4000
STATUS_INTERVAL_MS = 1000
_start = time.monotonic()


def say(text):
    print(f"\n[{time.monotonic() - _start:3.0f} s] {text}", flush=True)


def traffic(*words):
    """What that verb of the traffic program prints."""
    return subprocess.run([TRAFFIC, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def begin_fill(source, topic, partitions, records, rate, seed):
    """A load that runs beside us."""
    words = [TRAFFIC, "fill", source.bootstrap, partitions, 1, records, rate, seed, topic]
    return process.launch([str(word) for word in words], stdout=subprocess.PIPE)


def fill(source):
    """The backlog; how many records it has."""
    say(f"Producing a backlog of {BACKLOG_RECORDS:,} records to {', '.join(TOPICS)}: all codecs, "
        "0 to 60,000 bytes, with and without keys and headers.")
    share = BACKLOG_RECORDS // len(TOPICS)
    for seed, (topic, partitions) in enumerate(TOPICS.items()):
        traffic("fill", source.bootstrap, partitions, 1, share, 0, seed, topic)
    return share * len(TOPICS)


def end_fill(loads):
    """Stops loads; how many records they wrote."""
    for load in loads:
        load.terminate()
    return sum(int(load.communicate(timeout=30)[0]) for load in loads)


def mirrored(destination):
    """How many records have reached the destination."""
    there = destination.metadata()
    topics = [topic for topic in TOPICS if topic in there]
    return int(traffic("count", destination.bootstrap, *topics)) if topics else 0


def wait_for_more(destination, records):
    """Until so many records have arrived that were not there."""
    wanted = mirrored(destination) + records
    net.wait_until(lambda: mirrored(destination) >= wanted, 60, f"{records:,} records to arrive")


def _indented(path):
    with open(path, encoding="utf-8") as f:
        return "".join(f"            {line}" for line in f)


def run_and_kill(source, destination, backlog):
    """Mirrors, is killed and goes on, while records keep coming; the exit code of the ordered end, and all records."""
    mirror = Mirror(source, destination, ", ".join(TOPICS), {"status.interval.ms": STATUS_INTERVAL_MS}, show=True)
    say(f"Starting odraz, while {LIVE_RECORDS_PER_S:,} records a second go on coming:\n"
        f"        {os.path.relpath(PROGRAM)} run mirror.properties, which says\n{_indented(mirror.file)}")
    loads = [begin_fill(source, topic, partitions, 0, LIVE_RECORDS_PER_S // len(TOPICS), 100 + seed)
             for seed, (topic, partitions) in enumerate(TOPICS.items())]
    mirror.start()
    wait_for_more(destination, BACKLOG_RECORDS // 4)
    mirror.kill()
    say(f"kill -9: odraz is gone in the midst of its work, {mirrored(destination):,} records are at the destination.")
    time.sleep(2)
    say("Starting it again. It keeps no files: it asks the destination's log where it was.\n")
    mirror.start()
    wait_for_more(destination, BACKLOG_RECORDS // 4)
    time.sleep(4)
    produced = backlog + end_fill(loads)
    say(f"The load has ended: {produced:,} records. Waiting until the mirror has them all.\n")
    net.wait_until(lambda: mirrored(destination) >= produced, 60, "the mirror to catch up")
    time.sleep(STATUS_INTERVAL_MS / 1000)
    code = mirror.stop()
    say(f"SIGTERM: odraz ended with exit code {code}.")
    return code, produced


def judge(clusters, produced):
    """The comparison, in plain words; whether it succeeded."""
    say(clusters.how_compared)
    equal, counted = clusters.compare(TOPICS)
    there = mirrored(clusters.destination)
    if not equal or there != produced:
        say(f"FAILED: {produced:,} records were produced, the destination's logs end after {there:,}. {counted}")
        return False
    say(f"""Proven, {clusters.proof}:
        - {produced:,} records were produced, and every one is at the destination:
          none missing, none twice, none in another order, although odraz was killed with kill -9.
        - Every record has the same offset, so consumers can go over with the offsets they have.
        - Every batch holds the same bytes: compressed as it was, the same timestamps, a correct CRC.
        - {counted}""")
    return True


def main():
    if not os.path.exists(PROGRAM):
        sys.exit(f"{PROGRAM} is not there: run make first")
    clusters = demo_clusters.Kafka() if os.environ.get("KAFKA") == "1" else demo_clusters.Embedded(traffic)
    say(f"Starting {clusters.what} on this machine: the source has 1 broker, the destination 3.")
    clusters.start()
    print(f"        source      {clusters.source.bootstrap}\n        destination {clusters.destination.bootstrap}")
    try:
        code, produced = run_and_kill(clusters.source, clusters.destination, fill(clusters.source))
        equal = judge(clusters, produced)
    except (net.TimedOut, subprocess.CalledProcessError) as problem:
        say(f"FAILED: {problem}")
        return 1
    finally:
        clusters.stop()
    say("The clusters are stopped, and nothing of them is left.")
    return 0 if equal and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
