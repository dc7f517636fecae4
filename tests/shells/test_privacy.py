"""Ten thousand records full of people go in over HTTP; nothing of them may be found anywhere afterwards."""

from __future__ import annotations

import gzip
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import orjson
import pytest

from load_tests.chaos_embedded import Town
from load_tests.chaos_town import write_town
from sinks.clickhouse.chdb_sink import ChdbSink
from sinks.clickhouse.schema import BY_NAME
from tests.people import MARK, RECORDS, leaks, records


def ask(town: Town, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", town._port, timeout=60)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    told = str(answer.getheaders()).encode() + answer.read()
    connection.close()
    return told


def test_leaks_would_be_found():
    for data in records()[:20]:
        assert leaks(data) or b'"no"' not in data


@pytest.fixture
def town(tmp_path: Path):
    made = Town(write_town(tmp_path / "town"), tmp_path / "one", clickhouse=True)
    yield made
    made.stop()


def test_nothing_of_a_person_is_kept_logged_or_answered(town: Town):
    town.start()
    token = f"Bearer {town._token}"
    answers = []
    lines = records()
    taken: dict[str, int] = {}
    for start in range(0, RECORDS, 500):
        body = b"\n".join(lines[start : start + 500])
        packed = start % 1000 == 0
        encoding = {"Content_Encoding": "gzip"} if packed else {}
        data = gzip.compress(body) if packed else body
        answer = ask(town, "POST", "/ingest/hotline", data, Authorization=token, Content_Type="application/x-ndjson", **encoding)
        answers.append(answer)
        for reason, n in orjson.loads(answer[answer.index(b'{"') :])["rejected"].items():
            taken[reason] = taken.get(reason, 0) + n
    assert set(taken) >= {"unknown_area", "unknown_category", "bad_time", "missing_id", "not_json", "not_an_object", "too_large"}
    json = {"Content_Type": "application/json"}
    answers += [
        ask(town, "POST", f"/ingest/{MARK}", lines[0], Authorization=token, **json),
        ask(town, "POST", "/ingest/hotline", b"[" + lines[0], Authorization=token, **json),
        ask(town, "POST", "/ingest/hotline", lines[0], Authorization=f"Bearer {MARK}", **json),
        ask(town, "POST", "/ingest/hotline", lines[0], Authorization=token, Content_Type=f"text/{MARK}"),
        ask(town, "POST", "/ingest/hotline", lines[0], Authorization=token, Content_Encoding=MARK, **json),
        *(
            ask(town, "GET", path, **town.headers)
            for path in ("/api/alerts", "/api/areas", "/metrics", "/ready", f"/api/alerts/{MARK}", f"/{MARK}")
        ),
    ]
    town.settle()
    assert not [answer[:300] for answer in answers if leaks(answer)]
    while_running = searched(town.folder)
    town.kill()
    assert while_running == searched(town.folder) == []
    town.start()  # recovery writes and logs, too
    town.stop()
    assert searched(town.folder) == []
    sink = ChdbSink(town.folder / "state" / "chdb")  # its files are packed: what they hold is asked for
    for table in BY_NAME:
        rows = orjson.dumps(sink.query(f"SELECT * FROM {table}"))
        assert not leaks(rows), table
    assert sink.query("SELECT count() AS n FROM dead_letters FINAL")[0]["n"] == sum(taken.values())
    sink.close()


def searched(folder: Path) -> list[Path]:
    """Files with anything of a seeded record in them; logs, journals, write-ahead log and tables all lie below the folder."""
    found, names = [], set()
    for path in folder.rglob("*"):
        names.add(path.name)
        with suppress(FileNotFoundError):  # the tables' engine renames and removes files of its own meanwhile
            if path.is_file() and leaks(path.read_bytes()):
                found.append(path)
    assert {"log.ndjson", "tocsin.sqlite3", "alerts.ndjson"} <= names
    return found
