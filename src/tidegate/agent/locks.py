"""One agent a home, and one a Docker host. The kernel holds both locks, so no lock outlives its agent."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import time

from tidegate.client.home import Home
from tidegate.errors import AgentElsewhere

ENDING = 10.0  # seconds that an agent which no longer answers is given to end
CLOSING = 0.5  # seconds for the kernel to close what a process that ended had open
LOOK = 0.02  # seconds between two attempts


def lock_home(home: Home) -> int:
    """Take the home; the open file is the lock. Raises `AgentElsewhere` when an agent lives here already.

    One that is just ending no longer answers but still holds it, so it is waited for.
    """
    handle = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + ENDING
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < until:
                time.sleep(LOOK)
                continue
            os.close(handle)
            raise AgentElsewhere(f"an agent lives in {home.path} already") from error
        return handle


def lock_engine(identity: str, home: Home) -> socket.socket:
    """Take the container engine, whoever else may reach it and from whichever home.

    An abstract socket is one to a name in a network namespace, for all users; its holder answers whoever
    connects with where it lives. Raises `AgentElsewhere`.
    """
    name = "\0tidegate-engine-" + hashlib.sha256(identity.encode()).hexdigest()[:32]
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    until = time.monotonic() + CLOSING
    while not _bound(lock, name):
        if time.monotonic() < until:
            time.sleep(LOOK)
            continue
        lock.close()
        raise AgentElsewhere(
            f"another agent owns this Docker host; it lives in {_whose(name)}",
            hint="Use that one by setting TIDEGATE_HOME to its home, or stop it: tidegate agent stop.",
        )
    lock.listen(4)
    return lock


def _bound(lock: socket.socket, name: str) -> bool:
    try:
        lock.bind(name)
    except OSError:
        return False
    return True


def answer(lock: socket.socket, home: Home) -> None:
    """Tell everyone who connects where this agent lives; for a thread of its own."""
    while True:
        try:
            peer, _ = lock.accept()
        except OSError:
            return
        with peer:
            try:
                peer.sendall(str(home.path).encode())
            except OSError:
                continue


def _whose(name: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(name)
            return asking.recv(4096).decode(errors="replace") or "an unknown place"
        except OSError:
            return "an unknown place"
