"""Scripts: transactions of the second version (KIP-890): partitions join with the records that are written to them, and
each end raises the producer's epoch."""

import asking
from asking import OUR_ID
from batches import TRANSACTIONAL, batch
from coordinators import Producer, committed, coordinator, neighbour

CONCURRENT = 51


class SecondVersion(Producer):
    """Speaks Produce 12, TxnOffsetCommit 5 and EndTxn 5."""

    def write(self, name, count, partition=0, node=1, version=12, note=True, **changed):
        """Produce; waits while the markers of the transaction before are written."""
        at = changed.get("sequence", self.sequence.get((name, partition), 0))
        data = batch(count, (changed.get("pid", self.pid), changed.get("epoch", self.epoch), at),
                     attributes=TRANSACTIONAL, timestamp=changed.get("timestamp"))
        answer = None

        def done():
            nonlocal answer
            answer = asking.produce(self.t, name, data, partition, version=version, node=node, note=False,
                                    transactional_id=changed.get("transactional_id", self.id))
            return answer["error_code"] != CONCURRENT

        self.t.until(done)
        if answer["error_code"] == 0:
            self.sequence[name, partition] = at + count
        if note:
            self.t.note(f"Produce v{version}", answer)
        return answer

    def end(self, commit, note=True, **changed):
        answer = None

        def done():
            nonlocal answer
            answer = self.ask("EndTxn", 5, {**self.me(), "committed": commit, **changed}, False)
            return answer["error_code"] != CONCURRENT

        self.t.until(done)
        if answer["error_code"] == 0:
            self.pid, self.epoch, self.sequence = answer["producer_id"], answer["producer_epoch"], {}
        if note:
            self.t.note("EndTxn v5", answer)
        return answer

    def describe(self):
        answer = self.ask("DescribeTransactions", 0, {"transactional_ids": [self.id]}, False)
        for state in answer["transaction_states"]:  # brokers have them in hash maps
            state["topics"].sort(key=lambda topic: topic["topic"])
            for topic in state["topics"]:
                topic["partitions"].sort()
        self.t.note("DescribeTransactions", answer)

    def commit_offset(self, group, node, offset, version=5, note=True, **changed):
        values = {**self.me(), "group_id": group, "topics": [{"name": self.t.topic("t"), "partitions": [
            {"partition_index": 0, "committed_offset": offset, "committed_metadata": "m"}]}], **changed}
        answer = None

        def done():
            nonlocal answer
            answer = self.t.ask("TxnOffsetCommit", version, values, node, note=False)
            return answer["topics"][0]["partitions"][0]["error_code"] != CONCURRENT

        self.t.until(done)
        if note:
            self.t.note(f"TxnOffsetCommit v{version}", answer)


def started(t, name="tx", **how):
    p = SecondVersion(t, name)
    p.init(**how)
    return p


def transactions(t):
    """Committed, aborted, on two leaders, and what readers and questions see."""
    asking.create(t, "t", 2, [1, 2])
    p = started(t)
    asking.produce(t, "t", batch(1))
    for commit in (True, False, True):
        p.write("t", 2)
        p.write("t", 1)
        p.write("t", 1, 1, 2)
        p.describe()
        asking.offsets(t, "t", -1, isolation=1)
        asking.producers(t, "t")
        p.end(commit)
        p.settled("t")
        p.settled("t", 2, 1)
        p.describe()
        asking.producers(t, "t")
    asking.fetch(t, "t", 0)
    asking.fetch(t, "t", 0, isolation=1)
    asking.fetch(t, "t", 0, 1, 2, isolation=1)


def back_to_back(t):
    """The next transaction begins while the markers of the last one are being written."""
    asking.create(t, "t", 3)
    p = started(t)
    for i in range(6):
        for partition in range(3):
            p.write("t", 1, partition, partition + 1)
        p.end(i % 3 != 1)
    for partition in range(3):
        p.settled("t", partition + 1, partition)
        asking.fetch(t, "t", 0, partition, partition + 1, isolation=1)
        asking.producers(t, "t", partition, partition + 1)


def many_partitions(t):
    """One request that begins a transaction on some partitions, goes on with it on others, and is wrong in others."""
    asking.create(t, "t", 3, [1, 1, 2])
    p = started(t)
    p.write("t", 1)

    def ask(*partitions, version=12):
        data = [{"index": i, "records": batch(1, (p.pid, p.epoch, at), attributes=attributes)}
                for i, at, attributes in partitions]
        t.ask("Produce", version, {"transactional_id": p.id, "acks": -1, "timeout_ms": 5000, "topic_data": [
            {"name": t.topic("t"), "partition_data": data}]})

    ask((0, 1, TRANSACTIONAL), (1, 0, TRANSACTIONAL))
    ask((0, 2, TRANSACTIONAL), (1, 1, TRANSACTIONAL), (2, 0, TRANSACTIONAL), (7, 0, TRANSACTIONAL))
    ask((0, 3, 0), (1, 2, TRANSACTIONAL))
    p.describe()
    p.end(True)
    p.settled("t")
    p.settled("t", partition=1)
    asking.fetch(t, "t", 0)
    asking.fetch(t, "t", 0, 1)


def refusals(t):
    """Wrong epochs, ids and sequences; who does not add and who need not."""
    asking.create(t, "t", 2, [1, 1])
    p = started(t)
    p.write("t", 1, version=10)
    p.write("t", 1, version=11)
    p.write("t", 1, sequence=4)
    p.write("t", 1, epoch=p.epoch + 1)
    p.write("t", 1, pid=p.pid + 1000)
    p.write("t", 1, transactional_id=neighbour(t, p.id))
    p.write("t", 1, transactional_id="")
    p.write("none", 1)
    p.describe()
    p.write("t", 1, node=2)
    p.write("t", 2)
    p.write("t", 1, sequence=9)
    p.write("t", 1, 1, sequence=3)
    p.write("t", 1, 1)
    p.ask("EndTxn", 5, {**p.me(), "producer_epoch": p.epoch + 1, "committed": True})
    p.ask("EndTxn", 5, {**p.me(), "producer_id": p.pid + 7, "committed": True})
    p.ask("EndTxn", 5, {**p.me(), "transactional_id": neighbour(t, p.id), "committed": True})
    old = dict(p.me())
    p.end(True)
    p.settled("t")
    p.settled("t", partition=1)
    p.ask("EndTxn", 5, {**old, "committed": True})
    p.ask("EndTxn", 5, {**old, "committed": False})
    p.write("t", 1, epoch=old["producer_epoch"], sequence=2)
    p.write("t", 2, epoch=old["producer_epoch"], sequence=0)
    p.write("t", 1, sequence=2)
    p.write("t", 1, version=11)
    asking.end(t, "t")
    asking.producers(t, "t")


def overtaking(t):
    """What was refused first holds back what comes behind it (VerificationStateEntry)."""
    asking.create(t, "t", 1, [1])
    p = started(t)
    p.write("t", 1, version=11, sequence=3)
    p.add("t")
    p.write("t", 1, version=11, sequence=5)
    p.write("t", 1, version=11, sequence=3)
    p.write("t", 1, version=11, sequence=4)
    p.end(True)
    p.settled("t")
    p.write("t", 1, version=11, sequence=0)
    p.write("t", 1, sequence=1)
    p.write("t", 1, sequence=0)
    asking.producers(t, "t")


def empty_ones(t):
    """Transactions without a record: an abort raises the epoch, a commit is refused."""
    asking.create(t, "t", 1, [1])
    p = started(t)
    p.end(True)
    p.end(False)
    t.until(p.over)
    p.describe()
    p.end(False)
    t.until(p.over)
    p.end(True)
    p.write("t", 1)
    p.end(True)
    p.settled("t")
    p.end(True)
    p.end(False)
    t.until(p.over)
    p.describe()
    asking.end(t, "t")


def mixed_versions(t):
    """Old and new requests in one transaction, and its end by the other kind."""
    asking.create(t, "t", 2, [1, 1])
    p = started(t)
    p.add("t")
    p.produce("t", 1)
    p.write("t", 1, 1)
    p.end(True)
    p.settled("t")
    p.write("t", 1)
    Producer.end(p, True)
    p.settled("t")
    p.describe()
    asking.producers(t, "t")
    p.write("t", 1, sequence=1)
    Producer.end(p, False)
    p.settled("t")
    asking.fetch(t, "t", 0, isolation=1)


def fenced(t):
    """A new instance of the producer, and the zombie."""
    asking.create(t, "t", 1, [1])
    p, again = started(t), SecondVersion(t, "tx")
    p.write("t", 2)
    values = {"transactional_id": p.id, "transaction_timeout_ms": 60000}
    t.until(lambda: again.ask("InitProducerId", 4, values, False)["error_code"] == 0)
    p.settled("t")
    again.describe()
    p.write("t", 1)
    p.ask("EndTxn", 5, {**p.me(), "committed": True})
    again.init()
    again.write("t", 1)
    p.write("t", 1)
    again.end(True)
    p.settled("t")
    p.write("t", 1)
    p.end(False)
    asking.fetch(t, "t", 0, isolation=1)
    asking.producers(t, "t")


def goes_on(t):
    """KIP-360: InitProducerId of a producer that says who it was, after a time-out and after an end it missed."""
    asking.create(t, "t", 1, [1])
    p = started(t)
    p.write("t", 1)
    old = dict(p.me())
    p.end(True)
    p.settled("t")
    p.init(pid=p.pid, epoch=old["producer_epoch"])
    p.init(pid=p.pid, epoch=p.epoch)
    p.write("t", 1)
    asking.producers(t, "t")


def times_out(t):
    """The coordinator aborts, and the epoch rises."""
    asking.create(t, "t", 1, [1])
    p = started(t, timeout_ms=1000)
    p.write("t", 2)
    t.until(p.over)
    p.settled("t")
    p.describe()
    p.ask("EndTxn", 5, {**p.me(), "committed": True})
    p.ask("EndTxn", 5, {**p.me(), "committed": False})
    p.write("t", 1)
    asking.fetch(t, "t", 0, isolation=1)
    asking.producers(t, "t")


def two_producers(t):
    """Of two transactions on one partition the older holds the last stable offset."""
    asking.create(t, "t", 1, [1])
    a, b = started(t, "a"), started(t, "b")
    for p in (a, b, a):
        p.write("t", 1)
    b.end(False)
    t.until(b.over)
    t.until(lambda: asking.end(t, "t", note=False)["end_offset"] == 4)
    asking.replicated(t, "t")
    asking.offsets(t, "t", -1, isolation=1)
    b.write("t", 1)
    a.end(False)
    t.until(a.over)
    t.until(lambda: asking.end(t, "t", note=False)["end_offset"] == 6)
    asking.replicated(t, "t")
    asking.offsets(t, "t", -1, isolation=1)
    b.end(True)
    b.settled("t")
    asking.fetch(t, "t", 0, isolation=1)
    asking.producers(t, "t")


def stable_offset(t, group, topic, node):
    """What is answered to a reader who waits for open transactions; nothing is noted."""
    answer = t.ask("OffsetFetch", 8, {"groups": [{"group_id": group, "topics": [
        {"name": topic, "partition_indexes": [0]}]}], "require_stable": True}, node, note=False)
    return answer["groups"][0]["topics"][0]["partitions"][0]


def offsets(t):
    """TxnOffsetCommit adds the partition of the group's offsets."""
    asking.create(t, "t", 1, [1])
    group, topic = t.topic("group"), t.topic("t")
    node = coordinator(t, group)
    p = started(t)

    def stable():
        return stable_offset(t, group, topic, node)["error_code"] == 0

    for commit, offset in ((True, 3), (False, 9), (True, 5)):
        p.write("t", 1)
        p.commit_offset(group, node, offset)
        p.commit_offset(group, node, offset + 1)
        p.describe()
        committed(t, group, topic, node=node)
        old = dict(p.me())
        p.end(commit)
        t.until(stable)
        committed(t, group, topic, node=node)
        t.until(p.over)
        p.commit_offset(group, node, 100, **old)
    p.commit_offset(group, node, 7, version=4)
    p.commit_offset(group, node, 7, version=3)
    p.commit_offset(group, node, 7, producer_id=p.pid + 1000)
    p.commit_offset(group, node, 7, transactional_id=neighbour(t, p.id))
    p.commit_offset("", node, 7)
    committed(t, group, topic, node=node)


def offsets_of_a_deleted_topic(t):
    """They go with it, those of an open transaction too: its commit brings nothing back."""
    group, topic = t.topic("group"), t.topic("t")
    node = coordinator(t, group)
    p = started(t)

    def gone():
        read = stable_offset(t, group, topic, node)
        return read["error_code"] == 0 and read["committed_offset"] == -1

    for before, commit in ((None, True), (7, True), (7, False)):
        asking.create(t, "t", 1, [1])
        if before:
            p.commit_offset(group, node, before)
            p.end(True)
            t.until(p.over)
        p.commit_offset(group, node, 42)
        p.describe()
        t.ask("DeleteTopics", 5, {"topic_names": [topic], "timeout_ms": 15000})
        t.until(gone)
        p.end(commit)
        t.until(p.over)
        committed(t, group, topic, node=node)


def brokers_requests(t):
    """AddPartitionsToTxn as brokers send it: many transactions, to add or to verify."""
    asking.create(t, "t", 2, [1, 1])
    p = started(t)

    def ask(*transactions, version=5):
        answer = t.ask("AddPartitionsToTxn", version, {"transactions": list(transactions)}, p.node, note=False)
        for result in answer["results_by_transaction"]:
            for topic in result["topic_results"]:
                topic["results_by_partition"].sort(key=lambda partition: partition["partition_index"])
        t.note(f"AddPartitionsToTxn v{version}", answer)

    def transaction(verify, partitions=(0,), **changed):
        return {**p.me(), "verify_only": verify, "topics": [
            {"name": t.topic("t"), "partitions": list(partitions)}], **changed}

    ask(transaction(True))
    ask(transaction(False))
    ask(transaction(True))
    ask(transaction(True, (0, 1)), version=4)
    ask(transaction(True, (0, 9)))
    ask(transaction(False, (9,)))
    ask(transaction(True, producer_epoch=p.epoch + 1))
    ask(transaction(False, producer_epoch=p.epoch + 1))
    p.write("t", 1)
    p.end(True)
    p.settled("t")
    asking.producers(t, "t")


def markers(t):
    """WriteTxnMarkers as coordinators of either version send them, under an id of our own."""
    asking.create(t, "w")
    pid = OUR_ID + 70

    def mark(epoch, coordinator_epoch, version, commit=True):
        marker = {"producer_id": pid, "producer_epoch": epoch, "transaction_result": commit,
                  "topics": [{"name": t.topic("w"), "partition_indexes": [0]}],
                  "coordinator_epoch": coordinator_epoch, "transaction_version": version}
        t.ask("WriteTxnMarkers", 2, {"markers": [marker]})
        asking.producers(t, "w")

    asking.produce(t, "w", batch(2, (pid, 0, 40)))
    for epoch, coordinator_epoch, version in ((0, 0, 0), (0, 0, 2), (1, 0, 2), (1, 0, 2), (1, 0, 0), (0, 0, 2),
                                              (1, 1, 1), (2, 0, 2), (2, 1, 2), (2, 1, 3), (32767, 1, 2), (32767, 1, 2),
                                              (5, 1, 0)):
        mark(epoch, coordinator_epoch, version)
    asking.end(t, "w")
    asking.fetch(t, "w", 0)


def listed(t):
    """ListTransactions: what passes its filters."""
    asking.create(t, "t", 2, [1, 1])
    producers = [started(t, name) for name in ("a", "a-b", "b")]
    producers[0].write("t", 1)
    producers[1].write("t", 1, 1)
    producers[1].end(True)
    producers[1].settled("t", partition=1)

    def ask(version, **filters):
        answers = [t.ask("ListTransactions", version, filters, node, note=False) for node in (1, 2, 3)]
        states = [s for a in answers for s in a.pop("transaction_states") or []
                  if s["transactional_id"].startswith(t.prefix)]  # who coordinates whom differs
        t.note(f"ListTransactions v{version} {filters.get('transactional_id_pattern')}", {
            "answers": answers, "states": sorted(states, key=lambda s: s["transactional_id"])})

    for version in (0, 1, 2):
        ask(version)
        for states in (["Ongoing"], ["Empty", "CompleteCommit"], ["ongoing"], ["Nothing", "Ongoing"], ["Nothing"],
                       ["PrepareEpochFence", "Dead"], [""]):
            ask(version, state_filters=states)
        ask(version, producer_id_filters=[producers[0].pid, 7])
        ask(version, producer_id_filters=[producers[0].pid], state_filters=["Empty"])
    for duration in (-1, -5, 0, 3_600_000, 1 << 62):
        ask(1, duration_filter=duration)
    begin = t.prefix.replace("-", ".")
    for pattern in (None, "", ".*", f"{begin}-a", f"{begin}-a.*", f"{begin}-[ab]", ".*-(b|a-b)", "a", "^.*b$", "*", "(",
                    "[", "a{2,1}", ".*(?i)-A", "\\Q" + t.prefix + "-a\\E", ".*(?=b)b", "(.)\\1"):
        ask(2, transactional_id_pattern=pattern)
        ask(2, transactional_id_pattern=pattern, state_filters=["Ongoing", "Nothing"])
    for p in producers[:1]:
        p.end(False)


SCRIPTS = [transactions, back_to_back, many_partitions, refusals, overtaking, empty_ones, mixed_versions, fenced,
           goes_on, times_out, two_producers, offsets, offsets_of_a_deleted_topic, brokers_requests, markers,
           listed]
