"""What load_tests/prepare_boston.py makes, and that config/boston is what it made."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest
import shapely

from load_tests import prepare_boston as prepare
from streams.loading import config_home

BOSTON = config_home() / "boston"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boston")
    prepare.main(["--requests", str(BOSTON / "data" / "requests.csv.gz"), "--out", str(folder)])
    return folder


@pytest.mark.parametrize("name", ["areas.csv", "library.csv", "areas.geojson"])
def test_the_places_are_what_the_script_makes_of_the_requests(made: Path, name: str) -> None:
    assert (made / name).read_bytes() == (BOSTON / name).read_bytes()


def test_the_requests_are_what_the_script_makes_of_them(made: Path) -> None:
    def plain(folder: Path) -> bytes:
        return gzip.decompress((folder / "data" / "requests.csv.gz").read_bytes())

    assert plain(made) == plain(BOSTON)


def test_precincts_tile_the_city(made: Path) -> None:
    text = (made / "areas.geojson").read_text()
    shapes = {line.split('"id":"')[1].split('"')[0]: shapely.from_geojson(line.rstrip(",")) for line in text.splitlines() if '"id"' in line}
    precincts = [shape for code, shape in shapes.items() if code.isdecimal()]
    assert len(precincts) == 253
    assert all(shape.is_valid for shape in shapes.values())
    assert shapely.coverage_is_valid(precincts)
    assert sum(shape.area for shape in precincts) == pytest.approx(shapes["boston"].area)
    assert sum(shapes[code].area for code in prepare.NEIGHBOURHOODS) == pytest.approx(shapes["boston"].area)


def row(neighborhood: str, precinct: str, lat: str = "42.30", lon: str = "-71.10") -> prepare.Row:
    return {"case_id": "1", "opened": "2015-01-01 00:00:00", "neighborhood": neighborhood, "precinct": precinct, "lat": lat, "lon": lon}


def test_a_precinct_belongs_where_most_of_its_requests_lie() -> None:
    rows = [row("Roxbury", "0503"), row("Roxbury", "503.0"), row("Back Bay", "503")]
    rows += [row("Boston", "503")] * 9 + [row("", "503")] * 9 + [row("Brighton", "0503.0")] * 3
    assert prepare.homes(rows) == {"503": "allston-brighton"}


def test_a_tie_is_settled_by_the_name_and_slips_of_the_keyboard_are_dropped() -> None:
    rows = [row("Roxbury", "901"), row("Back Bay", "901")] * 3 + [row("Roxbury", "502A")] * 9 + [row("Roxbury", "77")] * 4
    assert prepare.homes(rows) == {"901": "back-bay"}


def test_positions_of_what_was_not_located_and_the_farthest_are_left_out() -> None:
    near, far = [row("Roxbury", "901", "42.300", "-71.100")] * 98, [row("Roxbury", "901", "42.390", "-71.190")] * 2
    lost = [row("Roxbury", "901", *prepare.PLACEHOLDER)] * 50
    assert prepare.cells_of([*near, *far, *lost], {"901": "roxbury"}) == {(-71_100, 42_300): "901"}


def test_ground_around_a_record_grows_and_strays_are_given_away() -> None:
    seeds = {(x, 0): "1" for x in range(10)} | {(x, 5): "2" for x in range(10)} | {(4, 1): "2"}
    shapes = prepare.outlines(seeds, {"1": "roxbury", "2": "back-bay"})
    assert shapes["1"].geom_type == shapes["2"].geom_type == "Polygon"
    assert shapes["1"].contains(shapely.Point(4 * prepare.GRID_DEG, 1 * prepare.GRID_DEG))
    assert shapes["boston"].area == pytest.approx(shapes["1"].area + shapes["2"].area)


def test_the_committed_requests_are_whole_and_hold_nothing_more() -> None:
    with gzip.open(BOSTON / "data" / "requests.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["case_id"] for row in rows}) == 121_145
    assert tuple(rows[0]) == prepare.COLUMNS
    assert [row["opened"] for row in rows] == sorted(row["opened"] for row in rows)
    assert Counter((row["lat"], row["lon"]) == prepare.PLACEHOLDER for row in rows)[True] == 17_102
