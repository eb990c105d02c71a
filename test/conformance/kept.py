"""Scripts: what coordinators keep in their topics, byte by byte, but for times and ids."""

import struct
import time

import asking
from batches import compare
from coordinators import Member, Producer, coordinator, place
from talk import NEAR_NOW_MS

GROUPS, TRANSACTIONS = "__consumer_offsets", "__transaction_state"


def masked(data, known):
    """Words instead of times of now and of what is known by another name."""
    if data is None:
        return None
    for value, name in known.items():
        data = data.replace(value, f"<{name}>".encode())
    now, at, out = time.time() * 1000, 0, b""
    while at < len(data):
        near = at + 8 <= len(data) and abs(struct.unpack_from(">q", data, at)[0] - now) < NEAR_NOW_MS
        out += b"<now>" if near else data[at:at + 1]
        at += 8 if near else 1
    return repr(out)


def parts(rest):
    """Key and value of a record without headers (compare.records: its `everything else`)."""
    at, found = 0, []
    for _ in range(2):
        size, at = compare._varint(rest, at)  # pylint: disable=protected-access
        found.append(None if size < 0 else rest[at:at + size])
        at += max(size, 0)
    return found


def kept(t, topic, key, known, note=True):
    """The records about `key`, in order."""
    node, offset, found = coordinator(t, key, int(topic == TRANSACTIONS)), 0, []
    while True:
        answer = t.ask("Fetch", 11, {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 1 << 20, "session_epoch": -1,
                                     "topics": [{"topic": topic, "partitions": [{
                                         "partition": place(key), "fetch_offset": offset,
                                         "partition_max_bytes": 1 << 20}]}]}, node, note=False)
        batches = list(compare.parse(answer["responses"][0]["partitions"][0]["records"] or b""))
        if not batches:
            break
        offset = batches[-1].last + 1
        found += [parts(rest) for b in batches if not b.attributes & 0x20 for _, _, _, rest in compare.records(b)]
    mine = [(masked(k, known), masked(v, known)) for k, v in found if key.encode() in k]
    if note:
        t.note(f"kept in {topic}", mine)
    return mine


def of_groups(t):
    """Offsets of all kinds, a group's members and their assignments, and what takes them away."""
    group, known = t.topic("group"), {}
    for name in ("a", "b"):
        known[bytes.fromhex(asking.create(t, name, 2).replace("-", ""))] = f"id of {name}"
    m = Member(t, group, "m")
    t.until(lambda: m.commit(t.topic("a"), 4, note=False)["topics"][0]["partitions"][0]["error_code"] == 0)
    for version, changed in ((8, {}), (2, {"retention_time_ms": 50_000}), (8, {"metadata": "é" * 70})):
        m.commit(t.topic("a"), 5, version, **changed)
    m.ask("OffsetCommit", 8, {"group_id": group, "generation_id_or_member_epoch": -1, "member_id": "", "topics": [
        {"name": t.topic(name), "partitions": [
            {"partition_index": p, "committed_offset": 1 << 40, "committed_leader_epoch": 7,
             "committed_metadata": None} for p in (1, 0)]} for name in ("b", "a")]})
    m.join()
    known[m.id.encode()] = "m"
    m.sync([(m.id, b"all")])
    m.commit(t.topic("b"), 9)
    m.leave()
    second = Member(t, group, "second", "instance")
    for assignment in (b"two", b""):
        second.join()
        known[second.id.encode()] = "second"
        second.sync([(second.id, assignment)])
    kept(t, GROUPS, group, known)
    second.leave()
    t.ask("OffsetDelete", 0, {"group_id": group, "topics": [{"name": t.topic("a"), "partitions": [
        {"partition_index": 1}, {"partition_index": 0}]}]}, m.node)
    before = len(kept(t, GROUPS, group, known, False))
    t.ask("DeleteTopics", 5, {"topic_names": [t.topic("b")], "timeout_ms": 15000})
    t.until(lambda: len(kept(t, GROUPS, group, known, False)) >= before + 2)
    t.ask("DeleteGroups", 2, {"groups_names": [group]}, m.node)
    kept(t, GROUPS, group, known)


def of_transactions(t):
    """A producer's states, and the offsets that belong to its transaction."""
    topic_id = asking.create(t, "t", 1, [1])
    group = t.topic("group")
    node = coordinator(t, group)
    p = Producer(t, "tx")
    p.init()
    known = {struct.pack(">q", p.pid): "pid", bytes.fromhex(topic_id.replace("-", "")): "id of t"}
    for commit in (True, False):
        p.add("t")
        p.produce("t", 1)
        t.until(lambda: p.ask("AddOffsetsToTxn", 3, {**p.me(), "group_id": group}, False)["error_code"] == 0)
        t.ask("TxnOffsetCommit", 3, {**p.me(), "group_id": group, "topics": [
            {"name": t.topic("t"), "partitions": [{"partition_index": 0, "committed_offset": 3,
                                                   "committed_metadata": "m"}]}]}, node)
        p.end(commit)
        p.settled("t")
        kept(t, GROUPS, group, known)
    p.init()
    t.until(p.over)
    kept(t, TRANSACTIONS, p.id, known)


SCRIPTS = [of_groups, of_transactions]
