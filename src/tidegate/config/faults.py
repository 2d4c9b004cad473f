"""What pydantic found, as lines for people: place, what was found, what was expected, the nearest key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from tidegate.config.document import Node, Path
from tidegate.config.models import Section
from tidegate.config.words import found, listed, suggestion

if TYPE_CHECKING:
    from pydantic import ValidationError

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "too_short": "at least one entry",
    "string_too_short": "a text that is not empty",
}


def lines(file: str, root: Node, model: type[Section], error: ValidationError, at: Path = ()) -> Iterator[str]:
    """One line a fault, in the file's order. `at` is where in `root` the validated value stands."""
    placed = []
    for one in error.errors(include_url=False):
        path = at + tuple(step for step in one["loc"] if step != "[key]")
        kind = one["type"]
        by_key = kind == "extra_forbidden" or "[key]" in one["loc"]
        node = root.at(path[:-1] if kind == "missing" else path, key=by_key)
        section = _section(model, one["loc"][:-1])
        placed.append((node.line, node.column, _words(one, section)))
    for line, column, text in sorted(set(placed)):
        yield f"{file}:{line}:{column}: {text}"


def _words(one: Any, section: type[Section] | None) -> str:
    kind, key, value = one["type"], str(one["loc"][-1]) if one["loc"] else "", one.get("input")
    named = f"{key}: " if key and not key.isdigit() and key != "[key]" else ""
    context = one.get("ctx") or {}
    if kind == "extra_forbidden" and section:
        if key in section.not_yet:
            return f"found {key!r}: {section.not_yet[key]}"
        return f"unknown key {key[:60]!r}, expected {listed(section.keys())}{suggestion(key, section.keys())}"
    if kind == "missing":
        return f"{key} is missing: " + (section.missing.get(key, "it is required") if section else "it is required")
    if kind == "literal_error":
        choices = [str(choice).strip("'") for choice in str(context.get("expected", "")).split(" or ")]
        choices = [choice.strip("'") for part in choices for choice in part.split(", ")]
        return f"{named}{found(value)}, expected {context.get('expected')}{suggestion(str(value), choices)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        sign, limit = ("at least", context.get("ge")) if "ge" in context else ("at most", context.get("le"))
        return f"{named}{found(value)}, expected a number of {sign} {limit}"
    if kind == "value_error":
        return f"{named}{context.get('error')}"
    return f"{named}{found(value)}, expected {_EXPECTED.get(kind, one['msg'])}"


def _section(model: Any, path: tuple[str | int, ...]) -> type[Section] | None:
    """The section that `path` leads to, by the models' annotations."""
    for step in path:
        if isinstance(model, type) and issubclass(model, Section):
            field = next((f for f in model.model_fields.values() if f.alias == step), None)
            model = field.annotation if field else None
        model = _inner(model)
    return model if isinstance(model, type) and issubclass(model, Section) else None


def _inner(annotation: Any) -> Any:
    """The section inside `list[S]`, `dict[str, S]`, `S | None` or `Annotated[S, …]`; else the annotation itself."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for part in get_args(annotation):
        inner = _inner(part)
        if isinstance(inner, type) and issubclass(inner, Section):
            return inner
    return None
