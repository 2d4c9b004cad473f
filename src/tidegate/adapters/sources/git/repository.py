"""What a repository says about its commits.

A delivery reads what a commit holds, never what happens to lie around it: variables that redirect git
are dropped, hooks and replacement objects are off, and what a user typed reaches git on its standard
input, where nothing can be taken for an option. Nothing here writes, and the folders for builds are
`tree`'s.
"""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tidegate.errors import NotARepository, ToolMissing, UnknownCommit
from tidegate.ports.source import Commit

_FULL_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# A user's own configuration stays, since it says which repositories are trusted. All other GIT_*
# variables, such as those that a hook is given, would have git look at another repository.
_KEPT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_SSL_CAINFO", "GIT_EXEC_PATH")
_FIXED = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
# The repository's own configuration may neither run a program nor hide a file.
_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.untrackedCache": "false",
    "submodule.recurse": "false",
}


class GitSource:
    """The repository that `repo`, a folder in a work tree or a bare repository, belongs to."""

    def __init__(self, repo: Path, environ: Mapping[str, str] | None = None) -> None:
        self._repo = repo
        self._environment = _environment(os.environ if environ is None else environ)

    def commit(self, revision: str = "HEAD") -> Commit:
        """Resolve a revision. Only HEAD can be dirty: any other revision names a commit and nothing beside it.

        Raises `NotARepository`, `UnknownCommit`, `ToolMissing`.
        """
        # A dash at the front would be an option wherever a person or a program pastes the name later.
        if not revision or revision.startswith("-") or not revision.isprintable():
            raise UnknownCommit(f"{revision!r} cannot be the name of a commit.")
        head = revision == "HEAD"
        # Two questions at the same time: what the commit is, and what the work tree holds beside it.
        status = self._start("status", "--porcelain", "-z", "--untracked-files=normal") if head else None
        try:
            found = self._objects(f"{revision}^{{commit}}")[0]
        finally:
            changes, complaint = status.communicate() if status else (b"", b"")
        if found.kind != "commit":
            if head:
                raise NotARepository(f"The repository at {self._repo} has no commit yet.")
            raise UnknownCommit(f"{revision!r} names no commit of the repository at {self._repo}.")
        if status and status.returncode and b"must be run in a work tree" not in complaint:
            raise self._refusal(complaint)
        return Commit(id=found.id, subject=_subject(found.content), dirty=bool(changes))

    def read(self, commit: str, path: str) -> bytes | None:
        """One file's content at a commit, through symlinks that stay inside the commit; None when it has none.

        Raises `NotARepository`, and `UnknownCommit` when `commit` is not the full id of one.
        """
        return self.read_all(commit, [path])[path]

    def read_all(self, commit: str, paths: Sequence[str]) -> Mapping[str, bytes | None]:
        """Several files' contents at a commit, as `read` gives them, by one call of git."""
        if not _FULL_ID.fullmatch(commit):
            raise UnknownCommit(f"{commit!r} is not the full id of a commit.")
        inside = {path: normal for path in paths if (normal := _inside(path)) is not None}
        tree, *files = self._objects(f"{commit}^{{tree}}", *(f"{commit}:{normal}" for normal in inside.values()))
        if tree.kind != "tree":
            raise UnknownCommit(f"The commit {commit} is not in the repository at {self._repo}.")
        found = {path: file.content for path, file in zip(inside, files, strict=True) if file.kind == "blob"}
        return {path: found.get(path) for path in paths}

    def checkout(self, commit: Commit) -> AbstractContextManager[Path]:
        """A folder with exactly the commit's files, the caller's alone while the context lasts.

        A clean commit's folder is kept between builds, so that unchanged files stay as they are and BuildKit
        is sent only what changed; whoever comes while it is in use gets a temporary one. Of a dirty commit the
        work tree's tracked and new files are copied. Raises `FileMissing` when the commit has submodules,
        whose files it does not hold, and `NotARepository`, `UnknownCommit`.
        """
        from tidegate.adapters.sources.git import tree

        common, top = self._folders
        if commit.dirty and top is not None:
            return tree.copy_of(top, self._environment)
        return tree.checkout_of(common, commit.id, self._environment)

    @cached_property
    def _folders(self) -> tuple[Path, Path | None]:
        """Where the repository keeps what its work trees share, and the top of this work tree if there is one."""
        process = self._start("rev-parse", "--path-format=absolute", "--git-common-dir", "--show-toplevel")
        output, complaint = process.communicate()
        common, _, top = os.fsdecode(output).rstrip("\n").partition("\n")
        if not common:
            raise self._refusal(complaint)
        return Path(common), Path(top) if top else None

    def _objects(self, *names: str) -> list[_Object]:
        """Objects by name. The names travel on standard input, one a line."""
        process = self._start("cat-file", "--batch", "--follow-symlinks")
        output, complaint = process.communicate("".join(f"{name}\n" for name in names).encode(errors="surrogateescape"))
        if process.returncode:
            raise self._refusal(complaint)
        found = []
        for _ in names:
            item, output = _next_object(output)
            found.append(item)
        return found

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["git", "-C", str(self._repo), *arguments],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise ToolMissing("git is not installed.", hint="Install git and run the command again.") from error

    def _refusal(self, complaint: bytes) -> NotARepository:
        text = complaint.decode(errors="replace").strip()
        if "dubious ownership" in text:
            return NotARepository(
                f"git does not trust the repository at {self._repo}: it belongs to another user.",
                hint=f"If you trust it: git config --global --add safe.directory {self._repo.absolute()}",
            )
        if "not a git repository" in text or "cannot change to" in text:
            return NotARepository(f"{self._repo} is not in a git repository.")
        return NotARepository(f"git cannot read the repository at {self._repo}.", details=text.splitlines())


def _inside(path: str) -> str | None:
    """The path in its shortest form; None when it does not stay inside the commit."""
    normal = posixpath.normpath(path)
    outside = normal.startswith(("/", "../")) or normal in (".", "..") or "\n" in normal or "\0" in normal
    return None if outside else normal


class _Object(NamedTuple):
    id: str
    kind: str  # commit, tree, blob; missing
    content: bytes


def _next_object(answer: bytes) -> tuple[_Object, bytes]:
    """The first object in the output of `git cat-file --batch`, and what follows it."""
    header, _, rest = answer.partition(b"\n")
    words = header.decode(errors="replace").split(" ")
    if len(words) == 3 and _FULL_ID.fullmatch(words[0]) and words[2].isdigit():
        size = int(words[2])
        return _Object(words[0], words[1], rest[:size]), rest[size + 1 :]
    if len(words) == 2 and words[1].isdigit():  # a symlink that dangles or leaves the commit, and its target
        return _Object("", "missing", b""), rest[int(words[1]) + 1 :]
    return _Object("", "missing", b""), rest


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith("GIT_") or name in _KEPT}
    settings = {"GIT_CONFIG_COUNT": str(len(_SETTINGS))}
    for index, (key, value) in enumerate(_SETTINGS.items()):
        settings |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return kept | settings | _FIXED


def _subject(commit: bytes) -> str:
    """The first paragraph of a commit's message, in one line."""
    message = commit.decode(errors="replace").partition("\n\n")[2].lstrip("\n")
    return " ".join(message.partition("\n\n")[0].split("\n")).strip()
