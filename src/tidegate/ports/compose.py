"""What turns Compose files into their normal form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class ComposeNormalizer(Protocol):
    """Merges, interpolates and normalises Compose files, as Compose itself does."""

    def normalize(self, directory: Path, files: Sequence[str], variables: Mapping[str, str]) -> dict[str, Any]:
        """The normal form of `files`, merged in their order, with services of every profile.

        `files` are relative to `directory`. Paths in them stay relative, to the first file's folder; `variables`
        are the only values for interpolation. `x-` keys are kept; a literal `$` is doubled, as Compose writes it.
        Raises `InvalidConfiguration`, `ToolMissing`.
        """
        ...
