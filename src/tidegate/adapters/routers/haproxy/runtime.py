"""HAProxy's two sockets: the current worker's, and the master's, through which old workers are reached too.

It carries commands and answers and knows no routes. The directory may have any length: sockets are addressed
through its file descriptor.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.adapters.routers.haproxy.configuration import RUNTIME_SOCKET
from tidegate.errors import RouterFailed

MASTER_SOCKET = "master.sock"
LONGEST_LINE = 12000  # bytes of one command line; HAProxy's buffer holds 16384
_SESSION = re.compile(r"^(0x[0-9a-f]+): .* be=(\S+) srv=(\S+) ", re.MULTILINE)


class RuntimeGone(RouterFailed):
    """Nobody answers at the socket: HAProxy has ended, and is started again while it is supervised."""


@dataclass(frozen=True)
class Workers:
    """Process ids, as the master tells them."""

    current: int | None
    old: tuple[int, ...]


class Runtime:
    """Commands to one HAProxy. Raises `RuntimeGone` when it does not answer at all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def tell(self, commands: Iterable[str]) -> str:
        """Execute commands in the current worker, in order, in as few round trips as its buffer allows."""
        answers = []
        line = ""
        for command in commands:
            if line and len(line) + len(command) > LONGEST_LINE:
                answers.append(self._exchange(RUNTIME_SOCKET, line))
                line = ""
            line = f"{line};{command}" if line else command
        if line:
            answers.append(self._exchange(RUNTIME_SOCKET, line))
        return "\n".join(answers)

    def workers(self) -> Workers:
        """The workers that live."""
        current: list[int] = []
        old: list[int] = []
        into = None
        for line in self._master("show proc").splitlines():
            if line.startswith("#"):
                into = {"# workers": current, "# old workers": old}.get(line.strip())
            elif into is not None and line.strip():
                into.append(int(line.split()[0]))
        return Workers(current[0] if current else None, tuple(old))

    def open_sessions(self, backends: str) -> dict[tuple[str, str], int]:
        """Open sessions by backend and server, in all workers, of backends that begin with `backends`."""
        counts: dict[tuple[str, str], int] = {}
        answers = [self.tell(["show stat -1 4 -1"])]
        answers += [self._master(f"@!{pid} show stat -1 4 -1") for pid in self.workers().old]
        for text in answers:
            for row in _rows(text):
                if row.get("pxname", "").startswith(backends) and row.get("scur"):
                    key = row["pxname"], row["svname"]
                    counts[key] = counts.get(key, 0) + int(row["scur"])
        return counts

    def end_sessions(self, places: Iterable[tuple[str, str]], unwanted: Callable[[str, str], bool]) -> None:
        """Cut what servers have open: those at `places` (backend, server) in the current worker, and those for
        which `unwanted(backend, server)` in old ones."""
        self.tell(f"shutdown sessions server {backend}/{server}" for backend, server in places)
        self.end_old_sessions(unwanted)

    def end_old_sessions(self, unwanted: Callable[[str, str], bool]) -> None:
        """Cut sessions of old workers for which `unwanted(backend, server)`.

        Their proxies count as disabled, so only single sessions can be shut down there.
        """
        for pid in self.workers().old:
            found = _SESSION.findall(self._master(f"@!{pid} show sess"))
            ends = [
                f"@!{pid} shutdown session {ident}" for ident, backend, server in found if unwanted(backend, server)
            ]
            for start in range(0, len(ends), 100):
                self._master(";".join(ends[start : start + 100]))

    def reload(self) -> None:
        """Read the files again, losing nobody; returns when the new worker serves and the old ones only finish.

        Raises `RouterFailed` with HAProxy's message when it refuses the files: then the old worker serves on.
        """
        answer = self._master("reload")
        if not answer.startswith("Success=1"):
            raise RouterFailed("HAProxy refuses its new configuration", details=messages(answer))
        deadline = time.monotonic() + 5
        while not self._handed_over():
            if time.monotonic() > deadline:
                raise RouterFailed("HAProxy's new worker did not take over within 5 seconds")
            time.sleep(0.002)

    def version(self) -> str:
        """HAProxy's version."""
        return self.tell(["show version"]).strip()

    def _handed_over(self) -> bool:
        try:
            workers = self.workers()
            mine = _facts(self.tell(["show info"])).get("Pid")
            stopping = (_facts(self._master(f"@!{pid} show info")).get("Stopping", "1") for pid in workers.old)
            return mine == str(workers.current) and all(fact == "1" for fact in stopping)
        except RuntimeGone:  # for a moment, while the master replaces itself
            return False

    def _master(self, line: str) -> str:
        # the master keeps a connection open until its client has nothing more to say
        return self._exchange(MASTER_SOCKET, line, half_close=True)

    def _exchange(self, name: str, line: str, *, half_close: bool = False) -> str:
        try:
            folder = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            raise RuntimeGone(f"the router's directory {self._directory} cannot be opened: {error}") from error
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(30)
                connection.connect(f"/proc/self/fd/{folder}/{name}")
                connection.sendall(line.encode() + b"\n")
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
                parts = []
                while part := connection.recv(65536):
                    parts.append(part)
        except TimeoutError as error:
            raise RouterFailed(f"HAProxy did not answer at {name} within 30 seconds") from error
        except OSError as error:
            raise RuntimeGone(f"HAProxy does not answer at {name}: {error}") from error
        finally:
            os.close(folder)
        if not parts:
            raise RuntimeGone(f"HAProxy ended while it was asked at {name}")
        return b"".join(parts).decode(errors="replace")


def messages(text: str) -> tuple[str, ...]:
    """The lines of HAProxy's output that say what is wrong, or all where none does."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    alerts = [line for line in lines if line.startswith("[ALERT]")]
    return tuple(alerts or lines)[-20:]


def _facts(text: str) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _rows(text: str) -> list[dict[str, str]]:
    lines = [line for line in text.splitlines() if line]
    if not lines or not lines[0].startswith("# "):
        return []
    names = lines[0][2:].split(",")
    return [dict(zip(names, line.split(","), strict=False)) for line in lines[1:]]
