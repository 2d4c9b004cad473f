"""What a long command shows while it works: JSON lines, plain lines, or a live line on a terminal.

All three get the same events; the agent's own are passed through as they come.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tidegate.cli.text import clean, columns, seconds

Event = dict[str, Any]


class Progress(Protocol):
    """Shows events. `steps` collects (what, seconds) for the summary."""

    steps: list[tuple[str, float]]

    def event(self, event: Event) -> None:
        """Show one event."""
        ...

    def say(self, text: str) -> None:
        """A line of the result."""
        ...

    def result(self, fields: Event) -> None:
        """What came of it, for machines."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


def progress_for(*, as_json: bool) -> Progress:
    """The fitting one for this output."""
    if as_json:
        return JsonLines()
    return Live() if sys.stdout.isatty() else PlainLines()


@contextmanager
def step(progress: Progress, what: str) -> Iterator[None]:
    """A step of the command's own."""
    began = time.monotonic()
    progress.event({"kind": "step", "what": what})
    yield
    progress.event({"kind": "done", "what": what, "seconds": round(time.monotonic() - began, 3)})


class JsonLines:
    """One JSON object a line."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    def event(self, event: Event) -> None:
        """Show one event."""
        note(self.steps, event)
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Machines need no prose."""

    def result(self, fields: Event) -> None:
        """What came of it."""
        self.event({"kind": "result", **fields})

    def close(self) -> None:
        """Nothing to put away."""


class PlainLines:
    """A line an event, for logs and pipes."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    def event(self, event: Event) -> None:
        """Show one event."""
        note(self.steps, event)
        text = words(event)
        if text:
            self.say(text)

    def say(self, text: str) -> None:
        """A line of the result."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def result(self, fields: Event) -> None:
        """People are told in prose."""

    def close(self) -> None:
        """Nothing to put away."""


class Silent:
    """Shows nothing."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    def event(self, event: Event) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def result(self, fields: Event) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Live:
    """Finished steps as lines, and the present one below them with its time running."""

    def __init__(self) -> None:
        from rich.console import Console

        self.steps: list[tuple[str, float]] = []
        self._console = Console(highlight=False, markup=False)
        self._what = ""
        self._bars: Any = None  # rich's, while a step runs

    def event(self, event: Event) -> None:
        """Show one event."""
        note(self.steps, event)
        kind = event["kind"]
        if kind == "step":
            self._begin(clean(str(event["what"])))
        elif kind in ("probe", "build"):
            if self._bars is not None:
                self._bars.update(self._bars.task_ids[0], description=f"{self._what}: {words(event)[:100]}")
        elif kind == "done":
            self.close()
            self._console.print(f"  ✓ {clean(str(event['what']))}  {seconds(event['seconds'])}")
        elif text := words(event):
            self.close()
            self._console.print(f"  {text}")

    def say(self, text: str) -> None:
        """A line of the result."""
        self.close()
        self._console.print(text, soft_wrap=True)

    def result(self, fields: Event) -> None:
        """People are told in prose."""

    def close(self) -> None:
        """Take the live line away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _begin(self, what: str) -> None:
        from rich.progress import Progress as Bars
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        self.close()
        self._what = what
        text = TextColumn("{task.description}", markup=False)
        self._bars = Bars(SpinnerColumn(), text, TimeElapsedColumn(), console=self._console, transient=True)
        self._bars.add_task(what, total=None)
        self._bars.start()


def note(steps: list[tuple[str, float]], event: Event) -> None:
    """Remember a finished step for the summary."""
    if event["kind"] == "done":
        steps.append((str(event["what"]), float(event["seconds"])))


def _step(event: Event) -> str:
    why = f" ({event['why']})" if event.get("why") else ""
    return f"{event['what']}{why} …"


WORDS: dict[str, Callable[[Event], str]] = {
    "step": _step,
    "done": lambda e: f"{e['what']}: {seconds(e['seconds'])}",
    "build": lambda e: str(e["text"]),
    "probe": lambda e: f"{e['replica']} answers: {e['answer']}",
    "ready": lambda e: f"{e['replica']} is ready after {seconds(e['seconds'])}",
    "release": lambda e: f"release r{e['release']} of commit {e['commit'][:12]}",
    "waiting": lambda e: f"waiting for a {e['behind']} by {e['by'] or 'the agent'}",
    "warning": lambda e: f"warning: {e['text']}",
    "resumed": lambda _: "the agent was restarted and goes on",
}


def words(event: Event) -> str:
    """An event in words; empty when it needs none. What comes from elsewhere is made harmless."""
    wording = WORDS.get(event["kind"])
    return clean(wording(event)) if wording else ""


def summary(steps: list[tuple[str, float]], total: float) -> list[str]:
    """The time of each step, as lines."""
    rows = [(what, seconds(spent)) for what, spent in steps] + [("in all", seconds(total))]
    return [f"  {line}" for line in columns([(clean(a), b.rjust(9)) for a, b in rows])]
