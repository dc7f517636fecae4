"""ClickHouse as a server: the tables of ``schema``, written in columns over its native protocol by clickhouse-driver."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sinks.base import Batch, SinkError
from sinks.clickhouse.connection import ANSWER_S, Connection
from sinks.clickhouse.rows import Block, Column, blocks, reference_blocks
from sinks.clickhouse.schema import BY_NAME, Version, check_database, columns_query, foreign_tables, tables_ddl
from sinks.clickhouse.server_reader import QUERY_ROWS_MAX, named
from sinks.clickhouse.views import views_ddl
from streams.model import Area, Signal

BLOCK_ROWS_MAX = 50_000

_SETTINGS_SINCE: Version = (20, 3)  # before, a server refuses a setting that it does not know


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
        self._database, self._block_rows_max = database, block_rows_max
        self._connection = Connection(connection)
        self._run = self._connection.run
        self.address = self._connection.address
        self.version: Version = (0, 0)
        self._mutex = threading.Lock()
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
        self._connection.database = self._database
        self._connection.drop()  # the next one begins in the database

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
            self._connection.check_open()
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
        return named(rows, columns)

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        with self._mutex:
            self._connection.close()

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


def _listed(column: Column, kind: str) -> list[Any]:
    """A list of its own, since the driver overwrites what it is given; whole seconds stand for times, None for NULL."""
    values: list[Any] = column.tolist() if isinstance(column, np.ndarray) else list(column)
    return [None if value != value else value for value in values] if kind.startswith("Nullable") else values  # noqa: PLR0124 - NaN
