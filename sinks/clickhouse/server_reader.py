"""ClickHouse as a server, for reading: one question at a time, read-only, bounded in time and rows."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sinks.base import SinkError
from sinks.clickhouse.connection import Connection
from sinks.clickhouse.schema import check_database

QUERY_ROWS_MAX = 100_000
QUERY_S_MAX = 10
WAIT_S = 15.0
LIMITS: Mapping[str, int] = {"readonly": 1, "max_result_rows": QUERY_ROWS_MAX, "max_execution_time": QUERY_S_MAX}


class ServerReader:
    """Asks the views of a database that the sink has made. It connects when it is first asked, and again after an error."""

    def __init__(self, connection: Mapping[str, Any], *, database: str = "tocsin") -> None:
        """``connection``: arguments of clickhouse-driver's client, the database left out.

        Raises:
            ValueError: ``database`` is not a name.
        """
        check_database(database)
        self._connection = Connection(connection, database=database)
        self._mutex = threading.Lock()

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask one question. Times are text in UTC.

        Raises:
            SinkError: the server did not answer, has too many questions already, or refused.
        """
        if not self._mutex.acquire(timeout=WAIT_S):
            raise SinkError(f"ClickHouse at {self._connection.address} has not answered the questions before this one", retryable=True)
        try:
            rows, columns = self._connection.run("a query", sql, with_column_types=True, settings=dict(LIMITS))
        finally:
            self._mutex.release()
        return named(rows, columns)

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        with self._mutex:
            self._connection.close()


def named(rows: list[tuple[Any, ...]], columns: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Rows as dictionaries, times as text in UTC."""
    names = [name for name, _ in columns]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else value
