"""CloudEvents 1.0: a transition as an event. (source, id) names it for good, so a reader that gets it twice knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

MEDIA_TYPE = "application/cloudevents+json"
BATCH_TYPE = "application/cloudevents-batch+json"
TYPE = "tocsin.alert.transition.v1"


def event(transition: Mapping[str, Any], source: str, position: int | None = None) -> dict[str, Any]:
    """One event; ``transition`` is what people may see of it, ``position`` where it stands in the alerts journal."""
    told = {
        "specversion": "1.0",
        "id": f"{transition['alert_id']}/{transition['seq']}",
        "source": source,
        "type": TYPE,
        "subject": transition["alert_id"],
        "time": rfc3339(int(transition["at_s"])),
        "datacontenttype": "application/json",
        "data": dict(transition),
    }
    return told if position is None else {**told, "sequence": f"{position:020d}"}


def batch(transitions: Iterable[tuple[int, Mapping[str, Any]]], source: str) -> list[dict[str, Any]]:
    """Events of (position, transition)."""
    return [event(transition, source, position) for position, transition in transitions]


def source_of(city: str) -> str:
    """A URI reference.

    >>> source_of("boston")
    '/tocsin/boston'
    """
    return f"/tocsin/{city}"


def rfc3339(at_s: int) -> str:
    """A time with its zone.

    >>> rfc3339(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
