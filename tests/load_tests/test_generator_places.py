"""Hangzhou's area files: real county-level codes, a proper tree, outlines that tile, and the script that makes them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import shapely
from shapely.geometry import shape

from load_tests.hangzhou_places import devices
from load_tests.prepare_hangzhou import areas_csv, areas_geojson, library_csv, main
from streams.area_files import local_date, normalise_name
from streams.loading import find_city, load

HOME = Path(__file__).parents[2] / "config" / "hangzhou"
CITY = "330100000000"
TODAY = {
    "330102": "上城区", "330105": "拱墅区", "330106": "西湖区", "330108": "滨江区", "330109": "萧山区", "330110": "余杭区", "330111": "富阳区",
    "330112": "临安区", "330113": "临平区", "330114": "钱塘区", "330122": "桐庐县", "330127": "淳安县", "330182": "建德市",
}  # fmt: skip
ENDED = {"330103": "下城区", "330104": "江干区"}


@pytest.fixture(scope="module")
def city():
    return load(find_city("hangzhou"))


@pytest.fixture(scope="module")
def areas(city):
    return {area.code: area for area in city.areas}


@pytest.fixture(scope="module")
def outlines(areas):
    return {code: shapely.from_geojson(area.geometry) for code, area in areas.items() if area.geometry}


def test_the_county_level_is_the_real_one(areas):
    found = {code[:6]: area.name.split()[0] for code, area in areas.items() if area.level == 1}
    assert found == TODAY | ENDED
    assert all(len(code) == 12 and code.isdecimal() and code.startswith("3301") for code in areas)
    assert areas[CITY].name == "杭州市 Hangzhou"


def test_the_redivision_of_2021_is_in_the_validity_dates(areas):
    day_s = local_date("2021-04-09", "Asia/Shanghai")
    assert {code[:6] for code, area in areas.items() if area.valid_to_s is not None} == set(ENDED)
    assert {area.valid_to_s for area in areas.values()} == {None, day_s}
    assert {code[:6] for code, area in areas.items() if area.valid_from_s is not None} == {"330113", "330114"}


def test_it_is_a_tree_of_four_levels_whose_codes_nest(areas):
    zeros = {0: CITY[4:], 1: "000000", 2: "000", 3: ""}
    for code, area in areas.items():
        assert code.endswith(zeros[area.level])
        if area.parent is None:
            assert code == CITY
        else:
            assert areas[area.parent].level == area.level - 1
            assert area.parent == CITY or code.startswith(area.parent.rstrip("0") if area.level == 1 else area.parent[: 3 * area.level])
        if area.level >= 2:
            assert 1 <= int(code[6:9]) <= 99
        if area.level == 3:
            assert 1 <= int(code[9:]) <= 199
    assert Counter(area.level for area in areas.values()) == {0: 1, 1: 15, 2: 46, 3: 156}


def test_what_is_made_up_says_so(areas):
    assert all(area.synthetic == (area.level >= 2) for area in areas.values())
    features = json.loads((HOME / "areas.geojson").read_bytes())["features"]
    assert all(feature["properties"]["synthetic"] is True for feature in features)
    assert {feature["id"] for feature in features} == {code for code in areas if code[:6] not in ENDED}


def test_populations_add_up_about_and_no_leaf_is_small(areas):
    districts = [area.population for area in areas.values() if area.level == 1 and area.population is not None]
    assert len(districts) == 13
    assert all(people % 10_000 == 0 for people in districts)
    assert sum(districts) == pytest.approx(areas[CITY].population, rel=0.005)
    assert min(area.population for area in areas.values() if area.level == 3) >= 1_000


@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_outlines_of_a_level_tile_the_city(areas, outlines, level):
    own = [outlines[code] for code, area in areas.items() if area.level == level and code in outlines]
    assert all(outline.is_valid for outline in own)
    assert shapely.coverage_is_valid(own)
    assert sum(outline.area for outline in own) == pytest.approx(outlines[CITY].area, rel=1e-9)


def test_children_lie_in_their_parent(areas, outlines):
    for code, outline in outlines.items():
        parent = areas[code].parent
        if parent is not None:
            assert outlines[parent].buffer(1e-9).covers(outline)


def test_outlines_are_geojson_as_the_standard_wants_it(outlines):
    for outline in outlines.values():
        assert outline.geom_type == "Polygon"
        assert outline.exterior.is_ccw
        west, south, east, north = outline.bounds
        assert 118.3 < west < east < 120.8
        assert 29.1 < south < north < 30.6


def test_the_library_knows_old_names_full_addresses_and_devices(city, areas):
    assert city.library["杭州市上城区上城甲街道上城甲一社区"] == "330102001001"
    assert city.library["下城区"] == "330105000000"
    assert "江干区" not in city.library
    communities = [code for code, area in areas.items() if area.level == 3]
    for device in devices(communities):
        assert city.library[normalise_name(device.token)] == device.community


def test_the_files_are_what_the_script_makes(tmp_path):
    assert main(["--out", str(tmp_path)]) is None
    assert (HOME / "areas.csv").read_text(encoding="utf-8") == areas_csv()
    assert (HOME / "library.csv").read_text(encoding="utf-8") == library_csv()
    assert (tmp_path / "areas.geojson").read_text(encoding="utf-8") == areas_geojson()
    kept, made = (
        {f["id"]: shape(f["geometry"]) for f in json.loads((folder / "areas.geojson").read_bytes())["features"]}
        for folder in (HOME, tmp_path)
    )
    assert kept.keys() == made.keys()
    for code, outline in made.items():  # to a few metres: another build of GEOS may round a corner the other way
        assert outline.symmetric_difference(kept[code]).area < 1e-4 * outline.length
