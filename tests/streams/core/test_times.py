from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.times import LATEST_S, parse_time

BOSTON = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # clocks change by half an hour


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2015-01-26T23:05:00Z", 1_422_313_500),
        ("2015-01-26t23:05:00z", 1_422_313_500),
        ("2015-01-26T18:05:00-05:00", 1_422_313_500),
        ("2015-01-27T07:05:00.999999999+08:00", 1_422_313_500),
        ("2015-01-26 18:05:00", 1_422_313_500),
        (" 2015-01-26T18:05:00.5 ", 1_422_313_500),
        ("2015-01-26 18:05", 1_422_313_500),
        ("1422313500", 1_422_313_500),
        ("1422313500.75", 1_422_313_500),
        (1_422_313_500, 1_422_313_500),
        (1_422_313_500.75, 1_422_313_500),
        (0, 0),
        ("1970-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59Z", LATEST_S),
    ],
)
def test_each_form_is_read(text: str | float, expected: int):
    assert parse_time(text, BOSTON) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2015-01-26", "20150126", "20150126T230500Z", "2015-W05-1T10:00:00", "2015-13-01 00:00:00", "2015-02-29 00:00:00",
        "2015-01-26 24:00:01", "2015-01-26T23:05:00+99:99", "0000-01-01 00:00:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00",
        "٢٠١٥-01-26 18:05:00", "2015-01-26 18:05:00 EST", -1, -0.5, 1_422_313_500_000, 1e300, float("nan"), float("inf"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str | float):
    assert parse_time(text, BOSTON) is None


def test_a_time_without_an_offset_needs_a_zone():
    assert parse_time("2015-01-26 18:05:00", None) is None
    assert parse_time("2015-01-26T23:05:00Z", None) == 1_422_313_500


def test_an_hour_that_happens_twice_is_the_first():
    # 2015-11-01      00:00 [EDT 01:00---02:00)[EST 01:00---02:00)
    #                              ^ 01:30 is here
    assert parse_time("2015-11-01 01:30:00", BOSTON) == parse_time("2015-11-01T01:30:00-04:00", None)
    assert parse_time("2015-11-01 02:00:00", BOSTON) == parse_time("2015-11-01T02:00:00-05:00", None)


def test_an_hour_left_out_is_read_with_the_offset_before_it():
    # 2015-03-08      01:00 EST---02:00|03:00 EDT---04:00
    assert parse_time("2015-03-08 02:30:00", BOSTON) == parse_time("2015-03-08T03:30:00-04:00", None)
    assert parse_time("2015-10-04 02:10:00", LORD_HOWE) == parse_time("2015-10-04T02:40:00+11:00", None)


@given(
    st.text() | st.floats() | st.integers() | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", fullmatch=True)
)
def test_nothing_raises(value: str | float):
    time_s = parse_time(value, BOSTON)
    assert time_s is None or 0 <= time_s <= LATEST_S


@given(st.integers(0, LATEST_S))
def test_seconds_come_back_from_their_text(time_s: int):
    from datetime import UTC, datetime

    assert parse_time(datetime.fromtimestamp(time_s, UTC).isoformat(), None) == time_s
