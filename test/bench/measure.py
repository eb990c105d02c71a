"""One measured run: what the contender, the brokers and everybody else used while the records went over."""

import glob
import os
import re
import signal
import subprocess
import time

import process
import protocol

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LOOK_S = 0.01  # between two looks at the destination, at least
LOOK_PART = 0.02  # of the time may be looks: with 2,000 partitions one takes as long as many appends
SESSION_LOOK_S = 0.5  # and for what a contender has started
RUN_S_MAX = 900
STANDSTILL_S_MAX = 180
QUIET_CORES = 0.1  # what others may use before a run is called disturbed


class Failed(Exception):
    """A contender did not copy everything."""


def _fields(pid):
    """What /proc/PID/stat says from the state on."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rsplit(")", 1)[1].split()


def _session(leader):
    """The processes of a session: a contender may be a pipeline."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and _fields(name)[3] == str(leader):
                found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def _cpu_seconds(pids):
    """Of these, which may have ended without being waited for, and of those they have waited for."""
    total = 0
    for pid in pids:
        try:
            fields = _fields(pid)
            own, waited_for = (sum(map(int, fields[i:i + 2])) / TICKS_PER_S for i in (11, 13))
            if fields[17] == "1":  # thread: to the nanosecond, where ticks of 10 ms would be a tenth of a short run
                with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
                    own = int(f.read().split()[0]) / 1e9
            total += own + waited_for
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def _peak_mib(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                found = re.search(r"VmHWM:\s+(\d+) kB", f.read())
            total += int(found.group(1)) / 1024 if found else 0  # one that has ended has no memory
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def machine_seconds():
    """CPU time that this machine spent on anything (user, nice, system, irq, softirq), and what its host withheld."""
    with open("/proc/stat", encoding="ascii") as f:
        fields = [int(field) / TICKS_PER_S for field in f.readline().split()[1:]]
    return sum(fields[i] for i in (0, 1, 2, 5, 6)), fields[7]


def _of_cluster(cluster):
    return _cpu_seconds(node.child.pid for node in cluster.nodes.values())


def _compilers(cluster):
    """What of a cluster's CPU time Java's own compilers took: a broker that has run for a day has none of it."""
    total = 0
    for node in cluster.nodes.values():
        for task in glob.glob(f"/proc/{node.child.pid}/task/*"):
            try:
                with open(f"{task}/comm", encoding="utf-8", errors="replace") as f:
                    if re.match("C[12] Compiler", f.read()):
                        with open(f"{task}/schedstat", encoding="ascii") as times:
                            total += int(times.read().split()[0]) / 1e9
            except (FileNotFoundError, ProcessLookupError):  # compiler threads come and go
                pass
    return total


class Watch:
    """Counts a topic's records below the high watermarks, on connections of its own."""

    def __init__(self, cluster, topic):
        self.topic, self.parts = topic, []
        by_leader = {}
        for partition, (leader, *_) in cluster.metadata(topic)[topic].items():
            by_leader.setdefault(leader, []).append(partition)
        for leader, partitions in by_leader.items():
            self.parts.append((cluster.connect(leader), partitions))

    def records(self):
        return sum(sum(connection.list_offsets(self.topic, partitions, protocol.LATEST).values())
                   for connection, partitions in self.parts)

    def close(self):
        for connection, _ in self.parts:
            connection.socket.close()


class Meter:
    """The state of all counters at one moment, and what lies between two of them."""

    def __init__(self, pids, task, records):
        self.time, self.records = time.monotonic(), records
        own = sum(os.times()[:2])
        self.cpu = {"contender": _cpu_seconds(pids), "source": _of_cluster(task.source),
                    "destination": _of_cluster(task.destination), "bench": own}
        busy, stolen = machine_seconds()
        self.cpu["others"] = busy - sum(self.cpu.values())
        self.cpu["host"] = stolen
        self.cpu["compilers"] = _compilers(task.source) + _compilers(task.destination)  # part of the brokers'


def wait_quiet(task, seconds):
    """Waits, not for ever, until others leave this machine alone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = Meter((), task, 0)
        time.sleep(1)
        after = Meter((), task, 0)
        brokers = sum(after.cpu[name] - before.cpu[name] for name in ("source", "destination"))
        others = sum(after.cpu[name] - before.cpu[name] for name in ("others", "host"))
        if others < QUIET_CORES and brokers < QUIET_CORES:
            return


def _copy(child, task, watch):
    """Follows a run to its end: (moment of the first records, moment of the last one, peak memory)."""
    begin = changed = time.monotonic()
    first, seen, peak, pids, looked = None, 0, 0, [child.pid], 0
    while True:
        asked = time.monotonic()
        records = watch.records()
        now = time.monotonic()
        if now > looked + SESSION_LOOK_S:
            pids, looked = _session(child.pid), now
        peak = max(peak, _peak_mib(pids))
        if records > seen:
            seen, changed = records, now
            first = first or Meter(pids, task, records)
        if records >= task.data.records:
            return first, Meter(pids, task, records), peak
        if (_fields(child.pid)[0] == "Z" and now > changed + 1) or now > changed + STANDSTILL_S_MAX or \
                now > begin + RUN_S_MAX:
            raise Failed(f"{records} of {task.data.records} records after {now - begin:.0f} s")
        time.sleep(_until_next_look(now - asked, records, first, now, task.data.records))


def _until_next_look(look_s, records, first, now, total):
    """So that looks take a small part of the time, and neither the first nor the last record is seen late."""
    if not first:
        return max(LOOK_S, 2 * look_s)
    rate = (records - first.records) / (now - first.time) if now > first.time else 0
    left_s = (total - records) / rate if rate > 0 else LOOK_S
    return max(LOOK_S, min(look_s / LOOK_PART, left_s / 2))


def stored_bytes(cluster, topic):
    """What one replica of each partition takes in segment files."""
    sizes = {}
    for node in cluster.nodes.values():
        for path in glob.glob(os.path.join(node.logs, f"{topic}-*", "*.log")):
            partition = os.path.basename(os.path.dirname(path))
            sizes.setdefault((partition, node.number), []).append(os.path.getsize(path))
    largest = {}
    for (partition, _), segments in sizes.items():
        largest[partition] = max(largest.get(partition, 0), sum(segments))
    return sum(largest.values())


def _tail(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return "".join(f.readlines()[-15:])


def run(command, task):
    """The figures of one run; the topic must stand empty at the destination. Raises Failed."""
    watch = Watch(task.destination, task.data.topic)
    out = os.path.join(task.home, "out.log")
    with open(out, "wb") as log:
        begin = time.monotonic()
        child = process.launch(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        first, last, peak = _copy(child, task, watch)
    except Failed as problem:
        raise Failed(f"{problem}\n{_tail(out)}") from None
    finally:
        watch.close()
        os.killpg(child.pid, signal.SIGTERM)  # a pipeline too
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            process.end(child)
    if last.records != task.data.records:
        raise Failed(f"{last.records} records at the destination, {task.data.records} at the source")
    if first is last or first.records == last.records:
        raise Failed("over too soon to be measured: more data is needed")
    return _figures(task, begin, first, last, peak)


def _figures(task, begin, first, last, peak):
    seconds, records = last.time - first.time, last.records - first.records
    cpu = {name: last.cpu[name] - first.cpu[name] for name in last.cpu}
    return {
        "seconds": seconds,
        "records": records,
        "records_per_s": records / seconds,
        "start_s": first.time - begin,
        "start_cpu_s": first.cpu["contender"],
        "cpu_s": cpu,
        "others_cores": (cpu["others"] + cpu["host"]) / seconds,
        "peak_mib": peak,
        "stored_bytes": stored_bytes(task.destination, task.data.topic),
    }
