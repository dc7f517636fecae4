"""ClickHouse as a server: the tables of ``schema``, written in columns over its native protocol by clickhouse-driver."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np
from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ErrorCodes, NetworkError, ServerException, SocketTimeoutError

from sinks.base import Batch, SinkError
from sinks.clickhouse.codes import refusal
from sinks.clickhouse.rows import Block, Column, blocks, reference_blocks
from sinks.clickhouse.schema import BY_NAME, Version, check_database, columns_query, foreign_tables, tables_ddl
from sinks.clickhouse.views import views_ddl
from streams.model import Area, Signal

BLOCK_ROWS_MAX = 50_000
CONNECT_S = 5
ANSWER_S = 30
QUERY_ROWS_MAX = 100_000

_SETTINGS_SINCE: Version = (20, 3)  # before, a server refuses a setting that it does not know
_NAMES = {code: name for name, code in vars(ErrorCodes).items() if isinstance(code, int)}


class ServerSink:
    """Writes batches into a server's database, which it makes where it is missing. One connection, used by one thread at a time.

    A write that has returned is in the tables. One that was interrupted may be there in part, or whole; after it is repeated
    it is there once.
    """

    name: ClassVar[str] = "clickhouse"

    def __init__(
        self,
        connection: Mapping[str, Any],
        *,
        database: str = "tocsin",
        areas: Sequence[Area] = (),
        signals: Sequence[Signal] = (),
        suppress_below: int = 5,
        block_rows_max: int = BLOCK_ROWS_MAX,
    ) -> None:
        """Connect and make what is missing. ``connection``: arguments of clickhouse-driver's client, the database left out.

        Raises:
            SinkError: retryable: the server does not answer. Not retryable: it refuses the user, or what is in the database
                was made by another release.
            ValueError: ``database`` is not a name.
        """
        check_database(database)
        self._connection, self._database, self._block_rows_max = dict(connection), database, block_rows_max
        self.address = f"{connection.get('host')}:{connection.get('port')}"
        self.version: Version = (0, 0)
        self._mutex = threading.Lock()
        self._client: Client | None = None
        self._made = self._closed = False
        try:
            self._make()
            self.describe(areas, signals, suppress_below)
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        ((version,),) = self._run("the connection", "SELECT version()")
        major, minor = version.split(".")[:2]
        self.version = int(major), int(minor)
        for statement in tables_ddl(self._database, self.version):
            self._run("the schema", statement)
        foreign = foreign_tables(self._run("the schema", columns_query(self._database)))
        if foreign:
            raise SinkError(
                f"ClickHouse at {self.address}: tables of another release in {self._database}: {', '.join(foreign)};"
                " rename the database and start again, or choose another clickhouse.database",
                retryable=False,
            )
        self._made = True
        self._drop()  # the next connection begins in the database

    def describe(self, areas: Sequence[Area], signals: Sequence[Signal], suppress_below: int) -> None:
        """Tell the views what they look up: small counts are shown only of areas that ``areas`` says are districts or wider.

        Raises:
            SinkError: as for ``write``.
        """
        with self._mutex:
            for block in list(reference_blocks(areas, signals, rows_max=self._block_rows_max)):
                self._insert(block)
            for statement in views_ddl(self._database, suppress_below, self.version):
                self._run("the views", statement)

    def write(self, batch: Batch) -> None:
        """Write and flush.

        Raises:
            SinkError: the batch was refused, the sink is closed, or the server did not acknowledge: then the same batch may
                be written again.
        """
        with self._mutex:
            self._check_open()
            for block in list(blocks(batch, rows_max=self._block_rows_max)):  # all of it is checked before any of it is written
                self._insert(block)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask one read-only question; tables need no database in front. Times are text in UTC, at most 100,000 rows.

        Raises:
            SinkError: the server did not answer, or refused.
        """
        limits = {"readonly": 1, "max_result_rows": QUERY_ROWS_MAX, "max_execution_time": ANSWER_S}
        with self._mutex:
            rows, columns = self._run("a query", sql, with_column_types=True, settings=limits)
        names = [name for name, _ in columns]
        return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        with self._mutex:
            self._closed = True
            self._drop()

    def _check_open(self) -> None:
        if self._closed:
            raise SinkError("this sink is closed", retryable=False)

    def _insert(self, block: Block) -> None:
        types = {column.name: column.type for column in BY_NAME[block.table].columns}
        names = ", ".join(block.columns)
        rows = [_listed(column, types[name]) for name, column in block.columns.items()]
        statement = f"INSERT INTO {self._database}.{block.table} ({names}) VALUES"
        self._run(f"{self._database}.{block.table}", statement, rows, columnar=True, settings=self._insert_settings())

    def _insert_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"insert_block_size": self._block_rows_max}  # the driver's own: a block goes as it is
        if self.version >= _SETTINGS_SINCE:
            # An acknowledged insert is in its table. A block of late records may touch many months; its rows are bounded already.
            settings |= {"async_insert": 0, "max_partitions_per_insert_block": 0}
        return settings

    def _run(self, what: str, statement: str, *rows: list[Any], **options: Any) -> Any:
        self._check_open()
        with self._told(what):
            if self._client is None:
                self._client = self._connected()
            return self._client.execute(statement, *rows, **options)

    def _connected(self) -> Client:
        return Client(
            **self._connection,
            database=self._database if self._made else "",
            connect_timeout=CONNECT_S,
            sync_request_timeout=CONNECT_S,
            send_receive_timeout=ANSWER_S,
        )

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Whatever goes wrong, the connection is not used again. The text of an error may quote data: it is not repeated."""
        try:
            yield
        except (NetworkError, SocketTimeoutError, OSError, EOFError) as error:
            self._drop()
            raise SinkError(f"ClickHouse at {self.address} does not answer ({_why(error)})", retryable=True) from None
        except Error as error:
            self._drop()
            code = int(error.code or 0)
            where = f"ClickHouse at {self.address} did not take {what}" + ("" if isinstance(error, ServerException) else " (the driver)")
            raise refusal(where, code, _NAMES.get(code, "")) from None

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()


def _listed(column: Column, kind: str) -> list[Any]:
    """A list of its own, since the driver overwrites what it is given; whole seconds stand for times, None for NULL."""
    values: list[Any] = column.tolist() if isinstance(column, np.ndarray) else list(column)
    return [None if value != value else value for value in values] if kind.startswith("Nullable") else values  # noqa: PLR0124 - NaN


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else value


def _why(error: Exception) -> str:
    """Why there was no answer, in the system's words: no text of the server's."""
    if isinstance(error, EOFError):
        return "it closed the connection"
    told = error.strerror if isinstance(error, OSError) else str(error.args[0] or "").rpartition(" (")[0]  # the driver adds the address
    return told or ("timed out" if isinstance(error, TimeoutError | SocketTimeoutError) else type(error).__name__)
