"""One stream, several scopes: each reader hears of their own areas, frames are encoded once a scope, and a reader who may no more is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from sinks.base import Batch
from sinks.checks import AREAS, SIGNALS, Open, alert, caller, transition
from sinks.cockpit import frames
from sinks.cockpit.access import Caller
from sinks.cockpit.api import create_app
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from streams.model import Alert, Command, Outcome

replace = msgspec.structs.replace
NORTH, SOUTH = caller(["d1"], role="operator", actor="anna"), caller(["d2"], role="operator", actor="bo")
CITY, NOBODY = caller(["*"], role="commander", actor="eva"), caller([], role="viewer", actor="cy")
HEARS = {"anna": NORTH, "bo": SOUTH, "eva": CITY, "cy": NOBODY}


class Door(Open):
    """Lets in whoever the header names; ``closed`` to those whose time is over."""

    closed: frozenset[str] = frozenset()

    def enter(self, method: str, headers: Any) -> Caller:
        return HEARS[headers["authorization"]]

    def holds(self, caller: Caller) -> bool:
        return caller.actor not in self.closed


def placed(name: str, seq: int, area: str, *members: str) -> Alert:
    made = alert(name, seq)
    return replace(made, area=area, members=tuple(replace(made.members[0], area=at, why=f"why {at}") for at in members or (area,)))


def told(position: int, made: Alert) -> Batch:
    return Batch(transitions=((position, transition(made)),), alerts=(made,))


BATCHES = (
    told(1, placed("north", 0, "d1")),
    told(2, placed("south", 0, "d2")),
    told(3, placed("across", 0, "city", "d1a", "d2")),
    Batch(alerts=(placed("north", 1, "d1b"),)),
    Batch(outcomes=((None, Outcome(Command("c-anna", 1, "anna", "resolve", "{}"))),)),
    Batch(outcomes=((None, Outcome(Command("c-bo", 1, "bo", "resolve", "{}"))),)),
    told(4, placed("last", 0, "city", "d1", "d2")),
)


def read(url: str, actor: str, upto: str, feed: Feed, write: Callable[[], None]) -> list[tuple[str, str]]:
    """(event, what about) until the alert ``upto`` has been told of."""
    found: list[tuple[str, str]] = []
    with httpx.stream("GET", f"{url}/api/stream", headers={"Authorization": actor}, timeout=10) as response:
        kind = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                data = orjson.loads(line[6:])
                about = data.get("alert") or data
                if kind == "snapshot":
                    write()
                else:
                    found.append((kind, about["id"]))
                if about.get("id") == upto:
                    return found
    return found


@pytest.mark.parametrize(
    "actor, expected",
    [
        ("anna", [("transition", "north"), ("transition", "across"), ("update", "north"), ("outcome", "c-anna"), ("transition", "last")]),
        ("bo", [("transition", "south"), ("transition", "across"), ("outcome", "c-bo"), ("transition", "last")]),
        (
            "eva",
            [
                ("transition", "north"),
                ("transition", "south"),
                ("transition", "across"),
                ("update", "north"),
                ("outcome", "c-anna"),
                ("outcome", "c-bo"),
                ("transition", "last"),
            ],
        ),
    ],
)
def test_each_hears_of_their_own_areas_and_commands(serve: Any, actor: str, expected: list[tuple[str, str]]) -> None:
    feed = Feed(View(AREAS, SIGNALS))
    feed.load([], 0)
    url = serve(create_app(feed, AREAS, dict, gate=Door()))

    def write() -> None:
        for each in BATCHES:
            feed.write(each)

    assert read(url, actor, "last", feed, write) == expected


def taken(feed: Feed, who: Caller, last: str | None = "0") -> list[tuple[str, dict[str, Any]]]:
    async def take() -> bytes:
        opening = feed.subscribe(last, who)
        assert opening is not None
        feed.unsubscribe(opening.subscriber)
        return opening.frames

    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in asyncio.run(take()).decode().split("\n\n") if block]
    return [(block["event"], orjson.loads(block["data"])) for block in blocks]


@pytest.fixture
def feed() -> Feed:
    feed = Feed(View(AREAS, SIGNALS))
    feed.load([], 0)
    for each in BATCHES:
        feed.write(each)
    return feed


def test_of_what_lies_across_each_is_told_their_part(feed: Feed) -> None:
    for who, place in ((NORTH, "Noise, North Bank"), (SOUTH, "why d2")):
        event = next(data for kind, data in taken(feed, who) if kind == "transition" and data["alert"]["id"] == "across")
        assert event["alert"]["why"].startswith(place)
        assert (event["alert"]["members"], event["alert"]["members_outside"]) == (1, 1)
    whole = next(data for kind, data in taken(feed, CITY) if kind == "transition" and data["alert"]["id"] == "across")
    assert whole["alert"]["members"] == 2


def test_a_snapshot_holds_a_scope_s_alerts_and_is_made_once(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = frames.event
    monkeypatch.setattr(frames, "event", lambda kind, *rest: made.append(kind) or real(kind, *rest))
    for _ in range(3):
        for who, expected in ((NORTH, {"north", "across", "last"}), (SOUTH, {"south", "across", "last"}), (NOBODY, set())):
            ((_, data),) = taken(feed, who, None)
            assert {each["id"] for each in data["alerts"]} == expected
    assert made == ["snapshot"] * 3
    feed.write(told(5, placed("more", 0, "d1")))
    assert {each["id"] for each in taken(feed, NORTH, None)[0][1]["alerts"]} == {"north", "across", "last", "more"}


def test_a_part_is_encoded_once_for_all_readers_of_a_scope(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = frames.event
    monkeypatch.setattr(frames, "event", lambda kind, *rest: made.append(kind) or real(kind, *rest))
    first = taken(feed, NORTH)
    assert made == ["transition", "transition"], "the two that lie across; of the rest the text is there"
    other = NORTH._replace(actor="cy")
    again = taken(feed, other)
    assert made == ["transition", "transition"]
    assert [each for each in first if each[0] != "outcome"] == again


def test_parts_and_snapshots_are_bounded(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "PARTS_MAX", 3)
    monkeypatch.setattr(frames, "SNAPSHOTS_MAX", 2)
    for scope in (["d1"], ["d2"], ["d1a"], ["d1b"]):
        taken(feed, caller(scope))
        taken(feed, caller(scope), None)
    assert len(feed._frames._parts) == 3
    assert len(feed._frames._snapshots) == 2


def test_the_stream_of_one_who_may_no_more_ends(serve: Any) -> None:
    feed, door = Feed(View(AREAS, SIGNALS)), Door()
    feed.load([], 0)
    url = serve(create_app(feed, AREAS, dict, gate=door, keep_alive_s=0.05))
    with httpx.stream("GET", f"{url}/api/stream", headers={"Authorization": "anna"}, timeout=10) as response:
        lines = response.iter_lines()
        next(lines)
        door.closed = frozenset({"anna"})
        feed.write(told(1, placed("north", 0, "d1")))
        rest = list(islice(lines, 100))
    assert len(rest) < 100, "it goes on"
    assert "north" not in "".join(rest), "nothing more is sent"


def test_a_reader_passes_by_what_is_not_for_them(feed: Feed) -> None:
    async def last() -> bytes:
        small = Feed(View(AREAS, SIGNALS), queue_frames=4)
        small.load([], 0)
        opening = small.subscribe(None, NORTH)
        assert opening is not None
        for n in range(1, 40):
            small.write(told(n, placed(f"s{n}", 0, "d2")))
        small.write(told(40, placed("north", 0, "d1")))
        small._flush()
        return small.take(opening.subscriber)

    assert asyncio.run(last()).startswith(b"id: 40\n")
