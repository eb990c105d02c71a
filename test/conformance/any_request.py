"""Scripts made from a seed: requests of any kind and version, with fields as nobody would fill them: null, empty,
negative, huge, unknown. What they would change that belongs to others too is only validated."""

import random
import time

import asking
import messages
from batches import batch, damaged
from coordinators import coordinator, neighbour

STEPS = 120
BOUNDS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}
TRANSACTIONAL = ("AddOffsetsToTxn", "AddPartitionsToTxn", "DescribeTransactions", "EndTxn", "InitProducerId")
OF_GROUPS = ("DeleteGroups", "DescribeGroups", "Heartbeat", "JoinGroup", "LeaveGroup", "OffsetCommit",
             "OffsetDelete", "OffsetFetch", "SyncGroup", "TxnOffsetCommit")
OTHERS = ("AlterConfigs", "CreatePartitions", "CreateTopics", "DeleteRecords", "DeleteTopics",
          "DescribeCluster", "DescribeConfigs", "DescribeProducers", "DescribeTopicPartitions",
          "ElectLeaders", "Fetch", "Fetch", "FindCoordinator", "IncrementalAlterConfigs", "ListOffsets",
          "ListPartitionReassignments", "Metadata",
          "OffsetForLeaderEpoch", "Produce", "WriteTxnMarkers")
# Not left to chance: followers and time-outs are not what this is about, and others' things are not touched.
FIXED = {"replica_id": -1, "replica_state": None, "timeout_ms": 5000, "max_wait_ms": 0, "validate_only": True,
         "session_timeout_ms": 10000, "rebalance_timeout_ms": 10000, "resource_type": 2,
         "allow_auto_topic_creation": False, "include_topic_authorized_operations": False,
         "include_cluster_authorized_operations": False,
         "transaction_timeout_ms": 60000, "verify_only": True, "include_documentation": False, "enable2_pc": False,
         "keep_prepared_txn": False, "transactional_id_pattern": None,
         "duration_filter": -1, "assignments": [], "rack_id": ""}
SETTINGS = ("retention.ms", "cleanup.policy", "max.message.bytes", "min.insync.replicas", "no.such")
TIME = int(time.time() * 1000) - 1_000_000  # the same in both worlds
LOADING = (14, 51)  # until then nothing is known


class Walk:
    """One run of random requests."""

    def __init__(self, t, seed):
        self.t, self.random = t, random.Random(seed)
        self.groups = self.keys(t.topic("group"))
        self.ids = self.keys(t.topic("tx"))
        self.group_node = coordinator(t, self.groups[0])
        self.id_node = coordinator(t, self.ids[0], 1)
        self.topic_id = asking.create(t, "x", 2, [1, 2])
        self.fresh = 0
        self.sessions = []  # of Fetch: (id, epoch)

    def keys(self, key):
        """Keys of one coordinator: where the others are differs."""
        return [key, key, key, neighbour(self.t, key)]

    def text(self, api, field):
        if field in ("group_id", "groups", "groups_names", "group") or (field == "key" and api == "FindCoordinator"):
            return self.random.choice(self.groups)
        if "transactional_id" in field:
            return self.random.choice(self.ids)
        if field in ("coordinator_keys",):
            return self.random.choice(self.groups)
        if field in ("name", "topic", "topic_names") and api == "DeleteTopics":
            return self.t.topic("none")
        if field in ("name", "topic", "topics", "resource_name") and "Config" not in api:
            return self.random.choice([self.t.topic("x")] * 6 + [self.t.topic("none"), "", "in valid", "x" * 250])
        if field == "resource_name":
            return self.random.choice([self.t.topic("x")] * 6 + [self.t.topic("none"), "", "in valid"])
        if "Config" in api:
            return self.random.choice(SETTINGS + ("1000", "compact", "x", ""))
        return self.random.choice(("", "x", "range", "a b", "é", "y" * 3000, "consumer", "Stable"))

    def number(self, kind, field):
        if "partition" in field and "count" not in field or field in ("index", "partitions"):
            return self.random.choice((0, 0, 0, 0, 1, 2, -1, 2147483647))
        top = 1 << BOUNDS[kind]
        low = (0, 0, 1, -1, 2, 3, 5)
        return self.random.choice(low * 2 + (top - 1, -top, 1000 % top))

    def one(self, api, field):
        if field.name.endswith("producer_id"):
            return self.random.choice((asking.OUR_ID, asking.OUR_ID + 1, -1, -7, 1 << 40))
        if field.name == "coordinator_epoch":
            return self.random.choice((-1, 0, 0, 1, 2, 1000, -2, -(1 << 31)))
        if field.name == "transaction_version":
            return self.random.randint(0, 2)
        if field.name == "isolation_level":
            return self.random.choice((0, 0, 0, 0, 1, 1, 1, 1, 2, -1, 127))
        if field.name == "producer_epoch":
            return self.random.choice((-1, 0, 0, 1, 2, 32767, -2))
        if field.name == "acks":
            return self.random.choice((-1, -1, -1, 2))  # what is not replicated yet would be seen or not
        if field.name == "num_partitions":
            return self.random.choice((-1, 0, 1, 3, -2))
        if field.name == "replication_factor":
            return self.random.choice((-1, 0, 1, 3, 4))
        if field.name == "count":
            return self.random.choice((3, 4, 2, 0, -1))
        if field.name == "config_operation":
            return self.random.randint(0, 3)
        if field.name in FIXED:
            return FIXED[field.name]
        if field.element:
            return self.struct(api, field.element)
        if field.type == "bool":
            return self.random.random() < 0.5
        if field.type == "float64":
            return self.random.choice((0.0, -1.0, 1e9))
        if field.type == "uuid":
            return self.random.choice((self.topic_id, self.topic_id, "cd" * 16, messages.NO_UUID))
        if field.type == "records":
            good = batch(self.random.randint(1, 3), timestamp=TIME)
            # Not null: of a partition that is there that is never answered.
            return self.random.choice((good, good, good, b"", damaged(good), good + good, good[:30]))
        if field.type == "bytes":
            return self.random.choice((b"", b"x", b"\0" * 2000))
        if field.type == "string":
            return self.text(api, field.name)
        return self.number(field.type, field.name)

    def whole(self, api, field):
        nullable = field.nullable[0] <= field.nullable[1]
        if field.type in ("string", "bytes") or field.array:
            if field.type != "records" and self.random.random() < (0.1 if nullable else 0.004):
                return None
        if not field.array or field.optional:
            return self.one(api, field)
        if field.name in FIXED:
            return FIXED[field.name]
        values = [self.one(api, field) for _ in range(self.random.choice((0, 1, 1, 1, 1, 1, 2, 3)))]
        for name in ("topic_id", next(iter(field.element and {f.name: 0 for f in field.element.fields} or {"": 0}))):
            values = list({repr(v.get(name, i)) if isinstance(v, dict) else v: v
                           for i, v in enumerate(values)}.values())
        return values

    def struct(self, api, described):
        return {f.name: self.whole(api, f) for f in described.fields if f.tag is None}

    def request(self):
        api = self.random.choice(TRANSACTIONAL + OF_GROUPS + OTHERS)
        request = messages.APIS[api][0]
        version = self.random.randint(request.low, request.high)
        values = self.struct(api, request)
        node = self.group_node if api in OF_GROUPS else self.id_node if api in TRANSACTIONAL else 1
        self.tell(api, version, self.sane(api, values), node)

    def sane(self, api, values):
        """What would wait, or list what is not ours."""
        if api == "JoinGroup":
            self.fresh += 1
            values["group_id"] = neighbour(self.t, self.groups[0], f"join{self.fresh}-")
        if api == "Fetch" and self.sessions and self.random.random() < 0.7:
            values["session_id"], epoch = self.random.choice(self.sessions[-4:])
            values["session_epoch"] = self.random.choice((epoch, epoch, epoch, epoch, epoch + 1, 0, -1))
        if api == "Metadata":  # of more the order is a hash map's
            values["topics"] = (values["topics"] or [{}])[:1]
        if api == "JoinGroup":
            for protocol in values["protocols"] or []:
                protocol["name"] = protocol["name"] or "range"
        if api == "DeleteTopics":
            for topic in values["topics"] or []:
                topic["topic_id"] = "cd" * 16
        if api == "WriteTxnMarkers":  # some with more are never answered
            values["markers"] = (values["markers"] or [])[:1]
        if api == "AddPartitionsToTxn":  # without any it is never answered
            values["transactions"] = values["transactions"] or [{}]
        if api in ("Metadata", "ElectLeaders", "ListPartitionReassignments"):
            field = "topic_partitions" if api == "ElectLeaders" else "topics"
            values[field] = values[field] or [{}]
        if api == "DescribeConfigs":
            for resource in values["resources"] or []:
                resource["configuration_keys"] = resource["configuration_keys"] or ["retention.ms"]
        return values

    def tell(self, api, version, values, node):
        """Asks, and notes an answer whose order may be that of Java's hash maps."""
        answer = None

        def settled():
            nonlocal answer
            answer = self.t.ask(api, version, values, node, note=False)
            return answer is None or answer.get("error_code", 0) not in LOADING

        self.t.until(settled)
        if api == "InitProducerId" and answer:
            answer["producer_id"] = -1  # made up, and may be one that is asked about
        if api == "Fetch" and answer:
            self.fetched(values, answer)
        self.t.transcript.append((f"{api} v{version} {self.t.tame(values)!r:.5000}",
                                  self.sorted(api, self.t.tame(answer))))

    def fetched(self, values, answer):
        """Remembers the session, and reads the records."""
        asking.read(self.t, answer)
        if answer.get("session_id", 0) > 0 and answer["error_code"] == 0:
            self.sessions = [s for s in self.sessions if s[0] != answer["session_id"]]
            self.sessions.append((answer["session_id"], max(0, values["session_epoch"]) + 1))

    def sorted(self, api, value):
        if isinstance(value, list):
            values = [self.sorted(api, v) for v in value]
            return sorted(values, key=self.order)
        if isinstance(value, dict):
            for made_up in ("node_id", "host", "port") if api == "FindCoordinator" else ():
                value.pop(made_up, None)
            return {key: self.sorted(api, v) for key, v in value.items()}
        return value

    @staticmethod
    def order(value):
        if not isinstance(value, dict):
            return repr(value)
        return repr([(k, v) for k, v in value.items() if isinstance(v, (int, str, type(None))) and
                     k not in ("member_id", "port", "error_message")])


def script(seed):
    """The script of that seed."""
    def run(t):
        walk = Walk(t, seed)
        for _ in range(STEPS):
            walk.request()
        asking.end(t, "x")
        asking.fetch(t, "x", 0)
    return run
