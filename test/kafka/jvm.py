"""Java made quick to start: one sorted class path, one class data archive and one formatted log folder a version."""

import fcntl
import glob
import os
import subprocess
import sys

import net
import process
import protocol

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import kafka_jars  # noqa: E402  (found by the line above)

# C1 only and no GC threads: two cores start four brokers, and none of them lives long enough for C2.
FAST = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"]
LOG4J_1 = """log4j.rootLogger=WARN, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
"""


def _prepared(version, name):
    return os.path.join(kafka_jars.folder(version), "prepared", name)


def class_path(version):
    """Sorted: a class data archive is only valid for the class path it was made with."""
    return ":".join(sorted(glob.glob(os.path.join(kafka_jars.jars(version), "*.jar"))))


def java(version, main, arguments, heap="256m", archive=None, first=(), classes=None):
    """The command line that runs `main`, which is one of Kafka's or stands in the folder `classes`.

    `heap` is how large it may become, or "smallest:largest". `archive` is what prepare() made; Java ignores it when it
    does not fit.
    """
    smallest, _, largest = heap.rpartition(":")
    sizes = [f"-Xms{smallest}"] if smallest else []
    command = ["java", *sizes, f"-Xmx{largest}", *FAST, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
               "-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
               "-Dlog4j.configuration=file:" + _prepared(version, "log4j.properties"), *first]
    if archive is not None and os.path.exists(archive):
        command += ["-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off", f"-XX:SharedArchiveFile={archive}"]
    path = class_path(version) + (":" + classes if classes else "")
    return command + ["-cp", path, main, *arguments]


def broker(version, properties, heap):
    """The command line of a broker."""
    return java(version, "kafka.Kafka", [properties], heap, _prepared(version, "broker.jsa"))


def uses_zookeeper(version):
    """KRaft is ready for use since 3.3 (KIP-833)."""
    return tuple(map(int, version.split(".")[:2])) < (3, 3)


def zookeeper(version, properties):
    """The command line of the ZooKeeper that brokers before KRaft need."""
    return java(version, "org.apache.zookeeper.server.quorum.QuorumPeerMain", [properties], "128m",
                first=["-Dzookeeper.admin.enableServer=false"])


def bootstrap_checkpoint(version):
    """What `kafka-storage format` leaves behind besides meta.properties; it names neither node nor cluster."""
    return _prepared(version, "bootstrap.checkpoint")


def prepare(version):
    """Formats one log folder and dumps one class data archive, once a machine: later starts take 1.2 s, not 3.4."""
    kafka_jars.jars(version)
    os.makedirs(_prepared(version, ""), exist_ok=True)
    with open(_prepared(version, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(_prepared(version, "done")):
            _prepare(version)


def _prepare(version):
    with open(_prepared(version, "log4j.properties"), "w", encoding="utf-8") as f:
        f.write(LOG4J_1)
    if not uses_zookeeper(version):
        _prepare_kraft(version)
    with open(_prepared(version, "done"), "w", encoding="utf-8"):
        pass


def _prepare_kraft(version):
    home = process.temporary("prepare")
    properties = os.path.join(home, "server.properties")
    logs = os.path.join(home, "logs")
    ports = net.free_ports(2)
    with open(properties, "w", encoding="utf-8") as f:
        f.write("process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"
                f"controller.quorum.voters=1@127.0.0.1:{ports[1]}\n"
                f"listeners=PLAINTEXT://127.0.0.1:{ports[0]},CONTROLLER://127.0.0.1:{ports[1]}\n"
                f"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={logs}\n")
    subprocess.run(java(version, "kafka.tools.StorageTool", ["format", "-t", protocol.random_uuid(), "-c", properties]),
                   check=True, stdin=subprocess.DEVNULL, capture_output=True)
    os.replace(os.path.join(logs, "bootstrap.checkpoint"), bootstrap_checkpoint(version) + ".new")
    os.replace(bootstrap_checkpoint(version) + ".new", bootstrap_checkpoint(version))
    _dump_classes(version, properties, ports[0])


def _dump_classes(version, properties, port):
    archive = _prepared(version, "broker.jsa")
    dump = java(version, "kafka.Kafka", [properties], first=[f"-XX:ArchiveClassesAtExit={archive}", "-Xlog:cds=off",
                                                              "-Xlog:cds+dynamic=off"])
    child = process.launch(dump, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"127.0.0.1:{port}"
        net.wait_until(lambda: len(protocol.brokers_seen_by(address)) == 1, 60, "the first broker of " + version)
        child.terminate()
        child.wait(60)
    finally:
        process.end(child)
