"""`odraz broker`: a modelled cluster in the memory of one process, used like a real one (cluster.py)."""

import os
import socket
import subprocess

import net
import process
import protocol
from mirror import PROGRAM


class EmbeddedCluster:
    """`nodes` brokers, named by their id, from 1. Settings are those of server.properties."""

    def __init__(self, nodes=1, settings=None):
        port = net.free_port_row(nodes)
        self.addresses = {n: ("127.0.0.1", port + n - 1) for n in range(1, nodes + 1)}
        self.bootstrap = ",".join(f"{host}:{p}" for host, p in self.addresses.values())
        wanted = {"group.initial.rebalance.delay.ms": 0, **(settings or {})}
        sets = [word for key, value in wanted.items() for word in ("--set", f"{key}={value}")]
        self.log = os.path.join(process.temporary("embedded"), "broker.log")
        with open(self.log, "wb") as out:
            self._child = process.launch([PROGRAM, "broker", "--port", str(port), "--nodes", str(nodes), *sets],
                                         stdout=out, stderr=subprocess.STDOUT)
        net.wait_until(lambda: self._listens(nodes), 10, "the embedded brokers to listen")

    def _listens(self, node):
        assert self.alive(), f"odraz broker ended with {self._child.returncode}: {self.last_words()}"
        socket.create_connection(self.addresses[node], 1).close()
        return True

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()[-1000:]

    def alive(self):
        return self._child.poll() is None

    def connect(self, number):
        return protocol.Connection("{}:{}".format(*self.addresses[number]))

    def metadata(self, *topics):
        """{topic: {partition: (leader, leader epoch, replicas, in sync)}}."""
        with self.connect(1) as connection:
            return connection.metadata(topics or None)[1]

    def offsets(self, topic, timestamp=protocol.LATEST):
        """{partition: offset}: high watermarks, or log starts with EARLIEST."""
        found = {}
        for partition, (leader, *_) in self.metadata(topic)[topic].items():
            with self.connect(leader) as connection:
                found.update(connection.list_offsets(topic, [partition], timestamp))
        return found

    def stop(self):
        process.end(self._child)
