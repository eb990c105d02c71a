"""Scripts made from a seed: members of one group that join, synchronize, leave, restart and lose their connections in
any order, mostly as clients do, sometimes with generations, ids, instances and protocols that are not theirs.

What is answered at some time is waited for after each step: nothing here ends by a time-out.
"""

import random
import select

from coordinators import LOADING, TYPE, coordinator, described

STEPS = 70
NAMES = "abcd"
STATIC = {"c": "instance-c", "d": "instance-d"}
QUIET_SECONDS = 0.25  # then nothing more is answered
LONG_MS = 600_000     # no session and no rebalance ends by itself
JOIN, SYNC = "JoinGroup", "SyncGroup"
REBALANCE_IN_PROGRESS, MEMBER_ID_REQUIRED = 27, 79
LOST = (22, 25, 82)  # ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID
# The first of two is the same: which of equally wanted ones a group takes is up to a hash map on a broker.
PROTOCOLS = (("range",), ("range",), ("range", "rr"), ("range", "rr"), ("rr",), ("other",), ())


class Member:
    """A client, as far as it knows where it is."""

    def __init__(self, name):
        self.name, self.instance = name, STATIC.get(name)
        self.id, self.generation, self.next, self.waits = "", -1, JOIN, None
        self.members, self.lives = [], 0

    def connection(self):
        return f"{self.name}{self.lives}"


class Walk:
    """One run of random steps."""

    def __init__(self, t, seed):
        self.t, self.random = t, random.Random(seed)
        self.group = t.topic("group")
        self.node = coordinator(t, self.group)
        self.all = [Member(name) for name in NAMES]
        self.leader = ""
        t.until(self.is_loaded)

    def is_loaded(self):
        answer = self.t.ask("DescribeGroups", 5, {"groups": [self.group]}, self.node, note=False)
        return answer["groups"][0]["error_code"] not in LOADING

    def odd(self, usual, *others):
        return self.random.choice(others) if self.random.random() < 0.05 else usual

    def any_id(self, m):
        """Mostly one's own."""
        return self.odd(m.id, "", "nobody", self.random.choice(self.all).id)

    def generation(self, m):
        return self.odd(m.generation, m.generation + 1, m.generation - 1, -1, 0)

    def instance(self, m):
        return self.odd(m.instance, None, "instance-c", "nobody")

    # What may be answered later ---------------------------------------------------------------------------------------

    def send(self, m, api, version, values):
        self.t.connection(self.node, m.connection()).send(api, version, values)
        m.waits = api
        self.t.note(f"{m.name} sends {api} v{version} {self.t.tame(values)}", None)
        self.settle()

    def settle(self):
        """Reads all that is answered until nobody answers any more."""
        while True:
            waiting = {self.t.connection(self.node, m.connection()).socket: m for m in self.all if m.waits}
            ready = select.select(list(waiting), [], [], QUIET_SECONDS)[0] if waiting else []
            if not ready:
                return
            select.select([], [], [], 0.1)  # others' answers are on their way: names are given in one order
            ready, _, _ = select.select(list(waiting), [], [], 0)
            for m in sorted((waiting[s] for s in ready), key=lambda m: m.name):
                self.receive(m)

    def receive(self, m):
        api, m.waits = m.waits, None
        answer = self.t.connection(self.node, m.connection()).receive()
        code = answer["error_code"]
        if api == JOIN:
            m.members = [x["member_id"] for x in sorted(answer["members"], key=lambda x: x["metadata"])]
            answer["members"].sort(key=lambda x: x["metadata"])
            if code in (0, MEMBER_ID_REQUIRED):
                m.id = answer["member_id"]
            if code == 0:
                m.generation, m.next, self.leader = answer["generation_id"], SYNC, answer["leader"]
        elif code == 0:
            m.next = None
        self.t.note(f"{m.name} hears of {api}", answer)
        self.failed(m, code)

    @staticmethod
    def failed(m, code):
        if code in LOST:
            m.id, m.next = "", JOIN
        elif code == REBALANCE_IN_PROGRESS:
            m.next = JOIN

    def join(self, m):
        version = self.random.choice((5, 7, 9, 9, 9))  # older ones give no id before they answer
        protocols = self.random.choice(PROTOCOLS[:4]) if self.random.random() < 0.9 else self.random.choice(PROTOCOLS)
        values = {"group_id": self.group, "session_timeout_ms": LONG_MS, "rebalance_timeout_ms": LONG_MS,
                  "member_id": self.any_id(m), "protocol_type": self.odd(TYPE, "connect", ""),
                  "protocols": [{"name": p, "metadata": f"{m.name}-{p}".encode()} for p in protocols],
                  "group_instance_id": self.instance(m)}
        self.send(m, JOIN, version, values)

    def sync(self, m):
        version = self.random.choice((3, 5, 5))
        values = {"group_id": self.group, "generation_id": self.generation(m), "member_id": self.any_id(m),
                  "assignments": [{"member_id": x, "assignment": f"part {i}".encode()}
                                  for i, x in enumerate(self.odd(m.members, [], ["nobody"]))]}
        values["group_instance_id"] = self.instance(m)
        if version >= 5:
            values["protocol_type"] = self.odd(TYPE, "connect", None)
            values["protocol_name"] = self.odd("range", "rr", None)
        self.send(m, SYNC, version, values)

    # What is answered at once -----------------------------------------------------------------------------------------

    def ask(self, m, api, version, values):
        answer = self.t.ask(api, version, values, self.node)
        if answer and m:
            self.failed(m, answer.get("error_code", 0))
        self.settle()

    def heartbeat(self, m):
        self.ask(m, "Heartbeat", 4, {"group_id": self.group, "generation_id": self.generation(m),
                                     "member_id": self.any_id(m), "group_instance_id": self.instance(m)})

    def leave(self, m):
        who = [{"member_id": self.any_id(m), "group_instance_id": self.instance(m), "reason": None}]
        if self.random.random() < 0.2:
            who.append({"member_id": "nobody", "group_instance_id": None, "reason": "x"})
        leader = next((x for x in self.all if x.id == self.leader), None)
        if leader and (leader.id in (who[0]["member_id"], m.id) or
                       leader.instance and who[0]["group_instance_id"] == leader.instance):
            return  # who leads then is up to a hash map on a broker
        self.ask(None, "LeaveGroup", 5, {"group_id": self.group, "members": who})
        if not m.waits:
            m.id, m.next = "", JOIN

    def commit(self, m):
        self.ask(m, "OffsetCommit", 8, {
            "group_id": self.group, "generation_id_or_member_epoch": self.generation(m), "member_id": self.any_id(m),
            "group_instance_id": self.instance(m), "topics": [{"name": self.t.topic("x"), "partitions": [
                {"partition_index": 0, "committed_offset": 1}]}]})

    def restart(self, m):
        """The connection is lost, and with it what was to be answered; a client with an instance comes back as it."""
        if (self.node, m.connection()) in self.t.connections:
            self.t.hang_up(self.node, m.connection())
        m.waits, m.lives = None, m.lives + 1
        if self.random.random() < 0.5:
            m.id, m.next = "", JOIN
        self.t.note(f"{m.name} restarts", None)

    def step(self):
        m = self.random.choice(self.all)
        draw = self.random.random()
        if draw < 0.06:
            self.restart(m)
        elif draw < 0.12:
            self.leave(m)
        elif draw < 0.16:
            self.commit(m)
        elif draw < 0.22 or m.waits:
            self.random.choice((lambda: described(self.t, self.group, self.node), lambda: self.heartbeat(m)))()
        elif draw < 0.27:
            self.random.choice((self.join, self.sync))(m)
        else:
            {JOIN: self.join, SYNC: self.sync, None: self.heartbeat}[m.next](m)


def script(seed):
    """The script of that seed."""
    def run(t):
        walk = Walk(t, seed)
        for _ in range(STEPS):
            walk.step()
        described(t, walk.group, walk.node)
    return run
