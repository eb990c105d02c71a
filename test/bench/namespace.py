"""Network namespaces: a loopback with another congestion control than the machine's, and a simulated WAN."""

import os
import shutil
import subprocess
import sys

import mirror
import net
import process

CONGESTION = "cubic"  # most machines' default, and the same for everybody
INSIDE = "ODRAZ_BENCH_NAMESPACE"
# The route decides, for both ends of each connection; the setting of this name is not open to every namespace.
LOOPBACK = f"""ip link set lo up
for address in 127.0.0.0/8 127.0.0.1; do
    ip route replace local $address dev lo proto kernel scope host src 127.0.0.1 congctl {CONGESTION} table local
done
exec "$@"
"""


def enter(always=False):
    """Starts the program over where loopback connections use CONGESTION; also where they do anyway, with `always`."""
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as f:
        if INSIDE in os.environ or (f.read().strip() == CONGESTION and not always):
            return
    if shutil.which("ip") is None:
        sys.exit("ip is missing: apt-get install iproute2")
    os.environ[INSIDE] = CONGESTION
    rights = ["--net"] if os.geteuid() == 0 else ["--net", "--map-root-user"]
    os.execvp("unshare", ["unshare", *rights, "sh", "-ec", LOOPBACK, "sh", sys.executable, *sys.argv])


def _run(*command):
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


class Line:
    """A simulated WAN from our own namespace to a new one, which test/bench/wan makes of TUN devices."""

    NET, NEAR, FAR = "10.77.0.0/30", "10.77.0.1", "10.77.0.2"
    PROGRAM = os.path.join(os.path.dirname(mirror.PROGRAM), "bench", "wan")

    def __init__(self, seed=1):
        own = f"/proc/{os.getpid()}/ns/net"
        self._keeper = process.launch(["unshare", "--net", "sleep", "infinity"])
        far = f"/proc/{self._keeper.pid}/ns/net"
        net.wait_until(lambda: os.readlink(far) != os.readlink(own), 10, "the far namespace")
        self.inside = ["nsenter", f"--net={far}"]  # before a command that runs at the far end
        self._child = process.launch([self.PROGRAM, own, far, str(seed)], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        if self._child.stdout.readline() != "ready\n":
            raise RuntimeError("no line")
        _run(*self.inside, "sh", "-ec", LOOPBACK, "sh", "true")
        for prefix, address in (([], self.NEAR), (self.inside, self.FAR)):
            _run(*prefix, "ip", "address", "add", f"{address}/30", "dev", "wan0")
            _run(*prefix, "ip", "link", "set", "wan0", "mtu", "1500", "txqueuelen", "10000", "up")
            _run(*prefix, "ip", "route", "replace", self.NET, "dev", "wan0", "proto", "kernel", "scope", "link",
                 "src", address, "congctl", CONGESTION)

    def _ask(self, line):
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        values = list(map(int, self._child.stdout.readline().split()))
        return dict(zip(("bytes", "packets", "lost", "dropped"), values))

    def set(self, mbit_per_s, round_trip_ms, loss_percent):
        """Both ways the same; the queue holds what the line carries in a round trip, and at least 10 ms of it."""
        queue = mbit_per_s * 1e6 / 8 * max(round_trip_ms, 10) / 1000
        self._ask(f"{mbit_per_s} {round_trip_ms} {loss_percent} {queue:.0f}")

    def counters(self):
        """What went from the near to the far end so far."""
        return self._ask("")

    def stop(self):
        process.end(self._child)
        process.end(self._keeper)
