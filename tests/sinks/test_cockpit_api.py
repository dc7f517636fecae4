"""The API: reads only, bounded, nothing of a request in an answer."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from sinks.base import Batch
from sinks.checks import AREAS, SIGNALS, Open, alert
from sinks.cockpit.api import SECURITY_HEADERS, create_app
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from streams.model import Alert

replace = msgspec.structs.replace


def placed(alert_id: str, area: str, risk: float, **changes: Any) -> Alert:
    given = alert(alert_id, 0, risk=risk)
    return replace(given, area=area, members=(replace(given.members[0], area=area),), **changes)


@pytest.fixture
def feed() -> Feed:
    feed = Feed(View(AREAS, SIGNALS))
    north, south = placed("n", "d1a1", 80.0, band="red"), placed("s", "d2", 40.0)
    waiting = placed("w", "d1b", 60.0, state="provisional", band="orange")
    across = replace(placed("c", "city", 20.0), members=(replace(alert("c", 0).members[0], area="d2"),))
    feed.load([north, south, waiting, across, placed("gone", "d1a", 10.0, state="cleared")], 5)
    return feed


async def ask(app: Any, path: str, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(options.pop("method", "GET"), path, **options)


def get(feed: Feed, path: str, **options: Any) -> httpx.Response:
    health = options.pop("health", lambda: {"recovered": True})
    app = create_app(feed, AREAS, health, gate=Open(), metrics=lambda: b"# EOF\n")
    return asyncio.run(ask(app, path, **options))


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["alerts"]]


@pytest.mark.parametrize(
    "query, expected",
    [
        ("", ["n", "w", "s", "c"]),
        ("?state=open", ["n", "s", "c"]),
        ("?state=provisional", ["w"]),
        ("?state=no_data", []),
        ("?state=cleared", ["gone"]),
        ("?state=withdrawn", []),
        ("?area=d1", ["n", "w"]),
        ("?area=d1a", ["n"]),
        ("?area=d2", ["s", "c"]),
        ("?area=city", ["n", "w", "s", "c"]),
        ("?area=d1&state=open", ["n"]),
        ("?limit=2", ["n", "w"]),
    ],
)
def test_alerts_are_listed_by_risk_and_filtered(feed: Feed, query: str, expected: list[str]) -> None:
    answer = get(feed, f"/api/alerts{query}")
    assert ids(answer) == expected
    assert answer.json()["last_event_id"] == 5
    assert answer.headers["cache-control"] == "no-store"


def test_a_list_says_how_many_there_are(feed: Feed) -> None:
    assert get(feed, "/api/alerts?limit=1").json()["found"] == 4


def test_one_alert_is_shown_whole_without_small_counts(feed: Feed) -> None:
    shown = get(feed, "/api/alerts/n").json()
    assert [member["area"] for member in shown["members"]] == ["d1a1"]
    assert [each["observed"] for each in shown["members"][0]["evidence"]] == [None, None], "the only area of its parent"
    assert get(feed, "/api/alerts/gone").json()["state"] == "cleared"


SECRET = "Jane-Roe-617"


@pytest.mark.parametrize(
    "path, status",
    [
        (f"/api/alerts/{SECRET}", 404),
        (f"/api/alerts?area={SECRET}", 404),
        (f"/api/alerts?state={SECRET}", 422),
        (f"/api/alerts?limit={SECRET}", 422),
        ("/api/alerts?limit=0", 422),
        ("/api/alerts?limit=1001", 422),
        (f"/api/alerts?area={'x' * 65}", 422),
        (f"/api/stream?last_event_id={SECRET * 9}", 422),
        (f"/{SECRET}", 404),
        (f"/static/{SECRET}", 404),
        ("/static/..%2f..%2fapi.py", 404),
        ("/docs", 404),
    ],
)
def test_errors_are_problems_that_echo_nothing(feed: Feed, path: str, status: int) -> None:
    answer = get(feed, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert set(problem) == {"type", "title", "status", "detail"}
    assert SECRET not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(feed: Feed, method: str) -> None:
    answer = get(feed, "/api/alerts", method=method)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/", "/api/alerts", "/api/nothing", "/live", "/metrics", "/static/page.js", "/api/areas.geojson"])
def test_every_answer_has_the_security_headers(feed: Feed, path: str) -> None:
    headers = get(feed, path).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    assert "access-control-allow-origin" not in headers


def test_a_failure_is_a_problem_too(feed: Feed) -> None:
    def broken() -> dict[str, bool]:
        raise RuntimeError(SECRET)

    answer = get(feed, "/ready", health=broken)
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_areas_are_told_with_their_worst_alert(feed: Feed) -> None:
    rows = {row["code"]: row for row in get(feed, "/api/areas").json()["areas"]}
    assert list(rows) == ["city", "d1", "d1a", "d1a1", "d1b", "d1c", "d2"]
    assert (rows["d1"]["band"], rows["d1"]["alerts"]) == ("red", 2)
    assert (rows["d2"]["risk"], rows["d2"]["alerts"]) == (40, 2)
    assert (rows["d1b"]["band"], rows["d1a"]["parent"]) == ("orange", "d1")
    geojson = get(feed, "/api/areas.geojson")
    assert geojson.headers["content-type"] == "application/geo+json"
    assert [feature["properties"]["band"] for feature in geojson.json()["features"]][:2] == ["red", "red"]


def test_ready_says_what_is_missing() -> None:
    feed = Feed(View(AREAS))
    assert get(feed, "/live").json() == {"live": True}
    answer = get(feed, "/ready", health=lambda: {"recovered": True, "sinks_writing": False, "behind": 0})
    assert answer.status_code == 503
    assert answer.json()["waiting_for"] == ["feed_loaded", "sinks_writing"]
    feed.load([], 0)
    answer = get(feed, "/ready", health=lambda: {"recovered": True, "sinks_writing": True, "behind": 0})
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert answer.json()["behind"] == 0, "a number is told, it is no condition"
    feed.close()
    assert get(feed, "/ready").json()["waiting_for"] == ["feed_open"]


def test_metrics_are_openmetrics(feed: Feed) -> None:
    answer = get(feed, "/metrics")
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text == "# EOF\n"


def test_the_description_of_the_api_names_every_path(feed: Feed) -> None:
    paths = get(feed, "/api/openapi.json").json()["paths"]
    assert set(paths) == {
        "/api/alerts",
        "/api/alerts/{alert_id}",
        "/api/areas",
        "/api/areas.geojson",
        "/api/stream",
        "/live",
        "/ready",
        "/metrics",
    }


def test_the_list_follows_what_is_written(feed: Feed) -> None:
    feed.write(Batch(alerts=(placed("new", "d1", 99.0),)))
    assert ids(get(feed, "/api/alerts?limit=1")) == ["new"]
