"""Whatever an intent or a release holds comes back from its JSON."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.adapters.stores.sqlite.documents import dump, load_intent, load_release
from tidegate.domain.names import NAME, EnvironmentName
from tidegate.domain.release import Artifact, Configuration, Release, Strategy
from tidegate.domain.route import Balance, Route
from tidegate.domain.service import Role, Service
from tidegate.ports.store import Intent

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(1, 10**6)
seconds = st.floats(0, 1e6, allow_nan=False)
moments = st.datetimes(timezones=st.just(UTC))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | seconds | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.from_regex(NAME, fullmatch=True).filter(lambda text: len(text) <= 40)
environments = st.builds(EnvironmentName, names, names)
services = st.builds(
    Service, texts, st.sampled_from(Role), texts, st.integers(0, 9), st.dictionaries(texts, plain, max_size=3)
)
routes = st.builds(
    Route, texts, texts, texts, st.integers(1, 65535), texts, st.sampled_from(Balance), st.none() | seconds
)
strategies = st.builds(Strategy, texts, seconds, seconds, seconds, seconds)
configurations = st.builds(
    Configuration,
    st.lists(services, max_size=2).map(tuple),
    st.lists(routes, max_size=2).map(tuple),
    strategies,
)
artifacts = st.builds(Artifact, texts, st.dictionaries(texts, texts, max_size=2), st.booleans())
releases = st.builds(Release, environments, numbers, artifacts, configurations, texts, moments, texts)
maybe = st.none() | numbers
intents = st.builds(
    Intent, maybe, maybe, maybe, st.booleans(), st.booleans(), st.dictionaries(numbers, moments, max_size=3)
)


@given(intents)
def test_an_intent_comes_back(intent: Intent) -> None:
    assert load_intent(dump(intent)) == intent


@settings(max_examples=40)
@given(releases)
def test_a_release_comes_back(release: Release) -> None:
    assert load_release(dump(release)) == release


def test_what_a_newer_version_added_is_passed_over_and_what_an_older_one_lacked_has_its_default() -> None:
    assert load_intent('{"wanted": 3, "canary": {"weight": 5}}') == Intent(wanted=3)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"wanted": "one"}'])
def test_what_is_no_intent_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        load_intent(text)
