#!/usr/bin/env python3
"""The demonstration: two real Kafka clusters, a mirror that is killed in between, and the proof that they agree."""

import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "kafka"))
import compare  # noqa: E402  (found by the line above, as all that follow)
import kafka_jars  # noqa: E402
import net  # noqa: E402
from cluster import Cluster  # noqa: E402
from load import CODECS, Load  # noqa: E402
from mirror import PROGRAM, Mirror  # noqa: E402

VERSION = "4.3.1"
TOPICS = {"orders": 6, "payments": 3, "clicks": 12}
BACKLOG_RECORDS = 200_000
LIVE_RECORDS_PER_S = 4000
STATUS_INTERVAL_MS = 1000
_start = time.monotonic()


def say(text):
    print(f"\n[{time.monotonic() - _start:3.0f} s] {text}", flush=True)


def clusters():
    """The two clusters and the client that fills the first."""
    say(f"Starting two Apache Kafka {VERSION} clusters on this machine: the source has 1 broker, the destination 3.")
    load = Load(VERSION)
    destination = Cluster("destination", 3, {"min.insync.replicas": 2}, VERSION)
    source = Cluster("source", 1, version=VERSION)
    print(f"        source      {source.bootstrap}\n        destination {destination.bootstrap}")
    return source, destination, load


def fill(source, load):
    """The backlog; and the load that goes on, still to be stopped."""
    say(f"Producing a backlog of {BACKLOG_RECORDS:,} records to {', '.join(TOPICS)}: "
        f"codecs {', '.join(CODECS)}, 0 to 60,000 bytes, with and without keys and headers.")
    for topic, partitions in TOPICS.items():
        load.create(source, topic, partitions=partitions)
    load.produce(source, *TOPICS, total=BACKLOG_RECORDS, size_max=60_000)
    return load.begin_produce(source, *TOPICS, rate=LIVE_RECORDS_PER_S, seed=2)


def mirrored(destination):
    """How many records have reached the destination."""
    there = destination.metadata()
    return sum(sum(destination.offsets(topic).values()) for topic in TOPICS if topic in there)


def wait_for_more(destination, records):
    """Until so many records have arrived that were not there."""
    wanted = mirrored(destination) + records
    net.wait_until(lambda: mirrored(destination) >= wanted, 60, f"{records:,} records to arrive")


def _indented(path):
    with open(path, encoding="utf-8") as f:
        return "".join(f"            {line}" for line in f)


def run_and_kill(source, destination, loading):
    """Mirrors, is killed and goes on, while records keep coming; the exit code of the ordered end."""
    mirror = Mirror(source, destination, ", ".join(TOPICS), {"status.interval.ms": STATUS_INTERVAL_MS}, show=True)
    say(f"Starting odraz, while {LIVE_RECORDS_PER_S:,} records a second go on coming:\n"
        f"        {os.path.relpath(PROGRAM)} run mirror.properties, which says\n{_indented(mirror.file)}")
    mirror.start()
    wait_for_more(destination, BACKLOG_RECORDS // 4)
    mirror.kill()
    say(f"kill -9: odraz is gone in the midst of its work, {mirrored(destination):,} records are at the destination.")
    time.sleep(2)
    say("Starting it again. It keeps no files: it asks the destination's log where it was.\n")
    mirror.start()
    wait_for_more(destination, BACKLOG_RECORDS // 4)
    time.sleep(4)
    produced = BACKLOG_RECORDS + loading.stop()["records"]
    say(f"The load has ended: {produced:,} records. Waiting until the mirror has them all.\n")
    compare.wait_caught_up(source, destination, {topic: topic for topic in TOPICS}, 60)
    time.sleep(STATUS_INTERVAL_MS / 1000)
    code = mirror.stop()
    say(f"SIGTERM: odraz ended with exit code {code}.")
    return code, produced


def judge(source, destination, produced):
    """The comparison, in plain words; whether it succeeded."""
    say("Comparing the log files of the source with those of all three replicas of the destination, batch by batch.")
    batches = compare.wait_equal(source, destination, {topic: topic for topic in TOPICS})
    there = mirrored(destination)
    if there != produced:
        say(f"FAILED: {produced:,} records were produced, the destination's logs end after {there:,}.")
        return False
    say(f"""Proven, by reading the brokers' own files, not by asking odraz:
        - {produced:,} records in {batches:,} batches were produced, and every one is at the destination:
          none missing, none twice, none in another order, although odraz was killed with kill -9.
        - Every record has the same offset, so consumers can go over with the offsets they have.
        - Every batch holds the same bytes: compressed as it was, the same timestamps, a correct CRC.
        - This holds for each of the three replicas of all {sum(TOPICS.values())} partitions.""")
    return True


def main():
    if not os.path.exists(PROGRAM):
        sys.exit(f"{PROGRAM} is not there: run make first")
    kafka_jars.jars(VERSION)
    source, destination, load = clusters()
    try:
        code, produced = run_and_kill(source, destination, fill(source, load))
        equal = judge(source, destination, produced)
    except (compare.NotEqual, net.TimedOut) as problem:
        say(f"FAILED: {problem}")
        return 1
    finally:
        load.close()
        source.stop()
        destination.stop()
    say("The clusters are stopped and their files removed.")
    return 0 if equal and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
