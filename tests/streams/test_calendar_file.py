from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from streams.calendar_file import read_calendar
from streams.loading import find_city, load
from streams.model import DAY_S, HOUR_S
from streams.settings import Planned
from streams.yaml_file import Problems

HEAD = "kind,name,from,to,area,signals\n"
MIDNIGHT_S = 1_429_502_400  # 2015-04-20T00:00 in New York


def read(tmp_path: Path, rows: str) -> tuple[tuple[int, ...], tuple[Planned, ...], list[str]]:
    path = tmp_path / "calendar.csv"
    path.write_text(HEAD + rows, encoding="utf-8")
    problems = Problems()
    days, planned = read_calendar(path, "America/New_York", {"north"}, {"noise", "litter"}, problems)
    return days, planned, problems.listed()


def test_days_off_and_planned_events(tmp_path: Path) -> None:
    rows = "holiday,New Year,2015-12-31,2016-01-01,,\nevent,Race,2015-04-20,2015-04-20,north,noise litter\nevent,Fair,2015-04-20T09:00,2015-04-20T18:00,,\n"
    days, planned, problems = read(tmp_path, rows)
    assert problems == []
    assert [date.fromordinal(day).isoformat() for day in days] == ["2015-12-31", "2016-01-01"]
    assert planned == (
        Planned("Race", MIDNIGHT_S, MIDNIGHT_S + DAY_S, "north", ("noise", "litter")),
        Planned("Fair", MIDNIGHT_S + 9 * HOUR_S, MIDNIGHT_S + 18 * HOUR_S),
    )


@pytest.mark.parametrize(
    "row, said",
    [
        ("holiday,X,20.4.2015,,,", "from: '20.4.2015' is not a date"),
        ("holiday,X,2015-04-20,2015-08-20,,", "to: '2015-08-20' is not within a month"),
        ("event,X,2015-04-20,,,", "to: '' is not a local date or time"),
        ("event,X,2015-04-20,2015-04-19,,", "to: '2015-04-19' is not after 2015-04-20"),
        ("event,X,2015-04-20T09:00Z,2015-04-20,,", "from: '2015-04-20T09:00Z' is not a local date or time"),
        ("event,X,2015-04-20,2015-04-20,nort,", "area: 'nort' is not an area; did you mean 'north'?"),
        ("event,X,2015-04-20,2015-04-20,,noize", "signals: 'noize' is not a signal; did you mean 'noise'?"),
        ("fete,X,2015-04-20,,,", "kind: 'fete' is not known here"),
    ],
)
def test_faults_are_told_with_line_value_and_remedy(tmp_path: Path, row: str, said: str) -> None:
    _, _, problems = read(tmp_path, row + "\n")
    assert len(problems) == 1, problems
    assert "calendar.csv:2: " + said in problems[0]


def test_bostons_calendar_is_read_and_part_of_its_version() -> None:
    city = load(find_city("boston"))
    assert len(city.days_off) == 12
    assert city.planned[0].area == "back-bay"
