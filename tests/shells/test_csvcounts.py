from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.model import DAY_S, HOUR_S
from streams.shells.csvcounts import WEEK_S, CountsFileError, plan, read, windows


def table(folder: Path, text: str):
    path = folder / "counts.csv"
    path.write_text(text)
    return read(path)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def days(*counts: int, start: str = "2015-01-05", step: int = 1) -> str:
    rows = [f"{datetime.fromtimestamp(at(start) + i * step * DAY_S, UTC).date()},{n}" for i, n in enumerate(counts)]
    return "time,count\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("", 1, "no column 'time'; the header must be time,area,signal,count"),
        ("when,count\n", 1, "no column 'time'"),
        ("time,area\n", 1, "no column 'count'"),
        ("time,count\n", 0, "no rows below the header"),
        ("time,count\n2015-01-05,3\n2015-01-06,-3\n", 3, "count '-3' is negative; counts begin at 0"),
        ("time,count\n2015-01-05,many\n", 2, "count 'many' is not a number; leave the row out where nothing is known"),
        ("time,count\n2015-01-05,\n", 2, "count '' is not a number"),
        ("time,count\n2015-01-05,2.5\n", 2, "count '2.5' is not a whole number"),
        ("time,count\n2015-01-05,nan\n", 2, "count 'nan' is not a whole number"),
        ("time,count\n2015-01-05,1e99\n", 2, "count '1e99' is not a whole number"),
        ("time,count\n05/01/2015,3\n", 2, "time '05/01/2015' is not a time; write it as 2015-01-26 or 2015-01-26T14:00"),
        ("time,count\n2015-13-05,3\n", 2, "time '2015-13-05' is not a time"),
        ("time,count\n2015-01-05T10:00,3\n2015-01-05T11:00Z,3\n", 3, "some times have a zone and some have none"),
        ("time,count\n2015-01-05,3,4\n", 2, "3 fields, the header has 2"),
        ("time,count\n2015-01-05,2147483647\n2015-01-05,1\n", 3, "add up to more than 2147483647"),
    ],
)
def test_a_bad_table_is_refused_with_line_value_and_remedy(tmp_path: Path, text: str, line: int, words: str):
    with pytest.raises(CountsFileError) as refusal:
        table(tmp_path, text)
    where = f"counts.csv:{line}:" if line else "counts.csv:"
    assert where in str(refusal.value)
    assert words in str(refusal.value)


def test_what_is_no_text_or_not_there_is_refused(tmp_path: Path):
    (tmp_path / "counts.csv").write_bytes(b"time,count\n\xff\xfe,3\n")
    with pytest.raises(CountsFileError, match="not readable as CSV in UTF-8"):
        read(tmp_path / "counts.csv")
    (tmp_path / "counts.csv.gz").write_bytes(b"time,count\n")
    with pytest.raises(CountsFileError, match="not readable"):
        read(tmp_path / "counts.csv.gz")
    with pytest.raises(CountsFileError, match="No such file"):
        read(tmp_path / "nowhere.csv")


def test_columns_in_any_order_duplicates_summed_blank_lines_and_zones(tmp_path: Path):
    found = table(tmp_path, "\ufeffcount,Signal,time\n1,a,2015-01-05T10:00+01:00\n2,a,2015-01-05T09:00Z\n\n4.0,,2015-01-05 11:00Z\n")
    assert found.areas == ("all",)
    assert found.signals == ("a", "all")
    assert found.cells == {(at("2015-01-05T09:00"), "all", "a"): 3, (at("2015-01-05T11:00"), "all", "all"): 4}
    assert not found.explicit_zeros


def test_packed_files_are_read(tmp_path: Path):
    (tmp_path / "counts.csv.gz").write_bytes(gzip.compress(days(1, 2, 3).encode()))
    assert sum(read(tmp_path / "counts.csv.gz").cells.values()) == 6


@pytest.mark.parametrize(
    "times, window_s",
    [
        (["2015-01-05", "2015-01-06"], DAY_S),
        (["2015-01-05", "2015-01-12", "2015-01-26"], WEEK_S),
        (["2015-01-05T10", "2015-01-05T11"], HOUR_S),
        (["2015-01-05T10:00", "2015-01-05T10:45", "2015-01-05T11:30"], 900),
        (["2015-01-05T10:01", "2015-01-05T10:02"], 60),
        (["2015-01-05T06:00", "2015-01-06T06:00"], DAY_S),
        (["2015-01-05", "2015-01-08"], DAY_S),
    ],
)
def test_the_window_is_found_from_the_times(tmp_path: Path, times: list[str], window_s: int):
    found = table(tmp_path, "time,count\n" + "".join(f"{time},1\n" for time in times))
    assert plan(found, window_s=None).window_s == window_s


@pytest.mark.parametrize(
    "text, words",
    [(days(1), "one time only: give --window"), ("time,count\n2015-01-05T10:00:01,1\n2015-01-05T10:00:31,1\n", "not whole minutes")],
)
def test_where_no_window_fits_it_must_be_given(tmp_path: Path, text: str, words: str):
    found = table(tmp_path, text)
    with pytest.raises(CountsFileError, match=words):
        plan(found, window_s=None)
    assert plan(found, window_s=HOUR_S).window_s == HOUR_S


def test_a_time_far_away_is_no_reason_to_score_for_ever(tmp_path: Path):
    found = table(tmp_path, "time,count\n2015-01-05T10,1\n2015-01-05T11,1\n9015-01-05T11,1\n")
    with pytest.raises(CountsFileError, match="from 2015 to 9015, more than 1000000 windows of 3600 s; correct them"):
        plan(found, window_s=None)


def test_durations_follow_from_the_window_or_are_whole_multiples(tmp_path: Path):
    found = table(tmp_path, days(1, 2, 3))
    assert [d // DAY_S for d in plan(found, window_s=None).durations_s] == [1, 2, 3, 7, 14]
    assert [d // HOUR_S for d in plan(found, window_s=HOUR_S).durations_s] == [1, 3, 12, 24, 72, 168]
    assert [d // WEEK_S for d in plan(found, window_s=WEEK_S).durations_s] == [1, 2, 3]
    assert plan(found, window_s=DAY_S, durations_s=[3 * DAY_S]).durations_s == (DAY_S, 3 * DAY_S)
    with pytest.raises(CountsFileError, match="5400 s is not a multiple of the window of 3600 s"):
        plan(found, window_s=HOUR_S, durations_s=[5400])


def test_zeros_that_are_written_out_make_absent_rows_gaps(tmp_path: Path):
    assert plan(table(tmp_path, days(1, 2, 3)), window_s=None).missing == "zero"
    with_zero = table(tmp_path, days(1, 0, 3))
    assert plan(with_zero, window_s=None).missing == "gap"
    assert plan(with_zero, window_s=None, missing="zero").missing == "zero"


def test_weeks_begin_where_the_data_begins(tmp_path: Path):
    # Mondays: [0------7------14); since the epoch weeks begin on Thursdays
    found = table(tmp_path, days(5, 6, 7, step=7))
    chosen = plan(found, window_s=None)
    cut = list(windows(found, chosen))
    assert [start % WEEK_S for start, _ in cut] == [0, 0, 0]
    assert [start + chosen.shift_s for start, _ in cut] == [at("2015-01-05") + i * WEEK_S for i in range(3)]
    assert [counts for _, counts in cut] == [{("all", "all"): n} for n in (5, 6, 7)]


def test_a_wider_window_gathers_rows(tmp_path: Path):
    found = table(tmp_path, days(1, 2, 3, 4, 5, 6, 7, 8))
    assert [sum(counts.values()) for _, counts in windows(found, plan(found, window_s=WEEK_S))] == [28, 8]
