"""The routes of the past: within the caller's scope, by the feed's clock, refused while the tables are away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from sinks.archive import Amount, Archive, Handled, Hour, PastAlert, Risk, Yearly
from sinks.base import SinkError
from sinks.checks import AREAS, SIGNALS, START_S, Open, caller
from sinks.cockpit.api import create_app
from sinks.cockpit.feed import Feed
from sinks.cockpit.figures import figures_router
from sinks.cockpit.past import Asking, past_router
from sinks.cockpit.views import View
from streams.settings import AreaPaths, Source

SOURCES = {
    "hotline": Source("hotline", ("id",), "at", AreaPaths(code=("area",)), allowed_lateness_s=300),
    "mute": Source("camera", ("id",), "at", AreaPaths(code=("area",)), allowed_lateness_s=60),
}


class Told:
    """An archive that says what it was given."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.gone = False

    def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        if self.gone:
            raise SinkError("127.0.0.1:9000 secret-host does not answer", retryable=True)

    def hours(self, area: str, level: int, since_s: int, until_s: int) -> Sequence[Hour]:
        self._ask("hours", area, level, since_s, until_s)
        return [Hour(START_S, "noise", 7, None), Hour(START_S, "water_level", 2, 2.5)]

    def risks(self, area: str, since_s: int, until_s: int) -> Sequence[Risk]:
        self._ask("risks", area)
        return [Risk(START_S, 40.0, "noise")]

    def alerts(self, areas: Sequence[str], since_s: int, until_s: int, limit: int) -> Sequence[PastAlert]:
        self._ask("alerts", *areas)
        return [PastAlert("a", "d1a", ("d1a",), ("noise",), "red", 80.0, "open", START_S, START_S, "raised", "")]

    def newest(self) -> dict[str, int]:
        self._ask("newest")
        return {"hotline": START_S}

    def amounts(self, since_s: int, until_s: int) -> Sequence[Amount]:
        self._ask("amounts", since_s, until_s)
        return [
            Amount(START_S, "hotline", "accepted", 90),
            Amount(START_S, "hotline", "late", 3),
            Amount(START_S + 3600, "hotline", "late", 4),
        ]

    def handled(self, since_s: int, until_s: int) -> Sequence[Handled]:
        self._ask("handled", since_s, until_s)
        return [
            Handled("a", "d1a", ("noise",), until_s - 100, None, None, "", ()),
            Handled("b", "d2", ("noise",), until_s - 100, None, None, "", ()),
        ]

    def yearly(self) -> Sequence[Yearly]:
        self._ask("yearly")
        return [Yearly(2015, "d1", 100), Yearly(2015, "d2", 300)]

    def alerts_yearly(self) -> Sequence[Yearly]:
        return [Yearly(2015, "d1a", 2)]


def application(archive: Archive | None, scope: list[str] | None = None, now_s: Callable[[], int] = lambda: START_S + 60) -> FastAPI:
    view = View(AREAS, SIGNALS)
    feed = Feed(view)
    feed.load((), 0)
    app = create_app(feed, AREAS, dict, gate=Open(caller(scope)) if scope else Open())
    asking = Asking(archive, now_s)
    app.include_router(past_router(view.places, SOURCES, asking))
    app.include_router(figures_router(view.places, asking))
    return app


def get(path: str, archive: Archive | None, **options: Any) -> httpx.Response:
    return send(application(archive, **options), path)


def send(app: FastAPI, path: str) -> httpx.Response:
    async def one() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            return await client.get(path)

    return asyncio.run(one())


def test_the_past_of_a_district() -> None:
    archive = Told()
    told = get("/api/areas/d1/past?days=2", archive).json()
    assert (told["area"], told["since_s"], told["until_s"]) == ("d1", START_S + 60 - 2 * 86_400, START_S + 60)
    assert told["series"] == [
        {"signal": "noise", "hours": [START_S], "n": [7], "average": [None]},
        {"signal": "water_level", "hours": [START_S], "n": [2], "average": [2.5]},
    ]
    assert told["risk"] == [{"at_s": START_S, "risk": 40.0, "signal": "noise"}]
    assert told["alerts"][0]["id"] == "a"
    assert told["counts_told"] is True
    assert get("/api/areas/d1a/past", archive).json()["counts_told"] is False
    assert ("alerts", "d1", "d1a", "d1b", "d1c", "d1a1") in archive.asked, "the area with all that lies in it"


@pytest.mark.parametrize("path", ["/api/areas/d2/past", "/api/areas/city/past", "/api/areas/nowhere/past"])
def test_outside_the_scope_there_is_no_such_area(path: str) -> None:
    archive = Told()
    assert get(path, archive, scope=["d1"]).status_code == 404
    assert archive.asked == [], "and nothing is asked"
    assert get("/api/areas/d1a/past", archive, scope=["d1"]).status_code == 200


@pytest.mark.parametrize("days", ["0", "32", "x", "-1"])
def test_a_span_is_bounded(days: str) -> None:
    answer = get(f"/api/areas/d1/past?days={days}", Told())
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_source_is_late_by_the_clock_and_in_a_played_past_by_the_feeds_own() -> None:
    live = {row["source"]: row for row in get("/api/sources", Told(), now_s=lambda: START_S + 600).json()["sources"]}
    assert live["hotline"] == {"source": "hotline", "stream": "hotline", "newest_s": START_S, "lag_s": 600, "late_s_allowed": 300}
    assert (live["mute"]["newest_s"], live["mute"]["lag_s"]) == (None, None)
    played = {row["source"]: row for row in get("/api/sources", Told(), now_s=lambda: int(time.time())).json()["sources"]}
    assert played["hotline"]["lag_s"] == 0, "years ago, and as fresh as it can be"
    assert get("/api/areas/d1/past", Told(), now_s=lambda: int(time.time())).json()["until_s"] == START_S


def test_quality_adds_up() -> None:
    told = get("/api/quality", Told()).json()
    assert told["sources"] == [
        {"source": "hotline", "accepted": 90, "reasons": {"late": 7}},
        {"source": "mute", "accepted": 0, "reasons": {}},
    ]
    assert len(told["hours"]) == 3


def test_tables_that_are_away_are_said_to_be_and_the_rest_goes_on() -> None:
    archive = Told()
    archive.gone = True
    for there in (archive, None):
        for path in ("/api/areas/d1/past", "/api/sources", "/api/quality", "/api/index", "/api/bias"):
            answer = get(path, there)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), path
            assert answer.headers["retry-after"] == "5"
            assert "secret-host" not in answer.text
        assert get("/api/alerts", there).status_code == 200


def test_figures_know_the_scope() -> None:
    told = get("/api/index?by=area&days=3", Told(), scope=["d1"]).json()
    assert [row["group"] for row in told["rows"]] == ["d1"]
    assert {row["group"] for row in get("/api/index", Told()).json()["rows"]} == {"d1", "d2"}
    assert [row["area"] for row in get("/api/bias", Told(), scope=["d1"]).json()["rows"]] == ["d1"]
    assert get("/api/index?by=person", Told()).status_code == 422


def test_signals_of_an_alert_that_reaches_beyond_the_scope_are_not_told() -> None:
    class Beyond(Told):
        def alerts(self, areas: Sequence[str], since_s: int, until_s: int, limit: int) -> Sequence[PastAlert]:
            return [
                PastAlert("part", "t", ("d1a", "d2"), ("noise", "gas"), "red", 80.0, "open", START_S, START_S, "raised", ""),
                *super().alerts(areas, since_s, until_s, limit),
            ]

    told = get("/api/areas/d1/past", Beyond(), scope=["d1"]).json()["alerts"]
    assert [(alert["id"], alert["signals"]) for alert in told] == [("part", []), ("a", ["noise"])]
    assert get("/api/areas/d1/past", Beyond()).json()["alerts"][0]["signals"] == ["noise", "gas"]
