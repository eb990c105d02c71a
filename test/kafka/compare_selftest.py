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

    def judged(self, copy, start=100, end=118):
        source = self.folder("source", self.log)
        found, count = compare.compare_replicas(source, [self.folder("copy", copy)], start, end)
        self.assertEqual(count, BATCHES)
        return "\n".join(found)

    def assertSees(self, copy, *texts):
        verdict = self.judged(copy)
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
