from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from streams.shells import http
from streams.shells.access import Access, demo_access
from streams.shells.cockpit import build_app
from streams.shells.opening import Opened
from tests.shells.small import START_S, payload, small_city

TOKEN = "t" * 32
AUTH = {"Authorization": f"Bearer {TOKEN}"}
NDJSON = {**AUTH, "Content-Type": "application/x-ndjson"}
JSON = {**AUTH, "Content-Type": "application/json"}
SECRET = "Li-Wei-13800138000"


class Client:
    """Asks an application without a socket."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **options))

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **options)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made = Opened(small_city(), tmp_path, durability="off", now_s=START_S)
    yield made
    made.close()


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    made = demo_access(tmp_path, small_city().areas)
    yield made
    made.close()


@pytest.fixture
def client(opened: Opened, access: Access) -> Client:
    return Client(build_app(opened, access, token=TOKEN, now_s=lambda: START_S + 60))


def test_lines_are_committed_before_the_answer(client: Client, opened: Opened):
    body = b"\n".join([payload(1, START_S), b"", payload(1, START_S), b"{", payload(2, START_S, what="Petition")])
    answer = client.post("/ingest/hotline", content=body, headers=NDJSON)
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "duplicate": 1, "late": 0, "rejected": {"excluded_category": 1, "not_json": 1}}
    assert opened.store.newest("counts") == 3
    assert opened.store.newest("rejected") == 2


def test_a_json_array_one_object_and_cloudevents(client: Client):
    array = b"[" + payload(1, START_S) + b"," + payload(2, START_S) + b"]"
    assert client.post("/ingest/app", content=array, headers=JSON).json()["accepted"] == 2
    assert client.post("/ingest/app", content=payload(3, START_S), headers=JSON).json()["accepted"] == 1
    event = {"specversion": "1.0", "id": "e", "source": "/app", "type": "t", "data": orjson.Fragment(payload(4, START_S))}
    batch = {**AUTH, "Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
    assert client.post("/ingest/app", content=orjson.dumps([event]), headers=batch).json()["accepted"] == 1
    single = {**AUTH, "Content-Type": "application/cloudevents+json"}
    assert client.post("/ingest/app", content=orjson.dumps(event), headers=single).json() == {
        "accepted": 0,
        "duplicate": 1,
        "late": 0,
        "rejected": {},
    }
    assert client.post("/ingest/app", content=b"[]", headers=JSON).json()["accepted"] == 0


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer"}]
)
def test_without_the_token_nothing_is_taken_in(client: Client, opened: Opened, header: dict[str, str]):
    answer = client.post("/ingest/hotline", content=payload(1, START_S), headers={**header, "Content-Type": "application/x-ndjson"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert opened.store.newest("counts") == 1


@pytest.mark.parametrize(
    "path, headers, body, status",
    [
        (f"/ingest/{SECRET}", NDJSON, b"{}", 404),
        ("/ingest/hotline", {**AUTH, "Content-Type": f"text/{SECRET}"}, b"{}", 415),
        ("/ingest/hotline", AUTH, b"{}", 415),
        ("/ingest/hotline", {**NDJSON, "Content-Encoding": SECRET}, b"{}", 415),
        ("/ingest/hotline", {**NDJSON, "Content-Encoding": "gzip"}, SECRET.encode(), 400),
        ("/ingest/hotline", JSON, b'[{"a": "' + SECRET.encode(), 400),
        ("/ingest/hotline", JSON, b"[" * 100_000 + SECRET.encode(), 400),
    ],
)
def test_a_refusal_is_a_problem_and_echoes_nothing(client: Client, path: str, headers: dict[str, str], body: bytes, status: int):
    answer = client.post(path, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert len(answer.json()["detail"]) > 20
    assert SECRET not in answer.text


def test_bodies_are_bounded_packed_and_unpacked(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "BODY_BYTES_MAX", 10_000)
    line = payload(1, START_S) + b"\n"
    packed = {**NDJSON, "Content-Encoding": "gzip"}
    assert client.post("/ingest/hotline", content=line * 200, headers=NDJSON).status_code == 413
    assert client.post("/ingest/hotline", content=gzip.compress(b"\n" * 50_000_000), headers=packed).status_code == 413
    assert client.post("/ingest/hotline", content=gzip.compress(line)[:-6], headers=packed).status_code == 400
    members = gzip.compress(line) + gzip.compress(payload(2, START_S))
    assert client.post("/ingest/hotline", content=members, headers=packed).json()["accepted"] == 2
    monkeypatch.setattr(http, "RECORDS_MAX", 2)
    assert client.post("/ingest/hotline", content=b"1\n" * 3, headers=NDJSON).status_code == 413


def test_a_record_that_is_too_large_is_rejected_by_itself(client: Client):
    body = payload(1, START_S, note="x" * 70_000) + b"\n" + payload(2, START_S)
    assert client.post("/ingest/hotline", content=body, headers=NDJSON).json() == {
        "accepted": 1,
        "duplicate": 0,
        "late": 0,
        "rejected": {"too_large": 1},
    }


def test_what_could_not_be_committed_is_to_be_sent_again(client: Client, opened: Opened, monkeypatch: pytest.MonkeyPatch):
    import sqlite3

    def full(*_: object) -> None:
        raise sqlite3.OperationalError(f"database or disk is full {SECRET}")

    with monkeypatch.context() as patch:
        patch.setattr(opened.store, "append_folded", full)
        answer = client.post("/ingest/hotline", content=payload(1, START_S), headers=NDJSON)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert SECRET not in answer.text
    assert client.post("/ingest/hotline", content=payload(1, START_S), headers=NDJSON).json()["accepted"] == 1


def test_when_too_much_waits_records_are_put_off(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "BEHIND_MAX", 1)
    client.post("/ingest/hotline", content=payload(1, START_S), headers=NDJSON)
    assert client.post("/ingest/hotline", content=payload(2, START_S), headers=NDJSON).status_code == 503


def test_readiness_and_metrics(opened: Opened, access: Access, tmp_path: Path):
    from sinks.metrics import Metrics

    made = Opened(small_city(), tmp_path / "with", durability="off", now_s=START_S, metrics=Metrics())
    client = Client(build_app(made, access, token=TOKEN, now_s=lambda: START_S + 60))
    assert client.get("/ready").json()["waiting_for"] == []
    client.post("/ingest/hotline", content=payload(1, START_S) + b"\n{", headers=NDJSON)
    text = client.get("/metrics", headers={"Cookie": f"tocsin_session={access.keeper.follow(access.link).caller.session}"}).text
    assert 'tocsin_intake_records_total{outcome="accepted",source="hotline"} 1.0' in text
    assert 'tocsin_rejected_records_total{reason="not_json",source="hotline"} 1.0' in text
    assert 'tocsin_watermark_lag_seconds{source="hotline"} 360.0' in text
    assert "tocsin_behind_records 4.0" in text, "two counts and the two configurations: nothing is pumped yet"
    made.close()


def test_a_page_of_another_name_is_refused(opened: Opened, access: Access):
    app = build_app(opened, access, token=TOKEN, now_s=lambda: START_S + 60)
    assert asyncio.run(_rebound(app)).status_code == 400
    assert Client(app).get("/api/alerts").status_code == 401


async def _rebound(app: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://evil.example.com") as page:
        return await page.get("/api/alerts")


def test_a_body_that_stops_in_the_middle_gives_its_slot_back(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "BODY_S_MAX", 0.01)

    async def stuck() -> Any:
        yield b"{"
        await asyncio.sleep(5)

    assert client.post("/ingest/hotline", content=stuck(), headers=NDJSON).status_code == 408


def test_millions_of_lines_are_refused_before_they_are_cut(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "RECORDS_MAX", 10)
    assert client.post("/ingest/hotline", content=b"\n" * 21, headers=NDJSON).status_code == 413
