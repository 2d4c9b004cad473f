"""Words on a terminal: untrusted text made harmless, tables, times."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

ESCAPES = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]"
CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"


def clean(text: str) -> str:
    """Text from elsewhere without terminal escapes, control characters and reversals of direction."""
    return re.sub(CONTROL, "", re.sub(ESCAPES, "", text)).replace("\n", "\n    ")


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, each column as wide as its widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def seconds(value: float | None) -> str:
    """A duration."""
    return "" if value is None else f"{value:.2f} s"


def ago(moment: str, now: datetime | None = None) -> str:
    """How long ago an ISO 8601 moment was."""
    from datetime import UTC, datetime

    passed = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= size:
            return f"{int(passed // size)} {unit} ago"
    return f"{max(0, int(passed))} s ago"


def write_json(value: Any) -> None:
    """A line for machines."""
    import json

    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
