from __future__ import annotations

import re
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import orjson
import pytest

from streams.loading import load
from streams.model import DAY_S, HOUR_S
from streams.settings import City
from streams.shells import explain_run, explain_state
from streams.shells.engine import Engine
from streams.shells.explain import ExplainError, Story, found
from streams.shells.outputs import RunWriter
from streams.shells.store import DATABASE, Store, StoreError
from streams.shells.story_page import page, svg
from streams.shells.story_text import list_text, text
from tests.shells.small import AREAS, SETTINGS, START_S, days, payload

FINE = "A21,Mill Lane,2,A2,5000\nA22,Quay,2,A2,5000\nA23,Hill,2,A2,5000\n"
KEY = bytes(32)
BURST, QUIET = 60, 140
END_S = START_S + 7 * DAY_S


@cache
def city() -> City:
    """The small city with three communities in East."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "tocsin.yaml").write_text(SETTINGS[: SETTINGS.index("  app:")])
        (Path(folder) / "areas.csv").write_text(AREAS + FINE)
        return load(Path(folder) / "tocsin.yaml")


def records() -> list[tuple[int, bytes]]:
    """Chance calls for seven days; a flood of 40 in Mill Lane, a later one of 4 in Hill: too few to be shown."""
    made = days(7)
    floods = [("A21", BURST, 40), ("A21", BURST + 1, 30), ("A23", QUIET, 4), ("A22", BURST, 7)]
    for area, hour, n in floods:
        made += [
            (START_S + hour * HOUR_S + 60 * i, payload(f"{area}{hour}{i}", START_S + hour * HOUR_S + 60 * i, area, "Flood"))
            for i in range(n)
        ]
    return sorted(made)


def live(folder: Path, out: Path | None = None, *, checkpoints: bool = False) -> Store:
    """A run over all records; the store stays open, as that of a running process."""
    store = Store(folder, identity={}, durability="off")
    writer = RunWriter(out, city()) if out else None
    engine = Engine(city(), store, KEY, [writer] if writer else [])
    engine.recover(START_S)
    batch = records()
    for i in range(0, len(batch), 5):
        engine.desk.ingest("hotline", [data for _, data in batch[i : i + 5]], batch[i + 4 if i + 4 < len(batch) else -1][0])
        engine.drain(batch[i][0])
        if checkpoints and i % 50 == 0:
            engine.checkpoint(batch[i][0])
    engine.desk.settle(END_S)
    engine.drain(END_S)
    if checkpoints:
        engine.checkpoint(END_S)
    if writer:
        writer.close()
    return store


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("explain")
    store = live(folder / "state", folder / "run", checkpoints=True)
    yield folder / "state"
    store.close()


def the_flood(state: Path) -> Story:
    [alert] = [
        a
        for a in explain_state.listed(state)
        if "flooding" in a.signals and a.onset_s == START_S + BURST * HOUR_S and a.state != "withdrawn"
    ]
    return explain_state.explain(state, alert.id[:6])


def the_quiet(state: Path) -> Story:
    [alert] = [a for a in explain_state.listed(state) if a.onset_s == START_S + QUIET * HOUR_S and a.state != "withdrawn"]
    return explain_state.explain(state, alert.id)


def test_a_flood_is_explained_while_the_folder_is_in_use(state: Path):
    story = the_flood(state)
    assert story.place.path == ("Smallville", "East", "Mill Lane")
    assert (story.onset_s, story.told_s) == (START_S + BURST * HOUR_S, START_S + (BURST + 1) * HOUR_S)
    assert story.english.startswith("Water on roads, Mill Lane: 40 counted in the last hour, ")
    assert story.chinese.startswith("Mill Lane“Water on roads”：过去1小时共40次，预期")
    hour = next(seen for seen in story.evidence if seen.duration_s == HOUR_S)
    assert (hour.observed, hour.hidden) == (40, False)
    assert hour.p is not None
    assert hour.p < 1e-9
    assert story.timeline[0].reason == "raised"
    assert story.timeline[-1].reason == "calm"
    assert story.clears == ""


def test_the_chart_is_the_windows_around_it(state: Path):
    points = the_flood(state).chart.points
    assert [seen.end_s for seen in points] == list(range(points[0].end_s, points[-1].end_s + 1, HOUR_S))
    assert points[0].end_s > START_S + (BURST - 36) * HOUR_S
    assert points[-1].end_s == START_S + (BURST + 37) * HOUR_S
    shown = {(seen.end_s - START_S) // HOUR_S: seen.observed for seen in points if not seen.hidden}
    assert shown == {BURST + 1: 40, BURST + 2: 30}, "small counts of a small area are hidden"


def test_snapshots_and_the_whole_journal_tell_the_same(state: Path, tmp_path: Path):
    live(tmp_path / "whole").close()
    database = sqlite3.connect(tmp_path / "whole" / DATABASE)
    assert database.execute("SELECT count(*) FROM snapshots").fetchone() == (0,)
    database.close()
    assert the_flood(tmp_path / "whole") == the_flood(state)


def test_a_cut_journal_tells_what_it_still_can(state: Path, tmp_path: Path):
    live(tmp_path / "cut", checkpoints=True).close()
    database = sqlite3.connect(tmp_path / "cut" / DATABASE)
    database.execute("DELETE FROM snapshots WHERE seq < (SELECT max(seq) FROM snapshots)")
    [last] = database.execute("SELECT counts_seq FROM snapshots").fetchone()
    database.execute("DELETE FROM counts WHERE seq > 1 AND seq <= ?", (last,))
    database.commit()
    database.close()
    story = the_flood(tmp_path / "cut")
    assert "the journals begin later than the chart would" in story.notes
    assert story.english.startswith("Water on roads, Mill Lane: ")
    assert story.chart.points == ()
    assert "Note: the journals" in text(story)
    assert svg(story).startswith("<svg ")


def test_a_small_count_is_nowhere(state: Path):
    story = the_quiet(state)
    assert story.english == "Water on roads, Hill: fewer than 5 in the last hour, more than is usual there."
    assert story.chinese == "Hill“Water on roads”：过去1小时不足5次，高于当地常态。"
    assert story.recurrence_s is None
    assert all((seen.observed, seen.expected, seen.p, seen.hidden) == (None, None, None, True) for seen in story.evidence)
    assert all((seen.observed, seen.expected, seen.lower) == (None, None, None) for seen in story.chart.points)
    assert story.by_area is None
    assert "below 5 all the time, too small to be shown" in text(story)
    assert "too small to be shown" in svg(story)


def test_areas_below_share_the_deviation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Path):
    monkeypatch.setattr(
        explain_state,
        "_told",
        lambda findings, told, place, lines: next(f for f in findings if f.area == "A2" and f.signal == "flooding"),  # noqa: ARG005
    )
    shares = the_flood(state).by_area
    assert shares is not None
    assert [(row.area, row.observed) for row in shares.rows] == [("A21", 40)]
    assert shares.hidden == 2, "Hill had none; Quay is hidden too, or it could be told from the rest"
    assert shares.rows[0].share == pytest.approx(40 / 47, abs=0.02)


def test_text_page_and_chart_say_it_all_and_load_nothing(state: Path):
    story = the_flood(state)
    words = text(story)
    for part in (
        story.id,
        story.english,
        story.chinese,
        "95% interval",
        "1 hour ",
        "none to open: raised,",
        "< began, told",
        "Smallville / East / Mill Lane",
    ):
        assert part in words
    whole = page(story)
    assert story.chinese in whole
    assert "default-src 'none'" in whole
    assert re.findall(r"(?:src|href)=|url\(|@import", whole) == []
    assert set(re.findall(r"https?://[^\"']+", whole)) == {"http://www.w3.org/2000/svg"}
    drawn = ET.fromstring(svg(story))
    assert len(drawn.findall("{http://www.w3.org/2000/svg}polyline")) >= 2


def test_everything_is_in_the_json(state: Path):
    story = orjson.loads(msgspec.json.encode(the_flood(state)))
    assert {"english", "chinese", "evidence", "by_signal", "by_area", "chart", "timeline", "clears"} <= set(story)
    assert story["timeline"][0]["from"] == "none"


def test_the_list_is_newest_first(state: Path):
    alerts = explain_state.listed(state)
    assert len(alerts) >= 2
    assert [a.onset_s for a in alerts] == sorted((a.onset_s for a in alerts), reverse=True)
    assert list_text(alerts).count("\n") == len(alerts) - 1
    assert list_text(()) == "no alerts"


@pytest.mark.parametrize(
    "wanted, words",
    [
        ("abd", "abd: no such alert; the nearest are abc., abc.;"),
        ("abc", "2 alerts begin so, among them abc1, abc2"),
        ("zz", "no such alert; the nearest"),
    ],
)
def test_an_id_that_is_none_names_the_nearest_and_how_to_list(wanted: str, words: str):
    with pytest.raises(ExplainError, match=words) as refused:
        found(wanted, ["abc1", "abc2"], "--state var")
    assert "tocsin explain --state var lists all" in str(refused.value)
    assert refused.value.status == 2


def test_an_id_may_be_cut():
    assert found("abc", ["abc", "abcd"], "") == "abc"
    assert found("f", ["abc", "fed"], "") == "fed"
    with pytest.raises(ExplainError, match="there are none"):
        found("f", [], "")


def test_no_state_folder(tmp_path: Path):
    with pytest.raises(StoreError, match="no journals here"):
        explain_state.listed(tmp_path)
    (tmp_path / DATABASE).write_bytes(b"something else" * 100)
    with pytest.raises(StoreError, match="cannot be read as a database of Tocsin"):
        explain_state.listed(tmp_path)


def test_a_run_tells_what_its_files_hold(state: Path):
    whole = the_flood(state)
    story = explain_run.explain(state.parent / "run", whole.id, city())
    assert story.place == whole.place
    assert (story.onset_s, story.told_s) == (whole.onset_s, whole.told_s)
    assert re.fullmatch(r"Water on roads, Mill Lane: 40 counted in the last hour, [\d.]+ expected; by chance .*\.", story.english)
    assert [(seen.duration_s, seen.observed, seen.p) for seen in story.evidence] == [
        (seen.duration_s, seen.observed, seen.p) for seen in whole.evidence
    ]
    assert "not kept" in text(story)
    assert story.timeline == tuple(msgspec.structs.replace(stage, actor="", muted_by="") for stage in whole.timeline)
    assert whole.id in [alert.id for alert in explain_run.listed(state.parent / "run")]


def test_without_a_city_every_area_of_a_run_is_small(state: Path):
    story = explain_run.explain(state.parent / "run", the_quiet(state).id, None)
    assert story.english == "flooding, A23: fewer than 5 in the last hour, more than is usual there."
    assert any("without --city" in note for note in story.notes)


def test_a_run_that_is_none(tmp_path: Path):
    with pytest.raises(ExplainError, match="give the folder that was passed to --out"):
        explain_run.listed(tmp_path)
    (tmp_path / "alerts.ndjson").write_text('{"no": 1}\n')
    with pytest.raises(ExplainError, match=r"alerts.ndjson:1: not a line that a run writes"):
        explain_run.listed(tmp_path)
