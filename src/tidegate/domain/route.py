"""Where traffic comes from and which service answers it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Balance(StrEnum):
    """How requests are spread over replicas."""

    ROUND_ROBIN = "round-robin"
    LEAST_CONNECTIONS = "least-connections"


@dataclass(frozen=True, order=True)
class Route:
    """Requests for `host` whose path lies under `path` go to `service` on `port`.

    `host` is lower-case, without a port; `*` means any host that no other route names. `path` begins
    with `/` and matches whole segments: `/api` matches `/api` and `/api/x`, not `/apix`; the longest
    match wins. A replica is ready when `GET health` answers 200. `idle_timeout` is how long, in
    seconds, the application keeps an idle connection open; None means unknown, and then connections to
    it are not reused.
    """

    host: str
    path: str
    service: str
    port: int
    health: str
    balance: Balance = Balance.ROUND_ROBIN
    idle_timeout: float | None = None

    @property
    def claim(self) -> str:
        """What only one environment of a host may have: `shop.example.com/api`."""
        return f"{self.host}{self.path}"
