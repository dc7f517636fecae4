"""Whoever sees a part of the city is shown nothing of the rest, whatever they ask for and whatever comes on their stream.

Everything outside bears a mark. ``SCOPED_REQUESTS=10000`` asks more often than ``make test`` does.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from sinks.base import Batch
from sinks.checks import alert, transition
from sinks.cockpit.access import Caller, Sight
from sinks.cockpit.feed import Feed
from sinks.cockpit.users import digest
from sinks.cockpit.views import View
from streams.model import Alert, Area, Command, Duty, Outcome, Signal
from tests.sinks.signing import Cockpit, bearer

replace = msgspec.structs.replace
MARK = "Qz7Xk"
REQUESTS = int(os.environ.get("SCOPED_REQUESTS", "1000"))
INSIDE = ("d1", "d1a", "d1a1", "d1b")
OUTSIDE = tuple(f"{MARK}{n}" for n in range(4))
AREAS = (
    Area("city", "Testcity", 0, None),
    Area("d1", "North", 1, "city"),
    Area("d1a", "North Bank", 2, "d1"),
    Area("d1a1", "Mill Lane", 3, "d1a"),
    Area("d1b", "North Hill", 2, "d1"),
    Area(OUTSIDE[0], f"{MARK} South", 1, "city", geometry=orjson.dumps({"type": "Point", "coordinates": [1, 2], "of": MARK}).decode()),
    Area(OUTSIDE[1], f"{MARK} Quay", 2, OUTSIDE[0]),
    Area(OUTSIDE[2], f"{MARK} Lane", 3, OUTSIDE[1]),
    Area(OUTSIDE[3], f"{MARK} Hill", 2, OUTSIDE[0]),
)
SIGNALS = (Signal("noise", "Noise", "noise"), Signal(f"gas_{MARK}", f"{MARK} gas", "gas"))
USERS = {"d1": bearer("north-on"), "*": bearer("gateway-on")}


class Town:
    """Alerts inside, outside and across, and a reader of each scope's stream."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.position = 0
        self.alerts: dict[str, Alert] = {}
        self.history: list[tuple[int, Any]] = []
        self.feed = Feed(
            View(AREAS, SIGNALS), history=lambda after, limit: [pair for pair in self.history if pair[0] > after][:limit], ring_frames=64
        )
        self.feed.load([], 0)
        self.cockpit = Cockpit(folder, areas=AREAS, users=USERS_FILE, feed=self.feed)

    def happens(self) -> None:
        """An alert begins, grows, loses members or ends; now and then the outcome of a command."""
        kind = self.rng.choice(("inside", "outside", "across", "moves"))
        name = f"{kind}-{self.rng.randrange(8)}" + (MARK if kind == "outside" else "")
        areas = {"inside": INSIDE, "outside": (*OUTSIDE, "city"), "across": (*INSIDE, *OUTSIDE, "city")}
        places = areas.get(kind) or self.rng.choice((INSIDE, OUTSIDE))
        known = self.alerts.get(name)
        made = placed(self.rng, name, known.seq + 1 if known else 0, places, state=self.rng.choice(("open", "open", "open", "cleared")))
        self.position += 1
        went = replace(transition(made), what=f"{self.rng.choice(places)}/water")
        steps = ((self.position, went),) if self.rng.random() < 0.7 else ()
        other = Command(f"{MARK}-{self.position}", 1, f"{MARK}-anna", "resolve", "{}")
        own = Command(f"c-{self.position}", 1, "north", "resolve", "{}")
        silence = Command(f"s-{self.position}{MARK if kind == 'outside' else ''}", 1, "bo", "silence", silenced(self.rng.choice(places)))
        outcome = Outcome(self.rng.choice((other, own, silence)), self.rng.choice(("", "unknown_alert")))
        self.feed.write(Batch(transitions=steps, alerts=(made,), outcomes=((None, outcome),)))
        self.history += steps
        self.alerts[name] = made
        self.cockpit.audit.saw(f"{MARK}-op", "operator", "alert", f"a{MARK}", OUTSIDE[1])

    def request(self) -> tuple[str, str, dict[str, Any]]:
        """Something that a curious program asks."""
        rng, name = self.rng, self.rng.choice([*self.alerts, "a0", f"{MARK}-{self.position}", f"c-{self.position}"])
        area = rng.choice([*INSIDE, *OUTSIDE, "city", "nowhere"])
        kinds: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "/api/alerts", {"params": {"area": area, "state": rng.choice(("open", "cleared", "no_data"))}}),
            ("GET", "/api/alerts", {"params": {"limit": rng.randrange(-1, 5)}}),
            ("GET", f"/api/alerts/{name}", {}),
            ("GET", "/api/areas", {}),
            ("GET", "/api/areas.geojson", {}),
            ("GET", f"/api/commands/{name}", {}),
            ("POST", "/api/commands", {"json": command(rng, name, area)}),
            ("GET", f"/api/alerts/{name}/transitions", {}),
            ("GET", "/api/transitions", {"params": {"since_s": 0}}),
            ("GET", "/api/silences", {}),
            ("POST", "/api/silences/preview", {"json": {"area": area}}),
            ("GET", f"/api/cap/{name}.xml", {}),
            ("GET", "/api/alerts.geojson", {}),
            ("GET", "/api/events", {"params": {"after": rng.randrange(self.position + 1)}}),
            ("GET", "/api/v2/alerts", {}),
            ("GET", "/api/audit", {"params": {"limit": 5}}),
            ("GET", "/api/session", {}),
            ("GET", "/metrics", {}),
            ("GET", "/api/openapi.json", {}),
            ("GET", f"/api/{name}", {}),
        ]
        return rng.choice(kinds)


USERS_FILE = f"""
users:
  north: {{role: commander, scope: [d1], tokens: {{on: {{sha256: {digest("north-on")}, expires: "2027-01-01"}}}}}}
  gateway: {{role: commander, scope: ["*"], tokens: {{on: {{sha256: {digest("gateway-on")}, expires: "2027-01-01"}}}}}}
"""


def placed(rng: random.Random, name: str, seq: int, places: tuple[str, ...], **changes: Any) -> Alert:
    made = alert(name, seq, risk=rng.choice((10.0, 50.0, 90.0)))
    members = []
    for at in rng.sample(places, rng.randrange(1, 4)):
        hidden = at not in INSIDE
        told = f"{MARK} at {at}" if hidden else f"seen in {at}"
        signal = f"gas_{MARK}" if hidden else "noise"
        members.append(replace(made.members[0], area=at, signal=signal, why=told, risk=rng.uniform(1, 99)))
    lead = max(members, key=lambda member: member.risk)
    return replace(
        made,
        area=rng.choice(places),
        members=tuple(members),
        signals=tuple(sorted({member.signal for member in members})),
        why=lead.why,
        duty=Duty(rng.choice([*places, "city"]), "water", 1, 2),
        **changes,
    )


def silenced(area: str) -> str:
    return orjson.dumps({"area": area, "until_s": 2_000_000_000}).decode()


def command(rng: random.Random, name: str, area: str) -> dict[str, Any]:
    kind, body = rng.choice(
        [
            ("acknowledge", {"alert": name}),
            ("comment", {"alert": name, "text": "what is it"}),
            ("silence", {"area": area, "until_s": 2_000_000_000}),
            ("unsilence", {"silence": name}),
        ]
    )
    return {"kind": kind, "body": body}


async def asked(town: Town, requests: int) -> list[tuple[str, str]]:
    """(where, what) of every mark that the user of d1 came to see."""
    seen: list[tuple[str, str]] = []
    transport = httpx.ASGITransport(town.cockpit.app)
    who = town.cockpit.keeper.enter("GET", {"authorization": "Bearer north-on"})
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=USERS["d1"]) as client:
        opening = town.feed.subscribe(None, who)
        assert opening is not None
        told = opening.frames
        for number in range(requests):
            if number % 3 == 0:
                town.happens()
            method, path, options = town.request()
            answer = await client.request(method, path, **options)
            assert answer.status_code < 500, (method, path, answer.text)
            if MARK in answer.text or MARK in str(answer.headers):
                seen.append((f"{method} {path.split('/')[2:3]}", answer.text))
            town.feed._flush()
            told += town.feed.take(opening.subscriber)
            if number % 50 == 0:
                last = str(town.rng.choice((town.position, town.position - 3, max(0, town.position - 200), -5, 10**6)))
                again = town.feed.subscribe(last, who)
                assert again is not None
                told += again.frames + (await town.feed.replay(again) if again.replay_after is not None else b"")
                town.feed.unsubscribe(again.subscriber)
    assert told.count(b"event: transition") > requests // 20
    seen += [("stream", event) for event in told.decode().split("\n\n") if MARK in event]
    return seen


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[[int], Town]]:
    towns: list[Town] = []

    def make(seed: int) -> Town:
        towns.append(Town(tmp_path, seed))
        return towns[-1]

    yield make
    for town in towns:
        town.cockpit.audit.close()


def test_however_often_one_asks_nothing_of_the_rest_is_told(made: Callable[[int], Town]) -> None:
    assert asyncio.run(asked(made(7), REQUESTS)) == []


FAULTS: dict[str, tuple[Any, str, Any]] = {
    "alerts are not narrowed": (Sight, "narrow", lambda _, given: given),
    "alerts across are shown whole": (Sight, "narrow", lambda self, given: given if self.sees_alert(given) else None),
    "every area is seen": (Sight, "sees", lambda _, _area: True),
    "every area is named": (Sight, "names", lambda _, _area: True),
    "steps are not narrowed": (Sight, "step", lambda _, step, _known: step),
    "outcomes are everybody's": (Caller, "hears", lambda _, _actor: True),
    "the audit is not narrowed": (Caller, "may_see", lambda _, _area: True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_leak_would_be_seen(made: Callable[[int], Town], monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr(*FAULTS[fault])
    assert asyncio.run(asked(made(7), 300))


def test_the_whole_city_is_told_of_all_of_it(made: Callable[[int], Town]) -> None:
    town = made(3)
    for _ in range(30):
        town.happens()
    answer = town.cockpit.ask("GET", "/api/alerts", headers=USERS["*"])
    assert MARK in answer.text
    assert len(answer.json()["alerts"]) == sum(each.state == "open" for each in town.alerts.values())


@pytest.mark.parametrize(
    "kind, body",
    [
        ("acknowledge", {"alert": "south"}),
        ("acknowledge", {"alert": "a-nothing"}),
        ("silence", {"area": OUTSIDE[0], "until_s": 2_000_000_000}),
        ("silence", {"area": "nowhere", "until_s": 2_000_000_000}),
        ("silence", {"area": "city", "until_s": 2_000_000_000}),
        ("unsilence", {"silence": "s-south"}),
        ("unsilence", {"silence": "s-nothing"}),
    ],
)
def test_what_lies_outside_is_as_if_it_were_not_there(made: Callable[[int], Town], kind: str, body: dict[str, Any]) -> None:
    town = made(1)
    town.feed.load([placed(town.rng, "south", 0, OUTSIDE), placed(town.rng, "north", 0, INSIDE)], 0)
    silence = Command("s-south", 1, "bo", "silence", orjson.dumps({"area": OUTSIDE[0], "until_s": 2_000_000_000}).decode())
    town.feed.write(Batch(outcomes=((None, Outcome(silence)),)))
    answer = town.cockpit.ask("POST", "/api/commands", json={"kind": kind, "body": body}, headers=USERS["d1"])
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no such alert, area or silence")
    assert town.cockpit.taken == []


@pytest.mark.parametrize(
    "kind, body",
    [
        ("acknowledge", {"alert": "north"}),
        ("silence", {"area": "d1a", "until_s": 2_000_000_000}),
        ("unsilence", {"silence": "s-north"}),
    ],
)
def test_what_lies_inside_is_taken_as_the_caller_s(made: Callable[[int], Town], kind: str, body: dict[str, Any]) -> None:
    town = made(1)
    town.feed.load([placed(town.rng, "north", 0, INSIDE)], 0)
    silence = Command("s-north", 1, "bo", "silence", orjson.dumps({"area": "d1b", "until_s": 2_000_000_000}).decode())
    town.feed.write(Batch(outcomes=((None, Outcome(silence)),)))
    answer = town.cockpit.ask("POST", "/api/commands", json={"id": "c-1", "kind": kind, "body": body}, headers=USERS["d1"])
    assert answer.status_code == 202, answer.text
    assert [(given.actor, given.kind) for given in town.cockpit.taken] == [("north", kind)]
    actor, action, subject = town.cockpit.actions()[-1]
    assert (actor, action, subject.split()[0]) == ("north", "command", kind)


@pytest.mark.parametrize("area, status", [("d1a", 200), ("city", 200), (OUTSIDE[0], 404), ("nowhere", 404)])
def test_an_area_outside_is_as_if_it_were_not_there(made: Callable[[int], Town], area: str, status: int) -> None:
    answer = made(1).cockpit.ask("GET", f"/api/alerts?area={area}", headers=USERS["d1"])
    assert answer.status_code == status
    assert status == 200 or answer.json()["detail"] == "this city has no such area"


def test_an_alert_that_leaves_the_scope_is_told_to_be_gone(made: Callable[[int], Town]) -> None:
    town = made(1)
    here, there = placed(town.rng, "moves", 0, INSIDE), placed(town.rng, "moves", 1, OUTSIDE)
    town.feed.load([here], 0)

    async def told(who: Caller) -> bytes:
        opening = town.feed.subscribe(None, who)
        assert opening is not None
        town.feed.write(Batch(transitions=((1, transition(there)),), alerts=(there,)))
        town.feed._flush()
        return town.feed.take(opening.subscriber)

    gone = asyncio.run(told(town.cockpit.keeper.enter("GET", {"authorization": "Bearer north-on"})))
    assert gone == b'id: 1\nevent: gone\ndata: {"id":"moves"}\n\n'
