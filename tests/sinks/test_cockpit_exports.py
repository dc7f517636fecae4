"""The exports as routes: each within its caller's scope, none with what people may not see."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from sinks.base import Batch
from sinks.checks import AREAS, SIGNALS, Open, alert, caller, transition
from sinks.cockpit.api import create_app
from sinks.cockpit.deliveries import Deliveries, deliveries_router
from sinks.cockpit.exports import Outward, exports_router
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from streams.model import Alert, Transition
from tests.sinks.cap_rules import faults

replace = msgspec.structs.replace
PATHS = ("/api/alerts.geojson", "/api/events", "/api/v2/alerts", "/api/cap/south.xml")


def at(alert_id: str, area: str, seq: int = 0) -> Alert:
    given = alert(alert_id, seq)
    return replace(given, area=area, members=(replace(given.members[0], area=area),))


STEPS: list[tuple[int, Transition]] = [
    (1, transition(at("north", "d1a", 0))),
    (2, transition(at("south", "d2", 0))),
    (3, transition(at("north", "d1a", 1))),
]


def history(after: int, limit: int) -> list[tuple[int, Transition]] | None:
    return None if after < -1 else [pair for pair in STEPS if pair[0] > after][:limit]


def get(path: str, *, scope: list[str] | None = None, exercise: bool = False, role: Any = "admin") -> httpx.Response:
    feed = Feed(View(AREAS, SIGNALS))
    feed.load((), 0)
    feed.write(Batch(transitions=tuple(STEPS), alerts=(at("north", "d1a", 1), at("south", "d2"))))
    app = create_app(feed, AREAS, dict, gate=Open(caller(scope or ["city"], role=role)))
    app.include_router(exports_router(feed, Outward("testcity", "Testcity", SIGNALS, history, exercise)))
    app.include_router(deliveries_router(Deliveries(lambda limit: [{"hook": "desk", "key": "a/0"}][:limit], lambda: {("desk", "dead"): 2})))

    async def one() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            return await client.get(path)

    return asyncio.run(one())


def test_an_update_in_cap_refers_to_the_steps_before_it() -> None:
    answer = get("/api/cap/north.xml")
    assert answer.headers["content-type"] == "application/cap+xml"
    assert faults(answer.content) == []
    assert "<msgType>Update</msgType>" in answer.text
    assert "<references>tocsin.testcity,north.0,2015-01-23T09:00:00-00:00</references>" in answer.text
    assert "<status>Actual</status>" in answer.text
    assert "<status>Exercise</status>" in get("/api/cap/north.xml", exercise=True).text
    assert "42" not in answer.text.split("<description>")[1], "counts of streets are rounded"


def test_geojson_events_and_alertmanagers_list() -> None:
    features = {feature["id"] for feature in get("/api/alerts.geojson").json()["features"]}
    assert features == {"north", "south"}
    events = get("/api/events")
    assert events.headers["content-type"] == "application/cloudevents-batch+json"
    assert [event["id"] for event in events.json()] == ["north/0", "south/0", "north/1"]
    assert events.headers["x-next-after"] == "3"
    assert [event["id"] for event in get("/api/events?after=1&limit=1").json()] == ["south/0"]
    assert {each["labels"]["alert_id"] for each in get("/api/v2/alerts").json()} == {"north", "south"}


@pytest.mark.parametrize("path", PATHS)
def test_nothing_outside_the_scope_is_told(path: str) -> None:
    assert "South" in get(path).text, "or the test sees nothing"
    narrow = get(path, scope=["d1"])
    assert "South" not in narrow.text
    assert '"d2"' not in narrow.text
    assert narrow.status_code == (404 if "cap" in path else 200)


def test_no_exact_count_of_a_street_is_in_any_export() -> None:
    for path in (*PATHS[:3], "/api/cap/north.xml"):
        text = get(path, scope=["d1"]).text
        assert ": 42 in the last" not in text, path
    (feature,) = get("/api/alerts.geojson", scope=["d1"]).json()["features"]
    assert feature["properties"]["lead"]["observed"] == 40


def test_deliveries_are_for_those_who_command_the_whole_city() -> None:
    told = get("/api/deliveries").json()
    assert told == {"hooks": {"desk": {"dead": 2}}, "receipts": [{"hook": "desk", "key": "a/0"}], "alertmanager": None}
    assert get("/api/deliveries", role="operator").status_code == 403
    assert get("/api/deliveries", scope=["d1"]).status_code == 403


def test_the_exports_are_described() -> None:
    described = orjson.loads(get("/api/openapi.json").content)
    assert described["openapi"].startswith("3.1")
    for path in ("/api/cap/{alert_id}.xml", "/api/alerts.geojson", "/api/events", "/api/v2/alerts", "/api/deliveries", "/api/alerts"):
        responses = described["paths"][path]["get"]["responses"]
        for status in ("401", "403", "503"):
            assert set(responses[status]["content"]) == {"application/problem+json"}, (path, status)
        assert "422" not in responses or set(responses["422"]["content"]) == {"application/problem+json"}
