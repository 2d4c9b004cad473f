"""The HAProxy processes of one directory: finding, starting, stopping and checking them.

It knows no routes and holds no lock. A process is ours when it runs the program in our directory with our
master socket; nothing else is ever signalled. HAProxy detaches itself (`-D`), so that it outlives whoever
started it, and leads a session of its own.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidegate.adapters.routers.haproxy.listening import holder, listeners
from tidegate.adapters.routers.haproxy.persisted import BASE, ROUTES
from tidegate.adapters.routers.haproxy.runtime import MASTER_SOCKET, messages
from tidegate.errors import PortTaken, RouterFailed, ToolMissing

PID_FILE = "haproxy.pid"
_MASTER = f"unix@{MASTER_SOCKET},mode,600"


def find_program(name: str) -> str:
    """The absolute path of a program. Raises `ToolMissing`."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/sbin", "/usr/sbin"]
    for path in [name] if "/" in name else [f"{folder}/{name}" for folder in folders if folder]:
        if os.access(path, os.X_OK) and Path(path).is_file():
            return str(Path(path).resolve())
    raise ToolMissing(f"{name} is not installed", hint="Install HAProxy 3.0 or newer (apt-get install haproxy).")


def refuse_taken(port: int) -> None:
    """Raise `PortTaken`, naming who it is where that can be seen, when anybody listens on the port."""
    taken = listeners(port)
    if taken:
        raise PortTaken(
            f"port {port} is used by {holder(taken) or 'another program'}",
            hint="Stop it, or give the router another port.",
        )


class HAProxyProcess:
    """One master with its workers. Paths are the directory's, `program` is absolute."""

    def __init__(self, directory: Path, program: str) -> None:
        self._directory = directory
        self._program = program

    def running(self) -> int | None:
        """The master's process id, when it runs and is ours."""
        try:
            pid = int((self._directory / PID_FILE).read_text())
        except (OSError, ValueError):
            pid = 0
        if pid and self._is_ours(pid):
            return pid
        ours = frozenset(self._ours())
        masters = [pid for pid in ours if _parent(pid) not in ours]
        # a worker without its master is not adopted: nobody could reload it
        return next((pid for pid in masters if any(_parent(worker) == pid for worker in ours)), None)

    def start(self, port: int) -> int:
        """Start from the files that are there; the master's process id. What is left of an earlier run is ended.

        Raises `PortTaken`; `RouterFailed` with HAProxy's messages when it refuses its files.
        """
        self.end(grace=0)
        refuse_taken(port)
        for name in (MASTER_SOCKET, PID_FILE):
            (self._directory / name).unlink(missing_ok=True)
        done = self._run("-W", "-D", "-S", _MASTER, "-p", PID_FILE, "-f", BASE, "-f", ROUTES)
        if done.returncode:
            if "Address already in use" in done.stderr:
                raise PortTaken(f"port {port} is used by another program", details=messages(done.stderr))
            raise RouterFailed("HAProxy does not start", details=messages(done.stderr))
        # whoever started it may hear of success before the master has written its number, or while it replaces itself
        deadline = time.monotonic() + 3
        while (pid := self.running()) is None:
            if time.monotonic() > deadline:
                raise RouterFailed("HAProxy ended as soon as it was started", details=messages(done.stderr))
            time.sleep(0.002)
        return pid

    def check(self, files: Sequence[str]) -> tuple[str, ...]:
        """Have HAProxy check configuration files; its complaints, none when it would take them."""
        done = self._run("-c", *(argument for name in files for argument in ("-f", name)))
        return messages(done.stderr) if done.returncode else ()

    def end(self, grace: float = 5) -> None:
        """End all processes of this directory: terminated, and killed when they live after `grace` seconds."""
        if grace:
            self._signal(signal.SIGTERM, grace)
        self._signal(signal.SIGKILL, 5)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self._program, *arguments],
                cwd=self._directory,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},  # an agent's environment holds secrets
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                umask=0o077,
                start_new_session=True,
                timeout=30,
                check=False,
            )
        except FileNotFoundError as error:
            raise ToolMissing(f"{self._program} is not there any more") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RouterFailed(f"HAProxy could not be run: {error}") from error

    def _signal(self, number: int, wait: float) -> None:
        deadline = time.monotonic() + wait
        handles = []
        for pid in tuple(self._ours()):
            with contextlib.suppress(ProcessLookupError):
                handles.append(os.pidfd_open(pid))
                # looked at again now that the number cannot be given to another process
                if self._is_ours(pid):
                    signal.pidfd_send_signal(handles[-1], number)
        try:
            for handle in handles:
                _ended(handle, max(0.0, deadline - time.monotonic()))
        finally:
            for handle in handles:
                os.close(handle)

    def _ours(self) -> Iterator[int]:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._is_ours(int(entry.name)):
                yield int(entry.name)

    def _is_ours(self, pid: int) -> bool:
        process = Path("/proc", str(pid))
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            return (
                _MASTER.encode() in arguments
                and (process / "exe").readlink().name.removesuffix(" (deleted)") == Path(self._program).name
                and (process / "cwd").samefile(self._directory)
            )
        except OSError:
            return False


def wait_for_end(pid: int, wake: int, seconds: float | None = None) -> bool:
    """Wait until the process has ended (True), or `wake` can be read or the time is over (False)."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return _ended(handle, seconds, wake)
    finally:
        os.close(handle)


def _ended(handle: int, seconds: float | None, wake: int | None = None) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    if wake is not None:
        poll.register(wake, select.POLLIN)
    return any(descriptor == handle for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000))


def _parent(pid: int) -> int:
    try:
        return int(Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0
