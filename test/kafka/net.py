"""Free ports, and waiting until something becomes true."""

import random
import socket
import time

# Below the range that the kernel gives to outgoing connections: a broker that is down finds its port free again.
PORTS = range(20000, 32000)
_given = set()


def _is_free(port):
    """Nobody listens there, and this test has not been given it before."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return port not in _given


def free_ports(count):
    """Ports on the loopback."""
    found = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        if _is_free(port):
            _given.add(port)
            found.append(port)
    assert len(found) == count
    return found


def free_port_row(count):
    """The first of so many ports that follow each other."""
    for port in random.sample(PORTS, len(PORTS)):
        row = range(port, port + count)
        if all(map(_is_free, row)):
            _given.update(row)
            return port
    raise AssertionError(f"no {count} free ports in a row")


class TimedOut(Exception):
    """Something did not become true in time."""


def wait_until(condition, seconds, what, pause=0.05):
    """The first true answer of `condition`; its last word is part of the failure."""
    deadline = time.monotonic() + seconds
    while True:
        answer, why = None, ""
        try:
            answer = condition()
            why = repr(answer)
        except (OSError, LookupError) as problem:
            why = f"{type(problem).__name__}: {problem}"
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimedOut(f"{what}: not within {seconds} s, last: {why}")
        time.sleep(pause)
