"""Opens everything an engine needs: state folder, key, feed, sinks. What ``up`` and ``demo`` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sinks.base import Sink
from sinks.cockpit.chronicle import STEPS_MAX
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from sinks.metrics import Metrics
from streams.core.journal import decode
from streams.model import Transition
from streams.settings import City
from streams.shells.engine import Engine
from streams.shells.keys import key_id, load_key
from streams.shells.meter import Meter
from streams.shells.store import Durability, Store
from streams.shells.words import beside


class Opened:
    """An engine that has recovered, its store, and the feed that people read."""

    def __init__(
        self, city: City, folder: Path, *, durability: Durability, now_s: int, sinks: Sequence[Sink] = (), metrics: Metrics | None = None
    ) -> None:
        """Open or create ``folder`` and take up where it stands. ``sinks`` are written to after the feed.

        Raises:
            StoreError: the folder is in use, or belongs to another city, configuration or release.
            KeyFileError: the key file cannot be used.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = load_key(folder)
        identity = {"city": city.name, "configuration": city.config_version, "key": key_id(key)}
        self.store = Store(folder, identity=identity, durability=durability)
        try:
            view = View(city.areas, city.signals, suppress_below=city.suppress_below, beside=beside(city))
            self.feed = Feed(view, history=self.history)
            self.sinks: tuple[Sink, ...] = (self.feed, *sinks)
            self.engine = Engine(city, self.store, key, self.sinks, Meter(metrics))
            self.engine.recover(now_s)
            newest = self.store.newest("alerts")
            steps = (decode(data) for _, data in self.store.transitions_after(max(0, newest - STEPS_MAX), STEPS_MAX))
            self.feed.load(
                self.store.alerts_now(),
                newest,
                steps=(step for step in steps if isinstance(step, Transition)),
                silences=self.engine.silences(),
            )
        except BaseException:
            self.store.close()
            raise
        self.key = key

    def close(self) -> None:
        """Close sinks and store."""
        try:
            for sink in self.sinks:
                sink.close()
        finally:
            self.store.close()

    def history(self, after_id: int, limit: int) -> list[tuple[int, Transition]] | None:
        """Transitions behind a feed id; None when they are not kept that far back."""
        if not self.store.reaches("alerts", after_id):
            return None
        rows = [(seq, decode(data)) for seq, data in self.store.transitions_after(after_id, limit)]
        return [(seq, step) for seq, step in rows if isinstance(step, Transition)]
