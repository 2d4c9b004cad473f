"""tidegate.yaml: what is valid, and how every fault is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.config.settings import load
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Strategy
from tidegate.domain.route import Balance, Route
from tidegate.errors import InvalidConfiguration, UnknownEnvironment

EXAMPLE = Path(__file__).parents[3] / "docs" / "tidegate.example.yaml"
SMALLEST = """\
app: shop
environments:
  production:
    routes: [{service: web, port: 8000, health: /health}]
"""


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidConfiguration) as caught:
        load(text.encode())
    assert caught.value.details
    return caught.value.details


def environment(lines: str, name: str = "staging") -> str:
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"app: shop\nenvironments:\n  {name}:\n{body}"


def test_the_smallest_file_has_the_documented_defaults() -> None:
    read = load(SMALLEST.encode())
    one = read.default_environment()
    assert read.app == "shop" and read.registry is None
    assert read.name(one) == EnvironmentName("shop", "production")
    assert one.routes == (Route("*", "/", "web", 8000, "/health"),)
    assert one.strategy == Strategy()
    assert (one.target, one.compose, one.env, one.replicas) == ({"docker": "local"}, (), {}, {})


def test_the_example_says_everything() -> None:
    read = load(EXAMPLE.read_bytes())
    one = read.environment("staging")
    assert read.registry == "registry.example.com/shop"
    assert one.routes[0] == Route("staging.shop.example.com", "/", "web", 8000, "/health", Balance.ROUND_ROBIN, 75.0)
    assert one.strategy == Strategy("blue-green", 60.0, 30.0, 300.0, 600.0)
    assert one.compose == ("compose.yaml", "compose.staging.yaml")
    assert (one.branch, one.migrate, one.replicas) == ("main", "migrate", {"web": 2})
    assert one.env == {"LOG_LEVEL": "debug", "WORKERS": "2"}
    assert read.environment("production").promote == "staging"
    assert read.default_environment() is one


def test_values_for_compose_are_the_texts_that_were_written() -> None:
    env = load(environment("env: {V: 1.10, T: True, O: 0644, S: '1'}").encode()).default_environment().env
    assert env == {"V": "1.10", "T": "True", "O": "0644", "S": "1"}


def test_hosts_and_paths_have_one_form() -> None:
    text = environment("routes: [{host: Shop.Example.COM., path: /api/, service: web, port: 80, health: /}]")
    (route,) = load(text.encode()).default_environment().routes
    assert route.claim == "shop.example.com/api"


def test_all_faults_are_told_at_once_in_order() -> None:
    lines = faults(
        "app: Shop\nregistry: x\nenvironments:\n  staging:\n    brnch: main\n    routes:\n"
        "      - {service: web, port: 70000, helth: /h}\n    keep-warm: 10\n  production: {promote: stagin}\n"
    )
    assert [line.split(" ")[0] for line in lines] == [
        "tidegate.yaml:1:6:",
        "tidegate.yaml:2:1:",
        "tidegate.yaml:5:5:",
        "tidegate.yaml:7:9:",
        "tidegate.yaml:7:30:",
        "tidegate.yaml:7:37:",
        "tidegate.yaml:8:16:",
        "tidegate.yaml:9:25:",
    ]
    assert "unknown key 'brnch'" in lines[2] and lines[2].endswith("did you mean 'branch'?")
    assert "health is missing" in lines[3] and "no traffic before" in lines[3]
    assert "expected one of staging, production; did you mean 'staging'?" in lines[7]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "found nothing, expected a mapping"),
        ("[]", "found a list, expected a mapping"),
        ("app: shop", "environments is missing"),
        ("app: shop\nenvironments: {}", "environments: found a mapping, expected at least one entry"),
        (SMALLEST + "pipeline: {}", "found 'pipeline': it is not supported by this version yet"),
        (SMALLEST + "gates: {}", "found 'gates': it is not supported"),
        (environment("secrets: [A]"), "found 'secrets': it is not supported"),
        (environment("approval: {}"), "found 'approval': it is not supported"),
        (environment("target: {docker: 'ssh://a@b'}"), "Docker over ssh is not supported by this version yet"),
        (environment("target: {swarm: x}"), "found 'swarm': it is not supported by this version yet"),
        (environment("target: {kubernetes: x}"), "found 'kubernetes': it is not supported"),
        (environment("target: {docker: remote}"), "found 'remote', expected 'local'"),
        (environment("strategy: {canary: [5, 25]}"), "the strategy canary comes later, expected 'blue-green'"),
        (environment("strategy: rolling"), "the strategy rolling comes later, expected 'blue-green'"),
        (environment("strategy: blue_green"), "expected 'blue-green'; did you mean 'blue-green'?"),
        (environment("replicas: {web: 0}"), "web: found 0, expected a number of at least 1"),
        (environment("replicas: {web: true}"), "web: found true, expected a whole number"),
        (environment("compose: compose.yaml"), "compose: found 'compose.yaml', expected a list"),
        (environment("compose: [../x.yaml]"), "found '../x.yaml', expected a path inside the repository"),
        (environment("compose: [/etc/x.yaml]"), "expected a path inside the repository"),
        (environment("compose: ['-']"), "expected a path inside the repository"),
        (environment("env: {DOCKER_HOST: x}"), "found 'DOCKER_HOST', expected a variable's name"),
        (environment("env: {A: }"), "A: found nothing, expected a text"),
        (environment("env: {A: [x]}"), "A: found a list, expected a text"),
        (environment("branch: !secret x"), "found the tag '!secret', expected plain YAML"),
        (environment("promote: staging"), "staging would be promoted from itself"),
        (environment("routes: [{host: 'http://x', service: w, port: 1, health: /}]"), "expected a host name without"),
        (environment("routes: [{host: 'a b', service: w, port: 1, health: /}]"), "expected a host name without"),
        (environment("routes: [{path: 'a', service: w, port: 1, health: /}]"), "path: found 'a', expected a path"),
        (environment("routes: [{path: /a/../b, service: w, port: 1, health: /}]"), "expected a path"),
        (environment('routes: [{path: "/a\\nb", service: w, port: 1, health: /}]'), "expected a path"),
        (environment("routes: [{service: w, port: '80', health: /}]"), "port: found '80', expected a whole number"),
        (environment("routes: [{service: w, port: 0, health: /}]"), "expected a number of at least 1"),
        (environment("routes: [{service: w, port: 1, health: up}]"), "health: found 'up', expected a path such as"),
        (environment("routes: [{service: w, port: 1, health: /, balance: lest-connections}]"), "did you mean 'least-"),
        (environment("drain: {request: 3s}"), "unknown key 'request', expected requests or websockets; did you mean"),
        (environment("artifact: x"), "unknown key 'artifact'"),
        ("app: shop\nartifact: {registry: 'https://x/y'}\nenvironments: {a: {}}", "without scheme or tag"),
    ],
)
def test_a_fault_says_what_was_found_and_expected(text: str, fault: str) -> None:
    (line,) = faults(text)
    assert fault in line
    assert line.startswith("tidegate.yaml:")


def test_a_host_and_path_are_claimed_once() -> None:
    route = "{host: a.b, service: web, port: 80, health: /}"
    other = route.replace("a.b", "A.B")
    (line,) = faults(f"app: shop\nenvironments:\n  one:\n    routes: [{route}]\n  two:\n    routes:\n      - {other}\n")
    assert line == (
        "tidegate.yaml:7:9: a.b/ is routed already at tidegate.yaml:4:14, expected a host and path of its own"
    )


def test_promotion_in_a_circle() -> None:
    lines = faults("app: shop\nenvironments: {a: {promote: b}, b: {promote: a}, c: {promote: a}}")
    assert [line.split(" ", 1)[1] for line in lines] == [
        f"promote: {name} would be promoted from itself; one environment must come first" for name in "ab"
    ]


def test_an_unknown_environment_offers_the_nearest() -> None:
    with pytest.raises(UnknownEnvironment, match="did you mean 'production'") as caught:
        load(SMALLEST.encode()).environment("prodution")
    assert "production" in caught.value.hint


def test_the_default_environment_is_asked_for_when_there_are_several() -> None:
    read = load(b"app: shop\nenvironments: {a: {}, b: {}}")
    with pytest.raises(UnknownEnvironment, match="a, b"):
        read.default_environment()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The example with one value, anywhere, replaced by anything."""
    data = yaml.safe_load(EXAMPLE.read_text())
    node = data
    while True:
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], (dict, list)) or not node[key] or draw(st.booleans()):
            node[key] = draw(JUNK)
            return yaml.safe_dump(data).encode()
        node = node[key]


@given(damaged())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_value_is_it_is_read_or_told(content: bytes) -> None:
    try:
        load(content)
    except InvalidConfiguration as error:
        assert error.details
        assert all(line.startswith("tidegate.yaml:") for line in error.details)
        assert not any("Input should" in line for line in error.details), error.details
