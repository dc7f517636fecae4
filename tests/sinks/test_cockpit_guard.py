"""Every endpoint there is refuses no, expired and foreign credentials; one that somebody adds does so without doing anything for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.routing import Mount

from sinks.cockpit import guard
from sinks.cockpit.guard import PUBLIC, is_public
from tests.sinks.signing import Cockpit, bearer

ALLOWED = {
    ("GET", "/"),
    ("GET", "/static/{name}"),
    ("GET", "/live"),
    ("GET", "/ready"),
    ("POST", "/api/session"),
    ("GET", "/link/{secret}"),
}
"""Routes that tell of no city; whoever adds to this says why in ``sinks.cockpit.guard``."""


@pytest.fixture
def cockpit(tmp_path: Path) -> Iterator[Cockpit]:
    made = Cockpit(tmp_path)
    yield made
    made.audit.close()


def routes(cockpit: Cockpit) -> set[tuple[str, str]]:
    found = {(method, path) for method, path in listed(cockpit.app.routes) if method != "HEAD"}
    described = cockpit.app.openapi()["paths"]
    assert {(method.upper(), path) for path, methods in described.items() for method in methods} <= found, "some route was not found"
    return found


def listed(some: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path) of all routes, those of included routers too."""
    for route in some:
        assert not isinstance(route, Mount), "what is mounted is not enumerated"
        if hasattr(route, "original_router"):
            yield from listed(route.original_router.routes, prefix + route.include_context.prefix)
        else:
            yield from ((method, prefix + route.path) for method in route.methods)


def concrete(path: str) -> str:
    return re.sub(r"\{\w+\}", "x", path)


def credentials(cockpit: Cockpit) -> dict[str, dict[str, str]]:
    """What opens no door, by name."""
    headers = cockpit.headers("anna")
    ended = cockpit.headers("bo")
    cockpit.ask("DELETE", "/api/session", headers=ended)
    cookie = headers["Cookie"]
    return {
        "none": {},
        "ended session": ended,
        "guessed session": {**headers, "Cookie": cookie[:-3] + "AAA"},
        "cookie of another name": {"Cookie": cookie.replace("tocsin_session", "session")},
        "expired token": bearer("gateway-off"),
        "unknown token": bearer("gateway"),
        "empty token": bearer(""),
        "token of another scheme": {"Authorization": "Basic gateway-on"},
        "bad token beside a good session": {**headers, **bearer("nothing")},
        "csrf token alone": {"X-CSRF-Token": headers["X-CSRF-Token"]},
    }


def let_in(cockpit: Cockpit) -> list[tuple[str, str, str]]:
    """(method, path, credential) of every request that was answered otherwise than by 401."""
    asked = [(method, path) for method, path in sorted(routes(cockpit)) if (method, path) not in ALLOWED]
    assert len(asked) >= 11
    return [
        (method, path, name)
        for name, headers in credentials(cockpit).items()
        for method, path in asked
        if cockpit.ask(method, concrete(path), headers=headers).status_code != 401
    ]


def test_no_route_answers_who_is_not_known(cockpit: Cockpit) -> None:
    assert let_in(cockpit) == []


def test_an_expired_session_opens_no_route(cockpit: Cockpit) -> None:
    headers = cockpit.headers("root")
    cockpit.clock.now_s += 3600
    for method, path in sorted(routes(cockpit) - ALLOWED):
        assert cockpit.ask(method, concrete(path), headers=headers).status_code == 401, path


def test_a_session_of_another_cockpit_opens_no_route(cockpit: Cockpit, tmp_path: Path) -> None:
    other = Cockpit(tmp_path / "other") if (tmp_path / "other").mkdir() is None else cockpit
    headers = other.headers("root")
    other.audit.close()
    for method, path in sorted(routes(cockpit) - ALLOWED):
        assert cockpit.ask(method, concrete(path), headers=headers).status_code == 401, path


def test_the_public_routes_are_those_that_are_meant(cockpit: Cockpit) -> None:
    found = {(method, path) for method, path in routes(cockpit) if is_public(method, concrete(path))}
    assert found == ALLOWED
    assert len(PUBLIC) == len(ALLOWED) + 1, "and /ingest, which asks for a token of its own"


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/static/../api/alerts"),
        ("GET", "/static/x/../../api/alerts"),
        ("GET", "//api/alerts"),
        ("GET", "/live/"),
        ("GET", "/live/../api/alerts"),
        ("GET", "/link/x/y"),
        ("POST", "/live"),
        ("PUT", "/api/session"),
        ("GET", "/api/session"),
        ("GET", "/ingest/hotline"),
        ("GET", "/ready\n"),
        ("GET", "/api/openapi.json"),
        ("OPTIONS", "/api/alerts"),
    ],
)
def test_a_path_that_only_looks_public_is_not(method: str, path: str) -> None:
    assert not is_public(method, path)


def test_a_route_that_somebody_adds_is_behind_the_door(cockpit: Cockpit) -> None:
    router = APIRouter()

    @router.get("/api/new")
    async def new() -> str:
        return "secret"

    cockpit.app.include_router(router)
    assert ("GET", "/api/new") in routes(cockpit)
    assert let_in(cockpit) == []
    assert cockpit.ask("GET", "/api/new", headers=bearer("gateway-on")).text == '"secret"'


def test_a_hole_in_the_door_would_be_seen(cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PUBLIC", (*PUBLIC, ("GET", r"/api/.*")))
    assert {path for _, path, _ in let_in(cockpit)} >= {"/api/openapi.json"}
    with pytest.raises(AssertionError):
        test_the_public_routes_are_those_that_are_meant(cockpit)


def test_who_sees_nothing_is_told_nothing(cockpit: Cockpit) -> None:
    headers = cockpit.headers("cy")
    assert cockpit.ask("GET", "/api/alerts", headers=headers).json()["alerts"] == []
    assert cockpit.ask("GET", "/api/areas", headers=headers).json() == {"areas": []}
    assert cockpit.ask("GET", "/metrics", headers=headers).status_code == 403
    assert cockpit.ask("GET", "/metrics", headers=cockpit.headers("root")).status_code == 200
