from __future__ import annotations

import csv
import random
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from streams.model import DAY_S
from streams.shells.backtest import backtest_counts, backtest_records
from streams.shells.csvcounts import CountsFileError
from streams.shells.outputs import OutputsError, RunWriter
from streams.shells.records import RecordsError, lines_stretch
from tests.shells.small import START_S, days, small_city

SPIKE = 100


def daily(path: Path, *, seed: int = 1, step_days: int = 1, n: int = 120, series: tuple[str, ...] = ("north",)) -> Path:
    rng = random.Random(seed)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("time", "area", "signal", "count"))
        for i in range(n):
            day = datetime.fromtimestamp(START_S + i * step_days * DAY_S, UTC).date()
            for area in series:
                mean = 400 if i == SPIKE and area == "north" else 20
                rows.writerow((day, area, "noise", round(rng.gauss(mean, mean**0.5))))
    return path


def read(path: Path) -> tuple[list[dict[str, object]], list[dict[str, str]]]:
    alerts = [orjson.loads(line) for line in (path / "alerts.ndjson").read_bytes().splitlines()]
    with (path / "scores.csv").open(newline="") as file:
        return alerts, list(csv.DictReader(file))


def test_a_spike_is_told_in_the_table_s_own_times(tmp_path: Path):
    figures = backtest_counts(daily(tmp_path / "c.csv", series=("north", "south")), tmp_path / "out")
    alerts, scores = read(tmp_path / "out")
    assert (figures.window_s, figures.windows, figures.series, figures.missing) == (DAY_S, 120, 2, "zero")
    [first] = [alert for alert in alerts if alert["notify"] and alert["onset_s"] == START_S + SPIKE * DAY_S]
    assert list(first) == [
        "alert_id", "seq", "at_s", "onset_s", "area", "signals", "from", "to", "reason", "band", "risk", "recurrence_s", "notify",
    ]  # fmt: skip
    assert (first["area"], first["signals"], first["to"], first["at_s"]) == ("north", ["noise"], "open", START_S + (SPIKE + 1) * DAY_S)
    assert list(scores[0]) == ["time", "area", "signal", "duration_s", "observed", "expected", "p", "recurrence_s", "risk"]
    [spike] = [
        row for row in scores if row["time"] == "2015-04-12T00:00:00+00:00" and row["area"] == "north" and row["duration_s"] == "86400"
    ]
    assert float(spike["observed"]) > 300
    assert 15 < float(spike["expected"]) < 25
    assert float(spike["p"]) < 1e-20
    assert figures.alerts == sum(1 for alert in alerts if alert["notify"])
    assert figures.alerts_per_day == pytest.approx(figures.alerts / 120, abs=1e-4)
    assert len({row["time"] for row in scores}) == 120, "every window is scored"


def test_the_same_table_gives_the_same_bytes(tmp_path: Path):
    table = daily(tmp_path / "c.csv")
    for name in ("a", "b"):
        backtest_counts(table, tmp_path / name)
    for file in ("alerts.ndjson", "scores.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_weeks_end_where_the_table_s_weeks_end(tmp_path: Path):
    figures = backtest_counts(daily(tmp_path / "c.csv", step_days=7), tmp_path / "out")
    _, scores = read(tmp_path / "out")
    assert figures.window_s == 7 * DAY_S
    assert scores[0]["time"] == "2015-01-08T00:00:00+00:00"
    assert {datetime.fromisoformat(row["time"]).weekday() for row in scores} == {3}


def test_a_gap_is_no_zero(tmp_path: Path):
    table = daily(tmp_path / "c.csv")
    lines = table.read_text().splitlines()
    del lines[60:64]
    table.write_text("\n".join([*lines, f"{lines[-1].split(',')[0]},south,noise,0"]) + "\n")
    backtest_counts(table, tmp_path / "gap")
    backtest_counts(table, tmp_path / "zero", missing="zero")

    def observed(out: Path) -> list[str]:
        _, scores = read(out)
        return [row["observed"] for row in scores if row["area"] == "north" and row["duration_s"] == "86400"]

    assert "0.0" in observed(tmp_path / "zero")
    assert len(observed(tmp_path / "gap")) <= len(observed(tmp_path / "zero"))
    gap, zero = read(tmp_path / "gap")[1], read(tmp_path / "zero")[1]
    in_gap, in_zero = (
        next(row["expected"] for row in rows if row["area"] == "north" and row["time"] == "2015-03-20T00:00:00+00:00")
        for rows in (gap, zero)
    )
    assert float(in_gap) > float(in_zero) + 0.1, "four days that are not known do not lower what is expected"


def test_the_budget_moves_the_number_of_alerts(tmp_path: Path):
    table = daily(tmp_path / "c.csv", n=300, series=tuple(f"area {i}" for i in range(20)))
    few = backtest_counts(table, tmp_path / "few", budget=0.01).alerts
    many = backtest_counts(table, tmp_path / "many", budget=5.0).alerts
    assert few < many


def test_notable_scores_are_fewer(tmp_path: Path):
    table = daily(tmp_path / "c.csv", series=tuple(f"area {i}" for i in range(10)))
    backtest_counts(table, tmp_path / "all")
    backtest_counts(table, tmp_path / "notable", score_all=False)
    assert len(read(tmp_path / "notable")[1]) < len(read(tmp_path / "all")[1])


def test_a_bad_table_writes_nothing(tmp_path: Path):
    (tmp_path / "c.csv").write_text("time,count\n2015-01-05,-1\n")
    with pytest.raises(CountsFileError):
        backtest_counts(tmp_path / "c.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_raw_records_go_through_the_whole_engine(tmp_path: Path):
    path = tmp_path / "hotline.ndjson"
    path.write_bytes(b"".join(data + b"\n" for _, data in days(4, bursts=(60, 61))) + b"rubbish\n")
    city = small_city(("hotline",))
    figures = backtest_records(city, lines_stretch(city, "hotline", path), tmp_path / "out")
    alerts, scores = read(tmp_path / "out")
    assert figures.rejected == {"not_json": 1}
    assert any(alert["notify"] and "flooding" in alert["signals"] for alert in alerts)  # type: ignore[operator]
    assert scores


def test_records_without_a_time_or_a_source_are_refused(tmp_path: Path):
    path = tmp_path / "hotline.ndjson"
    path.write_bytes(b'{"no": 1}\n')
    city = small_city(("hotline",))
    with pytest.raises(RecordsError, match="no line with a time at 'at'; is it JSON lines of the source 'hotline'"):
        lines_stretch(city, "hotline", path)
    with pytest.raises(RecordsError, match="has no such source; it has hotline"):
        lines_stretch(city, "nobody", path)


def test_a_folder_that_cannot_be_made_is_refused_with_the_remedy(tmp_path: Path):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(OutputsError, match="File exists; give a folder"):
        RunWriter(taken, small_city())
