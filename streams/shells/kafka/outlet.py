"""A ClickHouse server as it comes and goes: opened when it answers, offered the same again when it did not take it."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from sinks.base import Batch, SinkError
from sinks.clickhouse.server_sink import ServerSink
from sinks.metrics import Metrics
from streams.settings import City
from streams.shells.kafka.clients import clickhouse_driver
from streams.shells.kafka.settings import ClickHouseSettings

log = structlog.get_logger()

BACKOFF_S = (0.2, 10.0)


class Outlet:
    """The tables of one deployment. Methods raise ``SinkError`` only for what waiting does not mend."""

    def __init__(
        self, clickhouse: ClickHouseSettings, city: City, metrics: Metrics, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clickhouse, self._city, self._metrics, self._monotonic = clickhouse, city, metrics, monotonic
        self._sink: ServerSink | None = None
        self.away = False
        self._backoff_s, self._retry_at = BACKOFF_S[0], 0.0
        metrics.sink_away(ServerSink.name, away=False)

    @property
    def usable(self) -> bool:
        """Whether it is time to try again; always, while it is not away."""
        return self._monotonic() >= self._retry_at

    def open(self) -> bool:
        """Make what is missing, if that was not done yet; False: the server is away."""
        return self._sink is not None or self._tried(self._open)

    def reach(self) -> bool:
        """See whether it answers, where there is nothing to write."""
        if not self.open():
            return False
        sink = self._sink
        assert sink is not None
        return self._tried(lambda: sink.query("SELECT 1"))

    def write(self, batch: Batch, rows: int) -> bool:
        """False: the server is away, and the same batch is to be offered again. ``rows``: for the metrics."""
        if not self.open():
            return False
        sink, began = self._sink, self._monotonic()
        assert sink is not None
        if not self._tried(lambda: sink.write(batch)):
            return False
        self._metrics.sink_write(sink.name, self._monotonic() - began, rows)
        return True

    def describe(self, city: City) -> bool:
        """Another configuration is in force from here on; False: the server is away."""
        if city.config_version == self._city.config_version:
            return True
        if not self.open():
            return False
        sink = self._sink
        assert sink is not None
        if not self._tried(lambda: sink.describe(city.areas, city.signals, city.suppress_below)):
            return False
        self._city = city
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._sink is not None:
            self._sink.close()

    def _open(self) -> None:
        city, database = self._city, self._clickhouse.file.database
        self._sink = ServerSink(
            clickhouse_driver(self._clickhouse),
            database=database,
            areas=city.areas,
            signals=city.signals,
            suppress_below=city.suppress_below,
        )
        log.info("sink_open", address=self._sink.address, database=database, version=".".join(map(str, self._sink.version)))

    def _tried(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except SinkError as error:
            self._metrics.sink_error(ServerSink.name, error.retryable)
            if not error.retryable:
                raise
            self._went(error)
            return False
        self._came()
        return True

    def _went(self, error: SinkError) -> None:
        if not self.away:
            self.away = True
            self._metrics.sink_away(ServerSink.name, away=True)
            log.warning("sink_away", reason=str(error), remedy="start it, or correct the address; waiting, nothing is lost")
        self._retry_at = self._monotonic() + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_S[1])

    def _came(self) -> None:
        if self.away:
            self.away = False
            self._metrics.sink_away(ServerSink.name, away=False)
            file = self._clickhouse.file
            log.info("sink_back", address=f"{file.host}:{file.port}")
        self._backoff_s, self._retry_at = BACKOFF_S[0], 0.0
