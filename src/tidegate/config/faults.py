"""What pydantic found, as lines for people: place, what was found, what was expected, the nearest key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def lines(file: str, root: Node, model: type[Section], error: ValidationError) -> Iterator[str]:
    """One line a fault: `file:line:column: what was found, what was expected`."""
    for one in error.errors(include_url=False):
        path: Path = tuple(step for step in one["loc"] if step != "[key]")
        kind = one["type"]
        by_key = kind == "extra_forbidden" or "[key]" in one["loc"]
        node = root.at(path[:-1] if kind == "missing" else path, key=by_key)
        yield f"{file}:{node.line}:{node.column}: {_words(one, _section(model, path[:-1]))}"


def _words(one: Any, section: type[Section] | None) -> str:
    kind, key, value = one["type"], str(one["loc"][-1]) if one["loc"] else "", one.get("input")
    named = f"{key}: " if key and not key.isdigit() and key != "[key]" else ""
    context = one.get("ctx") or {}
    if kind == "extra_forbidden" and section:
        if key in section.not_yet:
            return f"found {key!r}: {section.not_yet[key]}"
        return f"unknown key {key[:60]!r}, expected {listed(section.keys())}{suggestion(key, section.keys())}"
    if kind == "missing":
        return f"{key} is missing: {(section.missing if section else {}).get(key, 'it is required')}"
    if kind == "value_error":
        return f"{named}{context.get('error')}"
    return f"{named}{found(value)}, expected {_expected(kind, context, value) or one['msg']}"


def _expected(kind: str, context: Mapping[str, Any], value: object) -> str | None:
    if kind == "literal_error":
        choices = str(context.get("expected", ""))
        return choices + suggestion(str(value), choices.replace("'", "").replace(" or ", ", ").split(", "))
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"a number of {'at least' if 'ge' in context else 'at most'} {context.get('ge', context.get('le'))}"
    return _EXPECTED.get(kind)


def _section(model: type[Section], path: tuple[str | int, ...]) -> type[Section] | None:
    """The section that `path` leads to, by the models' annotations."""
    annotation: Any = model
    for step in path:
        if _is_section(annotation):
            fields = annotation.model_fields.values()
            annotation = next((_bare(field.annotation) for field in fields if field.alias == step), None)
        else:  # into a list, or a mapping by name
            annotation = _bare(get_args(annotation)[-1]) if get_args(annotation) else None
    return annotation if _is_section(annotation) else None


def _bare(annotation: Any) -> Any:
    """`S` from `Annotated[S, …]` and `S | None`."""
    if hasattr(annotation, "__metadata__"):
        return _bare(get_args(annotation)[0])
    if type(None) in get_args(annotation):
        return _bare(get_args(annotation)[0])
    return annotation


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)
