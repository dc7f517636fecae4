from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from streams import loading
from streams.loading import SettingsError, config_home, find_city, flat_city, load
from streams.model import DAY_S, HOUR_S, Area, Signal
from streams.settings import (
    AreaPaths,
    City,
    Correction,
    Demo,
    Department,
    Detection,
    DutyRules,
    KnownEvent,
    Lifecycle,
    Reading,
    Route,
    Source,
    Within,
)

CITIES = sorted(path.parent.name for path in config_home().glob("*/tocsin.yaml"))
GOOD = Path(__file__).parents[1] / "config" / "good" / "tocsin.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the good city, to be changed. Its YAML names its files by ``../good/``."""
    return Path(shutil.copytree(GOOD.parent, tmp_path / "good"))


def changed(folder: Path, old: str, new: str, file: str = "tocsin.yaml") -> Path:
    path = folder / file
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))
    return folder / "tocsin.yaml"


@pytest.mark.parametrize("name", CITIES)
def test_the_cities_that_come_with_tocsin_load(name: str) -> None:
    city = load(find_city(name))
    assert city.name == name
    assert sum(area.parent is None for area in city.areas) == 1
    assert all(area.geometry for area in city.areas if area.valid_to_s is None)
    assert set(city.feeds) == {signal.name for signal in city.signals if not signal.name.startswith("feed.")}


def test_every_value_of_the_file_arrives() -> None:
    city = load(GOOD)
    assert structs.replace(city, areas=city.areas[:1], library={}, lines={}, config_version="", intake_hash="", origin="") == City(
        name="ferryport",
        title="Ferryport",
        timezone="Europe/Lisbon",
        areas=(Area("port", "Ferryport", 0, None, 52_000, synthetic=True, geometry=city.areas[0].geometry),),
        library={},
        signals=(
            Signal("noise", "Noise", "noise", durations_s=(HOUR_S, DAY_S)),
            Signal("flooding", "Water in the street", "floods", consequence=1.3, group="flood"),
            Signal("water_level", "Water level", "floods", "level", group="flood", limit_low=-1, limit_high=4.5),
            Signal("pier_crowd", "People on the pier", "crowd_safety", "level", limit_high=900),
            Signal("boats", "Boats through the lock", "traffic"),
        ),
        sources={
            "hotline": Source(
                stream="hotline",
                id=("case",),
                time="opened",
                timezone="Europe/Lisbon",
                category="type",
                categories={"Loud music": "noise", "Street under water": "flooding"},
                excluded=("Survey",),
                area=AreaPaths(code=("place",), library=("quarter",), lat="lat", lon="lon", default="port"),
                corrections=(Correction("state", ("withdrawn",)),),
                allowed_lateness_s=300,
                partitions=2,
            ),
            "camera": Source(
                stream="camera",
                id=("Source.Camera", "UtcTime"),
                time="UtcTime",
                topic="Topic",
                area=AreaPaths(library=("Source.Camera",)),
                readings=(
                    Reading("counter", "boats", "Data.Count", "Counter"),
                    Reading("gauge", "pier_crowd", "Data.Count", "Occupancy"),
                    Reading("gauge", "water_level", "Data.Level", "Level"),
                ),
            ),
        },
        detection=Detection(durations_s=(HOUR_S, 3 * HOUR_S, DAY_S), finding_floor_s=30 * DAY_S, params={"counts": {"flag_p": 0.001}}),
        lifecycle=Lifecycle(),
        demo=Demo(
            events=str(GOOD.parent / "../good/events.csv"),
            route=Route("source", {"call": "hotline"}),
            known=(KnownEvent("High tide", 1_420_070_400, 1_420_070_400 + 2 * DAY_S, "flood"),),
            warm_start_s=2 * DAY_S,
        ),
        raws=("raw.camera/0", "raw.hotline/0", "raw.hotline/1"),
        feeds={
            "boats": ("camera",),
            "flooding": ("hotline",),
            "noise": ("hotline",),
            "pier_crowd": ("camera",),
            "water_level": ("camera",),
        },
    )
    assert city.library == {"north quay": "n", "the quays (north)": "n", "beach": "0201", "cam-1": "0201"}


def test_all_problems_of_the_files_are_told_at_once(folder: Path) -> None:
    changed(folder, "  clear_ratio: 0.1", "  clear_ratio: 3")
    changed(folder, "purpose: noise,", "purpose: petition,")
    changed(folder, "{call: hotline}", "{call: phone}")
    changed(folder, "cam-1,0201", "cam-1,nowhere", "library.csv")
    path = changed(folder, '"id": "n"', '"id": "x"', "areas.geojson")
    with pytest.raises(SettingsError) as refused:
        load(path)
    told = [re.sub(r"^.*/", "", problem.split(": ")[0]) + " " + problem.split(": ")[1] for problem in refused.value.problems]
    assert told == [
        "areas.geojson:3 x",
        "library.csv:5 code",
        "tocsin.yaml:18 lifecycle.clear_ratio",
        "tocsin.yaml:25 signals.noise.purpose",
        "tocsin.yaml:62 demo.route.sources.call",
    ]
    assert str(refused.value) == "\n".join(refused.value.problems)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml:1: cannot be read \(No such file or directory\); check the path"):
        load(tmp_path / "none.yaml")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tocsin.yaml").write_bytes(b"city: \xff")
    with pytest.raises(SettingsError, match="byte 6 is not UTF-8; save the file as UTF-8"):
        load(tmp_path / "tocsin.yaml")


def test_hashes_follow_the_meaning_not_the_place_or_the_comments(folder: Path) -> None:
    before = load(GOOD)
    after = load(changed(folder, "title: Ferryport", "# said again\ntitle: Ferryport"))
    assert (after.config_version, after.intake_hash) == (before.config_version, before.intake_hash)
    assert re.fullmatch(r"[0-9a-f]{12}", after.config_version)


@pytest.mark.parametrize(
    "old, new, intake",
    [
        ("  false_alerts_per_day: 2", "  false_alerts_per_day: 3", False),
        ("consequence: 1.3", "consequence: 1.4", False),
        ("excluded: [Survey]", "excluded: [Survey, Idea]", True),
        ("timezone: Europe/Lisbon\n    category", "timezone: Europe/Madrid\n    category", True),
        ("  warm_start: 2d", "  warm_start: 3d", None),
    ],
)
def test_hashes_change_with_what_they_stand_for(folder: Path, old: str, new: str, intake: bool | None) -> None:
    before, after = load(GOOD), load(changed(folder, old, new))
    assert (after.config_version != before.config_version) == (intake is not None)
    assert (after.intake_hash != before.intake_hash) == bool(intake)


def test_a_changed_area_table_changes_the_intake_hash(folder: Path) -> None:
    after = load(changed(folder, "0102,Lower North", "0102,Upper South", "areas.csv").parent / "tocsin.yaml")
    assert after.intake_hash != load(GOOD).intake_hash


def test_lines_of_what_later_checks_speak_about(folder: Path) -> None:
    city = load(changed(folder, "purpose: traffic}", "purpose: traffic, detector: counts}"))
    assert city.lines["detection.params.counts.flag_p"] == 15
    assert city.lines["signals.boats.detector"] == 29


def test_a_city_is_found_by_name_path_or_folder(tmp_path: Path) -> None:
    assert find_city("boston") == config_home() / "boston" / "tocsin.yaml"
    assert find_city(str(GOOD)) == GOOD
    assert find_city(str(GOOD.parent)) == GOOD
    with pytest.raises(SettingsError, match="'bostn' is neither a file nor a city that comes with Tocsin; did you mean 'boston'"):
        find_city("bostn")


def test_a_list_of_one_needs_no_brackets_and_values_may_be_shared(folder: Path) -> None:
    changed(folder, "    id: [case]", "    id: case")
    changed(folder, "    area: {library: [Source.Camera]}", "    area: &place {library: Source.Camera}\n    idle_after: 1.5m")
    city = load(changed(folder, "{path: state, values: [withdrawn]}", "{path: state, values: withdrawn}"))
    assert city.sources["hotline"].id == ("case",)
    assert city.sources["camera"].area.library == ("Source.Camera",)
    assert city.sources["camera"].idle_after_s == 90


def test_the_demo_may_come_from_a_generator(folder: Path) -> None:
    text = (folder / "tocsin.yaml").read_text()
    (folder / "tocsin.yaml").write_text(text[: text.index("demo:")] + "demo: {generator: waves}\n")
    assert load(folder / "tocsin.yaml").demo == Demo(generator="waves")


def test_a_city_without_a_demo_has_none(folder: Path) -> None:
    text = (folder / "tocsin.yaml").read_text()
    (folder / "tocsin.yaml").write_text(text[: text.index("demo:")])
    assert load(folder / "tocsin.yaml").demo is None


def test_local_days_of_known_events_follow_daylight_saving(folder: Path) -> None:
    # Lisbon's clocks went forward on 2015-03-29: that day has 23 hours.
    path = changed(folder, "2015-01-01,2015-01-02", "2015-03-29,2015-03-29", "known_events.csv")
    demo = load(path.parent / "tocsin.yaml").demo
    assert demo is not None
    assert [known.end_s - known.start_s for known in demo.known] == [23 * HOUR_S]


def test_flat_city_is_one_shard_without_roll_up() -> None:
    city = flat_city(areas=["a", "city"], signals=["x"], window_s=7 * DAY_S, durations_s=[7 * DAY_S, 14 * DAY_S], budget=1, missing="gap")
    assert city.flat
    assert [(area.code, area.level, area.parent) for area in city.areas] == [("city_", 0, None), ("a", 1, "city_"), ("city", 1, "city_")]
    assert (city.detection.window_s, city.detection.missing, city.detection.score_all) == (7 * DAY_S, "gap", True)
    assert city.lifecycle.false_alerts_per_day == 1.0
    assert city.config_version != flat_city(areas=["a"], signals=["x"], window_s=DAY_S, durations_s=[DAY_S], budget=1).config_version


def test_flat_city_tells_all_that_is_wrong() -> None:
    with pytest.raises(SettingsError) as refused:
        flat_city(areas=["a", "a"], signals=[], window_s=HOUR_S, durations_s=[HOUR_S, 5_000], budget=0, timezone="Mars")
    assert [problem.split(": ")[1] for problem in refused.value.problems] == [
        "detection.durations[1]",
        "lifecycle.false_alerts_per_day",
        "timezone",
        "areas",
        "areas",
    ]


def test_the_example_cities_show_every_key() -> None:
    text = "\n".join(find_city(name).read_text() for name in CITIES)
    kinds = (
        loading.AreaFiles,
        loading.Privacy,
        loading.DemoFiles,
        Detection,
        Lifecycle,
        Signal,
        Source,
        AreaPaths,
        Correction,
        Reading,
        Route,
        DutyRules,
        Department,
        Within,
    )
    for kind in kinds:
        for field in structs.fields(kind):
            key = field.name.removesuffix("_s") if field.type in {int, tuple[int, ...]} else field.name
            if not (kind is Signal and key == "name"):
                assert re.search(rf"(?<![\w]){key}(?![\w])", text), f"{kind.__name__}.{key} stands in no example"


LINES = GOOD.read_text().splitlines()
JUNK = [
    "",
    "~",
    "[]",
    "{}",
    "-1",
    "1e999",
    ".nan",
    "x",
    "[x, [y]]",
    "{x: {y: 1}}",
    "true",
    "2015-01-01",
    "!t x",
    "'",
    "&a [*a]",
    "99999999999999999999",
    "*",
    "\t",
    "1h",
]


@given(st.integers(0, len(LINES) - 1), st.sampled_from(JUNK), st.sampled_from([": ", ", ", "{", "[", " "]))
@hypothesis_settings(max_examples=60)
def test_whatever_stands_in_a_line_is_loaded_or_refused(tmp_path_factory: pytest.TempPathFactory, at: int, junk: str, before: str) -> None:
    head, found, _ = LINES[at].partition(before)
    folder = tmp_path_factory.getbasetemp() / "good"
    if not folder.exists():
        shutil.copytree(GOOD.parent, folder)
    (folder / "junk.yaml").write_text("\n".join([*LINES[:at], head + found + junk, *LINES[at + 1 :]]))
    told: list[str] | None = None
    try:
        load(folder / "junk.yaml")
    except SettingsError as refused:
        told = refused.problems
    assert told is None or told
    assert all(re.match(r".+:\d+: .+; .+", problem) for problem in told or ()), told
