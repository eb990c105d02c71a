"""Proves that the proxy carries bytes unharmed, and does each harm it is asked for. Needs no Kafka."""

import os
import socket
import threading
import time
import unittest

import net
from proxy import Proxy


class ProxyTest(unittest.TestCase):
    def setUp(self):
        port, target = net.free_ports(2)
        self.server = socket.create_server(("127.0.0.1", target))
        threading.Thread(target=self.echo, daemon=True).start()
        self.proxy = Proxy(port, target)
        self.address = ("127.0.0.1", port)
        self.addCleanup(self.server.close)
        self.addCleanup(self.proxy.close)

    def echo(self):
        while True:
            try:
                s, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.echo_one, args=(s,), daemon=True).start()

    @staticmethod
    def echo_one(s):
        with s:
            try:
                while data := s.recv(65536):
                    s.sendall(data)
            except OSError:
                pass

    def connect(self):
        s = socket.create_connection(self.address, 2)
        self.addCleanup(s.close)
        return s

    def receive(self, s, size):
        data = b""
        while len(data) < size:
            data += s.recv(size - len(data)) or self.fail("closed early")
        return data

    def test_megabytes_pass_unharmed(self):
        data, s = os.urandom(20 << 20), self.connect()
        threading.Thread(target=s.sendall, args=(data,), daemon=True).start()
        self.assertEqual(self.receive(s, len(data)), data)

    def test_delay(self):
        s = self.connect()
        self.proxy.delay(0.1)
        start = time.monotonic()
        s.sendall(b"x")
        self.receive(s, 1)
        self.assertGreater(time.monotonic() - start, 0.2)

    def test_frozen_then_mended(self):
        s = self.connect()
        self.proxy.freeze()
        s.sendall(b"hello")
        s.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            s.recv(1)
        self.proxy.mend()
        self.assertEqual(self.receive(s, 5), b"hello")

    def test_cut(self):
        s = self.connect()
        s.sendall(b"x")
        self.receive(s, 1)
        self.proxy.cut()
        with self.assertRaises(ConnectionResetError):
            s.recv(1)
        with self.assertRaises(ConnectionResetError):
            self.connect().recv(1)
        self.proxy.mend()
        s = self.connect()
        s.sendall(b"x")
        self.assertEqual(self.receive(s, 1), b"x")

    def test_half_an_answer(self):
        self.proxy.stop_answers_after(3)
        s = self.connect()
        s.sendall(b"hello")
        self.assertEqual(self.receive(s, 3), b"hel")
        s.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            s.recv(1)

    def test_nobody_behind_the_proxy(self):
        port, nobody = net.free_ports(2)
        lonely = Proxy(port, nobody)
        self.addCleanup(lonely.close)
        with self.assertRaises(ConnectionResetError):
            socket.create_connection(("127.0.0.1", port), 2).recv(1)


if __name__ == "__main__":
    unittest.main()
