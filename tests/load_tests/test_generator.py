"""The simulated city: the same bytes each time, what its streams hold, and what was put in on purpose."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
import shapely
from msgspec import structs

from load_tests.calls import BY_CODE, BY_LIBRARY
from load_tests.generator import SOURCES, main, records, truth
from load_tests.habits import EXCLUDED_ITEMS, SUBJECTS, Scale
from load_tests.hangzhou_places import devices
from streams.area_files import normalise_name
from streams.loading import find_city, load
from streams.model import DAY_S, HOUR_S

ROOT = Path(__file__).parents[2]
START_S = 1_748_793_600  # 2025-06-02 00:00 in Hangzhou, a Monday
DAYS = 21
SHANGHAI = ZoneInfo("Asia/Shanghai")

FIELDS = {
    "hotline": {
        "order_no", "accept_time", "register_time", "item", "item_before", "state", "area_code", "address_std", "lon", "lat",
    },
    "complaint": {
        "service_request_id", "status", "service_code", "service_name", "requested_datetime", "updated_datetime", "address_id", "lat", "long",
    },
    "camera": {
        "UtcTime", "Topic", "Source", "VideoSource", "Rule", "Data", "Count", "Level", "State", "Likelihood",
        "specversion", "id", "source", "type", "time", "datacontenttype", "data",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def city():
    return load(find_city("hangzhou"))


@pytest.fixture(scope="module")
def run(city):
    """Three weeks of raw records."""
    return list(records(seed=1, days=DAYS, start_s=START_S, city=city))


@pytest.fixture(scope="module")
def read(run):
    """(append time, decoded object) by source; what is no JSON object is left out."""
    found = {source: [] for source in SOURCES}
    for source, append_s, payload in run:
        if payload.startswith(b"{") and payload.endswith(b"}"):
            found[source].append((append_s, msgspec.json.decode(payload)))
    return found


@pytest.fixture(scope="module")
def readings(read):
    """Token of a device -> its (event time, topic, data) in order of time, unwrapped, repeats left out."""
    found = {}
    for _, record in read["camera"]:
        bare = record.get("data", record)
        rows = found.setdefault(bare["Source"]["VideoSource"], {})
        rows[bare["UtcTime"], bare["Topic"], str(bare["Data"])] = (bare["Topic"], bare["Data"])
    return {
        token: sorted(((utc_s(time), topic, data) for (time, _, _), (topic, data) in rows.items()), key=lambda row: row[0])
        for token, rows in found.items()
    }


def utc_s(text):
    return int(datetime.fromisoformat(text).timestamp())


def by_name(events, name):
    return [event for event in events if event.name == name]


def local_s(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp())


def digest(rows):
    return hashlib.sha256(b"\n".join(b"%s %d %s" % (source.encode(), at_s, data) for source, at_s, data in rows)).hexdigest()


def test_the_same_seed_gives_the_same_bytes(city, run):
    assert digest(records(seed=1, days=DAYS, start_s=START_S, city=city)) == digest(run)


def test_the_same_seed_gives_the_same_bytes_in_another_process(city):
    code = f"""
from load_tests.generator import records
from streams.loading import find_city, load
import hashlib
rows = records(seed=3, days=1, start_s={START_S}, city=load(find_city("hangzhou")))
print(hashlib.sha256(b"\\n".join(b"%s %d %s" % (source.encode(), at_s, data) for source, at_s, data in rows)).hexdigest())
"""
    env = {**os.environ, "PYTHONHASHSEED": "77"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == digest(records(seed=3, days=1, start_s=START_S, city=city))


def test_another_seed_gives_other_records(city):
    first, second = (list(records(seed=seed, days=1, start_s=START_S, city=city)) for seed in (1, 2))
    assert digest(first) != digest(second)


def test_a_shorter_span_is_the_beginning_of_a_longer_one(city, run):
    short = list(records(seed=1, days=1.5, start_s=START_S, city=city))
    assert short == run[: len(short)]
    assert run[len(short)][1] >= START_S + 1.5 * DAY_S


def test_a_span_may_begin_inside_a_day(city, run):
    start_s = START_S + 10 * HOUR_S
    inside = list(records(seed=1, days=0.25, start_s=start_s, city=city))
    assert inside == [r for r in run if start_s <= r[1] < start_s + 6 * HOUR_S]


def test_records_come_in_append_order_inside_the_span(run):
    assert all(a[1] <= b[1] for a, b in pairwise(run))
    assert run[0][1] >= START_S
    assert run[-1][1] < START_S + DAYS * DAY_S


def test_three_weeks_are_bounded_and_every_source_speaks_every_day(run):
    assert 150_000 <= len(run) <= 300_000
    per_day = Counter((source, (at_s - START_S) // DAY_S) for source, at_s, _ in run)
    assert {source for source, _ in per_day} == set(SOURCES)
    assert len(per_day) == len(SOURCES) * DAYS
    assert max(per_day.values()) < 3 * min(n for (source, _), n in per_day.items() if source == "camera")
    assert all(len(payload) < 1_000 and b"\n" not in payload for _, _, payload in run)


def test_it_makes_fifty_thousand_records_a_second(city):
    before = time.process_time()
    count = sum(1 for _ in records(seed=1, days=5, start_s=START_S, city=city))
    assert count / (time.process_time() - before) >= 50_000


def keys_of(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)


def test_no_field_can_hold_a_person(read):
    for source, rows in read.items():
        assert {key for _, record in rows for key in keys_of(record)} <= FIELDS[source]


def test_texts_come_from_closed_lists(city, read):
    items = {subject.item for subject in SUBJECTS} | set(EXCLUDED_ITEMS) | {"未列事项"}
    assert {r["item"] for _, r in read["hotline"]} == items
    addresses = {normalise_name(r["address_std"]) for _, r in read["hotline"] if "address_std" in r}
    assert addresses <= set(city.library)
    assert {r["service_name"] for _, r in read["complaint"] if "service_name" in r} == {s.service_name for s in SUBJECTS if s.service_name}


def test_the_settings_map_every_subject_and_exclude_the_others(city):
    hotline, complaint = city.sources["hotline"], city.sources["complaint"]
    assert hotline.categories == {subject.item: subject.signal for subject in SUBJECTS}
    assert complaint.categories == {subject.service_code: subject.signal for subject in SUBJECTS if subject.service_code}
    assert hotline.excluded == EXCLUDED_ITEMS


def test_the_hotline_says_where_by_code_by_address_and_by_point(read):
    rows = [r for _, r in read["hotline"] if r["state"] == "受理" and r["item"] not in EXCLUDED_ITEMS]
    shares = [sum(key in r for r in rows) / len(rows) for key in ("area_code", "address_std", "lon")]
    assert shares == pytest.approx([BY_CODE, BY_LIBRARY, 1 - BY_CODE - BY_LIBRARY], abs=0.01)


def test_points_lie_in_communities(city, read):
    tree = shapely.STRtree([shapely.from_geojson(a.geometry) for a in city.areas if a.level == 3])
    points = {(r["lon"], r["lat"]) for _, r in read["hotline"] if "lon" in r}
    points |= {(r["long"], r["lat"]) for _, r in read["complaint"] if r.get("long")}
    assert len(points) > 1_000
    found = tree.query(shapely.points(sorted(points)), predicate="within")
    assert len(set(found[0].tolist())) == len(points)


def test_some_records_repeat_come_late_or_take_an_earlier_one_back(run, read):
    calls = read["hotline"]
    repeated = len(run) - len({(source, data) for source, _, data in run})
    assert 200 <= repeated <= len(run) // 50
    late = sum(at_s - local_s(r["accept_time"]) > 600 for at_s, r in calls if r["state"] == "受理" and r.get("accept_time", "昨")[0] == "2")
    assert 0.01 <= late / len(calls) <= 0.04
    first = {r["order_no"]: at_s for at_s, r in reversed(calls) if r["state"] == "受理" and "order_no" in r}
    for state in ("作废", "改派"):
        taken_back = [(at_s, r) for at_s, r in calls if r["state"] == state]
        assert 0.005 <= len(taken_back) / len(calls) <= 0.03
        assert all(first[r["order_no"]] < at_s and ("item_before" in r) == (state == "改派") for at_s, r in taken_back)
    assert any(
        a[1]["accept_time"] > b[1]["accept_time"] for a, b in pairwise(calls[:1_000]) if "accept_time" in a[1] and "accept_time" in b[1]
    )


def test_garbage_is_rare_and_daily(run):
    broken = Counter((at_s - START_S) // DAY_S for _, at_s, data in run if not (data.startswith(b"{") and data.endswith(b"}")))
    assert set(broken) == set(range(DAYS))
    assert max(broken.values()) <= 5


def test_counts_vary_more_than_chance_alone_and_follow_the_clock(read):
    """Noise on working days: the variance of a day's total is several times its mean; nights are loud."""
    calls = [r["accept_time"] for _, r in read["hotline"] if r["item"] == "噪声扰民" and r["state"] == "受理" and "accept_time" in r]
    hours = Counter(text[:13] for text in calls)
    days = [f"2025-06-{day:02d}" for day in range(2, 21) if datetime(2025, 6, day, tzinfo=UTC).weekday() < 5]
    table = np.array([[hours[f"{day} {hour:02d}"] for hour in range(24)] for day in days], dtype=float)
    totals = table.sum(axis=1)
    assert totals.var(ddof=1) > 2 * totals.mean()
    assert table[:, 21:23].mean() > 3 * table[:, 3:5].mean()


def line_counts(readings, token):
    """(event time, count) of a line counter, without the garbage."""
    rows = [(at_s, data) for at_s, topic, data in readings[token] if topic.endswith("/Counter")]
    return [(at_s, data["Count"]) for at_s, data in rows if set(data) == {"Count"} and data["Count"] >= 0]


def test_line_counters_count_up_and_begin_again_at_local_midnight(city, readings):
    (silence,) = by_name(truth(seed=1, days=DAYS, start_s=START_S, city=city), "silence")
    mounted = devices(a.code for a in city.areas if a.level == 3)
    lines = [device.token for device in mounted if device.form == "line" and device.community != silence.area]
    assert len(lines) == 12
    for token in lines:
        for (before_s, before), (after_s, after) in pairwise(line_counts(readings, token)):
            if (before_s - START_S) // DAY_S == (after_s - START_S) // DAY_S:
                assert after >= before
            else:
                assert after < 100 < before


def test_the_camera_stream_has_all_forms_and_some_are_wrapped(read, readings):
    rows = [(topic.rsplit("/", 1)[1], data) for device in readings.values() for _, topic, data in device]
    assert {topic for topic, _ in rows} == {"Counter", "OccupancyCounter", "WaterLevel", "ImagingService"}
    wrapped = [r for _, r in read["camera"] if "specversion" in r]
    assert 0.1 < len(wrapped) / len(read["camera"]) < 0.5
    assert all(r["specversion"] == "1.0" and r["type"] == "org.onvif.event" and r["id"] and r["source"] for r in wrapped)
    assert max(data["Count"] for topic, data in rows if topic == "OccupancyCounter") < 4_000


def test_truth_lies_inside_the_span_and_after_the_history(city):
    events = truth(seed=1, days=DAYS, start_s=START_S, city=city)
    levels = {area.code: area.level for area in city.areas}
    groups = {signal.group for signal in city.signals}
    assert {event.name for event in events} == {"flood", "flood_spread", "silence"}
    for event in events:
        assert START_S + 15 * DAY_S < event.start_s < event.end_s <= START_S + DAYS * DAY_S
        assert levels[event.area] == event.level
        assert event.group in groups
    assert truth(seed=1, days=15, start_s=START_S, city=city) == []
    assert len({truth(seed=seed, days=DAYS, start_s=START_S, city=city)[0] for seed in range(5)}) == 5


@pytest.fixture(scope="module")
def water(city, read):
    """(source, event time, community) of every report of water on a road, repeats and corrections left out."""
    communities = [area for area in city.areas if area.level == 3]
    tree = shapely.STRtree([shapely.from_geojson(area.geometry) for area in communities])

    def place(code, address, lon, lat):
        if code or address:
            return code or city.library[normalise_name(address)]
        return communities[tree.query(shapely.Point(lon, lat), predicate="within")[0]].code

    found = {}
    for _, r in read["hotline"]:
        if r.get("item") == "道路积水" and r["state"] == "受理":
            where = place(r.get("area_code"), r.get("address_std"), r.get("lon"), r.get("lat"))
            found["hotline", r["order_no"]] = ("hotline", local_s(r["accept_time"]), where)
    for _, r in read["complaint"]:
        if r["service_code"] == "FLOOD":
            at_s = utc_s(r["requested_datetime"])
            found["complaint", r["service_request_id"]] = ("complaint", at_s, place(r.get("address_id"), None, r.get("long"), r.get("lat")))
    return list(found.values())


def test_the_flood_shows_in_calls_complaints_and_water_levels(city, water, readings):
    (flood,) = by_name(truth(seed=1, days=DAYS, start_s=START_S, city=city), "flood")
    here = [(source, at_s) for source, at_s, place in water if place.startswith(flood.area[:9])]
    during = Counter(source for source, at_s in here if flood.start_s <= at_s < flood.end_s)
    before = Counter(source for source, at_s in here if at_s < flood.start_s)
    hours, hours_before = (flood.end_s - flood.start_s) / HOUR_S, (flood.start_s - START_S) / HOUR_S
    for source in ("hotline", "complaint"):
        assert during[source] >= 20
        assert during[source] / hours > 50 * before[source] / hours_before
    limit = next(signal.limit_high for signal in city.signals if signal.name == "water_level")
    for area in (a.code for a in city.areas if a.parent == flood.area):
        levels = [(at_s, data["Level"]) for at_s, _, data in readings[f"hz-level-{area}"]]
        calm = max(level for at_s, level in levels if at_s < flood.start_s)
        peak = max(level for at_s, level in levels if flood.start_s <= at_s < flood.end_s)
        assert calm < 3.2
        assert peak > calm + 1.2
        assert levels[-1][1] < 3.2
    assert peak > limit - 0.5


def test_the_flood_spreads_mildly_to_neighbours(city, water):
    events = truth(seed=1, days=DAYS, start_s=START_S, city=city)
    (flood,), spread = by_name(events, "flood"), by_name(events, "flood_spread")
    assert spread
    assert not any(event.area.startswith(flood.area[:9]) for event in spread)

    def each(communities, event):
        """Reports of one of the communities, on average."""
        hits = sum(source == "hotline" and place in communities and event.start_s <= at_s < event.end_s for source, at_s, place in water)
        return hits / len(communities)

    here = each({area.code for area in city.areas if area.parent == flood.area}, flood)
    there = each({event.area for event in spread}, spread[0])
    assert 0 < there < here / 3


def test_the_silent_camera_is_the_only_one_of_its_community_and_comes_back(city, readings):
    (silence,) = by_name(truth(seed=1, days=DAYS, start_s=START_S, city=city), "silence")
    own = [device for device in devices(a.code for a in city.areas if a.level == 3) if device.community == silence.area]
    assert len(own) == 1
    times = [at_s for at_s, _, _ in readings[own[0].token]]
    assert silence.end_s - silence.start_s >= 4 * HOUR_S
    assert not any(silence.start_s <= at_s < silence.end_s for at_s in times)
    assert any(silence.start_s - 900 <= at_s < silence.start_s for at_s in times)
    assert any(silence.end_s <= at_s < silence.end_s + 900 for at_s in times)
    counts = line_counts(readings, own[0].token)
    assert max(n for at_s, n in counts if silence.start_s - 900 <= at_s < silence.start_s) > 500
    assert min(n for at_s, n in counts if silence.end_s <= at_s < silence.end_s + 900) < 200


@pytest.mark.parametrize("days", [0, -1, 400])
def test_a_span_out_of_bounds_is_refused(city, days):
    with pytest.raises(ValueError, match="out of bounds; choose more than 0 and at most 366"):
        next(iter(records(seed=1, days=days, start_s=START_S, city=city)))


def test_a_city_without_a_simulation_is_refused(city):
    with pytest.raises(ValueError, match="city 'boston' is not simulated; choose 'hangzhou'"):
        next(iter(records(seed=1, days=1, start_s=START_S, city=structs.replace(city, name="boston"))))


def test_the_command_writes_a_file_a_source_and_the_truth(tmp_path, capsys):
    assert main(["--city", "hangzhou", "--seed", "1", "--days", "0.25", "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["camera.ndjson", "complaint.ndjson", "hotline.ndjson", "truth.json"]
    assert json.loads((tmp_path / "truth.json").read_bytes()) == []
    lines = {source: (tmp_path / f"{source}.ndjson").read_bytes().splitlines() for source in SOURCES}
    assert capsys.readouterr().out == " ".join(f"{source}: {len(rows)}" for source, rows in lines.items()) + f" -> {tmp_path}\n"
    assert all(lines.values())


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--days", "1000"], "out of bounds"),
        (["--city", "nowhere"], "neither a file nor a city"),
        (["--start", "June"], "write YYYY-MM-DD"),
    ],
)
def test_the_command_refuses_with_a_remedy(tmp_path, capsys, arguments, words):
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_a_scale_gives_more_calls_rarer_reports_and_another_day_for_the_flood(city, run):
    scale = Scale(calls=3.0, report_every_s=900, flood_day=1, silence_day=1)
    scaled = Counter(source for source, _, _ in records(seed=1, days=2, start_s=START_S, city=city, scale=scale))
    usual = Counter(source for source, append_s, _ in run if append_s < START_S + 2 * DAY_S)
    assert 2.7 * usual["hotline"] < scaled["hotline"] < 3.5 * usual["hotline"]
    assert 0.3 * usual["camera"] < scaled["camera"] < 0.36 * usual["camera"]
    events = truth(seed=1, days=2, start_s=START_S, city=city, scale=scale)
    assert {event.name for event in events} == {"flood", "flood_spread", "silence"}
    assert all(event.start_s >= START_S + DAY_S for event in events)
