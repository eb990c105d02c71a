"""The program as a user meets it: settings, signals, exit codes, and what it costs when nothing happens."""

import os
import signal
import subprocess
import time
import unittest

import mirror as odraz
import net
import process
import scenario

IDLE_TOPICS, IDLE_PARTITIONS = 10, 100


class ProgramTest(scenario.Scenario):
    def test_wrong_settings_end_with_2_and_name_the_line(self):
        mirror = self.start_mirror(settings={"session.timeout.ms": "soon", "acks": "2"}, start=False)
        code, said = odraz.run_to_the_end(["run", mirror.file])
        self.assertEqual(code, 2, said)
        with open(mirror.file, encoding="utf-8") as f:
            lines = f.read().splitlines()
        for key in ("session.timeout.ms", "acks"):
            number = 1 + next(n for n, line in enumerate(lines) if line.startswith(key))
            self.assertRegex(said, rf"mirror\.properties:{number}: .*{key}")

    def test_a_file_that_is_not_there_ends_with_2(self):
        code, said = odraz.run_to_the_end(["run", "no-such-file.properties"])
        self.assertEqual(code, 2, said)
        self.assertIn("no-such-file.properties", said)

    def test_sasl_is_refused_rather_than_left_out(self):
        settings = {"security.protocol": "SASL_SSL", "sasl.jaas.config": "p4ssw0rd;"}
        mirror = self.start_mirror(settings=settings, start=False)
        code, said = odraz.run_to_the_end(["run", mirror.file])
        self.assertEqual(code, 2, said)
        self.assertNotIn("p4ssw0rd", said)

    def test_a_reload_takes_up_another_topic(self):
        first, second = self.topic("first"), self.topic("second")
        self.produce(first, second, total=1000)
        mirror = self.start_mirror(first)
        net.wait_until(lambda: first in self.destination.metadata(), 30, "the first topic")
        self.assertMirrored(first)
        self.assertNotIn(second, self.destination.metadata())
        mirror.configure(topics=f"{first},{second}")
        mirror.signal(signal.SIGHUP)
        net.wait_until(lambda: second in self.destination.metadata(), 30, "the second topic")
        self.assertMirrored()

    def test_a_wrong_reload_changes_nothing(self):
        topic = self.topic("orders")
        mirror = self.start_mirror()
        self.produce(topic, total=100)
        net.wait_until(lambda: topic in self.destination.metadata(), 30, "the topic")
        mirror.configure(topics="(")
        mirror.signal(signal.SIGHUP)
        mirror.wait_for(10, line=r"mirror\.properties:\d+: topics")
        mirror.wait_for(10, level="error", msg="not reloaded")
        self.produce(topic, total=100)
        self.assertMirrored()

    def test_who_does_not_read_our_log_stops_nothing(self):
        mirror = self.start_mirror(start=False)
        ends = os.pipe()
        os.set_blocking(ends[1], False)
        os.write(ends[1], b"x" * (1 << 20))  # as much as it takes
        os.set_blocking(ends[1], True)
        child = process.launch([odraz.PROGRAM, "run", mirror.file], stderr=ends[1])
        self.addCleanup(process.end, child)
        time.sleep(5)
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(20), 0)
        for end in ends:
            os.close(end)

    def test_failures_have_their_exit_codes(self):
        code, said = odraz.run_to_the_end(["broker", "--port", "9", "--set", "log.retention.ms=soon"])
        self.assertEqual(code, 2, said)
        with open("/dev/full", "wb") as full:
            self.assertEqual(subprocess.run([odraz.PROGRAM, "version"], stdout=full, check=False).returncode, 1)

    def test_the_end_is_summed_up(self):
        topic = self.topic("orders")
        self.produce(topic, total=5000)
        mirror = self.start_mirror()
        net.wait_until(lambda: topic in self.destination.metadata(), 30, "the topic")
        self.assertMirrored()
        mirror.wait_for(5, msg="flow started")
        self.assertEqual(mirror.stop(), 0)
        self.assertIn("records=5000", " ".join(mirror.lines[-5:]))

    def test_a_thousand_idle_partitions(self):
        topics = [self.topic(f"idle{n}", partitions=IDLE_PARTITIONS) for n in range(IDLE_TOPICS)]
        self.produce(*topics, total=5000, size_max=100)
        mirror = self.start_mirror()
        net.wait_until(lambda: all(topic in self.destination.metadata() for topic in topics), 60, "the topics")
        self.assertMirrored(seconds=90)
        before = mirror.cpu_seconds()
        time.sleep(10)
        used = (mirror.cpu_seconds() - before) / 10
        print(f"1,000 idle partitions: {mirror.memory_mib():.0f} MiB, {used:.1%} of a core")
        self.assertLess(mirror.memory_mib(), 100)
        self.assertLess(used, 0.3)


if __name__ == "__main__":
    unittest.main()
