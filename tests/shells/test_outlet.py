"""A server that comes and goes: told once, tried again ever more seldom, given up only for what waiting does not mend."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest
from structlog.testing import capture_logs

from sinks.base import Batch, SinkError
from sinks.metrics import Metrics
from streams.settings import City
from streams.shells.kafka import outlet as module
from streams.shells.kafka.outlet import BACKOFF_S, Outlet
from streams.shells.kafka.settings import ClickHouseFile, ClickHouseSettings, Secret
from tests.shells.small import small_city


class Fake:
    """A sink whose server does what ``error`` says."""

    name: ClassVar[str] = "clickhouse"
    version, address = (24, 8), "127.0.0.1:9000"
    error: ClassVar[SinkError | None] = None
    opened: ClassVar[int] = 0
    told: ClassVar[list[Any]] = []

    def __init__(self, connection: dict[str, Any], **options: Any) -> None:
        self.do(("open", options["suppress_below"], connection["password"]))
        Fake.opened += 1

    def do(self, what: Any) -> None:
        if Fake.error is not None:
            raise Fake.error
        Fake.told.append(what)

    def write(self, batch: Batch) -> None:
        self.do(batch)

    def describe(self, _areas: Any, _signals: Any, suppress_below: int) -> None:
        self.do(("describe", suppress_below))

    def query(self, sql: str) -> list[dict[str, Any]]:
        self.do(sql)
        return []

    def close(self) -> None:
        pass


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


AWAY = SinkError("ClickHouse at 127.0.0.1:9000 does not answer (Connection refused)", retryable=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(module, "ServerSink", Fake)
    Fake.error, Fake.opened, Fake.told = None, 0, []
    return Clock()


def outlet(clock: Clock, city: City | None = None) -> Outlet:
    settings = ClickHouseSettings(ClickHouseFile(), Secret("only-a-test"))
    return Outlet(settings, city or small_city(), Metrics(process=False), monotonic=clock)


def test_it_is_opened_once_and_told_once_that_it_is_away(clock: Clock):
    made = outlet(clock)
    Fake.error = AWAY
    with capture_logs() as logs:
        for _ in range(4):
            assert not made.write(Batch(), 0)
        assert made.away
        Fake.error = None
        assert made.write(Batch(), 0)
        assert made.write(Batch(), 0)
    assert [row["event"] for row in logs] == ["sink_away", "sink_open", "sink_back"]
    assert "does not answer" in logs[0]["reason"]
    assert "nothing is lost" in logs[0]["remedy"]
    assert "only-a-test" not in repr(logs)
    assert (made.away, Fake.opened) == (False, 1)


def test_it_is_tried_again_ever_more_seldom_up_to_a_bound(clock: Clock):
    made = outlet(clock)
    assert made.open()
    Fake.error = AWAY
    waits = []
    for _ in range(9):
        assert not made.reach()
        began = clock.now
        while not made.usable:
            clock.now += 0.05
        waits.append(round(clock.now - began, 1))
    assert waits[:3] == [0.2, 0.4, 0.8]
    assert max(waits) == BACKOFF_S[1]
    Fake.error = None
    assert made.reach()
    assert made.usable


def test_what_waiting_does_not_mend_is_raised(clock: Clock):
    made = outlet(clock)
    Fake.error = SinkError("code 193 WRONG_PASSWORD", retryable=False)
    with pytest.raises(SinkError, match="WRONG_PASSWORD"):
        made.open()
    assert not made.away


def test_another_configuration_is_told_once(clock: Clock):
    made = outlet(clock)
    other = msgspec.structs.replace(small_city(), suppress_below=9, config_version="other")
    assert made.describe(small_city()), "the one it was opened with"
    assert Fake.told == []
    Fake.error = AWAY
    assert not made.describe(other)
    Fake.error = None
    assert made.describe(other)
    assert made.describe(other)
    assert Fake.told == [("open", 5, "only-a-test"), ("describe", 9)]
