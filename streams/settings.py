"""Settings of one city: frozen structs. ``load`` reads them from an annotated YAML file and refuses what it does not know."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from streams.model import Area, Signal

Stream = Literal["hotline", "complaint", "camera"]

PURPOSES: tuple[str, ...] = (
    "floods", "fire", "gas", "power", "water", "roads", "traffic", "sanitation", "noise", "building", "environment",
    "food", "health_services", "consumer", "facilities", "crowd_safety", "weather", "animals", "parks", "data_quality",
)  # fmt: skip
"""The closed list of what a signal may be for."""


class AreaPaths(Struct, frozen=True, forbid_unknown_fields=True):
    """Where in a record its place stands: dotted paths, tried in this order: code, library names, point."""

    code: tuple[str, ...] = ()
    library: tuple[str, ...] = ()  # values looked up in the standard address library
    lat: str = ""
    lon: str = ""
    placeholders: tuple[tuple[float, float], ...] = ()  # (lat, lon) that the source writes when it knows no place; not looked up
    default: str = ""  # area of a record without any place (all paths absent, empty or a placeholder); empty: unknown_area


class Correction(Struct, frozen=True, forbid_unknown_fields=True):
    """Records that take an earlier one back: ``path`` holds one of ``values``; or ``was``, the category it was filed under before."""

    path: str = ""
    values: tuple[str, ...] = ()
    was: str = ""


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
    """What a camera or gauge record measures. ``counter`` counts up since its reset; ``gauge`` is a plain level."""

    form: Literal["counter", "gauge"]
    signal: str
    value: str  # dotted path to the number
    topic: str = ""  # the record's topic must end with this, if given


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """One stream of raw records and how to read it. All paths are dotted (``Data.Count``)."""

    stream: Stream
    id: tuple[str, ...]  # paths whose values together identify a record
    time: str
    area: AreaPaths
    timezone: str = ""  # for times without an offset; empty: such a time is refused
    entry: str = ""  # when it was typed in, if the source says so
    category: str = ""
    categories: dict[str, str] = {}  # category -> signal; "*" for all others
    excluded: tuple[str, ...] = ()  # categories that are never counted, on purpose
    corrections: tuple[Correction, ...] = ()
    topic: str = ""  # path of the camera record's topic
    readings: tuple[Reading, ...] = ()  # camera sources only
    device: tuple[str, ...] = ()  # paths that name a counter's device and rule; empty: those of id without time
    unknown_fields: Literal["skip", "reject"] = "skip"
    link: str = ""  # page of the source's own system: https://..., with {area}, {signal}, {from} and {to} where they belong
    heartbeat: bool = False  # fold its readings into the signal feed.<source>, so that silence is seen
    allowed_lateness_s: int = 300
    idle_after_s: int = 120
    partitions: int = 1


class Detection(Struct, frozen=True, forbid_unknown_fields=True):
    """How windows are scored. ``params`` are handed to the detector of that name and checked by it."""

    window_s: int = 3600
    durations_s: tuple[int, ...] = (3600, 10_800, 43_200, 86_400, 259_200, 604_800)
    count_detector: str = "counts"
    level_detector: str = "levels"
    silence_detector: str = "silence"
    params: dict[str, dict[str, float | str]] = {}
    history_s: int = 1_209_600  # grey until a shard has seen this much
    finding_floor_s: int = 2_592_000  # a finding needs at least this recurrence interval
    score_all: bool = False  # True: every series at every window; False: p < .05, and cities and districts at every rest_every_s
    rest_every_s: int = 86_400
    missing: Literal["zero", "gap"] = "zero"  # a window without a cell: nothing happened, or nothing is known
    scan_neighbours: int = 0  # of each area so many nearest ones are looked at together; 0: none are


class Lifecycle(Struct, frozen=True, forbid_unknown_fields=True):
    """When alerts are raised, held and cleared."""

    false_alerts_per_day: float = 2.0
    budget_control: bool = True  # False: thresholds stay where the budget puts them at the start
    clear_ratio: float = 0.1  # clear threshold as a part of the raise threshold's recurrence interval
    hold_s: int = 43_200  # calm for so long before an alert clears
    no_data_for_s: int = 7_200
    incident_span_s: int = 259_200  # no joins so long after the last raise
    worse_ratio: float = 10.0
    repeat_interval_s: int = 86_400  # what still raises and nobody has taken on is told again after so long; 0: never
    fold_areas: bool = True  # parent and child areas share an incident
    open_alerts_max: int = 10_000


class Department(Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers for some signals, in every area."""

    title: str
    title_zh: str = ""
    signals: tuple[str, ...] = ()


class Within(Struct, frozen=True, forbid_unknown_fields=True):
    """How long an alert of each band waits for somebody to take it on before it goes to the area above; 0: for ever."""

    red_s: int = 600
    orange_s: int = 1_800
    yellow_s: int = 7_200
    blue_s: int = 28_800


class Roster(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is there for a department in an area, by pseudonym; ``hours``: "08:00-20:00" of local time, which may pass midnight, or empty: always."""

    area: str
    department: str
    staff: tuple[str, ...]
    hours: str = ""


class DutyRules(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose an alert is: an area's and a department's. Without departments nobody's, and nothing goes up. ``roster``: path of a file beside the city's."""

    departments: dict[str, Department] = {}
    otherwise: str = ""  # the department of signals that none has
    within: Within = Within()
    shift_s: int = 28_800
    alerts_per_shift_max: int = 6  # for one street and shift: beyond it the index says so
    roster: str = ""


class PlaybookStep(Struct, frozen=True):
    """What to do next."""

    id: str
    text: str = ""
    text_zh: str = ""


class Playbook(Struct, frozen=True):
    """What to do about some signals in some bands (empty: all), from a Markdown file."""

    name: str
    title: str
    title_zh: str = ""
    signals: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    steps: tuple[PlaybookStep, ...] = ()
    text: str = ""
    text_zh: str = ""


class Bands(Struct, frozen=True, forbid_unknown_fields=True):
    """Least risk of each band."""

    blue: float = 25.0
    yellow: float = 45.0
    orange: float = 60.0
    red: float = 75.0


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    """Which source a row of recorded events belongs to: the value in ``column`` decides."""

    column: str
    sources: dict[str, str]  # value -> source; "*" for all others


class KnownEvent(Struct, frozen=True):
    """Something that is known to have happened, to judge alerts by. ``end_s`` is exclusive; ``group`` is that of a signal."""

    event: str
    start_s: int
    end_s: int
    group: str


class Demo(Struct, frozen=True):
    """A stretch of a city's life to play: recorded (``events`` and ``route``) or made by a ``generator``, never both.

    ``events`` is the path of a CSV file (.gz allowed), a row a raw record, sorted by time; a row becomes a JSON object with
    the column names as keys. Alerts raised within ``warm_start_s`` of the first row are the cold start's, not the city's.
    """

    events: str = ""
    route: Route = Route(column="", sources={})
    generator: str = ""  # a name in the entry-point group tocsin.generators
    known: tuple[KnownEvent, ...] = ()  # from the CSV file that ``known_events`` names: event,start,end,group; local dates, end inclusive
    warm_start_s: int = 1_209_600


class Planned(Struct, frozen=True):
    """An event that was planned: what it changes in its area and signals is no news, and nothing to learn from. Empty: all of them."""

    name: str
    start_s: int
    end_s: int  # exclusive
    area: str = ""
    signals: tuple[str, ...] = ()


class City(Struct, frozen=True):
    """One city's settings, whole: what the YAML said with areas and signals resolved.

    ``config_version`` is a hash over all of it, ``intake_hash`` over what intake uses. ``shard_level`` is the level of
    the areas that are shards (1: districts); ``flat`` makes one shard of everything and rolls nothing up.
    """

    name: str
    title: str
    timezone: str
    areas: tuple[Area, ...]
    library: dict[str, str]  # normalised name or alias -> area code
    signals: tuple[Signal, ...]
    sources: dict[str, Source]
    detection: Detection = Detection()
    lifecycle: Lifecycle = Lifecycle()
    bands: Bands = Bands()
    suppress_below: int = 5
    leaf_population_min: int = 1000
    shard_level: int = 1
    flat: bool = False
    days_off: tuple[int, ...] = ()  # proleptic Gregorian ordinals of local days that go like a Sunday
    planned: tuple[Planned, ...] = ()
    duty: DutyRules = DutyRules()
    rosters: tuple[Roster, ...] = ()
    playbooks: tuple[Playbook, ...] = ()
    origin: str = ""  # the file it came from, for messages
    config_version: str = ""
    intake_hash: str = ""
    demo: Demo | None = None
    lines: dict[str, int] = {}  # key path -> line in ``origin``, for the messages of later checks
    raws: tuple[str, ...] = ()  # every raw partition a shard waits for; from sources, see derived()
    centres: dict[str, tuple[float, float]] = {}  # area -> latitude, longitude of its outline's middle; while neighbours are scanned
    feeds: dict[str, tuple[str, ...]] = {}  # signal -> sources that feed it; from sources, see derived()


def derived(city: City) -> City:
    """The city with what score and decide need of its sources: ``raws``, ``feeds``, and a silence signal for each heartbeat source."""
    raws = tuple(sorted(f"raw.{name}/{i}" for name, source in city.sources.items() for i in range(source.partitions)))
    feeds: dict[str, set[str]] = {}
    for name, source in city.sources.items():
        for signal in (*source.categories.values(), *(reading.signal for reading in source.readings)):
            feeds.setdefault(signal, set()).add(name)
    known = {signal.name for signal in city.signals}
    silences = tuple(
        Signal(
            f"feed.{name}", f"{name} readings", "data_quality", direction="down", group="feeds", detector=city.detection.silence_detector
        )
        for name, source in sorted(city.sources.items())
        if source.heartbeat and f"feed.{name}" not in known
    )
    return msgspec.structs.replace(
        city,
        raws=raws,
        feeds={signal: tuple(sorted(names)) for signal, names in sorted(feeds.items())},
        signals=city.signals + silences,
    )
