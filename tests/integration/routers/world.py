"""What the router's tests stand on: applications as processes, a client that counts what it loses, tables."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.domain.names import EnvironmentName
from tidegate.domain.route import Route
from tidegate.domain.traffic import RoutedServers, Server, TrafficTable

APP = Path(__file__).with_name("app.py")
SHOP = EnvironmentName("shop", "production")
BLOG = EnvironmentName("blog", "production")
HOST = "shop.example.com"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


@dataclass
class App:
    """One replica: `release` is what it answers with."""

    release: int
    index: int
    address: str
    port: int
    process: subprocess.Popen[str]

    def server(self, serving: bool = True) -> Server:
        return Server(self.release, "web", self.index, self.address, self.port, serving)

    def finish_slow(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


class Apps:
    """Starts replicas on loopback addresses of their own and ends them all."""

    def __init__(self) -> None:
        self.port = free_port()
        self.all: list[App] = []

    def start(self, release: int, index: int = 1, idle: float = 30.0) -> App:
        address = f"127.0.1.{len(self.all) + 1}"
        process = subprocess.Popen(
            [sys.executable, str(APP), address, str(self.port), f"r{release}", str(idle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        app = App(release, index, address, self.port, process)
        self.all.append(app)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening")
        return app

    def end(self) -> None:
        for app in self.all:
            app.end()


def route(host: str = HOST, path: str = "/", idle_timeout: float | None = None) -> Route:
    return Route(host, path, "web", 8000, "/health", idle_timeout=idle_timeout)


def table(*servers: Server, to: Route | None = None) -> TrafficTable:
    return TrafficTable((RoutedServers(to or route(), tuple(sorted(servers, key=lambda s: s.name))),))


class Connection:
    """One kept-alive connection. It never asks twice: what is lost is an error."""

    def __init__(self, port: int, host: str = HOST) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.host = host
        self.open = True

    def ask(self, path: str = "/", method: str = "GET", headers: str = "") -> str:
        self.send(path, method, headers)
        return self.answer()

    def send(self, path: str = "/", method: str = "GET", headers: str = "") -> None:
        body = "hello" if method == "POST" else ""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n{length}{headers}\r\n{body}".encode())

    def answer(self) -> str:
        """The body; raises `ConnectionError` when the answer does not come, or is not 200."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = sum(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._more()
        self.open = b"connection: close" not in lines
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(head.split(b"\r\n")[0].decode())
        return body.decode()

    def upgrade(self) -> None:
        self.send("/ws", headers=UPGRADE)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        assert data.startswith(b"HTTP/1.1 101"), data

    def echo(self, text: str) -> str:
        self.socket.sendall(text.encode())
        return self._more().decode()

    def ended(self) -> bool:
        try:
            return not self.socket.recv(1)
        except ConnectionError:
            return True

    def close(self) -> None:
        self.socket.close()

    def _more(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed without an answer")
        return data


def ask(port: int, host: str = HOST, path: str = "/", headers: str = "") -> str:
    """One request on a connection of its own: the body, or the status line when it is not 200."""
    connection = Connection(port, host)
    try:
        return connection.ask(path, headers=headers)
    except ConnectionError as error:
        return str(error)
    finally:
        connection.close()


@dataclass
class Load:
    """Clients that ask without pause. `answers` has (when it was asked, which release answered)."""

    port: int
    answers: list[tuple[float, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def client(self, method: str, fresh: bool) -> None:
        connection: Connection | None = None
        while not self.stop.is_set():
            asked = time.monotonic()
            try:
                connection = connection or Connection(self.port)
                self.answers.append((asked, connection.ask(method=method)))
            except OSError as error:
                self.lost.append(f"{method}: {error}")
                connection = None
            if connection and (fresh or not connection.open):
                connection.close()
                connection = None
            self.stop.wait(0.002)


@contextmanager
def load(port: int) -> Iterator[Load]:
    """Keep-alive and new connections, GET and POST, while the block runs."""
    clients = Load(port)
    kinds = [("GET", False), ("POST", False), ("GET", True), ("POST", True)]
    threads = [threading.Thread(target=clients.client, args=kind) for kind in kinds]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        clients.stop.set()
        for thread in threads:
            thread.join()


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so; the limit only ends a test that has failed."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
