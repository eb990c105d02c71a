"""Runs odraz as a user would: a properties file, a process, its log and its exit code."""

import os
import re
import shlex
import signal
import subprocess
import threading
import time

import net
import process

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("ODRAZ", os.path.join(ROOT, "build", "odraz"))
UNOWNED = os.path.join(os.path.dirname(PROGRAM), "odraz_unowned")  # every instance believes to own everything
# A test cannot wait for the defaults (refresh every 10 minutes).
QUICK = {
    "refresh.topics.interval.seconds": 1,
    "replication.factor": -1,
    "replication.policy.class": "org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
}


def properties(aliases, bootstraps, settings):
    """An mm2.properties file of one flow."""
    a, b = aliases
    values = {"clusters": f"{a}, {b}", f"{a}.bootstrap.servers": bootstraps[0], f"{b}.bootstrap.servers": bootstraps[1],
              f"{a}->{b}.enabled": "true", **QUICK, **settings}
    return "".join(f"{key} = {value}\n" for key, value in values.items())


def logfmt(line):
    """The fields of a log line; {} for a line that is none."""
    try:
        return dict(part.split("=", 1) for part in shlex.split(line))
    except ValueError:  # no logfmt
        return {}


class Mirror:
    """One instance of odraz from `source` to `destination` (clusters, or bootstrap lists), not started yet.

    With `show` it speaks to our own terminal, instead of into `lines`.
    """

    def __init__(self, source, destination, topics, settings=None, aliases=("a", "b"), show=False):
        self.home = process.temporary("mirror")
        self.file = os.path.join(self.home, "mirror.properties")
        self.settings = {"topics": topics, **(settings or {})}
        self.aliases = aliases
        self.group = f"odraz.{aliases[0]}->{aliases[1]}"
        self.bootstraps = [getattr(cluster, "bootstrap", cluster) for cluster in (source, destination)]
        self.configure()
        self.program = PROGRAM
        self.show = show
        self.lines = []
        self.child = None

    def configure(self, **changed):
        """Rewrites the file; keys are given with underscores for dots."""
        self.settings.update({key.replace("_", "."): value for key, value in changed.items()})
        with open(self.file, "w", encoding="utf-8") as f:
            f.write(properties(self.aliases, self.bootstraps, self.settings))

    def start(self):
        if self.show:
            self.child = process.launch([self.program, "run", self.file])
            return
        self.child = process.launch([self.program, "run", self.file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read, args=(self.child.stdout,), daemon=True, name="mirror log")
        self._reader.start()

    def _read(self, stream):
        with open(os.path.join(self.home, "out.log"), "ab") as copy:
            for line in stream:
                copy.write(line)
                copy.flush()
                self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def running(self):
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        if self.child is not None:
            process.end(self.child)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def stop(self, seconds=30):
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds=30):
        """The exit code, once it ends by itself and its last words have been read."""
        code = self.child.wait(seconds)
        if not self.show:
            self._reader.join(seconds)
        return code

    def events(self, **fields):
        """The log lines whose fields match: each value is a regular expression to be found in the field of that name.

        `line` is the whole line.
        """
        found = []
        for line in list(self.lines):
            parsed = {**logfmt(line), "line": line}
            if all(re.search(str(want), parsed.get(key, "")) for key, want in fields.items()):
                found.append(parsed)
        return found

    def wait_for(self, seconds=30, **fields):
        """The first log line whose fields match."""
        def look():
            found = self.events(**fields)
            if not found and not self.running():
                found = self.events(**fields)  # what it said just before it ended
                if not found:
                    raise AssertionError(f"odraz ended with {self.child.returncode} without {fields}:\n{self.tail()}")
            return found

        try:
            return net.wait_until(look, seconds, f"log line {fields}")[0]
        except net.TimedOut as problem:
            raise AssertionError(f"{problem}\n{self.tail()}") from None

    def halted(self, topic, partition, reason, seconds=30):
        """Waits until that partition is halted for that reason; the log line."""
        return self.wait_for(seconds, msg="^partition halted$", topic=f"^{re.escape(topic)}$",
                             partition=f"^{partition}$", reason=reason)

    def tail(self, count=15):
        return "\n".join(self.lines[-count:])

    def cpu_seconds(self):
        """User and system time so far."""
        with open(f"/proc/{self.child.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        """The largest resident size so far."""
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) / 1024


def run_to_the_end(arguments, seconds=20):
    """(exit code, everything it said) of an odraz that ends by itself."""
    start = time.monotonic()
    child = process.launch([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.end(child)
        raise AssertionError(f"odraz {arguments} still ran after {time.monotonic() - start:.0f} s") from None
    return child.returncode, said.decode(errors="replace")
