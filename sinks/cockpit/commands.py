"""``POST /api/commands``: what a person decides about an alert, handed on to the findings journal.

202 means that the journal has it; what became of it comes back through the feed (``outcome``) and ``GET /api/commands/{id}``.
It is written down in the audit first: what cannot be written down does not happen.
Nothing of a request goes into an answer, save the id by which it can be asked for. Which kinds there are and how their bodies
look is told by the shell: decide knows it, and sinks do not know decide.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import orjson
from fastapi import APIRouter, Depends, Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from sinks.cockpit.access import Caller, Who
from sinks.cockpit.api import when_loaded
from sinks.cockpit.bodies import json_body
from sinks.cockpit.feed import Feed

CONCURRENT_MAX = 16
GENERATED_BYTES = 16


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """A request. ``body`` is the JSON text that the kind defines; without an ``id`` one is made up, and the request cannot be repeated safely.

    ``actor`` is given by programs that speak for others; of everybody else it is known.
    """

    kind: str
    body: msgspec.Raw
    id: str = ""
    actor: str = ""


class Given(NamedTuple):
    """A command that may be journalled."""

    id: str
    actor: str
    kind: str
    body: str


class NotTaken(Exception):
    """The journal did not acknowledge a command in time. It may have it all the same: the same id again does no harm."""


class Rules(NamedTuple):
    """What a command may be. ``fits``: whether a body is one of its kind's."""

    kinds: tuple[str, ...]
    id_chars_max: int
    actor_chars_max: int
    body_chars_max: int
    fits: Callable[[Given], bool]


Submit = Callable[[Given], None]
"""Writes a command to the journal and returns once it is safe there; raises ``NotTaken``. Called in worker threads."""

_ALERT_ID = re.compile("[0-9a-f]{16}")
_asked = msgspec.json.Decoder(Asked)


def commands_router(feed: Feed, rules: Rules, submit: Submit) -> APIRouter:
    """The endpoints, to be mounted beside the cockpit's."""
    router = APIRouter()
    slots = threading.BoundedSemaphore(CONCURRENT_MAX)
    described: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/json": {"schema": _schema(rules)}}}}

    @router.post("/api/commands", status_code=202, summary="Say what a person has decided", tags=["commands"], openapi_extra=described)
    async def command(who: Who, request: Request) -> Response:
        if not slots.acquire(blocking=False):
            raise _not_now(f"{CONCURRENT_MAX} commands are being written; try again")
        try:
            given = _given(await json_body(request, "a command"), rules, who)
            subject, area = _within_reach(given, who, feed)
            await who.did("command", subject, area)
            try:
                await run_in_threadpool(submit, given)
            except NotTaken:
                await who.saw("command_not_taken", subject, area)
                raise _not_now("the journal did not take the command in time; send it again with the same id") from None
        finally:
            slots.release()
        return Response(orjson.dumps({"id": given.id}), HTTPStatus.ACCEPTED, media_type="application/json")

    @router.get(
        "/api/commands/{command_id}", dependencies=[Depends(when_loaded(feed))], summary="What became of a command", tags=["commands"]
    )
    async def outcome(who: Who, command_id: str) -> Response:
        known = feed.outcome(command_id)
        if known is None or not who.hears(known.command.actor):
            raise HTTPException(HTTPStatus.NOT_FOUND, "no command with this id has been decided on lately")
        told = {"id": known.command.id, "kind": known.command.kind, "at_s": known.command.time_s, "refusal": known.refusal}
        return Response(orjson.dumps(told), media_type="application/json", headers={"Cache-Control": "no-store"})

    return router


def _given(data: bytes, rules: Rules, who: Caller) -> Given:
    """The command of a request's body, by whoever may give it; everything it must hold is said without repeating what it does hold."""
    try:
        asked = _asked.decode(data)
        body = bytes(asked.body).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _unfit("a command is a JSON object of kind, body and, to be repeatable, id; and of nothing else") from None
    if asked.kind not in rules.kinds:
        raise _unfit(f"kind must be one of: {', '.join(rules.kinds)}")
    if not who.may(asked.kind):
        raise HTTPException(HTTPStatus.FORBIDDEN, "your role does not give commands of this kind")
    actor = asked.actor or who.actor
    if actor != who.actor and not who.speaks_for_others:
        raise HTTPException(HTTPStatus.FORBIDDEN, "only a token that was made to speak for others names another actor")
    if not re.fullmatch(rf"[\w.@-]{{1,{rules.actor_chars_max}}}", actor):
        raise _unfit(f"actor must be a pseudonym of at most {rules.actor_chars_max} letters, digits or . @ _ -")
    if asked.id and not re.fullmatch(rf"[A-Za-z0-9._:-]{{1,{rules.id_chars_max}}}", asked.id):
        raise _unfit(f"id may have at most {rules.id_chars_max} of a-z, A-Z, 0-9 and . _ : -")
    if len(body) > rules.body_chars_max:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body may have {rules.body_chars_max} characters of JSON")
    given = Given(asked.id or secrets.token_hex(GENERATED_BYTES), actor, asked.kind, body)
    if not rules.fits(given):
        raise _unfit("body does not fit its kind; docs/api.md says what each one holds")
    return given


def _within_reach(given: Given, who: Caller, feed: Feed) -> tuple[str, str]:
    """What a command is about, for the audit, and in which area. What lies outside the caller's scope is as if it were not there.

    Who sees the whole city may name what is not there: decide refuses that, and says so.
    """
    named = {key: value for key, value in msgspec.json.decode(given.body).items() if isinstance(value, str)}  # as decide will read it
    area = named.get("area", "")
    if given.kind == "silence" and who.sight.is_root(area) and not who.at_least("commander"):
        raise HTTPException(HTTPStatus.FORBIDDEN, "a silence of the whole city needs the role commander")
    areas = {area} - {""}
    if "silence" in named:
        areas.add(_area_of_silence(named["silence"], feed))
    known = {key: feed.alert(named[key]) for key in ("alert", "into") if key in named}
    if not who.sight.whole:
        if known and not feed.loaded:
            raise _not_now("the alerts are still being read; try again")
        upwards = given.kind == "hand"  # an alert may be handed to the levels above
        beyond = [code for code in areas if not (who.sight.names(code) if upwards else who.may_see(code))]
        if beyond or any(alert is None or not who.sight.sees_alert(alert) for alert in known.values()):
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such alert, area or silence")
    about = [named[key] for key, alert in known.items() if alert is not None or _ALERT_ID.fullmatch(named[key])]
    about += [code for code in sorted(areas) if code in feed.view.places.areas]
    actor = [f"as {given.actor}"] if given.actor != who.actor else []
    alert = known.get("alert")
    area = alert.area if alert is not None else next(iter(sorted(areas)), "")
    return " ".join([given.kind, *about, *actor]), area if area in feed.view.places.areas else ""


def _area_of_silence(silence: str, feed: Feed) -> str:
    """The area of a silence that is set."""
    return next((each.area for each in feed.silences(0) if each.id == silence), "")


def _schema(rules: Rules) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["kind", "body"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "maxLength": rules.id_chars_max},
            "actor": {"type": "string", "maxLength": rules.actor_chars_max},
            "kind": {"enum": list(rules.kinds)},
            "body": {"type": "object"},
        },
    }


def _unfit(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def _not_now(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "5"})
