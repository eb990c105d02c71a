"""Scripts: Produce, Fetch, offsets, epochs, deleted records, producers and markers."""

import time

import asking
from asking import OUR_ID
from batches import APPEND_TIME, CONTROL, TRANSACTIONAL, batch, damaged, record

DAY_MS = 86_400_000
SEGMENT_WAIT_MS = 200
WAKE_MS = 1200


def produce_refusals(t):
    """Everything a leader refuses, and what stands in the log afterwards."""
    asking.create(t, "p", configs={"max.message.bytes": 2000})
    good = batch(3)
    for what, data in (("good", good), ("two batches", good + good), ("crc", damaged(good)), ("cut off", good[:-3]),
                       ("header only", good[:40]), ("nothing", b""), ("too large", batch(1, value=b"x" * 3000)),
                       ("control", batch(1, attributes=CONTROL)), ("magic 1", batch(1, magic=1)),
                       ("magic 9", batch(1, magic=9)), ("base 5", batch(2, base=5)),
                       ("gzip", batch(2, attributes=1)), ("gzip base 5", batch(2, base=5, attributes=1)),
                       ("count too small", batch(2, records_count=1)), ("count too large", batch(2, records_count=3)),
                       ("last too large", batch(2, last=4)), ("last too small", batch(2, last=0)),
                       ("no records", batch(0, records=b"", last=-1)), ("codec 7", batch(1, attributes=7)),
                       ("append time", batch(2, attributes=APPEND_TIME)),
                       ("transactional without id", batch(1, (77, 0, 0), attributes=TRANSACTIONAL)),
                       ("future", batch(1, timestamp=int(time.time() * 1000) + 2 * DAY_MS)),
                       ("last year", batch(1, timestamp=int(time.time() * 1000) - 365 * DAY_MS)),
                       ("no timestamp", batch(1, timestamp=-1)), ("delete horizon", batch(1, attributes=0x40)),
                       ("keyless", batch(1, key=None)), ("null value", batch(1, value=None)),
                       ("garbage", b"\1" * 100), ("record cut off", batch(1, records=record(0, b"k", b"v")[:-2]))):
        t.note(what, None)
        asking.produce(t, "p", data)
    asking.end(t, "p")
    asking.fetch(t, "p", 0)


def produce_settings(t):
    """What topics' settings change."""
    asking.create(t, "compact", configs={"cleanup.policy": "compact"})
    asking.produce(t, "compact", batch(1, key=None))
    asking.produce(t, "compact", batch(2))
    asking.create(t, "append", configs={"message.timestamp.type": "LogAppendTime"})
    asking.produce(t, "append", batch(2, timestamp=5))
    asking.fetch(t, "append", 0)
    asking.create(t, "gzip", configs={"compression.type": "gzip"})
    asking.produce(t, "gzip", batch(1))
    asking.offsets(t, "gzip", -1)
    asking.create(t, "plain", configs={"compression.type": "uncompressed"})
    asking.produce(t, "plain", batch(2, attributes=1))
    asking.fetch(t, "plain", 0)
    asking.create(t, "before", configs={"message.timestamp.before.max.ms": 1000})
    asking.produce(t, "before", batch(2, timestamp=int(time.time() * 1000) - DAY_MS))


def produce_requests(t):
    """Versions, acks, and partitions that are not here."""
    topic_id = asking.create(t, "r", 2)
    for version in range(3, 13):
        asking.produce(t, "r", batch(1), version=version)
    by_id = {"topic_id": topic_id, "partition_data": [{"index": 0, "records": batch(1)}]}
    t.ask("Produce", 13, {"acks": -1, "timeout_ms": 5000, "topic_data": [by_id]})
    t.ask("Produce", 13, {"acks": -1, "timeout_ms": 5000, "topic_data": [{**by_id, "topic_id": "cd" * 16}]})
    for acks in (1, 2, -2):
        asking.produce(t, "r", batch(1), acks=acks)
    asking.produce(t, "r", batch(1), node=2)
    asking.produce(t, "r", batch(1), partition=9)
    asking.produce(t, "none", batch(1))
    topics = [{"name": t.topic("r"), "partition_data": [{"index": 0, "records": batch(1)},
                                                        {"index": 1, "records": batch(1)}]}]
    t.ask("Produce", 9, {"acks": -1, "timeout_ms": 5000, "topic_data": topics})
    t.ask("Produce", 9, {"acks": -1, "timeout_ms": 5000, "topic_data": []})
    asking.end(t, "r")


def named_twice(t):
    """A Produce request that names a partition twice: both are looked at, one is appended."""
    asking.create(t, "twice")
    good, bad, gone = batch(1), batch(1) + batch(1), batch(2, magic=1)
    for data in ((good, bad), (bad, good), (good, good), (bad, gone), (gone, bad), (good, bad, gone)):
        topic = {"name": t.topic("twice"), "partition_data": [{"index": 0, "records": records} for records in data]}
        t.ask("Produce", 9, {"acks": -1, "timeout_ms": 5000, "topic_data": [topic]})
        asking.end(t, "twice")


def sequences(t):
    """ProducerAppendInfo, step by step; ids of our own making."""
    asking.create(t, "s")
    pid = OUR_ID
    for producer, count in (((pid, 0, 100), 5), ((pid, 0, 105), 1), ((pid, 0, 106), 2), ((pid, 0, 106), 2),
                            ((pid, 0, 106), 3), ((pid, 0, 100), 5), ((pid, 0, 100), 4), ((pid, 0, 109), 1),
                            ((pid, 0, 108), 1), ((pid, 0, 109), 1), ((pid, 0, 110), 1), ((pid, 0, 111), 1),
                            ((pid, 0, 100), 5), ((pid, 0, 105), 1), ((pid, 0, 106), 2), ((pid, 1, 112), 1),
                            ((pid, 1, 0), 2), ((pid, 0, 112), 1), ((pid, 1, 0), 2), ((pid, 1, 3), 1), ((pid, 1, 2), 1),
                            ((pid, 32767, 0), 1), ((pid, -1, 1), 1), ((pid, 5, -1), 1), ((-1, 5, 7), 1),
                            ((pid + 1, 3, 2147483646), 5), ((pid + 1, 3, 3), 1), ((pid + 1, 3, 2), 1),
                            ((pid + 2, 9, 0), 1)):
        asking.produce(t, "s", batch(count, producer))
    asking.producers(t, "s")
    asking.end(t, "s")
    asking.fetch(t, "s", 0, partition_bytes=1 << 20)


def markers(t):
    """WriteTxnMarkers under ids that no coordinator has given out."""
    asking.create(t, "w", 2)
    pid = OUR_ID + 50
    asking.markers(t, "w", pid, 0, 0)
    asking.producers(t, "w")
    asking.produce(t, "w", batch(2, (pid, 0, 40)))
    for epoch, coordinator, commit in ((0, 0, True), (0, 5, False), (0, 4, True), (1, 5, True), (0, 9, True),
                                       (2, 3, True), (2, 7, False)):
        asking.markers(t, "w", pid, epoch, coordinator, commit)
        asking.producers(t, "w")
    asking.produce(t, "w", batch(1, (pid, 2, 42)))
    asking.produce(t, "w", batch(1, (pid, 2, 0)))
    asking.markers(t, "w", pid, 3, 7, count=5)
    asking.markers(t, "w", pid, 3, 7, partitions=(0, 1, 9))
    asking.markers(t, "none", pid, 3, 7)
    asking.end(t, "w")
    asking.offsets(t, "w", -1)
    asking.fetch(t, "w", 0)
    asking.fetch(t, "w", 0, isolation=1)


def offsets(t):
    """ListOffsets of every kind."""
    asking.create(t, "o", 2)
    asking.offsets(t, "o", -3)
    for timestamp in (1000, 3000, 2000):
        asking.produce(t, "o", batch(2, timestamp=timestamp))
    for version in range(1, 11):
        for timestamp in (-1, -2):
            asking.offsets(t, "o", timestamp, version=version)
    for timestamp in (0, 1000, 1001, 2000, 3000, 3001, -3, -4, -5, -6, -9):
        asking.offsets(t, "o", timestamp, version=10)
    asking.offsets(t, "o", -1, epoch=0)
    asking.offsets(t, "o", -1, epoch=5)
    asking.offsets(t, "o", -1, node=2)
    asking.offsets(t, "o", -1, partition=7)
    asking.offsets(t, "none", -1)
    double = {"name": t.topic("o"), "partitions": [{"partition_index": 0, "timestamp": -1}] * 2}
    t.ask("ListOffsets", 7, {"replica_id": -1, "topics": [double]})


def epochs(t):
    """OffsetForLeaderEpoch."""
    asking.create(t, "e")
    for epoch in (0, 1, -1, 7):
        for current in (-1, 0, 3):
            asking.end(t, "e", epoch=epoch, current=current)
    asking.produce(t, "e", batch(4))
    asking.end(t, "e", epoch=0, current=0)
    asking.end(t, "e", node=2)
    asking.end(t, "e", partition=4)
    asking.end(t, "none")


def fetches(t):
    """Without a session: offsets, sizes, epochs, waits."""
    topic_id = asking.create(t, "f", 2)
    for _ in range(4):
        asking.produce(t, "f", batch(2, value=b"x" * 50), note=False)
    for offset in (0, 1, 2, 7, 8, 9, -1, 100):
        asking.fetch(t, "f", offset)
    for size in (0, 1, 100, 200, 300, 400, 1000):
        asking.fetch(t, "f", 0, partition_bytes=size)
        asking.fetch(t, "f", 0, max_bytes=size)
    for version in range(4, 13):
        asking.fetch(t, "f", 6, version=version)
    asking.fetch(t, "f", 0, epoch=0)
    asking.fetch(t, "f", 0, epoch=4)
    t.until(lambda: asking.fetch(t, "f", 0, node=3, note=False)["high_watermark"] == 8)
    asking.fetch(t, "f", 0, node=3)
    asking.fetch(t, "f", 0, partition=8)
    asking.fetch(t, "none", 0)
    for who in (topic_id, "ef" * 16):
        for last_epoch in (-1, 0, 3):
            topic = {"topic_id": who, "partitions": [{"partition": 0, "fetch_offset": 4, "partition_max_bytes": 9999,
                                                      "last_fetched_epoch": last_epoch}]}
            answer = t.ask("Fetch", 16, {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 9999, "session_epoch": -1,
                                         "topics": [topic]}, note=False)
            asking.read(t, answer)
            t.note(f"Fetch v16 with last epoch {last_epoch}", answer)
    asking.waited(t, "f", 8, 700)


def sessions(t):
    """Fetch sessions (KIP-227)."""
    topic_id = asking.create(t, "x", 2, [1, 1])

    def ask(session, epoch, partitions=(), forgotten=(), wait_ms=0):
        topics = [{"topic_id": topic_id, "partitions": [
            {"partition": p, "fetch_offset": offset, "partition_max_bytes": 9999} for p, offset in partitions]}]
        gone = [{"topic_id": topic_id, "partitions": list(forgotten)}]
        answer = t.ask("Fetch", 15, {"max_wait_ms": wait_ms, "min_bytes": 1, "max_bytes": 99999, "session_id": session,
                                     "session_epoch": epoch, "topics": topics if partitions else [],
                                     "forgotten_topics_data": gone if forgotten else []}, note=False)
        asking.read(t, answer)
        t.note(f"epoch {epoch}, {partitions} -{forgotten}", answer)
        return answer["session_id"]

    asking.produce(t, "x", batch(1), note=False)
    session = ask(0, 0, [(0, 0), (1, 0)])
    ask(session, 1)
    asking.produce(t, "x", batch(2), partition=1, note=False)
    ask(session, 2)
    ask(session, 3, [(0, 1), (1, 2)])
    ask(session, 4)
    ask(session, 4)
    ask(session, 5, [(0, 99)])
    ask(session, 6, [(0, 1)], [1])
    asking.produce(t, "x", batch(1), partition=1, note=False)
    ask(session, 7)
    ask(session, 8, [(1, 2)])
    ask(session + 1, 1)
    ask(session, 12)
    ask(session, 0, [(0, 0)])
    ask(session, 1)
    ask(0, -1, [(0, 0)])


def deleted_records(t):
    """DeleteRecords (KIP-107)."""
    asking.create(t, "z", 2)

    def delete(offset, partition=0, name="z", node=1):
        t.ask("DeleteRecords", 2, {"timeout_ms": 10000, "topics": [{"name": t.topic(name), "partitions": [
            {"partition_index": partition, "offset": offset}]}]}, node)

    for _ in range(3):
        asking.produce(t, "z", batch(3), note=False)
    for offset in (0, 2, 1, 4, 99, -2, -1, 9, 10):
        delete(offset)
        asking.offsets(t, "z", -2)
    asking.fetch(t, "z", 3)
    asking.fetch(t, "z", 9)
    asking.produce(t, "z", batch(1))
    delete(0, 1, node=1)
    delete(0, 7)
    delete(0, name="none")
    asking.create(t, "kept", configs={"cleanup.policy": "compact"})
    asking.produce(t, "kept", batch(1))
    delete(1, name="kept")


def marked_up_to(t, name, node, end):
    """Until the broker's high watermark is there: a follower hears of it with its next fetch."""
    t.until(lambda: asking.fetch(t, name, 0, node=node, note=False)["high_watermark"] == end)


def segment_files(t):
    """A fetch reads from one segment file (LocalLog.read), and does not wait where newer ones are there."""
    begun = int(time.time() * 1000) - 1_000_000
    for name, configs in (("timed", {"segment.ms": 100}), ("sized", {"internal.segment.bytes": 200})):
        asking.create(t, name, 1, [1], configs=configs)
        for after in (0, 50, 100, 101, 150, 202, 40, 303, 304, 404, 405):
            asking.produce(t, name, batch(2, timestamp=begun + after), note=False)
        asking.replicated(t, name)
        end = asking.end(t, name)["end_offset"]
        for node in (1, 2):
            marked_up_to(t, name, node, end)
            for offset in range(end + 1):
                asking.fetch(t, name, offset, node=node, isolation=offset % 2)
        for size in (1, 100, 200, 300):
            asking.fetch(t, name, 0, partition_bytes=size)
            asking.fetch(t, name, 1, max_bytes=size)
        for offset in range(0, end + 1, 3):
            asking.waited(t, name, offset, SEGMENT_WAIT_MS, min_bytes=1 << 20)


def times_in_files(t):
    """A search by time looks into the first file that has such a record, be it below the log start."""
    begun = 100_000
    asking.create(t, "t", 1, [1], configs={"internal.segment.bytes": 250})
    older = batch(2, timestamp=begun + 500, records=record(0, b"k", b"v") + record(1, b"k", b"v", -400))
    for data in (older, *(batch(1, timestamp=begun + after) for after in (100, 200, 600, 300, 700))):
        asking.produce(t, "t", data)
    asking.replicated(t, "t")
    for start in range(2):  # what goes as a whole is gone here (docs/BROKER.md)
        t.ask("DeleteRecords", 2, {"timeout_ms": 10000, "topics": [{"name": t.topic("t"), "partitions": [
            {"partition_index": 0, "offset": start}]}]})
        for after in (50, 100, 101, 300, 450, 500, 501, 600, 650, 700, 701):
            asking.offsets(t, "t", begun + after)


def wakes(t):
    """What ends a long poll that has not enough bytes (DelayedFetch), and what does not."""
    asking.create(t, "wakes", 1, [1], configs={"internal.segment.bytes": 200})

    def while_waiting(offset, what, meanwhile):
        sent = time.monotonic()
        t.connection(1, "waits").send("Fetch", 11, {
            "max_wait_ms": WAKE_MS, "min_bytes": 1 << 20, "max_bytes": 1 << 20, "session_epoch": -1, "topics": [
                {"topic": t.topic("wakes"), "partitions": [
                    {"partition": 0, "current_leader_epoch": -1, "fetch_offset": offset,
                     "partition_max_bytes": 1 << 20}]}]})
        time.sleep(WAKE_MS / 4000)
        meanwhile()
        answer = t.connection(1, "waits").receive()
        asking.read(t, answer)
        t.note(what, answer)
        t.note("waited to the end", (time.monotonic() - sent) * 1000 >= WAKE_MS - asking.CLOCK_MS)

    def delete(offset):
        t.ask("DeleteRecords", 2, {"timeout_ms": 10000, "topics": [{"name": t.topic("wakes"), "partitions": [
            {"partition_index": 0, "offset": offset}]}]})

    for _ in range(2):
        asking.produce(t, "wakes", batch(2))
    while_waiting(4, "a file begins", lambda: asking.produce(t, "wakes", batch(1)))
    while_waiting(5, "the file goes on", lambda: asking.produce(t, "wakes", batch(1)))
    while_waiting(4, "its records go", lambda: delete(6))
    while_waiting(6, "the log start is there already", lambda: delete(6))
    while_waiting(6, "a file begins, and records go", lambda: (asking.produce(t, "wakes", batch(2)), delete(7)))


def files_begun_in_vain(t):
    """A file begins for a batch or marker that does not fit, before its producer is looked at (UnifiedLog.append)."""
    def begun(name, size):
        asking.create(t, name, 1, [1], configs={"internal.segment.bytes": size})
        for sequence in (0, 2):
            asking.produce(t, name, batch(2, (OUR_ID, 1, sequence)), note=False)

    def read(name):
        asking.produce(t, name, batch(1, (OUR_ID, 1, 4)))
        asking.fetch(t, name, 0)
        asking.fetch(t, name, 4)

    begun("repeated", 300)
    asking.produce(t, "repeated", batch(2, (OUR_ID, 1, 2), value=b"x" * 100))
    read("repeated")
    begun("refused", 300)
    asking.produce(t, "refused", batch(1, (OUR_ID, 1, 99), value=b"x" * 100))
    read("refused")
    begun("marked", 230)
    asking.markers(t, "marked", OUR_ID, 0, 0)
    read("marked")


SCRIPTS = [produce_refusals, produce_settings, produce_requests, named_twice, sequences, markers, offsets, epochs,
           fetches, sessions, deleted_records, segment_files, times_in_files, wakes,
           files_begun_in_vain]
