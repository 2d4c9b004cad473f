"""The git source against real repositories: what is read is the commit, and nothing but the commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tidegate.adapters.sources.git import GitSource
from tidegate.errors import FileMissing, NotARepository, ToolMissing, UnknownCommit

QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
WHO = {f"GIT_{role}_{part}": "t@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}


def git(folder: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], **QUIET, **WHO}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str = "change") -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def files(folder: Path) -> dict[str, str]:
    """Every file, link and folder below `folder`, with what it holds and its permissions."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = f"-> {path.readlink()}"
        else:
            content = "" if path.is_dir() else path.read_text()
            found[str(path.relative_to(folder))] = f"{path.stat().st_mode & 0o7777:o} {content}"
    return found


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "src").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "app.py").write_text("print(1)\n")
    (folder / "src" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "src" / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("src/run.sh")
    (folder / "out").symlink_to("/etc/hostname")
    (folder / "secret.md").write_text("kept out of archives only\n")
    (folder / ".gitattributes").write_text("secret.md export-ignore\n")
    (folder / ".gitignore").write_text(".env\n")
    (folder / ".env").write_text("PASSWORD=1\n")
    commit(folder, "first line\nof the subject\n\nthe body")
    return folder


EXPECTED = {
    ".gitattributes": "644 secret.md export-ignore\n",
    ".gitignore": "644 .env\n",
    "app.py": "644 print(1)\n",
    "link": "-> src/run.sh",
    "out": "-> /etc/hostname",
    "secret.md": "644 kept out of archives only\n",
    "src": "755 ",
    "src/run.sh": "755 #!/bin/sh\n",
}


def source(folder: Path, **environ: str) -> GitSource:
    return GitSource(folder, {"PATH": os.environ["PATH"], **QUIET, **environ})


def test_resolves_a_commit(repo: Path) -> None:
    found = source(repo).commit()
    assert found.id == git(repo, "rev-parse", "HEAD")
    assert found.subject == "first line of the subject"
    assert not found.dirty
    git(repo, "tag", "-a", "v1", "-m", "a tag with a message of its own")
    assert source(repo).commit("v1") == found
    assert source(repo / "src").commit("main") == found


@pytest.mark.parametrize("revision", ["nothing", "-v", "--help", "", "a b", "HEAD\nHEAD", "HEAD:app.py", "HEAD..HEAD"])
def test_a_revision_that_names_no_commit_is_refused(repo: Path, revision: str) -> None:
    with pytest.raises(UnknownCommit):
        source(repo).commit(revision)


@pytest.mark.parametrize("change", ["edit", "new", "delete", "staged"])
def test_any_change_but_an_ignored_one_makes_head_dirty(repo: Path, change: str) -> None:
    (repo / ".env").write_text("PASSWORD=2\n")
    assert not source(repo).commit().dirty
    if change in ("edit", "staged"):
        (repo / "app.py").write_text("print(2)\n")
    if change == "staged":
        git(repo, "add", "app.py")
    if change == "new":
        (repo / "src" / "new.py").write_text("")
    if change == "delete":
        (repo / "app.py").unlink()
    git(repo, "config", "status.showUntrackedFiles", "no")
    assert source(repo).commit().dirty
    assert not source(repo).commit("main").dirty


def test_reads_files_of_a_commit(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    (repo / "app.py").write_text("print(2)\n")
    second = commit(repo)
    assert source(repo / "src").read(first, "app.py") == b"print(1)\n"
    assert source(repo).read(second, "./app.py") == b"print(2)\n"
    assert source(repo).read(second, "link") == b"#!/bin/sh\n"
    for nothing in ("none.py", "src", "out", "../shop/app.py", "/etc/hostname", ".env", "a\nb", "."):
        assert source(repo).read(second, nothing) is None
    for unknown in ("0" * 40, "HEAD", "-v", ""):
        with pytest.raises(UnknownCommit):
            source(repo).read(unknown, "app.py")


def test_checks_out_exactly_the_commit(repo: Path) -> None:
    here = source(repo)
    found = here.commit()
    (repo / "app.py").write_text("edited\n")
    before = os.umask(0o077)
    try:
        with here.checkout(found) as tree:
            assert files(tree) == EXPECTED
            assert tree.stat().st_mode & 0o7777 == 0o755
    finally:
        os.umask(before)
    assert (repo / "app.py").read_text() == "edited\n"
    assert git(repo, "status", "--porcelain") == "M app.py"


def test_an_unchanged_file_is_not_written_again(repo: Path) -> None:
    here = source(repo)
    with here.checkout(here.commit()) as tree:
        before = {name: (tree / name).lstat() for name in ("app.py", "src/run.sh", "link")}
        first = tree
    (repo / "app.py").write_text("print(2)\n")
    commit(repo)
    with here.checkout(here.commit()) as tree:
        assert tree == first
        assert (tree / "app.py").read_text() == "print(2)\n"
        for name in ("src/run.sh", "link"):
            assert (tree / name).lstat().st_mtime_ns == before[name].st_mtime_ns
            assert (tree / name).lstat().st_ino == before[name].st_ino


def _edit(tree: Path, outside: Path) -> None:
    (tree / "app.py").write_text("PRINT(1)\n")  # as long as the original


def _delete(tree: Path, outside: Path) -> None:
    (tree / "app.py").unlink()
    shutil.rmtree(tree / "src")


def _add(tree: Path, outside: Path) -> None:
    (tree / ".env").write_text("PASSWORD=1\n")
    (tree / "src" / "more").mkdir()
    (tree / "empty").mkdir()
    (tree / "nested").mkdir()
    git(tree / "nested", "init", "--quiet")
    (tree / ".git").write_text("gitdir: /nowhere\n")
    (tree / "src" / ".git").mkdir()


def _permissions(tree: Path, outside: Path) -> None:
    (tree / "app.py").chmod(0o600)
    (tree / "src").chmod(0o700)
    (tree / "src" / "run.sh").chmod(0o644)


def _folder_for_file(tree: Path, outside: Path) -> None:
    (tree / "app.py").unlink()
    (tree / "app.py" / "deep").mkdir(parents=True)
    (tree / "app.py" / "deep" / "file").write_text("")


def _link_for_folder(tree: Path, outside: Path) -> None:
    shutil.rmtree(tree / "src")
    (tree / "src").symlink_to(outside)


def _link_for_tree(tree: Path, outside: Path) -> None:
    shutil.rmtree(tree)
    tree.symlink_to(outside)


def _broken_index(tree: Path, outside: Path) -> None:
    (tree.parent / "index").write_bytes(b"nonsense")
    (tree.parent / "index.lock").touch()


def _no_tree(tree: Path, outside: Path) -> None:
    shutil.rmtree(tree)


TAMPERINGS = [
    _edit,
    _delete,
    _add,
    _permissions,
    _folder_for_file,
    _link_for_folder,
    _link_for_tree,
    _broken_index,
    _no_tree,
]


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_a_tampered_folder_is_restored_exactly(repo: Path, tmp_path: Path, tamper: object) -> None:
    here = source(repo)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine\n")
    with here.checkout(here.commit()) as tree:
        pass
    tamper(tree, outside)  # type: ignore[operator]
    with here.checkout(here.commit()) as tree:
        assert files(tree) == EXPECTED
        assert not tree.is_symlink()
    assert files(outside) == {"precious": "644 mine\n"}


def test_two_checkouts_at_once_do_not_meet(repo: Path) -> None:
    here = source(repo)
    first = here.commit()
    (repo / "app.py").write_text("print(2)\n")
    commit(repo)
    second = source(repo).commit()
    with here.checkout(first) as one, source(repo).checkout(second) as two:
        assert one != two
        assert files(one) == EXPECTED
        assert files(two) == {**EXPECTED, "app.py": "644 print(2)\n"}
    assert not two.exists()
    with here.checkout(second) as again:
        assert again == one


def test_a_dirty_checkout_has_the_work_tree_without_what_is_ignored(repo: Path, tmp_path: Path) -> None:
    (repo / "app.py").write_text("edited\n")
    (repo / "new folder").mkdir()
    (repo / "new folder" / "né\nw").write_text("new\n")
    (repo / "secret.md").unlink()
    shutil.rmtree(repo / "src")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "run.sh").write_text("not of this repository\n")
    (repo / "src").symlink_to("../elsewhere")
    here = source(repo)
    found = here.commit()
    before = os.umask(0o077)
    try:
        with here.checkout(found) as tree:
            wanted = {name: text for name, text in EXPECTED.items() if not name.startswith(("src", "secret"))}
            more = {"src": "-> ../elsewhere", "new folder": "755 ", "new folder/né\nw": "644 new\n"}
            assert files(tree) == {**wanted, "app.py": "644 edited\n", **more}
    finally:
        os.umask(before)
    assert not tree.exists()


@pytest.mark.parametrize("dirty", [False, True])
def test_a_submodule_is_refused(repo: Path, tmp_path: Path, dirty: bool) -> None:
    library = tmp_path / "library"
    git(tmp_path, "clone", "--quiet", str(repo), str(library))
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    commit(repo)
    if dirty:
        (repo / "app.py").write_text("edited\n")
    here = source(repo)
    with pytest.raises(FileMissing, match="lib is a"), here.checkout(here.commit()):
        pass


def test_works_in_a_work_tree_of_its_own_and_in_shallow_and_bare_clones(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    (tmp_path / "other" / "app.py").write_text("print(3)\n")
    here = source(tmp_path / "other")
    assert here.commit().dirty
    assert not source(repo).commit().dirty
    third = commit(tmp_path / "other")
    with here.checkout(here.commit()) as tree:
        assert files(tree) == {**EXPECTED, "app.py": "644 print(3)\n"}
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=other", f"file://{repo}", "shallow")
    git(tmp_path, "clone", "--quiet", "--bare", "--branch=other", f"file://{repo}", "bare.git")
    for folder in ("shallow", "bare.git"):
        clone = source(tmp_path / folder)
        assert clone.commit().id == third
        assert not clone.commit().dirty
        with clone.checkout(clone.commit()) as tree:
            assert files(tree) == {**EXPECTED, "app.py": "644 print(3)\n"}


def test_a_sparse_work_tree_builds_the_whole_commit(repo: Path) -> None:
    git(repo, "sparse-checkout", "set", "--no-cone", "app.py", ".gitattributes", ".gitignore")
    assert not (repo / "src").exists()
    here = source(repo)
    with here.checkout(here.commit()) as tree:
        assert files(tree) == EXPECTED
    (repo / "app.py").write_text("edited\n")
    with pytest.raises(FileMissing, match="sparse"), here.checkout(here.commit()):
        pass


def test_variables_of_a_hook_and_hooks_themselves_change_nothing(repo: Path, tmp_path: Path) -> None:
    other = tmp_path / "another"
    git(tmp_path, "clone", "--quiet", str(repo), str(other))
    (other / "app.py").write_text("print(4)\n")
    commit(other)
    ran = tmp_path / "ran"
    for name in ("post-checkout", "post-index-change", "fsmonitor"):
        hook = repo / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch '{ran}'\n")
        hook.chmod(0o755)
    git(repo, "config", "core.fsmonitor", str(repo / ".git" / "hooks" / "fsmonitor"))
    git(repo, "config", "core.autocrlf", "true")
    here = source(
        repo,
        GIT_DIR=str(other / ".git"),
        GIT_WORK_TREE=str(other),
        GIT_INDEX_FILE=str(tmp_path / "index"),
        GIT_CONFIG_PARAMETERS="'core.bare'='true'",
    )
    found = here.commit()
    assert found.id != git(other, "rev-parse", "HEAD")
    with here.checkout(found) as tree:
        assert files(tree) == EXPECTED
    assert not ran.exists()


def test_a_replaced_object_is_not_taken_for_the_commit(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    (repo / "app.py").write_text("print(5)\n")
    second = commit(repo)
    git(repo, "replace", first, second)
    assert source(repo).read(first, "app.py") == b"print(1)\n"
    with source(repo).checkout(source(repo).commit(first)) as tree:
        assert files(tree) == EXPECTED


def test_what_is_no_repository_is_said_so(tmp_path: Path) -> None:
    ceiling = tmp_path / "plain"
    ceiling.mkdir()
    with pytest.raises(NotARepository, match="not in a git repository"):
        source(ceiling).commit()
    with pytest.raises(NotARepository, match="not in a git repository"):
        source(tmp_path / "absent").commit()
    git(ceiling, "init", "--quiet")
    with pytest.raises(NotARepository, match="no commit yet"):
        source(ceiling).commit()


def test_a_repository_of_another_user_is_refused_with_the_remedy(repo: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(repo, 4711, 4711)
    os.chown(repo / ".git", 4711, 4711)
    with pytest.raises(NotARepository) as raised:
        source(repo).commit()
    assert f"safe.directory {repo}" in raised.value.hint


def test_without_git_it_says_so(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        GitSource(repo, {"PATH": str(tmp_path)}).commit()


def test_a_commit_that_is_gone_cannot_be_checked_out(repo: Path) -> None:
    found = source(repo).commit()
    shutil.rmtree(repo / ".git" / "objects")
    (repo / ".git" / "objects").mkdir()
    with pytest.raises(UnknownCommit), source(repo).checkout(found):
        pass
