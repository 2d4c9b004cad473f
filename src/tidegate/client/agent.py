"""Talk to the agent over its unix socket: one request, one answer, or one stream of events.

Every command imports this, so a plain socket and HTTP/1.0 do, where an answer simply ends with the connection:
importing an HTTP client would take longer than most answers.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from tidegate import __version__
from tidegate.client.home import Home
from tidegate.client.protocol import API, API_HEADER, VERSION_HEADER
from tidegate.errors import AgentUnavailable, AgentVersionMismatch, from_payload

TIMEOUT = 60.0  # seconds without a word from the agent


class Agent:
    """The agent that lives in `home`. Every call raises `AgentUnavailable` when nobody answers, and the
    agent's own errors as they are.
    """

    def __init__(self, home: Home) -> None:
        self._home = home

    def answers(self) -> bool:
        """Whether somebody listens; a socket of another user counts, so that its refusal is told."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self._home.socket))
            except PermissionError:
                return True
            except OSError:
                return False
        return True

    def get(self, path: str) -> Any:
        """The answer's JSON."""
        with self._asked("GET", path, None) as answer:
            return json.loads(answer.read() or b"null")

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send JSON; the answer's JSON."""
        with self._asked("POST", path, body or {}) as answer:
            return json.loads(answer.read() or b"null")

    def stream(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The answer's JSON lines as they come; empty ones, which only show that the agent lives, left out."""
        with self._asked(method, path, body) as answer:
            while line := answer.readline():
                if line.strip():
                    yield json.loads(line)

    @contextmanager
    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None) -> Iterator[IO[bytes]]:
        """The body of the answer, to be read while the context lasts."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            self._connect(connection)
            try:
                connection.sendall(_request(method, path, body))
                with connection.makefile("rb") as answer:
                    _read_head(answer)
                    yield answer
            except TimeoutError as error:
                raise AgentUnavailable("the agent has stopped answering", hint="tidegate agent status") from error
            except (OSError, ValueError) as error:
                raise AgentUnavailable("the connection to the agent broke", hint="tidegate agent status") from error

    def _connect(self, connection: socket.socket) -> None:
        try:
            connection.connect(str(self._home.socket))
        except PermissionError as error:
            raise AgentUnavailable(
                f"the agent's socket {self._home.socket} belongs to another user",
                hint="Run the command as that user (sudo), or set TIDEGATE_HOME.",
            ) from error
        except OSError as error:
            raise AgentUnavailable("no agent answers", hint="tidegate agent status") from error


def _request(method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
    payload = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.0",
        "Host: agent",
        f"{API_HEADER}: {API}",
        f"{VERSION_HEADER}: {__version__}",
        "Content-Type: application/json",
        f"Content-Length: {len(payload)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + payload


def _read_head(answer: IO[bytes]) -> None:
    """Read past the head. Raises the agent's error when the answer is one, `ValueError` for no answer."""
    words = answer.readline().split(b" ", 2)
    if len(words) < 2:
        raise ValueError("no answer")
    status = int(words[1])
    headers = {}
    while line := answer.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if status < 400:
        return
    theirs = headers.get(API_HEADER.lower())
    if theirs is not None and theirs != str(API):
        version = headers.get(VERSION_HEADER.lower(), "?")
        raise AgentVersionMismatch(f"the agent is Tidegate {version} and this is {__version__}")
    try:
        payload = json.loads(answer.read())
    except ValueError:
        payload = {"message": f"the agent answered {status}"}
    raise from_payload(payload.get("error", payload) if isinstance(payload, dict) else {})
