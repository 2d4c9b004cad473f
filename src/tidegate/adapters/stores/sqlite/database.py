"""The database file: opened, checked, brought up to date, and handed out as transactions.

Imports SQLAlchemy; therefore itself imported only when a store is constructed.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

from tidegate.adapters.stores.sqlite.migrations import migrate
from tidegate.errors import StoreFailed

log = logging.getLogger(__name__)

BUSY = 10.0  # seconds to wait for another process's lock
PRIVATE = 0o600


class Database:
    """One engine for all threads. A file that is corrupt is kept aside, and an empty one takes its place."""

    def __init__(self, path: Path) -> None:
        """Open or make `path`. Raises `StoreFailed`, `StoreTooNew`."""
        self._writing = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _prepare(path)
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(f"The agent's database {path} cannot be opened: {error}") from error
        self._engine = _engine(path)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; never waits for a writer."""
        with _mapped(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, durable when the context ends; nothing of it if it raises."""
        writer = self._engine.execution_options(writes=True)
        with self._writing, _mapped(), writer.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections; the write-ahead log is folded into the file."""
        self._engine.dispose()


def _prepare(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE))
    path.chmod(PRIVATE)  # the files beside it take its mode
    try:
        _check(path)
    except sqlite3.DatabaseError as error:
        if not _is_corrupt(error):
            raise
        aside = _move_aside(path)
        log.warning("the database %s is corrupt (%s): kept as %s, rebuilt from the mirror", path, error, aside.name)
        _prepare(path)


def _check(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=BUSY, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"malformed: {verdict}")
        migrate(connection)


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # absent where it is raised by `_check`
    return code in (None, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or (code or 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def _move_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for ending in ("-wal", "-shm"):
        beside = path.with_name(path.name + ending)
        if beside.exists():
            beside.replace(aside.with_name(aside.name + ending))
    return path.replace(aside)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY}, pool_size=8, max_overflow=-1
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions begin where we say, see below
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails when another wrote in between: take the lock at once.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except exc.SQLAlchemyError as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        raise StoreFailed(f"The agent's database failed: {cause}") from error
