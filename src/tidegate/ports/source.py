"""Where commits come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Commit:
    """`id` is the full object name; `dirty` that the work tree holds more than the commit does."""

    id: str
    subject: str
    dirty: bool


class Source(Protocol):
    """A repository."""

    def commit(self, revision: str = "HEAD") -> Commit:
        """Resolve a revision. Raises `NotARepository`, `UnknownCommit`."""
        ...

    def read(self, commit: str, path: str) -> bytes | None:
        """One file's content at a commit; None when it has none. `path` is relative to the root."""
        ...

    def read_all(self, commit: str, paths: Sequence[str]) -> Mapping[str, bytes | None]:
        """Several files' contents at a commit, for the price of one."""
        ...

    def checkout(self, commit: Commit) -> AbstractContextManager[Path]:
        """A folder with exactly the commit's files (of a dirty one: the work tree's tracked and new ones).

        It is the caller's alone while the context lasts.
        """
        ...
