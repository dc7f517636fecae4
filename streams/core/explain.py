"""The sentence that says why: made from a finding's numbers, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from streams.model import DAY_S, HOUR_S, MINUTE_S, Area, Evidence, Signal

_SPANS = ((7 * DAY_S, "week"), (DAY_S, "day"), (HOUR_S, "hour"), (MINUTE_S, "minute"))
_YEAR_S = 365 * DAY_S
NAMES_MAX = 6


def span_words(seconds: float) -> str:
    """A duration in words, in the largest unit that divides it.

    >>> span_words(3 * 3600), span_words(86400), span_words(90 * 60)
    ('3 hours', 'day', '90 minutes')
    """
    for unit_s, word in _SPANS:
        if seconds >= unit_s and seconds % unit_s == 0:
            count = round(seconds / unit_s)
            return word if count == 1 else f"{count} {word}s"
    return f"{seconds:g} seconds"


def recurrence_words(seconds: float) -> str:
    """How rarely chance alone does this, rounded to what can be believed.

    >>> recurrence_words(40 * 86400), recurrence_words(3e9)
    ('once in 6 weeks', 'once in 95 years')
    """
    if seconds >= 1000 * _YEAR_S:
        return "less than once in 1000 years"
    for unit_s, word in ((_YEAR_S, "year"), *_SPANS):
        if seconds >= 1.5 * unit_s:
            return f"once in {round(seconds / unit_s)} {word}s"
        if seconds >= unit_s:
            return f"once in a {word}"
    return "at any time"


def number_words(value: float) -> str:
    """A number with the digits that matter.

    >>> number_words(1234.5), number_words(0.0321), number_words(3.0)
    ('1234', '0.032', '3')
    """
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2g}"


REMARKS = (
    ("planned", "Something is planned there."),
    ("new_level", "It has lasted so long that it is taken for the new level."),
)


def why(
    signal: Signal, area: Area, lead: Evidence, recurrence_s: float, *, fewer_than: int, small: bool, flags: tuple[str, ...] = ()
) -> str:
    """One sentence, and one more where something was planned or what is usual has moved. ``small`` areas never show an observed count below ``fewer_than``."""
    return " ".join((_sentence(signal, area, lead, recurrence_s, fewer_than=fewer_than, small=small, flags=flags), *_remarks(flags)))


def why_together(
    signal: Signal,
    area: Area,
    lead: Evidence,
    members: Mapping[str, float],
    recurrence_s: float,
    *,
    fewer_than: int,
    flags: tuple[str, ...] = (),
) -> str:
    """One sentence on what neighbours in ``area`` saw together. ``members``: name -> count, the one that adds most first.

    A count below ``fewer_than`` is not said, nor one from which that of a single member could be told.
    """
    names = ", ".join([*members][:NAMES_MAX]) + (f" and {len(members) - NAMES_MAX} more" if len(members) > NAMES_MAX else "")
    about, span = f"{signal.title}, {area.name}", span_words(lead.duration_s)
    few = sum(0 < n < fewer_than for n in members.values())
    if lead.observed < fewer_than or few == 1:
        text = f"{about}: more than is usual in the last {span} in several neighbouring areas: {names}."
    else:
        normal = f"{number_words(lead.expected)} expected ({number_words(lead.lower)} to {number_words(lead.upper)})"
        seen = f"{number_words(lead.observed)} in the last {span} in neighbouring areas together"
        text = f"{about}: {seen}, {normal}: {names}; by chance {recurrence_words(recurrence_s)}."
    return " ".join((text, *_remarks(flags)))


def _remarks(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for flag, text in REMARKS if flag in flags)


def _sentence(
    signal: Signal, area: Area, lead: Evidence, recurrence_s: float, *, fewer_than: int, small: bool, flags: tuple[str, ...]
) -> str:
    about = f"{signal.title}, {area.name}"
    if "limit" in flags:
        return f"{about}: {number_words(lead.observed)} crosses the limit of {_limit(signal, lead.observed)}."
    if signal.kind == "level":
        seen = f"{number_words(lead.observed)} over the last {span_words(lead.duration_s)}"
        normal = f"normal is {number_words(lead.expected)} ({number_words(lead.lower)} to {number_words(lead.upper)})"
        return f"{about}: {seen}; {normal}; by chance {recurrence_words(recurrence_s)}."
    if small and lead.observed < fewer_than:  # what was expected and how rare it is would give the count away
        side = "more" if lead.observed > lead.expected else "less"
        return f"{about}: fewer than {fewer_than} in the last {span_words(lead.duration_s)}, {side} than is usual there."
    seen = number_words(lead.observed)
    normal = f"{number_words(lead.expected)} expected ({number_words(lead.lower)} to {number_words(lead.upper)})"
    return f"{about}: {seen} in the last {span_words(lead.duration_s)}, {normal}; by chance {recurrence_words(recurrence_s)}."


def _limit(signal: Signal, value: float) -> str:
    high = signal.limit_high is not None and value >= signal.limit_high
    limit = signal.limit_high if high else signal.limit_low
    return number_words(limit if limit is not None else value)
