"""``/api/session``: signing in, who one is, signing out; ``/link``: an address that signs in once; ``/api/audit``: who looked and who acted."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import orjson
from fastapi import APIRouter, Query, Request
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from sinks.cockpit.access import Caller, Who
from sinks.cockpit.audit import AuditLog, Entry
from sinks.cockpit.bodies import json_body
from sinks.cockpit.keeper import Keeper, SignedIn
from sinks.cockpit.sessions import csrf

BODY_BYTES_MAX = 4 << 10
AT_ONCE_MAX = 8
"""Each holds a worker thread while it waits for its hash to be made; commands and the audit need threads, too."""
ENTRIES_MAX = 1000
NUMBER_MAX = 2**62


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs in."""

    user: Annotated[str, Meta(max_length=64)]
    password: Annotated[str, Meta(max_length=1024)]


_asked = msgspec.json.Decoder(Asked)
_described: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["user", "password"],
                    "additionalProperties": False,
                    "properties": {"user": {"type": "string", "maxLength": 64}, "password": {"type": "string", "maxLength": 1024}},
                }
            }
        },
    }
}


def session_router(keeper: Keeper) -> APIRouter:
    """Signing in and out."""
    router = APIRouter(tags=["session"])
    slots = threading.BoundedSemaphore(AT_ONCE_MAX)

    @router.post("/api/session", summary="Sign in", openapi_extra=_described)
    async def sign_in(request: Request) -> Response:
        asked = await _asked_of(request)
        address = request.client.host if request.client else ""
        if not slots.acquire(blocking=False):
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "too many sign in at once; try again", {"Retry-After": "2"})
        try:
            signed = await run_in_threadpool(keeper.sign_in, asked.user, asked.password, address)
        finally:
            slots.release()
        return _with_cookie(_told(signed.caller, signed.expires_s), signed, keeper)

    @router.get("/api/session", summary="Who one is")
    async def session(who: Who) -> Response:
        return _told(who, keeper.expires_s(who))

    @router.delete("/api/session", status_code=204, summary="Sign out")
    async def sign_out(who: Who) -> Response:
        await run_in_threadpool(keeper.sign_out, who)
        response = Response(status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
        response.delete_cookie(keeper.cookie, path="/", secure=keeper.secure, httponly=True, samesite="strict")
        return response

    @router.get("/link/{secret}", include_in_schema=False)
    async def link(secret: str) -> Response:
        signed = await run_in_threadpool(keeper.follow, secret)
        return _with_cookie(RedirectResponse("/", HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"}), signed, keeper)

    return router


def audit_router(audit: AuditLog) -> APIRouter:
    """Reading the audit. Reading it is audited too."""
    router = APIRouter()

    @router.get("/api/audit", tags=["audit"], summary="Who looked and who acted, the newest first")
    async def entries(
        who: Who,
        before: Annotated[int | None, Query(ge=1, le=NUMBER_MAX)] = None,
        limit: Annotated[int, Query(ge=1, le=ENTRIES_MAX)] = 200,
    ) -> Response:
        who.require("commander")
        await who.saw("audit")
        found, more = await run_in_threadpool(audit.read, before, limit, lambda entry: _shows(entry, who))
        told = [{name: getattr(entry, name) for name in ("n", "at_s", "actor", "role", "action", "subject")} for entry in found]
        return _json({"entries": told, "before": more})

    return router


def _shows(entry: Entry, who: Caller) -> bool:
    """Whose scope is a part of the city sees what was done there, and what they did themselves."""
    return who.sight.whole or entry.actor == who.actor or (entry.area != "" and who.may_see(entry.area))


def _told(caller: Caller, ends_s: int | None) -> Response:
    token = csrf(caller.session) if caller.session else None
    return _json({"actor": caller.actor, "role": caller.role, "scope": list(caller.scope), "csrf": token, "expires_s": ends_s})


def _with_cookie(response: Response, signed: SignedIn, keeper: Keeper) -> Response:
    response.set_cookie(keeper.cookie, signed.caller.session, path="/", secure=keeper.secure, httponly=True, samesite="strict")
    return response


async def _asked_of(request: Request) -> Asked:
    body = await json_body(request, "this", bytes_max=BODY_BYTES_MAX)
    try:
        return _asked.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "signing in takes a JSON object of user and password") from None


def _json(body: Any) -> Response:
    return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")
