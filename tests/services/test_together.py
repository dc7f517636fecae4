"""``tocsin up --kafka``: one command, every process of it killed once, a person's word on the way; and all of it gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from load_tests.chaos_town import DAYS, SOURCES, START_S, Item, make, write_town
from load_tests.credentials import program
from load_tests.services.process import free_ports
from streams.model import DAY_S, HOUR_S
from tests.services.conftest import Place
from tests.services.pipeline import Child, produce, until

pytestmark = pytest.mark.needs("kafka")

CHILDREN = ("intake-1", "assess-1", "cockpit")


class Together:
    """The children of one ``tocsin up``."""

    def __init__(self, place: Place, *more: str) -> None:
        self.place = place
        self.settings = write_town(place.folder / "town")
        self.state = place.folder / "state"
        self.headers = program(self.state)
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        where = ("--city", str(self.settings), "--state", str(self.state), "--port", str(port))
        bootstrap = place.environ["TOCSIN_KAFKA_BOOTSTRAP"]
        self.up = Child(place, "up", "--kafka", bootstrap, *where, "--partitions", "2", "--no-clickhouse", *more)

    def pids(self) -> dict[str, int]:
        """The newest of each child."""
        return {str(row["child"]): int(str(row["pid"])) for row in self.up.said("child_started")}

    def get(self, path: str) -> Any:
        try:
            answer = httpx.get(f"{self.url}{path}", headers=self.headers, timeout=10)
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def flooded(self) -> Any:
        """The alert of the flood, once there is one."""
        told = self.get("/api/alerts") or {"alerts": []}
        return next((each for each in told["alerts"] if each["area"] == "D1S2" and each["state"] == "open"), None)

    def give(self, items: list[Item]) -> None:
        for source in SOURCES:
            produce(self.place, source, [item.payload for item in items if item.source == source])

    def say(self, kind: str, body: dict[str, Any], command_id: str) -> int:
        asked = {"id": command_id, "actor": "anna", "kind": kind, "body": body}
        return httpx.post(f"{self.url}/api/commands", json=asked, headers=self.headers, timeout=10).status_code


def gone(pids: list[int]) -> Callable[[], bool]:
    return lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids)


def flood() -> list[Item]:
    """Sixty calls about one street in half an hour, behind all records of ``make``; then a quiet hour that both sources have come through."""
    begin_s = START_S + DAYS * DAY_S
    calls = [("hotline", f"F{number}", begin_s + 30 * number) for number in range(60)]
    after = [(source, f"{source}-{hour}", begin_s + hour * HOUR_S) for hour in (1, 2) for source in SOURCES]
    return [
        Item(source, orjson.dumps({"no": name, "at": _at(at_s), "where": "D1S2", "what": "FLOODING"}))
        for source, name, at_s in calls + after
    ]


def _at(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()


def acknowledged(town: Together) -> bool:
    """Acknowledge the flood as it is shown now: while windows are still taken up its series may become part of another alert."""
    shown = town.flooded()
    if not shown:
        return False
    command = f"ack-{shown['id']}"
    if town.say("acknowledge", {"alert": shown["id"]}, command) != 202:
        return False
    until(lambda: town.get(f"/api/commands/{command}"), "the outcome is known", 60)
    return bool(town.get(f"/api/commands/{command}")["refusal"] == "")


@pytest.mark.timeout(240)
def test_everything_runs_is_killed_and_runs_again(place: Place):
    town = Together(place)
    with town.up as up:
        until(lambda: town.get("/ready"), "it is ready", 90)
        before = town.pids()
        assert tuple(before) == CHILDREN
        town.give(make(2_000, seed=5))
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        until(lambda: set(town.pids().values()).isdisjoint(before.values()), "each runs again", 90)
        ended = sorted((str(row["child"]), row["status"]) for row in up.said("child_ended"))
        assert ended == [(name, "SIGKILL") for name in sorted(CHILDREN)]
        town.give(flood())
        until(lambda: acknowledged(town), "the flood is shown and acknowledged", 120)
        until(lambda: (town.flooded() or {"owner": ""})["owner"] == "anna", "the alert has an owner", 30)
        after = list(town.pids().values())
        assert up.ended() is None
        assert up.stop() == 0
        assert gone([*before.values(), *after])()


def test_a_child_that_cannot_run_like_this_ends_everything(place: Place):
    town = Together(place)
    with socket.create_server(("127.0.0.1", int(town.url.rsplit(":", 1)[1]))), town.up as up:
        assert up.wait() == 2
    said = up.log.read_text()
    assert "give another one to --port" in said
    assert "cockpit cannot be run like this (status 2)" in said.splitlines()[-1]
    assert gone(list(town.pids().values()))()


def test_waiting_for_a_broker_can_be_stopped(tmp_path: Path):
    (port,) = free_ports(1)
    town = Together(Place({"TOCSIN_KAFKA_BOOTSTRAP": f"127.0.0.1:{port}"}, tmp_path))
    with town.up as up:
        until(lambda: up.said("broker_away"), "it says that nobody answers", 120)
        assert up.stop() == 0
    assert town.pids() == {}


def test_children_are_gone_when_the_one_that_keeps_them_is_killed(place: Place):
    town = Together(place)
    with town.up as up:
        until(lambda: len(town.pids()) == len(CHILDREN), "all have been started", 120)
        pids = list(town.pids().values())
        up.kill()
    until(gone(pids), "they are gone", 10)
