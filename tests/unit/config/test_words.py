"""Durations and the nearest word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.words import LONGEST, duration, format_duration, nearest


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("1.5s", 1.5), ("10m", 600), ("24h", 86400), ("1d", 86400), ("30d", LONGEST)],
)
def test_durations_read_as_seconds(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "value", ["", "10", 10, "10 s", "-1s", "0s", "1w", "31d", "1e3s", None, True, [], "٣s", "1s\n"]
)
def test_what_is_no_duration_is_told_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match=r"found .*expected a duration such as 500ms, 30s, 10m or 24h"):
        duration(value)


@given(st.integers(min_value=1, max_value=int(LONGEST * 1000)))
def test_a_written_duration_reads_as_the_same(milliseconds: int) -> None:
    assert duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("helth", "health"), ("idle_timeout", "idle-timeout"), ("Routes", "routes"), ("prt", "port"), ("zzz", None)],
)
def test_the_nearest_word(typed: str, meant: str | None) -> None:
    assert nearest(typed, ["health", "idle-timeout", "routes", "port"]) == meant


@given(st.sampled_from(["environments", "keep-warm", "start-within", "replicas"]), st.integers(0, 11), st.characters())
def test_one_wrong_character_still_finds_the_word(word: str, at: int, char: str) -> None:
    at %= len(word)
    assert nearest(word[:at] + char + word[at + 1 :], ["environments", "keep-warm", "start-within", "replicas"]) == word
