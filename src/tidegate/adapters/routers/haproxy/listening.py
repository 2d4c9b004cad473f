"""Who listens on a TCP port, read from /proc: HAProxy shares its port with any other HAProxy of the same user
(SO_REUSEPORT), so that binding alone does not tell that a port is taken.
"""

from __future__ import annotations

from pathlib import Path

_LISTEN = "0A"


def listeners(port: int) -> frozenset[str]:
    """Inodes of the sockets that listen on a port, on any address: even one on loopback alone would be
    given connections before ours."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTEN and int(words[1].rpartition(":")[2], 16) == port:
                found.add(words[9])
    return frozenset(found)


def holder(inodes: frozenset[str]) -> str | None:
    """The program that has one of these sockets open, `nginx (pid 812)`; None when it may not be seen."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(str(link.readlink()) in wanted for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue
    return None
