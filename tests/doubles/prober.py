"""A prober whose answers are set by the test."""

from __future__ import annotations

from tidegate.ports.prober import Answer, ProbeResult

OK = ProbeResult(Answer.OK, "200 OK")


class FakeProber:
    """Answers 200 unless told otherwise for everything (`answer`) or once each in turn (`first`)."""

    def __init__(self) -> None:
        self.answer = OK
        self.first: list[ProbeResult] = []
        self.asked: list[tuple[str, int, str, str]] = []

    def probe(self, address: str, port: int, path: str, host: str, timeout: float) -> ProbeResult:
        self.asked.append((address, port, path, host))
        return self.first.pop(0) if self.first else self.answer
