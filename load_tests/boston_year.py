"""A recorded year of a city through the core: its own requests, those without what is known to have happened, or moved to other weeks.

The year is read once, folded to the counts journal once, and can then be scored under as many settings as wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import orjson
from msgspec import structs

from streams.core.decide import Decide
from streams.core.intake import Intake, Raw
from streams.core.pipeline import Scorer
from streams.core.shard import shards_of
from streams.loading import find_city, load
from streams.model import DAY_S, HOUR_S, Closed, Counts, Finding, Transition
from streams.settings import City
from streams.shells.records import Expected, Record, demo_stretch

KEY = bytes(32)
WEEK_S = 7 * DAY_S


class Year(NamedTuple):
    """Raw records in order of time, and what is known to have happened among them."""

    city: City
    records: tuple[Record, ...]
    known: tuple[Expected, ...]


def boston() -> Year:
    """The year that comes with the product; see config/boston/data/SOURCE.md."""
    city = load(find_city("boston"))
    stretch = demo_stretch(city, days=None, seed=1)
    return Year(city, tuple(stretch.records), stretch.expected)


def public(year: Year) -> Year:
    """Without what the city's own staff entered."""
    return year._replace(records=tuple(record for record in year.records if record.source != "staff"))


def without_known(year: Year) -> Year:
    """Without the records of what is known to have happened: those of its group of signals, from its start to a day after its end."""
    groups = {signal.name: signal.group for signal in year.city.signals}
    signals = {name: source.categories for name, source in year.city.sources.items()}
    columns = {name: source.category for name, source in year.city.sources.items()}

    def kept(record: Record) -> bool:
        near = {event.group for event in year.known if event.start_s <= record.at_s < event.end_s + DAY_S}
        if not near:
            return True
        category = msgspec.json.decode(record.payload).get(columns[record.source], "")
        return groups.get(signals[record.source].get(category, ""), "") not in near

    return year._replace(records=tuple(record for record in year.records if kept(record)), known=())


def moved(year: Year, seed: int) -> Year:
    """Each record moved to a random week of the year, its hour of the week kept: nothing happens in such a city but chance.

    The moved time is written as UTC, so records keep their hour of the week of the clock but for daylight saving.
    """
    rng = np.random.default_rng(seed)
    first, last = year.records[0].at_s, year.records[-1].at_s
    weeks = (last - first) // WEEK_S
    times = {name: source.time for name, source in year.city.sources.items()}
    out = []
    for record, week in zip(year.records, rng.integers(0, weeks, len(year.records)).tolist(), strict=True):
        at_s = first + (record.at_s - first) % WEEK_S + week * WEEK_S
        row = msgspec.json.decode(record.payload)
        row[times[record.source]] = f"{np.datetime64(at_s, 's')}Z"
        out.append(Record(record.source, at_s, orjson.dumps(row)))
    return year._replace(records=tuple(sorted(out, key=lambda record: record.at_s)), known=())


def journal(year: Year) -> list[Counts]:
    """The counts journal of the year: every source says each hour how far time has come."""
    intake = Intake(year.city, KEY)
    offsets = dict.fromkeys(year.city.sources, 0)
    out: list[Counts] = []
    for hour_s, chunk in _hours(year.records):
        for source in year.city.sources:
            raws = []
            for record in chunk:
                if record.source == source:
                    raws.append(Raw(offsets[source], record.at_s, record.payload))
                    offsets[source] += 1
            out.extend(intake.apply(source, 0, raws).counts)
            out.extend(intake.idle(source, 0, hour_s + HOUR_S).counts)
    return out


def judged_days(year: Year) -> float:
    """Days from the end of the history in which everything is grey."""
    return (year.records[-1].at_s - year.records[0].at_s - year.city.detection.history_s) / DAY_S


def findings(city: City, counts: Iterable[Counts]) -> list[Finding | Closed]:
    """What score says of a journal: the same whatever the budget."""
    scorer = Scorer(city)
    out: list[Finding | Closed] = []
    for record in counts:
        scored = scorer.apply(record)
        out += [*scored.findings, *scored.closed]
    return out


def notifications(city: City, said: Iterable[Finding | Closed], *, budget: float, controlled: bool = True) -> list[Transition]:
    """What people are told with so many false alerts a day to bear; not ``controlled``: the threshold stays where it starts."""
    lifecycle = structs.replace(city.lifecycle, false_alerts_per_day=budget, budget_control=controlled)
    machine = Decide(structs.replace(city, lifecycle=lifecycle), shards_of(city))
    return [step for record in said for step in machine.apply(record).transitions if step.notify]


def _hours(records: Sequence[Record]) -> Iterator[tuple[int, list[Record]]]:
    chunk: list[Record] = []
    hour_s = records[0].at_s // HOUR_S * HOUR_S
    for record in records:
        while record.at_s >= hour_s + HOUR_S:
            yield hour_s, chunk
            hour_s, chunk = hour_s + HOUR_S, []
        chunk.append(record)
    yield hour_s, chunk
