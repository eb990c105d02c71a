"""Record batches to send, right ones and wrong ones, and reading them back."""

import struct
import time
import zlib

import messages  # noqa: F401  (its path is needed for the next)
import worlds  # noqa: F401
import compare
import protocol
from crc32c import crc32c
from protocol import varint

CONTROL, TRANSACTIONAL, APPEND_TIME = 0x20, 0x10, 0x08
NOBODY = (-1, -1, -1)


def record(delta, key, value, timestamp_delta=0, headers=()):
    def sized(data):
        return varint(-1) if data is None else varint(len(data)) + data
    body = b"\0" + varint(timestamp_delta) + varint(delta) + sized(key) + sized(value) + varint(len(headers))
    body += b"".join(sized(k) + sized(v) for k, v in headers)
    return varint(len(body)) + body


def batch(count=1, producer=NOBODY, base=0, attributes=0, timestamp=None, key=b"k", value=b"v", last=None,
          records_count=None, records=None, magic=2):
    """One batch; everything about it can be made wrong."""
    timestamp = int(time.time() * 1000) if timestamp is None else timestamp
    if records is None:
        records = b"".join(record(i, key, value) for i in range(count))
    if attributes & 7 == 1:
        compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
        records = compressor.compress(records) + compressor.flush()
    covered = struct.pack(">hiqqqhii", attributes, count - 1 if last is None else last, timestamp, timestamp,
                          *producer, count if records_count is None else records_count) + records
    return struct.pack(">qiibI", base, len(covered) + 9, -1, magic, crc32c(covered)) + covered


def damaged(data, at=-1):
    """One bit flipped."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def seen(data):
    """What a consumer can tell about each batch, in a form to be noted."""
    return [{"base": b.base, "last": b.last, "count": b.count, "attributes": b.attributes, "producer": list(b.producer),
             "leader_epoch": b.leader_epoch, "payload": b.payload.hex() if len(b.payload) < 200 else len(b.payload),
             "crc": b.crc_correct} for b in compare.parse(data or b"")]


def name_producers(talk, batches):
    """Ids that brokers gave out are named; ours (above 2^40) stay."""
    for b in batches:
        if 0 <= b["producer"][0] < 1 << 40:
            b["producer"][0] = talk.name("producer", b["producer"][0])
    return batches


assert protocol.TRANSACTIONAL == TRANSACTIONAL
