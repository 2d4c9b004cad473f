"""The JSON Schema of tidegate.yaml for editors, from the models that check it."""

from __future__ import annotations

from typing import Any

from tidegate.config.models import TidegateFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) that accepts what `load` accepts key by key."""
    schema = TidegateFile.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": DIALECT, **schema, "title": "tidegate.yaml"}
