"""Kills the embedded process again and again while records arrive, and holds what it ends with against an undisturbed run.

    python -m load_tests.chaos_embedded --kills 20 --records 200000 --json

Three things must be equal: the cells of the counts journal (also with a count made without any of this code), the
findings journal, and the bytes of alerts.ndjson and scores.csv.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from http.client import HTTPConnection, HTTPException
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import orjson
from msgspec import Struct

from load_tests.chaos_town import Cell, Item, batches, count, make, write_town
from load_tests.credentials import program
from streams.columns import unpack
from streams.core.journal import decode
from streams.model import Counts
from streams.shells.outputs import ALERTS, SCORES
from streams.shells.store import Store

START_S_MAX = 60.0
SETTLE_S_MAX = 900.0
ANSWER_S_MAX = 120.0
TRIES_MAX = 50


class Report(Struct):
    """What came of it. ``lost`` and ``extra`` count records against the independent count."""

    records: int
    kills: int
    lost: int
    extra: int
    cells_equal: bool
    findings_equal: bool
    alerts_equal: bool
    scores_equal: bool
    clickhouse_equal: bool | None
    findings: int
    transitions: int
    recover_s_max: float
    seconds: float

    @property
    def ok(self) -> bool:
        return self.lost == self.extra == 0 and all(
            (
                self.cells_equal,
                self.findings_equal,
                self.alerts_equal,
                self.scores_equal,
                self.clickhouse_equal is not False,
                self.transitions,
            )
        )


class Town:
    """One embedded process over one folder, started again whenever it is gone."""

    def __init__(self, settings: Path, folder: Path, *, clickhouse: bool, arguments: Sequence[str] = ()) -> None:
        """``arguments`` are added to the command line."""
        self.folder = folder
        self.kills = 0
        self.recover_s_max = 0.0
        self._settings = settings
        self._arguments = [*arguments, *([] if clickhouse else ["--no-clickhouse"])]
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._token = ""
        folder.mkdir(parents=True)
        self.headers = program(folder / "state")

    def start(self) -> None:
        """Start and wait until it answers; again, should it be killed meanwhile."""
        started = time.monotonic()
        while not (port := self._launch(started + START_S_MAX)):
            pass
        self._port = port
        self._token = (self.folder / "state" / "token").read_text().strip()
        if self.kills:
            self.recover_s_max = max(self.recover_s_max, time.monotonic() - started)

    def _launch(self, until: float) -> int:
        """One start; its port, or 0 when it was killed before it answered."""
        command = [sys.executable, "-m", "streams.shells.cli", "up", "--embedded", "--city", str(self._settings)]
        command += ["--state", str(self.folder / "state"), "--out", str(self.folder / "out"), "--port", "0", "--checkpoint-every", "2"]
        path = self.folder / "log.ndjson"
        before = path.stat().st_size if path.exists() else 0
        with path.open("ab") as log:
            self._process = subprocess.Popen(command + self._arguments, stderr=log)
        while (port := _port(path, before)) == 0:
            status = self._process.poll()
            if status == -signal.SIGKILL:
                return 0
            if status is not None or time.monotonic() > until:
                raise RuntimeError(f"the process did not come up (status {status}); see {path}")
            threading.Event().wait(0.02)
        return port

    def kill(self) -> None:
        """SIGKILL, by its id."""
        process = self._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        self.kills += 1

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        status = self._process.wait(timeout=60)
        if status != 0:
            raise RuntimeError(f"a graceful stop ended with status {status}; see {self.folder}/log.ndjson")

    def post(self, source: str, payloads: Sequence[bytes]) -> dict[str, int]:
        """Send until it is answered, as a careful client does."""
        for _ in range(TRIES_MAX):
            assert self._process is not None
            if self._process.poll() is not None:
                self.start()
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/x-ndjson"}
            try:
                connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S_MAX)
                connection.request("POST", f"/ingest/{source}", b"\n".join(payloads), headers)
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
            except (OSError, HTTPException):
                self._process.poll()
                threading.Event().wait(0.05)
                continue
            if answer.status == 200:
                return dict(orjson.loads(body))
            threading.Event().wait(0.2)
        raise RuntimeError(f"no answer to {TRIES_MAX} requests; see {self.folder}/log.ndjson")

    def settle(self) -> None:
        """Wait until everything that arrived has been scored and decided."""
        until = time.monotonic() + SETTLE_S_MAX
        while time.monotonic() < until:
            text = self.metrics()
            if "\ntocsin_behind_records 0.0\n" in text:
                return
            threading.Event().wait(0.2)
        raise RuntimeError("the journals were not worked off in time")

    def metrics(self) -> str:
        """The process's own numbers."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S_MAX)
        connection.request("GET", "/metrics", headers=self.headers)
        text = connection.getresponse().read().decode()
        connection.close()
        return text


def run(folder: Path, *, kills: int, records: int, batch: int, seed: int, clickhouse: bool) -> Report:
    """An undisturbed run and a disturbed one over the same records."""
    started = time.monotonic()
    items = make(records, seed)
    settings = write_town(folder / "town")
    calm, harried = (Town(settings, folder / name, clickhouse=clickhouse) for name in ("calm", "harried"))
    work = list(batches(items, batch))
    for town, times in ((calm, 0), (harried, kills)):
        try:
            _feed(town, work, times, random.Random(seed + 1))
        finally:
            town.stop()
    return _compare(items, calm, harried, clickhouse=clickhouse, started=started)


def _feed(town: Town, work: Sequence[tuple[str, list[bytes]]], kills: int, rng: random.Random) -> None:
    town.start()
    at = set(rng.sample(range(1, len(work)), kills))
    for number, (source, payloads) in enumerate(work):
        killer = None
        if number in at:
            killer = threading.Timer(rng.random() * 0.15, town.kill)
            killer.start()
        town.post(source, payloads)
        if killer is not None:
            killer.join()
    town.post(*work[-1])  # it may just have been killed; all of these are duplicates
    town.settle()


def _compare(items: Sequence[Item], calm: Town, harried: Town, *, clickhouse: bool, started: float) -> Report:
    expected = count(items)
    cells, findings = journals(harried.folder)
    calm_cells, calm_findings = journals(calm.folder)
    out = {name: [(town.folder / "out" / name).read_bytes() for town in (calm, harried)] for name in (ALERTS, SCORES)}
    tables = [_tables(town.folder) for town in (calm, harried)] if clickhouse else []
    return Report(
        records=len(items),
        kills=harried.kills,
        lost=(expected - cells).total(),
        extra=(cells - expected).total(),
        cells_equal=cells == calm_cells == expected,
        findings_equal=findings == calm_findings,
        alerts_equal=out[ALERTS][0] == out[ALERTS][1],
        scores_equal=out[SCORES][0] == out[SCORES][1],
        clickhouse_equal=tables[0] == tables[1] if tables else None,
        findings=len(findings),
        transitions=out[ALERTS][0].count(b"\n"),
        recover_s_max=round(harried.recover_s_max, 2),
        seconds=round(time.monotonic() - started, 1),
    )


def journals(folder: Path) -> tuple[Counter[Cell], list[bytes]]:
    """All cells of the counts journal, roll-ups left out, and the findings journal without its configuration."""
    store = Store(folder / "state", identity={}, must_exist=True)
    cells: Counter[Cell] = Counter()
    seq = 0
    while rows := store.counts_after(seq, 1000):
        seq = rows[-1][0]
        for _, data in rows:
            record = decode(data)
            if isinstance(record, Counts) and not record.rollup:
                table = unpack(record)
                for area, name, minute, n in zip(table.area, table.signal, table.minute, table.n, strict=True):
                    cells[record.areas[area], record.signals[name], int(minute)] += int(n)
    findings = [data for _, data in store.findings_after(1, 10_000_000)]
    store.close()
    return cells, findings


_TABLES = (
    "SELECT area, signal, sum(n) AS total, sum(cityHash64(minute) * n) AS hash FROM cells FINAL GROUP BY area, signal ORDER BY area, signal",
    "SELECT count() AS rows, sum(cityHash64(shard, area, signal, duration_s, window_end, p)) AS hash FROM scores FINAL",
    "SELECT count() AS rows, sum(cityHash64(alert_id, seq, reason, band)) AS hash FROM transitions FINAL",
    "SELECT count() AS rows, sum(cityHash64(id, seq, state)) AS hash FROM alerts FINAL",
)


def _tables(folder: Path) -> list[list[dict[str, Any]]]:
    """What the chDB tables hold, asked by a process of its own: a process opens one folder only."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_ask, folder / "state" / "chdb").result()


def _ask(folder: Path) -> list[list[dict[str, Any]]]:
    from sinks.clickhouse.chdb_sink import ChdbSink  # noqa: PLC0415 - the parent process does without

    sink = ChdbSink(folder)
    try:
        return [sink.query(sql) for sql in _TABLES]
    finally:
        sink.close()


def _port(log: Path, offset: int) -> int:
    with log.open("rb") as file:
        file.seek(offset)
        for line in file.read().splitlines():
            if line.startswith(b"{"):
                try:
                    event = msgspec.json.decode(line, type=dict[str, object])
                except msgspec.MsgspecError:
                    continue
                if event.get("event") == "up":
                    return int(str(event["url"]).rsplit(":", 1)[1])
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: 0 when everything is equal, 1 when not."""
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.chaos_embedded", description="Kill the embedded process while records arrive."
    )
    parser.add_argument("--kills", type=int, default=20, help="how often (default: 20)")
    parser.add_argument("--records", type=int, default=200_000, help="how many records (default: 200000)")
    parser.add_argument("--batch", type=int, default=500, help="records a request (default: 500)")
    parser.add_argument("--seed", type=int, default=1, help="of records and of the moments of the kills (default: 1)")
    parser.add_argument("--no-clickhouse", action="store_true", help="without the chDB tables")
    parser.add_argument("--keep", type=Path, help="keep folders and logs here")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tocsin-chaos-") as folder:
        report = run(
            given.keep or Path(folder),
            kills=given.kills,
            records=given.records,
            batch=given.batch,
            seed=given.seed,
            clickhouse=not given.no_clickhouse,
        )
    row = {**msgspec.to_builtins(report), "ok": report.ok}
    lines = orjson.dumps(row).decode() if given.json else "\n".join(f"{name}: {value}" for name, value in row.items())
    sys.stdout.write(lines + "\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
