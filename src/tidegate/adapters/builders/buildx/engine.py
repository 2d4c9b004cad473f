"""The engine's socket.

Look-ups stand in the way of every delivery, also of one that changes nothing, so they are asked over the
engine's socket where it is at hand: 3 ms where starting `docker` takes 25. A plain socket and HTTP/1.0 do:
importing an HTTP client would take longer than the answer.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple

from tidegate.adapters.builders.buildx.program import Silent, docker_folder, read_config
from tidegate.errors import EngineUnavailable

_SOCKET = "/var/run/docker.sock"


class Reply(NamedTuple):
    """The status, and the JSON object that came with it: what was asked for, or `message`."""

    status: int
    body: Mapping[str, Any]


def socket_path(environ: Mapping[str, str]) -> str | None:
    """The unix socket of the engine that `docker` would ask; None when it is reached in another way."""
    context = environ.get("DOCKER_CONTEXT", "")
    host = environ.get("DOCKER_HOST", "")
    if not context and not host:
        context = str(read_config(docker_folder(environ)).get("currentContext") or "")
    if context not in ("", "default"):
        return None
    if not host:
        return _SOCKET
    return host.removeprefix("unix://") if host.startswith("unix://") else None


def get(path: str, resource: str, *, within: float, headers: Mapping[str, str] | None = None) -> Reply:
    """GET `resource` from the engine at the socket `path`.

    Raises `EngineUnavailable`, and `Silent` when the answer takes longer than `within` seconds.
    """
    lines = [
        f"GET {resource} HTTP/1.0",
        "Host: docker",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(within)
            connection.connect(path)
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    except TimeoutError as error:
        raise Silent from error
    except OSError as error:
        raise EngineUnavailable(
            f"The container engine does not answer at {path}: {error.strerror or error}."
        ) from error
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        return Reply(int(head.split(b" ", 2)[1]), dict(json.loads(body)))
    except (IndexError, TypeError, ValueError) as error:
        raise EngineUnavailable(f"What answers at {path} is no container engine.") from error
