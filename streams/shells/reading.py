"""The journals of a state folder as they stand at one moment: read only, beside the process that owns the folder or without it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from streams.core.configure import city_of
from streams.core.journal import decode
from streams.model import Alert, Command, Transition
from streams.settings import City
from streams.shells import schema
from streams.shells.store import DATABASE, Snapshot, StoreError

CHUNK = 1_000

_alerts = msgspec.msgpack.Decoder(Alert)


def _not_ours(path: Path, error: sqlite3.DatabaseError) -> StoreError:
    return StoreError(f"{path}: cannot be read as a database of Tocsin ({error}); choose another folder")


class Journals:
    """One look at a folder: what is appended or pruned meanwhile is not seen. To be closed."""

    def __init__(self, folder: Path) -> None:
        """Open.

        Raises:
            StoreError: no state folder, or one of another release.
        """
        self.folder = folder
        path = folder / DATABASE
        if not path.exists():
            raise StoreError(f"{folder}: no journals here ({DATABASE} is missing); give the folder that was passed to --state")
        try:
            self._db = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise _not_ours(path, error) from None
        try:
            self._begin()
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise _not_ours(path, error) from None
            raise

    def _begin(self) -> None:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        self._db.execute("BEGIN")
        if version != schema.VERSION:
            raise StoreError(
                f"{self.folder}: journals of format {version}, this release reads format {schema.VERSION}; use the release that made them"
            )

    def close(self) -> None:
        """Let go of the folder."""
        self._db.close()

    def city(self) -> City:
        """The city that the journals were begun with.

        Raises:
            StoreError: nothing was ever taken in here.
        """
        first = self._db.execute("SELECT record FROM counts WHERE seq = 1").fetchone()
        command = decode(first[0]) if first else None
        if not isinstance(command, Command):
            raise StoreError(f"{self.folder}: the counts journal does not begin with its configuration; nothing was ever taken in here")
        return city_of(command)

    def alerts(self) -> list[Alert]:
        """The newest state of every alert kept, newest onset first."""
        found = [_alerts.decode(row[0]) for row in self._db.execute("SELECT record FROM alerts_now").fetchall()]
        return sorted(found, key=lambda alert: (-alert.onset_s, alert.id))

    def steps(self, alert_id: str) -> list[Transition]:
        """The transitions of an alert that are kept, in order."""
        rows = self._db.execute("SELECT record FROM alerts WHERE alert_id = ? ORDER BY n", (alert_id,)).fetchall()
        steps = [decode(row[0]) for row in rows]
        return [step for step in steps if isinstance(step, Transition)]

    def snapshots(self) -> Iterator[Snapshot]:
        """Those kept, newest first."""
        for row in self._db.execute("SELECT counts_seq, findings_seq, rejected_seq, record FROM snapshots ORDER BY seq DESC"):
            yield Snapshot(*row)

    def counts_after(self, seq: int) -> Iterator[bytes]:
        """Encoded records of the counts journal behind a position."""
        while rows := self._db.execute("SELECT seq, record FROM counts WHERE seq > ? ORDER BY seq LIMIT ?", (seq, CHUNK)).fetchall():
            for seq, record in rows:  # noqa: B007, PLR1704 - the last one is where the next chunk begins
                yield record

    def counts(self) -> int:
        """How many records the counts journal has ever had."""
        newest = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'counts'").fetchone()
        return int(newest[0]) if newest else 0

    def from_the_beginning(self) -> bool:
        """Whether the counts journal has not been cut."""
        oldest = self._db.execute("SELECT min(seq) FROM counts WHERE seq > 1").fetchone()[0]
        return int(oldest) == 2 if oldest is not None else self.counts() <= 1
