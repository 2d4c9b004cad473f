"""Intents and releases as JSON, and back: one form for the database and the mirror. Does no I/O.

Fields that a newer version added are ignored, and missing ones get their defaults, so that a release outlives the
version that recorded it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tidegate.domain.release import Release
from tidegate.ports.store import Intent

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@cache
def _intents() -> TypeAdapter[Intent]:
    from pydantic import TypeAdapter

    return TypeAdapter(Intent)


@cache
def _releases() -> TypeAdapter[Release]:
    from pydantic import TypeAdapter

    return TypeAdapter(Release)


def dump(document: Intent | Release) -> str:
    """Its JSON."""
    if isinstance(document, Intent):
        return _intents().dump_json(document).decode()
    return _releases().dump_json(document).decode()


def load_intent(text: str | bytes) -> Intent:
    """Raises ValueError for what is none."""
    return _intents().validate_json(text)


def load_release(text: str | bytes) -> Release:
    """Raises ValueError for what is none."""
    return _releases().validate_json(text)
