#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets, most of them from the golden vectors: test/fuzz/corpus.py FOLDER."""

import glob
import gzip
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "test", "kafka"))
from crc32c import crc32c  # noqa: E402

# Which API belongs to which target is also in messages.c; one that is missing here has no seed, and replay says so.
FAMILIES = {
    "data": "produce fetch list_offsets offset_for_leader_epoch delete_records",
    "groups": "offset_commit offset_fetch find_coordinator join_group heartbeat leave_group sync_group describe_groups "
              "list_groups delete_groups offset_delete consumer_group_heartbeat consumer_group_describe",
    "transactions": "init_producer_id add_partitions_to_txn add_offsets_to_txn end_txn write_txn_markers "
                    "txn_offset_commit describe_producers describe_transactions list_transactions",
    "admin": "create_topics delete_topics create_partitions describe_configs alter_configs incremental_alter_configs "
             "describe_acls create_acls delete_acls describe_client_quotas alter_client_quotas "
             "describe_user_scram_credentials alter_user_scram_credentials elect_leaders describe_log_dirs "
             "list_config_resources list_partition_reassignments",
    "metadata": "metadata api_versions describe_cluster describe_topic_partitions",
    "sasl": "sasl_handshake sasl_authenticate",
}
FAMILY_OF = {api: family for family, apis in FAMILIES.items() for api in apis.split()}
CORRELATION_ID = 7          # as in messages.c
HEADER_SIZE = 61
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
ASKED = ("metadata", "init_producer_id", "list_offsets", "fetch")   # by connection.c, in this order

SETTINGS = {
    "small": "clusters = a, b\na.bootstrap.servers = one:9092\nb.bootstrap.servers=two:9092,[::1]:9093\n"
             "a->b.enabled = true\n",
    "usual": "# a comment\n! another\nclusters = a, b\na.bootstrap.servers = k-1:9092, k-2:9092\n"
             "b.bootstrap.servers : k-3:9092\na->b.enabled = true\na->b.topics = orders.*, \\\n    pay\\u006dents\n"
             "b->a.enabled = false\nreplication.policy.class = Identity\nreplication.factor = 3\n",
    "wrong": "clusters = a, a, \nx->y.enabled = maybe\na.bootstrap.servers = :0\nreplication.factor = 99999999999999\n"
             "a->b.topics = [\nkey\\uD83D\\uDE00 = \\uD800\nsasl.jaas.config = secret\n",
}
PATTERNS = ("orders.*\norders-1", "a|b|\nb", "(?i)ORDERS\norders", "[a-z&&[^b]]\na", "\\Qa.b\\E\na.b",
            "(a+)+$\naaaaaaaa!", "(?<x>a)\\k<x>\naa", "\\p{L}{2,5}\nüé", "^.{0,9}(?!x)\nabc", "x*+y\nxxy",
            "(?:(?:a|b)*c)*\nabcabc", "\\C\na")


class Corpus:
    """Writes seeds below a folder."""

    def __init__(self, folder):
        self.folder = folder

    def add(self, target, name, data):
        """One seed of a target."""
        os.makedirs(os.path.join(self.folder, target), exist_ok=True)
        with open(os.path.join(self.folder, target, name), "wb") as file:
            file.write(data)


def schemas():
    """{API: (key, first flexible version)}"""
    found = {}
    for path in glob.glob(os.path.join(ROOT, "src", "wire", "schema", "*.schema")):
        with open(path, encoding="utf-8") as file:
            match = re.search(r"^request (\w+) (\d+) versions \S+( flexible (\d+)\+)?", file.read(), re.MULTILINE)
        found[match.group(1)] = (int(match.group(2)), int(match.group(4) or 0x7fff))
    return found


def vectors():
    """(API, request or response, version, variant, bytes) of every golden vector."""
    with open(os.path.join(ROOT, "test", "vectors", "messages.txt"), encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                message, version, variant, data = line.rstrip("\n").split(" ")
                api, kind = message.rsplit("_", 1)
                yield api, kind, int(version), variant, bytes.fromhex(data)


def response_header(api, version, flexible, correlation_id):
    """Version 1 has tags, but ApiVersions never has them (KIP-511)."""
    tags = b"\0" if version >= flexible and api != "api_versions" else b""
    return struct.pack(">i", correlation_id) + tags


def messages(corpus):
    """Seeds of everything that decodes messages."""
    apis, newest = schemas(), {}
    for api, kind, version, variant, body in vectors():
        key, flexible = apis[api]
        name = f"{api}-{version}-{variant}"
        if kind == "request":
            header = struct.pack(">hhih", key, version, CORRELATION_ID, 4) + b"seed"
            corpus.add("requests", name, header + (b"\0" if version >= flexible else b"") + body)
            continue
        corpus.add("responses_" + FAMILY_OF[api], name, bytes([key, version]) + body)
        frame = response_header(api, version, flexible, CORRELATION_ID) + body
        corpus.add("frames", name, bytes([key, version]) + frame)
        newest[api, variant] = max(newest.get((api, variant), (-1, b"")), (version, body))
    connections(corpus, apis, newest)


def short(data):
    """With a length of two bytes in front, as the broker's target reads it."""
    return struct.pack(">H", len(data)) + data


def broker_requests(corpus):
    """Each API's requests, all versions in a row, and what a small client of one topic asks."""
    apis, rows = schemas(), {}
    for api, kind, version, variant, body in vectors():
        if kind == "request":
            key, flexible = apis[api]
            header = struct.pack(">hhih", key, version, CORRELATION_ID, -1) + (b"\0" if version >= flexible else b"")
            rows.setdefault((api, variant), []).append(short(header + body))
    for (api, variant), requests in rows.items():
        corpus.add("broker", f"{api}-{variant}", b"".join(requests))

    def ask(key, version, body):
        return short(struct.pack(">hhih", key, version, CORRELATION_ID, -1) + body)

    name = struct.pack(">h", 1) + b"t"
    plain = record(0, b"k", b"v") + record(1, None, b"w")
    small = bytearray(batch(0, (0, 1), 1, plain))
    small[:8] = bytes(8)
    produce = ask(0, 3, struct.pack(">hhii", -1, -1, 1000, 1) + name + struct.pack(">iii", 1, 0, len(small)) + small)
    list_offsets = ask(2, 1, struct.pack(">ii", -1, 1) + name + struct.pack(">iiq", 1, 0, -1))
    fetch = ask(1, 4, struct.pack(">iiiibi", -1, 10, 1, 1 << 20, 0, 1) + name +
                struct.pack(">iiqi", 1, 0, 0, 1 << 20))
    delete = ask(21, 0, struct.pack(">i", 1) + name + struct.pack(">iiqi", 1, 0, 1, 1000))
    group = struct.pack(">h", 1) + b"g"
    join = ask(11, 0, group + struct.pack(">ih", 6000, 0) + struct.pack(">h", 1) + b"c" + struct.pack(">i", 1) +
               struct.pack(">h", 1) + b"p" + struct.pack(">i", 0))
    corpus.add("broker", "small-client", produce + produce + list_offsets + fetch + delete + fetch)
    corpus.add("broker", "small-group", join + join)
    corpus.add("broker", "null-name", short(struct.pack(">hhihb", 3, 10, CORRELATION_ID, -1, 0) + b"\2" + bytes(17) +
                                            b"\0\0\0\0\0"))
    corpus.add("broker", "no-request", short(b"\0\x63\0\0") + short(b""))


def framed(data):
    """With the length in front."""
    return struct.pack(">i", len(data)) + data


def connections(corpus, apis, newest):
    """What a broker answers to the questions of connection.c, whole and torn, with a greeting or without."""
    ranges = b"".join(struct.pack(">hhhb", apis[api][0], 0, 99, 0) for api in ASKED)
    greeting = framed(struct.pack(">ihb", 0, 0, len(ASKED) + 1) + ranges + struct.pack(">ib", 0, 0))
    for variant in ("filled", "empty", "default", "long"):
        answers = b""
        for correlation_id, api in enumerate(ASKED, 1):
            version, body = newest[api, variant]
            answers += framed(response_header(api, version, apis[api][1], correlation_id) + body)
        for switches in (0x00, 0x06, 0x08, 0x32, 0x74):
            corpus.add("connection", f"{variant}-{switches:02x}", bytes([switches]) + answers)
            corpus.add("connection", f"{variant}-{switches | 1:02x}", bytes([switches | 1]) + greeting + answers)
    corpus.add("connection", "http", b"\x01HTTP/1.1 400 Bad Request\r\n")
    corpus.add("connection", "tls", b"\x01\x15\x03\x01\x00\x02\x02\x46")


def varint(number):
    """Zigzag."""
    number = number << 1 ^ number >> 63
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def text(data):
    """With its length; None is null."""
    return varint(-1) if data is None else varint(len(data)) + data


def record(delta, key, value, headers=()):
    """One record."""
    body = b"\0" + varint(delta) + varint(delta) + text(key) + text(value) + varint(len(headers))
    body += b"".join(text(name) + text(content) for name, content in headers)
    return varint(len(body)) + body


def raw_snappy(data):
    """One literal."""
    return bytes([len(data)]) + bytes([60 << 2, len(data) - 1]) + data


def raw_zstd(data):
    """One frame of one raw block."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + struct.pack("<I", len(data) << 3 | 1)[:3] + data


def batch(attributes, deltas, last_delta, payload):
    """A batch at offset 1000."""
    covered = struct.pack(">hiqqqhii", attributes, last_delta, 5000, 5000 + max(deltas), -1, -1, -1, len(deltas))
    covered += payload
    head = struct.pack(">qiib", 1000, len(covered) + 9, 0, 2)
    return head + struct.pack(">I", crc32c(covered)) + covered


def batches(corpus):
    """Seeds of batches, records and codecs: what Kafka wrote, and some small ones."""
    for path in sorted(glob.glob(os.path.join(ROOT, "test", "vectors", "batches", "*.batch"))):
        name = os.path.basename(path)
        with open(path, "rb") as file:
            data = file.read()
        codec = CODECS[data[22] & 7]
        for target in ("batches", "records"):
            corpus.add(target, name, data)
        if codec == "none":
            corpus.add("joined", name, b"\0" + data + data)
        if codec != "none":
            corpus.add("codec_" + codec, name, data[HEADER_SIZE:])
    for name, deltas, last in (("dense", (0, 1, 2), 2), ("thinned", (0, 2, 5), 7), ("single", (0,), 0),
                               ("falling", (0, 2, 1), 2), ("crowded", (0, 1, 2), 1)):
        plain = b"".join(record(delta, b"k%d" % delta if delta else None, b"value", [(b"h", None), (b"", b"x")])
                         for delta in deltas)
        packed = {0: plain, 1: gzip.compress(plain, mtime=0), 2: raw_snappy(plain), 4: raw_zstd(plain)}
        for attributes in (0, 0x08, 0x50):
            for codec, payload in packed.items():
                small = batch(attributes | codec, deltas, last, payload)
                corpus.add("records", f"{name}-{CODECS[codec]}-{attributes:02x}", small)
                corpus.add("batches", f"{name}-{CODECS[codec]}-{attributes:02x}", small + small[:70])
        corpus.add("joined", name, b"\7" + batch(0, deltas, last, plain) * 3)
        for codec, payload in packed.items():
            if codec:
                corpus.add("codec_" + CODECS[codec], name, payload)


def texts(corpus):
    """Seeds of what people write: the documented settings too, each with some values."""
    for name, content in SETTINGS.items():
        corpus.add("settings", name, content.encode())
    with open(os.path.join(ROOT, "docs", "configuration.md"), encoding="utf-8") as file:
        names = re.findall(r"^### (\S+)$", file.read(), re.MULTILINE)
    for name in names:
        for kind, value in (("number", "7"), ("word", "true"), ("empty", "")):
            lines = "".join(f"{place}{name} = {value}\n" for place in ("", "a.", "a->b."))
            corpus.add("settings", f"{name}-{kind}", (SETTINGS["small"] + lines).encode())
    for i, pattern in enumerate(PATTERNS):
        corpus.add("patterns", str(i), pattern.encode())


def main():
    """All of them."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    corpus = Corpus(sys.argv[1])
    messages(corpus)
    broker_requests(corpus)
    batches(corpus)
    texts(corpus)


if __name__ == "__main__":
    main()
