"""A span of a city's journals in one file: what a replay needs, wherever it came from, and nothing else.

An SQLite file: the records of ``counts``, ``findings`` and ``alerts`` as they stood in Kafka, and the snapshots to begin from.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from streams.shells.errors import ShellError

Topic = Literal["counts", "findings", "alerts"]
VERSION = 1
_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE records (topic TEXT, partition INTEGER, position INTEGER, record BLOB NOT NULL,"
    " PRIMARY KEY (topic, partition, position)) WITHOUT ROWID",
    "CREATE TABLE beginnings (partition INTEGER PRIMARY KEY, position INTEGER NOT NULL, configure BLOB NOT NULL, state BLOB)",
)


class CopyError(ShellError):
    """A file that is no copy of journals, or one that must not be written over; the message says what to do."""


class Beginning(NamedTuple):
    """Where the replay of a counts partition, or of decide, begins. ``state``: a snapshot's content; None at the journal's head."""

    partition: int
    position: int
    configure: bytes  # the configuration's journal record
    state: bytes | None


@contextmanager
def _connected(file: Path | str) -> Iterator[sqlite3.Connection]:
    """A connection that stays open unless what is done with it fails."""
    db = sqlite3.connect(file, uri=isinstance(file, str), isolation_level=None)
    try:
        yield db
    except BaseException:
        db.close()
        raise


class JournalCopy:
    """One file, written once and read as often as wanted."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path, self._db = path, db

    @classmethod
    def create(cls, path: Path) -> JournalCopy:
        """A new, empty copy.

        Raises:
            CopyError: there is a file of this name, or none can be made.
        """
        if path.exists():
            raise CopyError(f"{path}: there is something already; give the name of a file that is to be made")
        try:
            with _connected(path) as db:
                path.chmod(0o600)
                db.execute("BEGIN")
                for statement in _TABLES:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={VERSION}")
                return cls(path, db)
        except sqlite3.Error as error:
            raise CopyError(f"{path}: cannot be written ({error}); give a file in a folder that can") from None

    @classmethod
    def open(cls, path: Path) -> JournalCopy:
        """An existing copy.

        Raises:
            CopyError: it is none, or of another release.
        """
        try:
            with _connected(f"{path.resolve().as_uri()}?mode=ro") as db:
                (version,) = db.execute("PRAGMA user_version").fetchone()
                tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
                if not {"records", "beginnings"} <= tables or version != VERSION:
                    raise CopyError(
                        f"{path}: not a copy of journals of format {VERSION}; make one with tocsin replay --from-kafka of this release"
                    )
                return cls(path, db)
        except sqlite3.Error as error:
            raise CopyError(f"{path}: not a copy of journals ({error}); make one with tocsin replay --from-kafka") from None

    def add(self, topic: Topic, partition: int, records: Iterable[tuple[int, bytes]]) -> None:
        """Records of one partition with their positions."""
        rows = ((topic, partition, position, record) for position, record in records)
        self._db.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?)", rows)

    def begin(self, beginning: Beginning) -> None:
        """Where a partition begins."""
        self._db.execute("INSERT INTO beginnings VALUES (?, ?, ?, ?)", beginning)

    def note(self, name: str, value: str) -> None:
        """A word about the copy."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str:
        """What was noted, or nothing."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def beginnings(self) -> list[Beginning]:
        """Of each counts partition in order; decide's first."""
        return [Beginning(*row) for row in self._db.execute("SELECT * FROM beginnings ORDER BY partition")]

    def records(self, topic: Topic, partition: int, position: int = 0) -> Iterator[tuple[int, bytes]]:
        """Records from a position on, in order."""
        sql = "SELECT position, record FROM records WHERE topic = ? AND partition = ? AND position >= ? ORDER BY position"
        yield from self._db.execute(sql, (topic, partition, position))

    def finish(self) -> None:
        """Make what was written durable."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file; what was not finished is gone."""
        self._db.close()
