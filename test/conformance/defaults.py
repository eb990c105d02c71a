"""Scripts: what topics do not set and brokers do: on one broker, for all of them, and not at all."""

import time

import asking
from batches import batch

TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = range(4)
HOUR_MS = 3_600_000
UNKNOWN = "no.such.setting"  # kept for plug-ins, and not described
# Of topics: whose defaults are changed here.
NAMES = ["cleanup.policy", "compression.type", "delete.retention.ms", "flush.ms", "max.message.bytes",
         "message.timestamp.after.max.ms", "message.timestamp.type", "min.insync.replicas", "retention.bytes",
         "retention.ms", "segment.bytes", "segment.ms", "unclean.leader.election.enable"]
OF_BROKERS = ["log.cleanup.policy", "log.flush.interval.ms", "log.retention.bytes", "log.retention.hours",
              "log.retention.minutes", "log.retention.ms", "log.roll.ms", "log.segment.bytes", "message.max.bytes",
              "min.insync.replicas", "producer.id.expiration.ms", "unclean.leader.election.enable"]


def described(t, kind, name, node, keys, note=True):
    resource = {"resource_type": kind, "resource_name": name, "configuration_keys": keys}
    answer = t.ask("DescribeConfigs", 4, {"resources": [resource], "include_synonyms": True}, node, note=False)
    for result in answer["results"]:
        result["configs"].sort(key=lambda c: c["name"])
    if note:
        t.note(f"settings of {kind} {name!r} at {node}", answer)
    return answer["results"][0]["configs"]


def show(t, names=NAMES):
    for node in (1, 2, 3):
        described(t, TOPIC, t.topic("d"), node, names)
        described(t, BROKER, str(node), node, OF_BROKERS)
    described(t, BROKER, "", 2, None)


class Settings:
    """Of brokers, which are everybody's: what was changed is put back."""

    def __init__(self, t):
        self.t, self.changed = t, set()

    def alter(self, broker, name, value=None, operation=None, note=True):
        operation = operation if operation is not None else DELETE if value is None else SET
        change = {"name": name, "config_operation": operation, "value": value}
        node = int(broker or 1)
        answer = self.t.ask("IncrementalAlterConfigs", 1, {"resources": [{
            "resource_type": BROKER, "resource_name": broker, "configs": [change]}]}, node, note=note)
        if answer["responses"][0]["error_code"] == 0 and name != UNKNOWN:
            self.changed.add((broker, name))
            if operation in (SET, DELETE):
                self.wait(broker, name, value)
            time.sleep(0.2)  # until the logs have it, too

    def wait(self, broker, name, value):
        source = 2 if broker else 3
        for node in [int(broker)] if broker else (1, 2, 3):
            def known(node=node):
                configs = described(self.t, BROKER, str(node), node, [name], False)
                return any(next((s["value"] for s in config["synonyms"] if s["source"] == source), None) == value
                           for config in configs)
            self.t.until(known)

    def back(self):
        for broker, name in sorted(self.changed):
            self.alter(broker, name, "1" if name == "min.insync.replicas" else None, note=False)
        self.changed.clear()


def script(run):
    """With settings that are put back."""
    def whole(t):
        settings = Settings(t)
        try:
            run(t, settings)
        finally:
            settings.back()
    whole.__name__ = run.__name__
    return whole


@script
def sources(t, s):
    """Whose value is in force, as each broker tells it."""
    asking.create(t, "d", 3)
    show(t)
    for broker, name, value in (("1", "log.retention.ms", "1111111"), ("", "log.retention.ms", "2222222"),
                                ("2", "log.retention.bytes", "3333"), ("1", "log.retention.ms", None),
                                ("", "log.segment.bytes", "2000000"), ("3", "log.segment.bytes", "3000000"),
                                ("3", "log.roll.ms", "44444444"), ("", "log.flush.interval.ms", "5555"),
                                ("2", "unclean.leader.election.enable", "true"),
                                ("3", "log.cleaner.delete.retention.ms", "77"), ("", "log.retention.ms", "-1"),
                                ("3", "log.retention.ms", "0"), ("1", "producer.id.expiration.ms", "90000000"),
                                ("", "log.retention.ms", "0"), ("", "log.retention.ms", None)):
        s.alter(broker, name, value)
        show(t)
    asking.create(t, "own", configs={"retention.ms": 99})
    for node in (1, 3):
        described(t, TOPIC, t.topic("own"), node, ["retention.ms", "segment.bytes"])


@script
def refusals(t, s):
    """What cannot be set so."""
    for broker in ("1", ""):
        for name, value in (("log.retention.hours", "1"), ("log.retention.minutes", "1"), ("log.roll.hours", "1"),
                            ("log.retention.ms", "x"), ("log.retention.ms", "-5"), ("log.retention.ms", ""),
                            ("log.retention.bytes", "-7"), ("log.segment.bytes", "10"), ("message.max.bytes", "-1"),
                            ("log.message.timestamp.type", "Never"), ("log.cleanup.policy", "burn"),
                            ("log.cleanup.policy", ""), ("compression.type", "none"), ("min.insync.replicas", "0"),
                            ("min.insync.replicas", "1"), ("log.cleaner.min.cleanable.ratio", "1.5"),
                            ("producer.id.expiration.ms", "0"), (UNKNOWN, "1"), ("num.partitions", "3"),
                            ("log.retention.ms", "0"),
                            ("num.io.threads", "100"), ("num.io.threads", "1"), ("num.network.threads", "100"),
                            ("num.replica.fetchers", "100"), ("num.recovery.threads.per.data.dir", "100"),
                            ("background.threads", "100"), ("log.cleaner.threads", "100"), ("log.cleaner.threads", "0"),
                            ("log.cleaner.dedupe.buffer.size", "1"), ("log.cleaner.io.buffer.size", "-1"),
                            ("max.connections", "-1"), ("log.index.interval.bytes", "-1"),
                            ("log.local.retention.ms", "999999999999"), ("log.local.retention.bytes", "5"),
                            ("log.cleaner.max.compaction.lag.ms", "0"), ("compression.zstd.level", "99"),
                            ("log.message.timestamp.before.max.ms", "-1"), ("listeners", "PLAINTEXT://:1")):
            s.alter(broker, name, value)
            s.back()
        s.alter(broker, UNKNOWN, "1")
        show(t, [])
        s.alter(broker, UNKNOWN)
    s.alter("1", "log.retention.ms", "7", 2)
    asking.create(t, "d")
    for operation, value in ((APPEND, "compact"), (SUBTRACT, "delete"), (SUBTRACT, "compact")):
        s.alter("1", "log.cleanup.policy", value, operation)
        show(t, ["cleanup.policy"])
    for broker, node in (("2", 1), ("9", 1), ("x", 1), ("", 2)):
        change = {"name": "log.retention.ms", "config_operation": SET, "value": "1000000"}
        t.ask("IncrementalAlterConfigs", 1, {"validate_only": True, "resources": [{
            "resource_type": BROKER, "resource_name": broker, "configs": [change]}]}, node)
    show(t, [])
    for broker in ("1", ""):
        change = {"name": "min.insync.replicas", "value": "1"}
        for others in ([], [{"name": "log.retention.ms", "value": "1000000"}],
                       [{"name": "num.partitions", "value": "7"}]):
            t.ask("AlterConfigs", 2, {"validate_only": True, "resources": [{
                "resource_type": BROKER, "resource_name": broker, "configs": [change] + others}]})
            t.ask("AlterConfigs", 2, {"validate_only": True, "resources": [{
                "resource_type": BROKER, "resource_name": broker, "configs": others}]})


@script
def in_force(t, s):
    """The log of a leader goes by that leader's settings."""
    asking.create(t, "d", 3)

    def everywhere(data, note=True):
        for p in range(3):
            asking.produce(t, "d", data, p, node=p + 1, note=note)

    s.alter("2", "message.max.bytes", "500")
    everywhere(batch(1, value=b"x" * 1000))
    s.alter("", "message.max.bytes", "600")
    everywhere(batch(1, value=b"x" * 1000))
    s.alter("2", "message.max.bytes")
    s.alter("1", "message.max.bytes", "2000000")
    everywhere(batch(1, value=b"x" * 1000))
    s.alter("1", "log.segment.bytes", "1048576")
    asking.produce(t, "d", batch(1, value=b"x" * 1_100_000), 0)
    s.alter("3", "log.message.timestamp.type", "LogAppendTime")
    everywhere(batch(1, timestamp=int(time.time() * 1000) - HOUR_MS))  # too young for anybody's retention
    s.alter("2", "log.message.timestamp.after.max.ms", "1000")
    everywhere(batch(1, timestamp=int(time.time() * 1000) + HOUR_MS // 2))
    s.alter("2", "compression.type", "uncompressed")
    everywhere(batch(2, attributes=1))
    s.alter("3", "log.cleanup.policy", "compact")
    everywhere(batch(1, key=None))
    for p in range(3):
        asking.end(t, "d", p, p + 1)
        t.ask("DeleteRecords", 2, {"timeout_ms": 10000, "topics": [{"name": t.topic("d"), "partitions": [
            {"partition_index": p, "offset": 1}]}]}, p + 1)
        asking.fetch(t, "d", 2 if p == 1 else 1, p, p + 1)


@script
def minimum(t, s):
    """min.insync.replicas: for all brokers, or not at all (KIP-966)."""
    asking.create(t, "d", 3)
    for broker, value in (("", "4"), ("1", "2"), ("1", None), ("", "2"), ("", None)):
        s.alter(broker, "min.insync.replicas", value)
        show(t, ["min.insync.replicas"])
        asking.produce(t, "d", batch(1))


@script
def topics(t, s):
    """What a topic is made with, and lists that begin with a broker's."""
    s.alter("", "log.cleanup.policy", "compact,delete")
    for node in (1, 2):
        name = f"made{node}"
        answer = t.ask("CreateTopics", 7, {"topics": [{"name": t.topic(name), "num_partitions": 1,
                                                       "replication_factor": 3, "assignments": [], "configs": []}],
                                           "timeout_ms": 15000}, node, note=False)
        configs = answer["topics"][0]["configs"]
        t.note(f"made at {node}", [c for c in configs if c["name"] in NAMES])
        t.until(lambda: asking.known(t, name, 2) == 1)  # pylint: disable=cell-var-from-loop
    for operation, value in ((SUBTRACT, "delete"), (APPEND, "delete"), (DELETE, None), (APPEND, "compact")):
        t.ask("IncrementalAlterConfigs", 1, {"resources": [{
            "resource_type": TOPIC, "resource_name": t.topic("made1"), "configs": [
                {"name": "cleanup.policy", "config_operation": operation, "value": value}]}]})
        time.sleep(0.3)
        described(t, TOPIC, t.topic("made1"), 1, ["cleanup.policy", "retention.ms"])


SCRIPTS = [sources, refusals, in_force, minimum, topics]
