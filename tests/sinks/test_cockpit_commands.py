"""Commands over HTTP: handed on once they fit, refused without a word of what they held."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from sinks.base import Batch
from sinks.checks import AREAS, SIGNALS, Open, Unaudited, alert, caller
from sinks.cockpit import bodies, commands
from sinks.cockpit.access import LEAST, ROLES, Caller, NotAudited, Role
from sinks.cockpit.api import create_app
from sinks.cockpit.commands import Given, NotTaken, Rules, commands_router
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from streams.model import Command, Outcome

SECRET = "Qz7Xk-4711"
AUTH = {"Authorization": "Bearer right"}
ASKED = {"actor": "anna", "kind": "resolve", "body": {"alert": "a0"}}
RULES = Rules(("assign", "resolve"), 8, 6, 60, lambda given: "alert" in orjson.loads(given.body))


PROGRAM = caller()._replace(speaks_for_others=True)


class Desk:
    """An application whose commands come here."""

    def __init__(self) -> None:
        self.taken: list[Given] = []
        self.away = False
        self.feed = Feed(View(AREAS, SIGNALS))
        self.feed.load([], 0)
        self.app = create_app(self.feed, AREAS, dict, gate=Open(PROGRAM))
        self.app.include_router(commands_router(self.feed, RULES, self.submit))

    def submit(self, given: Given) -> None:
        assert threading.current_thread() is not threading.main_thread(), "the loop is not held up"
        if self.away:
            raise NotTaken
        self.taken.append(given)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask(method, path, **options))

    def post(self, asked: object = None, **options: Any) -> httpx.Response:
        options.setdefault("headers", AUTH)
        return self.ask("POST", "/api/commands", **(options if "content" in options else {**options, "json": asked or ASKED}))

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test") as client:
            return await client.request(method, path, **options)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_command_is_handed_on_and_its_id_told(desk: Desk) -> None:
    answer = desk.post({**ASKED, "id": "c-1"})
    assert (answer.status_code, answer.json()) == (202, {"id": "c-1"})
    assert [(given.id, given.actor, given.kind, orjson.loads(given.body)) for given in desk.taken] == [
        ("c-1", "anna", "resolve", {"alert": "a0"})
    ]


def test_a_command_without_an_id_gets_one_of_its_own(desk: Desk) -> None:
    ids = [desk.post().json()["id"] for _ in range(2)]
    assert [given.id for given in desk.taken] == ids
    assert len({*ids}) == 2
    assert all(len(each) == 32 for each in ids)


@pytest.mark.parametrize(
    "changes, status, said",
    [
        ({"kind": SECRET}, 422, "kind must be one of: assign, resolve"),
        ({"kind": "configure"}, 422, "kind must be one of"),
        ({"actor": "Jo Li"}, 422, "actor must be a pseudonym of at most 6"),
        ({"actor": "a" * 7}, 422, "actor must be"),
        ({"id": "c 1"}, 422, "id may have at most 8"),
        ({"id": "c" * 9}, 422, "id may have"),
        ({"id": "é"}, 422, "id may have"),
        ({"body": {"note": SECRET}}, 422, "body does not fit its kind"),
        ({"body": {"alert": "a" * 60}}, 413, "body may have 60 characters"),
        ({"more": SECRET}, 422, "and of nothing else"),
        ({"actor": 7}, 422, "a command is a JSON object"),
    ],
)
def test_what_does_not_fit_is_refused_and_not_repeated(desk: Desk, changes: dict[str, Any], status: int, said: str) -> None:
    answer = desk.post({**ASKED, **changes})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert SECRET not in answer.text
    assert desk.taken == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"nothing", b'{"actor": "anna", "kind": "resolve"}', b"[" * 9_000, b'"\xff"'])
def test_what_is_no_command_is_refused(desk: Desk, content: bytes) -> None:
    answer = desk.post(content=content, headers={**AUTH, "Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "a command is a JSON object" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain"}, {}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}], ids=str
)
def test_only_json_is_read(desk: Desk, headers: dict[str, str]) -> None:
    assert desk.post(content=orjson.dumps(ASKED), headers={**AUTH, **headers}).status_code == 415


def test_bodies_are_bounded_in_size_and_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {**AUTH, "Content-Type": "application/json"}
    assert desk.post(content=b" " * (bodies.BODY_BYTES_MAX + 1), headers=headers).status_code == 413
    monkeypatch.setattr(bodies, "BODY_S_MAX", 0.01)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(5)

    assert desk.post(content=stuck(), headers=headers).status_code == 408


def test_what_the_journal_did_not_take_may_be_sent_again(desk: Desk) -> None:
    desk.away = True
    for _ in range(commands.CONCURRENT_MAX + 1):  # no slot is lost
        answer = desk.post({**ASKED, "id": "c-1"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "with the same id" in answer.json()["detail"]
    desk.away = False
    assert desk.post({**ASKED, "id": "c-1"}).status_code == 202


def test_so_many_at_once_are_put_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "CONCURRENT_MAX", 2)
    waits, busy = threading.Event(), threading.Semaphore(0)

    def submit(_: Given) -> None:
        busy.release()
        assert waits.wait(10)

    desk.app = create_app(desk.feed, AREAS, dict, gate=Open(PROGRAM))
    desk.app.include_router(commands_router(desk.feed, RULES, submit))

    async def three() -> list[int]:
        first = [asyncio.create_task(desk._ask("POST", "/api/commands", json=ASKED, headers=AUTH)) for _ in range(2)]
        for _ in range(2):
            await asyncio.to_thread(busy.acquire)
        third = await desk._ask("POST", "/api/commands", json=ASKED, headers=AUTH)
        waits.set()
        return [third.status_code, *[(await each).status_code for each in first]]

    assert asyncio.run(three()) == [503, 202, 202]


def test_what_became_of_a_command_can_be_asked_for(desk: Desk) -> None:
    assert desk.ask("GET", "/api/commands/c-1").status_code == 404
    desk.feed.write(Batch(outcomes=((None, Outcome(Command("c-1", 7, "anna", "resolve", '{"alert":"a0"}'), "unknown_alert")),)))
    answer = desk.ask("GET", "/api/commands/c-1")
    assert answer.json() == {"id": "c-1", "kind": "resolve", "at_s": 7, "refusal": "unknown_alert"}
    assert answer.headers["cache-control"] == "no-store"


def test_while_the_journal_is_being_read_nothing_is_known_yet(desk: Desk) -> None:
    feed = Feed(View(AREAS, SIGNALS))
    desk.app = create_app(feed, AREAS, dict, gate=Open(PROGRAM))
    desk.app.include_router(commands_router(feed, RULES, desk.submit))
    assert desk.ask("GET", "/api/commands/c-1").status_code == 503, "it may have been decided on"
    assert desk.post().status_code == 202, "the journal takes it all the same"


def test_the_description_says_what_a_command_is(desk: Desk) -> None:
    post = desk.ask("GET", "/api/openapi.json").json()["paths"]["/api/commands"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["kind"]["enum"] == ["assign", "resolve"]
    assert schema["required"] == ["kind", "body"]


def as_caller(desk: Desk, who: Caller) -> Desk:
    desk.app = create_app(desk.feed, AREAS, dict, gate=Open(who))
    everything = Rules((*LEAST, "configure"), 128, 64, 4096, lambda _: True)
    desk.app.include_router(commands_router(desk.feed, everything, desk.submit))
    return desk


def asked(kind: str) -> dict[str, Any]:
    return {"id": "c-1", "kind": kind, "body": {"area": "d1"}}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gives_its_commands_and_no_others(desk: Desk, role: Role) -> None:
    as_caller(desk, caller(role=role, actor="anna"))
    taken = {kind for kind in (*LEAST, "configure") if desk.post(asked(kind)).status_code == HTTPStatus.ACCEPTED}
    refused = {desk.post(asked(kind)).status_code for kind in {*LEAST, "configure"} - taken}
    assert taken == {kind for kind in (*LEAST, "configure") if ROLES.index(role) >= ROLES.index(LEAST.get(kind, "admin"))}
    assert refused <= {HTTPStatus.FORBIDDEN}
    assert {given.actor for given in desk.taken} <= {"anna"}


@pytest.mark.parametrize("actor, status", [("", 202), ("anna", 202), ("bo", 403)])
def test_nobody_speaks_for_others(desk: Desk, actor: str, status: int) -> None:
    as_caller(desk, caller(role="operator", actor="anna"))
    assert desk.post({**asked("resolve"), "actor": actor}).status_code == status
    assert [given.actor for given in desk.taken] == ["anna"] * (status == HTTPStatus.ACCEPTED)


@pytest.mark.parametrize("role, status", [("operator", 403), ("commander", 202)])
def test_a_silence_of_the_whole_city_is_a_commander_s(desk: Desk, role: Role, status: int) -> None:
    as_caller(desk, caller(role=role))
    assert desk.post({"kind": "silence", "body": {"area": "city"}}).status_code == status


def test_an_alert_is_handed_upwards_but_not_sideways(desk: Desk) -> None:
    as_caller(desk, caller(["d1"], role="operator"))
    desk.feed.write(Batch(alerts=(msgspec.structs.replace(alert("a0", 0), area="d1", members=()),)))
    told = [desk.post({"kind": "hand", "body": {"alert": "a0", "area": area}}).status_code for area in ("city", "d1a", "d2", "nowhere")]
    assert told == [202, 202, 404, 404]


def test_both_alerts_of_a_merge_lie_in_the_scope(desk: Desk) -> None:
    as_caller(desk, caller(["d1"], role="operator"))
    here, there = (msgspec.structs.replace(alert(name, 0), area=area, members=()) for name, area in (("a0", "d1"), ("a1", "d2")))
    desk.feed.write(Batch(alerts=(here, there)))
    told = [desk.post({"kind": "merge", "body": {"alert": "a0", "into": into}}).status_code for into in ("a0", "a1")]
    assert told == [202, 404]


def test_what_cannot_be_audited_does_not_happen(desk: Desk) -> None:
    class Full(Unaudited):
        def did(self, *_: str, **__: str) -> None:
            raise NotAudited

    who = caller(role="operator")._replace(audit=Full())
    answer = as_caller(desk, who).post(asked("resolve"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert desk.taken == []


def test_the_audit_says_what_was_done_where_and_for_whom_and_nothing_that_was_typed(desk: Desk) -> None:
    audit = Unaudited()
    as_caller(desk, caller(role="operator", actor="gate")._replace(audit=audit, speaks_for_others=True))
    desk.feed.write(Batch(alerts=(msgspec.structs.replace(alert("a0", 0), area="d1"),)))
    desk.post({"kind": "comment", "body": {"alert": "a0", "text": SECRET}, "actor": "anna"})
    desk.post({"kind": "comment", "body": {"alert": SECRET, "text": SECRET}})
    desk.away = True
    desk.post({"kind": "silence", "body": {"area": "d1a"}})
    assert list(audit.entries) == [
        ("gate", "command", "comment a0 as anna", "d1"),
        ("gate", "command", "comment", ""),
        ("gate", "command", "silence d1a", "d1a"),
        ("gate", "command_not_taken", "silence d1a", "d1a"),
    ]


def test_an_outcome_is_told_to_whom_it_concerns(desk: Desk) -> None:
    desk.feed.write(Batch(outcomes=((None, Outcome(Command("c-1", 7, "anna", "resolve", "{}"))),)))
    for who, status in (
        (caller(["d1"], actor="anna"), 200),
        (caller(["d1"], actor="bo"), 404),
        (caller(actor="eva", role="commander"), 200),
    ):
        assert as_caller(desk, who).ask("GET", "/api/commands/c-1").status_code == status


def test_a_number_that_no_float_holds_is_read_as_decide_reads_it(desk: Desk) -> None:
    as_caller(desk, caller(role="operator"))
    body = '{"area": "d1", "until_s": 1' + "0" * 400 + "}"
    answer = desk.post(content=f'{{"kind": "silence", "body": {body}}}', headers={**AUTH, "Content-Type": "application/json"})
    assert (answer.status_code, [given.body for given in desk.taken]) == (202, [body])


def test_the_audit_names_an_alert_that_the_feed_does_not_know(desk: Desk) -> None:
    audit = Unaudited()
    as_caller(desk, caller(role="operator", actor="anna")._replace(audit=audit))
    desk.post({"kind": "merge", "body": {"alert": "00112233445566ff", "into": "0011223344556677"}})
    assert list(audit.entries) == [("anna", "command", "merge 00112233445566ff 0011223344556677", "")]
