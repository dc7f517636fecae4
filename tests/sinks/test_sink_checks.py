"""Every sink goes through the same component spec."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sinks.base import Batch, SinkError
from sinks.checks import AREAS, CHECKS, SIGNALS, Subject, check_closed_refuses, check_not_finite_is_refused, check_twice_is_once
from sinks.clickhouse.chdb_sink import ChdbSink
from sinks.clickhouse.schema import TABLES
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View


def feed_state(feed: Feed) -> object:
    return [each.summary for each in (*feed.open_alerts(), *feed.finished_alerts())]


def chdb_state(sink: ChdbSink) -> object:
    return {table.name: sink.query(f"SELECT * FROM {table.name} FINAL ORDER BY {', '.join(table.key)}") for table in TABLES}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_feed_meets_the_spec(check: Callable[[Subject], None]) -> None:
    def fresh() -> Feed:
        return Feed(View(AREAS, SIGNALS), ring_frames=20, open_max=10)

    check(Subject(fresh, feed_state, lambda feed: feed.stats().ring_frames + feed.stats().open_alerts, held_max=30))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_chdb_meets_the_spec(check: Callable[[Subject], None], open_chdb: Callable[..., ChdbSink]) -> None:
    check(Subject(open_chdb, chdb_state, lambda _: 0, held_max=0))


class Forgetful:
    """A sink that does everything wrong."""

    name = "forgetful"

    def __init__(self) -> None:
        self.rows: list[object] = []

    def write(self, batch: Batch) -> None:
        self.rows += batch.alerts

    def close(self) -> None:
        self.rows.append("closed")


@pytest.mark.parametrize(
    "check", [check_twice_is_once, check_not_finite_is_refused, check_closed_refuses], ids=lambda check: check.__name__
)
def test_the_spec_finds_a_bad_sink(check: Callable[[Subject], None]) -> None:
    with pytest.raises(AssertionError):
        check(Subject(Forgetful, lambda sink: list(sink.rows), lambda sink: len(sink.rows), held_max=5))


def test_an_error_says_whether_to_retry() -> None:
    assert SinkError("x", retryable=True).retryable
    with pytest.raises(TypeError):
        SinkError("x")  # type: ignore[call-arg]
