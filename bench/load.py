"""An open-loop load, in a process of its own: a request is due when it is due, however slow the answers are.

Half of the requests are sent on connections that are kept alive, half on new ones; half are GET, half POST.
A latency counts from the moment the request was due, so that a stall is paid for by all requests that it
kept waiting. One line of JSON a request goes to the file named, when standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 30.0


@dataclass(slots=True)
class Request:
    """One request: monotonic times in seconds; `version` is None when it failed, and `error` says how."""

    due: float
    sent: float = 0.0
    ended: float = 0.0
    version: str | None = None
    error: str = ""


class Connection(asyncio.Protocol):
    """A client connection that carries one request at a time."""

    def __init__(self) -> None:
        self.closed = False
        self.reusable = True
        self.answer: asyncio.Future[bytes] | None = None
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError(f"cut after {len(self.buffer)} bytes"))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end or self.answer is None or self.answer.done():
            return
        fields = head.lower().split(b"\r\n")
        length = next((int(f[15:]) for f in fields if f.startswith(b"content-length:")), None)
        if length is None or not head.startswith(b"HTTP/1.1 200"):
            self.answer.set_exception(ConnectionError(head.split(b"\r\n")[0].decode(errors="replace")))
        elif len(body) >= length:
            self.reusable = b"connection: close" not in fields
            self.buffer = b""
            self.answer.set_result(body[:length])

    async def ask(self, message: bytes) -> bytes:
        """Send a request; its answer's body. Raises ConnectionError, TimeoutError."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        async with asyncio.timeout(TIMEOUT):
            return await self.answer


class Load:
    """The generator: `rate` requests a second until told to stop."""

    def __init__(self, port: int, host: str, rate: float) -> None:
        self.port, self.host, self.interval = port, host, 1 / rate
        self.requests: list[Request] = []
        self.idle: deque[Connection] = deque()
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        due = time.monotonic()
        while not stop.is_set():
            while due <= time.monotonic():
                request = Request(due)
                task = asyncio.create_task(self.one(request, len(self.requests)))
                self.requests.append(request)
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
                due += self.interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*self.tasks)

    async def one(self, request: Request, number: int) -> None:
        keep, post = number % 2 == 0, number % 4 < 2
        try:
            connection = await self.connection(reuse=keep)
            request.sent = time.monotonic()
            body = await connection.ask(self.message(number, keep=keep, post=post))
            request.ended = time.monotonic()
            version, _, answered = body.decode().partition(" ")
            if answered != str(number):
                raise ConnectionError(f"the answer of request {answered}")
            request.version = version
            if keep and connection.reusable and not connection.closed:
                self.idle.append(connection)
            else:
                connection.transport.close()
        except (OSError, TimeoutError) as error:
            request.ended = time.monotonic()
            request.error = str(error) or type(error).__name__

    async def connection(self, *, reuse: bool) -> Connection:
        """The connection that has been idle longest, or a new one."""
        while reuse and self.idle:
            connection = self.idle.popleft()
            if not connection.closed:
                return connection
        async with asyncio.timeout(TIMEOUT):
            loop = asyncio.get_running_loop()
            return (await loop.create_connection(Connection, "127.0.0.1", self.port))[1]

    def message(self, number: int, *, keep: bool, post: bool) -> bytes:
        body = b'{"note": "a small order"}' if post else b""
        return (
            f"{'POST' if post else 'GET'} /?n={number} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        ).encode() + body


async def main(options: argparse.Namespace) -> None:
    load = Load(options.port, options.host, options.rate)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    gc.disable()  # a collection would be counted as the router's latency
    await load.run(stop)
    with options.out.open("w") as out:
        for r in load.requests:
            out.write(json.dumps([r.due, r.sent, r.ended, r.version, r.error]) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asyncio.run(main(parser.parse_args()))
