"""Which app a tidegate.yaml is for, and nothing else: for commands that are to be quick."""

from __future__ import annotations

import yaml

from tidegate.domain.names import is_name


def app_of(content: bytes) -> str | None:
    """The app's name; None when the file does not give a valid one (the full reader says what is wrong)."""
    try:
        document = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return None
    name = document.get("app") if isinstance(document, dict) else None
    return name if isinstance(name, str) and is_name(name) else None
