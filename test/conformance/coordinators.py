"""Scripts: groups, offsets, transactions."""

import asking

from batches import TRANSACTIONAL, batch
from worlds import alone


LOADING = (14, 15, 16)  # what a coordinator's node answers until it is one


def coordinator(t, key, kind=0):
    """The node that coordinates a group (kind 0) or transactional id (1); waits until it does."""
    def look():
        answer = t.ask("FindCoordinator", 4, {"key_type": kind, "coordinator_keys": [key]}, note=False)
        return answer["coordinators"][0] if answer["coordinators"][0]["error_code"] == 0 else None

    def ready():
        node = (look() or {}).get("node_id")
        if node is None:
            return False
        if kind == 0:
            beat = {"group_id": key, "generation_id": 0, "member_id": "nobody"}
            answer = t.ask("Heartbeat", 4, beat, node, note=False)
            return answer["error_code"] not in LOADING
        answer = t.ask("DescribeTransactions", 0, {"transactional_ids": [key]}, node, note=False)
        return answer["transaction_states"][0]["error_code"] not in LOADING

    t.until(ready, 40)
    return look()["node_id"]


def place(key):
    """The partition of its coordinator's topic that keeps it (Utils.abs(hash), of 4)."""
    hashed = 0
    for c in key:
        hashed = (31 * hashed + ord(c)) & 0xFFFFFFFF
    return min(hashed, (1 << 32) - hashed) % 4  # abs() of 32 bits with a sign


def neighbour(t, key, name="neighbour"):
    """Another key that the same coordinator has."""
    return next(n for n in (t.topic(f"{name}{i}") for i in range(99)) if place(n) == place(key))


def find_coordinators(t):
    """All versions, several keys, wrong ones."""
    group = t.topic("group")
    coordinator(t, group)
    coordinator(t, group, 1)
    for version in range(0, 4):
        t.ask("FindCoordinator", version, {"key": group, **({"key_type": 0} if version else {})}, note=False)
    empty = t.ask("FindCoordinator", 3, {"key": "", "key_type": 0}, note=False)
    t.note("FindCoordinator of nobody", empty["error_code"])
    t.ask("FindCoordinator", 3, {"key": group, "key_type": 9})
    t.ask("FindCoordinator", 4, {"key_type": 0, "coordinator_keys": []})


TYPE = "conformance"  # of the group protocol: brokers look into what consumers say


class Member:
    """A consumer of a group, on a connection of its own."""

    def __init__(self, t, group, name, instance=None, session_ms=20000, rebalance_ms=15000):
        self.t, self.group, self.name, self.instance = t, group, name, instance
        self.session_ms, self.rebalance_ms = session_ms, rebalance_ms
        self.node = coordinator(t, group)
        self.id, self.generation = "", -1

    def ask(self, api, version, values, note=True):
        return self.t.ask(api, version, values, self.node, self.name, note)

    def join_values(self, protocols):
        return {"group_id": self.group, "session_timeout_ms": self.session_ms,
                "rebalance_timeout_ms": self.rebalance_ms, "member_id": self.id,
                "group_instance_id": self.instance, "protocol_type": TYPE,
                "protocols": [{"name": p, "metadata": f"{self.name}-{p}".encode()} for p in protocols]}

    def joined(self, answer):
        self.id = answer["member_id"] or self.id
        self.generation = answer["generation_id"]
        if answer.get("members"):
            answer["members"].sort(key=lambda m: m["metadata"])
        return answer

    def join(self, protocols=("range",), version=9, note=True):
        """Twice, when the broker gives out an id first (KIP-394)."""
        answer = self.joined(self.ask("JoinGroup", version, self.join_values(protocols), note))
        if answer["error_code"] == 79:
            answer = self.joined(self.ask("JoinGroup", version, self.join_values(protocols), note))
        return answer

    def join_later(self, protocols=("range",), version=9):
        """Sent, to be answered when the others have joined."""
        self.t.connection(self.node, self.name).send("JoinGroup", version, self.join_values(protocols))

    def sync_later(self, assignments=()):
        self.t.connection(self.node, self.name).send("SyncGroup", 5, self.sync_values(assignments))

    def receive(self, what):
        answer = self.t.connection(self.node, self.name).receive()
        if what == "JoinGroup":
            self.joined(answer)
        self.t.note(f"{what} of {self.name}", answer)
        return answer

    def sync_values(self, assignments):
        return {"group_id": self.group, "generation_id": self.generation, "member_id": self.id,
                "group_instance_id": self.instance, "protocol_type": TYPE, "protocol_name": "range",
                "assignments": [{"member_id": m, "assignment": a} for m, a in assignments]}

    def sync(self, assignments=()):
        return self.ask("SyncGroup", 5, self.sync_values(assignments))

    def heartbeat(self, note=True, **changed):
        return self.ask("Heartbeat", 4, {"group_id": self.group, "generation_id": self.generation, "member_id": self.id,
                                         "group_instance_id": self.instance, **changed}, note)

    def leave(self):
        return self.ask("LeaveGroup", 5, {"group_id": self.group, "members": [
            {"member_id": self.id, "group_instance_id": self.instance, "reason": None}]})

    def commit(self, topic, offset, version=8, metadata="", note=True, **changed):
        """OffsetCommit of one partition."""
        return self.ask("OffsetCommit", version, {
            "group_id": self.group, "generation_id_or_member_epoch": self.generation, "member_id": self.id,
            "group_instance_id": self.instance, "topics": [{"name": topic, "partitions": [
                {"partition_index": 0, "committed_offset": offset, "committed_metadata": metadata}]}], **changed}, note)


def committed(t, group, *topics, node, version=8):
    asked = [{"name": name, "partition_indexes": [0, 1]} for name in topics]
    if version < 8:
        return t.ask("OffsetFetch", version, {"group_id": group, "topics": asked or None}, node)
    return t.ask("OffsetFetch", version, {"groups": [{"group_id": group, "topics": asked or None}],
                                          "require_stable": False}, node)


def described(t, group, node):
    """A group as DescribeGroups shows it."""
    answer = t.ask("DescribeGroups", 5, {"groups": [group]}, node, note=False)
    for g in answer["groups"]:
        g["members"].sort(key=lambda m: (m["member_metadata"], m.get("group_instance_id") or "",
                                         t.name("member", m["member_id"])))
        for m in g["members"]:
            m["client_host"] = "host"
        g["authorized_operations"] = 0
    t.note("DescribeGroups", answer)


def one_member(t):
    """Join, sync, beat, commit, leave; and what is refused on the way."""
    asking.create(t, "g", 2)
    topic, group = t.topic("g"), t.topic("group")
    m = Member(t, group, "m")
    described(t, group, m.node)
    m.join()
    m.heartbeat()
    m.sync([(m.id, b"all")])
    described(t, group, m.node)
    m.heartbeat()
    m.heartbeat(generation_id=m.generation + 1)
    m.heartbeat(member_id="somebody")
    m.heartbeat(group_id=t.topic("other"))
    m.commit(topic, 5)
    m.commit(topic, 6, generation_id_or_member_epoch=99)
    m.commit(topic, 6, member_id="somebody")
    m.commit(topic, 6, generation_id_or_member_epoch=-1, member_id="")
    m.commit(topic, 7, metadata="x" * 5000)
    m.commit(topic, 7, metadata="with\0zero\0")
    m.commit(t.topic("none"), 7)
    committed(t, group, topic, node=m.node)
    committed(t, group, node=m.node)
    for version in range(1, 8):
        committed(t, group, topic, node=m.node, version=version)
    t.ask("DeleteGroups", 2, {"groups_names": [group]}, m.node)
    t.ask("OffsetDelete", 0, {"group_id": group, "topics": [{"name": topic, "partitions": [{"partition_index": 0}]}]},
          m.node)
    m.leave()
    m.leave()
    described(t, group, m.node)
    t.ask("OffsetDelete", 0, {"group_id": group, "topics": [{"name": topic, "partitions": [{"partition_index": 0}]}]},
          m.node)
    committed(t, group, topic, node=m.node)
    t.ask("DeleteGroups", 2, {"groups_names": [group, t.topic("none")]}, m.node)
    described(t, group, m.node)


def no_offset(t):
    """Offset -1, which says that there is none: who may commit it, when, and what is read then."""
    asking.create(t, "n", 2)
    topic, group = t.topic("n"), t.topic("group")
    a, b = Member(t, group, "a"), Member(t, group, "b")
    a.join()
    a.commit(topic, -1)  # its assignment is awaited
    a.sync([(a.id, b"all")])
    committed(t, group, node=a.node)
    for version in (2, 5, 8, 9):
        a.commit(topic, -1, version)
    committed(t, group, node=a.node)
    committed(t, group, topic, node=a.node)
    a.commit(topic, -1, generation_id_or_member_epoch=a.generation + 1)
    a.commit(topic, -1, member_id="somebody")
    a.commit(t.topic("none"), -1)
    other = 1 + a.node % 3
    t.ask("OffsetCommit", 8, {"group_id": group, "generation_id_or_member_epoch": a.generation, "member_id": a.id,
                              "group_instance_id": None, "topics": [{"name": topic, "partitions": [
                                  {"partition_index": 0, "committed_offset": -1, "committed_metadata": ""}]}]}, other)
    first = b.joined(b.ask("JoinGroup", 9, b.join_values(["range"])))
    assert first["error_code"] == 79
    b.join_later()
    t.until(lambda: a.heartbeat(note=False)["error_code"] == 27)
    a.commit(topic, -1)  # a rebalance waits for it
    a.leave()
    b.receive("JoinGroup")
    a.commit(topic, -1)


def join_refusals(t):
    """JoinGroup's checks."""
    m = Member(t, t.topic("group"), "m")
    for changed in ({"group_id": ""}, {"session_timeout_ms": 10}, {"session_timeout_ms": 999999999},
                    {"protocols": []}, {"protocol_type": ""}, {"member_id": "made-up"}):
        m.ask("JoinGroup", 9, {**m.join_values(["range"]), **changed})
    other = 1 + m.node % 3
    t.ask("JoinGroup", 9, m.join_values(["range"]), other)
    t.ask("Heartbeat", 4, {"group_id": m.group, "generation_id": 1, "member_id": "x"}, other)
    for version in range(0, 4):
        old = Member(t, t.topic(f"old{version}"), "old")
        old.ask("JoinGroup", version, {k: v for k, v in old.join_values(["range"]).items()
                                       if k != "group_instance_id" and (version or k != "rebalance_timeout_ms")})


def two_members(t):
    """A rebalance: the second joins, the first learns of it, both get new assignments; the protocol both know wins."""
    group = t.topic("group")
    a, b = Member(t, group, "a"), Member(t, group, "b")
    a.join(("sticky", "range"))
    a.sync([(a.id, b"all")])
    b.ask("JoinGroup", 9, b.join_values(["other"]))
    first = b.joined(b.ask("JoinGroup", 9, b.join_values(["range"])))
    assert first["error_code"] == 79
    b.join_later()
    t.until(lambda: a.heartbeat(note=False)["error_code"] == 27)
    described(t, group, a.node)
    a.join_later(("sticky", "range"))
    a.receive("JoinGroup")
    b.receive("JoinGroup")
    b.sync_later()
    a.sync_later([(a.id, b"for a"), (b.id, b"for b")])
    a.receive("SyncGroup")
    b.receive("SyncGroup")
    described(t, group, a.node)
    t.ask("ListGroups", 4, {"states_filter": ["Nothing"]}, a.node)
    a.leave()
    t.until(lambda: b.heartbeat(note=False)["error_code"] == 27)
    b.join()
    b.sync([(b.id, b"alone")])
    b.leave()
    described(t, group, b.node)


def static_members(t):
    """KIP-345: who comes back under the same instance id."""
    group = t.topic("group")
    a = Member(t, group, "a", "i1")
    a.join()
    a.sync([(a.id, b"all")])
    again = Member(t, group, "again", "i1")
    again.join()
    a.heartbeat()
    a.commit(t.topic("x"), 1)
    again.heartbeat()
    again.sync()
    described(t, group, a.node)
    again.leave()
    described(t, group, a.node)
    other = Member(t, group, "other", "i2")
    other.id = "made-up"
    other.ask("JoinGroup", 9, other.join_values(["range"]))


def silent_member(t):
    """Whoever does not beat is put out after the session time-out."""
    m = Member(t, t.topic("group"), "m", session_ms=6000)
    m.join()
    m.sync([(m.id, b"all")])

    def is_empty():
        answer = t.ask("DescribeGroups", 5, {"groups": [m.group]}, m.node, note=False)
        return answer["groups"][0]["group_state"] == "Empty"

    t.until(is_empty)
    m.heartbeat()
    described(t, m.group, m.node)


def init_producer(t, version, values, node=1):
    """InitProducerId; waits while the node gets new ids from the controller (COORDINATOR_LOAD_IN_PROGRESS)."""
    answer = None

    def has_ids():
        nonlocal answer
        answer = t.ask("InitProducerId", version, values, node, note=False)
        return answer["error_code"] != 14

    t.until(has_ids)
    t.note(f"InitProducerId v{version}", answer)
    return answer


class Producer:
    """A transactional producer."""

    def __init__(self, t, name):
        self.t, self.id = t, t.topic(name)
        self.node = coordinator(t, self.id, 1)
        self.pid, self.epoch, self.sequence = -1, -1, {}

    def ask(self, api, version, values, note=True):
        return self.t.ask(api, version, values, self.node, note=note)

    def init(self, timeout_ms=60000, version=4, pid=-1, epoch=-1):
        values = {"transactional_id": self.id, "transaction_timeout_ms": timeout_ms, "producer_id": pid,
                  "producer_epoch": epoch}
        answer = init_producer(self.t, version, values, self.node)
        if answer["error_code"] == 0:
            self.pid, self.epoch, self.sequence = answer["producer_id"], answer["producer_epoch"], {}
        return answer

    def me(self):
        return {"transactional_id": self.id, "producer_id": self.pid, "producer_epoch": self.epoch}

    def add(self, name, partitions=(0,), note=True, **changed):
        """AddPartitionsToTxn as clients send it."""
        values = {"v3_and_below_transactional_id": self.id, "v3_and_below_producer_id": self.pid,
                  "v3_and_below_producer_epoch": self.epoch,
                  "v3_and_below_topics": [{"name": self.t.topic(name), "partitions": list(partitions)}], **changed}
        answer = None

        def done():  # CONCURRENT_TRANSACTIONS while the markers of the last one are written
            nonlocal answer
            answer = self.ask("AddPartitionsToTxn", 3, values, False)
            results = answer["results_by_topic_v3_and_below"]
            results[0]["results_by_partition"].sort(key=lambda result: result["partition_index"])
            return results[0]["results_by_partition"][0]["partition_error_code"] != 51

        self.t.until(done)
        if note:
            self.t.note("AddPartitionsToTxn", answer)
        return answer

    def produce(self, name, count, partition=0, node=1, note=True):
        at = self.sequence.get((name, partition), 0)
        self.sequence[name, partition] = at + count
        return asking.produce(self.t, name, batch(count, (self.pid, self.epoch, at), attributes=TRANSACTIONAL),
                              partition, transactional_id=self.id, node=node, note=note)

    def end(self, commit, note=True, **changed):
        answer = None

        def done():
            nonlocal answer
            answer = self.ask("EndTxn", 3, {**self.me(), "committed": commit, **changed}, False)
            return answer["error_code"] != 51

        self.t.until(done)
        if note:
            self.t.note("EndTxn", answer)
        return answer

    def over(self):
        """The coordinator has heard of every marker: partitions without data show no open transaction to wait for."""
        answer = self.ask("DescribeTransactions", 0, {"transactional_ids": [self.id]}, False)
        return answer["transaction_states"][0]["transaction_state"] in ("CompleteCommit", "CompleteAbort", "Empty")

    def settled(self, name, node=1, partition=0):
        """Waits until the markers are written."""
        self.t.until(self.over)
        self.t.until(lambda: not any(p["current_txn_start_offset"] >= 0 for p in asking.producers(
            self.t, name, partition, node, False)["topics"][0]["partitions"][0]["active_producers"]))
        asking.replicated(self.t, name, partition, node)


def init_producers(t):
    """InitProducerId of every kind."""
    p = Producer(t, "tx")
    p.init()
    first = p.pid
    p.init()
    t.note("the same producer", p.pid == first)
    p.init(pid=p.pid, epoch=p.epoch)
    p.init(pid=p.pid, epoch=0)
    p.init(pid=p.pid + 1000, epoch=p.epoch)
    p.init(timeout_ms=999999999)
    p.init(timeout_ms=0)
    for version in range(0, 5):
        init_producer(t, version, {"transactional_id": None, "transaction_timeout_ms": 1000})
    init_producer(t, 4, {"transactional_id": "", "transaction_timeout_ms": 1000}, p.node)
    t.ask("InitProducerId", 4, {"transactional_id": p.id, "transaction_timeout_ms": 1000}, 1 + p.node % 3)


def transactions(t):
    """Committed, aborted, empty ones, and what two kinds of readers see."""
    asking.create(t, "t", 2, [1, 1])
    p = Producer(t, "tx")
    p.init()
    asking.produce(t, "t", batch(1))
    for commit in (True, False, True):
        p.add("t", (0, 1))
        p.produce("t", 2)
        p.produce("t", 1, 1)
        asking.offsets(t, "t", -1, isolation=1)
        asking.fetch(t, "t", 0, isolation=1)
        asking.producers(t, "t")
        t.ask("DescribeTransactions", 0, {"transactional_ids": [p.id]}, p.node, note=False)
        p.end(commit)
        p.settled("t")
    asking.fetch(t, "t", 0, isolation=1)
    asking.fetch(t, "t", 3, isolation=1)
    asking.fetch(t, "t", 0)
    asking.offsets(t, "t", -1, isolation=1)
    asking.producers(t, "t")
    p.add("t")
    p.end(True)
    p.settled("t")
    asking.end(t, "t")


def transaction_refusals(t):
    """Fenced, not begun, not added, somebody else's."""
    asking.create(t, "t", 2, [1, 1])
    p = Producer(t, "tx")
    p.init()
    p.end(True)
    p.produce("t", 1)
    p.sequence.clear()
    p.add("t")
    p.produce("t", 1)
    p.produce("t", 1, 1)
    p.add("none")
    p.ask("EndTxn", 3, {**p.me(), "producer_epoch": p.epoch + 1, "committed": True})
    p.ask("EndTxn", 3, {**p.me(), "producer_id": p.pid + 7, "committed": True})
    p.ask("EndTxn", 3, {**p.me(), "transactional_id": neighbour(t, p.id), "committed": True})
    old = dict(p.me())
    t.until(lambda: p.ask("InitProducerId", 4, {"transactional_id": p.id, "transaction_timeout_ms": 60000}, False)[
        "error_code"] == 0)
    p.ask("EndTxn", 3, {**old, "committed": True})
    p.ask("EndTxn", 1, {**old, "committed": True})
    p.settled("t")
    p.produce("t", 1)
    asking.fetch(t, "t", 0, isolation=1)
    asking.producers(t, "t")


def transaction_times_out(t):
    """The coordinator aborts and fences."""
    asking.create(t, "t", 1, [1])
    p = Producer(t, "tx")
    p.init(timeout_ms=4000)  # longer than a busy machine needs for the two steps that must be in time
    p.add("t")
    p.produce("t", 2)
    p.settled("t")
    asking.fetch(t, "t", 0, isolation=1)
    p.end(True)
    p.produce("t", 1)
    asking.producers(t, "t")


def transactional_offsets(t):
    """Offsets that count once the transaction is committed."""
    asking.create(t, "t", 1, [1])
    group, topic = t.topic("group"), t.topic("t")
    node = coordinator(t, group)
    p = Producer(t, "tx")
    p.init()
    for commit, offset in ((True, 3), (False, 9)):
        t.until(lambda: p.ask("AddOffsetsToTxn", 3, {**p.me(), "group_id": group}, False)["error_code"] == 0)
        t.ask("TxnOffsetCommit", 3, {**p.me(), "group_id": group, "topics": [  # pylint: disable=cell-var-from-loop
            {"name": topic, "partitions": [{"partition_index": 0, "committed_offset": offset,
                                            "committed_metadata": "m"}]}]}, node)
        committed(t, group, topic, node=node)
        t.ask("OffsetFetch", 8, {"groups": [{"group_id": group, "topics": [
            {"name": topic, "partition_indexes": [0]}]}], "require_stable": True}, node)
        p.end(commit)

        def stable():
            answer = t.ask("OffsetFetch", 8, {"groups": [{"group_id": group, "topics": [
                {"name": topic, "partition_indexes": [0]}]}], "require_stable": True}, node, note=False)
            return answer["groups"][0]["topics"][0]["partitions"][0]["error_code"] == 0

        t.until(stable)
        committed(t, group, topic, node=node)


@alone(group__coordinator__rebalance__protocols="classic", offsets__topic__replication__factor=1)
def classic_alone(t):
    """Only the classic protocol is switched on: how the newer one is refused, and what kind the groups are of."""
    a = Member(t, t.topic("group"), "a")
    a.join()
    a.sync([(a.id, b"mine")])
    for types in ([], ["classic"], ["Classic"], ["consumer"]):
        t.ask("ListGroups", 5, {"states_filter": [], "types_filter": types}, a.node)
    for version in (0, 1):
        t.ask("ConsumerGroupHeartbeat", version, {
            "group_id": t.topic("new"), "member_id": "m", "rebalance_timeout_ms": 5000,
            "subscribed_topic_names": ["t"], "topic_partitions": []}, a.node)
        t.ask("ConsumerGroupDescribe", version, {"group_ids": [a.group, t.topic("new")]}, a.node)


SCRIPTS = [find_coordinators, classic_alone, one_member, no_offset, join_refusals, two_members, static_members,
           silent_member, init_producers, transactions, transaction_refusals, transaction_times_out,
           transactional_offsets]
