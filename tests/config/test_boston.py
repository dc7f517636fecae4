"""Boston's settings against Boston's requests: each is counted, or excluded on purpose."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from zoneinfo import ZoneInfo

import pytest

from streams.columns import unpack
from streams.core.intake import Intake, Raw
from streams.core.times import parse_time
from streams.loading import find_city, load
from streams.settings import City

BATCH = 5_000


@pytest.fixture(scope="module")
def city() -> City:
    return load(find_city("boston"))


@pytest.fixture(scope="module")
def requests(city: City) -> dict[str, list[dict[str, str]]]:
    """Rows by source."""
    assert city.demo is not None
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    with gzip.open(city.demo.events, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[city.demo.route.sources[row["source"]]].append(row)
    return rows


def test_every_request_goes_to_a_source(requests: dict[str, list[dict[str, str]]]) -> None:
    assert {name: len(rows) for name, rows in requests.items()} == {"hotline": 62_285, "complaint": 31_204, "staff": 27_656}


def test_every_request_is_counted_or_excluded_on_purpose(city: City, requests: dict[str, list[dict[str, str]]]) -> None:
    intake, zone = Intake(city, b"k" * 32), ZoneInfo(city.timezone)
    level = {area.code: area.level for area in city.areas}
    rejected: Counter[tuple[str, str]] = Counter()
    by_level: Counter[int] = Counter()
    by_signal: Counter[str] = Counter()
    for name, rows in requests.items():
        for start in range(0, len(rows), BATCH):
            batch = [
                Raw(start + i, parse_time(row["opened"], zone) or 0, json.dumps(row).encode())
                for i, row in enumerate(rows[start : start + BATCH])
            ]
            folded = intake.apply(name, 0, batch)
            rejected.update((name, found.reason) for found in folded.rejected)
            for counts in folded.counts:
                cells = unpack(counts)
                for area, signal, n in zip(cells.area.tolist(), cells.signal.tolist(), cells.n.tolist(), strict=True):
                    if not counts.rollup:
                        by_level[level[counts.areas[area]]] += n
                        by_signal[counts.signals[signal]] += n
    assert rejected == {
        ("hotline", "excluded_category"): 14_211,
        ("complaint", "excluded_category"): 3_066,
        ("staff", "excluded_category"): 1_732,
    }
    assert by_level == {0: 2_195, 1: 330, 2: 99_611}  # the city, a neighbourhood, a precinct
    assert set(by_signal) == {signal.name for signal in city.signals}
    assert by_signal["snow"] == 1_833
    assert by_signal["tree_emergencies"] == 665


def test_the_public_does_not_feed_the_staffs_signals_nor_the_other_way_round(city: City) -> None:
    for name, source in city.sources.items():
        assert {signal.startswith("staff_") for signal in source.categories.values()} == {name == "staff"}
