"""Scripts: topics made because somebody asked for them, what one request may make, and what is refused as a whole."""

import time

import asking
import worlds
from cluster import SMALL

INTERNAL = ["__consumer_offsets", "__transaction_state", "__share_group_state"]
# What internal topics are made with.
NAMES = ["cleanup.policy", "compression.type", "min.insync.replicas", "retention.ms", "segment.bytes",
         "unclean.leader.election.enable"]
SETTLED_SECONDS = 1.5  # after which what is not there will not come
RECORDS_MAX = 10_000   # of one request at the controller


def topic(name, partitions=1, factor=1, configs=(), assignments=()):
    return {"name": name, "num_partitions": partitions, "replication_factor": factor, "assignments": assignments,
            "configs": [{"name": name, "value": value} for name, value in configs]}


def create(t, *topics, validate_only=False, version=7):
    answer = t.ask("CreateTopics", version, {"topics": list(topics), "timeout_ms": 15000,
                                             "validate_only": validate_only}, note=False)
    for told in answer["topics"]:
        told["configs"] = None  # every setting of a topic: compared elsewhere
    answer["topics"].sort(key=lambda told: told["name"])
    t.note(f"CreateTopics {[(x['name'], x['num_partitions'], len(x['configs'])) for x in topics]}", answer)


def metadata(t, *names, automatic=False, version=12, note=True):
    answer = t.ask("Metadata", version, {"topics": [{"name": name} for name in names],
                                         "allow_auto_topic_creation": automatic}, note=False)
    answer["topics"].sort(key=lambda told: told["name"])
    for told in answer["topics"]:
        told["partitions"].sort(key=lambda p: p["partition_index"])
    if note:
        t.note(f"Metadata {names} {automatic}", answer)
    return answer["topics"]


def there(t, *names):
    t.until(lambda: all(not told["error_code"] and all(p["leader_id"] >= 0 for p in told["partitions"])
                        for told in metadata(t, *names, note=False)))


def described(t, name):
    answer = t.ask("DescribeConfigs", 4, {"include_synonyms": True, "resources": [
        {"resource_type": 2, "resource_name": name, "configuration_keys": NAMES}]}, note=False)
    for config in answer["results"][0]["configs"]:
        config["synonyms"].sort(key=lambda s: (s["source"], s["name"]))
    answer["results"][0]["configs"].sort(key=lambda c: c["name"])
    t.note(f"settings of {name}", answer)


@worlds.alone(auto__create__topics__enable="true", num__partitions=2, default__replication__factor=1,
              offsets__topic__replication__factor=1, transaction__state__log__replication__factor=1,
              transaction__state__log__num__partitions=3, share__coordinator__state__topic__num__partitions=5,
              share__coordinator__state__topic__replication__factor=1, share__coordinator__state__topic__min__isr=1)
def automatic(t):
    """Topics that Metadata makes: internal ones as their coordinators would have them, none whose name collides."""
    for name in INTERNAL:
        metadata(t, name, automatic=True)
    there(t, *INTERNAL)
    metadata(t, *INTERNAL)
    for name in INTERNAL:
        described(t, name)
    create(t, topic("a_b"))
    there(t, "a_b")
    for names in (["a.b"], ["c", "c.d", "c_d"], ["a b"], [""], ["__cluster_metadata"], ["a_b", "e"]):
        metadata(t, *names, automatic=True)
    there(t, "c", "e")
    time.sleep(SETTLED_SECONDS)
    for names in (["a.b"], ["c"], ["c.d", "c_d"], ["e"], ["__cluster_metadata"]):
        metadata(t, *names)


@worlds.alone(auto__create__topics__enable="true", num__partitions=2, default__replication__factor=3,
              delete__topic__enable="false")
def disabled(t):
    """Topics that cannot be made because too few brokers are there, and topics that may not be deleted."""
    metadata(t, "few", automatic=True)
    time.sleep(SETTLED_SECONDS)
    metadata(t, "few")
    create(t, topic("kept"))
    there(t, "kept")
    topic_id = metadata(t, "kept")[0]["topic_id"]
    for version in range(1, 6):
        t.ask("DeleteTopics", version, {"topic_names": ["kept", "none", "none", ""], "timeout_ms": 15000})
    t.ask("DeleteTopics", 5, {"topic_names": [], "timeout_ms": 15000})
    t.ask("DeleteTopics", 6, {"timeout_ms": 15000, "topics": [
        {"name": "kept"}, {"name": None, "topic_id": topic_id}, {"name": None}, {"name": None},
        {"name": "kept", "topic_id": topic_id}, {"name": "none"}]})
    metadata(t, "kept")


def delete_twice(t):
    """One topic by its name and by its id."""
    first, second = asking.create(t, "first"), asking.create(t, "second")

    def delete(*topics):
        answer = t.ask("DeleteTopics", 6, {"topics": [
            {"name": name and t.topic(name), "topic_id": topic_id} for name, topic_id in topics],
            "timeout_ms": 15000}, note=False)
        answer["responses"].sort(key=lambda told: (told["name"] or "", told["error_code"], told["topic_id"] == first))
        t.note(f"DeleteTopics {[name for name, _ in topics]}", answer)

    none = "00" * 16
    delete(("first", none), (None, first))
    delete((None, first), ("first", none), ("none", none))
    delete((None, first), (None, first), ("first", none))
    delete((None, first), ("first", none), (None, second), ("second", none))
    delete((None, none), (None, none), ("first", first), ("first", first))
    asking.metadata(t, "first", "second")
    delete(("first", none), ("first", none), (None, first), (None, second))
    t.until(lambda: asking.metadata(t, "first", note=False)["topics"][0]["error_code"] == 3)
    asking.metadata(t, "first", "second")


def large_requests(t):
    """The controller makes up to 10,000 partitions, and writes up to 10,000 records, for one request."""
    a, b, c = (t.topic(name) for name in "abc")
    asking.create(t, "there")
    for topics in ([topic(a, RECORDS_MAX - 1)], [topic(a, RECORDS_MAX)], [topic(a, RECORDS_MAX + 1)],
                   [topic(a, 5000), topic(b, 4998)], [topic(a, 5000), topic(b, 4999)], [topic(a, 5000), topic(b, 5001)],
                   [topic(a, 9000), topic(b, 999, 9)], [topic(a, 9000), topic(b, 1001, 9)],
                   [topic(a, 9000), topic(b, 1001, 9), topic(c), topic(c)],
                   [topic(a, 9000), topic(b, 9000), topic(b, 1)], [topic(a, 9000), topic("__cluster_metadata", 9000)],
                   [topic(a, 9999), topic(t.topic("there"), 1)], [topic(a, 9999), topic(t.topic("there"), 2)],
                   [topic(a, 9998, 1, [("retention.ms", "1")])], [topic(a, 9999, 1, [("retention.ms", "1")])],
                   [topic(a, 9998, 1, [("retention.ms", "1"), ("segment.ms", "1")])],
                   [topic(a, 9998, 1, [("retention.ms", "1"), ("retention.ms", "2")])],
                   [topic(a, 9998, 1, [("retention.ms", "x")]), topic(b, 2)],
                   [topic(a, 9997), topic(b, -2), topic(c, -1)], [topic(a, 9998), topic(b, -2), topic(c, -1)],
                   [topic(a, 9998), topic(b, -1, -1, (), [{"partition_index": i, "broker_ids": [1]} for i in (0, 1)])],
                   [topic(a, 9998), topic(b, -1, -1, (), [{"partition_index": i, "broker_ids": [1]}
                                                          for i in (0, 1, 3)])]):
        create(t, *topics, validate_only=True)
    create(t, topic(a, 1), topic(b, 9999))
    create(t, topic(a, 1), topic(b, 10000))
    time.sleep(SETTLED_SECONDS)
    metadata(t, a, b)


def large_growth(t):
    """One list of 10,000 records for all topics of a CreatePartitions, which Kafka takes from a hash set."""
    names = "bca"  # as they come from there
    for name in names:
        asking.create(t, name)
    for counts in ([10001], [10002], [9000, 1002], [9000, 1003], [9000, 1002, 2], [10001, 1, 2], [10002, 5]):
        answer = t.ask("CreatePartitions", 3, {"validate_only": True, "timeout_ms": 15000, "topics": [
            {"name": t.topic(name), "count": count, "assignments": None} for name, count in zip(names, counts)]},
            note=False)
        t.note(f"CreatePartitions {counts}", answer)
    asking.metadata(t, "a", "b", "c")


@worlds.alone()
def grown(t):
    """What was written down before the list was full is made, though the topic's answer is an error."""
    create(t, topic("a"), topic("b"))
    there(t, "a", "b")
    t.ask("CreatePartitions", 3, {"timeout_ms": 15000, "topics": [
        {"name": name, "count": count, "assignments": None} for name, count in (("a", 10), ("b", 10_002))]})
    t.until(lambda: len(metadata(t, "b", note=False)[0]["partitions"]) > 1)
    t.note("partitions", [len(told["partitions"]) for told in metadata(t, "a", "b", note=False)])


@worlds.alone(auto__create__topics__enable="true", num__partitions=4000, default__replication__factor=1,
              offsets__topic__replication__factor=1)
def too_many_at_once(t):
    """Partitions count though their topic's name collides and none of them is made."""
    create(t, topic("a_b"))
    there(t, "a_b")
    metadata(t, "a.b", "c", "d", automatic=True)
    time.sleep(SETTLED_SECONDS)
    metadata(t, "a.b", "c", "d")


def metadata_of_cluster(t):
    """The log of the metadata is no topic that anybody makes, and dots are underscores."""
    create(t, topic("__cluster_metadata"))
    create(t, topic("__cluster_metadata", 0), topic(t.topic("other")), topic("__cluster_metadata"))
    create(t, topic("__cluster_metadata"), topic(t.topic("other_one")), topic(t.topic("other.one")), version=5)
    create(t, topic(t.topic("other_one")), topic(t.topic("other.one")), topic(t.topic("other.two")),
           validate_only=True)


# Of brokers: what is not modelled (docs/BROKER.md), and what the harness itself sets for real ones.
OTHER_SETTINGS = ("sasl.", "ssl.", "remote.", "principal.builder.class", "log.dirs", "process.roles", "node.id",
                  "broker.id", "listener", "advertised.listeners", "inter.broker.listener.name", "controller.", *SMALL)


def broker_settings(t):
    """Every setting of a broker that nobody has set."""
    answer = t.ask("DescribeConfigs", 4, {"include_synonyms": False, "resources": [
        {"resource_type": 4, "resource_name": "1", "configuration_keys": None}]}, note=False)
    configs = {config["name"]: config for config in answer["results"][0]["configs"]}
    t.note("settings", {name: config for name, config in configs.items()
                        if config["config_source"] == 5 and not name.startswith(OTHER_SETTINGS)})


SCRIPTS = [automatic, broker_settings, disabled, delete_twice, large_requests, large_growth, grown,
           too_many_at_once, metadata_of_cluster]
