"""Compose's ways to write durations, sizes and words, as the engine wants them. Pure."""

from __future__ import annotations

import math
import re
import shlex
from typing import Any

_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def seconds(value: Any) -> float:
    """`1m30s`, `500ms`, or a bare number of seconds. Raises ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    if not text or _DURATION.sub("", text):
        raise ValueError(f"{text!r} is not a duration such as 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def nanoseconds(value: Any) -> int:
    """A duration in nanoseconds. Raises ValueError."""
    return round(seconds(value) * 1e9)


def whole_seconds(value: Any) -> int:
    """A duration in seconds, rounded up. Raises ValueError."""
    return math.ceil(seconds(value))


def size(value: Any) -> int:
    """`64m`, `1.5gb`, `1048576` in bytes; units are powers of 1024. -1 means no limit. Raises ValueError."""
    text = str(value).strip()
    if text == "-1":
        return -1
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 64m")
    return int(float(match[1]) * 1024 ** _POWER[match[2].lower()])


def billionths(value: Any) -> int:
    """A share of processors, `0.5`, in units of 10⁻⁹. Raises ValueError."""
    return round(float(value) * 1e9)


def words(value: Any) -> list[str]:
    """A command: a list as it stands, a line split as a shell would. Raises ValueError."""
    return shlex.split(value) if isinstance(value, str) else strings(value)


def strings(value: Any) -> list[str]:
    """A list of strings, or one string. Raises ValueError."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise ValueError("expected a list")
    return [str(item) for item in value]


def string_map(value: Any) -> dict[str, str]:
    """A mapping of strings, or a list of `key=value`. Raises ValueError."""
    if isinstance(value, (list, tuple)):
        return {key: rest for key, _, rest in (str(item).partition("=") for item in value)}
    if not hasattr(value, "items"):
        raise ValueError("expected a mapping")
    return {str(key): "" if item is None else str(item) for key, item in value.items()}


def undollar(value: Any) -> Any:
    """Undo the normal form's escaping: `$$` stands for `$` wherever it is written."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, (list, tuple)):
        return [undollar(item) for item in value]
    if hasattr(value, "items"):
        return {undollar(key): undollar(item) for key, item in value.items()}
    return value
