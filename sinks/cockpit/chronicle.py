"""What has happened lately: steps of alerts in order, and those of each alert. Bounded; the caller holds the lock."""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice

from streams.model import Transition

STEPS_MAX = 20_000
ALERTS_MAX = 5_000
STEPS_OF_ALERT_MAX = 200


class Chronicle:
    """The newest steps; of an alert with more than ``STEPS_OF_ALERT_MAX`` the newest of these, and how many were before."""

    def __init__(self, *, steps_max: int = STEPS_MAX, alerts_max: int = ALERTS_MAX) -> None:
        self._steps: deque[Transition] = deque(maxlen=steps_max)
        self._of: OrderedDict[str, deque[Transition]] = OrderedDict()
        self._alerts_max = alerts_max

    def keep(self, step: Transition) -> None:
        """Take in a step that is new."""
        self._steps.append(step)
        steps = self._of.pop(step.alert_id, None)
        self._of[step.alert_id] = steps = deque(maxlen=STEPS_OF_ALERT_MAX) if steps is None else steps
        steps.append(step)
        if len(self._of) > self._alerts_max:
            self._of.popitem(last=False)

    def of(self, alert_id: str) -> tuple[list[Transition], int]:
        """Steps of an alert, oldest first, and how many came before them."""
        steps = list(self._of.get(alert_id, ()))
        return steps, steps[0].seq - 1 if steps else 0

    def since(self, at_s: int, limit: int) -> list[Transition]:
        """Steps since a time, newest first, as they were said; at most ``limit``."""
        return list(islice((step for step in reversed(self._steps) if step.at_s >= at_s), limit))
