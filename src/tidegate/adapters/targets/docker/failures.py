"""What the client library raises, as errors of ours: the one place that knows both.

Everything that calls the engine does so under `mapped`; a test proves the table complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tidegate.errors import EngineRefused, EngineUnavailable, TidegateError

UNAVAILABLE_STATUS = frozenset({502, 503, 504})  # a proxy before the engine, or an engine that is not up yet


@cache
def table() -> tuple[tuple[type[Exception], type[TidegateError]], ...]:
    """Foreign error to ours; the first that fits counts. Roots come last, so that nothing is missed."""
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    return (
        (docker.errors.APIError, EngineRefused),  # is both a DockerException and a RequestException
        (docker.errors.DockerException, EngineRefused),
        (requests.exceptions.RequestException, EngineUnavailable),
        (urllib3.exceptions.HTTPError, EngineUnavailable),
        (OSError, EngineUnavailable),
    )


def translate(error: Exception, doing: str) -> TidegateError | None:
    """Our error for a foreign one; None for one that is nobody's but a fault of ours."""
    for foreign, ours in table():
        if isinstance(error, foreign):
            kind = EngineUnavailable if status(error) in UNAVAILABLE_STATUS else ours
            return kind(f"Docker could not {doing}: {explanation(error)}")
    return None


@contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Run calls to the engine; `doing` completes "Docker could not …". Raises `EngineUnavailable`, `EngineRefused`."""
    try:
        yield
    except TidegateError:
        raise
    except Exception as error:
        known = translate(error, doing)
        if known is None:
            raise
        raise known from error


def status(error: BaseException) -> int | None:
    """The engine's HTTP status, where it answered."""
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None)


def explanation(error: BaseException) -> str:
    """The engine's own words, where it has any."""
    return str(getattr(error, "explanation", None) or error or type(error).__name__).strip()
