"""What a person says over HTTP, in one process: through the findings journal to decide, and back by the feed."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from load_tests.credentials import program
from sinks.checks import caller
from streams.core.journal import decode
from streams.core.people import BODIES, REFUSALS
from streams.model import DAY_S, Command
from streams.shells import cockpit
from streams.shells.access import open_access
from streams.shells.cockpit import build_app
from streams.shells.doors import Doors
from streams.shells.opening import Opened
from tests.shells.small import START_S, days, small_city

TOKEN = "t" * 32
NOW_S = START_S + 3 * DAY_S
ROOT = Path(__file__).parents[2]


class Town:
    """Smallville with an alert, its web application, and a pump that is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.opened = Opened(small_city(("hotline",)), folder, durability="off", now_s=START_S)
        for at, data in days(2.6, bursts=(60, 61)):
            self.opened.engine.desk.ingest("hotline", [data], at)
        self.pump()
        self.program = program(folder)
        self.access = open_access(folder, self.opened.engine.city.areas, Doors())
        self.app = build_app(self.opened, self.access, token=TOKEN, now_s=lambda: NOW_S)
        self.seen = str(self.opened.feed.last_id)

    def pump(self) -> None:
        self.opened.engine.drain(NOW_S)

    @property
    def alert(self) -> dict[str, Any]:
        return next(iter(self.get("/api/alerts").json()["alerts"]))

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, headers=self.program))

    def command(self, kind: str, body: dict[str, Any], command_id: str = "c-1", token: str = "") -> httpx.Response:
        asked = {"id": command_id, "actor": "anna", "kind": kind, "body": body}
        return asyncio.run(
            self._ask("POST", "/api/commands", json=asked, headers={"Authorization": f"Bearer {token}"} if token else self.program)
        )

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """(event, data) of what a reader has missed since the town began."""
        opening = asyncio.run(self._open())
        blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in opening.decode().split("\n\n") if block]
        return [(block["event"], json.loads(block["data"])) for block in blocks]

    async def _open(self) -> bytes:
        opening = self.opened.feed.subscribe(self.seen, caller())
        assert opening is not None
        self.opened.feed.unsubscribe(opening.subscriber)
        return opening.frames

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **options)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.access.close()
    made.opened.close()


def test_an_alert_is_acknowledged(town: Town):
    alert = town.alert
    assert alert["owner"] == ""
    answer = town.command("acknowledge", {"alert": alert["id"]})
    assert (answer.status_code, answer.json()) == (202, {"id": "c-1"})
    assert town.get("/api/commands/c-1").status_code == 404, "not decided on yet"
    town.pump()
    assert town.get("/api/commands/c-1").json() == {"id": "c-1", "kind": "acknowledge", "at_s": NOW_S, "refusal": ""}
    (kind, step), outcome = town.told()
    assert (kind, step["transition"]["reason"], step["transition"]["actor"], step["alert"]["owner"]) == (
        "transition",
        "acknowledged",
        "anna",
        "anna",
    )
    assert outcome == ("outcome", {"id": "c-1", "refusal": ""})
    assert town.alert["owner"] == "anna"


def test_a_command_that_is_sent_twice_is_obeyed_once(town: Town):
    name = town.alert["id"]
    for _ in range(2):
        assert town.command("comment", {"alert": name, "text": "on my way"}).status_code == 202
        town.pump()
    assert [kind for kind, _ in town.told()] == ["transition", "outcome"]


def test_what_decide_refuses_is_told_with_its_reason(town: Town):
    assert town.command("resolve", {"alert": "a" * 16}).status_code == 202
    town.pump()
    assert town.get("/api/commands/c-1").json()["refusal"] == "unknown_alert"
    assert town.told() == [("outcome", {"id": "c-1", "refusal": "unknown_alert"})]


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_the_example_of_every_kind_in_the_manual_fits(town: Town, kind: str):
    text = (ROOT / "docs" / "api.md").read_text()
    row = re.search(rf"^\| `{kind}` \| `(\{{.*?\}})` \|", text, re.MULTILINE)
    assert row, f"docs/api.md has no row for {kind}"
    assert town.command(kind, json.loads(row[1])).status_code == 202
    town.pump()
    assert town.get("/api/commands/c-1").status_code == 200


def test_every_refusal_is_in_the_manual():
    text = (ROOT / "docs" / "api.md").read_text()
    assert [word for word in REFUSALS if f"`{word}`" not in text] == []


def test_without_a_user_the_journal_stays_as_it_is(town: Town):
    before = town.opened.store.newest("findings")
    for token in ("wrong", TOKEN):
        assert town.command("resolve", {"alert": town.alert["id"]}, token=token).status_code == 401
    assert town.command("configure", {}).status_code == 422
    assert town.opened.store.newest("findings") == before


def test_a_command_that_could_not_be_journalled_may_be_sent_again(town: Town, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    name = town.alert["id"]
    with monkeypatch.context() as patch:
        patch.setattr(town.opened.store, "append_findings", full)
        assert town.command("resolve", {"alert": name}).status_code == 503
    with monkeypatch.context() as patch:
        patch.setattr(cockpit, "COMMANDS_BEHIND_MAX", -1)
        assert town.command("resolve", {"alert": name}).status_code == 503
    assert town.command("resolve", {"alert": name}).status_code == 202
    town.pump()
    assert [each["id"] for each in town.get("/api/alerts?state=cleared").json()["alerts"]] == [name]


def test_the_journal_has_what_was_said(town: Town):
    town.command("assign", {"alert": town.alert["id"], "owner": "bo"})
    data = town.opened.store.findings_after(town.opened.store.newest("findings") - 1, 1)[0][1]
    command = decode(data)
    assert isinstance(command, Command)
    assert (command.id, command.time_s, command.actor, command.kind) == ("c-1", NOW_S, "anna", "assign")


def test_the_demo_takes_no_commands(town: Town):
    town.app = build_app(town.opened, town.access, token="", now_s=lambda: NOW_S, ingest=False)
    assert town.command("resolve", {"alert": "a0"}).status_code == 404
