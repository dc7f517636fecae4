"""An alert as one scope shows it, from what ``Sight.narrow`` leaves of it. Pure."""

from __future__ import annotations

import orjson

from sinks.cockpit.access import Sight
from sinks.cockpit.board import Held
from sinks.cockpit.views import Json, View
from streams.model import Alert


def summary(view: View, held: Held, shown: Alert, sight: Sight) -> bytes:
    """JSON text for a list: the shared one where all of the alert shows."""
    if shown is held.alert:
        return held.summary
    return orjson.dumps(_limited(view.summary(shown), held.alert, shown, sight))


def detail(view: View, alert: Alert, shown: Alert, sight: Sight) -> Json:
    """One alert whole, with how many of its members lie outside."""
    told = view.detail(shown)
    return told if shown is alert else _limited(told, alert, shown, sight)


def _limited(told: Json, alert: Alert, shown: Alert, sight: Sight) -> Json:
    """Whose duty it is shows only where the area may be named."""
    duty = told.get("duty")
    if isinstance(duty, dict) and not sight.names(str(duty.get("area", ""))):
        told = {**told, "duty": {**duty, "area": None, "area_path": []}}
    return {**told, "members_outside": len(alert.members) - len(shown.members)}
