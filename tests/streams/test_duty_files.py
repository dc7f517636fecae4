from __future__ import annotations

from pathlib import Path

import pytest

from streams.duty_files import check_rosters, read_rosters
from streams.loading import find_city, load
from streams.settings import Roster
from streams.yaml_file import Problems


def read(tmp_path: Path, text: str) -> tuple[tuple[Roster, ...], list[str]]:
    path, problems = tmp_path / "roster.yaml", Problems()
    path.write_text(text)
    return read_rosters(path, problems), [problem.removeprefix(f"{path}:") for problem in problems.listed()]


def test_a_roster_says_who_is_where_for_whom_and_when(tmp_path: Path) -> None:
    text = 'rosters:\n  - {area: "01", department: water, staff: [bo, ann], hours: "20:00-08:00"}\n  - {area: "0101", department: water, staff: [cy]}\n'
    assert read(tmp_path, text) == (
        (Roster("01", "water", ("bo", "ann"), "20:00-08:00"), Roster("0101", "water", ("cy",))),
        [],
    )


@pytest.mark.parametrize(
    "text, problem",
    [
        ("roster: []\n", "1: roster: the key 'roster' is not known here; did you mean 'rosters'?"),
        ("rosters:\n  - {area: a, department: d, staff: []}\n", "2: rosters[0].staff: names 0; name one to 200"),
        ("rosters:\n  - {area: a, department: d, staff: [Jo Smith]}\n", "2: rosters[0].staff: holds something that is no pseudonym;"),
        (
            "rosters:\n  - {area: a, department: d, staff: [jo], hours: 8-20}\n",
            "2: rosters[0].hours: '8-20' is not a time of day; write 08:00-20:00",
        ),
        ("rosters:\n  - {area: a, staff: [jo]}\n", "2: rosters[0].department: is missing; add 'department:' here"),
    ],
)
def test_a_refusal_names_line_key_value_and_remedy(tmp_path: Path, text: str, problem: str) -> None:
    _, problems = read(tmp_path, text)
    assert any(each.startswith(problem) for each in problems), problems


def test_a_pseudonym_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    _, problems = read(tmp_path, "rosters:\n  - {area: a, department: d, staff: [Jo Smith]}\n")
    assert "Smith" not in "".join(problems)


def test_it_speaks_of_areas_and_departments_there_are(tmp_path: Path) -> None:
    problems = Problems()
    check_rosters(tmp_path / "r.yaml", (Roster("mars", "watr", ("bo",)),), {"earth"}, {"water"}, problems)
    assert [problem.partition(":1: ")[2] for problem in problems.listed()] == [
        "rosters[0].area: 'mars' is not an area; known are earth",
        "rosters[0].department: 'watr' is not a department; did you mean 'water'?",
    ]


def test_hangzhou_has_somebody_in_every_street_and_around_the_clock_above() -> None:
    city = load(find_city("hangzhou"))
    staffed = {(roster.area, roster.department) for roster in city.rosters}
    for area in city.areas:
        if area.valid_to_s is None and area.level == 2:
            assert (area.code, "city_services") in staffed
        if area.valid_to_s is None and area.level < 2:
            assert {(area.code, name) for name in city.duty.departments} <= staffed
