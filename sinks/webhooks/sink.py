"""Puts the transitions that a hook has asked for into the outbox, as CloudEvents of what people may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import orjson

from sinks.base import Batch, SinkError, refuse_not_finite
from sinks.formats.cloudevents import event
from sinks.post import Target
from sinks.webhooks.outbox import Delivery, Outbox
from streams.model import Transition


class Hook(NamedTuple):
    """Who is told what. ``kinds``: reasons of transitions; empty: those that tell a person. Empty ``bands`` and ``areas``: all."""

    name: str
    target: Target
    secret: bytes
    kinds: frozenset[str] = frozenset()
    bands: frozenset[str] = frozenset()
    areas: frozenset[str] = frozenset()

    def wants(self, step: Transition, lineage: Sequence[str]) -> bool:
        """``lineage``: the transition's area and those around it."""
        kind = step.reason in self.kinds if self.kinds else step.notify
        return kind and (not self.bands or step.band in self.bands) and (not self.areas or not self.areas.isdisjoint(lineage))


class WebhookSink:
    """A write that has returned is on the disk; ``sinks.webhooks.courier`` sends it."""

    name: ClassVar[str] = "webhooks"

    def __init__(
        self,
        outbox: Outbox,
        hooks: Sequence[Hook],
        *,
        shown: Callable[[Transition], Mapping[str, Any]],
        lineage: Callable[[str], Sequence[str]],
        source: str,
        now_s: Callable[[], int],
    ) -> None:
        """``shown``: a transition as people may see it, small numbers taken out."""
        self._outbox, self._hooks = outbox, tuple(hooks)
        self._shown, self._lineage, self._source, self._now_s = shown, lineage, source, now_s
        self.given_up = 0  # deliveries that the outbox had no room for
        self._closed = False

    def write(self, batch: Batch) -> None:
        if self._closed:
            raise SinkError("this sink is closed", retryable=False)
        refuse_not_finite(batch)
        deliveries = []
        for position, step in batch.transitions:
            wanted = [hook for hook in self._hooks if hook.wants(step, self._lineage(step.area))]
            if wanted:
                body = orjson.dumps(event(self._shown(step), self._source))
                deliveries += [Delivery(hook.name, f"{step.alert_id}/{step.seq}", position, body) for hook in wanted]
        if deliveries:
            self.given_up += self._outbox.put(deliveries, self._now_s())

    def close(self) -> None:
        self._closed = True
        self._outbox.close()
