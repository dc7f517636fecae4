"""Real counts to be calibrated on and to put outbreaks into: Boston's requests, and Chicago's and Melbourne's where their files are.

Windows are in the cities' civil time without its clock changes. A table begins on a Thursday at midnight, as the epoch does.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detectors.base import Bools, Ints
from load_tests.ours import DAILY, HOURLY, Places, Scored, p_values
from streams.core.areas import AreaTree, Resolver
from streams.loading import find_city, load
from streams.model import DAY_S, HOUR_S

WARM_DAYS = 120
"""Days of a series that nobody is judged on: all learn."""
PUBLIC = ("hotline", "complaint")
KNOWN_AFTER_DAYS = 7  # what follows a known event is not judged either: durations still hold it
KNOWN_BEFORE_DAYS = 1
CHICAGO = "chicago311_sanitation_2011_2014/requests.csv.gz"
MELBOURNE = "melbourne_pedestrian_2012_2015/hourly_counts.csv.gz"
WEEK_S = 7 * DAY_S
DURATIONS = {HOUR_S: HOURLY, DAY_S: DAILY}

Cell = tuple[int, str]  # window since the epoch, series


class Background(NamedTuple):
    """T windows of S series; a count below 0: nothing is known."""

    name: str
    window_s: int
    first_index: int  # windows since the epoch
    series: tuple[str, ...]
    counts: Ints  # (T, S)
    judged: Bools  # (T, S) after the warm-up, known, and no known event

    def of(self, chosen: Bools) -> Background:
        """The series for which ``chosen`` (S,) holds."""
        names = tuple(name for name, keep in zip(self.series, chosen.tolist(), strict=True) if keep)
        return self._replace(series=names, counts=self.counts[:, chosen], judged=self.judged[:, chosen])

    def places(self) -> Places:
        """Areas are shards; a series without a signal in its name has the one there is. The city's own series have its name."""
        areas, signals = zip(*(name.partition("/")[::2] for name in self.series), strict=True)
        shard, signal = (np.unique(np.array(names), return_inverse=True)[1] for names in (areas, signals))
        return Places(signal, np.array([int(area != self.name) for area in areas]), shard)

    def filled(self) -> Ints:
        """Counts (T, S) for detectors that know of no gaps: what is unknown is as a week before, or 0."""
        week = WEEK_S // self.window_s
        out = np.array(self.counts)
        for t in range(len(out)):
            out[t] = np.where(out[t] >= 0, out[t], out[t - week] if t >= week else 0)
        return out


def scored(background: Background) -> Scored:
    """Our p-values, the bank told of places and signals as the product tells it."""
    return p_values(
        background.counts,
        window_s=background.window_s,
        durations=DURATIONS[background.window_s],
        first_index=background.first_index,
        places=background.places(),
    )


def boston() -> Background:
    """Hourly requests of the public: city and neighbourhoods, by signal. Known events are cut out of what is judged."""
    city = load(find_city("boston"))
    assert city.demo is not None
    tree, root = AreaTree(city.areas), AreaTree(city.areas).root.code
    resolver = Resolver(tree, city.library)

    def cells() -> Iterator[Cell]:
        for row in _rows(Path(city.demo.events) if city.demo else Path()):
            source = city.demo.route.sources.get(row["source"], "") if city.demo else ""
            signal = city.sources[source].categories.get(row["type"]) if source in PUBLIC else None
            if signal is None:
                continue
            at_s = civil_s(row["opened"])
            area = resolver.by_code(row["precinct"], at_s) or resolver.by_name(row["neighborhood"], at_s) or root
            yield at_s // HOUR_S, f"{root}/{signal}"
            if area != root:
                yield at_s // HOUR_S, f"{tree.shard_of(area, 1)}/{signal}"

    found = _table("boston", HOUR_S, cells(), missing=0)
    begin_s = (np.arange(len(found.counts)) + found.first_index) * HOUR_S
    known = np.zeros(len(begin_s), bool)
    for event in city.demo.known:
        start_s, end_s = event.start_s - KNOWN_BEFORE_DAYS * DAY_S, event.end_s + KNOWN_AFTER_DAYS * DAY_S
        known |= (begin_s >= start_s) & (begin_s < end_s)
    return found._replace(judged=found.judged & ~known[:, None])


def chicago(data: Path) -> Background:
    """Daily sanitation requests of the whole city and of its community areas, by nature."""

    def cells() -> Iterator[Cell]:
        for row in _rows(data / CHICAGO):
            day = civil_s(row["created"]) // DAY_S
            yield day, f"chicago/{row['nature']}"
            if row["community_area"]:
                yield day, f"{row['community_area']}/{row['nature']}"

    return _table("chicago", DAY_S, cells(), missing=0)


def melbourne(data: Path) -> Background:
    """Hourly pedestrians, by sensor; hours without a reading are unknown."""
    cells = [(civil_s(row["ts_local"]) // HOUR_S, row["sensor_id"], int(row["count"])) for row in _rows(data / MELBOURNE) if row["count"]]
    return _table("melbourne", HOUR_S, ((at, name) for at, name, _ in cells), missing=-1, counts=[n for _, _, n in cells])


def there(data: Path | None) -> list[Background]:
    """All whose files are there."""
    found = [boston()]
    if data is not None:
        found += [read(data) for name, read in ((CHICAGO, chicago), (MELBOURNE, melbourne)) if (data / name).is_file()]
    return found


def civil_s(text: str) -> int:
    """Seconds since the epoch of a civil time, as if its zone were UTC: what is wanted is its hour and its day."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _table(name: str, window_s: int, cells: Iterable[Cell], *, missing: int, counts: Sequence[int] | None = None) -> Background:
    """Count cells, or take their ``counts``; windows without any hold ``missing``."""
    found = list(cells)
    series = tuple(sorted({key for _, key in found}))
    column = {key: i for i, key in enumerate(series)}
    week = WEEK_S // window_s
    at = np.array([window for window, _ in found])
    first = -(-int(at.min()) // week) * week
    table = np.full((int(at.max()) - first + 1, len(series)), missing, np.int64)
    kept = at >= first
    place = (at[kept] - first, np.array([column[key] for _, key in found])[kept])
    if counts is None:
        np.add.at(table, place, 1)
    else:
        table[place] = np.array(counts)[kept]
    known = table >= 0
    return Background(name, window_s, first, series, table, known & (np.cumsum(known, axis=0) > WARM_DAYS * DAY_S // window_s))
