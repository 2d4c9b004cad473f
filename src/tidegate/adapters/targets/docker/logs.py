"""A container's output, line by line. What it says is untrusted: any bytes, of any length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tidegate.adapters.targets.docker.connection import Connection
from tidegate.adapters.targets.docker.failures import mapped

LONGEST = 65_536  # bytes after which a line is cut in two


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines without their ends; bytes that are not UTF-8 become U+FFFD."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from map(_text, whole)
        while len(rest) > LONGEST:
            yield _text(rest[:LONGEST])
            rest = rest[LONGEST:]
    if rest:
        yield _text(rest)


def of_container(connection: Connection, container: str, *, tail: int, follow: bool) -> Iterator[str]:
    """The last `tail` lines of a container, and with `follow` what comes until it ends."""
    with mapped(f"read the log of {container[:12]}"):
        stream = connection().logs(container, stream=True, follow=follow, tail=tail)
        try:
            yield from lines(stream)
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", errors="replace")
