"""CloudEvents, GeoJSON and Alertmanager's form against what their specifications ask for."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson
import pytest

from sinks.alertmanager import ENDED_FOR_S, Pusher
from sinks.checks import AREAS, SIGNALS, START_S, alert, transition
from sinks.cockpit.views import View
from sinks.formats import alertmanager, cloudevents, geojson
from sinks.post import PostError, Target

VIEW = View(AREAS, SIGNALS)
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def summary(alert_id: str = "a", **changes: Any) -> dict[str, Any]:
    return VIEW.summary(msgspec.structs.replace(alert(alert_id, 1), **changes))


def test_a_cloudevent_has_what_the_specification_asks_for() -> None:
    told = cloudevents.event(VIEW.transition(transition(alert("a", 1))), cloudevents.source_of("boston"), 17)
    assert all(told[name] for name in ("id", "source", "specversion", "type"))
    assert told["specversion"] == "1.0"
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in told)
    assert RFC3339.fullmatch(told["time"])
    assert told["id"] != cloudevents.event(VIEW.transition(transition(alert("a", 2))), "/tocsin/boston")["id"]


def test_positions_sort_as_texts() -> None:
    events = cloudevents.batch([(n, VIEW.transition(transition(alert("a", 1)))) for n in (2, 10)], "/x")
    assert events[0]["sequence"] < events[1]["sequence"]


def test_geojson_is_of_the_standards_shape() -> None:
    told = geojson.collection([summary(), summary("b", area="d1")], {area.code: area.geometry for area in AREAS})
    data = orjson.loads(orjson.dumps(told))
    assert set(data) == {"type", "features"}
    assert [feature["geometry"] for feature in data["features"]] == [None, {"type": "Point", "coordinates": [-71.1, 42.3]}]
    assert [feature["id"] for feature in data["features"]] == ["a", "b"]


@pytest.mark.parametrize(
    "muted_by, state, silenced, inhibited",
    [("", "active", [], []), ("silence:s1", "suppressed", ["s1"], []), ("alert:x", "suppressed", [], ["x"])],
)
def test_alertmanagers_form(muted_by: str, state: str, silenced: list[str], inhibited: list[str]) -> None:
    told = alertmanager.listed(summary(), "boston", "http://127.0.0.1/", muted_by)
    assert set(told) == {"labels", "annotations", "startsAt", "endsAt", "updatedAt", "generatorURL", "fingerprint", "receivers", "status"}
    assert (told["status"]["state"], told["status"]["silencedBy"], told["status"]["inhibitedBy"]) == (state, silenced, inhibited)
    assert all(RFC3339.fullmatch(told[name]) for name in ("startsAt", "endsAt", "updatedAt"))
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) and isinstance(value, str) for name, value in told["labels"].items())


def test_labels_stay_the_same_while_an_alert_grows_worse() -> None:
    before, after = summary(), summary(band="red", risk=90.0, seq=7)
    assert alertmanager.posted(before, "c", "")["labels"] == alertmanager.posted(after, "c", "")["labels"]
    assert "endsAt" not in alertmanager.posted(before, "c", "")
    assert alertmanager.posted(summary(state="cleared"), "c", "")["endsAt"]


def test_a_pusher_says_what_is_open_each_time_and_for_a_while_what_has_ended() -> None:
    sent: list[list[dict[str, Any]]] = []
    shown, now = [summary("a"), summary("b")], [START_S]

    def send(target: Target, body: bytes, headers: Any) -> int:
        assert target.url == "http://127.0.0.1:9093/api/v2/alerts"
        sent.append(orjson.loads(body))
        return 200

    pusher = Pusher(Target("http://127.0.0.1:9093/"), lambda: shown, "c", "", lambda: now[0], send=send)
    pusher.step()
    pusher.step()
    assert [len(each) for each in sent] == [2, 2]
    del shown[0]
    pusher.step()
    assert {each["labels"]["alert_id"]: "endsAt" in each for each in sent[-1]} == {"a": True, "b": False}
    now[0] += ENDED_FOR_S + 1
    pusher.step()
    assert [each["labels"]["alert_id"] for each in sent[-1]] == ["b"]
    assert pusher.pushed.failures == 0


def test_a_push_that_failed_is_counted_and_the_next_says_it_all() -> None:
    def away(*_: Any) -> int:
        raise PostError("no_answer")

    pusher = Pusher(Target("http://127.0.0.1:1"), lambda: [summary()], "c", "", lambda: START_S, send=away)
    pusher.step()
    assert (pusher.pushed.failures, pusher.pushed.outcome) == (1, "no_answer")
