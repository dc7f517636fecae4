"""An alert's chart as SVG and its story as one HTML page: nothing is loaded from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from streams.core.explain import number_words, span_words
from streams.shells.explain import Chart, Seen, Story
from streams.shells.story_text import text

WIDTH, HEIGHT = 760, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 28, 30
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}
pre{font:12px/1.35 ui-monospace,monospace;overflow-x:auto}svg{max-width:100%;height:auto}"""


def svg(story: Story) -> str:
    """The chart: the 95% interval as a band, expected as a dashed line, observed as steps, the onset and the moment told as upright lines."""
    chart, zone = story.chart, ZoneInfo(story.timezone)
    title = escape(f"{chart.title}: counted over {span_words(chart.duration_s)}, {len(chart.points)} windows")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
        f' font-family="sans-serif" font-size="11"><title>{title}</title><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<text x="{LEFT}" y="16" font-size="13">{title}</text>'
    )
    shown = [seen for seen in chart.points if not seen.hidden]
    if not shown:
        return f'{head}<text x="{LEFT}" y="60">below {story.suppress_below} all the time, too small to be shown</text></svg>\n'
    scale = _Scale(chart)
    parts = [_band(run, scale) + _line(run, scale) for run in _runs(chart.points)]
    hidden = [
        f'<rect x="{scale.x(seen.end_s) - 1:.1f}" y="{HEIGHT - BOTTOM - 3}" width="2" height="3" fill="#999"/>'
        for seen in chart.points
        if seen.hidden
    ]
    return "".join([head, *_axes(scale, zone), *parts, *hidden, *_marks(chart, scale), "</svg>\n"])


def page(story: Story) -> str:
    """The sentences, the chart and all else as text."""
    sentences = f'<p>{escape(story.english)}</p><p lang="zh-Hans">{escape(story.chinese)}</p>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Alert {escape(story.id)}</title><style>{STYLE}</style></head><body><h1>{escape(' / '.join(story.place.path))}</h1>"
        f"{sentences}{svg(story)}<pre>{escape(text(story))}</pre></body></html>\n"
    )


class _Scale:
    """Where times and counts lie."""

    def __init__(self, chart: Chart) -> None:
        self.from_s, self.until_s = chart.points[0].end_s, max(chart.points[-1].end_s, chart.points[0].end_s + 1)
        tops = [max(seen.observed or 0.0, seen.upper or 0.0, seen.expected or 0.0) for seen in chart.points]
        lows = [min(seen.observed or 0.0, seen.lower or 0.0, 0.0) for seen in chart.points]
        self.top, self.low = max(tops) or 1.0, min(lows)

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at_s - self.from_s) / (self.until_s - self.from_s)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.top - self.low)


def _runs(points: Sequence[Seen]) -> list[list[Seen]]:
    """Stretches of points that are not hidden."""
    runs: list[list[Seen]] = [[]]
    for seen in points:
        if seen.hidden:
            runs.append([])
        else:
            runs[-1].append(seen)
    return [run for run in runs if run]


def _band(run: Sequence[Seen], scale: _Scale) -> str:
    upper = [f"{scale.x(seen.end_s):.1f},{scale.y(seen.upper):.1f}" for seen in run if seen.upper is not None]
    lower = [f"{scale.x(seen.end_s):.1f},{scale.y(seen.lower):.1f}" for seen in reversed(run) if seen.lower is not None]
    return f'<polygon points="{" ".join(upper + lower)}" fill="#cfe0f3"/>' if upper else ""


def _line(run: Sequence[Seen], scale: _Scale) -> str:
    expected = " ".join(f"{scale.x(seen.end_s):.1f},{scale.y(seen.expected or 0.0):.1f}" for seen in run)
    observed = " ".join(f"{scale.x(seen.end_s):.1f},{scale.y(seen.observed or 0.0):.1f}" for seen in run)
    return (
        f'<polyline points="{expected}" fill="none" stroke="#2a5d9f" stroke-dasharray="4 3"/>'
        f'<polyline points="{observed}" fill="none" stroke="#b3261e" stroke-width="1.8"/>'
    )


def _axes(scale: _Scale, zone: ZoneInfo) -> list[str]:
    parts = []
    for i in range(5):
        value = scale.low + (scale.top - scale.low) * i / 4
        y = scale.y(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number_words(float(f"{value:.3g}"))}</text>')
    for i in range(6):
        at_s = scale.from_s + (scale.until_s - scale.from_s) * i / 5
        anchor = "start" if i == 0 else "end" if i == 5 else "middle"
        words = datetime.fromtimestamp(at_s, zone).strftime("%m-%d %H:%M")
        parts.append(f'<text x="{scale.x(at_s):.1f}" y="{HEIGHT - 10}" text-anchor="{anchor}">{words}</text>')
    return parts


def _marks(chart: Chart, scale: _Scale) -> list[str]:
    parts = []
    for at_s, word, colour in ((chart.onset_s, "began", "#555"), (chart.told_s, "told", "#b3261e")):
        if scale.from_s <= at_s <= scale.until_s:
            x = scale.x(at_s)
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{colour}" stroke-dasharray="2 3"/>')
            anchor, shift = ("end", -3) if word == "began" else ("start", 3)
            parts.append(f'<text x="{x + shift:.1f}" y="{TOP + 10}" text-anchor="{anchor}" fill="{colour}">{word}</text>')
    return parts
