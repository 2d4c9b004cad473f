"""The pure parts of the Docker target: subnets, foreign errors, answers of registries, lines of output."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

import docker.errors
import pytest
import requests
import urllib3.exceptions
from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.targets.docker import subnets
from tidegate.adapters.targets.docker.connection import Connection
from tidegate.adapters.targets.docker.failures import mapped, translate
from tidegate.adapters.targets.docker.images import refusal, registry_of
from tidegate.adapters.targets.docker.labels import environment_in
from tidegate.adapters.targets.docker.logs import LONGEST, lines
from tidegate.errors import (
    EngineRefused,
    EngineTooOld,
    EngineUnavailable,
    ImageMissing,
    RegistryRefused,
    RegistryUnavailable,
    TidegateError,
)

POOL = IPv4Network("10.213.0.0/16")


# --- subnets ------------------------------------------------------------------------------------------


def test_environments_and_releases_share_a_pool_without_meeting() -> None:
    environments, releases = list(subnets.environment_subnets(POOL)), list(subnets.release_subnets(POOL, 4))
    assert len(environments) == 128 and str(environments[0]) == "10.213.0.0/24"
    assert len(releases) == 2048 and str(releases[0]) == "10.213.128.0/28"
    assert not any(e.overlaps(IPv4Network("10.213.128.0/17")) for e in environments)


@given(st.integers(1, 200))
def test_a_release_has_room_for_its_replicas_twice(replicas: int) -> None:
    assert next(subnets.release_subnets(POOL, replicas)).num_addresses >= 2 * replicas + subnets.NOT_FOR_REPLICAS


def test_what_overlaps_is_left_out() -> None:
    taken = [IPv4Network("10.213.0.0/24"), IPv4Network("10.213.1.128/25"), IPv4Network("10.212.0.0/15")]
    assert subnets.first_free(subnets.environment_subnets(POOL), taken[:2]) == IPv4Network("10.213.2.0/24")
    assert subnets.first_free(subnets.environment_subnets(POOL), taken) is None


def test_the_engine_gives_out_the_upper_half() -> None:
    subnet = IPv4Network("10.213.7.0/24")
    assert str(subnets.gateway(subnet)) == "10.213.7.1"
    assert str(subnets.dynamic_range(subnet)) == "10.213.7.128/25"


def test_routes_of_the_host_are_read_from_the_kernel() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert list(subnets.routes(table)) == [IPv4Network("172.17.0.0/16")]


# --- foreign errors -----------------------------------------------------------------------------------


def family(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for kind in root.__subclasses__():
        yield from family(kind)


ROOTS = (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError)


@pytest.mark.parametrize("kind", sorted({k for root in ROOTS for k in family(root)}, key=lambda k: k.__qualname__))
def test_every_foreign_error_becomes_one_of_ours(kind: type[Exception]) -> None:
    error = kind.__new__(kind)  # some want arguments that do not matter here
    Exception.__init__(error, "it broke")
    error.__dict__.setdefault("response", None)
    error.__dict__.setdefault("explanation", "it broke")
    assert isinstance(translate(error, "do it"), (EngineRefused, EngineUnavailable))


def answered(status: int) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("no", response, explanation="the engine's words")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (answered(409), EngineRefused),
        (answered(500), EngineRefused),
        (answered(503), EngineUnavailable),
        (requests.ConnectionError("refused"), EngineUnavailable),
        (requests.ReadTimeout("slow"), EngineUnavailable),
        (urllib3.exceptions.ProtocolError("broken"), EngineUnavailable),
        (ConnectionResetError(), EngineUnavailable),
    ],
)
def test_an_engine_that_answers_refuses_and_one_that_does_not_is_unavailable(
    error: Exception, ours: type[TidegateError]
) -> None:
    with pytest.raises(ours, match="Docker could not start web") as raised, mapped("start web"):
        raise error
    assert raised.value.__cause__ is error


def test_the_engines_own_words_are_passed_on() -> None:
    error = translate(answered(409), "start web")
    assert error is not None and "the engine's words" in error.message


def test_a_fault_of_ours_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), mapped("count"):
        _ = 1 / 0


def test_an_engine_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(EngineUnavailable, match="cannot be reached"):
        Connection()()


def test_an_old_engine_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        api_version = "1.41"
        base_url = "http+docker://localhost"

        def close(self) -> None: ...

    monkeypatch.setattr(docker, "APIClient", lambda **_: Old())
    with pytest.raises(EngineTooOld, match=r"1\.41"):
        Connection()()


# --- registries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("registry.example.com/shop/web@sha256:1", "registry.example.com"),
        ("127.0.0.1:5000/web", "127.0.0.1:5000"),
        ("localhost/web", "localhost"),
        ("library/postgres:16", "docker.io"),
        ("postgres:16", "docker.io"),
        ("docker.io/library/postgres", "docker.io"),
        ("index.docker.io/library/postgres", "docker.io"),
    ],
)
def test_the_registry_of_an_image(image: str, registry: str) -> None:
    assert registry_of(image) == registry


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("Head https://r/v2/x/manifests/1: unauthorized: authentication required", RegistryRefused),
        ("pull access denied for x, repository does not exist or may require 'docker login'", RegistryRefused),
        ("Get https://r/v2/: no basic auth credentials", RegistryRefused),
        ("manifest for r/x@sha256:1 not found: manifest unknown: manifest unknown", ImageMissing),
        ("dial tcp 127.0.0.1:1: connect: connection refused", RegistryUnavailable),
        ("lookup r: no such host", RegistryUnavailable),
        ("net/http: TLS handshake timeout", RegistryUnavailable),
        ("received unexpected HTTP status: 503 Service Unavailable", RegistryUnavailable),
    ],
)
def test_what_a_registry_says_decides_whether_to_try_again(text: str, ours: type[TidegateError]) -> None:
    assert type(refusal("r.example.com/x@sha256:1", text)) is ours


# --- output -------------------------------------------------------------------------------------------


def test_lines_are_whole_however_they_arrive() -> None:
    assert list(lines([b"one\ntw", b"o\r\n", b"\n", "drei \N{EURO SIGN}".encode()[:-1], b"\xac\nfou", b"r"])) == [
        "one",
        "two",
        "",
        "drei \N{EURO SIGN}",
        "four",
    ]


def test_bytes_that_are_no_text_do_not_end_the_log() -> None:
    assert list(lines([b"\xff\xfe\n", b"fine\n"])) == ["\N{REPLACEMENT CHARACTER}" * 2, "fine"]


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    out = list(lines(b"x" * 1000 for _ in range(1000)))
    assert "".join(out) == "x" * 1_000_000 and max(map(len, out)) <= LONGEST


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_chunks_do_not_matter(chunks: list[bytes]) -> None:
    assert list(lines(chunks)) == list(lines([b"".join(chunks)]))


# --- labels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels", [None, {}, {"tidegate.app": "a"}, {"tidegate.app": "A", "tidegate.environment": "b"}]
)
def test_labels_of_others_are_nobodys(labels: dict[str, str] | None) -> None:
    assert environment_in(labels) is None
