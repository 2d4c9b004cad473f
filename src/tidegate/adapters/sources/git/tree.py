"""Folders with exactly the files that a build may see.

The kept folder lies inside the git directory and has an index of its own: `git read-tree` rewrites only
files that differ from the commit, and a walk afterwards removes whatever else is there. The user's work
tree, index and branches are only read.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tidegate.errors import FileMissing, NotARepository, UnknownCommit

_SUBMODULE = "160000"
_SYMLINK = "120000"
_EXECUTABLE = "100755"
# git writes what the commit says, whatever the user's settings for working on it are.
_EXACTLY = {
    "core.attributesFile": os.devnull,
    "core.autocrlf": "false",
    "core.eol": "lf",
    "core.fileMode": "true",
    "core.sparseCheckout": "false",
    "core.splitIndex": "false",
    "core.symlinks": "true",
    "core.trustctime": "true",
}
_HINT = "Copy its files into the repository, or put them into a base image: a build reads one commit only."


@contextmanager
def checkout_of(common: Path, commit: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """The files of `commit` (a full id) in the repository whose common directory is `common`.

    Raises `FileMissing` for a commit with submodules, `UnknownCommit`.
    """
    environment = {**environment, "GIT_DIR": str(common)}
    with _kept_folder(common / "tidegate") as kept:
        if kept is not None:
            yield _fill(kept, commit, environment)
            return
    with _temporary_folder() as folder:
        yield _fill(folder, commit, environment)


@contextmanager
def copy_of(top: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """A copy of the work tree at `top`: its tracked files as they are, and its new files that are not ignored.

    Raises `FileMissing` for repositories inside it, and for files that a sparse work tree leaves out.
    """
    with _temporary_folder() as folder:
        tree = folder / "tree"
        _make_folder(tree)
        _copy(top, tree, environment)
        yield tree


@contextmanager
def _kept_folder(folder: Path) -> Iterator[Path | None]:
    """The folder, locked; None when it is in use, or another user's."""
    with suppress(OSError):
        folder.mkdir(mode=0o755, exist_ok=True)
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError:
        yield None
        return
    try:
        yield folder if os.fstat(lock).st_uid == os.geteuid() and _locked(lock) else None
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tidegate-tree-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(folder: Path, commit: str, environment: Mapping[str, str]) -> Path:
    """Make `folder/tree` equal the commit; files that equal it already are not touched."""
    tree, index = folder / "tree", folder / "index"
    modes = _modes(folder, commit, environment)
    submodule = next((path for path, mode in modes.items() if mode == _SUBMODULE), None)
    if submodule is not None:
        raise FileMissing(f"{submodule} is a submodule: its files are not in the commit {commit[:12]}.", hint=_HINT)
    # Whoever held the lock before may have been killed while git wrote the index.
    (folder / "index.lock").unlink(missing_ok=True)
    if tree.is_symlink() or not tree.is_dir() or not index.is_file():
        _discard(tree, index)
    complaint = _update(tree, index, commit, modes, environment)
    if complaint is not None:
        _discard(tree, index)  # beyond mending (a broken index, a folder in a file's place): begin anew
        complaint = _update(tree, index, commit, modes, environment)
    if complaint is not None:
        hint = "git fsck finds objects that are missing or broken."
        raise UnknownCommit(f"git cannot check out the commit {commit}.", hint=hint, details=complaint)
    return tree


def _modes(folder: Path, commit: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The mode of each path of the commit, six octal digits."""
    done = _git(folder, environment, "ls-tree", "-r", "-z", "--full-tree", commit)
    if done.returncode:
        raise UnknownCommit(f"The commit {commit} is not in the repository.", details=_lines(done.stderr))
    listed = (line.partition("\t") for line in os.fsdecode(done.stdout).split("\0") if line)
    return {path: head[:6] for head, _, path in listed}


def _update(
    tree: Path, index: Path, commit: str, modes: Mapping[str, str], environment: Mapping[str, str]
) -> list[str] | None:
    """Write what differs and remove what is too much; what went wrong, line by line, or None."""
    tree.mkdir(exist_ok=True)
    place = {"GIT_WORK_TREE": str(tree), "GIT_INDEX_FILE": str(index)}
    settings = [word for name, value in _EXACTLY.items() for word in ("-c", f"{name}={value}")]
    done = _git(tree, {**environment, **place}, *settings, "read-tree", "--reset", "-u", commit)
    if done.returncode:
        return _lines(done.stderr)
    return None if _prune(tree, modes) == len(modes) else ["Files of the commit are not in the folder."]


def _prune(tree: Path, modes: Mapping[str, str]) -> int:
    """Remove what the commit does not have and mend permissions, which go into images too; the files that are left.

    git's own clean leaves the permissions of folders alone, and everything that is called `.git`.
    """
    folders = {parent for path in modes for parent in _parents(path)}
    left = 0
    todo = [""]
    while todo:
        folder = todo.pop()
        _make_folder(tree / folder)
        with os.scandir(tree / folder) as listing:
            for entry in listing:
                path = folder + entry.name
                if path in folders and entry.is_dir(follow_symlinks=False):
                    todo.append(f"{path}/")
                elif _is_entry(entry, modes.get(path)):
                    left += 1
                else:
                    _discard(Path(entry.path))
    return left


def _is_entry(entry: os.DirEntry[str], mode: str | None) -> bool:
    """Whether the file is of the commit's kind; its permissions are mended."""
    if mode == _SYMLINK:
        return entry.is_symlink()
    if mode is None or not entry.is_file(follow_symlinks=False):
        return False
    permissions = 0o755 if mode == _EXECUTABLE else 0o644
    if entry.stat(follow_symlinks=False).st_mode & 0o7777 != permissions:
        Path(entry.path).chmod(permissions)
    return True


def _copy(top: Path, tree: Path, environment: Mapping[str, str]) -> None:
    what = ("--stage", "--cached", "--others", "--exclude-standard")
    done = _git(top, environment, "ls-files", "-z", "-t", *what)
    if done.returncode:
        raise NotARepository(f"git cannot list the work tree at {top}.", details=_lines(done.stderr))
    made = {""}
    for line in filter(None, os.fsdecode(done.stdout).split("\0")):
        tag, _, rest = line.partition(" ")
        # A new file is listed by its path alone, a tracked one as mode, object, stage, tab and path.
        path = rest if tag == "?" else rest.partition("\t")[2]
        if path.endswith("/") or (tag != "?" and rest.startswith(_SUBMODULE)):
            raise FileMissing(f"{path.rstrip('/')} is a git repository of its own.", hint=_HINT)
        parents = list(_parents(path))[::-1]
        if any((top / parent).is_symlink() for parent in parents):
            continue  # a link took a folder's place: what the index has below it is deleted
        source = top / path
        if tag == "S" and not os.path.lexists(source):
            raise FileMissing(f"The sparse work tree leaves out {path}.", hint="Run: git sparse-checkout disable.")
        if not source.is_symlink() and not source.is_file():
            continue  # deleted
        for parent in parents:
            if parent not in made:
                made.add(parent)
                _make_folder(tree / parent)
        _copy_file(source, tree / path)


def _copy_file(source: Path, target: Path) -> None:
    shutil.copy2(source, target, follow_symlinks=False)
    if not target.is_symlink():
        target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _git(folder: Path, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # Permissions go into images, so they may not depend on the caller's umask.
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        umask=0o022,
        check=False,
    )


def _make_folder(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    if folder.stat().st_mode & 0o7777 != 0o755:
        folder.chmod(0o755)


def _parents(path: str) -> Iterator[str]:
    """`a/b/c` has the folders `a/b` and `a`."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _discard(*places: Path) -> None:
    for place in places:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def _lines(output: bytes) -> list[str]:
    return output.decode(errors="replace").strip().splitlines()
