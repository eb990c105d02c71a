"""Real Kafka clusters on this machine, started in seconds: KRaft, broker and controller in one process; or, before that
was ready, brokers and a ZooKeeper."""

import functools
import os
import shutil
import signal
import subprocess

import jvm
import net
import process
import protocol
from proxy import Proxy

# What makes small clusters quick; a test's own settings win.
SMALL = {
    "auto.create.topics.enable": "false",
    "background.threads": 2,
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 4000,
    "group.initial.rebalance.delay.ms": 0,
    "log.cleaner.dedupe.buffer.size": 4 << 20,
    "num.io.threads": 4,
    "num.network.threads": 2,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 4,
}

LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="root" password="secret"'


class Node:
    """One broker: what it listens on, where its log is, and its process while it runs."""

    def __init__(self, number, home):
        self.number = number
        self.home = home
        self.logs = os.path.join(home, "logs")
        self.port, self.controller_port, self.proxied_port, proxy_port = net.free_ports(4)
        self.address = f"127.0.0.1:{self.port}"
        self.proxy = Proxy(proxy_port, self.proxied_port)
        self.child = None
        self.paused = False

    def running(self):
        return self.child is not None and self.child.poll() is None


class ZooKeeper:
    """One server, which lives as long as its cluster."""

    def __init__(self, version):
        home = process.temporary("zookeeper")
        port, = net.free_ports(1)
        self.address = f"127.0.0.1:{port}"
        properties = os.path.join(home, "zookeeper.properties")
        _write_properties(properties, {"dataDir": home, "clientPort": port, "clientPortAddress": "127.0.0.1",
                                       "tickTime": 1000})
        with open(os.path.join(home, "out.log"), "ab") as out:
            self.child = process.launch(jvm.zookeeper(version, properties), stdout=out, stderr=subprocess.STDOUT)


class Cluster:
    """`nodes` brokers of one Kafka version. Nodes are named by their broker id, from `first`.

    Each broker has two listeners for clients: `bootstrap` advertises the brokers themselves, `proxied_bootstrap` our
    TCP proxies in front of them (node.proxy), which can freeze, delay and cut.
    """

    def __init__(self, name, nodes=1, config=None, version="4.3.1", heap="320m", first=1):
        jvm.prepare(version)
        self.name, self.version, self.heap = name, version, heap
        self.home = process.temporary(name)
        self.stopped = False
        self.id = protocol.random_uuid()
        self.nodes = {n: Node(n, os.path.join(self.home, str(n))) for n in range(first, first + nodes)}
        self.bootstrap = ",".join(node.address for node in self.nodes.values())
        self.proxied_bootstrap = ",".join(node.proxy.address for node in self.nodes.values())
        self.zookeeper = ZooKeeper(version) if jvm.uses_zookeeper(version) else None
        for node in self.nodes.values():
            os.makedirs(node.logs)
            membership = self._under_zookeeper(node) if self.zookeeper else self._format(node)
            self._configure(node, {**membership, **SMALL, **(config or {})})
        self.start()

    def _under_zookeeper(self, node):
        """The broker makes its own meta.properties."""
        return {
            "broker.id": node.number,
            "zookeeper.connect": self.zookeeper.address,
            "zookeeper.session.timeout.ms": 4000,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
            "listeners": f"PLAINTEXT://{node.address},PROXIED://127.0.0.1:{node.proxied_port}",
        }

    def _format(self, node):
        """What `kafka-storage format` does."""
        shutil.copy(jvm.bootstrap_checkpoint(self.version), os.path.join(node.logs, "bootstrap.checkpoint"))
        _write_properties(os.path.join(node.logs, "meta.properties"), {
            "version": 1, "cluster.id": self.id, "node.id": node.number, "directory.id": protocol.random_uuid()})
        return {
            "process.roles": "broker,controller",
            "node.id": node.number,
            "controller.quorum.voters": ",".join(f"{n.number}@127.0.0.1:{n.controller_port}"
                                                 for n in self.nodes.values()),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "listeners": f"PLAINTEXT://{node.address},PROXIED://127.0.0.1:{node.proxied_port},"
                         f"CONTROLLER://127.0.0.1:{node.controller_port}",
        }

    def _configure(self, node, config):
        replicas = min(len(self.nodes), 3)
        _write_properties(os.path.join(node.home, "server.properties"), {
            "inter.broker.listener.name": "PLAINTEXT",
            "advertised.listeners": f"PLAINTEXT://{node.address},PROXIED://{node.proxy.address}",
            "log.dirs": node.logs,
            "default.replication.factor": replicas,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": 1,
            **config})

    def start(self, *numbers, wait=True):
        """Starts the named nodes (all, when none is named) and waits until the cluster is whole."""
        for number in numbers or self.nodes:
            node = self.nodes[number]
            with open(os.path.join(node.home, "out.log"), "ab") as out:
                node.child = process.launch(
                    jvm.broker(self.version, os.path.join(node.home, "server.properties"), self.heap),
                    stdout=out, stderr=subprocess.STDOUT)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=60):
        """Every running broker answers and knows every other running one."""
        running = {n.number for n in self.nodes.values() if n.running()}
        for number in running:
            net.wait_until(lambda: running <= set(protocol.brokers_seen_by(self.nodes[number].address)), seconds,
                           f"{self.name}: broker {number}, see {self.nodes[number].home}/out.log")

    def kill(self, number, number_of_signal=signal.SIGKILL):
        """Ends one node by the signal and waits for its end."""
        node = self.nodes[number]
        node.child.send_signal(number_of_signal)
        node.child.wait(60)

    def pause(self, number):
        self.nodes[number].child.send_signal(signal.SIGSTOP)
        self.nodes[number].paused = True

    def resume(self, number):
        self.nodes[number].child.send_signal(signal.SIGCONT)
        self.nodes[number].paused = False

    def restart(self, number, number_of_signal=signal.SIGTERM):
        self.kill(number, number_of_signal)
        self.start(number)

    def heal(self):
        """Whole again, whatever a test has done to it."""
        for node in self.nodes.values():
            node.proxy.mend()
            if node.running():
                self.resume(node.number)
        down = [node.number for node in self.nodes.values() if not node.running()]
        if down:
            self.start(*down)

    def stop(self):
        """The end of a test: quick, not graceful."""
        self.stopped = True
        for node in self.nodes.values():
            node.proxy.close()
            if node.child is not None:
                process.end(node.child)
        if self.zookeeper:
            process.end(self.zookeeper.child)

    def connect(self, number):
        return protocol.Connection(self.nodes[number].address)

    def metadata(self, *topics):
        """{topic: {partition: (leader, leader epoch, replicas, in sync)}} as a running broker knows it."""
        running = next(n.number for n in self.nodes.values() if n.running() and not n.paused)
        with self.connect(running) as connection:
            return connection.metadata(topics or None)[1]

    def leader(self, topic, partition):
        return self.metadata(topic)[topic][partition][0]

    def coordinator(self, group):
        """The broker that coordinates `group`: the leader of its partition of __consumer_offsets (GroupCoordinator)."""
        hashed = functools.reduce(lambda h, c: (31 * h + ord(c)) & 0xFFFFFFFF, group, 0)  # String.hashCode()
        partitions = self.metadata("__consumer_offsets")["__consumer_offsets"]
        return partitions[(hashed if hashed < 1 << 31 else (1 << 32) - hashed) % len(partitions)][0]

    def offsets(self, topic, timestamp=protocol.LATEST):
        """{partition: offset} of the partitions that have a leader: high watermarks, or log starts with EARLIEST."""
        by_leader = {}
        for partition, (leader, *_) in self.metadata(topic)[topic].items():
            by_leader.setdefault(leader, []).append(partition)
        found = {}
        for leader, partitions in by_leader.items():
            if leader in self.nodes:
                with self.connect(leader) as connection:
                    found.update(connection.list_offsets(topic, partitions, timestamp))
        return found

    def partition_folder(self, number, topic, partition):
        """Where node `number` keeps its replica."""
        return os.path.join(self.nodes[number].logs, f"{topic}-{partition}")


class GuardedCluster(Cluster):
    """Clients on `bootstrap` have no name and no right but those that Load.allow() gives them. The cluster's own words,
    and those of Load, go with a password over the other listener."""

    def __init__(self, name, config=None, version="4.3.1"):
        old = jvm.uses_zookeeper(version)
        ours = f'{LOGIN} user_root="secret";'
        protocols = "PLAINTEXT:PLAINTEXT,PROXIED:SASL_PLAINTEXT" + ("" if old else ",CONTROLLER:SASL_PLAINTEXT")
        super().__init__(name, 1, {
            "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer" if old else
                                     "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:root",
            "inter.broker.listener.name": "PROXIED",
            "listener.security.protocol.map": protocols,
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            **({} if old else {"sasl.mechanism.controller.protocol": "PLAIN"}),
            **{f"listener.name.{listener}.plain.sasl.jaas.config": ours for listener in ("proxied", "controller")},
            **(config or {})}, version)

    @property
    def superuser(self):
        """How Load reaches it."""
        return {"bootstrap": self.proxied_bootstrap,
                "client": {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                           "sasl.jaas.config": f"{LOGIN};"}}


def _write_properties(path, values):
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(f"{key}={value}\n" for key, value in values.items())
