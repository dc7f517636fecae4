"""What the cockpit's page costs its reader: the first view on a slow machine, the frames and the memory while alerts keep coming, and how
soon one is seen.

The feed, its server and alerts that are made up are in this process, the page in Chromium. A first view is over when the first alert is on the screen
(the frame after its row came), with the processor slowed down and nothing cached. While 200 alerts a minute come, the page notes
the time between frames; memory is what is left of its heap after a collection. An alert is seen in the frame after its row has come or changed,
counted from before it was written to the feed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct

from load_tests.acted_city import Acted
from load_tests.services.chromium import launched
from sinks.base import Batch
from sinks.checks import Open, caller
from sinks.cockpit.api import create_app
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from streams.loading import find_city, load
from streams.shells.serve import Server

CITY = "boston"
SLOWED = 4
VIEWS = 5
OPEN_ALERTS = 200
FIRST_VIEW_MS_MAX = 2500.0
FRAME_MS_MAX = 50.0
HEAP_GROWTH_MAX = 1.3
WARM_S = 10.0
MB = 1 << 20
SHOWN = 50
"""The worst ones, which are on the page for certain; it shows somewhat more, and the rest when asked."""
ROW = "[data-row]"
WATCH = """
window.noted = {first: 0, frames: [], seen: {}};
new MutationObserver(changes => {
  const rows = new Set();
  for (const change of changes) {
    const at = change.target.nodeType === 1 ? change.target : change.target.parentElement;
    const row = at && at.closest('li.row');
    if (row) rows.add(row);
    for (const node of change.addedNodes) if (node.nodeType === 1 && node.matches('li.row')) rows.add(node);
  }
  if (!rows.size) return;
  requestAnimationFrame(() => requestAnimationFrame(() => {
    if (!window.noted.first) window.noted.first = performance.now();
    const now = Date.now();
    for (const row of rows) {
      const link = row.querySelector('[data-row]');
      if (link) (window.noted.seen[link.dataset.row] ||= []).push(now);
    }
  }));
}).observe(document, {childList: true, subtree: true, characterData: true});
let last = 0;
requestAnimationFrame(function frame(now) {
  if (last) window.noted.frames.push(now - last);
  last = now;
  requestAnimationFrame(frame);
});
"""


class Cockpit(Struct, frozen=True):
    """What came of it."""

    alerts_per_minute: int
    seconds: float
    open_alerts: int
    first_view_ms_p50: float
    first_view_ms_max: float
    frame_ms_p50: float
    frame_ms_p95: float
    frame_ms_max: float
    heap_mb_begin: float
    heap_mb_end: float
    seen: int  # of those that are in the part of the list that is shown
    seen_ms_p50: float
    seen_ms_p95: float
    seen_ms_max: float

    @property
    def ok(self) -> bool:
        """The list is there soon, moves smoothly, and does not grow."""
        soon = self.first_view_ms_p50 < FIRST_VIEW_MS_MAX
        return soon and self.frame_ms_p95 < FRAME_MS_MAX and self.heap_mb_end < HEAP_GROWTH_MAX * self.heap_mb_begin


def run(*, rate: int, seconds: float, say: Callable[[str], None]) -> Cockpit:
    """Measure. Raises what ``launched`` does."""
    city = load(find_city(CITY))
    acted = Acted(city.areas, city.signals, int(time.time()), open_max=OPEN_ALERTS)
    acted.begin(OPEN_ALERTS)
    feed = Feed(View(city.areas, city.signals))
    feed.load(acted.open.values(), 0)
    server = Server(create_app(feed, city.areas, lambda: {"fed": True}, gate=Open(caller(areas=city.areas))), 0)
    try:
        with launched() as browser:
            say(f"{VIEWS} first views, the processor slowed down {SLOWED} times")
            views = [_first_view(browser, server.url) for _ in range(VIEWS)]
            say(f"{seconds:g} s of {rate} alerts a minute")
            page, session = _opened(browser, server.url)
            _feed_for(page, feed, acted, rate, WARM_S)
            begin = _heap_mb(session)
            page.evaluate("window.noted.frames = []; window.noted.seen = {}")
            written = _feed_for(page, feed, acted, rate, seconds)
            page.wait_for_timeout(1000)
            noted = page.evaluate("window.noted")
            end = _heap_mb(session)
    finally:
        feed.close()
        server.stop()
    return _report(views, noted, written, rate=rate, seconds=seconds, heap=(begin, end))


def _opened(browser: Any, url: str, slowed: int = 1) -> tuple[Any, Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    page.goto(url)
    page.wait_for_selector(ROW, timeout=60_000)
    return page, session


def _first_view(browser: Any, url: str) -> float:
    page, _ = _opened(browser, url, SLOWED)
    while not (first := page.evaluate("window.noted.first")):
        page.wait_for_timeout(50)
    page.context.close()
    return float(first)


def _feed_for(page: Any, feed: Feed, acted: Acted, rate: int, seconds: float) -> dict[str, list[float]]:
    """Write alerts at an even rate; when each was written, in milliseconds of the wall clock, by its id."""
    written: dict[str, list[float]] = {}
    began = time.monotonic()
    for number in range(int(rate * seconds / 60)):
        page.wait_for_timeout(max(0.0, 1000 * (began + number * 60 / rate - time.monotonic())))
        acted.now_s = max(acted.now_s + 1, int(time.time()))
        alert, step = acted.next()
        began_ms = 1000 * time.time()
        feed.write(Batch(transitions=((feed.last_id + 1, step),), alerts=(alert,)))
        if any(held.alert.id == alert.id for held in feed.open_alerts()[:SHOWN]):
            written.setdefault(alert.id, []).append(began_ms)
    return written


def _heap_mb(session: Any) -> float:
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / MB


def _report(
    views: list[float], noted: Any, written: dict[str, list[float]], *, rate: int, seconds: float, heap: tuple[float, float]
) -> Cockpit:
    waited = []
    for alert_id, times in written.items():
        seen = noted["seen"].get(alert_id, [])
        waited += [after[0] - at for at in times if (after := [moment for moment in seen if moment >= at])]
    frames, delays = np.array(noted["frames"] or [0.0]), np.array(waited or [0.0])
    return Cockpit(
        alerts_per_minute=rate,
        seconds=seconds,
        open_alerts=OPEN_ALERTS,
        first_view_ms_p50=round(statistics.median(views)),
        first_view_ms_max=round(max(views)),
        frame_ms_p50=round(float(np.percentile(frames, 50)), 1),
        frame_ms_p95=round(float(np.percentile(frames, 95)), 1),
        frame_ms_max=round(float(frames.max()), 1),
        heap_mb_begin=round(heap[0], 1),
        heap_mb_end=round(heap[1], 1),
        seen=len(waited),
        seen_ms_p50=round(float(np.percentile(delays, 50))),
        seen_ms_p95=round(float(np.percentile(delays, 95))),
        seen_ms_max=round(float(delays.max())),
    )
