"""What happens next to one alert: pure functions from what is known of it to its next state and a named reason.

    none ─► provisional ─► open ◄─► no_data
      └──────────────────►  │
                 withdrawn ◄┴─► cleared

An alert is raised above one threshold and is calm below another, lower one (hysteresis); it clears when all its series
have been calm for the hold time. Data that stops never resolves an alert.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import Struct

from streams.core.explain import recurrence_words
from streams.core.growth import Growth
from streams.model import BANDS, DAY_S, HOUR_S, Band, Clears, State
from streams.settings import Lifecycle

TRANSITION_REASONS: tuple[str, ...] = (
    "raised",  # none: a closed window is above the raise threshold
    "raised_early",  # none: a window still open is above it already
    "silenced",  # none: raised, but a silence covers it
    "inhibited",  # none: raised, but an alert of an ancestor says it already
    "confirmed",  # provisional: the closed window raises, too
    "not_confirmed",  # provisional: the closed window does not raise
    "part_of_other",  # provisional: the closed window has made its series part of another alert
    "joined",  # another series has become part of it
    "worse",  # a higher band than ever said, or ten times rarer than what was said
    "no_data",  # the data of all its series has stopped
    "data_returned",
    "calm",  # all its series have been calm for the hold time
    "repeated",  # still above the threshold and still coming in, nobody has taken it on, and people were last told ``repeat_interval_s`` ago
    "flapping_held",  # they have, but a series keeps clearing and coming back: held twice as long
    "silence_ended",  # the silence that withheld its notification has ended
    "inhibition_ended",  # the ancestor's alert that withheld its notification has ended
    "mute_outgrown",  # the silence is there, but does not cover all of the alert any more
    "acknowledged",
    "assigned",
    "labelled",
    "commented",
    "resolved",  # a person has closed it
    "escalated",  # nobody has taken it on in time: it is the area's above now
    "handed",  # a person has said whose it is
    "step_done",  # a step of its playbook
    "step_undone",
    "dissented",  # an expert holds another label against the one it has
    "opened",  # none: by a person
    "split",  # none: a person has taken its series out of another one
    "split_off",  # a person has taken series out of it
    "merged",  # a person has made it part of another one
    "took_in",  # a person has made another one part of it
)
"""Every reason a transition may carry; no other word is used."""

KEPT_REASONS: tuple[str, ...] = (
    "waiting_for_window",  # provisional: its window is still open
    "dark",  # still without data
    "partly_dark",  # calm where there is data, but some series have none
    "still_raising",
    "between_thresholds",
    "holding",  # calm, but not yet for the hold time
    "held_by_hand",  # calm, but a person has opened it, and a person ends it
)
"""Why an alert stays as it is; makes no transition."""

NEXT: dict[State, tuple[State, ...]] = {
    "none": ("provisional", "open"),
    "provisional": ("provisional", "open", "withdrawn", "cleared"),
    "open": ("open", "no_data", "cleared", "withdrawn"),
    "no_data": ("no_data", "open", "cleared", "withdrawn"),
    "cleared": (),
    "withdrawn": (),
}
"""Which state may follow which. ``provisional`` and ``no_data`` reach ``cleared``, ``open`` and ``no_data`` reach ``withdrawn`` only by a person's hand."""

FINAL: tuple[State, ...] = ("cleared", "withdrawn")
RANK: dict[Band, int] = {"grey": 0, **{band: i for i, band in enumerate(BANDS)}}
FLAP_HOLD_FACTOR = 2
SLOW_HOLD_S = DAY_S
"""Least hold time of an alert over long durations: those speak only when something comes in, so a quiet night is not calm yet."""
GROWN, GROWN_MIN = 3.0, 5.0
"""Times as many events above what was expected as when somebody was told, or as this many."""
WORSE_CEILING_S = 1e12
"""Recurrence intervals beyond it (30,000 years) are not told apart: nobody needs to hear that it grew again."""


class Limits(Struct, frozen=True):
    """Thresholds in force, as recurrence intervals of one series."""

    raise_s: float
    clear_s: float
    hold_s: int
    worse_ratio: float
    repeat_s: int = 0

    @classmethod
    def of(cls, lifecycle: Lifecycle, raise_s: float) -> Limits:
        """The limits that go with a raise threshold."""
        return cls(raise_s, lifecycle.clear_ratio * raise_s, lifecycle.hold_s, lifecycle.worse_ratio, lifecycle.repeat_interval_s)


class Case(Struct, frozen=True):
    """What is known of one alert at ``now_s``."""

    state: State
    now_s: int
    raising: bool = False  # in this window one of its series is above the raise threshold; provisional: it is raised under its own id
    joined: bool = False  # in this window a series has become part of it
    elsewhere: bool = False  # provisional: a closed window has made one of its series part of another alert
    due: bool = True  # provisional: the window it waits for has closed
    calm_s: int = 0  # for how long all its series have been calm; 0: one of them is not
    dark: bool = False  # none of its series has data
    partly_dark: bool = False  # one of them has none
    band: Band = "none"
    said_band: Band = "none"  # highest band said so far
    growth: tuple[Growth, ...] = ()  # of each signal that this window speaks of
    worse_s: int | None = None  # when it last got worse
    told_ago_s: int = 0  # since people were last told
    taken_on: bool = False  # somebody has
    goes_on: bool = False  # one of its series that raise has more than is usual in this very window
    slow: bool = False  # one of its series is judged by durations longer than a day
    flapping: bool = False  # one of its series has cleared again and again
    held: bool = False  # flapping_held has been said
    by_hand: bool = False  # a person has opened it


class Step(NamedTuple):
    """Next state and why; ``notify``: a person is to be told, unless the alert is muted."""

    state: State
    reason: str
    notify: bool = False


def at_early(case: Case, limits: Limits) -> Step:
    """The step at a finding from a window still open; it can only make things worse."""
    worse = got_worse(case, limits)
    if case.state == "none":
        return Step("provisional", "raised_early", True)
    if case.state == "no_data":
        return Step("open", "data_returned", worse)
    if worse:
        return Step(case.state, "worse", True)
    return Step(case.state, "joined" if case.joined else "still_raising")


def at_window(case: Case, limits: Limits) -> Step:
    """The step at a closed window, for every alert there is."""
    if case.state == "none":
        return Step("open", "raised", True)
    if case.state == "provisional":
        return _provisional(case, limits)
    if case.dark:
        return Step("no_data", "no_data" if case.state == "open" else "dark")
    worse = got_worse(case, limits)
    if case.state == "no_data":
        return Step("open", "data_returned", worse)
    if worse:
        return Step("open", "worse", True)
    if case.goes_on and not case.taken_on and 0 < limits.repeat_s <= case.told_ago_s:
        return Step("open", "repeated", True)
    if case.joined:
        return Step("open", "joined")
    if case.calm_s == 0:
        return Step("open", "still_raising" if case.raising else "between_thresholds")
    return _calm(case, limits)


def got_worse(case: Case, limits: Limits) -> bool:
    """Whether it is materially worse than what was said: a higher band; or, said at most once an hour, a signal that is ``worse_ratio`` times
    rarer, or ``GROWN`` times as much. What is red and beyond all chance with five calls has no other way to say that now there are five hundred.
    """
    if RANK[case.band] > RANK[case.said_band]:
        return True
    if case.worse_s is not None and case.now_s - case.worse_s < HOUR_S:
        return False
    return any(_grew(growth, limits) for growth in case.growth)


def hold_s(case: Case, limits: Limits, *, flapping: bool) -> int:
    """How long the alert must be calm to clear."""
    usual_s = max(limits.hold_s, SLOW_HOLD_S) if case.slow else limits.hold_s
    return usual_s * FLAP_HOLD_FACTOR if flapping else usual_s


def clearing(case: Case, limits: Limits, due_s: int) -> Clears:
    """When the alert will end. ``due_s``: end of the window a provisional alert waits for."""
    if case.state == "provisional":
        return Clears("window", due_s)
    if case.state in FINAL:
        return Clears()
    if case.by_hand:
        return Clears("hand")
    needed_s = hold_s(case, limits, flapping=case.flapping)
    earliest_s = case.now_s + max(0, needed_s - case.calm_s)
    return Clears("calm", earliest_s, limits.clear_s, needed_s, case.state == "no_data" or case.partly_dark)


def clears_words(clears: Clears) -> str:
    """The same in words."""
    if clears.by == "window":
        return f"confirmed or withdrawn when the window that ends {minute_words(clears.at_s)} closes"
    if clears.by == "hand":
        return "ends when a person resolves it"
    if not clears.by:
        return ""
    condition = f"clears when nothing as rare as {recurrence_words(clears.recurrence_s)} is seen for {clears.hold_s / HOUR_S:g} h"
    return f"{condition}; not while data is missing" if clears.dark else f"{condition}; earliest {minute_words(clears.at_s)}"


def minute_words(at_s: int) -> str:
    """A time in ISO 8601, to the minute.

    >>> minute_words(1_422_525_600)
    '2015-01-29T10:00Z'
    """
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _grew(growth: Growth, limits: Limits) -> bool:
    fresh_s = min(growth.fresh_s, max(WORSE_CEILING_S, limits.worse_ratio * limits.raise_s))
    if fresh_s >= max(limits.raise_s, limits.worse_ratio * growth.reference_s):
        return True
    return fresh_s >= limits.raise_s and growth.excess >= GROWN * max(growth.told_excess, GROWN_MIN)


def _provisional(case: Case, limits: Limits) -> Step:
    if case.raising:
        return Step("open", "confirmed", got_worse(case, limits))
    if not case.due:
        return Step("provisional", "waiting_for_window")
    if case.elsewhere:
        return Step("withdrawn", "part_of_other")
    if case.dark:
        return Step("provisional", "waiting_for_window")
    return Step("withdrawn", "not_confirmed")


def _calm(case: Case, limits: Limits) -> Step:
    if case.by_hand:
        return Step("open", "held_by_hand")
    if case.partly_dark:
        return Step("open", "partly_dark")
    if case.calm_s < hold_s(case, limits, flapping=False):
        return Step("open", "holding")
    if case.calm_s < hold_s(case, limits, flapping=case.flapping):
        return Step("open", "holding" if case.held else "flapping_held")
    return Step("cleared", "calm")
