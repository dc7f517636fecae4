"""The applications as the shells build them: every route of theirs is behind the door."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from load_tests.credentials import program
from streams.shells.access import Access, open_access
from streams.shells.cockpit import build_app
from streams.shells.doors import Doors
from streams.shells.opening import Opened
from tests.shells.small import START_S, small_city
from tests.sinks.test_cockpit_guard import ALLOWED, concrete, listed


class House:
    """An embedded cockpit with a program that may do everything."""

    def __init__(self, folder: Path) -> None:
        self.opened = Opened(small_city(), folder, durability="off", now_s=START_S)
        self.program = program(folder)
        self.access: Access = open_access(folder, small_city().areas, Doors())
        self.app = build_app(self.opened, self.access, token="records-only", now_s=lambda: START_S)

    def status(self, method: str, path: str, headers: dict[str, str]) -> int:
        return asyncio.run(self._ask(method, path, headers)).status_code

    async def _ask(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        transport: Any = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, headers=headers)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.access.close()
    made.opened.close()


def test_every_route_of_the_process_is_behind_the_door(house: House) -> None:
    routes = {(method, path) for method, path in listed(house.app.routes) if method != "HEAD"}
    behind = sorted(routes - ALLOWED)
    assert len(behind) >= 18
    assert routes & ALLOWED == ALLOWED
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert [(method, path) for method, path in behind if house.status(method, concrete(path), headers) != 401] == []
    records = {"Authorization": "Bearer records-only"}
    assert [path for method, path in behind if house.status(method, concrete(path), records) != 401] == ["/ingest/{source}"]


def test_a_program_is_let_in_everywhere_but_where_records_go(house: House) -> None:
    behind = [pair for pair in listed(house.app.routes) if pair[0] in {"GET", "POST"} and pair not in ALLOWED and pair[1] != "/api/stream"]
    assert [path for method, path in behind if house.status(method, concrete(path), house.program) == 401] == ["/ingest/{source}"]
