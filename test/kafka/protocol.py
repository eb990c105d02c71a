"""A small raw client of the Kafka protocol: reads leaders, epochs and log ends, and appends foreign batches."""

import base64
import gzip
import socket
import struct
import time
import uuid

from crc32c import crc32c

PRODUCE, LIST_OFFSETS, METADATA, OFFSET_FETCH, OFFSET_FOR_LEADER_EPOCH = 0, 2, 3, 9, 23
EARLIEST, LATEST = -2, -1
BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")
GZIP, TRANSACTIONAL, CONTROL, DELETE_HORIZON = 0x01, 0x10, 0x20, 0x40


class Refused(Exception):
    """A broker answered an error code."""

    def __init__(self, what, code):
        super().__init__(f"{what}: error {code}")
        self.code = code


class Reader:
    """Takes the fields of a response one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values if len(values) > 1 else values[0]

    def bytes(self, size):
        value = self.data[self.at:self.at + max(size, 0)]
        self.at += len(value)
        return value

    def string(self):
        return self.bytes(self.take("h")).decode()

    def array(self, read):
        return [read() for _ in range(max(self.take("i"), 0))]


def string(text):
    """A nullable string of a non-flexible version."""
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text)) + text.encode()


def array(*items):
    return struct.pack(">i", len(items)) + b"".join(items)


def varint(n):
    n = (n << 1) ^ (n >> 63)
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def batch(values, base=0, attributes=0, producer=(-1, -1, -1), timestamp=None):
    """One batch of keyless records. `producer` is (id, epoch, first sequence); of the codecs GZIP may be asked for."""
    timestamp = int(time.time() * 1000) if timestamp is None else timestamp
    records = bytearray()
    for delta, value in enumerate(values):
        record = b"\0\0" + varint(delta) + b"\1" + varint(len(value)) + value + b"\0"
        records += varint(len(record)) + record
    if attributes & GZIP:
        records = gzip.compress(records, 1)
    last = len(values) - 1
    covered = struct.pack(">hiqqqhii", attributes, last, timestamp, timestamp, *producer, len(values)) + records
    return struct.pack(">qiibI", base, len(covered) + 9, -1, 2, crc32c(covered)) + covered


class Connection:
    """One connection to one broker; requests go one at a time."""

    def __init__(self, address, timeout=10):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _receive(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise ConnectionError("the broker closed the connection")
            data += piece
        return bytes(data)

    def call(self, api, version, body):
        self.correlation += 1
        request = struct.pack(">hhi", api, version, self.correlation) + string("odraz-test") + body
        self.socket.sendall(struct.pack(">i", len(request)) + request)
        size, = struct.unpack(">i", self._receive(4))
        reader = Reader(self._receive(size))
        assert reader.take("i") == self.correlation
        return reader

    def metadata(self, topics=()):
        """(addresses by broker id, {topic: {partition: (leader, leader epoch, replicas, in sync)}})."""
        names = array(*map(string, topics)) if topics is not None else struct.pack(">i", -1)
        r = self.call(METADATA, 7, names + b"\0")
        r.take("i")
        brokers = {}
        for _ in range(r.take("i")):
            node, host, port = r.take("i"), r.string(), r.take("i")
            r.bytes(r.take("h"))
            brokers[node] = f"{host}:{port}"
        r.string()
        r.take("i")
        found = {}
        for _ in range(r.take("i")):
            error, name, _internal = r.take("h"), r.string(), r.take("b")
            partitions = {}
            for _ in range(r.take("i")):
                _error, index, leader, epoch = r.take("hiii")
                partitions[index] = (leader, epoch, *(r.array(lambda: r.take("i")) for _ in range(2)))
                r.array(lambda: r.take("i"))
            if error == 0:
                found[name] = partitions
        return brokers, found

    def list_offsets(self, topic, partitions, timestamp):
        """{partition: offset}; a partition that this broker does not lead is missing."""
        body = struct.pack(">ib", -1, 0) + array(string(topic) + array(*(struct.pack(">iiq", p, -1, timestamp)
                                                                        for p in partitions)))
        r = self.call(LIST_OFFSETS, 5, body)
        r.take("ii")
        r.string()
        answers = [r.take("ihqqi") for _ in range(r.take("i"))]
        return {p: offset for p, error, _time, offset, _epoch in answers if error == 0}

    def epoch_end(self, topic, partition, epoch):
        """The log end (not the high watermark) when asked with the current epoch: (epoch, end)."""
        body = struct.pack(">i", -1) + array(string(topic) + array(struct.pack(">iii", partition, epoch, epoch)))
        r = self.call(OFFSET_FOR_LEADER_EPOCH, 3, body)
        r.take("ii")
        r.string()
        r.take("i")
        error, _partition, answered, end = r.take("hiiq")
        if error:
            raise Refused(f"OffsetForLeaderEpoch {topic}-{partition}", error)
        return answered, end

    def append(self, topic, partition, data, acks=-1):
        """Produces one batch as it is; answers its base offset."""
        body = string(None) + struct.pack(">hi", acks, 10000) + array(
            string(topic) + array(struct.pack(">ii", partition, len(data)) + data))
        r = self.call(PRODUCE, 7, body)
        r.take("i")
        r.string()
        r.take("i")
        _partition, error, base = r.take("ihq")
        if error:
            raise Refused(f"Produce {topic}-{partition}", error)
        return base


    def committed(self, group):
        """{(topic, partition): offset} of all that was ever committed for the group; -1 says that there is none."""
        r = self.call(OFFSET_FETCH, 2, string(group) + struct.pack(">i", -1))
        found = {}
        for _ in range(r.take("i")):
            topic = r.string()
            for _ in range(r.take("i")):
                partition, offset = r.take("iq")
                r.string()
                error = r.take("h")
                if error:
                    raise Refused(f"OffsetFetch {group} {topic}-{partition}", error)
                found[topic, partition] = offset
        error = r.take("h")
        if error:
            raise Refused(f"OffsetFetch {group}", error)
        return found


def random_uuid():
    """A uuid as Kafka prints it; a leading dash would look like an option to its tools."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def brokers_seen_by(address):
    """Addresses by broker id, as the broker at `address` knows them."""
    with Connection(address, 2) as connection:
        return connection.metadata()[0]
