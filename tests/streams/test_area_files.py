from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from streams.area_files import local_date, normalise_name, read_areas, read_geometry, read_library
from streams.model import Area
from streams.yaml_file import Problems

HEADER = "code,name,level,parent,population,valid_from,valid_to,synthetic\n"
SQUARE = "[[{0},{1}],[{2},{1}],[{2},{3}],[{0},{3}],[{0},{1}]]"


def areas(tmp_path: Path, rows: str, header: str = HEADER) -> tuple[tuple[Area, ...], list[str]]:
    path = tmp_path / "areas.csv"
    path.write_text(header + rows)
    problems = Problems()
    found = read_areas(path, "America/New_York", 1000, problems)
    return found, [problem.removeprefix(f"{path}:") for problem in problems.listed()]


def outlines(tmp_path: Path, geometry: str, timezone: str = "America/New_York") -> tuple[str, list[str]]:
    path = tmp_path / "areas.geojson"
    path.write_text('{"type":"FeatureCollection","features":[{"type":"Feature","id":"c","geometry":' + geometry + "}]}")
    problems = Problems()
    (area,) = read_geometry(path, (Area("c", "City", 0, None),), timezone, problems)
    return area.geometry, [problem.removeprefix(f"{path}:1: ") for problem in problems.listed()]


def square(west: float, south: float, east: float, north: float) -> str:
    return '{"type":"Polygon","coordinates":[' + SQUARE.format(west, south, east, north) + "]}"


def test_a_row_becomes_an_area_with_local_validity(tmp_path: Path) -> None:
    found, problems = areas(tmp_path, 'c,"City, the",0,,900000,,,\n0503,Ward 5,1,c,,2015-03-08,2015-03-09,true\n')
    assert problems == []
    # On 2015-03-08 the clocks of New York go forward: the day has 23 hours.
    assert found == (
        Area("c", "City, the", 0, None, 900_000),
        Area("0503", "Ward 5", 1, "c", None, 1_425_790_800, 1_425_790_800 + 23 * 3600, synthetic=True),
    )


def test_the_last_columns_may_be_left_out(tmp_path: Path) -> None:
    found, problems = areas(tmp_path, "c,City,0,\n", "code,name,level,parent\n")
    assert (found, problems) == ((Area("c", "City", 0, None),), [])


def test_a_code_may_stand_twice_for_times_apart(tmp_path: Path) -> None:
    found, problems = areas(tmp_path, "c,City,0,,,,,\nx,Old,1,c,,,2020-01-01,\nx,New,1,c,,2020-01-01,,\n")
    assert problems == []
    assert [area.name for area in found] == ["City", "Old", "New"]


@pytest.mark.parametrize(
    "rows, told",
    [
        ("", ["2: parent: no area is without a parent; the city's must be empty"]),
        ("c,City,1,,,,,\n", ["2: level: the root 'c' has level 1; write 0"]),
        (
            "c,City,0,,,,,\nx,X,1,x,,,,\n",
            ["3: parent: 'x' in 'x': an area lies inside itself; correct one of the parents"],
        ),
        (
            "c,City,0,,,,,\na,A,1,b,,,,\nb,B,1,a,,,,\nd,D,1,b,,,,\n",
            ["3: parent: 'a' in 'b' in 'a': an area lies inside itself; correct one of the parents"],
        ),
        ("c,City,0,,,,2020-01-01,\nx,X,1,c,,,,\n", ["3: valid_from: 'x' is valid when its parent 'c' is not; narrow its dates"]),
        ("c,City,0,,999,,,\n", ["2: population: 999 live in the leaf 'c'; at least 1000 must, so merge it with a neighbour"]),
    ],
)
def test_faults_of_the_tree(tmp_path: Path, rows: str, told: list[str]) -> None:
    found, problems = areas(tmp_path, rows)
    assert found == ()
    assert [problem for problem in problems if "level: 1 does" not in problem] == told


def test_only_leaves_must_have_people_enough(tmp_path: Path) -> None:
    _, problems = areas(tmp_path, "c,City,0,,10,,,\nx,X,1,c,1000,,,\n")
    assert problems == []


def test_several_rows_with_faults_are_all_told(tmp_path: Path) -> None:
    _, problems = areas(tmp_path, "c,City,0,,,,,\nx,,one,c,many,,,\ny,Y,1,c,,2015,,\n")
    assert [problem.replace(" ", "")[:7] for problem in problems] == [
        "3:name:",
        "3:level",
        "3:popul",
        "4:valid",
    ]


def test_library_names_are_looked_up_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "library.csv"
    path.write_text("name,code\nAllston /  BRIGHTON,a\nＡllston / Brighton,a\n杭州市,b\n")
    problems = Problems()
    assert read_library(path, frozenset({"a", "b"}), problems) == {"allston / brighton": "a", "杭州市": "b"}
    assert problems.listed() == []
    assert normalise_name(" Allston /  Brighton") == "allston / brighton"


def test_an_empty_library_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "library.csv"
    path.write_text("name,code\n,a\n")
    problems = Problems()
    assert read_library(path, frozenset({"a"}), problems) == {}
    assert problems.listed() == [f"{path}:2: name: is empty; write the name or leave the line out"]


def test_an_outline_keeps_its_shape(tmp_path: Path) -> None:
    geometry, problems = outlines(tmp_path, square(-71.2, 42.2, -70.9, 42.4))
    assert problems == []
    assert shapely.from_geojson(geometry).bounds == (-71.2, 42.2, -70.9, 42.4)


@pytest.mark.parametrize(
    "geometry, timezone, told",
    [
        (square(42.2, -71.2, 42.4, -70.9), "America/New_York", "look swapped"),  # only the time zone tells
        (square(42.2, -71.2, 42.4, -70.9), "UTC", ""),  # UTC is no place
        (square(30.1, 120.1, 30.3, 120.3), "UTC", "look swapped"),  # no latitude is 120
        (square(-171.0, -14.4, -170.5, -14.1), "Pacific/Pago_Pago", ""),
        (square(174.0, -41.4, 175.0, -41.1), "Pacific/Auckland", ""),
        (square(75.9, 39.4, 76.1, 39.6), "Asia/Shanghai", ""),  # the far west of one zone
        (square(200.0, 42.2, 201.0, 42.4), "UTC", "outside the world"),
        ('{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,0]]]}', "UTC", "not rings of at least four"),
        ('{"type":"Polygon","coordinates":[[[0,0],[1,"x"],[0,1],[0,0]]]}', "UTC", "not rings of at least four"),
        ('{"type":"Polygon","coordinates":[[[0,0],[1,0,1e99],[0,1],[0,0]]]}', "UTC", "not rings of at least four"),
        ('{"type":"Polygon","coordinates":null}', "UTC", "not rings of at least four"),
        ('{"type":"Polygon"}', "UTC", "not rings of at least four"),
        ("null", "UTC", "not a Polygon or MultiPolygon"),
    ],
)
def test_outlines_are_checked(tmp_path: Path, geometry: str, timezone: str, told: str) -> None:
    kept, problems = outlines(tmp_path, geometry, timezone)
    assert bool(kept) == (told == "")
    assert len(problems) == bool(told)
    assert all(told in problem and problem.startswith("c: ") for problem in problems)


def test_features_are_told_by_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "areas.geojson"
    path.write_text('{"features": [\n\n 7,\n {"id": "x"},\n {"properties": null}\n]}')
    problems = Problems()
    read_geometry(path, (Area("c", "City", 0, None),), "UTC", problems)
    assert [problem.removeprefix(f"{path}:") for problem in problems.listed()] == [
        "3: features: an entry is not a Feature; remove it",
        "4: x: is not in the area table; known are c",
        "5: id: a feature has neither id nor property code; name its area",
    ]


def test_files_that_cannot_be_read_are_problems(tmp_path: Path) -> None:
    problems = Problems()
    (tmp_path / "latin.csv").write_bytes(b"code,name\n\xff")
    assert read_areas(tmp_path / "latin.csv", "UTC", 1000, problems) == ()
    assert read_library(tmp_path / "none.csv", frozenset(), problems) == {}
    assert read_geometry(tmp_path / "none.geojson", (), "UTC", problems) == ()
    assert [problem.split(": ", 1)[1][:26] for problem in problems.listed()] == [
        "byte 10 is not UTF-8; save",
        "cannot be read (No such fi",
        "cannot be read as UTF-8; c",
    ]


@pytest.mark.parametrize("text", ["2015-13-01", "", "2015", "1.1.2015", "9999-12-31"])
def test_what_is_no_date(text: str) -> None:
    assert local_date(text, "UTC", days=1) is None
