"""The tables of an embedded state folder."""

from __future__ import annotations

VERSION = 1

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counts (seq INTEGER PRIMARY KEY AUTOINCREMENT, stored_s INTEGER NOT NULL, record BLOB NOT NULL);
CREATE TABLE findings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, stored_s INTEGER NOT NULL,
    kind TEXT NOT NULL, shard TEXT NOT NULL, number INTEGER NOT NULL, record BLOB NOT NULL,
    UNIQUE (kind, shard, number)
);
CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, stored_s INTEGER NOT NULL,
    alert_id TEXT NOT NULL, n INTEGER NOT NULL, record BLOB NOT NULL,
    UNIQUE (alert_id, n)
);
CREATE TABLE alerts_now (id TEXT PRIMARY KEY, stored_s INTEGER NOT NULL, finished INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE intake_state (name TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE digests (raw TEXT NOT NULL, from_offset INTEGER NOT NULL, digests BLOB NOT NULL, PRIMARY KEY (raw, from_offset)) WITHOUT ROWID;
CREATE TABLE rejected (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, reason TEXT NOT NULL, digest TEXT NOT NULL,
    raw TEXT NOT NULL, raw_offset INTEGER NOT NULL, at_s INTEGER NOT NULL,
    UNIQUE (raw, raw_offset)
);
CREATE TABLE files (path TEXT PRIMARY KEY, inode INTEGER NOT NULL, head BLOB NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE snapshots (seq INTEGER PRIMARY KEY AUTOINCREMENT, stored_s INTEGER NOT NULL,
    counts_seq INTEGER NOT NULL, findings_seq INTEGER NOT NULL, rejected_seq INTEGER NOT NULL, record BLOB NOT NULL);
"""
"""``files.path`` and ``files.head`` are keyed digests: neither a path nor a line of a followed file is kept.

``findings`` holds the whole findings journal; ``kind``, ``shard`` and ``number`` say what makes a record unique: a
finding its number, a ``Closed`` its window, a command its id (in ``shard``), a tick its time.
"""
