"""Scripts made from a seed: topics that are deleted and made anew under the same name, and clients that go on with what
they knew of the old ones: ids, sessions of fetches, sequences, epochs, offsets.
"""

import random
import time

import asking
import messages
from asking import OUR_ID
from batches import batch
from coordinators import coordinator

STEPS = 110
NAMES = ("a", "b")
TIME = int(time.time() * 1000) - 1_000_000
PRODUCERS = 2


class Walk:
    """One run of random steps."""

    def __init__(self, t, seed):
        self.t, self.random = t, random.Random(seed)
        self.ids = {name: [] for name in NAMES}  # from the oldest on
        self.alive = dict.fromkeys(NAMES, False)
        self.leader = self.random.randint(1, 3)  # of all: what a session reads elsewhere lags
        self.sequence = {}
        self.sessions = []  # (node, id, epoch, version)
        self.group = t.topic("group")
        self.group_node = coordinator(t, self.group)
        for name in NAMES:
            self.make(name)

    # Topics -----------------------------------------------------------------------------------------------------------

    def make(self, name):
        partitions = self.random.randint(1, 2)
        self.ids[name].append(asking.create(self.t, name, partitions, [self.leader] * partitions))
        self.alive[name] = True

    def delete(self, name):
        by_id = self.random.random() < 0.5
        topic = {"name": None, "topic_id": self.ids[name][-1]} if by_id else {"name": self.t.topic(name)}
        self.t.ask("DeleteTopics", 6, {"topics": [topic], "timeout_ms": 15000})
        for node in (1, 2, 3):
            self.t.until(lambda: asking.known(self.t, name, node) == 0)  # pylint: disable=cell-var-from-loop
        self.t.until(lambda: not any(self.committed(name, note=False)))
        self.alive[name] = False

    def remake(self):
        name = self.random.choice(NAMES)
        if self.alive[name]:
            self.delete(name)
        if self.random.random() < 0.8:
            self.make(name)

    # What clients do --------------------------------------------------------------------------------------------------

    def one(self):
        """A topic, one of its ids (mostly the newest), a partition, the leader."""
        name = self.random.choice(NAMES)
        ids = self.ids[name]
        topic_id = self.random.choice([ids[-1]] * 3 + ids + [messages.NO_UUID])
        return name, topic_id, self.random.choice((0, 0, 0, 1)), self.leader

    def astray(self, node):
        return self.random.choice((node,) * 6 + (1, 2, 3))

    def produce(self):
        name, topic_id, partition, node = self.one()
        who = self.random.randrange(PRODUCERS)
        key = name, partition, who
        producer = (OUR_ID + who, 0, self.sequence.get(key, 0)) if self.random.random() < 0.7 else (-1, -1, -1)
        count, version = self.random.randint(1, 3), self.random.choice((9, 12, 13, 13))
        topic = {"topic_id": topic_id} if version > 12 else {"name": self.t.topic(name)}
        topic["partition_data"] = [{"index": partition, "records": batch(count, producer, timestamp=TIME)}]
        answer = self.t.ask("Produce", version, {"acks": -1, "timeout_ms": 5000, "topic_data": [topic]},
                            self.astray(node))
        if answer["responses"][0]["partition_responses"][0]["error_code"] == 0 and producer[0] >= 0:
            self.sequence[key] = producer[2] + count

    def fetch(self):
        """With or without a session; on the leader, as followers lag."""
        name, topic_id, partition, node = self.one()
        version = self.random.choice((7, 11, 12, 13, 16, 18))
        topic = {"topic_id": topic_id} if version > 12 else {"topic": self.t.topic(name)}
        topic["partitions"] = [{"partition": partition, "fetch_offset": self.random.choice((0, 0, 1, 5)),
                                "current_leader_epoch": self.random.choice((-1, -1, -1, 0, 1)),
                                "partition_max_bytes": 1 << 20}]
        session = {"session_id": 0, "session_epoch": self.random.choice((0, -1))}
        topics = [topic]
        mine = [s for s in self.sessions if (s[3] > 12) == (version > 12) or self.random.random() < 0.1]
        if mine and self.random.random() < 0.7:
            chosen = self.random.choice(mine[-3:])
            node, session = chosen[0], {"session_id": chosen[1], "session_epoch": chosen[2]}
            topics = self.random.choice(([], [], topics))
        answer = self.t.ask("Fetch", version, {"max_wait_ms": 0, "min_bytes": 1, "topics": topics, **session}, node,
                            note=False)
        self.answered(node, version, session, answer)

    def answered(self, node, version, session, answer):
        asking.read(self.t, answer)
        self.t.note(f"Fetch v{version} {self.t.tame(session)}", answer)
        if answer["session_id"] and answer["error_code"] == 0:
            self.sessions = [s for s in self.sessions if s[1] != answer["session_id"]]
            self.sessions.append((node, answer["session_id"], session["session_epoch"] + 1, version))

    def ask(self):
        name, topic_id, partition, node = self.one()
        node = self.astray(node)
        by_id = self.random.random() < 0.5
        topic = {"name": None, "topic_id": topic_id} if by_id else {"name": self.t.topic(name)}
        self.random.choice((
            lambda: self.t.ask("Metadata", 12, {"topics": [topic], "allow_auto_topic_creation": False}, node),
            lambda: asking.end(self.t, name, partition, node, epoch=0, current=self.random.choice((-1, 0, 1))),
            lambda: asking.offsets(self.t, name, self.random.choice((-1, -2, -3, TIME)), partition, node,
                                   epoch=self.random.choice((-1, 0, 1))),
            lambda: asking.producers(self.t, name, partition, node),
            lambda: self.t.ask("DeleteRecords", 2, {"timeout_ms": 10000, "topics": [
                {"name": self.t.topic(name), "partitions": [{"partition_index": partition, "offset": 1}]}]}, node),
            lambda: self.t.ask("DescribeConfigs", 4, {"resources": [{
                "resource_type": 2, "resource_name": self.t.topic(name), "configuration_keys": ["retention.ms"]}]},
                               node),
        ))()

    def marker(self):
        name, _, partition, node = self.one()
        asking.markers(self.t, name, OUR_ID, self.random.choice((0, 0, 1)), 0, partitions=(partition,), node=node)

    # Offsets ----------------------------------------------------------------------------------------------------------

    def commit(self):
        name, topic_id, partition, _ = self.one()
        version = self.random.choice((8, 9, 10, 10))
        topic = {"topic_id": topic_id} if version > 9 else {"name": self.t.topic(name)}
        topic["partitions"] = [{"partition_index": partition, "committed_offset": self.random.randint(1, 9)}]
        self.t.ask("OffsetCommit", version, {"group_id": self.group, "topics": [topic]}, self.group_node)

    def committed(self, name, note=True):
        topic = {"name": self.t.topic(name), "partition_indexes": [0, 1]}
        answer = self.t.ask("OffsetFetch", 8, {"groups": [{"group_id": self.group, "topics": [topic]}]},
                            self.group_node, note=note)
        return [p["committed_offset"] >= 0 for p in answer["groups"][0]["topics"][0]["partitions"]]

    def ask_committed(self):
        name, topic_id, _, _ = self.one()
        if self.random.random() < 0.5:
            self.committed(name)
            return
        topics = [{"topic_id": topic_id, "partition_indexes": [0, 1]}]
        self.t.ask("OffsetFetch", 10, {"groups": [{"group_id": self.group, "topics": topics}]}, self.group_node)

    def step(self):
        draws = ((self.produce, 30), (self.fetch, 30), (self.ask, 18), (self.marker, 3), (self.commit, 10),
                 (self.ask_committed, 8), (self.remake, 6))
        self.random.choices([d for d, _ in draws], [weight for _, weight in draws])[0]()


def script(seed):
    """The script of that seed."""
    def run(t):
        walk = Walk(t, seed)
        for _ in range(STEPS):
            walk.step()
    return run
