"""Proves that the judge sees each kind of damage, on doctored copies of a small log. Needs no Kafka."""

import os
import shutil
import struct
import tempfile
import unittest

import compare
import crc32c
import protocol

BATCHES = 6
CRC_AT, ATTRIBUTES_AT, MAX_TIMESTAMP_AT, PRODUCER_AT = 17, 21, 35, 43


def log_of(base=100):
    """Six batches of three records each."""
    return [protocol.batch([b"value-%d-%d" % (n, k) for k in range(3)], base=base + 3 * n, timestamp=1700000000000 + n)
            for n in range(BATCHES)]


def patched(batch, at, data, repair=True):
    """The batch with other bytes; with a correct CRC again unless told otherwise."""
    batch = batch[:at] + data + batch[at + len(data):]
    crc = struct.pack(">I", crc32c.crc32c(batch[CRC_AT + 4:])) if repair else batch[CRC_AT:CRC_AT + 4]
    return batch[:CRC_AT] + crc + batch[CRC_AT + 4:]


def rebased(batch, base):
    return struct.pack(">q", base) + batch[8:]


class JudgeTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        self.log = log_of()

    def folder(self, name, batches):
        """A log of two segments."""
        folder = os.path.join(self.root, name)
        os.makedirs(folder)
        for first, part in ((100, batches[:3]), (109, batches[3:])):
            with open(os.path.join(folder, f"{first:020d}.log"), "wb") as f:
                f.write(b"".join(part))
        return folder

    def judged(self, copy, start=100, end=118, count=BATCHES):
        source = self.folder("source", self.log)
        found, compared = compare.compare_replicas(source, [self.folder("copy", copy)], start, end)
        self.assertEqual(compared, count)
        return "\n".join(found)

    def assertSees(self, copy, *texts, count=BATCHES):
        verdict = self.judged(copy, count=count)
        for text in texts:
            self.assertIn(text, verdict)

    def test_a_faithful_copy(self):
        self.assertEqual(self.judged(list(self.log)), "")

    def test_another_producer_and_leader_epoch_are_no_difference(self):
        copy = [patched(b, PRODUCER_AT, struct.pack(">qhi", 1 << 62, 3, n)) for n, b in enumerate(self.log)]
        copy = [b[:12] + struct.pack(">i", 7) + b[16:] for b in copy]
        self.assertEqual(self.judged(copy), "")

    def test_a_cleared_transactional_bit_is_no_difference_and_a_kept_one_is(self):
        self.log[1] = patched(self.log[1], ATTRIBUTES_AT, struct.pack(">h", protocol.TRANSACTIONAL))
        copy = [*self.log[:1], patched(self.log[1], ATTRIBUTES_AT, b"\0\0"), *self.log[2:]]
        self.assertEqual(self.judged(copy), "")
        shutil.rmtree(os.path.join(self.root, "source"))
        shutil.rmtree(os.path.join(self.root, "copy"))
        self.assertSees(self.log, "offset 103: attributes are 0x10")

    def test_a_missing_batch(self):
        self.assertSees(self.log[:2] + self.log[3:], "offset 106: batch 106..108 is missing")

    def test_a_missing_end(self):
        self.assertSees(self.log[:5], "offset 115: batch 115..117 is missing")

    def test_a_doubled_batch_at_its_own_offset(self):
        self.assertSees(self.log[:2] + [self.log[1]] + self.log[2:], "offset 103: stands twice")

    def test_a_doubled_batch_that_shifts_the_rest(self):
        doubled = self.log[:2] + self.log[1:]
        copy = [rebased(b, 100 + 3 * n) for n, b in enumerate(doubled)]
        self.assertSees(copy, "offset 106: the records differ")

    def test_two_batches_swapped(self):
        swapped = [self.log[0], rebased(self.log[2], 103), rebased(self.log[1], 106), *self.log[3:]]
        self.assertSees(swapped, "offset 103: the records differ", "offset 106: the records differ",
                        "offset 103: first_timestamp is")

    def test_two_batches_swapped_in_the_file(self):
        swapped = [self.log[0], self.log[2], self.log[1], *self.log[3:]]
        self.assertSees(swapped, "offset 103: stands twice or out of order")

    def test_a_shifted_offset(self):
        copy = self.log[:5] + [rebased(self.log[5], 116)]
        self.assertSees(copy, "batch 116..118 does not stand at the source", "batch 115..117 is missing")

    def test_a_changed_byte_under_a_wrong_crc(self):
        self.assertSees(self.log[:3] + [patched(self.log[3], 70, b"X", repair=False)] + self.log[4:],
                        "offset 109: the records differ", "offset 109: the CRC is wrong")

    def test_a_changed_byte_under_a_correct_crc(self):
        copy = self.log[:3] + [patched(self.log[3], 70, b"X")] + self.log[4:]
        self.assertSees(copy, "offset 109: the records differ")

    def test_a_wrong_crc_alone(self):
        self.assertSees(self.log[:3] + [patched(self.log[3], CRC_AT, b"XXXX", repair=False)] + self.log[4:],
                        "offset 109: the CRC is wrong")

    def test_another_timestamp(self):
        copy = self.log[:4] + [patched(self.log[4], MAX_TIMESTAMP_AT, struct.pack(">q", 1800000000000))] + self.log[5:]
        self.assertSees(copy, "offset 112: max_timestamp is 1800000000000")

    def joined(self, first, last, **changes):
        """One batch of those with these numbers, as a mirror joins them."""
        parts = [b for data in self.log[first:last + 1] for b in compare.parse(data)]
        records = []
        for part in parts:
            for offset, timestamp, attributes, rest in compare.records(part):
                delta = protocol.varint(timestamp - parts[0].first_timestamp) + \
                    protocol.varint(offset - parts[0].base)
                record = bytes([attributes]) + delta + rest
                records.append(protocol.varint(len(record)) + record)
        fields = {"attributes": 0, "last_delta": parts[-1].last - parts[0].base,
                  "first_timestamp": parts[0].first_timestamp, "max_timestamp": max(p.max_timestamp for p in parts),
                  "count": len(records), **changes}
        covered = struct.pack(">hiqqqhii", fields["attributes"], fields["last_delta"], fields["first_timestamp"],
                              fields["max_timestamp"], 1 << 62, 0, 0, fields["count"]) + b"".join(records)
        return struct.pack(">qiibI", parts[0].base, len(covered) + 9, 0, 2, crc32c.crc32c(covered)) + covered

    def test_a_batch_joined_of_several_is_no_difference(self):
        self.assertEqual(self.judged([self.log[0], self.joined(1, 3), *self.log[4:]]), "")

    def test_a_joined_batch_that_begins_below_the_log_start(self):
        self.assertEqual(self.judged([self.joined(0, 2), *self.log[3:]], start=104, count=5), "")

    def test_a_joined_batch_that_ends_behind_what_is_judged(self):
        self.assertEqual(self.judged([*self.log[:3], self.joined(3, 5)], end=112, count=4), "")

    def test_a_joined_batch_of_which_a_byte_is_another(self):
        for at in range(61, len(self.joined(1, 3))):
            whole = self.joined(1, 3)
            with self.subTest(at=at):
                copy = [self.log[0], patched(whole, at, bytes([whole[at] ^ 2])), *self.log[4:]]
                self.assertNotEqual(self.judged(copy), "")
                for name in ("source", "copy"):
                    shutil.rmtree(os.path.join(self.root, name))

    def test_a_joined_batch_whose_header_says_something_else(self):
        for name, value in (("count", 8), ("max_timestamp", 1800000000000), ("first_timestamp", 1600000000000),
                            ("attributes", protocol.GZIP)):
            with self.subTest(name):
                verdict = self.judged([self.log[0], self.joined(1, 3, **{name: value}), *self.log[4:]])
                self.assertIn(name, verdict)
                for folder in ("source", "copy"):
                    shutil.rmtree(os.path.join(self.root, folder))

    def test_a_joined_batch_that_leaves_a_batch_out(self):
        self.log[2], kept = self.log[1], self.log[2]
        whole = self.joined(1, 2, last_delta=5)
        self.log[2] = kept
        self.assertSees([self.log[0], whole, *self.log[3:]], "offset 103: the records differ from offset 106 on")

    def test_a_joined_batch_of_what_must_not_be_joined(self):
        whole = self.joined(1, 3)
        self.log[2] = patched(self.log[2], ATTRIBUTES_AT, struct.pack(">h", protocol.TRANSACTIONAL))
        self.assertSees([self.log[0], whole, *self.log[4:]], "offset 103: made of 3 batches, with attributes 0x0, 0x10")

    def test_a_joined_batch_that_ends_inside_one_of_the_source(self):
        self.log = [*self.log[:4], protocol.batch([b"a", b"b", b"c", b"d", b"e", b"f"], base=112,
                                                  timestamp=1700000000004)]
        whole = patched(self.joined(3, 4), 23, struct.pack(">i", 7))
        self.assertSees([*self.log[:3], whole], "offset 109: batch 109..116 does not stand at the source", count=5)

    def test_records_that_nobody_sent(self):
        extra = protocol.batch([b"foreign"], base=118)
        found, _ = compare.compare_replicas(self.folder("source", self.log), [self.folder("copy", self.log + [extra])],
                                            100, 200)
        self.assertIn("batch 118..118 does not stand at the source", "\n".join(found))

    def test_a_log_start_in_the_middle_of_a_batch(self):
        self.assertEqual(self.judged(list(self.log), start=101), "")

    def test_what_stands_below_the_log_start_is_not_judged(self):
        filler = [protocol.batch([b""] * 3, base=97)]
        self.assertEqual(self.judged(filler + self.log), "")

    def test_a_batch_that_is_just_being_written(self):
        found, _ = compare.compare_replicas(self.folder("source", self.log + [self.log[0][:80]]),
                                            [self.folder("copy", self.log)], 100, 118)
        self.assertEqual(found, [])

    def test_the_table_agrees_with_the_library(self):
        for size in (0, 1, 7, 8, 9, 1000):
            data = bytes(range(256)) * 4
            self.assertEqual(crc32c.crc32c(data[:size]), crc32c.crc32c_table(data[:size]))


if __name__ == "__main__":
    unittest.main()
