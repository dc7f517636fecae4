"""The door: every request is refused unless the gate knows who asks, save the few that are public. A new route is behind it by itself."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from sinks.cockpit.access import Gate
from sinks.cockpit.problems import problem

PUBLIC: tuple[tuple[str, str], ...] = (
    ("GET", r"/"),
    ("GET", r"/static/[^/]+"),
    ("GET", r"/live"),
    ("GET", r"/ready"),
    ("POST", r"/api/session"),  # signing in
    ("GET", r"/link/[^/]+"),  # the secret is in the path
    ("POST", r"/ingest/[^/]+"),  # asks for a token of its own
)
"""Methods and paths (whole, as regular expressions) that need no caller. Nothing of a city is told there, except which sources it has."""


def is_public(method: str, path: str) -> bool:
    """Whether a request needs no caller."""
    return any(method == allowed and re.fullmatch(pattern, path) for allowed, pattern in PUBLIC)


class Guard:
    """Plain ASGI, so that streams pass through as they are."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the caller in ``state``, or refuse. Anything but HTTP is refused."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        assert scope["type"] == "http", "there are no web sockets"
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if not is_public(method, scope["path"]):
            try:
                known = self._gate.enter(method, Headers(scope=scope))
            except HTTPException as error:
                await problem(error.status_code, error.detail, error.headers)(scope, receive, send)
                return
            scope = {**scope, "state": {**scope.get("state", {}), "caller": known}}
        await self._app(scope, receive, send)
