from __future__ import annotations

import pytest
from msgspec.structs import replace

from streams.core.areas import AreaTree, Resolver, normalise_code
from streams.model import Area
from tests.streams.core.intake_city import AREAS, T0

TREE = AreaTree(AREAS)
RESOLVER = Resolver(TREE, {"1 main st": "10101", "Café  au Lait": "102"})
LATER = T0 + 86_400  # 10202 is no more


def test_the_tree_is_walked():
    assert TREE.root.code == "100"
    assert TREE["102"].name == "East"
    assert ("102" in TREE, "9" in TREE, len(TREE)) == (True, False, 6)
    assert (TREE.parent("10101"), TREE.parent("100")) == ("0101", None)
    assert TREE.children("100") == ("0101", "102")
    assert TREE.ancestors("10202") == ("102", "100")
    assert TREE.subtree("100") == ("100", "0101", "10101", "102", "10201", "10202")
    assert TREE.subtree("10101") == ("10101",)
    assert TREE.path_name("10101") == "City > West > West one"


def test_relations():
    assert TREE.related("100", "10101")
    assert TREE.related("10101", "100")
    assert TREE.related("102", "102")
    assert not TREE.related("0101", "10201")
    assert TREE.lowest_common("10201", "10202") == "102"
    assert TREE.lowest_common("10101", "10202") == "100"
    assert TREE.lowest_common("102", "10202") == "102"


def test_an_area_belongs_to_the_shard_above_it_and_the_city_to_its_own():
    assert [TREE.shard_of(code, 1) for code in ("10101", "0101", "100")] == ["0101", "0101", "100"]
    assert [TREE.shard_of(code, 2) for code in ("10101", "0101")] == ["10101", "100"]


def test_an_area_that_is_no_more_stands_for_the_one_above_it():
    assert TREE.valid("10202", LATER - 1)
    assert not TREE.valid("10202", LATER)
    assert (TREE.valid_at("10202", LATER - 1), TREE.valid_at("10202", LATER)) == ("10202", "102")
    gone = AreaTree((Area("1", "a", 0, None, valid_from_s=10), Area("2", "b", 1, "1", valid_from_s=10)))
    assert gone.valid_at("2", 9) is None


def test_a_code_may_come_back():
    # 2:   [0----5)     [10----
    tree = AreaTree((Area("1", "a", 0, None), Area("2", "b", 1, "1", valid_to_s=5), Area("2", "c", 1, "1", valid_from_s=10)))
    assert [tree.valid("2", at_s) for at_s in (0, 4, 5, 9, 10)] == [True, True, False, False, True]
    assert tree["2"].name == "c"
    assert tree.subtree("1") == ("1", "2")


CITY, DISTRICT = Area("1", "City", 0, None), Area("2", "District", 1, "1")


@pytest.mark.parametrize(
    "areas, message",
    [
        ((), "exactly one area, the city, has none"),
        ((CITY, replace(CITY, code="9")), "'1' and '9' without a parent; exactly one"),
        ((replace(CITY, level=1),), "'1' is the root but has level 1; give it level 0"),
        ((CITY, replace(DISTRICT, parent="7")), "'2' has parent '7', which is not in the tree; add it"),
        ((CITY, replace(DISTRICT, parent="2")), "'2' lies inside itself, by way of '2'"),
        ((CITY, replace(DISTRICT, parent="3"), replace(DISTRICT, code="3", parent="2")), "'2' lies inside itself, by way of '3'"),
        ((CITY, replace(DISTRICT, level=2)), "'2' has level 2 under a parent of level 0; write 1"),
        ((CITY, DISTRICT, Area("3", "x", 2, "2"), replace(DISTRICT, level=2, parent="3")), "'2' stands twice with different parents"),
    ],
)
def test_a_tree_that_is_none_is_refused(areas: tuple[Area, ...], message: str):
    with pytest.raises(ValueError, match=message):
        AreaTree(areas)


def test_codes_are_found_however_they_are_written():
    assert {RESOLVER.by_code(code, T0) for code in ("0101", "101", "101.0", " 00101 ", "101.00")} == {"0101"}
    assert [RESOLVER.by_code(code, T0) for code in ("", "1010", "101.5", "West")] == [None] * 4
    assert RESOLVER.by_code("10202", LATER) == "102"


def test_codes_of_twelve_digits_and_words_are_kept():
    assert normalise_code("010101001001") == "010101001001"
    assert normalise_code("010101001001.0") == "010101001001"
    assert normalise_code("0") == normalise_code("000") == "0"
    assert normalise_code(" A1 ") == "A1"
    assert normalise_code("٠٥٠٣") == "٠٥٠٣"


def test_names_are_found_whatever_their_case_width_and_blanks():
    assert RESOLVER.by_name("  1 MAIN\tSt ", T0) == "10101"
    assert RESOLVER.by_name("CAFÉ au lait", T0) == "102"
    assert RESOLVER.by_name("2 Main St", T0) is None


def test_what_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="'x' is in area '7', which is not in the tree"):
        Resolver(TREE, {"x": "7"})
    with pytest.raises(ValueError, match="'0101' and '101' cannot be told apart"):
        Resolver(AreaTree((*AREAS, Area("101", "x", 1, "100"))), {})
    with pytest.raises(ValueError, match="outline of area '2' is not a valid GeoJSON polygon; draw it again"):
        Resolver(AreaTree((CITY, replace(DISTRICT, geometry='{"type":"Point","coordinates":[0,0]}'))), {})
    with pytest.raises(ValueError, match="outline of area '2'"):
        Resolver(AreaTree((CITY, replace(DISTRICT, geometry="{"))), {})
    bow_tie = '{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}'
    with pytest.raises(ValueError, match="outline of area '2'"):
        Resolver(AreaTree((CITY, replace(DISTRICT, geometry=bow_tie))), {})


def test_without_outlines_no_point_is_found():
    assert Resolver(AreaTree((CITY, DISTRICT)), {}).by_point(0.5, 0.5, T0) is None
