"""What odraz does when the network, or what answers at the other end, is not what it should be."""

import http.server
import os
import socket
import threading
import time
import unittest

import net
import scenario


class QuietServer(http.server.ThreadingHTTPServer):
    """A connection that odraz resets is what the test wants, not news."""

    def handle_error(self, request, client_address):
        pass


class NetworkTest(scenario.Scenario):
    def proxied(self, topic_partitions=4):
        """A topic under load, and a mirror that reaches both clusters only through our proxies."""
        self.orders = self.topic("orders", partitions=topic_partitions)
        self.loading = self.begin_produce(self.orders, rate=2000)
        self.mirror = self.start_mirror(source_cluster=self.source.proxied_bootstrap,
                                        target=self.destination.proxied_bootstrap)
        self.wait_progress()

    def proxies(self, *clusters):
        return [node.proxy for cluster in clusters for node in cluster.nodes.values()]

    def wait_progress(self, seconds=30):
        """Until something arrives that was not there."""
        before = self.destination_total()
        net.wait_until(lambda: self.destination_total() > before, seconds, "records to flow")

    def destination_total(self):
        if self.orders not in self.destination.metadata():
            return 0
        return sum(self.destination.offsets(self.orders).values())

    def end(self):
        for proxy in self.proxies(self.source, self.destination):
            proxy.mend()
        self.loading.stop()
        self.assertMirrored()

    def test_connections_cut_again_and_again(self):
        self.proxied()
        for cluster in (self.source, self.destination) * scenario.depth(3, 20):
            for proxy in self.proxies(cluster):
                proxy.cut()
            time.sleep(0.3)
            for proxy in self.proxies(cluster):
                proxy.mend()
            self.wait_progress()
        self.end()

    def test_a_quota_mutes_connections_and_costs_none(self):
        self.load.limit(self.destination, "producer_byte_rate", 40_000)
        self.addCleanup(self.load.limit, self.destination, "producer_byte_rate", None)
        self.topic("orders", partitions=3)
        self.produce(*self.made, total=1500, size_min=1000, size_max=1000, codecs=["none"])
        mirror = self.start_mirror()
        self.assertMirrored(seconds=120)
        self.assertEqual(mirror.events(msg="broker unreachable"), [])
        self.assertEqual(mirror.stop(), 0)

    def test_a_quota_of_the_source_that_is_lowered_is_waited_out(self):
        """What was read lately counts against the new rate: the next answers are empty, and their connections muted."""
        self.load.limit(self.source, "consumer_byte_rate", 50_000_000)
        self.addCleanup(self.load.limit, self.source, "consumer_byte_rate", None)
        self.topic("orders", partitions=3)
        self.produce(*self.made, total=8000, size_min=1000, size_max=1000, codecs=["none"])
        mirror = self.start_mirror()
        self.assertMirrored(seconds=60)
        self.load.limit(self.source, "consumer_byte_rate", 300_000)
        self.produce(*self.made, total=300, size_min=1000, size_max=1000, codecs=["none"])
        self.assertMirrored(seconds=120)
        throttled = [int(event["throttle_ms"]) for event in mirror.events(msg="throttled by a quota")]
        self.assertGreater(max(throttled, default=0), 12_000)  # a request time-out, and a long poll
        self.assertEqual(mirror.events(msg="broker unreachable"), [])
        self.assertEqual(mirror.stop(), 0)

    def test_a_destination_that_freezes_and_comes_back(self):
        self.proxied()
        for proxy in self.proxies(self.destination):
            proxy.freeze()
        time.sleep(scenario.SESSION_TIMEOUT_S + 2)
        for proxy in self.proxies(self.destination):
            proxy.mend()
        self.wait_progress()
        self.end()

    def caught_up_to(self, ends):
        offsets = self.destination.offsets(self.orders)
        return all(offsets[p] >= end for p, end in ends.items())

    def test_an_instance_cut_off_from_the_destination_and_its_heir(self):
        self.proxied(topic_partitions=8)
        self.start_mirror()  # the same flow, on the direct way
        for _ in range(scenario.depth(1, 20)):
            for proxy in self.proxies(self.destination):
                proxy.freeze()
            time.sleep(scenario.SESSION_TIMEOUT_S + 1)
            ends = self.source.offsets(self.orders)
            net.wait_until(lambda: self.caught_up_to(ends), 30, "the heir to take over every partition")
            for proxy in self.proxies(self.destination):
                proxy.mend()  # what was held back arrives now
            time.sleep(1)
        self.end()

    def test_one_frozen_broker_stops_no_other(self):
        self.proxied(topic_partitions=9)
        leaders = {self.destination.leader(self.orders, p) for p in range(9)}
        # Who cannot hear the group's coordinator must not write (rule 7): that one stops everybody, and rightly.
        node = self.destination.nodes[min(leaders - {self.destination.coordinator(self.mirror.group)})]
        node.proxy.freeze()
        self.wait_progress()
        others = [p for p, (leader, *_) in self.destination.metadata(self.orders)[self.orders].items()
                  if leader != node.number]
        ends = self.source.offsets(self.orders)
        net.wait_until(lambda: all(self.destination.offsets(self.orders)[p] >= ends[p] for p in others), 60,
                       "the partitions of other leaders to go on")
        node.proxy.mend()
        self.end()

    def test_a_long_line(self):
        self.proxied()
        for proxy in self.proxies(self.source, self.destination):
            proxy.delay(0.05)
        time.sleep(3)
        self.end()

    def test_half_an_answer_then_nothing(self):
        self.proxied()
        for cluster in (self.source, self.destination):
            for proxy in self.proxies(cluster):
                proxy.stop_answers_after(700)
            time.sleep(3)
            for proxy in self.proxies(cluster):
                proxy.mend()
            self.wait_progress()
        self.end()

    def test_half_of_the_bootstrap_list_is_wrong(self):
        nobody, = net.free_ports(1)
        topic = self.topic("orders")
        self.produce(topic, total=100)
        self.start_mirror(source_cluster=f"127.0.0.1:{nobody},{self.source.bootstrap}",
                          target=f"no-such-host.invalid:9092,{self.destination.bootstrap}")
        net.wait_until(lambda: topic in self.destination.metadata(), 30, "the topic to be made")
        self.assertMirrored()

    def test_nobody_listens(self):
        nobody, = net.free_ports(1)
        mirror = self.start_mirror(source_cluster=f"127.0.0.1:{nobody}")
        mirror.wait_for(20, level="warn|error", msg=".*", line=f"127.0.0.1:{nobody}.*[Rr]efused")
        self.assertTrue(mirror.running())
        self.assertEqual(mirror.stop(), 0)

    def test_an_http_server_at_the_port(self):
        server = QuietServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        mirror = self.start_mirror(source_cluster=f"127.0.0.1:{server.server_port}")
        mirror.wait_for(20, level="warn|error", line=f"{server.server_port}")
        time.sleep(2)
        self.assertTrue(mirror.running())
        self.assertLess(mirror.cpu_seconds(), 1)
        self.assertEqual(mirror.stop(), 0)

    def test_a_server_of_garbage(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        threading.Thread(target=_speak_garbage, args=(server,), daemon=True).start()
        mirror = self.start_mirror(target=f"127.0.0.1:{server.getsockname()[1]}")
        mirror.wait_for(20, level="warn|error", line=f"{server.getsockname()[1]}")
        time.sleep(3)
        self.assertTrue(mirror.running())
        self.assertLess(mirror.cpu_seconds(), 2)
        self.assertLess(mirror.memory_mib(), 200)
        self.assertEqual(mirror.stop(), 0)


def _speak_garbage(server):
    while True:
        try:
            s, _ = server.accept()
            with s:
                s.recv(100)
                s.sendall(b"\0\0\1\0" + os.urandom(256))  # the right length, and nothing right in it
                s.sendall(os.urandom(5000))
        except OSError:
            if server.fileno() < 0:
                return


if __name__ == "__main__":
    unittest.main()
