"""The JSON Schema, the annotated example and the models say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tidegate.config.models import (
    ArtifactSection,
    DrainSection,
    EnvironmentSection,
    RouteSection,
    Section,
    TargetSection,
    TidegateFile,
)
from tidegate.config.schema import json_schema

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "tidegate.example.yaml"
SECTIONS: list[tuple[type[Section], tuple[str | int, ...]]] = [
    (TidegateFile, ()),
    (ArtifactSection, ("artifact",)),
    (TargetSection, ("environments", "staging", "target")),
    (RouteSection, ("environments", "staging", "routes", 0)),
    (DrainSection, ("environments", "staging", "drain")),
]


def example() -> Any:
    return yaml.safe_load(EXAMPLE.read_text())


def test_the_schema_is_one_and_every_key_is_described() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    sections = [schema, *schema["$defs"].values()]
    assert len(sections) == 6
    for section in sections:
        assert section["additionalProperties"] is False
        for key, described in section["properties"].items():
            assert described.get("description"), key


def test_defaults_are_written_as_a_user_writes_them() -> None:
    properties = json_schema()["$defs"]["EnvironmentSection"]["properties"]
    assert properties["start-within"]["default"] == "60s"
    assert properties["keep-warm"]["default"] == "10m"


@pytest.mark.parametrize("path", [EXAMPLE, ROOT / "examples" / "hello" / "tidegate.yaml"], ids=["example", "hello"])
def test_the_schema_accepts_what_is_valid(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), json_schema())


@pytest.mark.parametrize(
    "damage",
    [
        {"ap": "x"},
        {"app": "Shop"},
        {"environments": {}},
        {"environments": {"a": {"keep-warm": 10}}},
        {"environments": {"a": {"routes": [{"service": "web", "port": 1}]}}},
        {"environments": {"a": {"target": {"docker": "x"}}}},
    ],
)
def test_the_schema_refuses_what_is_not(damage: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**example(), **damage}, json_schema())


@pytest.mark.parametrize(("section", "path"), SECTIONS, ids=[section.__name__ for section, _ in SECTIONS])
def test_the_example_mentions_every_key(section: type[Section], path: tuple[str | int, ...]) -> None:
    node = example()
    for step in path:
        node = node[step]
    assert set(node) == set(section.keys())


def test_the_example_mentions_every_key_of_an_environment() -> None:
    environments = example()["environments"].values()
    assert {key for environment in environments for key in environment} == set(EnvironmentSection.keys())
