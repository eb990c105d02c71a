"""Scripts: a log start that DeleteRecords moved into an open transaction, and the last stable offset there."""

import time

import asking
from batches import batch
from second_version import started

WAIT_MS = 300
TIME = int(time.time() * 1000) - 1_000_000  # the same in both worlds; nothing rolls the segment


def delete(t, offset, name="t"):
    """DeleteRecords, and followers know the new log start."""
    topic = {"name": t.topic(name), "partitions": [{"partition_index": 0, "offset": offset}]}
    answer = t.ask("DeleteRecords", 2, {"timeout_ms": 10000, "topics": [topic]})
    return answer["topics"][0]["partitions"][0]["low_watermark"]


def look(t, name="t"):
    """All that says where a reader of committed records stands."""
    start = asking.offsets(t, name, -2, note=False)["offset"]
    end = asking.end(t, name)["end_offset"]
    for isolation in (0, 1):
        if start < end:  # else a file still holds what is below the log start
            asking.offsets(t, name, -3, isolation=isolation)
        for timestamp in (-1, -2, 0, TIME + 1, TIME + 3, TIME + 5, TIME + 6):
            asking.offsets(t, name, timestamp, isolation=isolation)
    asking.producers(t, name)
    for offset in range(max(0, start - 1), end + 2):
        asking.fetch(t, name, offset, isolation=1)
    asking.fetch(t, name, start)
    for offset in sorted({start, start + 1, min(start + 3, end), end}):
        asking.waited(t, name, offset, WAIT_MS, isolation=1)


def opened(t, name="tx"):
    """[plain 0-1] [open 2-5] [open 6-7] [plain 8-9], and who has that transaction."""
    asking.create(t, "t", 1, [1])
    p = started(t, name)
    asking.produce(t, "t", batch(2, timestamp=TIME))
    p.write("t", 4, timestamp=TIME + 2)
    p.write("t", 2, timestamp=TIME + 3)
    asking.produce(t, "t", batch(2, timestamp=TIME + 4))
    return p


def cut(t, offset, commit):
    """The log start moves to `offset`, the transaction goes on and ends."""
    p = opened(t)
    delete(t, offset)
    look(t)
    p.describe()
    p.write("t", 1, timestamp=TIME + 5)
    asking.produce(t, "t", batch(1, timestamp=TIME + 6))
    look(t)
    p.end(commit)
    p.settled("t")
    look(t)


def uncut(t):
    """Without any of that: readers in and behind the first batch of the transaction."""
    opened(t)
    look(t)
    for offset in (3, 6, 9):
        asking.waited(t, "t", offset, WAIT_MS, isolation=1)


def inside_batch(t):
    """In the middle of its first batch."""
    cut(t, 4, True)


def inside_batch_aborted(t):
    """The same, aborted: what lists of aborted transactions say."""
    cut(t, 4, False)


def between_batches(t):
    """Between its first batch and its second."""
    cut(t, 6, False)


def behind_all(t):
    """Behind all that it has written."""
    cut(t, 8, True)


def inside_plain(t):
    """In the middle of a batch behind it."""
    cut(t, 9, False)


def at_end(t):
    """All is deleted; the transaction is still open."""
    cut(t, -1, False)


def step_by_step(t):
    """The log start moves on while two transactions are open."""
    p = opened(t)
    other = started(t, "other")
    other.write("t", 2, timestamp=TIME + 5)
    for offset in (3, 5, 6, 9, 11, 12):
        delete(t, offset)
        look(t)
    p.end(False)
    t.until(p.over)
    look(t)
    other.end(True)
    other.settled("t")
    look(t)


def at_follower(t):
    """What a follower answers, who has heard of the new log start."""
    opened(t)
    delete(t, 4)
    topic = {"topic": t.topic("t"), "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 9999}]}

    def heard():
        answer = t.ask("Fetch", 12, {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 9999, "session_epoch": -1,
                                     "topics": [topic]}, 2, note=False)
        topic["partitions"][0]["fetch_offset"] = 4
        return answer["responses"][0]["partitions"][0]["log_start_offset"] == 4

    t.until(heard)
    for offset in range(3, 12):
        asking.fetch(t, "t", offset, node=2, version=12, isolation=1)
    asking.fetch(t, "t", 4, node=2, version=12, isolation=1, wait_ms=WAIT_MS)


SCRIPTS = [uncut, inside_batch, inside_batch_aborted, between_batches, behind_all, inside_plain, at_end,
           step_by_step, at_follower]
