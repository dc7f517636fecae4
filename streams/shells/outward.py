"""What the cockpit says beside alerts: the past from the tables, figures, exports, deliveries. One place for both shells to add it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastapi import FastAPI

from sinks.archive import Archive
from sinks.base import Sink
from sinks.clickhouse.archive import TablesArchive
from sinks.cockpit.deliveries import Deliveries, deliveries_router
from sinks.cockpit.exports import Outward, exports_router
from sinks.cockpit.feed import Feed, History
from sinks.cockpit.figures import figures_router
from sinks.cockpit.index import Rules
from sinks.cockpit.past import Asking, past_router
from streams.settings import City


class Behind(NamedTuple):
    """What stands behind the endpoints. ``exercise``: a past that is played."""

    archive: Archive | None = None
    history: History | None = None
    deliveries: Deliveries | None = None
    exercise: bool = False


def add_outward(app: FastAPI, city: City, feed: Feed, now_s: Callable[[], int], behind: Behind) -> None:
    """Mount the endpoints."""
    places = feed.view.places
    asking = Asking(behind.archive, now_s)
    app.include_router(past_router(places, city.sources, asking))
    departments = {signal: name for name, department in city.duty.departments.items() for signal in department.signals}
    rules = Rules(shift_s=city.duty.shift_s, cap=float(city.duty.alerts_per_shift_max))
    app.include_router(
        figures_router(
            places,
            asking,
            rules=rules,
            department=lambda _area, signals: departments.get(next(iter(signals), ""), city.duty.otherwise),
            titles={name: department.title for name, department in city.duty.departments.items()},
        )
    )
    app.include_router(exports_router(feed, Outward(city.name, f"Tocsin, {city.title}", city.signals, behind.history, behind.exercise)))
    if behind.deliveries is not None:
        app.include_router(deliveries_router(behind.deliveries))


def archive_of(sinks: Sequence[Sink]) -> Archive | None:
    """The tables among some sinks."""
    for sink in sinks:
        query = getattr(sink, "query", None)
        if query is not None:
            return TablesArchive(query)
    return None
