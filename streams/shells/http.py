"""``POST /ingest/{source}``: raw records over HTTP, answered once they are committed.

Nothing of a body or a parser's message goes into an answer or a log: a refusal says what was expected. The cockpit's
application, which this is mounted beside, answers refusals as problem+json.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

import msgspec
import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from streams.shells.engine import Engine

BODY_BYTES_MAX = 16 << 20
RECORDS_MAX = 200_000
CONCURRENT_MAX = 8
BODY_S_MAX = 30.0
BEHIND_MAX = 100_000

JSON_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
JSON_ONE = ("application/json", "application/cloudevents+json")
JSON_MANY = ("application/cloudevents-batch+json",)
ACCEPTED = (*JSON_LINES, *JSON_ONE, *JSON_MANY)


def ingest_router(engine: Engine, token: str, now_s: Callable[[], int]) -> APIRouter:
    """The endpoint, to be mounted beside the cockpit's. ``now_s`` is the append time of what arrives."""
    router = APIRouter()
    authorise = bearer(token)
    slots = threading.BoundedSemaphore(CONCURRENT_MAX)
    sources = ", ".join(sorted(engine.city.sources))

    @router.post("/ingest/{source}", summary="Take raw records in", tags=["ingest"])
    async def ingest(source: str, request: Request) -> Response:
        authorise(request)
        if source not in engine.city.sources:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no such source; this city has: {sources}")
        media = _media_type(request)
        if not slots.acquire(blocking=False):
            raise _busy(f"{CONCURRENT_MAX} requests are being taken in; try again")
        try:
            body = await _body_in_time(request)
            taken = await run_in_threadpool(_take, engine, source, media, body, now_s)
        finally:
            slots.release()
        return Response(taken, media_type="application/json")

    return router


def _take(engine: Engine, source: str, media: str, body: bytes, now_s: Callable[[], int]) -> bytes:
    payloads = split(media, body)
    if engine.behind > BEHIND_MAX:
        raise _busy(f"more than {BEHIND_MAX} journal records wait to be scored; try again later")
    try:
        taken = engine.desk.ingest(source, payloads, now_s())
    except sqlite3.Error:
        raise _busy("the records were not committed; send them again") from None
    return orjson.dumps(msgspec.to_builtins(taken))


def bearer(token: str) -> Callable[[Request], None]:
    """Refuses a request that does not bring the token."""

    def authorise(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), token.encode()):
            detail = "this needs the header Authorization: Bearer, with the token of the state folder"
            raise HTTPException(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})

    return authorise


def _media_type(request: Request) -> str:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in ACCEPTED:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the content type must be one of: {', '.join(ACCEPTED)}")
    return media


async def _body_in_time(request: Request) -> bytes:
    """The body; a client that stops in the middle must not keep its slot."""
    try:
        async with asyncio.timeout(BODY_S_MAX):
            return await _body(request)
    except TimeoutError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, f"the body did not arrive within {BODY_S_MAX:g} s; send it again") from None
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body ends too early; send it again") from None


async def _body(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        return await _gunzip(request.stream())
    if encoding != "identity":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content encoding must be gzip or none")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise _too_large()
    return bytes(body)


async def _gunzip(stream: AsyncIterator[bytes]) -> bytes:
    """Unpack as it arrives; neither side may pass the bound, however well it was packed. Members may follow each other."""
    body = bytearray()
    arrived = 0
    unpacker = zlib.decompressobj(wbits=31)
    try:
        async for chunk in stream:
            arrived += len(chunk)
            data = chunk
            while data:
                body += unpacker.decompress(data, BODY_BYTES_MAX + 1 - len(body))
                if len(body) > BODY_BYTES_MAX or arrived > BODY_BYTES_MAX:
                    raise _too_large()
                data = unpacker.unconsumed_tail or unpacker.unused_data
                if unpacker.eof and data:
                    unpacker = zlib.decompressobj(wbits=31)
    except zlib.error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body is not gzip; leave the content encoding out, or pack it") from None
    if arrived and not unpacker.eof:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the gzip body ends too early")
    return bytes(body)


def split(media: str, body: bytes) -> list[bytes]:
    """The records of a body, still encoded; their content is intake's business.

    >>> split("application/x-ndjson", b'{"a":1}\\n\\n{"a":2}')
    [b'{"a":1}', b'{"a":2}']
    >>> split("application/json", b'[{"a":1}, {"a":2}]')
    [b'{"a":1}', b'{"a":2}']
    """
    if media in JSON_LINES:
        if body.count(b"\n") > 2 * RECORDS_MAX:  # before a list of millions is made of them; blank lines may be many, not that many
            raise _too_many()
        payloads = [line for line in body.split(b"\n") if line.strip()]
    elif media in JSON_MANY or body.lstrip()[:1] == b"[":
        payloads = _elements(body)
    else:
        payloads = [body]
    if len(payloads) > RECORDS_MAX:
        raise _too_many()
    return payloads


_array = msgspec.json.Decoder(list[msgspec.Raw])


def _elements(body: bytes) -> list[bytes]:
    try:
        return [bytes(element) for element in _array.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body is not a JSON array; one record a line needs application/x-ndjson") from None


def _too_many() -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request may hold {RECORDS_MAX} records; send several")


def _too_large() -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have {BODY_BYTES_MAX} bytes, unpacked; send several")


def _busy(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "5"})
