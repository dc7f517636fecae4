"""An alert's story as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from streams.core.explain import number_words, span_words
from streams.core.story import Row, Shares
from streams.shells.explain import Chart, Seen, Story
from streams.shells.explain_state import Listed

WIDTH = 48
ROWS_MAX = 60
LISTED_MAX = 50


def text(story: Story) -> str:
    """The whole story."""
    return "\n".join(_lines(story))


def list_text(alerts: Sequence[Listed]) -> str:
    """A line an alert, the newest ``LISTED_MAX``."""
    lines = [f"{alert.id}  {_utc(alert.onset_s)}  {alert.state:<11} {alert.band:<6}  {alert.why}" for alert in alerts[:LISTED_MAX]]
    if len(alerts) > LISTED_MAX:
        lines.append(f"and {len(alerts) - LISTED_MAX} older ones: --json lists all")
    return "\n".join(lines) or "no alerts"


def _lines(story: Story) -> Iterator[str]:
    zone = ZoneInfo(story.timezone)
    yield f"Alert {story.id}: {story.state}, {story.band}, risk {story.risk:g}"
    yield f"{' / '.join(story.place.path)}: {', '.join(story.titles[name] for name in story.signals)}"
    yield f"Began {_time(story.onset_s, zone)}; told here is the window that ended {_time(story.told_s, zone)} ({story.timezone})"
    yield from ("", story.english, story.chinese, "")
    yield from _table(story.evidence, story.suppress_below)
    yield from _shares(
        "By signal", story.by_signal, {row.signal: story.titles.get(row.signal, row.signal) for row in _rows(story.by_signal)}
    )
    yield from _shares("By area", story.by_area, _areas(story))
    yield from _chart(story.chart, story.suppress_below, zone)
    yield from ("", "Life")
    for stage in story.timeline:
        who = f" by {stage.actor}" if stage.actor else ""
        told = "  told" if stage.notify else f"  withheld by {stage.muted_by}" if stage.muted_by else ""
        where = story.names.get(stage.area, stage.area)
        yield f"  {_time(stage.at_s, zone)}  {stage.from_state} to {stage.to_state}: {stage.reason}{who}, {stage.band}, {where}{told}"
    yield from ("", f"It {story.clears}." if story.clears else "It has ended." if story.state in ("cleared", "withdrawn") else "")
    yield from (f"Note: {note}." for note in story.notes)


def _rows(shares: Shares | None) -> tuple[Row, ...]:
    return shares.rows if shares else ()


def _areas(story: Story) -> dict[str, str]:
    own = story.chart.area
    return {code: f"{name}, no area below named" if code == own else f"{name} ({code})" for code, name in story.names.items()}


def _table(evidence: Sequence[Seen], floor: int) -> Iterator[str]:
    yield f"{'over':<12}{'observed':>10}{'expected':>10}{'95% interval':>18}{'p':>10}"
    for seen in evidence:
        if seen.hidden or seen.observed is None or seen.expected is None or seen.p is None:
            yield f"{_span(seen.duration_s):<12}{f'below {floor}':>10}"
            continue
        between = (
            f"{number_words(seen.lower)} to {number_words(seen.upper)}" if seen.lower is not None and seen.upper is not None else "not kept"
        )
        yield f"{_span(seen.duration_s):<12}{number_words(seen.observed):>10}{number_words(seen.expected):>10}{between:>18}{seen.p:>10.2g}"


def _shares(title: str, shares: Shares | None, called: Mapping[str, str]) -> Iterator[str]:
    if shares is None:
        return
    yield from ("", f"{title}, over {_span(shares.duration_s)}: observed, expected, share of the deviation")
    names = [called.get(row.signal) or called[row.area] for row in shares.rows]
    width = max((len(name) for name in names), default=0)
    for name, row in zip(names, shares.rows, strict=True):
        share = f"{round(row.share * 100) or 0:>7}%" if row.share is not None else ""  # or 0: no minus before it
        yield f"  {name:<{width}}{number_words(row.observed or 0.0):>8}{number_words(row.expected or 0.0):>8}{share}"
    if shares.more:
        yield f"  and {shares.more} more"
    if shares.hidden:
        yield f"  {shares.hidden} with counts too small to be shown"


def _chart(chart: Chart, floor: int, zone: ZoneInfo) -> Iterator[str]:
    if not chart.points:
        return
    if all(seen.hidden for seen in chart.points):
        yield from ("", f"{chart.title}, over {_span(chart.duration_s)}: below {floor} all the time, too small to be shown")
        return
    step = -(-len(chart.points) // ROWS_MAX)
    last = next((i for i, seen in enumerate(chart.points) if seen.end_s >= chart.told_s), len(chart.points) - 1)
    shown = [seen for i, seen in enumerate(chart.points) if (i - last) % step == 0]
    top = max((max(seen.observed or 0.0, seen.upper or seen.expected or 0.0) for seen in shown), default=0.0) or 1.0
    onset = next((seen.end_s for seen in shown if seen.end_s > chart.onset_s), 0)
    yield from ("", f"{chart.title}, over {_span(chart.duration_s)}: # observed, | expected, .) its 95% interval")
    for seen in shown:
        marks = [word for word, at_s in (("began", onset), ("told", chart.told_s)) if seen.end_s == at_s]
        mark = f" < {', '.join(marks)}" if marks else ""
        number = f"<{floor}" if seen.observed is None else number_words(seen.observed)
        yield f"  {_time(seen.end_s, zone)} {number:>7} {bar(seen, top)}{mark}".rstrip()


def bar(seen: Seen, top: float) -> str:
    """One point as ``WIDTH`` characters, ``top`` being its right end.

    >>> bar(Seen(3600, 0, 24.0, 8.0, 4.0, 12.0, 1e-4), 48.0)
    '########|##)############                        '
    >>> bar(Seen(3600, 0, 2.0, 8.0, 4.0, 12.0, .9), 48.0)
    '##  ....|..)                                    '
    """
    if seen.observed is None or seen.expected is None:
        return " " * WIDTH
    cells = [" "] * WIDTH
    at = [min(WIDTH, round(value / top * WIDTH)) for value in (seen.lower or 0.0, seen.upper or 0.0, seen.observed, seen.expected)]
    low, high, observed, expected = at
    cells[low:high] = "." * (high - low)
    cells[:observed] = "#" * observed
    if seen.upper is not None:
        cells[max(0, high - 1)] = ")"
    cells[min(expected, WIDTH - 1)] = "|"
    return "".join(cells)


def _span(seconds: int) -> str:
    words = span_words(seconds)
    return words if words[0].isdigit() else f"1 {words}"


def _time(at_s: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_s, zone).strftime("%Y-%m-%d %H:%M")


def _utc(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%MZ")
