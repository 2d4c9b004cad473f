"""`SqliteStore`: the store port on one SQLite database and its mirror.

A write goes to the database and, before that is committed, to the mirror: what the caller was told is in both, and
what a crash left in one only is set right by the database at the next opening.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.adapters.stores.sqlite import documents
from tidegate.adapters.stores.sqlite.mirror import Mirror
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Release
from tidegate.ports.store import HistoryEntry, Intent

if TYPE_CHECKING:
    from sqlalchemy import Connection


class SqliteStore:
    """Implements `tidegate.ports.store.Store`. Safe for threads; one process at a time owns it.

    Every method raises `StoreFailed` when disk or database do not do what they are told.
    """

    def __init__(self, path: Path, mirror: Path) -> None:
        """Open the database at `path`, or rebuild it from the folder `mirror`. Raises `StoreTooNew`, `StoreFailed`."""
        from tidegate.adapters.stores.sqlite import queries
        from tidegate.adapters.stores.sqlite.database import Database

        self._do = queries
        self._mirror = Mirror(mirror)
        self._database = Database(path)
        self._intents: dict[EnvironmentName, Intent | None] = {}  # as in the database, which nobody else writes
        self._agree()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # --- what is wanted ----------------------------------------------------------------------------

    def environments(self) -> Sequence[EnvironmentName]:
        """Environments with an intent, in order of name."""
        with self._database.reading() as connection:
            return self._do.wanted(connection)

    def intent(self, environment: EnvironmentName) -> Intent | None:
        """What the environment is to run."""
        if environment not in self._intents:
            with self._database.reading() as connection:
                document = self._do.intent(connection, environment)
            self._intents[environment] = None if document is None else documents.load_intent(document)
        return self._intents[environment]

    def set_intent(self, environment: EnvironmentName, intent: Intent) -> None:
        """Record what the environment is to run."""
        document = documents.dump(intent)
        with self._database.writing() as connection:
            self._do.set_intent(connection, environment, document)
            self._mirror.keep_intent(environment, document)
        self._intents[environment] = intent

    def forget(self, environment: EnvironmentName) -> None:
        """Drop intent, releases and deliveries. History stays, and no number is given again."""
        with self._database.writing() as connection:
            self._do.drop(connection, environment)
            self._mirror.forget(environment, self._do.highest(connection, environment))
        self._intents.pop(environment, None)

    # --- releases ----------------------------------------------------------------------------------

    def release(self, environment: EnvironmentName, number: int) -> Release | None:
        """One release."""
        with self._database.reading() as connection:
            document = self._do.release(connection, environment, number)
        return None if document is None else documents.load_release(document)

    def releases(self, environment: EnvironmentName) -> Sequence[Release]:
        """All of them, oldest first."""
        with self._database.reading() as connection:
            found = self._do.releases(connection, environment)
        return [documents.load_release(document) for document in found]

    def add_release(self, release: Release) -> None:
        """Keep a release whole."""
        document = documents.dump(release)
        with self._database.writing() as connection:
            self._do.add_release(connection, release.environment, release.number, document)
            self._do.raise_highest(connection, release.environment, release.number)
            self._mirror.keep_release(release.environment, release.number, document)

    def next_number(self, environment: EnvironmentName) -> int:
        """One above the highest number ever given."""
        with self._database.reading() as connection:
            return self._do.highest(connection, environment) + 1

    def delivered(self, environment: EnvironmentName, commit: str) -> int | None:
        """The release that a clean commit became last."""
        with self._database.reading() as connection:
            return self._do.delivered(connection, environment, commit)

    def record_delivery(self, environment: EnvironmentName, commit: str, number: int) -> None:
        """Remember which release a clean commit became."""
        with self._database.writing() as connection:
            self._do.record_delivery(connection, environment, commit, number)

    # --- history -----------------------------------------------------------------------------------

    def begin(
        self, environment: EnvironmentName, *, at: datetime, by: str, what: str, why: str, release: int | None
    ) -> int:
        """Open a history entry; its id is the rollout's, and never given again."""
        with self._database.writing() as connection:
            return self._do.begin(
                connection, environment, at=at.isoformat(), by=by, what=what, why=why, release=release
            )

    def finish(
        self, rollout: int, *, outcome: str, error: str | None, seconds: float, release: int | None = None
    ) -> None:
        """Close a history entry, naming its `release` where it was not known before; one that was lost stays lost."""
        known = {} if release is None else {"release": release}
        with self._database.writing() as connection:
            self._do.finish(connection, rollout, outcome=outcome, error=error, seconds=seconds, **known)

    def history(self, environment: EnvironmentName, limit: int = 50) -> Sequence[HistoryEntry]:
        """Newest first."""
        with self._database.reading() as connection:
            rows = self._do.history(connection, environment, limit)
        return [
            HistoryEntry(
                id=row.id,
                at=datetime.fromisoformat(row.at),
                by=row.by,
                what=row.what,
                why=row.why,
                release=row.release,
                outcome=row.outcome,
                error=row.error,
                seconds=row.seconds,
            )
            for row in rows
        ]

    def add_events(self, events: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Append events, JSON objects, each to its rollout."""
        documents = [(rollout, json.dumps(event, separators=(",", ":"))) for rollout, event in events]
        with self._database.writing() as connection:
            self._do.add_events(connection, documents)

    def events(self, rollout: int) -> Sequence[Mapping[str, Any]]:
        """A rollout's events in order."""
        with self._database.reading() as connection:
            found = self._do.events(connection, rollout)
        return [json.loads(document) for document in found]

    # --- database and mirror -----------------------------------------------------------------------

    def _agree(self) -> None:
        """Make database and mirror say the same: of what the database knows, it is right; the rest is read back."""
        with self._database.writing() as connection:
            known = self._do.known(connection)
            for environment in known | set(self._mirror.environments()):
                self._do.raise_highest(connection, environment, self._mirror.highest(environment))
                if environment in known:
                    self._refresh_mirror(connection, environment)
                else:
                    self._read_mirror(connection, environment)

    def _refresh_mirror(self, connection: Connection, environment: EnvironmentName) -> None:
        """Set right what a crash before a commit left behind."""
        intent = self._do.intent(connection, environment)
        releases = self._do.releases(connection, environment)
        if intent is None and not releases:
            self._mirror.forget(environment, self._do.highest(connection, environment))
            return
        if intent is not None:
            self._mirror.keep_intent(environment, intent)
        for document in releases:
            self._mirror.keep_release(environment, documents.load_release(document).number, document)

    def _read_mirror(self, connection: Connection, environment: EnvironmentName) -> None:
        """Regain control of an environment. Rollouts get ids above the one that its intent is told under."""
        for release in self._mirror.releases(environment):
            self._do.add_release(connection, environment, release.number, documents.dump(release))
            if not release.artifact.dirty:
                self._do.record_delivery(connection, environment, release.artifact.commit, release.number)
        intent = self._mirror.intent(environment)
        if intent is not None:
            self._do.set_intent(connection, environment, documents.dump(intent))
            self._do.begin_ids_after(connection, intent.rollout or 0)
