"""The nouns: what every room of Tocsin speaks about.

All are frozen. Times are whole seconds since the epoch (UTC), durations whole seconds, units stand last in a name.
No noun has a field that could hold a person: an event's id is a keyed hash, an area is the finest place there is.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["count", "level"]
Direction = Literal["up", "down", "both"]
Band = Literal["grey", "none", "blue", "yellow", "orange", "red"]
State = Literal["none", "provisional", "open", "no_data", "cleared", "withdrawn"]

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400

BANDS: tuple[Band, ...] = ("none", "blue", "yellow", "orange", "red")
"""From calm to worst; ``grey`` (not enough history yet) stands outside the order."""


class Area(Struct, frozen=True):
    """A node of the area tree. ``code`` is a string: leading zeros and foreign codes are kept.

    ``valid_from_s`` is inclusive, ``valid_to_s`` exclusive; ``None`` means unbounded. ``synthetic`` marks rows that
    were made up, ``geometry`` is a GeoJSON geometry's JSON text (WGS 84, longitude first) or empty.
    """

    code: str
    name: str
    level: int  # 0 city, 1 district, 2 street or town, 3 community
    parent: str | None
    population: int | None = None
    valid_from_s: int | None = None
    valid_to_s: int | None = None
    synthetic: bool = False
    geometry: str = ""


class Signal(Struct, frozen=True):
    """What is watched: a kind of report or reading. ``group`` names related signals that fold into one incident."""

    name: str
    title: str
    purpose: str
    kind: Kind = "count"
    direction: Direction = "up"
    consequence: float = 1.0
    group: str = ""
    durations_s: tuple[int, ...] = ()  # empty: the city's
    detector: str = ""  # empty: the kind's default
    title_zh: str = ""  # empty: as ``title``
    limit_low: float | None = None  # physical limits, levels only
    limit_high: float | None = None
    false_alerts_per_day: float | None = None  # this signal's own share of the budget; None: an equal one


class Event(Struct, frozen=True):
    """One call, complaint or camera reading, standardised. Counts carry ``weight`` (negative: a correction), levels ``value``."""

    source: str
    id: int  # 64-bit keyed hash of the source's own id
    time_s: int
    area: str
    signal: str
    weight: int = 1
    value: float | None = None
    entry_s: int | None = None  # when it was typed in, if the source says so


class Rejected(Struct, frozen=True):
    """What could not be read: a reason from ``REASONS`` and a keyed digest. Never the content."""

    source: str
    reason: str
    digest: str  # 16 hex digits
    raw: str  # raw partition, "raw.hotline/0"
    offset: int
    at_s: int  # append time


REASONS: tuple[str, ...] = (
    "not_json",
    "not_an_object",
    "unknown_field",
    "missing_id",
    "missing_time",
    "bad_time",
    "future_time",
    "too_old",
    "unknown_category",
    "excluded_category",
    "unknown_area",
    "bad_value",
    "negative_count",
    "unknown_topic",
    "too_large",
)
"""Every reason a record may be rejected for; metrics and the dead-letter table use these words and no others."""


class Span(Struct, frozen=True, array_like=True):
    """The stretch of one raw partition that a ``Counts`` record covers, and how far time has come there."""

    raw: str
    source: str
    from_offset: int  # inclusive
    to_offset: int  # exclusive
    watermark_s: int  # no event at or after this time is late
    newest_s: int  # newest event time seen so far in this partition
    idle: bool = False
    since_s: int = 0  # the first watermark of this partition, by an event or since it was declared idle; 0: none yet


class Quality(Struct, frozen=True, array_like=True):
    """How many records of a span were ``late``, ``duplicate``, ``batch_entry``, ``correction``, ``counter_reset``, ``out_of_order``
    or rejected for a reason; and what came to a bound: ``counter_evicted`` counters forgotten, ``saturated`` cells cut.
    """

    raw: str
    source: str
    reason: str
    n: int


class Counts(Struct, frozen=True, tag="counts", omit_defaults=True):
    """Journal record of intake: folded cells in columns, sorted by (raw, area, signal, minute, heard), one row a cell.

    ``areas`` and ``signals`` are dictionaries; ``area``, ``signal``, ``span`` index into them and into ``spans``.
    Columns are little-endian bytes of equal row counts; ``total``, ``least`` and ``most`` are empty when no row is a level.
    ``rollup`` marks the record made for the city's own shard: its areas are districts (or the city), its rows sums of the others.
    Intake always writes both, with the same spans, since each moves time for its own shards only (a flat city has no roll-up).
    """

    rollup: bool
    config_hash: str
    spans: tuple[Span, ...]
    areas: tuple[str, ...]
    signals: tuple[str, ...]
    span: bytes  # u2
    area: bytes  # u4
    signal: bytes  # u2
    minute: bytes  # i4, minutes since the epoch
    n: bytes  # i4, readings for levels, weights for counts
    batch: bytes  # i4, how many of n were entered in one batch
    total: bytes = b""  # f8
    least: bytes = b""  # f8
    most: bytes = b""  # f8
    quality: tuple[Quality, ...] = ()
    heard: bytes = b""  # i4, minutes; empty when no row is late: see ``streams.columns``


class Evidence(Struct, frozen=True, array_like=True):
    """One duration's part in a score."""

    duration_s: int
    observed: float
    expected: float
    lower: float  # central 95% interval of what was expected
    upper: float
    p: float


class Finding(Struct, frozen=True, tag="finding"):
    """What a shard found notable in a window: numbered per shard without a gap, so that a repeat is known by its number."""

    shard: str
    number: int
    window_start_s: int
    window_end_s: int
    area: str
    signal: str
    early: bool  # from a window still open
    p: float  # combined over durations, quantised
    recurrence_s: float
    fresh_recurrence_s: float  # the same over durations of a day or less
    risk: float
    band: Band
    evidence: tuple[Evidence, ...]
    why: str
    flags: tuple[str, ...] = ()  # "limit", "batch_entry", "planned", "new_level", "neighbours"
    config_version: str = ""
    at_s: int = 0  # event time at which an early one was seen; 0: the window's end


class Closed(Struct, frozen=True, tag="closed"):
    """A shard has closed a window; its findings of it have numbers below ``findings_to``. ``dark``: signals without data."""

    shard: str
    window_end_s: int
    findings_to: int
    dark: tuple[str, ...] = ()


class Command(Struct, frozen=True, tag="command"):
    """What a person decided. ``kind`` is ``configure`` or a lifecycle action; ``body`` is JSON text the kind defines."""

    id: str
    time_s: int
    actor: str  # a pseudonym
    kind: str
    body: str


class Tick(Struct, frozen=True, tag="tick"):
    """The journal's clock: monotone, moves people's deadlines only; windows move by event time."""

    time_s: int


class Scores(Struct, frozen=True, tag="scores"):
    """Scores of one shard and window in columns; ``area``, ``signal`` are words, the numbers lists of equal length."""

    shard: str
    window_end_s: int
    config_version: str
    area: list[str]
    signal: list[str]
    duration_s: list[int]
    observed: list[float]
    expected: list[float]
    p: list[float]
    recurrence_s: list[float]  # of the series over all its durations
    risk: list[float]


class Member(Struct, frozen=True):
    """One series inside an alert, with the evidence of its latest notable window."""

    area: str
    signal: str
    since_s: int
    updated_s: int
    recurrence_s: float
    risk: float
    why: str
    evidence: tuple[Evidence, ...] = ()
    flags: tuple[str, ...] = ()  # of the finding that was its evidence


class Silence(Struct, frozen=True):
    """No notifications for an area with all below it, and for some signals (none named: all), until a time. ``from_s`` 0: since it was set."""

    id: str  # of the command that set it
    actor: str
    area: str
    signals: tuple[str, ...]
    until_s: int
    reason: str = "other"
    from_s: int = 0
    set_s: int = 0


class Duty(Struct, frozen=True):
    """Whose an alert is: a department's, in an area that holds it. ``due_s``: when it goes to the area above unless somebody takes it on; 0: it does not."""

    area: str
    department: str = ""
    since_s: int = 0
    due_s: int = 0
    escalated: int = 0  # how many times it has gone up


class StepDone(Struct, frozen=True, array_like=True):
    """A step of a playbook that somebody has ticked off."""

    step: str
    actor: str
    at_s: int


class Clears(Struct, frozen=True):
    """When an alert ends by itself. ``by``: ``window``, when the one that ends at ``at_s`` closes; ``calm``, when nothing as rare as once in
    ``recurrence_s`` is seen for ``hold_s``, at ``at_s`` at the earliest, never while ``dark``; ``hand``, not before a person says so; empty: it has ended.
    """

    by: Literal["window", "calm", "hand", ""] = ""
    at_s: int = 0
    recurrence_s: float = 0.0
    hold_s: int = 0
    dark: bool = False


class Alert(Struct, frozen=True, tag="alert"):
    """An incident a person should look at. ``area`` is the lowest area that accounts for what its members saw."""

    id: str
    area: str
    signals: tuple[str, ...]
    state: State
    band: Band
    risk: float
    initial_risk: float
    recurrence_s: float
    onset_s: int
    updated_s: int
    reason: str
    why: str
    clears: str  # the condition under which it clears, in words
    members: tuple[Member, ...]
    seq: int
    owner: str = ""
    label: str = ""
    config_version: str = ""
    muted_by: str = ""  # "silence:<id>" or "alert:<id>" that withheld its last notification, or that a withdrawn one is part of
    members_beyond: int = 0  # series of the latest window for which ``members`` had no room
    as_of_s: int = 0  # what this was said from: the newest window taken up, or ``updated_s``; never goes back
    duty: Duty | None = None  # None: the city has no rules of duty
    clearing: Clears = Clears()
    steps: tuple[StepDone, ...] = ()  # by step
    dissent: tuple[str, ...] = ()  # labels that experts hold against the one it has, each with how many do: "false 2"
    seen: tuple[str, ...] = ()  # pseudonyms of those who have it before them, first ones first


class Transition(Struct, frozen=True, tag="transition"):
    """A step in an alert's life; ``(alert_id, seq)`` is unique. ``notify``: a person is told."""

    alert_id: str
    seq: int
    at_s: int
    onset_s: int
    area: str
    signals: tuple[str, ...]
    from_state: State
    to_state: State
    reason: str
    band: Band
    risk: float
    recurrence_s: float
    notify: bool
    actor: str = ""
    why: str = ""
    config_version: str = ""
    muted_by: str = ""  # what withheld this notification, or, when that has ended, had withheld the last one; part_of_other: which
    what: str = (
        ""  # of a person's step: the label, the owner, the step of a playbook, the other alert; escalated, handed: "area/department"
    )


class Outcome(Struct, frozen=True, tag="outcome"):
    """What became of a command: ``command`` as it may be kept, ``refusal`` a word of ``streams.core.people.REFUSALS`` or empty."""

    command: Command
    refusal: str = ""
