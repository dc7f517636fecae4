"""Alertmanager's API v2: alerts as it lists them, and as it takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sinks.formats.cloudevents import rfc3339

SEVERITY = {"red": "critical", "orange": "critical", "yellow": "warning", "blue": "info"}
RECEIVER = "tocsin"
ENDED = ("cleared", "withdrawn")
NEVER_S = 253_402_300_799  # the end of the year 9999: an alert that is open has no end


def posted(alert: Mapping[str, Any], city: str, url: str) -> dict[str, Any]:
    """As ``POST /api/v2/alerts`` takes it. Labels are what stays the same over an alert's life; ``alert`` is what people may see of it."""
    labels = {
        "alertname": f"Tocsin_{alert['signals'][0] if alert['signals'] else 'anomaly'}",
        "alert_id": str(alert["id"]),
        "city": city,
    }
    annotations = {
        "summary": f"{alert['band']}: {', '.join(alert['signal_titles'])}, {' / '.join(alert['area_path'])}",
        "description": str(alert["why"]),
        "area": str(alert["area"]),
        "band": str(alert["band"]),
        "severity": SEVERITY.get(str(alert["band"]), "none"),
        "risk": f"{float(alert['risk']):.0f}",
    }
    told = {"labels": labels, "annotations": annotations, "startsAt": rfc3339(int(alert["onset_s"])), "generatorURL": url}
    return {**told, "endsAt": rfc3339(int(alert["updated_s"]))} if alert["state"] in ENDED else told


def listed(alert: Mapping[str, Any], city: str, url: str, muted_by: str = "") -> dict[str, Any]:
    """As ``GET /api/v2/alerts`` gives it."""
    told = posted(alert, city, url)
    kind, _, by = muted_by.partition(":")
    labels = "\xff".join(f"{name}\xff{value}" for name, value in sorted(told["labels"].items()))
    return {
        **told,
        "endsAt": told.get("endsAt", rfc3339(NEVER_S)),
        "updatedAt": rfc3339(int(alert["updated_s"])),
        "fingerprint": hashlib.blake2b(labels.encode(), digest_size=8).hexdigest(),
        "receivers": [{"name": RECEIVER}],
        "status": {
            "state": "suppressed" if muted_by else "active",
            "silencedBy": [by] if kind == "silence" else [],
            "inhibitedBy": [by] if kind == "alert" else [],
            "mutedBy": [],
        },
    }
