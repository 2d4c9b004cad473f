"""What only the real store can get wrong: its files, and what is left when some of them are lost."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidegate.adapters.stores.sqlite import SqliteStore
from tidegate.adapters.stores.sqlite.migrations import STEPS
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Artifact, Configuration, Release
from tidegate.errors import StoreFailed, StoreTooNew
from tidegate.ports.store import Intent

T0 = datetime(2026, 1, 2, tzinfo=UTC)
ENV = EnvironmentName("shop", "staging")
GONE = EnvironmentName("shop", "gone")


def release(number: int, env: EnvironmentName = ENV) -> Release:
    return Release(env, number, Artifact(f"{number:040}", {}), Configuration(()), "f", T0, "me")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "agent" / "agent.db"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


@pytest.fixture
def filled(db: Path, mirror: Path) -> SqliteStore:
    """A store with two releases, an intent, history, and an environment that was destroyed."""
    store = SqliteStore(db, mirror)
    for number in (1, 2):
        store.add_release(release(number))
        store.begin(ENV, at=T0, by="me", what="deploy", why="", release=number)
    store.set_intent(ENV, Intent(wanted=2, serving=1, rollout=2, retired={1: T0}))
    store.add_release(release(5, GONE))
    store.set_intent(GONE, Intent(wanted=5))
    store.forget(GONE)
    return store


def assert_in_control(store: SqliteStore) -> None:
    assert list(store.environments()) == [ENV]
    assert store.intent(ENV) == Intent(wanted=2, serving=1, rollout=2, retired={1: T0})
    assert list(store.releases(ENV)) == [release(1), release(2)]
    assert store.next_number(ENV) == 3
    assert store.next_number(GONE) == 6
    assert list(store.releases(GONE)) == []


def lose(db: Path) -> None:
    for file in db.parent.glob(db.name + "*"):
        file.unlink()


def test_everything_is_there_when_opened_again(filled: SqliteStore, db: Path, mirror: Path) -> None:
    again = SqliteStore(db, mirror)  # the first was not closed, as after a kill
    assert_in_control(again)
    assert [entry.id for entry in again.history(ENV)] == [2, 1]


def test_losing_the_database_loses_history_never_control(filled: SqliteStore, db: Path, mirror: Path) -> None:
    filled.close()
    lose(db)
    again = SqliteStore(db, mirror)
    assert_in_control(again)
    assert list(again.history(ENV)) == []
    assert again.delivered(ENV, release(2).artifact.commit) == 2
    assert again.begin(ENV, at=T0, by="me", what="deploy", why="", release=2) == 3, "2 is what the intent is told under"


@pytest.mark.parametrize("damage", ["garbage", "pages"])
def test_a_corrupt_database_is_kept_aside_and_rebuilt(
    filled: SqliteStore, db: Path, mirror: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    filled.close()
    content = db.read_bytes()
    broken = b"not a database " * 1000 if damage == "garbage" else content[:4096] + b"\xff" * (len(content) - 4096)
    db.write_bytes(broken)
    with caplog.at_level(logging.WARNING):
        again = SqliteStore(db, mirror)
    assert_in_control(again)
    assert "corrupt" in caplog.text
    assert db.with_name("agent.db.corrupt-1").read_bytes()[:1000] == broken[:1000]


def test_the_mirror_is_set_right_by_the_database(filled: SqliteStore, db: Path, mirror: Path) -> None:
    filled.close()
    folder = mirror / "shop" / "staging"
    (folder / "intent.json").write_text(json.dumps({"wanted": 1}))
    shutil.rmtree(folder / "releases" / "1")
    SqliteStore(db, mirror).close()
    lose(db)
    assert_in_control(SqliteStore(db, mirror))


def test_an_environment_that_only_the_mirror_knows_is_read_back(filled: SqliteStore, db: Path, mirror: Path) -> None:
    filled.close()
    lose(db)
    SqliteStore(db, mirror / "nothing").close()
    assert_in_control(SqliteStore(db, mirror))


def test_a_file_of_the_mirror_that_cannot_be_read_is_left_out(
    filled: SqliteStore, db: Path, mirror: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled.close()
    lose(db)
    (mirror / "shop" / "staging" / "releases" / "2" / "release.json").write_text('{"environment": ')
    (mirror / "not a name").mkdir()
    again = SqliteStore(db, mirror)
    assert list(again.releases(ENV)) == [release(1)]
    assert again.next_number(ENV) == 3, "2 was given, even if nobody can read it"
    assert "release.json" in caplog.text


def test_files_are_for_their_owner_only(filled: SqliteStore, db: Path, mirror: Path) -> None:
    files = [*db.parent.glob("agent.db*"), *(p for p in mirror.rglob("*") if p.is_file())]
    assert len(files) >= 5
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert not list(mirror.rglob("*.new"))


def test_a_database_of_a_newer_version_is_refused_and_left_alone(filled: SqliteStore, db: Path, mirror: Path) -> None:
    filled.close()
    with sqlite3.connect(db) as connection:
        connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(StoreTooNew, match="schema"):
        SqliteStore(db, mirror)
    assert not list(db.parent.glob("*corrupt*"))


def test_an_intent_that_the_mirror_cannot_keep_is_not_recorded(filled: SqliteStore, mirror: Path) -> None:
    before = filled.intent(ENV)
    folder = mirror / "shop" / "staging"
    folder.rename(folder.with_name("moved"))
    folder.write_text("in the way")
    with pytest.raises(StoreFailed):
        filled.set_intent(ENV, Intent(wanted=9))
    assert filled.intent(ENV) == before


def test_a_folder_that_cannot_be_made_is_a_failed_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match="cannot be opened"):
        SqliteStore(tmp_path / "file" / "agent.db", tmp_path / "mirror")


def test_a_statement_that_fails_is_a_failed_store(filled: SqliteStore, db: Path) -> None:
    with sqlite3.connect(db) as connection:
        connection.execute("DROP TABLE events")
    with pytest.raises(StoreFailed, match="no such table"):
        filled.add_events([(1, {})])


def test_what_was_returned_survives_a_kill(db: Path, mirror: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from tidegate.adapters.stores.sqlite import SqliteStore
from tidegate.domain.names import EnvironmentName
from tidegate.ports.store import Intent
store = SqliteStore(Path(sys.argv[1]), Path(sys.argv[2]))
store.set_intent(EnvironmentName("shop", "staging"), Intent(wanted=4))
os.kill(os.getpid(), 9)
"""
    ended = subprocess.run([sys.executable, "-c", script, str(db), str(mirror)], check=False, timeout=60)
    assert ended.returncode == -9
    assert SqliteStore(db, mirror).intent(ENV) == Intent(wanted=4)


def test_importing_the_store_imports_no_database_library() -> None:
    look = "import sys, tidegate.adapters.stores.sqlite as s; print({'sqlalchemy', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()"
