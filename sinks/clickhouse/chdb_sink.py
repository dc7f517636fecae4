"""ClickHouse inside this process: the tables of ``schema`` in a folder of the embedded shell, by chDB."""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import orjson
import pyarrow as pa  # type: ignore[import-untyped]
from chdb.session import Session as ChdbSession

from sinks.base import Batch, SinkError
from sinks.clickhouse.codes import refusal
from sinks.clickhouse.rows import Block, blocks, reference_blocks
from sinks.clickhouse.schema import BY_NAME, Version, check_database, columns_query, foreign_tables, tables_ddl
from sinks.clickhouse.views import views_ddl
from streams.model import Area, Signal

BLOCK_ROWS_MAX = 100_000
QUERY_ROWS_MAX = 100_000
QUERY_S_MAX = 30
LOCK = ".tocsin.lock"

_ARROW: dict[str, pa.DataType] = {
    "String": pa.string(),
    "UInt8": pa.uint8(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Int32": pa.int32(),
    "Float64": pa.float64(),
    "Nullable(Float64)": pa.float64(),
    "DateTime('UTC')": pa.uint32(),
    "Array(String)": pa.list_(pa.string()),
}
_CODE = re.compile(r"Code: (\d+)\..*?(?:\(([A-Z_]+)\)\s*$|$)", re.DOTALL)
_PYTHON = re.compile(r"\bpython\s*\(", re.IGNORECASE)


class Session(Protocol):
    """What is used of chDB's session, which has no types of its own. It may be used by several threads."""

    def query(self, sql: str, fmt: str = "CSV") -> Any: ...

    def close(self) -> None: ...


class ChdbSink:
    """Writes batches into a folder's tables and answers questions about them. One folder a process, one process a folder.

    ``write`` may be called by one thread and ``query`` by others at the same time. A write that has returned is on the
    disk; one that was interrupted may be there in part, and is whole after it is repeated.
    """

    name: ClassVar[str] = "chdb"

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "tocsin",
        areas: Sequence[Area] = (),
        signals: Sequence[Signal] = (),
        suppress_below: int = 5,
        block_rows_max: int = BLOCK_ROWS_MAX,
    ) -> None:
        """Open or create. The views show small counts only of areas that ``areas`` says are districts or wider.

        Raises:
            SinkError: not retryable: another process has the folder open, or this one has another folder open.
            ValueError: ``database`` is not a name.
        """
        check_database(database)
        self._database = database
        self._block_rows_max = block_rows_max
        self._folder = folder
        self._write_mutex = threading.Lock()
        self._read_mutex = threading.Lock()
        self._lock = _lock(folder)
        self._writer: Session | None = None
        self._reader: Session | None = None
        try:
            self._writer = _open(folder)
            self.version = _version(self._writer)
            self._prepare(areas, signals, suppress_below)
            self._reader = self._open_reader()
        except BaseException:
            self.close()
            raise

    def _prepare(self, areas: Sequence[Area], signals: Sequence[Signal], suppress_below: int) -> None:
        # A block of late records may touch many months; its rows are bounded already.
        self._run("SET max_partitions_per_insert_block = 0")
        for statement in tables_ddl(self._database, self.version):
            self._run(statement)
        self._check_tables()
        for statement in views_ddl(self._database, suppress_below, self.version):
            self._run(statement)
        for block in reference_blocks(areas, signals, rows_max=self._block_rows_max):
            self._insert(block)

    def _check_tables(self) -> None:
        lines = self._session(self._writer).query(columns_query(self._database), "JSONCompactEachRow").bytes()
        foreign = foreign_tables((table, column) for table, column in map(orjson.loads, lines.splitlines()))
        if foreign:
            raise SinkError(
                f"{self._folder}: another release made the tables {', '.join(foreign)}; move the folder away: it is made again, from then on",
                retryable=False,
            )

    def _open_reader(self) -> Session:
        reader = _open(self._folder)
        reader.query(f"USE {self._database}")
        reader.query(
            f"SET readonly = 1, max_result_rows = {QUERY_ROWS_MAX}, result_overflow_mode = 'throw', max_execution_time = {QUERY_S_MAX},"
            " output_format_json_quote_64bit_integers = 0"
        )
        return reader

    def write(self, batch: Batch) -> None:
        """Write and flush.

        Raises:
            SinkError: the batch was refused, the sink is closed, or the engine could not write.
        """
        with self._write_mutex:
            self._session(self._writer)
            for block in list(blocks(batch, rows_max=self._block_rows_max)):  # all of it is checked before any of it is written
                self._insert(block)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask one read-only question; tables need no database in front. Times are text in UTC, at most 100,000 rows.

        Raises:
            SinkError: not retryable; the engine's answer, which may repeat parts of ``sql``.
        """
        if _PYTHON.search(sql):
            raise SinkError("a query may not read this program's memory: the table function python() is refused", retryable=False)
        with self._read_mutex:
            reader = self._session(self._reader)
            try:
                lines = reader.query(sql, "JSONEachRow").bytes()
            except RuntimeError as error:
                # A session that failed half-way gives the rest of its rows to the next question: it is not used again.
                reader.close()
                self._reader = self._open_reader()
                raise SinkError(f"the query failed: {str(error)[:300]}", retryable=False) from None
        return [orjson.loads(line) for line in lines.splitlines()]

    def close(self) -> None:
        """Close the folder; closing twice is harmless."""
        with self._write_mutex, self._read_mutex:
            sessions, self._writer, self._reader = (self._reader, self._writer), None, None
            for session in sessions:
                if session is not None:
                    session.close()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def _session(self, session: Session | None) -> Session:
        if session is None:
            raise SinkError("this sink is closed", retryable=False)
        return session

    def _insert(self, block: Block) -> None:
        tocsin_block = _arrow(block)  # chDB finds it by this name in this frame
        names = ", ".join(tocsin_block.column_names)
        self._run(f"INSERT INTO {self._database}.{block.table} ({names}) SELECT {names} FROM Python(tocsin_block)")  # noqa: S608 - names of the schema

    def _run(self, statement: str) -> None:
        try:
            self._session(self._writer).query(statement)
        except RuntimeError as error:
            code, reason = _code(error)
            table = statement.split(maxsplit=3)[2] if statement.startswith("INSERT") else "the schema"
            raise refusal(f"chDB did not take {table}", code, reason) from None  # its text may quote data: it is not repeated


def _arrow(block: Block) -> pa.Table:
    types = {column.name: _ARROW[column.type] for column in BY_NAME[block.table].columns}
    return pa.table({name: pa.array(column, types[name], from_pandas=True) for name, column in block.columns.items()})


def _lock(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise SinkError(
            f"{folder} is open already: one process a chDB folder; stop the other one, or give another folder", retryable=False
        ) from None
    return descriptor


def _open(folder: Path) -> Session:
    try:
        session: Session = ChdbSession(str(folder))  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        if "already initialized with path" in str(error):
            raise SinkError(f"{folder}: this process has another chDB folder open; close that one first", retryable=False) from None
        raise SinkError(
            f"{folder} cannot be opened by chDB (code {_code(error)[0]}); is it a chDB folder, and writable?", retryable=False
        ) from None
    return session


def _version(session: Session) -> Version:
    major, minor = str(session.query("SELECT version()", "TabSeparated")).split(".")[:2]
    return int(major), int(minor)


def _code(error: Exception) -> tuple[int, str]:
    found = _CODE.search(str(error))
    return (int(found[1]), found[2] or "") if found else (0, "")
