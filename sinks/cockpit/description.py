"""The description of the interface (OpenAPI 3.1): every refusal of every operation is an RFC 9457 problem, and is described as one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from sinks.cockpit.guard import is_public

PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong and what to do; nothing of the request is repeated."},
    },
}
REFUSALS: dict[HTTPStatus, str] = {
    HTTPStatus.UNAUTHORIZED: "Nobody is signed in",
    HTTPStatus.FORBIDDEN: "The caller's role or scope does not allow it",
    HTTPStatus.NOT_FOUND: "There is none, or it lies outside the caller's scope",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now; `Retry-After` says when to try again",
}
VERBS = ("get", "post", "put", "patch", "delete")


def describe_problems(app: FastAPI) -> None:
    """Add them to what the application says of itself, now and of routes that come later."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        told = plain()
        told.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
        for path, item in told.get("paths", {}).items():
            for verb in VERBS:
                if verb in item:
                    _describe(item[verb]["responses"], public=is_public(verb.upper(), path))
        return told

    app.openapi = described  # type: ignore[method-assign]


def _describe(responses: dict[str, Any], *, public: bool) -> None:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, words in REFUSALS.items():
        if not public or status is HTTPStatus.SERVICE_UNAVAILABLE:
            responses.setdefault(str(int(status)), {"description": words})
    for told, response in responses.items():
        if told.isdigit() and int(told) >= HTTPStatus.BAD_REQUEST:
            response["content"] = content
