"""YAML text as a tree that knows where everything stands.

A file from a repository is untrusted: size, depth, and what aliases expand to are bounded before anything is
built, duplicate keys are faults, and nothing but plain data can come of it. The rules for plain scalars are
YAML 1.2's (`no` is a text, `22:22` too), as in Compose. No meaning is attached to any key here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import yaml

from tidegate.config.words import found
from tidegate.errors import InvalidConfiguration

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_NODES = 100_000  # with every alias counted as what it stands for

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT = re.compile(r"[-+]?[0-9]{1,30}")
_BASED = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,20}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_CORE = "tag:yaml.org,2002:"

Scalar = str | int | float | bool | None
Path = tuple[str | int, ...]


@dataclass(slots=True, eq=False)
class Node:
    """One value. `value` is a scalar, a list of nodes, or a dict of (key node, value node) by key text.

    `line` and `column` count from 1. `text` is a scalar as it was written, `tag` a local tag such as `!reset`.
    """

    line: int
    column: int
    value: Any
    text: str = ""
    tag: str | None = None
    size: int = 1
    depth: int = 1

    def entries(self) -> Iterator[tuple[str, Node, Node]]:
        """A mapping's (key, key node, value node), merge keys resolved; nothing for any other node."""
        if isinstance(self.value, dict):
            for key, (key_node, node) in self.value.items():
                yield key, key_node, node

    def items(self) -> list[Node]:
        """A list's nodes; nothing for any other node."""
        return self.value if isinstance(self.value, list) else []

    def get(self, key: str) -> Node | None:
        """A mapping's value."""
        pair = self.value.get(key) if isinstance(self.value, dict) else None
        return pair[1] if pair else None

    def at(self, path: Path, *, key: bool = False) -> Node:
        """The deepest node on the way along `path`; with `key`, the last step's key rather than its value."""
        node = self
        for step, part in enumerate(path):
            if isinstance(node.value, dict) and part in node.value:
                node = node.value[part][0 if key and step == len(path) - 1 else 1]
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
            else:
                break
        return node

    def plain(self) -> Any:
        """Dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, (_, node) in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def parse(content: bytes, file: str) -> Node:
    """The one document in `content`. Raises `InvalidConfiguration` with a line a fault."""
    text = _decode(content, file)
    faults: list[str] = []
    try:
        root = _Composer(file, faults).document(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        refuse(file, f"{file}:{line}:{column}: {_problem(error, text, line, column)}", error)
    except yaml.YAMLError as error:
        refuse(file, f"{file}:1:1: this is not YAML", error)
    if faults:
        raise InvalidConfiguration(f"{file} is not valid.", details=faults)
    return root


def refuse(file: str, fault: str, cause: BaseException | None = None) -> NoReturn:
    """Raise the one fault that makes a file unreadable."""
    raise InvalidConfiguration(f"{file} is not valid.", details=[fault]) from cause


def _decode(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        refuse(file, f"{file}:1:1: found {len(content):,} bytes, expected at most {MAX_BYTES:,}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        refuse(file, f"{file}:{line}:{column}: found a byte that is not UTF-8, expected UTF-8 text", error)
    if bad := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        refuse(file, f"{file}:{line}:{column}: found the control character U+{ord(bad[0]):04X}, expected text")
    return text


def _problem(error: yaml.MarkedYAMLError, text: str, line: int, column: int) -> str:
    lines = text.split("\n")
    here = lines[line - 1] if line <= len(lines) else ""
    if "\t" in here[: len(here) - len(here.lstrip())]:
        return "found a tab in the indentation, expected spaces"
    context = f" {error.context}" if error.context else ""
    character = f" ({here[column - 1]!r})" if "character" in str(error.problem) and column <= len(here) else ""
    return f"{error.problem}{character}{context}"


class _Open(NamedTuple):
    """A collection whose end has not come; a mapping's children are keys and values in turn."""

    node: Node
    anchor: str | None
    is_mapping: bool
    children: list[Node]


class _Composer:
    """Builds nodes from the parser's events, with a stack rather than recursion."""

    def __init__(self, file: str, faults: list[str]) -> None:
        self._file = file
        self._faults = faults
        self._anchors: dict[str, Node | None] = {}  # None while the anchored node is still open

    def document(self, text: str) -> Node:
        """The tree of the only document; an empty one is a null."""
        root: Node | None = None
        open_nodes: list[_Open] = []
        documents = 0
        for event in yaml.parse(text, _LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, "found a second document, expected one")
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                open_nodes.append(self._begin(event, len(open_nodes)))
            elif isinstance(event, (yaml.CollectionEndEvent, yaml.ScalarEvent, yaml.AliasEvent)):
                node = self._complete(event, open_nodes)
                if open_nodes:
                    open_nodes[-1].children.append(node)
                else:
                    root = node
        return root or Node(1, 1, None)

    def _begin(self, event: Any, depth: int) -> _Open:
        if depth >= MAX_DEPTH:
            self._refuse(event, f"nested more than {MAX_DEPTH} deep")
        if event.anchor:
            self._anchors[event.anchor] = None
        node = Node(*_place(event), None, tag=_tag(event.tag))
        return _Open(node, event.anchor, isinstance(event, yaml.MappingStartEvent), [])

    def _complete(self, event: Any, open_nodes: list[_Open]) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if isinstance(event, yaml.ScalarEvent):
            node, anchor = self._scalar(event), event.anchor
        else:
            ended = open_nodes.pop()
            self._close(ended)
            node, anchor = ended.node, ended.anchor
        if anchor:
            self._anchors[anchor] = node
        return node

    def _close(self, ended: _Open) -> None:
        node = ended.node
        node.size += sum(child.size for child in ended.children)
        node.depth += max((child.depth for child in ended.children), default=0)
        if node.size > MAX_NODES:
            self._refuse(node, f"aliases expand to more than {MAX_NODES:,} values")
        if node.depth > MAX_DEPTH:
            self._refuse(node, f"nested more than {MAX_DEPTH} deep")
        node.value = self._mapping(ended.children) if ended.is_mapping else ended.children

    def _mapping(self, children: list[Node]) -> dict[str, tuple[Node, Node]]:
        own: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        for key, value in zip(children[::2], children[1::2], strict=True):
            if isinstance(key.value, (list, dict)):
                self._fault(key, f"{found(key.plain())} as a key, expected a text")
            elif key.text == "<<" and key.tag is None:
                merged += self._merged(value)
            elif key.text in own:
                first = own[key.text][0]
                self._fault(key, f"the key {key.text!r} is here twice, first in line {first.line}")
            else:
                own[key.text] = (key, value)
        for source in merged:
            for name, pair in source.value.items():
                own.setdefault(name, pair)
        return own

    def _merged(self, value: Node) -> list[Node]:
        sources = value.value if isinstance(value.value, list) else [value]
        for source in sources:
            if not isinstance(source.value, dict):
                self._fault(source, f"{found(source.plain())} to merge, expected a mapping")
        return [source for source in sources if isinstance(source.value, dict)]

    def _scalar(self, event: Any) -> Node:
        tag = _tag(event.tag)
        plain = event.implicit[0] or (str(event.tag).startswith(_CORE) and event.tag != _CORE + "str")
        node = Node(*_place(event), _resolve(event.value) if plain else event.value, text=event.value, tag=tag)
        if node.text == "<<" and not event.implicit[0]:
            node.tag = node.tag or "!!str"
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            self._refuse(event, f"the alias *{event.anchor} has no anchor")
        target = self._anchors[event.anchor]
        if target is None:
            self._refuse(event, f"the alias *{event.anchor} stands inside what it names")
        return target

    def _fault(self, node: Node, text: str) -> None:
        self._faults.append(f"{self._file}:{node.line}:{node.column}: {text}")

    def _refuse(self, where: Any, text: str) -> NoReturn:
        line, column = (where.line, where.column) if isinstance(where, Node) else _place(where)
        refuse(self._file, f"{self._file}:{line}:{column}: {text}")


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _tag(tag: str | None) -> str | None:
    return None if tag is None or tag == "!" or tag.startswith(_CORE) else tag


def _resolve(text: str) -> Scalar:
    """A plain scalar by YAML 1.2's core schema."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text in ("true", "True", "TRUE")
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
