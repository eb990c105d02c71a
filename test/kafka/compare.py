"""The judge: compares mirrored partitions with their sources batch by batch in the brokers' own segment files."""

import bisect
import glob
import os
from typing import NamedTuple

import net
import protocol
from crc32c import crc32c

DIFFERENCES_MAX = 9  # told of one replica; what follows a shift differs anyway
CRC_COVERS_FROM = 21
LOG_START_SECONDS_MAX = 15
# Of a copied batch's attributes these two must be cleared; the last one may then not be set at the source either.
CLEARED = protocol.TRANSACTIONAL | protocol.DELETE_HORIZON


class Batch(NamedTuple):
    """One batch of format v2 as it stands in a segment file."""

    base: int
    leader_epoch: int
    crc: int
    attributes: int
    last_delta: int
    first_timestamp: int
    max_timestamp: int
    producer: tuple
    count: int
    payload: bytes
    crc_correct: bool

    @property
    def last(self):
        return self.base + self.last_delta


def parse(data):
    """All complete batches of one segment; a batch that is just being written ends it."""
    at = 0
    header = protocol.BATCH_HEADER
    while at + header.size <= len(data):
        base, size, epoch, magic, crc, attributes, last, first_time, max_time, pid, pepoch, sequence, count = \
            header.unpack_from(data, at)
        end = at + 12 + size
        if magic != 2 or size < header.size - 12:
            raise ValueError(f"no batch of format v2 at byte {at}")
        if end > len(data):
            return
        yield Batch(base, epoch, crc, attributes, last, first_time, max_time, (pid, pepoch, sequence), count,
                    data[at + header.size:end], crc32c(data[at + CRC_COVERS_FROM:end]) == crc)
        at = end


def read_log(folder, start, end):
    """The batches of a replica with offsets in [start, end), oldest first."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "*.log"))):
        with open(path, "rb") as f:
            data = f.read()
        found += [b for b in parse(data) if b.last >= start and b.base < end]
    return found


def _words(value):
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)


def differences(source, destination, wanted):
    """What distinguishes a destination log from its source, as sentences; none is a faithful mirror.

    `wanted`: the batches of the source that must be there.
    """
    found, at = [], -1
    numbers = {b.base: n for n, b in enumerate(source)}
    for batch in destination:
        if batch.base <= at:
            found.append((batch.base, "stands twice or out of order"))
        at = max(at, batch.last)
        parts = _parts(source, numbers, batch)
        if not parts:
            found.append((batch.base, f"batch {batch.base}..{batch.last} does not stand at the source"))
        else:
            how = _differing_joined(parts, batch) if len(parts) > 1 else _differing(parts[0], batch)
            found += [(batch.base, text) for text in how]
    return [f"offset {offset}: {text}" for offset, text in sorted([*found, *_missing(wanted, destination)])]


def _parts(source, numbers, batch):
    """The batches of the source at exactly the offsets of one at the destination; [] when there are none."""
    parts, n = [], numbers.get(batch.base)
    if n is None:
        return []
    expected = batch.base
    while n < len(source) and source[n].base == expected and source[n].last < batch.last:
        parts.append(source[n])
        expected = source[n].last + 1
        n += 1
    if n < len(source) and source[n].base == expected and source[n].last == batch.last:
        return [*parts, source[n]]
    first = source[numbers[batch.base]]
    return [first] if first.last > batch.last else []  # (what differs will be told)


def _missing(wanted, destination):
    """Batches of the source that no batch of the destination covers."""
    ends = sorted((b.last, b.base) for b in destination)
    for b in wanted:
        n = bisect.bisect_left(ends, (b.last, -1))
        if n == len(ends) or ends[n][1] > b.base:
            yield b.base, f"batch {b.base}..{b.last} is missing"


def _differing_joined(parts, copy):
    """How one batch differs from several of the source that it may be made of: only what is plain may be joined."""
    kinds = {copy.attributes, *(p.attributes for p in parts)}
    if kinds != {0}:
        yield f"made of {len(parts)} batches, with attributes {', '.join(f'{k:#x}' for k in sorted(kinds))}"
    if not all(p.crc_correct for p in parts):
        yield "the CRC at the source is wrong"
    if not copy.crc_correct:
        yield "the CRC is wrong"
    for name, theirs in (("count", sum(p.count for p in parts)), ("first_timestamp", parts[0].first_timestamp),
                         ("max_timestamp", max(p.max_timestamp for p in parts))):
        if getattr(copy, name) != theirs:
            yield f"{name} is {getattr(copy, name)}, of its {len(parts)} parts {theirs}"
    try:
        ours, theirs = list(records(copy)), [r for p in parts for r in records(p)]
    except (IndexError, ValueError) as problem:
        yield f"the records cannot be read: {problem}"
        return
    for mine, other in zip(ours, theirs):
        if mine != other:
            yield f"the records differ from offset {other[0]} on"
            return
    if len(ours) != len(theirs):
        yield f"holds {len(ours)} records, its parts {len(theirs)}"


def records(batch):
    """(offset, timestamp, attributes, everything else) of each record of a batch that is not compressed."""
    data, at = batch.payload, 0
    while at < len(data):
        size, begins = _varint(data, at)
        end = begins + size
        if not begins < end <= len(data):
            raise ValueError(f"a record of {size} bytes at byte {at}")
        time_delta, behind = _varint(data, begins + 1)
        offset_delta, behind = _varint(data, behind)
        yield batch.base + offset_delta, batch.first_timestamp + time_delta, data[begins], data[behind:end]
        at = end


def _varint(data, at):
    """(value, where it ends) of a zigzag varint."""
    raw = shift = 0
    while True:
        byte = data[at]
        raw |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), at


def _differing(source, copy):
    """How one batch differs from its source."""
    for name in ("last_delta", "count", "first_timestamp", "max_timestamp"):
        ours, theirs = getattr(copy, name), getattr(source, name)
        if ours != theirs:
            yield f"{name} is {ours}, at the source {theirs}"
    if copy.attributes != source.attributes & ~CLEARED:
        yield f"attributes are {copy.attributes:#x}, at the source {source.attributes:#x}"
    if copy.payload != source.payload:
        yield f"the records differ ({_words(copy.payload)}, at the source {_words(source.payload)})"
    if not source.crc_correct:
        yield "the CRC at the source is wrong"
    if not copy.crc_correct:
        yield "the CRC is wrong"


def compare_replicas(source_folder, replica_folders, start, end):
    """Differences of each replica in [start, end), named by folder; and how many batches the source has there."""
    wanted = read_log(source_folder, start, end)
    # The mirror starts with the source's first batch, even where the log start stands in its middle.
    first = min([start, *(b.base for b in wanted)])
    found = []
    for folder in replica_folders:
        copy = read_log(folder, first, end)
        # A batch made of several may begin before what is judged, and end behind it.
        low, high = min([first, *(b.base for b in copy)]), max([end, *(b.last + 1 for b in copy)])
        source = wanted if (low, high) == (first, end) else read_log(source_folder, low, high)
        told = differences(source, copy, wanted)
        found += [f"{folder}: {text}" for text in told[:DIFFERENCES_MAX]]
        if len(told) > DIFFERENCES_MAX:
            found.append(f"{folder}: and {len(told) - DIFFERENCES_MAX} more")
    return found, len(wanted)


def compare_topic(source, destination, topic, mirrored, ends, partitions=None):
    """Differences of a topic (or some partitions) and its mirror over all replicas, below `ends` of each partition."""
    starts = source.offsets(topic, protocol.EARLIEST)
    found, batches = [], 0
    copies = destination.metadata(mirrored)[mirrored]
    copy_starts = destination.offsets(mirrored, protocol.EARLIEST)
    copy_ends = destination.offsets(mirrored)
    for partition, (leader, _, _, _) in source.metadata(topic)[topic].items():
        if partitions is not None and partition not in partitions:
            continue
        name = f"{mirrored}-{partition}"
        if partition not in copies:
            found.append(f"{name}: not at the destination")
            continue
        if copy_ends[partition] > ends[partition] and source.offsets(topic)[partition] < copy_ends[partition]:
            found.append(f"{name}: ends at {copy_ends[partition]}, at the source at {ends[partition]}")
        folders = [destination.partition_folder(node, mirrored, partition) for node in copies[partition][2]]
        start = max(starts[partition], copy_starts[partition])
        original = source.partition_folder(leader, topic, partition)
        told, count = compare_replicas(original, folders, start, ends[partition])
        found += told
        batches += count
    return found, batches


def _replicas(cluster, topic, partition):
    """For a person who asks why a high watermark does not move."""
    leader, _, replicas, in_sync = cluster.metadata(topic)[topic][partition]
    ends = {node: max([b.last + 1 for b in read_log(cluster.partition_folder(node, topic, partition), 0, 1 << 62)],
                      default=0) for node in replicas}
    return f"leader {leader}, in sync {in_sync}, log ends {ends}"


def wait_caught_up(source, destination, topics, seconds, same_start=False):
    """Waits until the destination's high watermarks reach what the source's are now; those of the source by topic.

    With `same_start` also for the log starts, which may be raised only after the data is there.
    `topics`: {name at the source: name at the destination}.
    """
    ends = {topic: source.offsets(topic) for topic in topics}

    def behind():
        return [(mirrored, p, here.get(p), end)
                for topic, mirrored in topics.items()
                for here in [destination.offsets(mirrored)]
                for p, end in ends[topic].items() if here.get(p, 0) < end]

    def starts(cluster, names):
        return [cluster.offsets(name, protocol.EARLIEST) for name in names]

    try:
        net.wait_until(lambda: not behind(), seconds, f"{destination.name} to catch up with {source.name}", 0.2)
    except net.TimedOut as problem:
        late = [f"{topic}-{p} stands at {here} of {end}, {_replicas(destination, topic, p)}"
                for topic, p, here, end in behind()[:3]]
        raise net.TimedOut("\n  ".join([str(problem), *late])) from None
    if same_start:
        net.wait_until(lambda: starts(source, topics) == starts(destination, topics.values()), LOG_START_SECONDS_MAX,
                       "the log starts to be the same", 0.2)
    return ends


def wait_replicated(destination, topics, seconds=60):
    """Waits until every replica is in sync, so that all of them can be compared."""
    def whole():
        for topic, partitions in destination.metadata(*topics).items():
            for partition, (_, _, replicas, in_sync) in partitions.items():
                if sorted(replicas) != sorted(in_sync):
                    raise LookupError(f"{topic}-{partition}: {in_sync} of {replicas} in sync")
        return True

    net.wait_until(whole, seconds, f"{destination.name}: replicas in sync", 0.2)


class NotEqual(AssertionError):
    """The mirror is not what its source is."""


def wait_equal(source, destination, topics, seconds=60, same_start=True):
    """Waits for the mirror to catch up, then compares every byte of every replica. Batches compared."""
    ends = wait_caught_up(source, destination, topics, seconds, same_start)
    wait_replicated(destination, topics.values(), seconds)
    found, batches = [], 0
    for topic, mirrored in topics.items():
        told, count = compare_topic(source, destination, topic, mirrored, ends[topic])
        found += told
        batches += count
    if found:
        raise NotEqual(f"{len(found)} differences:\n  " + "\n  ".join(found[:20]))
    return batches
