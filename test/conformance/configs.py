"""Scripts: settings as they are shown, lists that grow and shrink, values that do not go together."""

import time

import asking
import worlds
from batches import batch
from defaults import APPEND, BROKER, DELETE, SET, SUBTRACT, TOPIC, UNKNOWN, described, script

LOGGER, METRICS, GROUP = 8, 16, 32
HEARD_SECONDS = 0.5   # until every broker has heard of a change
VALUE_SIZE_MAX = 32767
DAY_MS = 86_400_000
FILE_WAIT_MS = 100
# Written as nobody should, and right.
ODD = [("retention.ms", " +0100000 "), ("retention.ms", "-1"), ("retention.bytes", "-0"), ("max.message.bytes", "0500"),
       ("cleanup.policy", " compact ,  delete "), ("cleanup.policy", ""), ("cleanup.policy", " "),
       ("preallocate", "TRUE"), ("preallocate", " False "), ("min.cleanable.dirty.ratio", "1"),
       ("min.cleanable.dirty.ratio", "0.50"), ("min.cleanable.dirty.ratio", "1e-1"),
       ("min.cleanable.dirty.ratio", "0.00012"), ("min.cleanable.dirty.ratio", " .125"),
       ("message.timestamp.type", " LogAppendTime "), ("compression.type", " gzip"), ("compression.zstd.level", "+3"),
       ("follower.replication.throttled.replicas", " 0:1 ,1:2 "), ("leader.replication.throttled.replicas", " * "),
       ("follower.replication.throttled.replicas", ""), ("unclean.leader.election.enable", "true")]
# And wrong, or at least doubtful.
DOUBTFUL = [("cleanup.policy", "compact,compact"), ("cleanup.policy", "delete,compact,delete"),
            ("cleanup.policy", ",delete"), ("cleanup.policy", "Delete"), ("cleanup.policy", ","),
            ("follower.replication.throttled.replicas", "0:1,0:1"), ("follower.replication.throttled.replicas", "0:1,"),
            ("follower.replication.throttled.replicas", "*,0:1"), ("follower.replication.throttled.replicas", "0:"),
            ("follower.replication.throttled.replicas", "0:1:2"), ("follower.replication.throttled.replicas", "a:b"),
            ("follower.replication.throttled.replicas", "-1:-2"), ("follower.replication.throttled.replicas", "+1:2"),
            ("follower.replication.throttled.replicas", "1 :2"), ("follower.replication.throttled.replicas", ",1:2"),
            ("follower.replication.throttled.replicas", "**"),
            ("preallocate", "yes"), ("retention.ms", "1_000"), ("retention.ms", "1e3"), ("retention.ms", "0x10"),
            ("retention.ms", ""), ("max.message.bytes", "2147483648"), ("min.cleanable.dirty.ratio", "1.0000001"),
            ("min.cleanable.dirty.ratio", "half"), ("compression.type", "none"), ("compression.type", "GZIP"),
            ("message.timestamp.type", "createtime"), ("no.such.thing", ""), ("internal.segment.bytes", "1")]


def alter(t, name, configs, kind=TOPIC, node=1, validate_only=False, note=True):
    """`configs`: (name, operation, value)."""
    return t.ask("IncrementalAlterConfigs", 1, {"validate_only": validate_only, "resources": [{
        "resource_type": kind, "resource_name": name, "configs": [
            {"name": name, "config_operation": operation, "value": value} for name, operation, value in configs]}]},
                 node, note=note)


def replace(t, name, configs, validate_only=False):
    t.ask("AlterConfigs", 2, {"validate_only": validate_only, "resources": [{
        "resource_type": TOPIC, "resource_name": name,
        "configs": [{"name": name, "value": value} for name, value in configs]}]})


def create(t, name, configs, validate_only=True):
    answer = t.ask("CreateTopics", 7, {"timeout_ms": 15000, "validate_only": validate_only, "topics": [{
        "name": t.topic(name), "num_partitions": 1, "replication_factor": 1, "assignments": [],
        "configs": [{"name": name, "value": value} for name, value in configs]}]}, note=False)
    told = answer["topics"][0]
    told["configs"] = [c for c in told["configs"] or [] if c["name"] in dict(configs)]
    t.note(f"CreateTopics with {configs}", answer)


def show(t, keys, note=True):
    time.sleep(HEARD_SECONDS)
    return described(t, TOPIC, t.topic("d"), 1, keys, note)


def shown(t):
    """Values are shown as they are understood, not as they were written."""
    asking.create(t, "d")
    show(t, None)
    for name, value in ODD:
        create(t, "new", [(name, value)])
        alter(t, t.topic("d"), [(name, SET, value)])
        show(t, [name])
    show(t, None)
    for name, value in DOUBTFUL:
        create(t, "new", [(name, value)])
        alter(t, t.topic("d"), [(name, SET, value)])
        show(t, [name])
        alter(t, t.topic("d"), [(name, DELETE, None)])
    replace(t, t.topic("d"), [("retention.ms", "07"), ("cleanup.policy", "compact, delete")])
    show(t, None)


@script
def of_brokers(t, s):
    """Of a broker the value is shown as it is understood, and beside it what was written."""
    for broker in ("1", ""):
        for name, value in (("log.retention.ms", " +0100000 "), ("log.cleanup.policy", " compact , delete"),
                            ("log.preallocate", "TRUE"), ("log.cleaner.min.cleanable.ratio", ".50"),
                            ("log.cleaner.io.max.bytes.per.second", "12345678.5"), ("compression.type", " lz4 "),
                            (UNKNOWN, "x")):
            s.alter(broker, name, value)
            time.sleep(HEARD_SECONDS)
            described(t, BROKER, "1", 1, [name])
            described(t, BROKER, "", 1, [name])
        asking.create(t, "d" + broker)
        described(t, TOPIC, t.topic("d" + broker), 1, None)
        s.alter("", UNKNOWN, "y")
        time.sleep(HEARD_SECONDS)
        described(t, BROKER, "1", 1, [UNKNOWN])
        s.alter(broker, UNKNOWN)
        s.alter("", UNKNOWN)
        s.back()


def lists(t):
    """What is there twice goes once; what is added twice comes once; nothing is something, too."""
    key = "follower.replication.throttled.replicas"
    asking.create(t, "d")
    for first, changes in (("0:1,0:1,1:2", [(SUBTRACT, "0:1"), (SUBTRACT, "0:1,0:1"), (SUBTRACT, "9:9")]),
                           ("0:1", [(APPEND, "3:1,3:1"), (APPEND, "0:1"), (APPEND, "4:1,5:1,4:1"), (APPEND, "")]),
                           ("0:1", [(APPEND, ",6:1"), (APPEND, ""), (APPEND, ","), (SUBTRACT, ","), (SUBTRACT, "")]),
                           ("0:1", [(APPEND, " 7:1"), (APPEND, "7:1"), (SUBTRACT, " 7:1"), (SUBTRACT, "0:1,7:1")]),
                           ("", [(APPEND, ""), (APPEND, "0:1,,"), (SUBTRACT, "0:1"), (SUBTRACT, "0:1")])):
        alter(t, t.topic("d"), [(key, SET, first)])
        for operation, value in changes:
            alter(t, t.topic("d"), [(key, operation, value)])
            show(t, [key])
    alter(t, t.topic("d"), [(key, DELETE, None)])
    for operation, value in ((APPEND, "compact"), (SUBTRACT, "delete,compact"), (SUBTRACT, "compact")):
        alter(t, t.topic("d"), [("cleanup.policy", operation, value)])
        show(t, ["cleanup.policy"])


def long_values(t):
    """A value has at most 32,767 letters, be it in pieces; no request may hold a longer text."""
    key = "leader.replication.throttled.replicas"
    asking.create(t, "d")
    longest = ",".join(f"{p:05}:1" for p in range(4096))
    assert len(longest) == VALUE_SIZE_MAX
    create(t, "new", [(key, longest)])
    replace(t, t.topic("d"), [(key, longest)])
    show(t, [key])
    alter(t, t.topic("d"), [(key, SET, longest + " ")])
    for name, value in ((key, "1"), (key, "00000:1"), (key, "1:1"), (key, longest), (key, longest[:-1] + "2")):
        alter(t, t.topic("d"), [(name, APPEND, value)])
        alter(t, "in valid", [(name, APPEND, value)])
    alter(t, "1", [("log.cleanup.policy", APPEND, longest)], BROKER, validate_only=True)
    alter(t, t.topic("d"), [(key, SUBTRACT, longest[:-8])])
    show(t, [key])


@script
def together(t, s):
    """Settings that do not go together, at the topic or with the brokers'."""
    asking.create(t, "d")

    def attempt(*configs):
        create(t, "new", configs)
        alter(t, t.topic("d"), [(name, SET, value) for name, value in configs], validate_only=True)
        replace(t, t.topic("d"), configs, validate_only=True)

    lags = ("min.compaction.lag.ms", "max.compaction.lag.ms")
    for least, most in ((10, 10), (11, 10), (DAY_MS, DAY_MS - 1)):
        attempt((lags[0], str(least)), (lags[1], str(most)))
    alter(t, t.topic("d"), [(lags[0], SET, "1000")])
    attempt((lags[1], "999"))
    attempt((lags[1], "999"), ("no.such.thing", "1"))
    attempt((lags[1], "999"), ("retention.ms", "x"))
    alter(t, t.topic("d"), [(lags[1], SET, "999"), (lags[0], DELETE, None)])
    s.alter("", "log.cleaner.min.compaction.lag.ms", "5000")
    show(t, lags)
    for least, most in ((7000, 6000), (None, 6000), (None, 4000)):
        attempt(*[(name, str(value)) for name, value in zip(lags, (least, most)) if value])
    alter(t, t.topic("d"), [("retention.ms", SET, "1")])
    s.alter("", "log.cleaner.max.compaction.lag.ms", "4000")
    s.back()
    for name, value in (("remote.storage.enable", "true"), ("remote.storage.enable", "TRUE"),
                        ("remote.storage.enable", "false"), ("remote.log.copy.disable", "true"),
                        ("remote.log.delete.on.disable", "true"), ("local.retention.ms", "99999999999"),
                        ("local.retention.bytes", "5")):
        attempt((name, value))
    attempt(("remote.storage.enable", "true"), (lags[0], "11"), (lags[1], "10"))
    alter(t, t.topic("none"), [("remote.storage.enable", SET, "true")])


def kinds(t):
    """What can be asked for its settings, and by which name."""
    asking.create(t, "d")
    topic = {"resource_type": TOPIC, "resource_name": t.topic("d"), "configuration_keys": ["retention.ms"]}

    def of(kind, name, keys=()):
        return {"resource_type": kind, "resource_name": name, "configuration_keys": list(keys)}

    for resources in ([topic, of(77, "x")], [of(0, ""), topic], [of(-1, "1"), of(BROKER, "9")], [topic, topic],
                      [of(LOGGER, ""), of(LOGGER, "2"), of(LOGGER, "x"), topic], [of(BROKER, "2"), of(BROKER, "x")],
                      [of(METRICS, ""), of(GROUP, ""), topic], [of(BROKER, "", ["log.retention.ms"])],
                      [of(TOPIC, t.topic("d"), ["no.such.thing"]), of(BROKER, "1", ["no.such.thing"])],
                      [of(TOPIC, ""), of(TOPIC, "in valid"), of(TOPIC, t.topic("none"))]):
        t.ask("DescribeConfigs", 4, {"resources": resources})
    for kind, name in ((LOGGER, "1"), (LOGGER, "2"), (LOGGER, ""), (LOGGER, "x"), (77, "x"), (0, "x"), (BROKER, "x")):
        for operation in (SET, DELETE, APPEND, 9):
            alter(t, name, [("no.such.thing", operation, "INFO")], kind, validate_only=True)
        alter(t, name, [], kind, validate_only=True)


def rolled(t):
    """What must be compacted soon may not stay in the last file for long (LogConfig.maxSegmentMs)."""
    begun = int(time.time() * 1000) - 1_000_000
    for name, configs in (("soon", {"cleanup.policy": "compact", "max.compaction.lag.ms": 100}),
                          ("both", {"cleanup.policy": "compact,delete", "max.compaction.lag.ms": 100}),
                          ("sooner", {"cleanup.policy": "compact", "max.compaction.lag.ms": 100, "segment.ms": 40}),
                          ("kept", {"cleanup.policy": "delete", "max.compaction.lag.ms": 100})):
        asking.create(t, name, 1, [1], configs=configs)
        for after in (0, 50, 100, 101, 150, 202, 40, 303):
            asking.produce(t, name, batch(2, timestamp=begun + after), note=False)
        asking.replicated(t, name)
        for offset in range(0, asking.end(t, name)["end_offset"], 2):
            asking.fetch(t, name, offset, wait_ms=FILE_WAIT_MS)


@worlds.alone(log__retention__minutes=70, log__roll__hours=50)
def older_names(t):
    """What older names stand for, and which of them."""
    described(t, BROKER, "1", 1, [f"log.{what}.{unit}" for what in ("retention", "roll", "roll.jitter")
                                  for unit in ("ms", "minutes", "hours")])
    create(t, "d", [("segment.jitter.ms", "5")], validate_only=False)
    t.until(lambda: asking.known(t, "d", 1) == 1)
    show(t, ["retention.ms", "segment.ms", "segment.jitter.ms"])


@worlds.alone(log__retention__check__interval__ms=3000, log__initial__task__delay__ms=300)
def retained(t):
    """First what is too much goes, then what is too old: at once, though it stood behind what is young."""
    now = int(time.time() * 1000)
    for name, ages in (("covered", (0, 2, 2, 0)), ("old", (2, 2, 2, 2)), ("young", (0, 0, 0, 0)),
                       ("middle", (0, 0, 2, 0))):
        t.ask("CreateTopics", 7, {"timeout_ms": 15000, "topics": [{
            "name": t.topic(name), "num_partitions": 1, "replication_factor": 1, "assignments": [],
            "configs": [{"name": "internal.segment.bytes", "value": "100"},
                        {"name": "retention.ms", "value": "-1"}]}]}, note=False)
        t.until(lambda: asking.end(t, name, note=False)["error_code"] == 0)  # pylint: disable=cell-var-from-loop
        for days in ages:
            asking.produce(t, name, batch(1, timestamp=now - days * DAY_MS), note=False)
        alter(t, t.topic(name), [("retention.ms", SET, str(DAY_MS)),
                                 ("retention.bytes", SET, str(3 * len(batch(1))))])
        t.until(lambda: asking.offsets(t, name, -2, note=False)["offset"] > 0)  # pylint: disable=cell-var-from-loop
        time.sleep(HEARD_SECONDS)
        asking.offsets(t, name, -2)
        asking.offsets(t, name, -1)


# Of groups: right, doubtful and wrong.
OF_GROUP = [("consumer.session.timeout.ms", "45001"), ("consumer.session.timeout.ms", "44999"),
            ("consumer.session.timeout.ms", "60001"), ("consumer.session.timeout.ms", "x"),
            ("consumer.session.timeout.ms", "0"), ("consumer.heartbeat.interval.ms", "+06000"),
            ("consumer.heartbeat.interval.ms", "4999"), ("consumer.heartbeat.interval.ms", "15001"),
            ("consumer.assignment.interval.ms", "15000"), ("consumer.assignment.interval.ms", "15001"),
            ("consumer.assignor.offload.enable", "true"),
            ("share.session.timeout.ms", "50000"), ("share.heartbeat.interval.ms", "1"),
            ("share.record.lock.duration.ms", "60001"), ("share.record.lock.duration.ms", "15000"),
            ("share.delivery.count.limit", "11"), ("share.delivery.count.limit", "10"),
            ("share.partition.max.record.locks", "99"), ("share.partition.max.record.locks", "10001"),
            ("share.assignment.interval.ms", "-1"), ("share.renew.acknowledge.enable", " FALSE "),
            ("share.renew.acknowledge.enable", "no"), ("share.isolation.level", "read_committed"),
            ("share.isolation.level", "committed"), ("share.isolation.level", "READ_COMMITTED"),
            ("streams.session.timeout.ms", "60000"), ("streams.heartbeat.interval.ms", "15001"),
            ("streams.num.standby.replicas", "2"), ("streams.num.standby.replicas", "3"),
            ("streams.num.standby.replicas", "-1"), ("streams.initial.rebalance.delay.ms", "99999999"),
            ("streams.assignment.interval.ms", "15001"), ("no.such.thing", "1"), ("retention.ms", "1")]
RESETS = ["earliest", " latest ", "none", "Earliest", "by_duration", "by_duration:", "by_duration:PT1H",
          "by_duration:P1D", "by_duration:P1DT2H3M4.5S", "by_duration:PT", "by_duration:P", "by_duration:1",
          "by_duration:-PT1S", "by_duration:pt5m", "by_duration:P1H", "by_duration:PT1M1H", "by_duration:PT1.5M", ""]
OF_METRICS = [("interval.ms", "100"), ("interval.ms", "99"), ("interval.ms", "3600001"), ("interval.ms", "x"),
              ("interval.ms", " 0200"), ("metrics", "org.apache.kafka., a ,b"), ("metrics", "*"), ("metrics", ""),
              ("metrics", "a,a"), ("metrics", "a,"), ("metrics", ","), ("match", "client_id=x"),
              ("match", " client_id = a.* , client_software_name=java"), ("match", "client_id"), ("match", "who=x"),
              ("match", "client_id="), ("match", "client_id=a=b"), ("match", "client_id=a="), ("match", "=x"),
              ("match", "client_id=(x"), ("match", ""), ("no.such.thing", "1")]


def named(t, kind, changes, unlike):
    """One resource that is named before there is anything of that name; `unlike`: of what all names are listed."""
    name = t.topic("named")

    def look(keys=None):
        time.sleep(HEARD_SECONDS)
        described(t, kind, name, 2, keys)
        listed = t.ask("ListConfigResources", 1, {"resource_types": [kind]}, note=False)
        t.note("listed", [r for r in listed["config_resources"] if r["resource_name"] == name])

    look()
    for key, value in changes:
        alter(t, name, [(key, SET, value)], kind)
        look([key])
        alter(t, name, [(key, DELETE, None)], kind)
    for name_asked, configs in (("", changes[:1]), (name, [changes[0], ("no.such.thing", "1")]),
                                (name, [("no.such.thing", "1"), (changes[0][0], "x")])):
        t.ask("AlterConfigs", 2, {"resources": [{"resource_type": kind, "resource_name": name_asked, "configs": [
            {"name": key, "value": value} for key, value in configs]}]})
        alter(t, name_asked, [(key, SET, value) for key, value in configs], kind, validate_only=True)
    for operation in (APPEND, SUBTRACT, 9):
        alter(t, name, [(changes[0][0], operation, changes[0][1])], kind)
    alter(t, name, [(unlike, APPEND, "a")], kind)
    alter(t, name, [(changes[0][0], SET, None)], kind)
    alter(t, name, [], kind)
    look()
    t.ask("AlterConfigs", 2, {"resources": [{"resource_type": kind, "resource_name": name, "configs": [
        {"name": changes[0][0], "value": changes[0][1]}]}]})
    look()
    t.ask("AlterConfigs", 2, {"resources": [{"resource_type": kind, "resource_name": name, "configs": []}]})
    look()


def of_groups(t):
    """What a group is told of the protocols that are not spoken here is kept and shown all the same."""
    named(t, GROUP, OF_GROUP + [("share.auto.offset.reset", value) for value in RESETS], "share.auto.offset.reset")
    name = t.topic("pair")
    alter(t, name, [("consumer.session.timeout.ms", SET, "45000"), ("consumer.heartbeat.interval.ms", SET, "15000")],
          GROUP)
    time.sleep(HEARD_SECONDS)
    described(t, GROUP, name, 1, ["consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"])
    t.ask("ListConfigResources", 1, {"resource_types": [BROKER, LOGGER, BROKER]})
    alter(t, name, [("consumer.session.timeout.ms", DELETE, None), ("consumer.heartbeat.interval.ms", DELETE, None)],
          GROUP)


def of_metrics(t):
    """Subscriptions to clients' metrics (KIP-714) are kept, though nobody is asked for them."""
    named(t, METRICS, OF_METRICS, "match")


SCRIPTS = [shown, of_brokers, lists, long_values, together, kinds, rolled, older_names,
           retained, of_groups, of_metrics]
