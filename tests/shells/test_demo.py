from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from sinks.base import Batch
from streams.loading import find_city, load
from streams.model import DAY_S, HOUR_S, Transition
from streams.settings import City, Demo, KnownEvent, Route
from streams.shells import demo
from streams.shells.demo import Lines, Options, report_lines
from streams.shells.gather import Gathered
from streams.shells.play import STORM_WEIGHT, Pace
from streams.shells.records import Expected, RecordsError, demo_stretch
from streams.shells.store import StoreError
from streams.shells.summary import Played, Told, judge, summarise
from tests.shells.small import START_S, days, small_city

BURST = 60


def town(folder: Path) -> City:
    """The small city with four recorded days, a flood known in them and one that never came."""
    path = folder / "events.csv"
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, ("no", "at", "where", "what", "via"))
        rows.writeheader()
        for at, data in days(4, bursts=(BURST, BURST + 1)):
            rows.writerow({**orjson.loads(data), "via": "phone" if at % 3 else "app"})
    start_s = START_S + BURST * HOUR_S
    known = (
        KnownEvent("the flood", start_s, start_s + 6 * HOUR_S, "flooding"),
        KnownEvent("no noise", start_s, start_s + 6 * HOUR_S, "noise"),
    )
    route = Route("via", {"phone": "hotline", "*": "app"})
    return msgspec.structs.replace(small_city(), demo=Demo(events=str(path), route=route, known=known, warm_start_s=2 * DAY_S))


def run(city: City, capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[str, dict[str, Any]]:
    assert demo.run(city, Options(**{"once": True, "serve": False, "speed": 0.0, **options})) == 0
    out = capsys.readouterr().out
    return out, orjson.loads(out) if options.get("json") else {}


def test_the_summary_says_what_was_caught(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _, summary = run(town(tmp_path), capsys, json=True)
    assert summary["events"] == len(days(4, bursts=(BURST, BURST + 1)))
    assert (summary["days"], summary["days_judged"]) == (pytest.approx(4, abs=0.1), pytest.approx(2, abs=0.1))
    assert [hit["event"] for hit in summary["caught"]] == ["the flood"]
    assert 0 < summary["caught"][0]["delay_h"] <= 2
    assert summary["missed"] == ["no noise"]
    assert summary["alerts"] >= summary["incidents"] >= 1
    assert summary["alerts_per_day"] == pytest.approx(summary["alerts"] / summary["days_judged"], rel=0.01)
    assert (summary["rejected"], summary["late"], summary["duplicate"]) == ({}, 0, 0)


def test_speed_changes_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    city = town(tmp_path)
    for name, options in (("a", {}), ("b", {"speed": None, "duration_s": 1.0})):
        run(city, capsys, json=True, out=tmp_path / name, **options)
    for file in ("alerts.ndjson", "scores.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_each_alert_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, _ = run(town(tmp_path), capsys)
    lines = out.splitlines()
    told = [line for line in lines if "Water on roads" in line and "Smallville" in line]
    assert all(line.startswith(("2015-01-03 1", "2015-01-04 1")) for line in told), "local time; told again after a day"
    assert any("  red     Smallville" in line and "by chance less than once in 1000 years" in line.lower() for line in told)
    assert all(" expected " in line for line in told)
    assert any(line.startswith("caught the flood") for line in lines)
    assert "missed no noise" in lines


def test_a_line_shows_no_markup_of_its_own(tmp_path: Path):
    from rich.console import Console

    step = Transition(
        "a", 1, START_S, START_S, "A1", ("noise",), "none", "open", "worse", "orange", 60.0, 4e7, True, why="Noise, North: [red]9[/red]."
    )
    console = Console(width=40, no_color=True, record=True, file=(tmp_path / "out").open("w"))
    Lines(small_city(), console).write(Batch(transitions=((1, step),)))
    assert (tmp_path / "out").read_text() == (
        "2015-01-01 00:00  orange  Smallville > North  Noise, North: [red]9[/red]. By chance once in a year. (worse)\n"
    )
    console.file.close()


def test_the_feed_is_served_while_it_plays(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    city = town(tmp_path)
    seen: list[bytes] = []
    real = demo._play

    def play(*arguments: Any) -> Any:
        summary = real(*arguments)
        link = next(word for word in capsys.readouterr().out.split() if "/link/" in word)
        url = link.partition("/link/")[0]
        with httpx.Client(timeout=10) as browser:
            assert browser.get(link).headers["location"] == "/"
            seen.extend(browser.get(url + path).content for path in ("/", "/api/alerts", "/ready"))
            assert browser.get(f"{url}/api/session").json()["actor"] == "demo"
        assert httpx.get(link).status_code == 404, "it opens once"
        assert httpx.get(f"{url}/api/alerts").status_code == 401
        return summary

    monkeypatch.setattr(demo, "_play", play)
    assert demo.run(city, Options(once=True, speed=0.0, port=0)) == 0
    page, alerts, ready = seen
    assert b"<html" in page
    assert orjson.loads(alerts)["last_event_id"] > 0
    assert orjson.loads(ready)["ready"] is True


def test_a_state_folder_is_kept_and_not_played_into_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    city = town(tmp_path)
    run(city, capsys, json=True, state=tmp_path / "state")
    assert (tmp_path / "state" / "tocsin.sqlite3").exists()
    with pytest.raises(RecordsError, match="holds a run already; give an empty folder to --state"):
        run(city, capsys, json=True, state=tmp_path / "state")
    other = msgspec.structs.replace(city, config_version="other")
    with pytest.raises(StoreError, match="made with configuration"):
        run(other, capsys, json=True, state=tmp_path / "state")


def test_a_city_without_a_demo_is_refused():
    with pytest.raises(RecordsError, match="has no demo section"):
        demo_stretch(small_city(), days=None, seed=1)


def test_a_generator_that_is_not_installed_is_named():
    city = msgspec.structs.replace(small_city(), demo=Demo(generator="atlantis"))
    with pytest.raises(RecordsError, match=r"generator 'atlantis' of .* is not installed"):
        demo_stretch(city, days=1, seed=1)


def test_the_first_days_of_boston_play(capsys: pytest.CaptureFixture[str]):
    _, summary = run(load(find_city("boston")), capsys, json=True, days=2.0)
    assert summary["events"] > 200
    assert summary["days"] == 2.0
    assert set(summary["rejected"]) <= {"excluded_category", "unknown_category", "unknown_area"}


def test_an_event_is_caught_only_in_its_time_its_group_and_its_place():
    def step(at_s: int, area: str = "A1", signal: str = "noise") -> Transition:
        return Transition("a", 1, at_s, at_s, area, (signal,), "none", "open", "raised", "red", 90.0, 1e6, True)

    def caught(step: Transition, area: str = "A1") -> bool:
        hits, missed = judge(small_city(), [step], {"a": step.area}, [Expected("e", 1000, 5000, "noise", area)])
        assert len(hits) + len(missed) == 1
        return bool(hits)

    assert caught(step(1000))
    assert caught(step(2000, "C")), "the alert is for the area around it"
    assert not caught(step(999))
    assert not caught(step(5001))
    assert not caught(step(2000, signal="flooding"))
    assert not caught(step(2000, "A2"))
    assert caught(step(2000, "A2"), area="")
    hits, _ = judge(small_city(), [step(4600), step(2800)], {"a": "A1"}, [Expected("e", 1000, 5000, "noise")])
    assert (hits[0].delay_h, hits[0].area) == (0.5, "A1")


def test_where_an_alert_is_said_to_be_is_where_it_last_stood_while_open():
    def step(seq: int, area: str, state: str, *, notify: bool = False) -> tuple[int, Transition]:
        return seq, Transition("a", seq, seq, 0, area, ("noise",), "open", state, "joined", "red", 90.0, 1e6, notify)  # type: ignore[arg-type]

    told = Told()
    told.write(Batch(transitions=(step(1, "C", "open", notify=True), step(2, "A1", "open"), step(3, "C", "cleared"))))
    assert told.areas == {"a": "A1"}


def test_gathered_batches_are_written_together_and_lose_nothing():
    written: list[Batch] = []

    class Dear:
        name = "dear"

        def write(self, batch: Batch) -> None:
            written.append(batch)

        def close(self) -> None:
            """Nothing to close."""

    step = Transition("a", 1, 10, 10, "A1", ("noise",), "none", "open", "raised", "red", 9.0, 1e6, True)
    gathered = Gathered(Dear(), batches_max=3)
    for i in range(7):
        gathered.write(Batch(transitions=((i, step),)))
    assert [len(batch.transitions) for batch in written] == [3, 3]
    gathered.close()
    assert [i for batch in written for i, _ in batch.transitions] == list(range(7))
    gathered.flush()
    assert len(written) == 3


def test_alerts_of_the_cold_start_are_counted_apart():
    city = msgspec.structs.replace(small_city(), demo=Demo(generator="x", warm_start_s=DAY_S))
    steps = [
        Transition("a", i, at, at, "A1", ("noise",), "none", "open", "raised", "red", 9.0, 1e6, True)
        for i, at in enumerate((10, DAY_S + 10))
    ]
    told = Told()
    told.write(Batch(transitions=tuple(enumerate(steps))))
    played = Played(events=5, first_s=0, end_s=3 * DAY_S, duplicate=0, late=0, rejected={}, seconds=1.0)
    summary = summarise(city, played, told, [Expected("early", 0, 100, "noise"), Expected("late", DAY_S, 2 * DAY_S, "noise")])
    assert (summary.alerts, summary.cold_start_alerts, summary.alerts_per_day) == (1, 1, 0.5)
    assert [hit.event for hit in summary.caught] == ["late"]
    assert summary.missed == ()
    assert "1 alerts in 1 incidents" in report_lines(summary)[0]


def test_the_pace_keeps_its_budget_and_dwells_on_storms():
    clock = 0.0
    pace = Pace(0, 1000, 60.0, [(500, 600), (-50, -10), (5000, 6000)], lambda: clock)
    spent = {}
    for now_s in range(10, 1001, 10):
        wait = pace.wait_s(now_s)
        clock += wait
        spent[now_s] = wait
    assert clock == pytest.approx(60.0)
    assert spent[550] == pytest.approx(STORM_WEIGHT * spent[100])
    clock += 100
    assert pace.wait_s(1000) == 0.0
