"""The journals of one state folder in SQLite: what the embedded shell has instead of Kafka.

Everything that one batch of raw records changes is one transaction. A commit that has returned survives ``kill -9``;
with ``durability="full"`` a power cut as well.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from streams.core.intake import Folded
from streams.core.journal import encode
from streams.model import Alert, Closed, Command, Counts, Finding, Rejected, Tick, Transition
from streams.shells import schema
from streams.shells.errors import ShellError

Durability = Literal["full", "normal", "off"]
JournalRecord = Finding | Closed | Command | Tick
FINISHED = ("cleared", "withdrawn")
DATABASE = "tocsin.sqlite3"

_alert_encoder = msgspec.msgpack.Encoder()
_alert_decoder = msgspec.msgpack.Decoder(Alert)


class StoreError(ShellError):
    """A state folder that cannot be used as it is; the message names it and says what to do."""


class FilePosition(NamedTuple):
    """How far a followed file has been read. ``path`` and ``head`` are keyed digests."""

    path: str
    inode: int
    head: bytes
    position: int


class Snapshot(NamedTuple):
    """The state of score and decide after the journal positions beside it."""

    counts_seq: int
    findings_seq: int
    rejected_seq: int
    record: bytes


def _not_ours(path: Path, error: sqlite3.DatabaseError) -> StoreError:
    return StoreError(f"{path}: not a database of Tocsin ({error}); choose another folder, or restore this file")


class Store:
    """The tables of one folder, opened by one process. All methods may be called from any thread."""

    def __init__(self, folder: Path, *, identity: dict[str, str], durability: Durability = "full", must_exist: bool = False) -> None:
        """Open or create. ``identity`` is compared with what the folder was made with (city, configuration, key).

        Raises:
            StoreError: another process has the folder open, another version or identity made it, or it is no state folder.
        """
        self.folder = folder
        self._mutex = threading.RLock()
        self._depth = 0
        path = folder / DATABASE
        if must_exist and not path.exists():
            raise StoreError(f"{folder}: no journals here ({DATABASE} is missing); give the folder that was passed to --state")
        folder.mkdir(parents=True, exist_ok=True)
        self._lock_descriptor = _lock(folder)
        path.touch(mode=0o600)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.DatabaseError as error:
            self._unlock()
            raise _not_ours(path, error) from None
        try:
            self._open(identity, durability)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise _not_ours(path, error) from None
            raise

    def _open(self, identity: dict[str, str], durability: Durability) -> None:
        self._run("PRAGMA journal_mode=WAL")
        self._run(f"PRAGMA synchronous={durability.upper()}")
        self._run("PRAGMA journal_size_limit=67108864")
        version = int(self._run("PRAGMA user_version").fetchone()[0])
        if version == 0:
            with self.transaction():
                for statement in schema.TABLES.strip().rstrip(";").split(";"):
                    self._run(statement)
                self._run(f"PRAGMA user_version={schema.VERSION}")
                self._many("INSERT INTO meta VALUES (?, ?)", sorted(identity.items()))
        elif version != schema.VERSION:
            raise StoreError(
                f"{self.folder}: journals of format {version}, this release reads format {schema.VERSION};"
                " start the release that made them, or give an empty folder to --state"
            )
        made_with = dict(self._run("SELECT name, value FROM meta").fetchall())
        for name, value in sorted(identity.items()):
            if made_with.get(name) != value:
                raise StoreError(
                    f"{self.folder}: made with {name} {made_with.get(name)!r}, started with {value!r};"
                    " journals belong to one city, configuration and key: start it as before, or give an empty folder to --state"
                )

    def _run(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._db.execute(sql, values)

    def _many(self, sql: str, rows: Iterable[Sequence[object]]) -> sqlite3.Cursor:
        return self._db.executemany(sql, rows)

    def _unlock(self) -> None:
        os.close(self._lock_descriptor)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Nested ones belong to the outermost."""
        with self._mutex:
            if self._depth:
                yield
                return
            self._run("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self._run("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def close(self) -> None:
        """Close and let others open the folder."""
        with self._mutex:
            self._db.close()
            self._unlock()

    def rows(self, table: str) -> int:
        """How many rows a table holds, for limits and tests."""
        assert table.isidentifier()
        with self._mutex:
            return int(self._run(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - an identifier of our own

    # intake

    def append_folded(self, folded: Folded, marks: bytes, now_s: int, position: FilePosition | None = None) -> None:
        """Everything one batch of raw records changes, in one transaction: counts, digests, intake's state, rejections, file position.

        ``marks`` is the engine's own note of how far time has come.
        """
        with self.transaction():
            self._many("INSERT INTO counts (stored_s, record) VALUES (?, ?)", [(now_s, encode(counts)) for counts in folded.counts])
            self._many("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", folded.digests)
            self._many("INSERT OR REPLACE INTO intake_state VALUES (?, ?)", [("intake", folded.state), ("marks", marks)])
            self._many(
                "INSERT OR IGNORE INTO rejected (source, reason, digest, raw, raw_offset, at_s) VALUES (?, ?, ?, ?, ?, ?)",
                [(r.source, r.reason, r.digest, r.raw, r.offset, r.at_s) for r in folded.rejected],
            )
            if position is not None:
                self._run("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", position)

    def intake(self) -> tuple[bytes, bytes, list[tuple[str, int, bytes]]]:
        """Intake's state and the engine's marks (both empty at first), and the digests kept, by raw partition and offset."""
        with self._mutex:
            states = dict(self._run("SELECT name, state FROM intake_state").fetchall())
            digests = self._run("SELECT raw, from_offset, digests FROM digests ORDER BY raw, from_offset").fetchall()
        return states.get("intake", b""), states.get("marks", b""), digests

    def digest_ends(self) -> list[tuple[str, int]]:
        """Each raw partition with the offset behind its newest digest."""
        newest = "SELECT raw, max(from_offset), length(digests) / 8 FROM digests GROUP BY raw ORDER BY raw"
        with self._mutex:
            return [(row[0], row[1] + row[2]) for row in self._run(newest).fetchall()]

    def file_position(self, path: str) -> FilePosition | None:
        """How far the file of this path digest has been read."""
        with self._mutex:
            row = self._run("SELECT path, inode, head, position FROM files WHERE path = ?", (path,)).fetchone()
        return FilePosition(*row) if row else None

    def put_file_position(self, position: FilePosition) -> None:
        """Remember a position that came without records, such as the start of a rotated file."""
        with self.transaction():
            self._run("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", position)

    def rejected_after(self, seq: int, limit: int) -> list[tuple[int, Rejected]]:
        """Rejections behind a position, oldest first."""
        sql = "SELECT seq, source, reason, digest, raw, raw_offset, at_s FROM rejected WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._mutex:
            return [(row[0], Rejected(*row[1:])) for row in self._run(sql, (seq, limit)).fetchall()]

    # journals

    def append_counts(self, record: Counts | Command, now_s: int) -> None:
        """One record of the counts journal that did not come from raw records."""
        with self.transaction():
            self._run("INSERT INTO counts (stored_s, record) VALUES (?, ?)", (now_s, encode(record)))

    def counts_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Encoded records of the counts journal behind a position."""
        with self._mutex:
            return self._run("SELECT seq, record FROM counts WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)).fetchall()

    def append_findings(self, records: Sequence[JournalRecord], now_s: int) -> int:
        """Append what the findings journal does not have yet; returns how many stood there with *different* content.

        A repeat after a crash is the same record again. One that differs says that two releases scored one window: the
        first one stands, and the caller counts it.
        """
        known = "SELECT record FROM findings WHERE kind = ? AND shard = ? AND number = ?"
        insert = f"INSERT INTO findings (stored_s, record, kind, shard, number) SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS ({known})"
        conflicts = 0
        with self.transaction():
            for record in records:
                identity, data = _identity(record), encode(record)
                if self._run(insert, (now_s, data, *identity, *identity)).rowcount == 0:
                    conflicts += self._run(known, identity).fetchone()[0] != data
        return conflicts

    def findings_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Encoded records of the findings journal behind a position."""
        with self._mutex:
            return self._run("SELECT seq, record FROM findings WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)).fetchall()

    def append_decided(self, transitions: Sequence[Transition], alerts: Sequence[Alert], now_s: int) -> list[int]:
        """Append transitions that are new, keep the newest state of alerts; returns each transition's feed id (an old one's is its first)."""
        known = "SELECT seq FROM alerts WHERE alert_id = ? AND n = ?"
        insert = "INSERT INTO alerts (stored_s, alert_id, n, record) VALUES (?, ?, ?, ?)"
        ids = []
        with self.transaction():
            for step in transitions:
                row = self._run(known, (step.alert_id, step.seq)).fetchone()
                seq = row[0] if row else self._run(insert, (now_s, step.alert_id, step.seq, encode(step))).lastrowid
                assert seq is not None, "an inserted row has an id"
                ids.append(int(seq))
            self._many(
                "INSERT OR REPLACE INTO alerts_now VALUES (?, ?, ?, ?)",
                [(alert.id, now_s, alert.state in FINISHED, _alert_encoder.encode(alert)) for alert in alerts],
            )
        return ids

    def transitions_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Encoded transitions behind a feed id."""
        with self._mutex:
            return self._run("SELECT seq, record FROM alerts WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)).fetchall()

    def alerts_now(self) -> list[Alert]:
        """The newest state of every alert kept, by id."""
        with self._mutex:
            rows = self._run("SELECT record FROM alerts_now ORDER BY id").fetchall()
        return [_alert_decoder.decode(row[0]) for row in rows]

    def newest(self, table: Literal["counts", "findings", "alerts", "rejected"]) -> int:
        """The position of the newest record of a journal, even when it has been pruned; 0 when there never was one."""
        sql = f"SELECT coalesce((SELECT max(seq) FROM {table}), (SELECT seq FROM sqlite_sequence WHERE name = ?), 0)"  # noqa: S608 - a literal
        with self._mutex:
            return int(self._run(sql, (table,)).fetchone()[0])

    def first_since(self, table: Literal["counts", "findings"], since_s: int) -> int:
        """The position of the first record stored at or after a time; one past the newest when all are older."""
        sql = f"SELECT min(seq) FROM {table} WHERE seq > 1 AND stored_s >= ?"  # noqa: S608 - one of two literals
        with self._mutex:
            found = self._run(sql, (since_s,)).fetchone()[0]
        return int(found) if found is not None else self.newest(table) + 1

    def reaches(self, table: Literal["counts", "findings", "alerts"], seq: int) -> bool:
        """Whether everything behind a position is still kept. The configuration at the head of both journals always is."""
        first = 1 if table == "alerts" else 2
        with self._mutex:
            oldest = self._run(f"SELECT min(seq) FROM {table} WHERE seq >= ?", (first,)).fetchone()[0]  # noqa: S608 - one of three literals
        return bool(max(seq + 1, first) >= (oldest if oldest is not None else self.newest(table) + 1))

    # snapshots

    def put_snapshot(self, snapshot: Snapshot, now_s: int) -> None:
        """Keep the state of score and decide."""
        with self.transaction():
            self._run(
                "INSERT INTO snapshots (stored_s, counts_seq, findings_seq, rejected_seq, record) VALUES (?, ?, ?, ?, ?)",
                (now_s, *snapshot),
            )

    def newest_snapshot(self) -> Snapshot | None:
        """Where to start from after a restart."""
        return self._snapshot("DESC")

    def oldest_snapshot(self) -> Snapshot | None:
        """Where a replay may start when the journals no longer reach back to their beginning."""
        return self._snapshot("ASC")

    def _snapshot(self, order: Literal["ASC", "DESC"]) -> Snapshot | None:
        sql = f"SELECT counts_seq, findings_seq, rejected_seq, record FROM snapshots ORDER BY seq {order} LIMIT 1"  # noqa: S608 - one of two literals
        with self._mutex:
            row = self._run(sql).fetchone()
        return Snapshot(*row) if row else None

    def delete(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one DELETE of the retention rules; returns how many rows went."""
        with self.transaction():
            return self._run(sql, values).rowcount


def _identity(record: JournalRecord) -> tuple[str, str, int]:
    match record:
        case Finding():
            return "finding", record.shard, record.number
        case Closed():
            return "closed", record.shard, record.window_end_s
        case Command():
            return "command", record.id, 0
        case Tick():
            return "tick", "", record.time_s


def _lock(folder: Path) -> int:
    path = folder / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(f"{folder}: in use by another process; stop it first, or give another folder to --state") from None
    return descriptor
