"""Requests that scripts make often, with the least that is needed to say."""

import time

import batches

OUR_ID = 1 << 62
CLOCK_MS = 5  # a broker's timers count whole milliseconds: its wait may be one shorter than asked for


def create(t, name, partitions=1, leaders=None, configs=None, note=False):
    """A topic whose partition p is led by leaders[p] (else 1 + p % 3), with all three brokers as replicas."""
    assignments = []
    for p in range(partitions):
        first = leaders[p] if leaders else 1 + p % 3
        order = [first] + [n for n in (1, 2, 3) if n != first]
        assignments.append({"partition_index": p, "broker_ids": order})
    topic = {"name": t.topic(name), "num_partitions": -1, "replication_factor": -1, "assignments": assignments,
             "configs": [{"name": k, "value": str(v)} for k, v in (configs or {}).items()]}
    answer = t.ask("CreateTopics", 7, {"topics": [topic], "timeout_ms": 15000}, note=note)
    assert answer["topics"][0]["error_code"] == 0, answer
    for p in range(partitions):
        leader = assignments[p]["broker_ids"][0]
        t.until(lambda: end(t, name, p, leader, note=False)["error_code"] == 0)  # pylint: disable=cell-var-from-loop
    for node in (1, 2, 3):
        t.until(lambda: known(t, name, node) == partitions)  # pylint: disable=cell-var-from-loop
    return answer["topics"][0]["topic_id"]


def known(t, name, node):
    """How many partitions with a leader that node shows."""
    topic = metadata(t, name, node=node, note=False)["topics"][0]
    return sum(p["leader_id"] >= 0 for p in topic["partitions"])


def metadata(t, *names, version=12, node=1, note=True):
    topics = [{"name": t.topic(name)} for name in names]
    return t.ask("Metadata", version, {"topics": topics, "allow_auto_topic_creation": False}, node, note=note)


def produce(t, name, data, partition=0, acks=-1, version=9, node=1, transactional_id=None, timeout_ms=5000, note=True):
    """The answer for one partition."""
    topic = {"name": t.topic(name), "partition_data": [{"index": partition, "records": data}]}
    answer = t.ask("Produce", version, {"transactional_id": transactional_id, "acks": acks, "timeout_ms": timeout_ms,
                                        "topic_data": [topic]}, node, note=note)
    return answer and answer["responses"][0]["partition_responses"][0]


def end(t, name, partition=0, node=1, epoch=0, current=-1, note=True):
    """OffsetForLeaderEpoch of one partition."""
    topic = {"topic": t.topic(name), "partitions": [
        {"partition": partition, "current_leader_epoch": current, "leader_epoch": epoch}]}
    answer = t.ask("OffsetForLeaderEpoch", 4, {"replica_id": -1, "topics": [topic]}, node, note=note)
    return answer["topics"][0]["partitions"][0]


def offsets(t, name, timestamp, partition=0, node=1, isolation=0, epoch=-1, version=7, note=True):
    topic = {"name": t.topic(name), "partitions": [
        {"partition_index": partition, "timestamp": timestamp, "current_leader_epoch": epoch}]}
    answer = t.ask("ListOffsets", version, {"replica_id": -1, "isolation_level": isolation, "topics": [topic]}, node,
                   note=note)
    return answer["topics"][0]["partitions"][0]


def producers(t, name, partition=0, node=1, note=True):
    """DescribeProducers of one partition."""
    topic = {"name": t.topic(name), "partition_indexes": [partition]}
    answer = t.ask("DescribeProducers", 0, {"topics": [topic]}, node, note=False)
    for told in answer["topics"][0]["partitions"]:  # brokers have them in a hash map
        told["active_producers"].sort(key=lambda p: t.order("producer", p["producer_id"]))
    if note:
        t.note("DescribeProducers v0", answer)
    return answer


def markers(t, name, producer_id, epoch, coordinator_epoch, commit=True, partitions=(0,), node=1, note=True, count=1):
    """`count` equal markers in one request."""
    marker = {"producer_id": producer_id, "producer_epoch": epoch, "transaction_result": commit,
              "topics": [{"name": t.topic(name), "partition_indexes": list(partitions)}],
              "coordinator_epoch": coordinator_epoch}
    answer = t.ask("WriteTxnMarkers", 1, {"markers": [marker] * count}, node, note=False)
    for told in answer["markers"]:
        for topic in told["topics"]:
            topic["partitions"].sort(key=lambda p: p["partition_index"])
    if note:
        t.note("WriteTxnMarkers", answer)
    return answer


def replicated(t, name, partition=0, node=1):
    """Waits until all that stands in the log is below the high watermark: after acks=1 that takes a moment."""
    def there():
        return offsets(t, name, -1, partition, node, note=False)["offset"] >= end(t, name, partition, node, note=False)[
            "end_offset"]
    t.until(there)


def fetch(t, name, offset, partition=0, node=1, version=11, isolation=0, max_bytes=1 << 20, partition_bytes=1 << 20,
          wait_ms=0, min_bytes=1, epoch=-1, connection="", note=True):
    """One sessionless fetch of one partition; its answer, with the batches read."""
    topic = {"topic": t.topic(name), "partitions": [{
        "partition": partition, "current_leader_epoch": epoch, "fetch_offset": offset,
        "partition_max_bytes": partition_bytes}]}
    answer = t.ask("Fetch", version, {"max_wait_ms": wait_ms, "min_bytes": min_bytes, "max_bytes": max_bytes,
                                      "isolation_level": isolation, "session_id": 0, "session_epoch": -1,
                                      "topics": [topic]}, node, connection, note=False)
    if answer is not None:
        read(t, answer)
    if note:
        t.note(f"Fetch v{version} of {offset}", answer)
    return answer and answer["responses"][0]["partitions"][0]


def waited(t, name, offset, wait_ms, **more):
    """A fetch, and whether it waited to the end."""
    start = time.monotonic()
    fetch(t, name, offset, wait_ms=wait_ms, **more)
    t.note(f"waited at {offset}", (time.monotonic() - start) * 1000 >= wait_ms - CLOCK_MS)


def read(t, answer):
    """Batches instead of bytes, in all partitions of a Fetch answer. Compressed records are compared as bytes."""
    for topic in answer["responses"]:
        for partition in topic["partitions"]:
            partition["records"] = batches.name_producers(t, batches.seen(partition["records"]))
