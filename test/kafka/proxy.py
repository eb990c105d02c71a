"""A TCP proxy in front of one broker that can delay, freeze, cut and stop in the middle of an answer."""

import selectors
import socket
import threading
import time

CHUNK = 256 * 1024
WAITING_MAX = 4 * 1024 * 1024  # bytes held for one direction; more is not read, so TCP holds it back


class Direction:
    """What was read from one socket and is still to be written to the other: (due time, bytes)."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.waiting, self.size, self.ended = [], 0, False


class Proxy:
    """Forwards 127.0.0.1:port to 127.0.0.1:target from its first client on.

    The switches may be set from any thread: `delay` in seconds for each direction; `frozen` keeps connections open and
    moves nothing; `answer_bytes_max` lets each connection have that many bytes of answers and then nothing more.
    """

    def __init__(self, port, target):
        self.address = f"127.0.0.1:{port}"
        self.target = target
        self.delay, self.frozen, self.answer_bytes_max = 0.0, False, None
        self._refusing = self._closing = False
        self._pairs = {}
        self._wanted = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self._listener.setblocking(False)
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"proxy {port}")
        self._thread.start()

    def cut(self):
        """Resets all connections and those that follow, until mend()."""
        self._refusing = True

    def mend(self):
        """Back to a good network."""
        self.delay, self.frozen, self.answer_bytes_max, self._refusing = 0.0, False, None, False

    def close(self):
        self._closing = True
        self._thread.join(5)

    def _run(self):
        while not self._closing:
            reading, writing = self._wishes()
            ready = _select(reading, writing, self._pause())
            if self._listener in ready:
                self._accept()
            if self._refusing:
                self._drop_all()
            for pair in list(self._pairs.values()):
                if not all(self._move(d, ready) for d in pair):
                    self._drop(pair)
        self._drop_all()
        self._listener.close()

    def _directions(self):
        return [d for pair in self._pairs.values() for d in pair]

    def _wishes(self):
        if self.frozen:
            return [self._listener], []
        now = time.monotonic()
        reading = [d.source for d in self._directions() if d.size < WAITING_MAX and not d.ended]
        writing = [d.sink for d in self._directions() if d.waiting and d.waiting[0][0] <= now]
        return [self._listener, *reading], writing

    def _pause(self):
        due = [d.waiting[0][0] for d in self._directions() if d.waiting]
        return max(0.0, min([0.02, *(t - time.monotonic() for t in due)])) if due and not self.frozen else 0.02

    def _accept(self):
        client, _ = self._listener.accept()
        try:
            if self._refusing:
                raise ConnectionRefusedError
            broker = socket.create_connection(("127.0.0.1", self.target), 1)
        except OSError:
            _reset(client)
            return
        for s in (client, broker):
            s.setblocking(False)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pairs[client] = (Direction(client, broker), Direction(broker, client))

    def _move(self, direction, ready):
        """False when the connection is over."""
        if self.frozen:
            return True
        try:
            if direction.source in ready and direction.size < WAITING_MAX and not direction.ended:
                self._read(direction)
            if direction.waiting and direction.waiting[0][0] <= time.monotonic():
                self._write(direction)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return not (direction.ended and not direction.waiting)

    def _read(self, direction):
        data = direction.source.recv(CHUNK)
        if not data:
            direction.ended = True
            return
        direction.waiting.append((time.monotonic() + self.delay, data))
        direction.size += len(data)

    def _write(self, direction):
        due, data = direction.waiting[0]
        answers = direction.sink in self._pairs
        limit = self.answer_bytes_max if answers else None
        if limit is not None:
            data = data[:max(0, limit - getattr(direction, "answered", 0))]
            if not data:
                return
        sent = direction.sink.send(data)
        if limit is not None:
            direction.answered = getattr(direction, "answered", 0) + sent
        rest = direction.waiting[0][1][sent:]
        direction.waiting[0:1] = [(due, rest)] if rest else []
        direction.size -= sent

    def _drop(self, pair):
        self._pairs.pop(pair[0].source, None)
        _reset(pair[0].source)
        _reset(pair[0].sink)

    def _drop_all(self):
        for pair in list(self._pairs.values()):
            self._drop(pair)


def _select(reading, writing, timeout):
    with selectors.DefaultSelector() as selector:
        for s in set(reading) | set(writing):
            wanted = (selectors.EVENT_READ if s in reading else 0) | (selectors.EVENT_WRITE if s in writing else 0)
            selector.register(s, wanted)
        return {key.fileobj for key, _ in selector.select(timeout)}


def _reset(s):
    """Close with RST: what a cut network or a dead host looks like once it answers again."""
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    except OSError:
        pass
    s.close()
