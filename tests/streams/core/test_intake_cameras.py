from __future__ import annotations

import pytest

from streams.model import DAY_S
from streams.settings import Reading
from tests.streams.core.intake_city import (
    LINE,
    OCCUPANCY,
    T0,
    cells,
    count,
    fine,
    intake,
    ns,
    quality,
    raws,
    reasons,
    take,
    with_source,
)

PASSED, FEED = ("10201", "passed"), ("10201", "feed.camera")


def camera(records: list[dict[str, object]], **changes: object):
    return take(records, "camera", with_source("camera", **changes), append_s=T0 + 40 * DAY_S)


def test_a_counter_gives_what_came_since_its_last_reading():
    # minute   0    1    2    3         4
    # count    5 ─► 9 ─► 9 ─► 2 reset ─► 3
    folded = camera([count(n, T0 + 60 * i) for i, n in enumerate((5, 9, 9, 2, 3))])
    minute = T0 // 60
    passed = {key[2] - minute: row for key, row in cells([fine(folded)]).items() if key[1] == "passed"}
    assert passed == {1: (4, 0), 2: (0, 0), 3: (2, 0), 4: (1, 0)}
    assert quality(folded) == {"counter_reset": 1}
    assert ns(folded)[FEED] == 5


def test_each_device_and_rule_counts_for_itself():
    other = count(50, T0 + 60)
    other["Source"] = {"VideoSource": "cam-1", "Rule": "other"}
    folded = camera([count(5), other, count(7, T0 + 120), count(1, T0 + 60, "cam-2"), count(4, T0 + 120, "cam-2")])
    assert {key: n for key, n in ns(folded).items() if key[1] == "passed"} == {PASSED: 2, ("10101", "passed"): 3}


def test_a_reading_out_of_order_is_left_out_and_told():
    folded = camera([count(5, T0 + 60), count(9, T0 + 120), count(7, T0 + 90), count(10, T0 + 180)])
    assert ns(folded)[PASSED] == 5
    assert quality(folded) == {"out_of_order": 1}


def test_a_resent_reading_is_a_duplicate_and_no_step():
    folded = camera([count(5), count(9, T0 + 60), count(9, T0 + 60), count(12, T0 + 120)])
    assert (ns(folded)[PASSED], ns(folded)[FEED]) == (7, 3)
    assert quality(folded) == {"duplicate": 1}


def test_a_counter_goes_on_over_the_end_of_a_month():
    december_s = 1_701_388_800
    folded = camera([count(5, december_s - 60), count(9, december_s), count(10, december_s + 60)])
    assert ns(folded)[PASSED] == 5


def test_a_gauge_gives_its_level():
    folded = camera([count(n, T0 + i, topic=OCCUPANCY) for i, n in enumerate((30, "20.5", 1e2))])
    assert cells([fine(folded)])["10201", "people", T0 // 60] == (3, 0, 150.5, 20.5, 100.0)
    assert cells([folded.counts[1]])["102", "people", T0 // 60] == (3, 0, 150.5, 20.5, 100.0)


@pytest.mark.parametrize(
    "record, reason",
    [
        (count(1, topic="tns1:RuleEngine/Recognition/LicensePlate"), "unknown_topic"),
        (count(1, topic="tns1:RuleEngine/CountAggregation/SomeCounter"), "unknown_topic"),
        (count(1, Topic=None), "unknown_topic"),
        ({**count(1, topic="tns1:Recognition/Face"), "image_base64": "..."}, "unknown_topic"),
        ({**count(1), "image_base64": "..."}, "unknown_field"),
        ({**count(1), "Data": {"Count": 1, "ObjectId": 7}}, "unknown_field"),
        (count(-1), "negative_count"),
        (count("-3"), "negative_count"),
        (count(1.5), "bad_value"),
        (count("many"), "bad_value"),
        (count(None), "bad_value"),
        (count(True), "bad_value"),
        (count(2**31), "bad_value"),
        (count("1e999"), "bad_value"),
        (count("NaN", topic=OCCUPANCY), "bad_value"),
        (count("inf", topic=OCCUPANCY), "bad_value"),
        (count(1e12, topic=OCCUPANCY), "bad_value"),
        (count(-1e300, topic=OCCUPANCY), "bad_value"),
        (count(1, device="cam-9"), "unknown_area"),
        (count(1, T0 + 50 * DAY_S), "future_time"),
    ],
)
def test_a_bad_reading_is_rejected_and_moves_no_counter(record: dict[str, object], reason: str):
    folded = camera([count(5, T0 - 60), record, count(7, T0 + 60)])
    assert reasons(folded) == [reason]
    assert ns(folded)[PASSED] == 2


def test_numbers_that_are_none_in_json_are_not_json():
    payload = b'{"UtcTime":1700000040,"Topic":"CountAggregation/OccupancyCounter","Source":{"VideoSource":"cam-1","Rule":"r"},"Data":{"Count":NaN}}'
    assert reasons(intake().apply("camera", 0, raws([payload]))) == ["not_json"]
    big = payload.replace(b"NaN", b"1e999")
    assert reasons(intake().apply("camera", 0, raws([big]))) == ["bad_value"]


def test_an_onvif_event_comes_in_a_cloudevent_or_over_mqtt():
    def wrapped(record: dict[str, object], **more: object) -> dict[str, object]:
        return {"specversion": "1.0", "id": str(record["UtcTime"]), "source": "/gateway", "type": LINE, "data": record, **more}

    first, second, third = count(5), count(9, T0 + 60), count(11, T0 + 120)
    del first["Topic"]
    second["Topic"] = "city/onvif-ej/RuleEngine/CountAggregation/Counter/v1/r1"
    topic = "RuleEngine/CountAggregation/Counter"
    folded = camera([wrapped(first), wrapped(second), third], readings=(Reading("counter", "passed", "Data.Count", topic),))
    assert ns(folded)[PASSED] == 6
    assert reasons(camera([wrapped(first, image="...")])) == ["unknown_field"]


def test_a_record_with_an_id_of_its_own_names_its_device_apart():
    paths = {"id": ("message",), "device": ("Source.VideoSource", "Source.Rule")}
    folded = camera([count(5, message="a"), count(9, T0 + 60, message="b"), count(9, T0 + 60, message="b")], **paths)
    assert ns(folded)[PASSED] == 4
    assert quality(folded) == {"duplicate": 1}


def test_a_station_reports_several_readings_at_once():
    readings = (Reading("gauge", "people", "Data.Count"), Reading("counter", "passed", "Data.Total"))
    records: list[dict[str, object]] = [count(30), count(31, T0 + 60), count(32, T0 + 120), count(0, T0 + 180)]
    for i, total in enumerate((100, 104, "x", None)):
        records[i]["Data"] = {**records[i]["Data"], "Total": total}  # type: ignore[dict-item]
    folded = camera(records, readings=readings, topic="", unknown_fields="skip")
    assert ns(folded) == {("10201", "people"): 3, PASSED: 4, FEED: 3}
    assert reasons(folded) == ["bad_value"]


def test_counters_are_bounded_and_forgetting_one_is_told(monkeypatch: pytest.MonkeyPatch):
    one = intake()
    part = one._partition("camera", 0)
    monkeypatch.setattr(part.counters, "_limit", 1)
    records = [count(5), count(1, T0 + 1, "cam-2"), count(7, T0 + 60), count(8, T0 + 61)]
    folded = one.apply("camera", 0, raws(records, append_s=T0 + 90))
    assert quality(folded) == {"counter_evicted": 2}
    assert ns(folded)[PASSED] == 1
