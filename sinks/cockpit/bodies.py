"""The body of a request that brings JSON: of one media type, bounded in size and in time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

BODY_BYTES_MAX = 16 << 10
BODY_S_MAX = 10.0


async def json_body(request: Request, what: str, *, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """The bytes of the body. ``what``: begins the sentence that says how long it may be: "a command".

    Raises:
        HTTPException: 415 another media type or a content encoding, 413 too long, 408 too slow, 400 it ends too early.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media != "application/json" or encoding != "identity":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json, without a content encoding")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > bytes_max:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{what} may have {bytes_max} bytes")
    except TimeoutError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, f"the body did not arrive within {BODY_S_MAX:g} s; send it again") from None
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body ends too early; send it again") from None
    return bytes(body)
