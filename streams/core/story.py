"""The story of an alert: one sentence in English and one in Chinese that say the same, and who contributed how much to what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple

from msgspec import Struct, structs

from streams.core.explain import number_words, recurrence_words, span_words
from streams.model import DAY_S, HOUR_S, MINUTE_S, Area, Evidence, Signal

_YEAR_S = 365 * DAY_S
_SPANS_ZH = ((7 * DAY_S, "周"), (DAY_S, "天"), (HOUR_S, "小时"), (MINUTE_S, "分钟"))
ROWS_MAX = 12
"""Contributions that are listed; the rest is counted."""


class Said(NamedTuple):
    """What a sentence is made from. ``small`` areas never show an observed count below ``fewer_than``; an interval of NaN is not known."""

    signal: Signal
    area: Area
    lead: Evidence
    recurrence_s: float
    flags: tuple[str, ...]
    fewer_than: int
    small: bool

    @property
    def hidden(self) -> bool:
        return self.small and self.signal.kind == "count" and self.lead.observed < self.fewer_than

    @property
    def together(self) -> bool:
        """Whether it is neighbours below that are so rare together, and not the area's own count."""
        return "neighbours" in self.flags

    @property
    def limit(self) -> float | None:
        """The physical limit that was crossed."""
        if "limit" not in self.flags:
            return None
        high = self.signal.limit_high is not None and self.lead.observed >= self.signal.limit_high
        return self.signal.limit_high if high else self.signal.limit_low


class Row(Struct, frozen=True):
    """A part of what was seen at one duration. ``share``: of the deviation from what was expected; hidden rows have no numbers."""

    area: str
    signal: str
    observed: float | None
    expected: float | None
    share: float | None
    hidden: bool = False


class Shares(Struct, frozen=True):
    """Contributions, greatest first; ``more`` rows beyond ``ROWS_MAX``, and how many of all are hidden."""

    duration_s: int
    rows: tuple[Row, ...] = ()
    hidden: int = 0
    more: int = 0


def english(said: Said) -> str:
    """One sentence.

    >>> english(Said(Signal("noise", "Noise", "noise"), Area("1605", "Dock Square", 1, "C"), Evidence(10_800, 23, 4.1, 1, 9, 1e-9), 3e9, (), 5, False))
    'Noise, Dock Square: 23 counted in the last 3 hours, 4.1 expected (95% interval 1 to 9); by chance once in 95 years.'
    """
    lead, about = said.lead, f"{said.signal.title}, {said.area.name}"
    span = span_words(lead.duration_s)
    limit = said.limit
    if limit is not None:
        return f"{about}: a reading of {number_words(lead.observed)} crosses the limit of {number_words(limit)}."
    if said.hidden:
        return f"{about}: fewer than {said.fewer_than} in the last {span}, {'more' if lead.observed > lead.expected else 'less'} than is usual there."
    between = "" if isnan(lead.lower) else f" (95% interval {number_words(lead.lower)} to {number_words(lead.upper)})"
    chance = f"{'what neighbours there saw together comes ' if said.together else ''}by chance {recurrence_words(said.recurrence_s)}"
    if said.signal.kind == "level":
        return f"{about}: a reading of {number_words(lead.observed)} over the last {span}, {number_words(lead.expected)} is normal{between}; {chance}."
    return f"{about}: {number_words(lead.observed)} counted in the last {span}, {number_words(lead.expected)} expected{between}; {chance}."


def chinese(said: Said) -> str:
    """The same sentence in simplified Chinese; titles and names of areas as the settings have them.

    >>> chinese(Said(Signal("noise", "噪声", "noise"), Area("1605", "湖滨街道", 2, "C"), Evidence(10_800, 23, 4.1, 1, 9, 1e-9), 3e9, (), 5, True))
    '湖滨街道“噪声”：过去3小时共23次，预期4.1次（95%区间为1至9次）；若纯属偶然，约95年一遇。'
    """
    lead, about = said.lead, f"{said.area.name}“{said.signal.title}”"
    span = span_chinese(lead.duration_s)
    limit = said.limit
    if limit is not None:
        return f"{about}：读数{number_words(lead.observed)}，已越过限值{number_words(limit)}。"
    if said.hidden:
        return f"{about}：过去{span}不足{said.fewer_than}次，{'高于' if lead.observed > lead.expected else '低于'}当地常态。"
    chance = ("其中相邻区域合计" if said.together else "") + recurrence_chinese(said.recurrence_s)
    unit = "" if said.signal.kind == "level" else "次"
    between = "" if isnan(lead.lower) else f"（95%区间为{number_words(lead.lower)}至{number_words(lead.upper)}{unit}）"
    if said.signal.kind == "level":
        return f"{about}：过去{span}读数为{number_words(lead.observed)}，正常值为{number_words(lead.expected)}{between}；{chance}。"
    return f"{about}：过去{span}共{number_words(lead.observed)}次，预期{number_words(lead.expected)}次{between}；{chance}。"


def span_chinese(seconds: float) -> str:
    """A duration in words, in the largest unit that divides it.

    >>> span_chinese(3 * 3600), span_chinese(86400), span_chinese(90 * 60)
    ('3小时', '1天', '90分钟')
    """
    for unit_s, word in _SPANS_ZH:
        if seconds >= unit_s and seconds % unit_s == 0:
            return f"{round(seconds / unit_s)}{word}"
    return f"{seconds:g}秒"


def recurrence_chinese(seconds: float) -> str:
    """How rarely chance alone does this, rounded as in English.

    >>> recurrence_chinese(40 * 86400), recurrence_chinese(1e12)
    ('若纯属偶然，约6周一遇', '若纯属偶然，逾1000年一遇')
    """
    if seconds >= 1000 * _YEAR_S:
        return "若纯属偶然，逾1000年一遇"
    for unit_s, word in ((_YEAR_S, "年"), *_SPANS_ZH):
        if seconds >= unit_s:
            return f"若纯属偶然，约{max(1, round(seconds / unit_s))}{word}一遇"
    return "纯属偶然也随时可能出现"


def by_signal(parts: Mapping[str, Evidence], *, area: str, duration_s: int, fewer_than: int, small: bool) -> Shares:
    """What each signal adds in one area. Shares are of the sum of all deviations, taken without their signs, so each lies within -1 and 1."""
    whole = sum(abs(e.observed - e.expected) for e in parts.values())
    rows = [_row(area, signal, e, whole, hidden=small and e.observed < fewer_than) for signal, e in sorted(parts.items())]
    if any(row.hidden for row in rows):  # the other shares would tell
        rows = [structs.replace(row, share=None) for row in rows]
    return _shares(duration_s, rows, 1.0)


def by_area(area: str, whole: Evidence, parts: Mapping[str, Evidence], *, signal: str, fewer_than: int, small: frozenset[str]) -> Shares:
    """What each area right below adds to the deviation of ``whole``; see ``streams.core.whereabouts`` for what the shares decide.

    What no area below accounts for, since its records name none, stands under ``area`` itself, unless counts are hidden. A single small count that is hidden could be told from the total and the others: then the next smallest is hidden as well.
    """
    hidden = {area for area in small & parts.keys() if parts[area].observed < fewer_than}
    if len(hidden) == 1:
        hidden |= set(sorted((small & parts.keys()) - hidden, key=lambda area: (parts[area].observed, area))[:1])
    deviation = whole.observed - whole.expected
    rows = [_row(code, signal, e, deviation, hidden=code in hidden) for code, e in sorted(parts.items())]
    rest = structs.replace(
        whole,
        observed=round(whole.observed - sum(e.observed for e in parts.values()), 5),
        expected=max(0.0, round(whole.expected - sum(e.expected for e in parts.values()), 5)),
    )
    if rest.observed > 0 and not hidden:
        rows.append(_row(area, signal, rest, deviation, hidden=area in small and rest.observed < fewer_than))
    return _shares(whole.duration_s, rows, deviation)


def at_duration(evidence: Sequence[Evidence], duration_s: int) -> Evidence | None:
    """The evidence over one duration."""
    return next((e for e in evidence if e.duration_s == duration_s), None)


def _row(area: str, signal: str, e: Evidence, whole: float, *, hidden: bool) -> Row:
    if hidden:
        return Row(area, signal, None, None, None, True)
    return Row(area, signal, e.observed, e.expected, round((e.observed - e.expected) / whole, 4) if whole else None)


def _shares(duration_s: int, rows: Sequence[Row], sign: float) -> Shares:
    shown = [row for row in rows if not row.hidden]
    shown.sort(key=lambda row: ((row.expected or 0.0) - (row.observed or 0.0)) * (1 if sign >= 0 else -1))
    return Shares(duration_s, tuple(shown[:ROWS_MAX]), len(rows) - len(shown), max(0, len(shown) - ROWS_MAX))
