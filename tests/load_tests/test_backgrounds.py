"""Tables of real counts: what is counted, what is unknown, where a table begins."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from load_tests import backgrounds
from streams.model import DAY_S, HOUR_S


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))


def test_a_day_of_chicago_counts_for_its_community_area_and_for_the_city(tmp_path: Path):
    rows = [
        "created,nature,community_area",
        "2011-01-05,Weeds,7.0",
        "2011-01-06,Weeds,7.0",
        "2011-01-07,Weeds,7.0",
        "2011-01-07,Weeds,",
        "2011-01-07,Rats,8.0",
    ]
    write(tmp_path / backgrounds.CHICAGO, rows)
    found = backgrounds.chicago(tmp_path)
    assert (found.window_s, found.first_index * DAY_S) == (DAY_S, datetime(2011, 1, 6, tzinfo=UTC).timestamp())  # the first Thursday
    assert found.series == ("7.0/Weeds", "8.0/Rats", "chicago/Rats", "chicago/Weeds")
    assert found.counts.tolist() == [[1, 0, 0, 1], [1, 1, 1, 2]]
    places = found.places()
    assert places.depth.tolist() == [1, 1, 0, 0]
    assert places.signal.tolist() == [1, 0, 0, 1]
    assert places.shard.tolist() == [0, 1, 2, 2]
    assert not found.judged.any()


def test_an_hour_without_a_reading_is_unknown_and_is_filled_for_those_who_know_no_gaps(tmp_path: Path):
    start = datetime(2012, 1, 5)  # noqa: DTZ001 - civil time
    hours = [(start + timedelta(hours=h)).strftime("%Y-%m-%dT%H") for h in range(24 * 150)]
    rows = [f"{at},1,{h}" for h, at in enumerate(hours) if h != 200] + [f"{hours[0]},2,"]
    write(tmp_path / backgrounds.MELBOURNE, ["ts_local,sensor_id,count", *rows])
    found = backgrounds.melbourne(tmp_path)
    assert found.window_s == HOUR_S
    assert found.counts.shape == (24 * 150, 1)
    assert found.counts[[199, 200, 201], 0].tolist() == [199, -1, 201]
    assert found.filled()[200, 0] == 200 - 168
    warm = backgrounds.WARM_DAYS * 24
    assert np.flatnonzero(found.judged[:, 0])[0] == warm + 1  # the unknown hour was no history
    assert {b.name for b in backgrounds.there(tmp_path)} == {"boston", "melbourne"}
