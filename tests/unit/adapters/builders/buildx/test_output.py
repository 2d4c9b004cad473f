"""What is made of buildx's words."""

from __future__ import annotations

import pytest

from tidegate.adapters.builders.buildx.output import Transcript, clean, lookup_failure
from tidegate.errors import (
    BuildFailed,
    EngineUnavailable,
    RegistryRefused,
    RegistryUnavailable,
    TidegateError,
    ToolMissing,
)

BUILD = """\
#0 building with "default" instance using docker driver

#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 112B done
#1 DONE 0.0s

#2 [web internal] load .dockerignore
#2 DONE 0.0s

#6 [2/3] RUN make
#6 0.123 compiling
#6 DONE 0.4s

#7 [3/3] COPY app.py .
#7 CACHED

#8 exporting to image
#8 exporting layers done
#8 DONE 0.0s
"""
PUSH = "#9 pushing registry.example.com/shop/web:git-1 with docker\n#9 pushing layer 9aa4bafeb83c\n"


def transcript(text: str) -> tuple[Transcript, list[str]]:
    said: list[str] = []
    transcript = Transcript(said.append)
    for line in text.splitlines():
        transcript.feed(line)
    return transcript, said


def test_progress_is_what_the_build_does() -> None:
    assert transcript(BUILD)[1] == [
        "[2/3] RUN make",
        "  compiling",
        "[3/3] COPY app.py .",
        "[3/3] COPY app.py .: cached",
        "exporting to image",
    ]


def test_it_knows_when_an_image_is_on_its_way() -> None:
    assert not transcript(BUILD)[0].pushing
    assert transcript(BUILD + PUSH)[0].pushing
    assert not transcript(BUILD + PUSH + "#9 DONE 0.1s\n")[0].pushing


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (BUILD + "ERROR: failed to solve: process did not complete: exit code: 1", BuildFailed),
        (BUILD + PUSH + "#9 ERROR: x\nERROR: no basic auth credentials", RegistryRefused),
        (BUILD + PUSH + "#9 ERROR: x\nERROR: denied: requested access to the resource is denied", RegistryRefused),
        (BUILD + PUSH + "#9 ERROR: x\nERROR: received unexpected HTTP status: 503 Service", RegistryUnavailable),
        (BUILD + PUSH + "#9 ERROR: x\nERROR: dial tcp: connect: connection refused", RegistryUnavailable),
        (BUILD + "ERROR: failed to solve: failed to push shop/web:1: 401 Unauthorized", RegistryRefused),
        ("ERROR: Cannot connect to the Docker daemon at unix:///x. Is it running?", EngineUnavailable),
        ("docker: 'buildx' is not a docker command.", ToolMissing),
        ("", BuildFailed),
        # The words of a build are not buildx's.
        (
            BUILD + "#6 0.2 denied: Cannot connect to the Docker daemon\nERROR: failed to solve: exit code: 1",
            BuildFailed,
        ),
        (BUILD + "ERROR: failed to solve: example.com/base: pull access denied", BuildFailed),
    ],
)
def test_a_failure_is_the_error_that_it_is(text: str, kind: type[TidegateError]) -> None:
    assert type(transcript(text)[0].failure("web")) is kind


def test_evidence_is_the_last_lines_without_what_a_terminal_obeys() -> None:
    lines = "\n".join(f"#6 0.{number} \x1b[31mline {number}\x1b[0m\x1b]0;title\x07\x07" for number in range(50))
    details = transcript(lines)[0].failure("web").details
    assert details == tuple(f"#6 0.{number} line {number}" for number in range(30, 50))


def test_no_line_is_too_long_to_read() -> None:
    assert len(clean("x" * 10_000)) < 1_000
    assert clean("a\x00b\x9b31mc\x1b(Bd\x1b") == "ab31mcd"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ERROR: registry.example.com/shop/web:git-1: not found", None),
        ("manifest unknown: manifest unknown", None),
        ("pull access denied, repository does not exist: insufficient_scope: authorization failed", None),
        ("Head https://x/v2/: no basic auth credentials", RegistryRefused),
        ("unauthorized: authentication required", RegistryRefused),
        ("dial tcp: lookup registry.invalid: no such host", RegistryUnavailable),
        ("unexpected status from HEAD request: 503 Service Unavailable", RegistryUnavailable),
    ],
)
def test_a_failed_look_up_is_absence_refusal_or_silence(text: str, kind: type[TidegateError] | None) -> None:
    failure = lookup_failure("registry.example.com/shop/web:git-1", text)
    assert failure is None if kind is None else type(failure) is kind
