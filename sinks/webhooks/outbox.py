"""The outbox: deliveries that wait, that were made and that were given up, in one SQLite file. Bounded; used by several threads."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sinks.base import SinkError

WAITING_MAX = 10_000
KEPT_MAX = 5_000
"""Receipts of deliveries that are over."""

_TABLES = """
CREATE TABLE IF NOT EXISTS deliveries (
    hook TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL,
    made_s INTEGER NOT NULL, due_s INTEGER NOT NULL, told_s INTEGER NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (hook, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due ON deliveries (hook, state, due_s);
CREATE TABLE IF NOT EXISTS hooks (hook TEXT PRIMARY KEY, begun INTEGER NOT NULL) WITHOUT ROWID;
"""


class Delivery(NamedTuple):
    """One body for one hook. ``key`` is the same however often it is sent."""

    hook: str
    key: str
    position: int
    body: bytes
    tries: int = 0


class Outbox:
    """Open or create the file. Transitions up to the position that a hook has begun at are old: they are never put in for it.

    ``waits``: before a hook has been told where to begin, nothing is put in for it.
    """

    def __init__(self, path: Path, *, waiting_max: int = WAITING_MAX, kept_max: int = KEPT_MAX, waits: bool = False) -> None:
        self._waits = waits
        self._mutex = threading.Lock()
        self._waiting_max, self._kept_max = waiting_max, kept_max
        self._closed = False
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)
        self._begun: dict[str, int] = dict(self._db.execute("SELECT hook, begun FROM hooks"))

    def begin_after(self, position: int, hooks: Iterable[str]) -> None:
        """At the first start of each hook: what stands in the journal up to here is no news. Later it changes nothing, unless the journal was
        begun anew and is not yet as long as it was.
        """
        with self._mutex:
            for hook in hooks:
                if position < self._begun.get(hook, position + 1):
                    self._begin(hook, position)

    def put(self, deliveries: Iterable[Delivery], now_s: int) -> int:
        """Add those that are not there yet, safe on disk when this returns; how many were given up because there were too many.

        Raises:
            SinkError: closed, or the disk did not take it (retryable).
        """
        with self._mutex:
            self._check()
            never = 2**62 if self._waits else -(2**62)
            news = (d for d in deliveries if d.position > self._begun.get(d.hook, never))
            rows = [(d.hook, d.key, d.position, d.body, now_s, now_s) for d in news]
            if not rows:
                return 0
            try:
                with self._transaction():
                    self._db.executemany("INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, ?, 'waiting', 0, ?, ?, 0, '')", rows)
                    lost = self._give_up_beyond(now_s)
                    self._prune()
            except sqlite3.Error as error:
                raise SinkError(f"the outbox of webhooks was not written ({type(error).__name__})", retryable=True) from None
            return lost

    def due(self, hook: str, now_s: int, limit: int) -> list[Delivery]:
        """Deliveries of a hook whose time has come, the oldest first.

        Raises:
            SinkError: the file cannot be read.
        """
        sql = "SELECT hook, key, position, body, tries FROM deliveries WHERE hook = ? AND state = 'waiting' AND due_s <= ? ORDER BY position LIMIT ?"
        with self._mutex:
            try:
                return [Delivery(*row) for row in self._db.execute(sql, (hook, now_s, limit))] if not self._closed else []
            except sqlite3.Error as error:
                raise SinkError(f"the outbox of webhooks was not read ({type(error).__name__})", retryable=True) from None

    def told(self, delivery: Delivery, state: str, outcome: str, now_s: int, due_s: int = 0) -> None:
        """What became of an attempt: ``done``, ``dead``, or ``waiting`` until ``due_s``.

        Raises:
            SinkError: the disk did not take it.
        """
        sql = "UPDATE deliveries SET state = ?, tries = tries + 1, outcome = ?, told_s = ?, due_s = ? WHERE hook = ? AND key = ?"
        with self._mutex:
            try:
                if not self._closed:
                    self._db.execute(sql, (state, outcome, now_s, due_s, delivery.hook, delivery.key))
            except sqlite3.Error as error:
                raise SinkError(f"the outbox of webhooks was not written ({type(error).__name__})", retryable=True) from None

    def receipts(self, limit: int) -> list[dict[str, Any]]:
        """What became of deliveries, the newest first."""
        names = ("hook", "key", "state", "tries", "made_s", "due_s", "told_s", "outcome")
        sql = f"SELECT {', '.join(names)} FROM deliveries ORDER BY position DESC, hook LIMIT ?"  # noqa: S608 - names of this module
        with self._mutex:
            return [dict(zip(names, row, strict=True)) for row in self._db.execute(sql, (limit,))] if not self._closed else []

    def counts(self) -> dict[tuple[str, str], int]:
        """Deliveries by hook and state."""
        with self._mutex:
            if self._closed:
                return {}
            return {
                (hook, state): n for hook, state, n in self._db.execute("SELECT hook, state, count(*) FROM deliveries GROUP BY hook, state")
            }

    def content(self) -> list[tuple[str, str, bytes]]:
        """All that is held, in an order of its own."""
        with self._mutex:
            return list(self._db.execute("SELECT hook, key, body FROM deliveries ORDER BY hook, key"))

    def close(self) -> None:
        """Closing twice is harmless."""
        with self._mutex:
            if not self._closed:
                self._closed = True
                self._db.close()

    def _check(self) -> None:
        if self._closed:
            raise SinkError("this sink is closed", retryable=False)

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)

    def _begin(self, hook: str, position: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO hooks VALUES (?, ?)", (hook, position))
        self._begun[hook] = position

    def _give_up_beyond(self, now_s: int) -> int:
        """The oldest give way: what is new matters more."""
        (waiting,) = self._db.execute("SELECT count(*) FROM deliveries WHERE state = 'waiting'").fetchone()
        beyond = max(0, waiting - self._waiting_max)
        if beyond:
            self._db.execute(
                "UPDATE deliveries SET state = 'dead', outcome = 'outbox_full', told_s = ? WHERE (hook, key) IN"
                " (SELECT hook, key FROM deliveries WHERE state = 'waiting' ORDER BY position LIMIT ?)",
                (now_s, beyond),
            )
        return int(beyond)

    def _prune(self) -> None:
        """Old receipts go, and with them the transitions up to the last of them are old."""
        (over,) = self._db.execute("SELECT count(*) FROM deliveries WHERE state != 'waiting'").fetchone()
        if over <= self._kept_max:
            return
        rows = self._db.execute(
            "SELECT hook, key, position FROM deliveries WHERE state != 'waiting' ORDER BY position LIMIT ?", (over - self._kept_max,)
        ).fetchall()
        self._db.executemany("DELETE FROM deliveries WHERE hook = ? AND key = ?", [row[:2] for row in rows])
        for hook, _, position in rows:
            if position > self._begun.get(hook, -(2**62)):
                self._begin(hook, position)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("ROLLBACK" if kind else "COMMIT")
