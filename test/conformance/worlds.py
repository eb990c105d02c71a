"""The two worlds that must not be told apart: the model (`odraz broker`) and real Kafka, three brokers each."""

import os
import socket
import sys

import messages

sys.path.insert(0, os.path.join(messages.ROOT, "test", "kafka"))
import net  # noqa: E402
import process  # noqa: E402
from mirror import PROGRAM  # noqa: E402

NODES = 3
# What both are started with, besides the defaults.
SETTINGS = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.num.partitions": 4,
    "offsets.topic.replication.factor": 3,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 1,
    "default.replication.factor": 3,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
}


class Model:
    """`odraz broker`."""

    name = "model"

    def __init__(self):
        port = net.free_port_row(NODES)
        self.addresses = {n: ("127.0.0.1", port + n - 1) for n in range(1, NODES + 1)}
        sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
        command = [PROGRAM, "broker", "--port", str(port), "--nodes", str(NODES), *sets]
        self.log = os.path.join(process.temporary("model"), "broker.log")
        with open(self.log, "wb") as out:
            self._child = process.launch(command, stderr=out)
        net.wait_until(self._listens, 10, "the model to listen")

    def _listens(self):
        assert self._child.poll() is None, f"the model ended with {self._child.returncode}"
        socket.create_connection(self.addresses[NODES], 1).close()
        return True

    def alive(self):
        return self._child.poll() is None

    def stop(self):
        process.end(self._child)


class Real:
    """Apache Kafka."""

    name = "Kafka"

    def __init__(self, version="4.3.1"):
        from cluster import Cluster  # pylint: disable=import-outside-toplevel  (needs Java)
        self._cluster = Cluster("conformance", NODES, SETTINGS, version)
        self.addresses = {n: ("127.0.0.1", node.port) for n, node in self._cluster.nodes.items()}

    def alive(self):
        return all(node.running() for node in self._cluster.nodes.values())

    def stop(self):
        self._cluster.stop()
