"""How a replica is asked whether it is ready, from where the router stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Answer(StrEnum):
    """What came of one probe."""

    OK = "200"
    REFUSED = "connection refused"
    TIMED_OUT = "timed out"
    UNREACHABLE = "unreachable"
    BROKEN = "no HTTP answer"
    REDIRECTED = "redirected"  # 3xx
    CLIENT_ERROR = "client error"  # 4xx
    SERVER_ERROR = "server error"  # 5xx
    OTHER = "another status"  # 1xx, 2xx but 200


@dataclass(frozen=True)
class ProbeResult:
    """One probe's outcome. `text` is for people: `404 Not Found`, `connection refused`."""

    answer: Answer
    text: str

    @property
    def ok(self) -> bool:
        """Whether the replica is ready."""
        return self.answer is Answer.OK


class Prober(Protocol):
    """Asks once; it never raises for what the other side does."""

    def probe(self, address: str, port: int, path: str, host: str, timeout: float) -> ProbeResult:
        """GET `path` with the given Host header at `address:port`, within `timeout` seconds."""
        ...
