"""The tables: a portable base that ClickHouse 18.16 and current engines take alike, and tuning by server version.

Every table is a ReplacingMergeTree whose sorting key is deterministic, so that a row written twice is one row, and
is partitioned by a time that never changes for that key (a row never moves to another partition, where it would not
be replaced). Read with ``FINAL``, or through the views of ``sinks.clickhouse.views``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

Version = tuple[int, int]  # of the server: 18.16 is (18, 16)

PORTABLE: Version = (18, 16)
_WORDS_SINCE: Version = (20, 3)  # LowCardinality without an experimental setting
_SYNC_SINCE: Version = (20, 10)  # fsync_after_insert


@dataclass(frozen=True, slots=True)
class Column:
    """``type`` is portable. ``word``: few distinct values, a dictionary where the server knows them."""

    name: str
    type: str
    word: bool = False

    def tuned(self, version: Version) -> str:
        return f"LowCardinality({self.type})" if self.word and version >= _WORDS_SINCE else self.type


@dataclass(frozen=True, slots=True)
class Table:
    """``key``: the sorting key, which identifies a row. ``partition``: an expression over the key's times, or nothing."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: str = ""
    version: str = ""  # of two rows with one key the higher stays


def _word(name: str) -> Column:
    return Column(name, "String", word=True)


def _time(name: str) -> Column:
    return Column(name, "DateTime('UTC')")


TABLES: tuple[Table, ...] = (
    Table(
        "cells",
        (
            _word("raw"),
            Column("to_offset", "UInt64"),
            _word("source"),
            _word("area"),
            _word("signal"),
            _time("minute"),
            Column("n", "Int32"),
            Column("batch", "Int32"),
            Column("total", "Nullable(Float64)"),
            Column("least", "Nullable(Float64)"),
            Column("most", "Nullable(Float64)"),
        ),
        key=("area", "signal", "minute", "raw", "to_offset"),
        partition="toYYYYMM(minute)",
    ),
    Table(
        "scores",
        (
            _word("shard"),
            _word("area"),
            _word("signal"),
            Column("duration_s", "UInt32"),
            _time("window_end"),
            Column("observed", "Float64"),
            Column("expected", "Float64"),
            Column("p", "Float64"),
            Column("recurrence_s", "Float64"),
            Column("risk", "Float64"),
            _word("config_version"),
        ),
        key=("area", "signal", "duration_s", "window_end", "shard", "config_version"),
        partition="toYYYYMM(window_end)",
    ),
    Table(
        # The onset is the start of the window that the id is a hash of, so it stays as it is.
        "alerts",
        (
            Column("id", "String"),
            Column("version", "UInt64"),
            Column("seq", "UInt32"),
            _word("area"),
            Column("signals", "Array(String)"),
            Column("areas", "Array(String)"),
            _word("state"),
            _word("band"),
            Column("risk", "Float64"),
            Column("initial_risk", "Float64"),
            Column("recurrence_s", "Float64"),
            _time("onset"),
            _time("updated"),
            _word("reason"),
            Column("why", "String"),
            Column("clears", "String"),
            _word("owner"),
            _word("label"),
            _word("department"),
            _word("duty_area"),
            _word("config_version"),
        ),
        key=("id",),
        partition="toYYYYMM(onset)",
        version="version",
    ),
    Table(
        "transitions",
        (
            Column("alert_id", "String"),
            Column("seq", "UInt32"),
            Column("position", "UInt64"),
            _time("at"),
            _time("onset"),
            _word("area"),
            Column("signals", "Array(String)"),
            _word("from_state"),
            _word("to_state"),
            _word("reason"),
            _word("band"),
            Column("risk", "Float64"),
            Column("recurrence_s", "Float64"),
            Column("notify", "UInt8"),
            _word("actor"),
            Column("why", "String"),
            _word("config_version"),
            Column("what", "String"),
            Column("precedence", "UInt64"),
        ),
        # A transition that was said again after a crash keeps the position at which it was said first.
        key=("alert_id", "seq"),
        partition="toYYYYMM(at)",
        version="precedence",
    ),
    Table(
        # A command's body may hold a person's words: it stays in the journal.
        "commands",
        (Column("id", "String"), _time("at"), _word("actor"), _word("kind")),
        key=("id",),
        partition="toYYYYMM(at)",
    ),
    Table(
        "dead_letters",
        (_word("raw"), Column("raw_offset", "UInt64"), _word("source"), _word("reason"), Column("digest", "String"), _time("at")),
        key=("raw", "raw_offset"),
        partition="toYYYYMM(at)",
    ),
    Table(
        "quality",
        (_word("raw"), Column("to_offset", "UInt64"), _word("source"), _word("reason"), _time("at"), Column("n", "Int32")),
        key=("raw", "to_offset", "reason"),
        partition="toYYYYMM(at)",
    ),
    Table(
        "areas",
        (
            Column("code", "String"),
            Column("name", "String"),
            Column("level", "UInt8"),
            Column("parent", "String"),
            Column("district", "String"),
        ),
        key=("code",),
    ),
    Table("signals", (Column("name", "String"), Column("title", "String"), Column("kind", "String")), key=("name",)),
)
BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}

_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,62}")


def tables_ddl(database: str, version: Version = PORTABLE) -> tuple[str, ...]:
    """Statements that make the database and its tables where they are missing, for a server of this version.

    >>> tables_ddl("tocsin")[-1].splitlines()[0]
    'CREATE TABLE IF NOT EXISTS tocsin.signals'

    Raises:
        ValueError: a database name that is not lower-case letters, digits and underscores.
    """
    check_database(database)
    return (f"CREATE DATABASE IF NOT EXISTS {database}", *(_table_ddl(database, table, version) for table in TABLES))


def columns_query(database: str) -> str:
    """Asks for (table, column) of everything in the database."""
    check_database(database)
    return f"SELECT table, name FROM system.columns WHERE database = '{database}'"  # noqa: S608 - a checked name


def foreign_tables(found: Iterable[tuple[str, str]]) -> list[str]:
    """Tables that lack a column: another release made them.

    >>> foreign_tables([("signals", "name"), ("signals", "title")])
    ['signals']
    """
    has: dict[str, set[str]] = {}
    for table, column in found:
        has.setdefault(table, set()).add(column)
    return [table.name for table in TABLES if table.name in has and not {column.name for column in table.columns} <= has[table.name]]


def check_database(database: str) -> None:
    """Names go into statements as they are, so they are few characters of a kind that needs no quoting."""
    if not _DATABASE.fullmatch(database):
        raise ValueError(f"{database!r} is not a database name: use lower-case letters, digits and underscores, a letter first, at most 63")


def _table_ddl(database: str, table: Table, version: Version) -> str:
    columns = ",\n".join(f"    {column.name} {column.tuned(version)}" for column in table.columns)
    lines = [
        f"CREATE TABLE IF NOT EXISTS {database}.{table.name}\n(\n{columns}\n)",
        f"ENGINE = ReplacingMergeTree({table.version})",
        *([f"PARTITION BY {table.partition}"] if table.partition else []),
        f"ORDER BY ({', '.join(table.key)})",
        # A write that has returned is on the disk, not only in the kernel's memory.
        *(["SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"] if version >= _SYNC_SINCE else []),
    ]
    return "\n".join(lines)
