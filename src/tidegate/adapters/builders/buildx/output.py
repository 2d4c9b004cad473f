"""What buildx says: progress for people, and the error that a failure is. Pure, and all of it untrusted text."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence

from tidegate.errors import (
    BuildFailed,
    EngineUnavailable,
    RegistryRefused,
    RegistryUnavailable,
    TidegateError,
    ToolMissing,
)

KEPT_LINES = 20
_LONGEST = 400
# Terminal escapes: control sequences, operating system commands (ended by BEL or ST), and the short ones.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_VERTEX = re.compile(r"#(\d+) (.*)")
_OUTPUT = re.compile(r"\d+\.\d+ (.*)")
_STEP = re.compile(
    r"\[(?!(?:\S+ )?internal\])|pushing |exporting "
)  # what buildx does for itself tells nobody anything
_REFUSED = re.compile(
    r"unauthorized|denied|no basic auth credentials|authentication required|authorization failed|forbidden"
    r"|\b40[13]\b|incorrect username or password",
    re.IGNORECASE,
)
# Hosted registries deny what does not exist yet with the very answer for what one may not see; when it
# is the latter, the push after the build is denied in plain words.
_ABSENT = re.compile(
    r": not found\s*$|manifest unknown|name unknown|insufficient_scope|access to the resource is denied",
    re.IGNORECASE | re.MULTILINE,
)
_NO_ENGINE = re.compile(r"connect to the docker (daemon|api)", re.IGNORECASE)
_NO_BUILDX = re.compile(r"is not a docker command|unknown (flag|command|shorthand)", re.IGNORECASE)


def clean(text: str) -> str:
    """One line without anything that a terminal would obey, cut where it becomes too long to read."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text)).rstrip()[:_LONGEST]


class Transcript:
    """Reads a build's output line by line, tells `progress` what matters, and remembers how it ended."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._vertices: dict[str, str] = {}
        self._pushing: set[str] = set()
        self._push_failed = False
        self._last: deque[str] = deque(maxlen=200)

    @property
    def pushing(self) -> bool:
        """Whether an image is on its way to a registry now."""
        return bool(self._pushing)

    def feed(self, line: str) -> None:
        """Take one line of output."""
        text = clean(line)
        self._last.append(text)
        matched = _VERTEX.fullmatch(text)
        said = self._step(*matched.groups()) if matched else None
        if said:
            self._progress(said)

    def tail(self) -> tuple[str, ...]:
        """The last lines that say something."""
        return tuple([line for line in self._last if line][-KEPT_LINES:])

    def failure(self, what: str) -> TidegateError:
        """The error that the build of `what` ended with."""
        tail = self.tail()
        # Only buildx's own last word counts: what a build prints could say anything.
        text = next((line for line in reversed(tail) if line.startswith("ERROR:")), tail[-1] if tail else "")
        if _NO_ENGINE.search(text):
            return EngineUnavailable("The container engine does not answer, so nothing can be built.", details=tail)
        if not self._vertices and _NO_BUILDX.search(text):
            return no_buildx(tail)
        if self._push_failed or "failed to push" in text:
            if _REFUSED.search(text):
                return RegistryRefused(f"The registry does not take the image of {what}.", details=tail)
            return RegistryUnavailable(f"The image of {what} could not be pushed.", details=tail)
        return BuildFailed(
            f"BuildKit could not build {what}.",
            hint="The lines below are the last of its output; docker build shows the same with all the rest.",
            details=tail,
        )

    def _step(self, number: str, text: str) -> str | None:
        name = self._vertices.get(number)
        if name is None:
            self._vertices[number] = text
            if text.startswith("pushing "):
                self._pushing.add(number)
            return text if _STEP.match(text) else None
        if text.startswith(("DONE", "CANCELED", "ERROR")):
            self._pushing.discard(number)
        if text.startswith("ERROR"):
            self._push_failed = self._push_failed or name.startswith("pushing ")
            return f"{name}: {text}"
        if text == "CACHED":
            return f"{name}: cached"
        output = _OUTPUT.fullmatch(text)
        return f"  {output[1]}" if output else None


def lookup_failure(tag: str, errors: str) -> TidegateError | None:
    """The error that a failed look-up of `tag` is; None when the registry says that it has no such image."""
    if _ABSENT.search(errors):
        return None
    details = [clean(line) for line in errors.splitlines() if line.strip()][-KEPT_LINES:]
    if _NO_BUILDX.search(errors):
        return no_buildx(details)
    if _REFUSED.search(errors):
        return RegistryRefused(f"The registry does not let {tag} be looked up.", details=details)
    return RegistryUnavailable(f"The registry of {tag} does not answer.", details=details)


def no_buildx(details: Sequence[str] = ()) -> ToolMissing:
    """docker is there, buildx is not."""
    return ToolMissing(
        "docker has no buildx plugin of version 0.10 or newer, which builds the images.",
        hint="Install it: docker-buildx-plugin in Docker's own packages, docker-buildx in Debian and Ubuntu.",
        details=details,
    )
