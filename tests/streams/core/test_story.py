from __future__ import annotations

import math
import re

import pytest
from msgspec import structs

from streams.core.story import ROWS_MAX, Said, by_area, by_signal, chinese, english
from streams.model import DAY_S, HOUR_S, Area, Evidence, Signal

SEEN = Evidence(3 * HOUR_S, 23.0, 4.1, 1.0, 9.0, 1e-9)
NOISE = Signal("noise", "噪声", "noise")
RIVER = Signal("river", "River", "floods", kind="level", limit_high=4.5)
STREET = Area("330102001", "湖滨街道", 2, "330102", 30_000)


def said(
    *, signal: Signal = NOISE, lead: Evidence = SEEN, recurrence_s: float = 40.0 * DAY_S, flags: tuple[str, ...] = (), small: bool = True
) -> Said:
    return Said(signal, STREET, lead, recurrence_s, flags, 5, small)


def numbers(sentence: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", sentence.replace("1000", ""))


@pytest.mark.parametrize(
    "given",
    [
        said(),
        said(recurrence_s=1e15),
        said(lead=structs.replace(SEEN, duration_s=7_200, observed=0.0)),
        said(lead=structs.replace(SEEN, lower=math.nan, upper=math.nan)),
        said(signal=RIVER, lead=structs.replace(SEEN, observed=3.3)),
        said(signal=RIVER, lead=structs.replace(SEEN, observed=4.75), flags=("limit",)),
        said(lead=structs.replace(SEEN, observed=4.0)),
    ],
)
def test_both_sentences_hold_the_same_numbers(given: Said):
    assert sorted(numbers(english(given))) == sorted(numbers(chinese(given)))
    assert english(given).endswith(".")
    assert chinese(given).endswith("。")
    assert not re.search(r"[,:;()]", chinese(given)), "Chinese marks in a Chinese sentence"


def test_a_sentence_says_the_side_when_a_small_count_is_hidden():
    few = said(lead=structs.replace(SEEN, observed=4.0))
    assert english(few) == "噪声, 湖滨街道: fewer than 5 in the last 3 hours, less than is usual there."
    assert chinese(few) == "湖滨街道“噪声”：过去3小时不足5次，低于当地常态。"
    assert "4 counted" in english(few._replace(small=False))
    assert english(few._replace(lead=structs.replace(SEEN, observed=4.0, expected=0.2))).endswith("more than is usual there.")


def test_a_level_is_never_a_small_count():
    low = said(signal=RIVER, lead=structs.replace(SEEN, observed=0.4))
    assert "a reading of 0.4" in english(low)
    assert "读数为0.4" in chinese(low)


def test_a_limit_is_said_with_the_one_that_was_crossed():
    assert english(said(signal=RIVER, lead=structs.replace(SEEN, observed=4.75), flags=("limit",))) == (
        "River, 湖滨街道: a reading of 4.8 crosses the limit of 4.5."
    )


def part(observed: float, expected: float) -> Evidence:
    return structs.replace(SEEN, observed=observed, expected=expected)


def test_signals_share_what_deviates():
    shares = by_signal(
        {"snow": part(30, 2), "cars": part(10, 2), "calm": part(2, 6)}, area="C", duration_s=DAY_S, fewer_than=5, small=False
    )
    assert [(row.signal, row.share) for row in shares.rows] == [("snow", 0.7), ("cars", 0.2), ("calm", -0.1)]
    assert (shares.hidden, shares.more) == (0, 0)


def test_a_hidden_signal_takes_the_shares_of_the_others_with_it():
    shares = by_signal({"snow": part(30, 2), "cars": part(3, 0.1)}, area="C", duration_s=DAY_S, fewer_than=5, small=True)
    assert [(row.signal, row.observed, row.share) for row in shares.rows] == [("snow", 30, None)]
    assert shares.hidden == 1


def test_areas_share_the_deviation_of_the_whole_and_the_rest_is_named():
    shares = by_area("C", part(40, 10), {"A": part(20, 2), "B": part(8, 5)}, signal="noise", fewer_than=5, small=frozenset())
    assert [(row.area, row.observed, row.expected, row.share) for row in shares.rows] == [
        ("A", 20, 2, 0.6),
        ("C", 12, 3, 0.3),
        ("B", 8, 5, 0.1),
    ]
    fewer = by_area("C", part(2, 10), {"A": part(1, 7), "B": part(1, 3)}, signal="noise", fewer_than=5, small=frozenset())
    assert [(row.area, row.share) for row in fewer.rows] == [("A", 0.75), ("B", 0.25)]


def test_a_single_hidden_area_cannot_be_told_by_taking_away_the_others():
    parts = {"A": part(20, 2), "B": part(8, 5), "D": part(3, 1), "E": part(9, 4)}
    shares = by_area("C", part(40, 12), parts, signal="noise", fewer_than=5, small=frozenset(parts))
    assert [row.area for row in shares.rows] == ["A", "E"]
    assert shares.hidden == 2, "the small one and the next smallest"
    assert sum(row.observed or 0 for row in shares.rows) == 29


def test_the_rest_of_a_small_area_is_hidden_too():
    shares = by_area("C", part(30, 12), {"A": part(20, 2), "B": part(8, 5)}, signal="noise", fewer_than=5, small=frozenset({"A", "B", "C"}))
    assert [row.area for row in shares.rows] == ["A", "B"]


def test_long_lists_end():
    parts = {f"A{i:02}": part(i, 1) for i in range(30)}
    shares = by_area("C", part(435, 30), parts, signal="noise", fewer_than=5, small=frozenset())
    assert len(shares.rows) == ROWS_MAX
    assert shares.more == 30 - ROWS_MAX
    assert shares.rows[0].area == "A29"
