"""Follow a rollout's events to where the command may return, and tell how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.cli.progress import Progress
from tidegate.errors import AgentUnavailable, TidegateError, from_payload

ENOUGH = {"shifted", "finished"}


def follow(events: Iterator[dict[str, Any]], progress: Progress, *, wait: bool, environment: str) -> dict[str, Any]:
    """The deciding event: `shifted`, or `finished` with its outcome; with `wait`, after everything settled.

    Raises the rollout's error; Ctrl-C leaves the agent at work and says how to go on.
    """
    last: dict[str, Any] = {}
    try:
        for event in events:
            progress.event(event)
            if event["kind"] == "failed":
                raise explained(event, environment)
            if event["kind"] in ENOUGH:
                if event["kind"] == "finished" and event.get("error"):
                    raise from_payload(event["error"])
                last = event if event["kind"] == "finished" or not last else last
                if not wait or event.get("outcome") == "unchanged":
                    break
    except KeyboardInterrupt:
        progress.close()
        progress.say("")
        progress.say("The agent goes on with the rollout.")
        progress.say(f"  follow it:  tidegate follow {environment}")
        progress.say(f"  stop it:    tidegate abort {environment}")
        raise
    finally:
        progress.close()
    if not last:
        raise AgentUnavailable(
            "the agent ended before the rollout did; the rollout goes on when it is back",
            hint=f"tidegate follow {environment}",
        )
    return last


def explained(event: dict[str, Any], environment: str) -> TidegateError:
    """The error of a failed rollout, and what serves now."""
    error = from_payload(event["error"])
    serving = event.get("serving")
    now = f"r{serving} still serves {environment}" if serving is not None else f"nothing serves {environment}"
    return type(error)(f"{error.message}; {now}", hint=error.hint, details=error.details)
