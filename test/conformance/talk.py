"""Talking to a cluster, and remembering every answer in a form that can be compared with another cluster's.

What differs from run to run (ids that brokers make, addresses, the time) is replaced by names in the order of
appearance, so that two clusters that behave alike give equal transcripts.
"""

import socket
import struct
import time

import messages

ANSWER_SECONDS_MAX = 20
NEAR_NOW_MS = 600_000
# Fields whose values a cluster makes up: replaced by the kind and the order of appearance.
MADE_UP = {"topic_id": "topic", "producer_id": "producer", "member_id": "member", "leader": "member",
           "cluster_id": "cluster", "session_id": "session", "host": "host", "port": "port",
           "client_host": "host"}
UNORDERED = ("partition_responses",)  # brokers answer these in any order
ANY_NODE = ("controller_id",)         # brokers of KRaft clusters name any of them
KEPT = (None, "", -1, 0, messages.NO_UUID)


def _made_up(field, value):
    """Not a value that says there is none; a group's leader is a member id, a partition's a number."""
    if field == "producer_id":
        return value != -1
    return value not in KEPT and not (field == "leader" and isinstance(value, int))


class HungUp(Exception):
    """The broker closed the connection."""


class Connection:
    """One connection to one broker."""

    def __init__(self, address, client_id="conformance"):
        self.socket = socket.create_connection(address, 10)
        self.socket.settimeout(ANSWER_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client_id = client_id
        self.sent = []  # (api, version, correlation id) without an answer

    def send(self, api, version, values):
        correlation = 1000 + len(self.sent) + id(self) % 1000
        frame = messages.request_header(api, version, correlation, self.client_id)
        frame += messages.encode(api, version, values)
        self.send_bytes(struct.pack(">i", len(frame)) + frame)
        self.sent.append((api, version, correlation))

    def send_bytes(self, data):
        self.socket.sendall(data)

    def _exactly(self, size):
        data = bytearray()
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise HungUp()
            data += piece
        return bytes(data)

    def receive(self):
        api, version, correlation = self.sent.pop(0)
        size, = struct.unpack(">i", self._exactly(4))
        return messages.decode(api, version, self._exactly(size), correlation)

    def call(self, api, version, values):
        self.send(api, version, values)
        return self.receive()

    def close(self):
        self.socket.close()


class Talk:
    """One script's conversation with one world: its connections, and the transcript."""

    def __init__(self, world, prefix):
        self.world, self.prefix = world, prefix
        self.transcript = []
        self.names = {}  # (kind, value) -> its name
        self.connections = {}
        for node, (host, port) in world.addresses.items():
            self.names["port", port] = f"port of {node}"
            self.names["host", host] = "host"

    def topic(self, name):
        """Topics of one script are its own."""
        return f"{self.prefix}-{name}"

    def connection(self, node=1, name=""):
        key = node, name
        if key not in self.connections:
            self.connections[key] = Connection(self.world.addresses[node])
        return self.connections[key]

    def hang_up(self, node=1, name=""):
        self.connections.pop((node, name)).close()

    def ask(self, api, version, values, node=1, name="", note=True):
        """Asks, and notes the answer; the answer as it came (None when the broker hung up)."""
        try:
            answer = self.connection(node, name).call(api, version, values)
        except HungUp:
            self.hang_up(node, name)
            answer = None
        if note:
            self.note(f"{api} v{version}", answer)
        return answer

    def note(self, what, answer):
        self.transcript.append((what, self.tame(answer)))

    def until(self, condition, seconds=20):
        """Waits for something that both worlds reach, each in its own time; what was asked is not noted."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "did not become true"
            time.sleep(0.05)

    def name(self, kind, value):
        if (kind, value) not in self.names:
            self.names[kind, value] = f"{kind} {sum(k == kind for k, _ in self.names) + 1}"
        return self.names[kind, value]

    def order(self, kind, value):
        """For sorting: what has a name comes first, in the order of names, and then the values that are alike."""
        named = (kind, value) in self.names
        return not named, list(self.names).index((kind, value)) if named else value

    def tame(self, value, field=None):
        """A copy with names instead of what the cluster made up."""
        if isinstance(value, dict):
            return {key: self.tame(v, key) for key, v in value.items()}
        if isinstance(value, list):
            tamed = [self.tame(v, field) for v in value]
            return sorted(tamed, key=lambda v: v["index"]) if field in UNORDERED else tamed
        if isinstance(value, bytes):
            return value.hex()
        if field in MADE_UP and _made_up(field, value):
            return self.name(MADE_UP[field], value)
        if field in ANY_NODE:
            return "a node"
        now = time.time() * 1000
        if isinstance(value, int) and abs(value - now) < NEAR_NOW_MS:
            return "about now"
        return value

    def close(self):
        for connection in self.connections.values():
            connection.close()
