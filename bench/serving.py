"""Who answers, seen from outside: polls the router on fresh connections and remembers each answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

INTERVAL = 0.005


@dataclass(frozen=True)
class Answer:
    """One poll: when it was sent and answered (monotonic seconds), and the version; None when it failed."""

    sent: float
    received: float
    version: str | None


def ask(address: str, port: int, host: str, timeout: float = 10) -> str | None:
    """The version that answers just now; None when nobody does, or not with 200.

    On a bare socket: it is asked 200 times a second on the machine that is measured.
    """
    try:
        with socket.create_connection((address, port), timeout) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while data := connection.recv(65536):
                answer += data
    except OSError:
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.split()[0].decode() if head.startswith(b"HTTP/1.1 200") and body else None


def wait_until_answered(address: str, port: int, host: str, version: str, seconds: float = 30) -> float:
    """Poll until `version` answers; the moment it had. Raises RuntimeError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ask(address, port, host) == version:
            return time.monotonic()
        time.sleep(INTERVAL)
    raise RuntimeError(f"{version} does not answer at {address}:{port}")


def wait_for_200(port: int, host: str, seconds: float = 10) -> None:
    """Poll the router until somebody answers for `host`. Raises RuntimeError."""
    deadline = time.monotonic() + seconds
    while ask("127.0.0.1", port, host) is None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"nobody answers for {host}")
        time.sleep(INTERVAL)


class Watch:
    """Polls in a thread for as long as the context lasts."""

    def __init__(self, port: int, host: str) -> None:
        self.answers: list[Answer] = []
        self._port, self._host = port, host
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._stop.wait(INTERVAL):
            sent = time.monotonic()
            version = ask("127.0.0.1", self._port, self._host)
            self.answers.append(Answer(sent, time.monotonic(), version))

    def settle(self, version: str, seconds: float = 10, answers: int = 40) -> None:
        """Wait until the last `answers` polls were all answered by `version`. Raises RuntimeError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            last = self.answers[-answers:]
            if len(last) == answers and all(answer.version == version for answer in last):
                return
            time.sleep(INTERVAL)
        raise RuntimeError(f"{version} is not what answers: {[answer.version for answer in self.answers[-5:]]}")


def taken_over(answers: Sequence[Answer], version: str) -> float:
    """When `version` first answered with nothing else answering after it. Raises RuntimeError if never."""
    moment = None
    for answer in answers:
        if answer.version != version:
            moment = None
        elif moment is None:
            moment = answer.received
    if moment is None:
        raise RuntimeError(f"{version} never took over")
    return moment
