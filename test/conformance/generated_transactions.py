"""Scripts made from a seed: transactions of two producers on two partitions, in both versions and mixed, nearly right.
"""

import random

import asking
from batches import batch
from coordinators import Producer, committed, coordinator, neighbour
from second_version import SecondVersion

STEPS = 70
LATER = (14, 51)  # COORDINATOR_LOAD_IN_PROGRESS, CONCURRENT_TRANSACTIONS


class Walk:
    """One run of random steps."""

    def __init__(self, t, seed):
        self.t, self.random = t, random.Random(seed)
        asking.create(t, "t", 2, [1, 1])
        self.group = t.topic("group")
        self.node = coordinator(t, self.group)
        self.producers = [SecondVersion(t, name) for name in "ab"]
        for p in self.producers:
            p.init()
        self.offset = 0

    def near(self, n, low=0):
        """Mostly n, sometimes a little off."""
        return max(low, n + self.random.choice((0,) * 14 + (1, -1, 3)))

    def one(self):
        return self.random.choice(self.producers)

    def write(self):
        p, partition = self.one(), self.random.randrange(2)
        changed = {"epoch": self.near(p.epoch), "sequence": self.near(p.sequence.get(("t", partition), 0))}
        if self.random.random() < 0.04:
            changed["transactional_id"] = self.random.choice((neighbour(self.t, p.id), "", None))
        p.write("t", self.random.randint(1, 3), partition, version=self.random.choice((9, 11, 12, 12, 12)), **changed)

    def plain(self):
        asking.produce(self.t, "t", batch(1), self.random.randrange(2))

    def add(self):
        p = self.one()
        p.add("t", self.random.choice(((0,), (1,), (0, 1), (0, 9))), v3_and_below_producer_epoch=self.near(p.epoch))

    def end(self):
        p, commit, version = self.one(), self.random.random() < 0.6, self.random.choice((3, 5, 5))
        pid = p.pid
        if self.random.random() < 0.12:
            p.ask("EndTxn", version, {**p.me(), "producer_epoch": p.epoch + self.random.choice((1, -1)),
                                      "committed": commit})
        elif version == 5:
            p.end(commit)
        else:
            Producer.end(p, commit)
        self.finished(p, pid)

    def finished(self, p, pid):
        """Waits until what was ended is written everywhere; another producer's may be open."""
        def written():
            asked = self.t.ask("DescribeTransactions", 0, {"transactional_ids": [p.id]}, p.node, note=False)
            if asked["transaction_states"][0]["transaction_state"] == "Ongoing":
                return True
            return p.over() and not any(
                a["producer_id"] == pid and a["current_txn_start_offset"] >= 0 for partition in (0, 1)
                for a in asking.producers(self.t, "t", partition, 1, False)["topics"][0]["partitions"][0][
                    "active_producers"])
        self.t.until(written)
        for partition in (0, 1):
            asking.replicated(self.t, "t", partition)

    def init(self):
        p = self.one()
        self.begin_anew(p, {"producer_id": p.pid, "producer_epoch": self.near(p.epoch)} if self.random.random() < 0.5
                        else {})

    def begin_anew(self, p, known):
        """InitProducerId, which ends what is open."""
        old = p.pid
        values = {"transactional_id": p.id, "transaction_timeout_ms": 60000, **known}
        answer = None

        def done():
            nonlocal answer
            answer = p.ask("InitProducerId", 4, values, False)
            return answer["error_code"] not in LATER

        self.t.until(done)
        self.t.note("InitProducerId", answer)
        if answer["error_code"] == 0:
            p.pid, p.epoch, p.sequence = answer["producer_id"], answer["producer_epoch"], {}
        self.finished(p, old)

    def commit_offset(self):
        self.offset += 1
        self.one().commit_offset(self.group, self.node, self.offset, version=self.random.choice((3, 4, 5, 5)))

    def ask(self):
        partition = self.random.randrange(2)
        self.random.choice((
            lambda: self.one().describe(),
            lambda: asking.producers(self.t, "t", partition),
            lambda: asking.offsets(self.t, "t", -1, partition, isolation=1),
            lambda: asking.fetch(self.t, "t", self.random.randint(0, 20), partition, isolation=1),
            lambda: committed(self.t, self.group, self.t.topic("t"), node=self.node),
        ))()

    def step(self):
        draws = ((self.write, 45), (self.plain, 4), (self.add, 8), (self.end, 16), (self.init, 4),
                 (self.commit_offset, 6), (self.ask, 20))
        self.random.choices([d for d, _ in draws], [weight for _, weight in draws])[0]()


def script(seed):
    """The script of that seed."""
    def run(t):
        walk = Walk(t, seed)
        for _ in range(STEPS):
            walk.step()
        for p in walk.producers:
            walk.begin_anew(p, {})
        for partition in (0, 1):
            asking.fetch(t, "t", 0, partition)
    return run
