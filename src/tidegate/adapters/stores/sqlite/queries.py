"""The statements, one function each, in SQLAlchemy Core. Documents are JSON text here; it is the store that reads them.

Imports SQLAlchemy; therefore itself imported only when a store is constructed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Float, Integer, MetaData, Row, String, Table, desc, func, select
from sqlalchemy.dialects.sqlite import insert

from tidegate.domain.names import EnvironmentName

_metadata = MetaData()


def _owned(name: str, *columns: Column[Any]) -> Table:
    keys = (Column("app", String, primary_key=True), Column("environment", String, primary_key=True))
    return Table(name, _metadata, *keys, *columns)


_environments = _owned("environments", Column("highest", Integer), Column("intent", String))
_releases = _owned("releases", Column("number", Integer, primary_key=True), Column("document", String))
_deliveries = _owned("deliveries", Column("commit_id", String, primary_key=True), Column("number", Integer))
_history = Table(
    "history",
    _metadata,
    Column("id", Integer, primary_key=True),
    *(Column(name, String) for name in ("app", "environment", "at", "by", "what", "why")),
    Column("release", Integer),
    *(Column(name, String) for name in ("outcome", "error")),
    Column("seconds", Float),
)
_events = Table(
    "events",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("rollout", Integer),
    Column("document", String),
)


def _key(environment: EnvironmentName) -> dict[str, str]:
    return {"app": environment.app, "environment": environment.environment}


def _is(table: Table, environment: EnvironmentName) -> Any:
    return (table.c.app == environment.app) & (table.c.environment == environment.environment)


def known(connection: Connection) -> frozenset[EnvironmentName]:
    """Environments of which anything was ever recorded, forgotten ones included."""
    return frozenset(EnvironmentName(row.app, row.environment) for row in connection.execute(select(_environments)))


def wanted(connection: Connection) -> list[EnvironmentName]:
    """Environments that have an intent, in order of name."""
    statement = select(_environments).where(_environments.c.intent.is_not(None)).order_by("app", "environment")
    return [EnvironmentName(row.app, row.environment) for row in connection.execute(statement)]


def intent(connection: Connection, environment: EnvironmentName) -> str | None:
    """An environment's intent."""
    return connection.scalar(select(_environments.c.intent).where(_is(_environments, environment)))


def set_intent(connection: Connection, environment: EnvironmentName, document: str | None) -> None:
    """Set or, with None, drop it."""
    statement = insert(_environments).values(**_key(environment), highest=0, intent=document)
    connection.execute(statement.on_conflict_do_update(["app", "environment"], set_={"intent": document}))


def highest(connection: Connection, environment: EnvironmentName) -> int:
    """The highest release number ever given; 0 for none."""
    return connection.scalar(select(_environments.c.highest).where(_is(_environments, environment))) or 0


def raise_highest(connection: Connection, environment: EnvironmentName, number: int) -> None:
    """Remember that `number` was given."""
    statement = insert(_environments).values(**_key(environment), highest=number)
    larger = func.max(_environments.c.highest, number)
    connection.execute(statement.on_conflict_do_update(["app", "environment"], set_={"highest": larger}))


def release(connection: Connection, environment: EnvironmentName, number: int) -> str | None:
    """One release."""
    where = _is(_releases, environment) & (_releases.c.number == number)
    return connection.scalar(select(_releases.c.document).where(where))


def releases(connection: Connection, environment: EnvironmentName) -> Sequence[str]:
    """All of an environment's, by number."""
    statement = select(_releases.c.document).where(_is(_releases, environment)).order_by("number")
    return connection.scalars(statement).all()


def add_release(connection: Connection, environment: EnvironmentName, number: int, document: str) -> None:
    """Keep a release; one of that number is replaced."""
    statement = insert(_releases).values(**_key(environment), number=number, document=document)
    connection.execute(statement.on_conflict_do_update(["app", "environment", "number"], set_={"document": document}))


def drop(connection: Connection, environment: EnvironmentName) -> None:
    """Forget an environment's intent, releases and deliveries; the highest number stays."""
    set_intent(connection, environment, None)
    for table in (_releases, _deliveries):
        connection.execute(table.delete().where(_is(table, environment)))


def delivered(connection: Connection, environment: EnvironmentName, commit: str) -> int | None:
    """The release that a commit became."""
    where = _is(_deliveries, environment) & (_deliveries.c.commit_id == commit)
    return connection.scalar(select(_deliveries.c.number).where(where))


def record_delivery(connection: Connection, environment: EnvironmentName, commit: str, number: int) -> None:
    """A commit became a release; the latest counts."""
    statement = insert(_deliveries).values(**_key(environment), commit_id=commit, number=number)
    connection.execute(statement.on_conflict_do_update(["app", "environment", "commit_id"], set_={"number": number}))


def begin(connection: Connection, environment: EnvironmentName, **columns: Any) -> int:
    """Open a history entry; its id, which is never given again."""
    made = connection.execute(_history.insert().values(**_key(environment), **columns))
    return int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0


def finish(connection: Connection, rollout: int, **columns: Any) -> None:
    """Close a history entry, if there is one."""
    connection.execute(_history.update().where(_history.c.id == rollout).values(**columns))


def history(connection: Connection, environment: EnvironmentName, limit: int) -> Sequence[Row[Any]]:
    """Newest first."""
    where = _is(_history, environment)
    return connection.execute(select(_history).where(where).order_by(desc("id")).limit(limit)).all()


def begin_ids_after(connection: Connection, rollout: int) -> None:
    """Give new history entries ids above `rollout`: something may still be told under that of a lost entry."""
    raised = connection.exec_driver_sql(
        "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'history'", (rollout,)
    )
    if raised.rowcount == 0:
        connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES ('history', ?)", (rollout,))


def add_events(connection: Connection, events: Sequence[tuple[int, str]]) -> None:
    """Append events, each to its rollout."""
    connection.execute(_events.insert(), [{"rollout": rollout, "document": document} for rollout, document in events])


def events(connection: Connection, rollout: int) -> Sequence[str]:
    """A rollout's, in order."""
    return connection.scalars(select(_events.c.document).where(_events.c.rollout == rollout).order_by("id")).all()
