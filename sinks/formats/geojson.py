"""GeoJSON (RFC 7946): alerts where their areas are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

MEDIA_TYPE = "application/geo+json"


def collection(alerts: Iterable[Mapping[str, Any]], geometries: Mapping[str, str]) -> dict[str, Any]:
    """A FeatureCollection; ``geometries`` has each area's GeoJSON text, longitude first. An area without one gives ``null``.

    ``alerts`` are what people may see of them.
    """
    features = [
        {"type": "Feature", "id": alert["id"], "geometry": _geometry(geometries.get(str(alert["area"]), "")), "properties": dict(alert)}
        for alert in alerts
    ]
    return {"type": "FeatureCollection", "features": features}


def _geometry(text: str) -> Any:
    return orjson.Fragment(text.encode()) if text else None
