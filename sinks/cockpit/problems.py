"""Refusals as RFC 9457 problems. Nothing of a request is repeated in one."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.responses import Response


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status), "detail": detail}
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/problem+json")
