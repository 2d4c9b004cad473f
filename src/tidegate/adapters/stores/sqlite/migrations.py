"""The schema, as the ordered steps that lead to it. A step that was released is never changed, only followed.

`PRAGMA user_version` counts the steps taken; each is one transaction with its count. Why no migration library:
docs/adr/0003-schema-versions.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tidegate.errors import StoreTooNew

STEPS: Sequence[Sequence[str]] = (
    (
        """CREATE TABLE environments (
            app TEXT NOT NULL, environment TEXT NOT NULL,
            highest INTEGER NOT NULL DEFAULT 0,  -- the highest release number ever given; outlives `forget`
            intent TEXT,                         -- NULL: forgotten, or never wanted
            PRIMARY KEY (app, environment)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE releases (
            app TEXT NOT NULL, environment TEXT NOT NULL, number INTEGER NOT NULL,
            document TEXT NOT NULL,
            PRIMARY KEY (app, environment, number)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE deliveries (
            app TEXT NOT NULL, environment TEXT NOT NULL, commit_id TEXT NOT NULL, number INTEGER NOT NULL,
            PRIMARY KEY (app, environment, commit_id)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE history (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            app TEXT NOT NULL, environment TEXT NOT NULL,
            at TEXT NOT NULL, "by" TEXT NOT NULL, what TEXT NOT NULL, why TEXT NOT NULL,
            "release" INTEGER, outcome TEXT, error TEXT, seconds REAL) STRICT""",
        "CREATE INDEX history_of_environment ON history (app, environment, id)",
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY,
            rollout INTEGER NOT NULL, document TEXT NOT NULL) STRICT""",
        "CREATE INDEX events_of_rollout ON events (rollout, id)",
    ),
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date; `connection` is one that begins no transactions by itself.

    Raises `StoreTooNew` when a newer version of Tidegate has changed the schema.
    """
    at = _version(connection)
    if at > len(STEPS):
        raise StoreTooNew(f"The agent's database has schema {at}; this version of Tidegate knows {len(STEPS)}.")
    for number, step in enumerate(STEPS[at:], start=at + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) < number:  # another process may have come first
                for statement in step:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number:d}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
