"""What an environment is to look like: the right side of every plan."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.domain.release import Release


@dataclass(frozen=True)
class Desired:
    """`release` is the one to serve; None for no release at all. With `destroy`, nothing is to be left."""

    release: Release | None
    destroy: bool = False
