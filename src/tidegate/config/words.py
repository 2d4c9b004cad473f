"""How a fault is worded: durations, the nearest valid word, what was found.

Kept apart so that tidegate.yaml and the Compose files speak alike. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

_DURATION = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 30 * 86400.0
DURATION_PATTERN = r"^[0-9]{1,10}(\.[0-9]{1,3})?(ms|s|m|h|d)$"
DURATION_EXPECTED = "a duration such as 500ms, 30s, 10m or 24h"


def duration(value: object) -> float:
    """Seconds from `500ms`, `30s`, `10m`, `24h`, `1d`. Raises ValueError saying what was found and expected."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{found(value)}, expected {DURATION_EXPECTED}")
    seconds = round(float(match[1]) * _UNITS[match[2]], 6)
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"{found(value)}, expected {DURATION_EXPECTED}, above zero and at most 30d")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that `duration` reads as `seconds` (to the millisecond)."""
    for unit in ("d", "h", "m", "s"):
        count = seconds / _UNITS[unit]
        if count >= 1 and math.isclose(count, round(count), rel_tol=1e-12):
            return f"{round(count)}{unit}"
    return f"{round(seconds * 1000)}ms"


def found(value: object) -> str:
    """What stands there, short enough for one line: `found 'x'`, `found a list`."""
    if value is None:
        return "found nothing"
    if isinstance(value, bool):
        return f"found {str(value).lower()}"
    if isinstance(value, dict):
        return "found a mapping"
    if isinstance(value, (list, tuple)):
        return "found a list"
    text = str(value)
    shown = text if len(text) <= 60 else text[:57] + "..."
    return f"found {shown!r}" if isinstance(value, str) else f"found {shown}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, or None when none is near."""
    from difflib import SequenceMatcher

    typed = _folded(word[:100])
    best, best_ratio = None, 0.0
    for candidate in sorted(known):
        ratio = SequenceMatcher(None, typed, _folded(candidate)).ratio()
        if ratio > best_ratio:
            best, best_ratio = candidate, ratio
    return best if best_ratio >= 0.6 else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""


def listed(words: Iterable[str]) -> str:
    """`a, b or c`, in order."""
    *head, last = sorted(words) or ["nothing"]
    return f"{', '.join(head)} or {last}" if head else last


def _folded(word: str) -> str:
    return word.lower().replace("_", "-")
