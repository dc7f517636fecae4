"""The embedded engine, for real: durable writes, one process a folder, what people see and what they do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import orjson
import pytest

from sinks.base import Batch, SinkError
from sinks.checks import AREAS, SIGNALS, alert, batch, counts, scores, transition
from sinks.clickhouse.chdb_sink import ChdbSink
from sinks.clickhouse.schema import TABLES
from sinks.clickhouse.views import VIEWS
from streams.columns import pack, unpack

Open = Callable[..., ChdbSink]


def contents(sink: ChdbSink) -> dict[str, list[dict[str, object]]]:
    return {table.name: sink.query(f"SELECT * FROM {table.name} FINAL ORDER BY {', '.join(table.key)}") for table in TABLES}


def test_what_is_written_can_be_read(open_chdb: Open) -> None:
    sink = open_chdb()
    sink.write(batch(0))
    held = contents(sink)
    assert {name: len(rows) for name, rows in held.items()} == {
        "cells": 4,
        "scores": 2,
        "alerts": 2,
        "transitions": 2,
        "commands": 1,
        "dead_letters": 1,
        "quality": 1,
        "areas": len(AREAS),
        "signals": len(SIGNALS),
    }
    assert held["alerts"][0] | {"why": "", "clears": ""} == {
        "id": "a0", "version": 1422003600, "seq": 0, "area": "d1a", "signals": ["noise"], "areas": ["d1a"], "state": "open", "band": "yellow",
        "risk": 50, "initial_risk": 50, "recurrence_s": 1000000, "onset": "2015-01-23 08:00:00", "updated": "2015-01-23 09:00:00",
        "reason": "raised", "why": "", "clears": "", "owner": "", "label": "", "department": "", "duty_area": "", "config_version": "v1",
    }  # fmt: skip
    level = next(row for row in held["cells"] if row["signal"] == "water_level")
    assert (level["n"], level["total"], level["least"], level["most"]) == (2, 5.5, 2.5, 3.0)
    assert next(row for row in held["cells"] if row["signal"] == "noise")["least"] is None


def test_it_is_there_after_closing_and_opening_again(open_chdb: Open) -> None:
    sink = open_chdb("lasting")
    sink.write(batch(0))
    before = contents(sink)
    again = open_chdb("lasting")
    assert contents(again) == before


def test_a_block_may_touch_more_months_than_a_server_likes(open_chdb: Open) -> None:
    sink = open_chdb(block_rows_max=1000)
    one = counts(0)
    cells = unpack(one)
    months = np.arange(150, dtype=np.int32) * (60 * 24 * 31)
    row = [np.repeat(column[:1], 150) for column in cells]
    spread = cells._make(row)._replace(minute=months)
    sink.write(
        Batch(counts=((1, pack(rollup=False, config_hash="", spans=one.spans, areas=one.areas, signals=one.signals, cells=spread)),))
    )
    assert sink.query("SELECT count() AS n FROM cells") == [{"n": 150}]


def test_small_counts_of_small_areas_are_hidden_from_people(open_chdb: Open) -> None:
    sink = open_chdb(suppress_below=5)
    sink.write(batch(0))
    seen = {(row["area"], row["signal"]): row for row in sink.query("SELECT * FROM v_cells")}
    assert {area for area, signal in seen if signal == "noise"} == set(), "no count of a street, small or not: the district's is told"
    assert seen["d1b", "water_level"] | {"hour": ""} == {
        "hour": "", "area": "d1b", "signal": "water_level", "n": 2, "average": 2.75, "lowest": 2.5, "highest": 3.0,
    }  # fmt: skip
    assert sink.query("SELECT district, n FROM v_districts WHERE signal = 'noise'") == [{"district": "d1", "n": 11}]
    rows = sink.query("SELECT duration_s, observed, p, expected FROM v_scores ORDER BY duration_s")
    assert [(row["observed"], row["p"], row["expected"]) for row in rows] == [(None, None, None)] * 2


def test_the_floor_is_a_setting_and_districts_are_above_it(open_chdb: Open) -> None:
    sink = open_chdb(suppress_below=50)
    sink.write(batch(0))
    sink.write(Batch(scores=(msgspec.structs.replace(scores(3600), area=["d1", "city"]),)))
    rows = sink.query("SELECT area, observed FROM v_scores ORDER BY area, duration_s")
    assert [(row["area"], row["observed"]) for row in rows] == [("city", 42), ("d1", 3), ("d1a", None), ("d1a", None)]


def test_an_area_nobody_has_told_of_is_small(open_chdb: Open) -> None:
    sink = open_chdb(areas=(), signals=())
    sink.write(batch(0))
    assert sink.query("SELECT n FROM v_cells") == []


def test_a_floor_of_one_hides_nothing(open_chdb: Open) -> None:
    sink = open_chdb(suppress_below=1)
    sink.write(batch(0))
    assert {row["n"] for row in sink.query("SELECT n FROM v_cells WHERE signal = 'noise'")} == {4, 7}
    assert [row["observed"] for row in sink.query("SELECT observed FROM v_scores ORDER BY duration_s")] == [3, 42]


def test_sentences_of_streets_come_without_their_count(open_chdb: Open) -> None:
    sink = open_chdb()
    sink.write(batch(0))
    wide = msgspec.structs.replace(alert("w", 0), area="d1", members=(msgspec.structs.replace(alert("w", 0).members[0], area="d1"),))
    mixed = msgspec.structs.replace(wide, id="m", members=(*wide.members, *alert("m", 0).members))
    sink.write(Batch(alerts=(wide, mixed), transitions=((90, transition(wide)), (91, transition(mixed)))))
    plain = "Noise, North: not as usual in the last day."
    for view, name in (("v_alerts", "id"), ("v_transitions", "alert_id")):
        said = {row["id"]: row["why"] for row in sink.query(f"SELECT {name} AS id, why FROM {view}")}
        assert said == {"a0": plain, "b0": plain, "m": plain, "w": wide.why}


def test_views_show_each_row_once_and_the_newest_state(open_chdb: Open) -> None:
    sink = open_chdb()
    for number in (0, 2, 1, 2):
        sink.write(batch(number))
    assert sink.query("SELECT seq, risk FROM v_alerts WHERE id = 'a0'") == [{"seq": 2, "risk": 52}]
    assert sink.query("SELECT count() AS n FROM v_transitions") == [{"n": 6}]
    assert sink.query("SELECT sum(records) AS n FROM v_dead_letters") == [{"n": 3}]
    assert sink.query("SELECT sum(records) AS n FROM v_quality") == [{"n": 6}]
    assert all(sink.query(f"SELECT count() AS n FROM {view}")[0]["n"] > 0 for view in VIEWS)


FORBIDDEN = (
    "INSERT INTO signals VALUES ('x', 'x', 'count')",
    "DROP TABLE cells",
    "SET readonly = 0",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
    "SELECT * FROM Python (secret)",
    "SELECT number FROM numbers(100001)",
    "SELECT nonsense FROM",
)


def test_a_query_only_reads_and_is_bounded(open_chdb: Open) -> None:
    sink = open_chdb("questions")
    for sql in FORBIDDEN:
        with pytest.raises(SinkError) as refused:
            sink.query(sql)
        assert not refused.value.retryable
        assert sink.query("SELECT name FROM signals FINAL ORDER BY name") == [{"name": "noise"}, {"name": "water_level"}], (
            "the next answer is whole"
        )


def test_a_query_of_nothing_is_empty_and_a_closed_sink_says_so(open_chdb: Open) -> None:
    sink = open_chdb()
    assert sink.query("SELECT * FROM cells") == []
    sink.close()
    with pytest.raises(SinkError, match="closed"):
        sink.query("SELECT 1")


def test_a_folder_in_use_is_refused_clearly(open_chdb: Open, chdb_folder: Path, tmp_path: Path) -> None:
    open_chdb("questions")
    with pytest.raises(SinkError, match="one process a chDB folder") as refused:
        ChdbSink(chdb_folder)
    assert not refused.value.retryable
    with pytest.raises(SinkError, match="another chDB folder open"):
        ChdbSink(tmp_path / "second")
    code = f"from pathlib import Path; from sinks.clickhouse.chdb_sink import ChdbSink; ChdbSink(Path({str(chdb_folder)!r}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert other.returncode == 1
    assert "one process a chDB folder" in other.stderr


def test_an_engine_error_says_whether_to_retry_and_quotes_nothing(open_chdb: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = open_chdb()

    class Broken:
        text = ""

        def query(self, _sql: str, _fmt: str = "") -> None:
            raise RuntimeError(self.text)

        def close(self) -> None:
            pass

    engine = sink._writer
    monkeypatch.setattr(sink, "_writer", Broken())
    for text, retryable in (
        ("Code: 243. DB::Exception: Cannot reserve 1 MiB, secret row. (NOT_ENOUGH_SPACE)", True),
        ("Code: 53. DB::Exception: secret row. (TYPE_MISMATCH)", False),
        ("something else, secret row", True),
    ):
        Broken.text = text
        with pytest.raises(SinkError) as refused:
            sink.write(batch(0))
        assert refused.value.retryable is retryable
        assert "secret" not in str(refused.value)
    monkeypatch.setattr(sink, "_writer", engine)
    sink.write(batch(0))


WRITER = """
import sys
from pathlib import Path
from sinks.checks import batch
from sinks.clickhouse.chdb_sink import ChdbSink
sink = ChdbSink(Path(sys.argv[1]), block_rows_max=2)
number = 0
while True:
    sink.write(batch(number))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""
READER = """
import sys
from pathlib import Path
import orjson
from sinks.checks import batch
from sinks.clickhouse.chdb_sink import ChdbSink
from sinks.clickhouse.schema import TABLES
sink = ChdbSink(Path(sys.argv[1]), block_rows_max=2)
def contents():
    return {t.name: sink.query(f"SELECT * FROM {t.name} FINAL ORDER BY {', '.join(t.key)}") for t in TABLES}
acknowledged = int(sys.argv[2])
found = len(sink.query("SELECT * FROM cells FINAL"))
for number in range(acknowledged + 1, acknowledged + 3):
    sink.write(batch(number))
sys.stdout.buffer.write(orjson.dumps([found, contents()]))
sink.close()
"""


def test_killed_while_writing_nothing_acknowledged_is_missing_and_writing_again_completes_it(open_chdb: Open, tmp_path: Path) -> None:
    # writer    [0---)[1---)[2---)[3-- kill -9
    # after it                    [3---)[4---)
    folder = tmp_path / "crashed"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = -1
    while acknowledged < 2:
        acknowledged = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged = max([acknowledged, *(int(line) for line in writer.stdout.read().split())])
    writer.wait(10)
    writer.stdout.close()
    reader = subprocess.run([sys.executable, "-c", READER, str(folder), str(acknowledged)], capture_output=True, timeout=60, check=True)
    found, crashed = orjson.loads(reader.stdout)
    assert found >= 4 * (acknowledged + 1), "rows that had been acknowledged are missing"

    whole = open_chdb(areas=(), signals=())
    for number in range(acknowledged + 3):
        whole.write(batch(number))
    assert crashed == contents(whole)
