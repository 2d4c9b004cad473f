"""What a switch must not cut: a request that takes ten seconds, and a WebSocket that stays open.

Each runs in a thread and ends by itself; `failures` tells what went wrong with any of them.
"""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time

SECONDS = 10.0


class LongWork:
    """Starts long requests and WebSockets at the router; `started` counts them, `failures` names the lost ones."""

    def __init__(self, port: int, host: str) -> None:
        self.port, self.host = port, host
        self.started = 0
        self.failures: list[str] = []
        self._threads: list[threading.Thread] = []

    def start(self, version: str) -> None:
        """Open one of each; both must be served by `version` to their end."""
        for work in (self._request, self._websocket):
            thread = threading.Thread(target=self._watch, args=(work, version), daemon=True)
            thread.start()
            self._threads.append(thread)
            self.started += 1

    def finish(self) -> None:
        """Wait until all have ended."""
        for thread in self._threads:
            thread.join(SECONDS + 30)
            if thread.is_alive():
                self.failures.append("never ended")

    def _watch(self, work: object, version: str) -> None:
        assert callable(work)
        try:
            work(version)
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.failures.append(f"{work.__name__.strip('_')}: {error or type(error).__name__}")

    def _request(self, version: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS + 15)
        connection.request("GET", f"/slow?seconds={SECONDS:g}", headers={"Host": self.host})
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        if (response.status, body) != (200, f"{version} slow"):
            raise ValueError(f"{response.status} {body[:60]}, not from {version}")

    def _websocket(self, version: str) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 15) as s:
            s.sendall(
                f"GET /ws HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            stream = s.makefile("rb")
            if b" 101 " not in stream.readline():
                raise ValueError("no upgrade")
            while stream.readline() not in (b"\r\n", b""):
                pass
            end = time.monotonic() + SECONDS
            number = 0
            while time.monotonic() < end:
                number += 1
                s.sendall(_frame(1, str(number).encode()))
                head = stream.read(2)
                text = stream.read(head[1] & 127).decode() if len(head) == 2 else "nothing"
                if text != f"{version} {number}":
                    raise ValueError(f"{text!r} for message {number} to {version}")
                time.sleep(0.1)
            s.sendall(_frame(8, b""))


def _frame(kind: int, data: bytes) -> bytes:
    """A masked client frame of fewer than 126 bytes (RFC 6455, section 5.2)."""
    mask = os.urandom(4)
    return bytes([0x80 | kind, 0x80 | len(data)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))
