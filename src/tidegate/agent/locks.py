"""One agent a home, and one a Docker host. The kernel holds both locks, so no lock outlives its agent."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket

from tidegate.client.home import Home
from tidegate.errors import AgentElsewhere


def lock_home(home: Home) -> int:
    """Take the home; the open file is the lock. Raises `AgentElsewhere` when an agent lives here already."""
    handle = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
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
    try:
        lock.bind(name)
    except OSError as error:
        lock.close()
        raise AgentElsewhere(
            f"another agent owns this Docker host; it lives in {_whose(name)}",
            hint="Use that one by setting TIDEGATE_HOME to its home, or stop it: tidegate agent stop.",
        ) from error
    lock.listen(4)
    return lock


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
