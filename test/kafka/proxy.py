"""A TCP proxy in front of one broker that can delay, freeze, cut, and stop in the middle of an answer."""

import asyncio
import collections
import socket
import struct
import threading
import time

CHUNK = 256 * 1024
WAITING_MAX = 4 * 1024 * 1024  # bytes held for one direction; more is not read, so that TCP holds the sender back

_loop = asyncio.new_event_loop()
threading.Thread(target=_loop.run_forever, daemon=True, name="proxies").start()


def _on_loop(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, _loop).result(10)


class Proxy:
    """Forwards 127.0.0.1:port to 127.0.0.1:target. Every method may be called from any thread."""

    def __init__(self, port, target):
        self.address = f"127.0.0.1:{port}"
        self._target = target
        self._delay, self._refusing, self._answer_bytes_max = 0.0, False, None
        self._writers = set()
        self._moving = asyncio.Event()
        self._moving.set()
        self._server = _on_loop(asyncio.start_server(self._serve, "127.0.0.1", port))

    def delay(self, seconds):
        """Each direction takes that much longer from now on."""
        self._delay = seconds

    def freeze(self):
        """Connections stay open and nothing moves, until mend()."""
        _loop.call_soon_threadsafe(self._moving.clear)

    def cut(self):
        """Resets all connections and those that follow, until mend()."""
        self._refusing = True
        _on_loop(self._reset_all())

    def stop_answers_after(self, size):
        """Each connection made from now on gets that many bytes of answers and then nothing more, until mend()."""
        self._answer_bytes_max = size
        _on_loop(self._reset_all())

    def mend(self):
        """A good network again; connections whose answers were stopped are reset."""
        if self._answer_bytes_max is not None:
            _on_loop(self._reset_all())
        self._delay, self._refusing, self._answer_bytes_max = 0.0, False, None
        _loop.call_soon_threadsafe(self._moving.set)

    def close(self):
        self.cut()
        _loop.call_soon_threadsafe(self._server.close)

    async def _reset_all(self):
        for writer in list(self._writers):
            _reset(writer)

    async def _serve(self, client, to_client):
        if self._refusing:
            _reset(to_client)
            return
        try:
            broker, to_broker = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(to_client)
            return
        self._writers |= {to_client, to_broker}
        tasks = [asyncio.ensure_future(self._pump(client, to_broker, None)),
                 asyncio.ensure_future(self._pump(broker, to_client, self._answer_bytes_max))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        self._writers -= {to_client, to_broker}
        _reset(to_client)
        _reset(to_broker)

    async def _pump(self, reader, writer, limit):
        """Reads ahead into a line of (due time, bytes) and writes what is due, until either side ends."""
        line, news, room = collections.deque(), asyncio.Event(), asyncio.Event()
        reading = asyncio.ensure_future(self._read(reader, line, news, room))
        try:
            while True:
                await news.wait()
                due, data = line[0]
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self._moving.wait()
                if not data:
                    return
                passing = data if limit is None else data[:limit]
                limit = None if limit is None else limit - len(passing)
                writer.write(passing)
                await writer.drain()
                line.popleft()
                room.set()
                if not line:
                    news.clear()
        except OSError:
            pass
        finally:
            reading.cancel()

    async def _read(self, reader, line, news, room):
        data = b"first"
        while data:
            while sum(len(waiting) for _, waiting in line) > WAITING_MAX:
                room.clear()
                await room.wait()
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            line.append((time.monotonic() + self._delay, data))
            news.set()


def _reset(writer):
    """Close with RST, as a cut network or a dead host looks like once it answers again."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
