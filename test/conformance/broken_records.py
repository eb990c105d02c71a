"""Scripts made from a seed: Produce with records as no producer writes them: damaged, cut, miscounted, of old formats,
in codecs that are none, with fields of headers and records as nobody would fill them. Most are one step from right.
"""

import random
import struct
import time
import zlib

import asking
from batches import NOBODY, batch, crc32c, damaged, varint

STEPS = 140
TIME = int(time.time() * 1000) - 1_000_000  # the same in both worlds
DAY_MS = 86_400_000
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
TOPICS = {"plain": {}, "compact": {"cleanup.policy": "compact"}, "append": {"message.timestamp.type": "LogAppendTime"},
          "gzip": {"compression.type": "gzip"}, "un": {"compression.type": "uncompressed"},
          "small": {"max.message.bytes": 400}, "recent": {"message.timestamp.before.max.ms": DAY_MS}}
SNAPPY_HEADER = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
LZ4_HEADER = bytes.fromhex("04224d18604082")
ZSTD_HEADER = bytes.fromhex("28b52ffd20")


def snappy_block(data):
    """One literal; the size of it first."""
    size, n = b"", len(data)
    while n > 127:
        size, n = size + bytes([n & 127 | 128]), n >> 7
    return size + bytes([n]) + (bytes([61 << 2]) + struct.pack("<H", len(data) - 1) + data if data else b"")


def squeezed(codec, data):
    """As the codec packs it, though without making it smaller but for gzip; short data only."""
    if codec == GZIP:
        compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
        return compressor.compress(data) + compressor.flush()
    if codec == SNAPPY:
        block = snappy_block(data)
        return SNAPPY_HEADER + struct.pack(">i", len(block)) + block
    if codec == LZ4:
        return LZ4_HEADER + struct.pack("<I", len(data) | 1 << 31) + data + bytes(4)
    if codec == ZSTD:
        return ZSTD_HEADER + bytes([min(len(data), 255)]) + struct.pack("<I", len(data) << 3 | 1)[:3] + data
    return data


def old_message(magic, offset, key, value, timestamp, attributes=0):
    """A message of format 0 or 1."""
    def sized(data):
        return struct.pack(">i", -1 if data is None else len(data)) + (data or b"")
    body = struct.pack(">bb", magic, attributes) + (struct.pack(">q", timestamp) if magic else b"")
    body += sized(key) + sized(value)
    body = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", offset, len(body)) + body


class Walk:
    """One run of random records."""

    def __init__(self, t, seed):
        self.t, self.random = t, random.Random(seed)
        for name, configs in TOPICS.items():
            asking.create(t, name, 1, [1], configs)
        self.sequence = dict.fromkeys(TOPICS, 0)

    def rare(self, usual, *others, chance=0.08):
        return self.random.choice(others) if self.random.random() < chance else usual

    def size(self, data):
        return self.rare(varint(-1 if data is None else len(data)), varint(-2), varint(100), varint(1 << 30),
                         b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", chance=0.02) + (data or b"")

    def record(self, delta):
        """One that is nearly right."""
        choose = self.random.choice
        key = self.rare(b"k", None, b"", chance=0.2)
        value = self.rare(b"v" * choose((1, 20, 60)), None, b"", chance=0.2)
        body = self.rare(b"\0", b"\1", b"\xff", chance=0.03)
        body += varint(self.rare(0, 5, -5, 1 << 40, -(1 << 62), DAY_MS * 2, -DAY_MS * 2, chance=0.15)) + varint(delta)
        body += self.size(key) + self.size(value)
        headers = [(b"h", b"x")] * choose((0, 0, 0, 1, 2))
        body += varint(self.rare(len(headers), -1, len(headers) + 1, 1 << 30, chance=0.03))
        body += b"".join(self.size(k) + self.size(v) for k, v in headers)
        if self.random.random() < 0.02:
            body += b"more"
        length = self.rare(len(body), len(body) - 1, len(body) + 1, -1, 0, 1000, chance=0.03)
        return varint(length) + body

    def records(self, codec):
        """Offsets within an uncompressed batch rise: others are not modelled (docs/BROKER.md)."""
        count = self.random.choice((0, 1, 1, 1, 2, 3, 3, 5))
        deltas = list(range(count))
        if self.random.random() < 0.05:
            deltas = [2 * d for d in deltas]
        elif codec != NONE and self.random.random() < 0.05:
            self.random.shuffle(deltas)
        return deltas, b"".join(self.record(d) for d in deltas)

    def packed(self, codec, data):
        """Compressed; sometimes what cannot be unpacked, or not as it says."""
        if self.random.random() < 0.05:
            return self.random.choice((data, b"", b"\0" * 40, b"garbage" * 9))
        done = squeezed(self.rare(codec, GZIP, LZ4, ZSTD, chance=0.02), data)
        if codec != NONE and len(data) > 40 and self.random.random() < 0.08:
            done = self.random.choice((done[:-3], done[:len(done) // 2],
                                       damaged(done, self.random.randrange(len(done)))))
        return done

    def producer(self, topic):
        if self.random.random() < 0.6:
            return NOBODY
        return self.random.choice(((asking.OUR_ID, 0, self.sequence[topic]),) * 5 + (
            (asking.OUR_ID, 0, -1), (asking.OUR_ID, -1, 0), (-1, 0, 0), (-1, -1, 5), (-5, 0, 0),
            (asking.OUR_ID, 0, 9999), (asking.OUR_ID, -3, 0), (asking.OUR_ID, 1, 0),
            (asking.OUR_ID + 1, 0, 2147483647)))

    def batch(self, topic):
        """One that is nearly right, as bytes; and how it would move its producer."""
        codec = self.random.choice((NONE, NONE, NONE, NONE, GZIP, SNAPPY, LZ4, ZSTD))
        deltas, plain = self.records(codec)
        attributes = codec | self.rare(0, 0x08, 0x10, 0x20, 0x30, 0x40, 0x80, 0x1000, -0x8000, 5, 7, chance=0.1)
        last = self.rare(len(deltas) - 1, -1, 0, len(deltas), 2147483647, -2147483648, chance=0.06)
        count = self.rare(len(deltas), -1, 0, len(deltas) + 1, 2147483647, chance=0.06)
        first_time = self.rare(TIME, -1, 0, -2, 1 << 62, -(1 << 63), TIME + 4 * DAY_MS, TIME - 4 * DAY_MS, chance=0.15)
        last_time = self.rare(first_time, -1, 0, first_time ^ 1, chance=0.1)
        producer = self.producer(topic)
        covered = struct.pack(">hiqqqhii", attributes, last, first_time, last_time, *producer, count)
        covered += self.packed(codec, plain)
        header = struct.pack(
            ">qiib", self.rare(0, 1, -1, 5, chance=0.04),
            self.rare(len(covered) + 9, len(covered) + 8, len(covered) + 10, 0, 13, 14, -1, 49, chance=0.04),
            self.rare(-1, 0, 7, -2, chance=0.1), self.rare(2, 0, 1, 3, -1, chance=0.04))
        header += struct.pack(">I", crc32c(covered) ^ self.rare(0, 1, chance=0.03))
        return header + covered, producer, len(deltas)

    def old(self):
        """Of formats 0 and 1."""
        magic, count = self.random.randint(0, 1), self.random.choice((1, 1, 2, 3))
        data = b"".join(old_message(magic, i, b"k", b"v", TIME) for i in range(count))
        if self.random.random() < 0.3:
            return old_message(magic, count - 1, None, squeezed(GZIP, data), TIME, GZIP)
        return self.rare(data, damaged(data), data[:-2], data + batch(1, timestamp=TIME), chance=0.3)

    def around(self, data):
        """What stands beside a batch, or is missing of it."""
        return self.random.choice((data + data, data + b"\0", data + b"\0" * 30, data[:-1], data[:17], data[:12],
                                   data[:5], data[:61], data[:60], b"\0" * 61 + data, data + data[:20], b"",
                                   damaged(data, self.random.randrange(len(data)))))

    def produce(self):
        topic = self.random.choice(list(TOPICS))
        data, producer, count = self.batch(topic)
        draw = self.random.random()
        if draw < 0.06:
            data = self.old()
        elif draw < 0.14:
            data = self.around(data)
        version = self.random.choice((3, 5, 7, 8, 9, 10, 11, 12))
        answer = asking.produce(self.t, topic, data, version=version, note=False)
        self.t.note(f"Produce v{version} to {topic} {data.hex()}", answer)
        if answer and answer["error_code"] == 0 and producer[:2] == (asking.OUR_ID, 0) and producer[2] >= 0:
            self.sequence[topic] = producer[2] + count

    def read(self, topic):
        """The whole log. What the broker compressed is compared as it was before."""
        offset, found = 0, []
        while True:  # times far apart begin new segments on a broker, where a fetch ends
            answer = asking.fetch(self.t, topic, offset, note=False)
            if not answer["records"]:
                break
            found += answer["records"]
            offset = found[-1]["last"] + 1
        for b in found:
            if topic == "gzip":
                packed = b["payload"] if isinstance(b["payload"], str) else ""
                b["payload"] = packed and zlib.decompress(bytes.fromhex(packed), 31).hex()
        self.t.note(f"the log of {topic}", found)

    def ask(self):
        topic = self.random.choice(list(TOPICS))
        asking.end(self.t, topic)
        asking.producers(self.t, topic)


def script(seed):
    """The script of that seed."""
    def run(t):
        walk = Walk(t, seed)
        for _ in range(STEPS):
            walk.random.choices((walk.produce, walk.ask), (12, 1))[0]()
        for topic in TOPICS:
            asking.producers(t, topic)
            walk.read(topic)
    return run
