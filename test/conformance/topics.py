"""Scripts: versions, topics, metadata, settings."""

import time

import asking
import batches
import messages


def api_versions(t):
    """What is offered, for the APIs both our schema and the model know."""
    for version in (0, 1, 2, 3, 4):
        answer = t.ask("ApiVersions", version, {"client_software_name": "odraz", "client_software_version": "1"} if
                       version > 2 else {}, note=False)
        ours = set(messages.KEYS.values())
        known = [a for a in answer["api_keys"] if a["api_key"] in ours]
        for api in known:  # newer versions than our schema's say nothing
            newest = next(m for m, _ in messages.APIS.values() if m.key == api["api_key"]).high
            api["max_version"] = min(api["max_version"], newest)
        t.note(f"ApiVersions v{version}", {"error_code": answer["error_code"],
                                           "api_keys": {str(a["api_key"]): a for a in known}})


def unknown_version(t):
    """KIP-511: ApiVersions answers in version 0; everything else hangs up."""
    connection = t.connection()
    frame = messages.request_header("ApiVersions", 4, 7, "x") + b"\2o\2o\0"
    frame = frame[:2] + b"\0\x63" + frame[4:]
    connection.send_bytes(len(frame).to_bytes(4, "big") + frame)
    connection.sent.append(("ApiVersions", 0, 7))
    answer = connection.receive()
    t.note("ApiVersions v99", {"error_code": answer["error_code"], "offered": len(answer["api_keys"]) > 0})
    t.ask("Metadata", 12, {"topics": []}, note=False)


def garbage(t):
    """Whoever does not speak Kafka is hung up on."""
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\4abcd", b"\x7f\xff\xff\xff", b"\0\0\0\0",
                 b"\0\0\0\x0a" + b"\0\3\x7f\xff" + b"\0\0\0\1" + b"\0\0"):
        connection = t.connection(1, "garbage")
        connection.send_bytes(data)
        connection.sent.append(("Metadata", 0, 0))
        try:
            connection.receive()
            t.note(repr(data), "answered")
        except Exception as problem:  # pylint: disable=broad-except  (its kind is what is noted)
            t.note(repr(data), type(problem).__name__)
        t.hang_up(1, "garbage")


def bytes_behind(t):
    """Nobody minds what stands behind a request's last field; one that ends too early is hung up on."""
    for api, version, values in (("Metadata", 1, {"topics": []}), ("Metadata", 13, {"topics": []}),
                                 ("ApiVersions", 0, {}), ("Heartbeat", 4, {"group_id": t.topic("nobody")}),
                                 ("FindCoordinator", 4, {"key_type": 0, "coordinator_keys": [t.topic("nobody")]})):
        whole = messages.request_header(api, version, 7, "x") + messages.encode(api, version, values)
        for frame in (whole + b"\1\2\3", whole[:-1]):
            connection = t.connection(1, "bytes")
            connection.send_bytes(len(frame).to_bytes(4, "big") + frame)
            connection.sent.append((api, version, 7))
            try:
                connection.receive()
                t.note(f"{api} v{version}", "answered")
            except Exception as problem:  # pylint: disable=broad-except  (its kind is what is noted)
                t.note(f"{api} v{version}", type(problem).__name__)
            t.hang_up(1, "bytes")


def create_topics(t):
    """Every way to be refused."""
    def topic(name, partitions=1, factor=3, assignments=(), configs=()):
        return {"name": name, "num_partitions": partitions, "replication_factor": factor,
                "assignments": list(assignments), "configs": [{"name": k, "value": v} for k, v in configs]}

    good, twice = t.topic("good"), t.topic("twice")
    for topics in ([topic(good)], [topic(good)], [topic(twice), topic(twice)], [topic("a/b")], [topic("")],
                   [topic("x" * 250)], [topic(".")], [topic(t.topic("p0"), 0)], [topic(t.topic("p-2"), -2)],
                   [topic(t.topic("rf0"), 1, 0)], [topic(t.topic("rf9"), 1, 9)],
                   [topic(t.topic("both"), 1, 1, [{"partition_index": 0, "broker_ids": [1]}])],
                   [topic(t.topic("gap"), -1, -1, [{"partition_index": 1, "broker_ids": [1]}])],
                   [topic(t.topic("dup"), -1, -1, [{"partition_index": 0, "broker_ids": [1, 1]}])],
                   [topic(t.topic("nobody"), -1, -1, [{"partition_index": 0, "broker_ids": [77]}])],
                   [topic(t.topic("empty"), -1, -1, [{"partition_index": 0, "broker_ids": []}])],
                   [topic(t.topic("c1"), 1, 3, (), [("no.such.thing", "1")])],
                   [topic(t.topic("c2"), 1, 3, (), [("retention.ms", "soon")])],
                   [topic(t.topic("c3"), 1, 3, (), [("cleanup.policy", "burn")])],
                   [topic(t.topic("c4"), 1, 3, (), [("max.message.bytes", "-1")])],
                   [topic(t.topic("c5"), 1, 3, (), [("min.insync.replicas", "0")])],
                   [topic(t.topic("default"), -1, -1)], [topic(t.topic("ok"), 2, 1), topic("a b")]):
        answer = t.ask("CreateTopics", 7, {"topics": topics, "timeout_ms": 15000}, note=False)
        for told in answer["topics"]:
            told["configs"] = None  # every broker setting: compared by describe_configs()
        answer["topics"].sort(key=lambda a: a["name"])
        t.note(f"CreateTopics {[x['name'] for x in topics]}", answer)
    t.ask("CreateTopics", 5, {"topics": [topic(t.topic("dry"))], "timeout_ms": 15000, "validate_only": True},
          note=False)
    asking.metadata(t, "dry")


def metadata(t):
    """Known, unknown, all versions, by id, all of them."""
    topic_id = asking.create(t, "m", 3)
    for version in range(1, 14):
        t.ask("Metadata", version, {"topics": [{"name": t.topic("m")}, {"name": t.topic("unknown")}],
                                    **({"allow_auto_topic_creation": False} if version > 3 else {})})
    t.ask("Metadata", 12, {"topics": [{"name": None, "topic_id": topic_id}]})
    t.ask("Metadata", 12, {"topics": [{"name": None, "topic_id": "ab" * 16}]})
    t.ask("Metadata", 12, {"topics": []})
    t.ask("Metadata", 12, {"topics": [{"name": "in valid"}], "allow_auto_topic_creation": False})
    everything = t.ask("Metadata", 12, {"topics": None}, note=False)
    t.note("mine", [x for x in everything["topics"] if x["name"] == t.topic("m")])
    t.ask("DescribeCluster", 0, {})
    t.ask("DescribeCluster", 1, {"include_cluster_authorized_operations": True})


def topic_partitions(t):
    """DescribeTopicPartitions: pieces, cursors, unknown names, all of them."""
    asking.create(t, "a", 3)
    asking.create(t, "b", 2)
    asking.create(t, "c")
    mine = [t.topic(name) for name in "abc"]

    def describe(names, limit=2000, cursor=None, note=True):
        values = {"topics": [{"name": name} for name in names], "response_partition_limit": limit,
                  "cursor": cursor and {"topic_name": cursor[0], "partition_index": cursor[1]}}
        answer = t.ask("DescribeTopicPartitions", 0, values, note=False)
        if note:
            t.note(f"DescribeTopicPartitions {names} {limit} {cursor}", answer)
        return answer

    describe(mine)
    for names in (mine[::-1] + mine[:1], [t.topic("zz"), t.topic("bb"), mine[1], "__consumer_offsets-not"],
                  [mine[1], "in valid"], [mine[1], ""], ["x" * 250]):
        describe(names)
    describe([mine[1], "in valid"], 1)
    for limit in (0, -5, 1, 2, 3, 4, 5, 6):
        describe(mine, limit)
        describe([t.topic("aa"), mine[0], t.topic("zz")], limit)
    for at in (mine[0], 1), (mine[0], 3), (mine[0], 9), (mine[1], 0), (mine[2], 1), (t.topic("bb"), 0), (mine[1], -1):
        describe(mine, cursor=at)
        describe(mine, 1, at)
        describe(mine, 2, at)
    describe(mine, cursor=(mine[0], (1 << 31) - 1))
    answer, everything = {"next_cursor": {"topic_name": "", "partition_index": 0}}, []
    while answer["next_cursor"]:
        at = answer["next_cursor"]
        answer = describe([], 2, (at["topic_name"], at["partition_index"]), note=False)
        everything += answer["topics"]
    t.note("mine, of all", [topic for topic in everything if topic["name"] in mine])


def create_partitions(t):
    """Growing, and every refusal."""
    asking.create(t, "g", 2)
    for count, assignments in ((2, None), (1, None), (0, None), (4, None), (5, [{"broker_ids": [3, 1, 2]}]),
                               (6, [{"broker_ids": [3]}]), (7, [{"broker_ids": [1, 2, 3]}] * 3)):
        t.ask("CreatePartitions", 3, {"topics": [{"name": t.topic("g"), "count": count, "assignments": assignments}],
                                      "timeout_ms": 15000})
    t.ask("CreatePartitions", 3, {"topics": [{"name": t.topic("none"), "count": 3, "assignments": None}],
                                  "timeout_ms": 15000})
    t.until(lambda: asking.known(t, "g", 1) == 5)


def delete_topics(t):
    """A topic made again is another topic."""
    first = asking.create(t, "d")
    for name in ("d", "none"):
        t.ask("DeleteTopics", 5, {"topic_names": [t.topic(name)], "timeout_ms": 15000})
    t.until(lambda: asking.metadata(t, "d", note=False)["topics"][0]["error_code"] == 3)
    second = asking.create(t, "d")
    t.note("another topic", first != second)
    asking.end(t, "d")
    t.ask("DeleteTopics", 6, {"topics": [{"name": None, "topic_id": first}], "timeout_ms": 15000})
    t.ask("DeleteTopics", 6, {"topics": [{"name": None, "topic_id": second}], "timeout_ms": 15000})


NAMES = ["cleanup.policy", "compression.type", "delete.retention.ms", "max.message.bytes", "message.timestamp.type",
         "message.timestamp.after.max.ms", "message.timestamp.before.max.ms", "min.insync.replicas", "retention.bytes",
         "retention.ms", "segment.bytes", "unclean.leader.election.enable"]


def _configs(t, synonyms):
    resource = {"resource_type": 2, "resource_name": t.topic("c"), "configuration_keys": NAMES}
    answer = t.ask("DescribeConfigs", 4, {"resources": [resource], "include_synonyms": synonyms}, note=False)
    for result in answer["results"]:
        for config in result["configs"]:
            config["synonyms"].sort(key=lambda s: (s["source"], s["name"]))
        result["configs"].sort(key=lambda c: c["name"])
    t.note("DescribeConfigs", answer)


def configs(t):
    """Reading and changing the settings of a topic."""
    asking.create(t, "c", configs={"retention.ms": 1000000})
    _configs(t, True)
    for name, operation, value in (("retention.ms", 0, "2000000"), ("retention.ms", 1, None),
                                   ("cleanup.policy", 2, "compact"), ("cleanup.policy", 3, "delete"),
                                   ("retention.ms", 0, "x"), ("no.such", 0, "1"), ("max.message.bytes", 2, "5"),
                                   ("retention.ms", 9, "5"), ("min.insync.replicas", 0, "2")):
        change = {"name": name, "config_operation": operation, "value": value}
        t.ask("IncrementalAlterConfigs", 1, {"resources": [{
            "resource_type": 2, "resource_name": t.topic("c"), "configs": [change]}]})
    t.until(lambda: _minimum(t) == "2")
    _configs(t, False)
    t.ask("IncrementalAlterConfigs", 1, {"resources": [{
        "resource_type": 2, "resource_name": t.topic("none"), "configs": []}]})
    t.ask("DescribeConfigs", 4, {"resources": [
        {"resource_type": 2, "resource_name": t.topic("none"), "configuration_keys": None}]})
    broker = {"resource_type": 4, "resource_name": "1", "configuration_keys": ["producer.id.expiration.ms",
                                                                              "message.max.bytes"]}
    answer = t.ask("DescribeConfigs", 4, {"resources": [broker]}, note=False)
    answer["results"][0]["configs"].sort(key=lambda c: c["name"])
    t.note("DescribeConfigs of a broker", answer)


def _minimum(t):
    resource = {"resource_type": 2, "resource_name": t.topic("c"), "configuration_keys": ["min.insync.replicas"]}
    answer = t.ask("DescribeConfigs", 4, {"resources": [resource]}, note=False)
    return answer["results"][0]["configs"][0]["value"]


def security(t):
    """There is no authorizer."""
    for version in (1, 3):
        t.ask("DescribeAcls", version, {"resource_type_filter": 1, "resource_name_filter": None,
                                        "principal_filter": None, "host_filter": None, "operation": 1,
                                        "permission_type": 1})
        creation = {"resource_type": 2, "resource_name": "x", "principal": "User:u", "host": "*", "operation": 3,
                    "permission_type": 3}
        t.ask("CreateAcls", version, {"creations": [creation] * 2})
        t.ask("DeleteAcls", version, {"filters": [{
            "resource_type_filter": 1, "resource_name_filter": None, "principal_filter": None, "host_filter": None,
            "operation": 1, "permission_type": 1}]})


def credentials(t):
    """Credentials for SCRAM are kept and described, whatever the listeners are."""
    def alter(deletions=(), upsertions=()):
        answer = t.ask("AlterUserScramCredentials", 0, {
            "deletions": [{"name": name, "mechanism": mechanism} for name, mechanism in deletions],
            "upsertions": [{"name": name, "mechanism": mechanism, "iterations": iterations, "salt": b"salt",
                            "salted_password": password} for name, mechanism, iterations, password in upsertions]},
                       note=False)
        answer["results"].sort(key=lambda u: u["user"])
        t.note(f"{deletions} {upsertions}", answer)
        for users in (None, [], ["u"], ["u", "u"], ["u", "v", "u"], ["v"]):
            users = users and [{"name": name} for name in users]
            time.sleep(0.2)
            answer = t.ask("DescribeUserScramCredentials", 0, {"users": users}, note=False)
            answer["results"].sort(key=lambda u: u["user"])
            for user in answer["results"]:
                user["credential_infos"].sort(key=lambda i: i["mechanism"])
            t.note(f"credentials of {users}", answer)

    alter()
    alter(upsertions=[("u", 1, 4096, b"x"), ("v", 2, 16384, b"x")])
    alter(upsertions=[("u", 1, 4095, b"x"), ("v", 1, 16385, b"x"), ("", 1, 4096, b"x"), ("w", 0, 4096, b"x")])
    alter(upsertions=[("u", 2, 4096, b"")])
    alter([("v", 1), ("w", 1), ("", 1), ("u", 3), ("u", 1)])
    alter([("u", 1), ("u", 2)], [("v", 2, 5000, b"x"), ("v", 1, 5000, b"x")])
    alter([("u", 1)], [("u", 2, 5000, b"x"), ("v", 2, 5000, b"x")])
    alter([("u", 2)], [("u", 2, 5000, b"x")])
    alter(upsertions=[("u", 2, 5000, b""), ("u", 1, 5000, b"x")])
    alter(upsertions=[("u", 2, 7000, b"x")])
    alter([("u", 1)])
    alter([("u", 2), ("v", 2)])


def log_dirs(t):
    """What a broker holds, in bytes; the folder and the disk are its own."""
    asking.create(t, "l", 2)
    asking.produce(t, "l", batches.batch(5), partition=1, node=2)
    asking.replicated(t, "l", 1, 2)
    mine = [{"topic": t.topic("l"), "partitions": [1, 0, 7]}, {"topic": t.topic("none"), "partitions": [0]}]
    for version in (1, 2, 3, 4, 5):
        for topics in (mine, None, []):
            answer = t.ask("DescribeLogDirs", version, {"topics": topics}, note=False)
            for told in answer["results"]:
                told["log_dir"] = told["total_bytes"] = told["usable_bytes"] = "its own"
                told["topics"] = [topic for topic in told["topics"] if topic["name"].startswith(t.prefix)]
                for topic in told["topics"]:
                    topic["partitions"].sort(key=lambda p: p["partition_index"])
            t.note(f"DescribeLogDirs v{version}", answer)
    t.ask("ListPartitionReassignments", 0, {"topics": None})
    t.ask("ListPartitionReassignments", 0, {"topics": [{"name": t.topic("l"), "partition_indexes": [0]}]})


def config_resources(t):
    """What can be asked for its settings."""
    asking.create(t, "r")
    for version, types in ((0, None), (1, []), (1, [2]), (1, [4]), (1, [8]), (1, [16]), (1, [32]), (1, [4, 4]),
                           (1, [2, 77]), (1, [0]), (1, [-1])):
        answer = t.ask("ListConfigResources", version, {"resource_types": types} if version else {}, note=False)
        resources = sorted((r.get("resource_type"), r["resource_name"]) for r in answer.pop("config_resources"))
        t.note(f"ListConfigResources v{version} of {types}", {**answer, "resources": [
            r for r in resources if r[0] != 2 or r[1] == t.topic("r")]})


SCRIPTS = [api_versions, unknown_version, garbage, bytes_behind, security, credentials, log_dirs, config_resources,
           create_topics, metadata, topic_partitions, create_partitions, delete_topics, configs]
