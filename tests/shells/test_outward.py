"""The past, the figures and the exports of a whole small town: played through the engine into chDB, asked over HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from sinks.checks import Open
from sinks.clickhouse.chdb_sink import ChdbSink
from sinks.cockpit.access import Caller, Sight
from sinks.cockpit.api import create_app
from sinks.cockpit.views import Places
from streams.model import DAY_S
from streams.shells.opening import Opened
from streams.shells.outward import Behind, add_outward, archive_of
from tests.shells.small import START_S, days, small_city
from tests.sinks.cap_rules import faults

NOW_S = START_S + 4 * DAY_S


class Silent:
    """An audit that keeps nothing."""

    def did(self, *_: Any) -> None: ...

    def saw(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    city, folder = small_city(("hotline",)), tmp_path_factory.mktemp("town")
    tables = ChdbSink(folder / "chdb", areas=city.areas, signals=city.signals, suppress_below=city.suppress_below)
    opened = Opened(city, folder, durability="off", now_s=START_S, sinks=[tables])
    for at, data in days(2.6, bursts=(60, 61)):
        opened.engine.desk.ingest("hotline", [data], at)
    opened.engine.drain(NOW_S)
    yield opened
    opened.close()


def get(town: Opened, path: str, *, now_s: int = NOW_S) -> httpx.Response:
    city = town.engine.city
    sight = Sight(Places(city.areas), ("*",))
    app = create_app(town.feed, city.areas, dict, gate=Open(Caller("anna", "admin", sight, Silent())))
    add_outward(app, city, town.feed, lambda: now_s, Behind(archive_of(town.sinks), town.history, exercise=True))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            return await client.get(path)

    answer = asyncio.run(ask())
    assert answer.status_code == 200, answer.text
    return answer


def test_the_past_has_what_was_played(town: Opened) -> None:
    city = next(area.code for area in town.engine.city.areas if area.parent is None)
    past = get(town, f"/api/areas/{city}/past?days=5").json()
    assert max(n for series in past["series"] for n in series["n"]) > 10, "the burst"
    assert {alert["id"] for alert in past["alerts"]} >= {held.alert.id for held in town.feed.open_alerts()}
    assert past["risk"]


def test_quality_and_freshness_agree_with_intake(town: Opened) -> None:
    quality = get(town, "/api/quality?days=5").json()
    assert sum(row["accepted"] for row in quality["sources"]) > 0
    (source,) = get(town, "/api/sources").json()["sources"]
    assert source["source"] == "hotline"
    assert source["lag_s"] == 0, "a past that is played is as fresh as its newest record"
    soon = get(town, "/api/sources", now_s=source["newest_s"] + 1000).json()["sources"]
    assert soon[0]["lag_s"] == 1000


def test_the_index_counts_each_alert_once(town: Opened) -> None:
    rows = get(town, "/api/index?days=5").json()["rows"]
    assert sum(row["alerts"] for row in rows) == len(town.feed.open_alerts()) + len(town.feed.finished_alerts())
    assert all(row["hidden"] for row in rows), "nobody has acted"
    assert get(town, "/api/bias").json()["rows"]


def test_every_alert_leaves_in_every_form(town: Opened) -> None:
    alerts = [held.alert for held in town.feed.open_alerts()]
    assert alerts
    for alert in alerts:
        message = get(town, f"/api/cap/{alert.id}.xml")
        assert faults(message.content) == []
        assert "<status>Exercise</status>" in message.text
        assert "Public" not in message.text
    assert {each["id"] for each in get(town, "/api/alerts.geojson").json()["features"]} == {alert.id for alert in alerts}
    assert len(get(town, "/api/v2/alerts").json()) == len(alerts)
    events = orjson.loads(get(town, "/api/events?after=-1&limit=500").content)
    assert {event["subject"] for event in events} >= {alert.id for alert in alerts}


def test_no_sentence_of_a_small_area_bears_an_exact_count(town: Opened) -> None:
    small = [area.name for area in town.engine.city.areas if area.level >= 2]
    texts = [get(town, path).text for path in ("/api/alerts.geojson", "/api/events?after=-1", "/api/v2/alerts", "/api/alerts")]
    texts += [row["why"] for row in town.sinks[1].query("SELECT why FROM v_alerts UNION ALL SELECT why FROM v_transitions")]  # type: ignore[attr-defined]
    for name in small:
        assert not any(re.search(rf"{re.escape(name)}: [\d.]+ in the last", text) for text in texts)
