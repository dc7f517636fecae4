"""The area tree with the worst open alert of each subtree, as rows and as GeoJSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from sinks.cockpit.access import Sight
from sinks.cockpit.views import Json, Places
from streams.model import Alert, Area


class Atlas:
    """The areas in tree order: a parent before its children, siblings by code."""

    def __init__(self, places: Places, areas: Sequence[Area]) -> None:
        """Areas with ``geometry`` show it.

        Raises:
            ValueError: a geometry is not JSON; names the area.
        """
        self._places = places
        self._areas = sorted(areas, key=lambda area: tuple(reversed(places.lineage(area.code))))
        self._geometry = {area.code: _geometry(area) for area in areas}

    def rows(self, alerts: Iterable[Alert], sight: Sight) -> list[Json]:
        """A row an area in sight: what it is, and the risk and band of its worst open alert, itself or below; of those above, names only."""
        worst, count = self._worst(alerts)
        rows = []
        for area in self._areas:
            if sight.sees(area.code):
                told = worst.get(area.code)
                rows.append(
                    {
                        **_named(area),
                        "population": area.population,
                        "risk": told.risk if told else 0.0,
                        "band": told.band if told else "none",
                        "alerts": count.get(area.code, 0),
                    }
                )
            elif sight.names(area.code):
                rows.append({**_named(area), "population": None, "risk": None, "band": None, "alerts": None})
        return rows

    def geojson(self, alerts: Iterable[Alert], sight: Sight) -> Json:
        """A FeatureCollection of the same; areas without a geometry have ``null``."""
        features = [
            {
                "type": "Feature",
                "id": row["code"],
                "geometry": self._geometry[row["code"]] if sight.sees(row["code"]) else None,
                "properties": row,
            }
            for row in self.rows(alerts, sight)
        ]
        return {"type": "FeatureCollection", "features": features}

    def _worst(self, alerts: Iterable[Alert]) -> tuple[dict[str, Alert], dict[str, int]]:
        worst: dict[str, Alert] = {}
        count: dict[str, int] = {}
        for alert in alerts:
            touched = {code for at in (alert.area, *(member.area for member in alert.members)) for code in self._places.lineage(at)}
            for code in touched:
                count[code] = count.get(code, 0) + 1
                if code not in worst or worst[code].risk < alert.risk:
                    worst[code] = alert
        return worst, count


def _named(area: Area) -> Json:
    return {"code": area.code, "name": area.name, "level": area.level, "parent": area.parent, "synthetic": area.synthetic}


def _geometry(area: Area) -> Any:
    if not area.geometry:
        return None
    try:
        orjson.loads(area.geometry)
    except orjson.JSONDecodeError:
        raise ValueError(f"area {area.code!r} has a geometry that is not JSON; correct it in the city's area file") from None
    return orjson.Fragment(area.geometry.encode())
