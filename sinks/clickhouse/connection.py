"""One connection to a ClickHouse server by clickhouse-driver: opened when it is needed, never used again after an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ErrorCodes, NetworkError, ServerException, SocketTimeoutError

from sinks.base import SinkError
from sinks.clickhouse.codes import refusal

CONNECT_S = 5
ANSWER_S = 30

_NAMES = {code: name for name, code in vars(ErrorCodes).items() if isinstance(code, int)}


class Connection:
    """Used by one thread at a time. The text of an error may quote data: it is not repeated."""

    def __init__(self, arguments: Mapping[str, Any], *, database: str = "") -> None:
        """``arguments`` of clickhouse-driver's client, the database left out."""
        self._arguments = dict(arguments)
        self.database = database
        self.address = f"{arguments.get('host')}:{arguments.get('port')}"
        self._client: Client | None = None
        self._closed = False

    def run(self, what: str, statement: str, *rows: list[Any], **options: Any) -> Any:
        """Execute one statement; ``what`` it is about is told when it fails.

        Raises:
            SinkError: closed, no answer (retryable), or refused.
        """
        self.check_open()
        with self._told(what):
            if self._client is None:
                self._client = self._connected()
            return self._client.execute(statement, *rows, **options)

    def check_open(self) -> None:
        """Raises ``SinkError`` after ``close``."""
        if self._closed:
            raise SinkError("this sink is closed", retryable=False)

    def close(self) -> None:
        """For good; closing twice is harmless."""
        self._closed = True
        self.drop()

    def drop(self) -> None:
        """The next statement opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()

    def _connected(self) -> Client:
        return Client(
            **self._arguments,
            database=self.database,
            connect_timeout=CONNECT_S,
            sync_request_timeout=CONNECT_S,
            send_receive_timeout=ANSWER_S,
        )

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (NetworkError, SocketTimeoutError, OSError, EOFError) as error:
            self.drop()
            raise SinkError(f"ClickHouse at {self.address} does not answer ({_why(error)})", retryable=True) from None
        except Error as error:
            self.drop()
            code = int(error.code or 0)
            where = f"ClickHouse at {self.address} did not take {what}" + ("" if isinstance(error, ServerException) else " (the driver)")
            raise refusal(where, code, _NAMES.get(code, "")) from None


def _why(error: Exception) -> str:
    """Why there was no answer, in the system's words: no text of the server's."""
    if isinstance(error, EOFError):
        return "it closed the connection"
    told = error.strerror if isinstance(error, OSError) else str(error.args[0] or "").rpartition(" (")[0]  # the driver adds the address
    return told or ("timed out" if isinstance(error, TimeoutError | SocketTimeoutError) else type(error).__name__)
