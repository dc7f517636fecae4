"""An alert as one scope shows it, from what ``Sight.narrow`` leaves of it. Pure."""

from __future__ import annotations

import orjson

from sinks.cockpit.board import Held
from sinks.cockpit.views import Json, View
from streams.model import Alert


def summary(view: View, held: Held, shown: Alert) -> bytes:
    """JSON text for a list: the shared one where all of the alert shows."""
    return held.summary if shown is held.alert else orjson.dumps({**view.summary(shown), **_outside(held.alert, shown)})


def detail(view: View, alert: Alert, shown: Alert) -> Json:
    """One alert whole, with how many of its members lie outside."""
    return view.detail(shown) if shown is alert else {**view.detail(shown), **_outside(alert, shown)}


def _outside(alert: Alert, shown: Alert) -> Json:
    return {"members_outside": len(alert.members) - len(shown.members)}
