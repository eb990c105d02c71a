"""The two worlds that must not be told apart: the model (`odraz broker`) and real Kafka, three brokers each."""

import os
import sys

import messages

sys.path.insert(0, os.path.join(messages.ROOT, "test", "kafka"))
from embedded import EmbeddedCluster  # noqa: E402

NODES = 3
# What both are started with, besides the defaults.
SETTINGS = {
    "auto.create.topics.enable": "false",
    "broker.session.timeout.ms": 30000,  # a busy machine is no dead broker: leaders stay where the scripts know them
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.num.partitions": 4,
    "offsets.topic.replication.factor": 3,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 1,
    "default.replication.factor": 3,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
}


def alone(**settings):
    """For a script: it gets fresh worlds of one broker, with these settings, too (dots are written as __)."""
    def mark(script):
        script.world = (1, {name.replace("__", "."): value for name, value in settings.items()})
        return script
    return mark


class Model(EmbeddedCluster):
    """`odraz broker`."""

    name = "model"

    def __init__(self, nodes=NODES, settings=None):
        super().__init__(nodes, {**SETTINGS, **(settings or {})})


class Real:
    """Apache Kafka."""

    name = "Kafka"

    def __init__(self, nodes=NODES, settings=None, version="4.3.1"):
        from cluster import Cluster  # pylint: disable=import-outside-toplevel  (needs Java)
        self._cluster = Cluster("conformance", nodes, {**SETTINGS, **(settings or {})}, version)
        self.addresses = {n: ("127.0.0.1", node.port) for n, node in self._cluster.nodes.items()}

    def alive(self):
        return all(node.running() for node in self._cluster.nodes.values())

    def stop(self):
        self._cluster.stop()
