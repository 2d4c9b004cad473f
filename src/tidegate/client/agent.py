"""Talk to the agent over its unix socket: one request, one answer, or one stream of events.

Standard library only: every command imports this.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from tidegate import __version__
from tidegate.client.home import Home
from tidegate.client.protocol import API, API_HEADER, VERSION_HEADER
from tidegate.errors import AgentUnavailable, AgentVersionMismatch, from_payload

TIMEOUT = 60.0  # seconds for an answer to begin


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("agent", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


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
        return self._call("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send JSON; the answer's JSON."""
        return self._call("POST", path, body or {})

    def stream(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The answer's JSON lines as they come; empty ones, which only show that the agent lives, left out."""
        connection, response = self._open(method, path, body)
        try:
            while line := response.readline():
                if line.strip():
                    yield json.loads(line)
        except TimeoutError as error:
            raise AgentUnavailable("the agent has stopped answering", hint="tidegate agent status") from error
        except (OSError, http.client.HTTPException) as error:
            raise AgentUnavailable("the connection to the agent broke", hint="tidegate agent status") from error
        finally:
            connection.close()

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        connection, response = self._open(method, path, body)
        try:
            return json.loads(response.read() or b"null")
        except (OSError, http.client.HTTPException) as error:
            raise AgentUnavailable("the connection to the agent broke", hint="tidegate agent status") from error
        finally:
            connection.close()

    def _open(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> tuple[UnixConnection, http.client.HTTPResponse]:
        connection = UnixConnection(str(self._home.socket), TIMEOUT)
        headers = {API_HEADER: str(API), VERSION_HEADER: __version__, "Content-Type": "application/json"}
        try:
            payload = None if body is None else json.dumps(body).encode()
            connection.request(method, path, body=payload, headers=headers)
            response = connection.getresponse()
        except PermissionError as error:
            connection.close()
            raise AgentUnavailable(
                f"the agent's socket {self._home.socket} belongs to another user",
                hint="Run the command as that user (sudo), or set TIDEGATE_HOME.",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise AgentUnavailable("no agent answers", hint="tidegate agent status") from error
        if response.status >= 400:
            text = response.read()
            connection.close()
            _raise(response, text)
        return connection, response


def _raise(response: http.client.HTTPResponse, text: bytes) -> None:
    theirs = response.getheader(API_HEADER)
    if theirs is not None and theirs != str(API):
        version = response.getheader(VERSION_HEADER, "?")
        raise AgentVersionMismatch(f"the agent is Tidegate {version} and this is {__version__}")
    try:
        payload = json.loads(text)
    except ValueError:
        payload = {"message": f"the agent answered {response.status}"}
    raise from_payload(payload.get("error", payload) if isinstance(payload, dict) else {})
