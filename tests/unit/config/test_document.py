"""YAML with places and bounds: whatever a file holds, there is a tree or one clear fault."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.document import MAX_BYTES, parse
from tidegate.errors import InvalidConfiguration


def faults(content: bytes) -> tuple[str, ...]:
    with pytest.raises(InvalidConfiguration) as caught:
        parse(content, "f.yaml")
    return caught.value.details


def test_values_know_their_places() -> None:
    root = parse(b"a: 1\nb:\n  - x\n  - {c: null}\n", "f.yaml")
    assert root.plain() == {"a": 1, "b": ["x", {"c": None}]}
    node = root.at(("b", 1, "c"))
    assert (node.line, node.column) == (4, 9)
    key = root.at(("b", 1, "c"), key=True)
    assert (key.line, key.column) == (4, 6)


def test_plain_scalars_are_yaml_1_2s() -> None:
    text = b"[no, on, 22:22, 2024-01-01, 0x10, 1e3, ~, true, '1', !!str 1, <<]"
    assert parse(text, "f").plain() == ["no", "on", "22:22", "2024-01-01", 16, 1000.0, None, True, "1", "1", "<<"]


def test_anchors_and_merge_keys() -> None:
    root = parse(b"base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 4}]}\n", "f.yaml")
    assert root.plain()["one"] == {"x": 1, "y": 3}
    assert root.plain()["two"] == {"x": 1, "y": 2, "z": 4}


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 9)) for name in range(ord("b"), ord("j"))
)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (BOMB, "aliases expand to more than 100,000 values"),
        (b"a: &a {<<: *a}", "stands inside what it names"),
        (b"a: *nowhere", "nowhere"),
        (b"[" * 5000, "nested more than 50 deep"),
        (b"- " * 5000, "nested more than 50 deep"),
        (b"a: " + b"x" * MAX_BYTES, "expected at most 1,048,576"),
        (b"a: \xff\xfe", "f.yaml:1:4: found a byte that is not UTF-8"),
        ("a: 1\nb: ü".encode("utf-16"), "not UTF-8"),
        (b"a: 1\na: 2\n", "f.yaml:2:1: the key 'a' is here twice, first in line 1"),
        (b"a:\n\tb: 1\n", "f.yaml:2:"),
        (b"a:\n\tb: 1\n", "found a tab in the indentation, expected spaces"),
        (b"a: \x07", "f.yaml:1:4: found the control character U+0007"),
        (b"a: 1\n---\nb: 2\n", "f.yaml:2:1: found a second document"),
        (b"a: [1, 2\nb: 3", "f.yaml:"),
        (b"a: @x", "f.yaml:1:4"),
        (b"? [a, b]\n: 1\n", "found a list as a key"),
        (b"a: {<<: 3}", "found 3 to merge, expected a mapping"),
        (b"%YAML 9.9\n---\na: 1", "f.yaml:1"),
    ],
    ids=range(18),
)
def test_each_fault_is_told_once_with_its_place(content: bytes, fault: str) -> None:
    (line,) = faults(content)
    assert fault in line
    assert line.startswith("f.yaml:")


def test_all_double_keys_are_told() -> None:
    assert len(faults(b"a: {x: 1, x: 2}\nb: 1\nb: 2\n")) == 2


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"#%@`\n\t <?,\\0~", max_size=80).map(str.encode))
def test_any_bytes_give_a_tree_or_a_fault(content: bytes) -> None:
    try:
        parse(content, "f.yaml").plain()
    except InvalidConfiguration as error:
        assert error.details


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_was_written_is_read(value: object) -> None:
    written = json.dumps(value, ensure_ascii=False)  # JSON is YAML, and quotes every text
    assert parse(written.encode(), "f.yaml").plain() == value
