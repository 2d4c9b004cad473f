"""SQLite in WAL mode, with a mirror in plain files from which control is regained when the database is lost.

Importing this package is cheap; SQLAlchemy is imported when a store is constructed.
"""

from tidegate.adapters.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
