"""What must hold between a city's settings: every rule a function over the city, every breach a line, a key and a remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.model import DAY_S, MINUTE_S, Signal
from streams.refused_words import refused_class
from streams.settings import PURPOSES, Bands, City, Detection, Lifecycle, Source
from streams.yaml_file import Document, KeyPath, nearest

SUPPRESS_BELOW_LEAST = 5
LEAF_POPULATION_LEAST = 1000
SIGNALS_MAX = 500  # a column of two bytes holds them, and a person can still look through them
PARTITIONS_MAX = 1024
BUDGET_MAX = 1000.0
SCAN_NEIGHBOURS_MAX = 20
CONSEQUENCE_MAX = 10.0
LINK_WORDS = ("area", "signal", "from", "to")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_DOTTED = re.compile(r"[^.\s][^.]*(?:\.[^.]+)*")


def known_timezone(name: str) -> bool:
    """Whether the time zone database has it."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)


def check_name(document: Document, name: str) -> None:
    """A city's name becomes part of folders, ids and topics."""
    if not _NAME.fullmatch(name):
        document.refuse(("city",), f"{name!r} is not a city's name; use a-z, 0-9, _ and -, at most 40")


def check_detection(document: Document, detection: Detection) -> bool:
    """Windows divide a day or are whole days; durations are whole windows and ascend from one window. False when not."""
    at: KeyPath = ("detection",)
    before = len(document.problems)
    window_s = detection.window_s
    if window_s < MINUTE_S or window_s % MINUTE_S or (DAY_S % window_s and window_s % DAY_S):
        document.refuse(
            (*at, "window"), f"{window_s} s neither divides a day into whole minutes nor is whole days; write 5m, 15m, 1h, 6h or 1d"
        )
        return False
    check_durations(document, (*at, "durations"), detection.durations_s, window_s)
    if detection.durations_s and detection.durations_s[0] != window_s:
        first = detection.durations_s[0]
        document.refuse((*at, "durations"), f"the first, {first} s, is not the window, {window_s} s; begin with the window")
    for name, seconds in (("history", detection.history_s), ("rest_every", detection.rest_every_s)):
        if seconds < window_s or seconds % window_s:
            document.refuse((*at, name), f"{seconds} s is not a whole number of windows of {window_s} s; write a multiple")
    if detection.finding_floor_s < window_s:
        document.refuse((*at, "finding_floor"), f"{detection.finding_floor_s} s is shorter than a window; write 30d or so")
    if not 0 <= detection.scan_neighbours <= SCAN_NEIGHBOURS_MAX:
        text = f"{detection.scan_neighbours} is not between 0 and {SCAN_NEIGHBOURS_MAX}; write 5, or 0 to look at no areas together"
        document.refuse((*at, "scan_neighbours"), text)
    return len(document.problems) == before


def check_durations(document: Document, at: KeyPath, durations_s: tuple[int, ...], window_s: int) -> None:
    """Multiples of the window, ascending."""
    if not durations_s:
        document.refuse(at, "is empty; write at least the window")
    for i, seconds in enumerate(durations_s):
        if seconds < window_s or seconds % window_s:
            document.refuse((*at, i), f"{seconds} s is not a multiple of the window of {window_s} s; write one")
        elif i and seconds <= durations_s[i - 1]:
            document.refuse((*at, i), f"{seconds} s does not follow {durations_s[i - 1]} s; write them ascending, each once")


def check_lifecycle(document: Document, lifecycle: Lifecycle) -> None:
    """Budget, hysteresis and bounds."""
    rules = (
        ("false_alerts_per_day", lifecycle.false_alerts_per_day > 0, "is not above 0; write how many false alerts a day are bearable"),
        ("clear_ratio", 0 < lifecycle.clear_ratio < 1, "is not between 0 and 1; an alert must clear below where it was raised, write 0.1"),
        ("worse_ratio", lifecycle.worse_ratio > 1, "is not above 1; write by how much a recurrence interval must grow to notify again"),
        ("repeat_interval", lifecycle.repeat_interval_s >= 0, "is below 0; write 1d or so, 0 for never"),
        ("hold", lifecycle.hold_s >= 0, "is below 0; write 12h or so"),
        ("no_data_for", lifecycle.no_data_for_s > 0, "is not above 0; write 2h or so"),
        ("incident_span", lifecycle.incident_span_s > 0, "is not above 0; write 3d or so"),
        ("open_alerts_max", lifecycle.open_alerts_max > 0, "is not above 0; write 10000 or so"),
    )
    for key, holds, text in rules:
        if not holds:
            value = getattr(lifecycle, key, None)
            document.refuse(("lifecycle", key), f"{getattr(lifecycle, f'{key}_s', None) if value is None else value} {text}")


def check_bands(document: Document, bands: Bands) -> None:
    """0 < blue < yellow < orange < red <= 100."""
    below = 0.0
    for name in ("blue", "yellow", "orange", "red"):
        risk = getattr(bands, name)
        if not below < risk <= 100:
            document.refuse(("bands", name), f"{risk} is not above {below} and at most 100; let the bands ascend from blue to red")
        below = max(below, risk)


def check_privacy(document: Document, suppress_below: int, leaf_population_min: int) -> None:
    """The floors may be raised, never lowered."""
    floors = (
        ("suppress_below", suppress_below, SUPPRESS_BELOW_LEAST),
        ("leaf_population_min", leaf_population_min, LEAF_POPULATION_LEAST),
    )
    for key, value, least in floors:
        if value < least:
            document.refuse(("privacy", key), f"{value} is below {least}; small counts point at persons, write {least} or more")


def check_signals(document: Document, city: City, *, durations: bool) -> None:
    """Names, purposes and limits of the signals, their ``durations`` if asked, and that something feeds each."""
    if not city.signals:
        document.refuse(("signals",), "none is declared; declare at least one")
    if len(city.signals) > SIGNALS_MAX:
        document.refuse(("signals",), f"{len(city.signals)} signals; declare at most {SIGNALS_MAX}")
    fed = {signal for source in city.sources.values() for signal in source.categories.values()}
    fed |= {reading.signal for source in city.sources.values() for reading in source.readings}
    complete = all(source.categories or source.readings for source in city.sources.values())
    for signal in city.signals:
        at: KeyPath = ("signals", signal.name)
        if not _WORD.fullmatch(signal.name):
            document.refuse(at, f"{signal.name!r} is not a signal's name; use a-z, 0-9 and _, at most 40")
            continue
        _check_signal(document, at, signal)
        if durations and signal.durations_s:
            _check_choice(document, (*at, "durations"), signal.durations_s, city.detection)
        if complete and signal.name not in fed:
            what = "reading" if signal.kind == "level" else "category"
            document.refuse(at, f"no source feeds this {signal.kind} signal; give a source a {what} for it, or remove it")


def _check_signal(document: Document, at: KeyPath, signal: Signal) -> None:
    for key, text in (("", signal.name), ("title", signal.title), ("group", signal.group)):
        refuse_class(document, (*at, key) if key else at, text)
    if signal.purpose not in PURPOSES:
        refused = refused_class(signal.purpose)
        reason = f" ({refused[0]} are not watched, on purpose)" if refused else ""
        document.refuse((*at, "purpose"), f"{signal.purpose!r} is not a purpose{reason}; choose one of {', '.join(PURPOSES)}")
    if not 0 < signal.consequence <= CONSEQUENCE_MAX:
        document.refuse((*at, "consequence"), f"{signal.consequence} is not above 0 and at most {CONSEQUENCE_MAX}; 1 is usual")
    if signal.false_alerts_per_day is not None and not 0 < signal.false_alerts_per_day <= BUDGET_MAX:
        what = f"{signal.false_alerts_per_day:g} is not above 0 and at most {BUDGET_MAX:g}"
        document.refuse((*at, "false_alerts_per_day"), f"{what}; write how many false alerts a day this signal may bring, or remove it")
    _check_limits(document, at, signal)


def _check_choice(document: Document, at: KeyPath, durations_s: tuple[int, ...], detection: Detection) -> None:
    """A signal's durations are some of the city's."""
    before = len(document.problems)
    check_durations(document, at, durations_s, detection.window_s)
    for i, seconds in enumerate(durations_s):
        if len(document.problems) == before and seconds not in detection.durations_s:
            document.refuse((*at, i), f"{seconds} s is not among detection.durations; add it there or choose one of them")


def _check_limits(document: Document, at: KeyPath, signal: Signal) -> None:
    low, high = signal.limit_low, signal.limit_high
    if signal.kind == "count" and not (low is None and high is None):
        key = "limit_low" if high is None else "limit_high"
        document.refuse((*at, key), "limits are for levels; remove it or write 'kind: level'")
    if low is not None and high is not None and low >= high:
        document.refuse((*at, "limit_high"), f"{high} is not above limit_low {low}; correct one of the two")
    if signal.purpose == "crowd_safety" and (signal.kind != "level" or high is None):
        remedy = "write 'kind: level' and the place's capacity as limit_high"
        document.refuse((*at, "limit_high"), f"a crowd is watched only against a place's physical capacity; {remedy}")


def refuse_class(document: Document, at: KeyPath, text: str) -> None:
    """Refuses what Tocsin does not watch, on purpose."""
    refused = refused_class(text)
    if refused is not None:
        title, word = refused
        document.refuse(at, f"{text!r} speaks of {title} ({word!r}), which Tocsin does not watch, on purpose; exclude it or leave it out")


def check_sources(document: Document, city: City) -> None:
    """What each source says of its records, and that it is said of things declared."""
    if not city.sources:
        document.refuse(("sources",), "none is declared; declare at least one")
    signals = {signal.name: signal for signal in city.signals}
    for name, source in city.sources.items():
        at: KeyPath = ("sources", name)
        if not _NAME.fullmatch(name):
            document.refuse(at, f"{name!r} is not a source's name; use a-z, 0-9, _ and -, at most 40: it becomes part of a topic's name")
        _check_paths(document, at, source)
        if source.link:
            _check_link(document, at, source.link)
        _check_places(document, at, source, city)
        _check_categories(document, at, source, signals)
        _check_readings(document, at, source, signals)
        if source.timezone and not known_timezone(source.timezone):
            document.refuse((*at, "timezone"), f"{source.timezone!r} is not a time zone; write one like America/New_York")
        if not 1 <= source.partitions <= PARTITIONS_MAX:
            document.refuse((*at, "partitions"), f"{source.partitions} is not between 1 and {PARTITIONS_MAX}; write how many the topic has")


def _check_link(document: Document, at: KeyPath, link: str) -> None:
    names = set(re.findall(r"\{([^}]*)\}", link))
    if not re.fullmatch(r"https?://[^\s\"<>]+", link) or "{" in re.sub(r"\{[^{}]*\}", "", link):
        document.refuse(
            (*at, "link"), f"{link!r} is not an address; write https://... with {{area}}, {{signal}}, {{from}} and {{to}} where they belong"
        )
    elif unknown := sorted(names - set(LINK_WORDS)):
        document.refuse((*at, "link"), f"{{{unknown[0]}}} is not known here; {nearest(unknown[0], LINK_WORDS)}")


def _check_paths(document: Document, at: KeyPath, source: Source) -> None:
    if not source.id:
        document.refuse((*at, "id"), "is empty; name the fields that together identify a record")
    dotted: Iterable[tuple[str, tuple[str, ...]]] = (
        ("id", source.id),
        ("time", (source.time,)),
        ("entry", (source.entry,)),
        ("category", (source.category,)),
        ("topic", (source.topic,)),
        ("device", source.device),
    )
    for key, paths in dotted:
        for path in paths:
            if (path or key == "time") and not _DOTTED.fullmatch(path):
                document.refuse((*at, key), f"{path!r} is not a path of field names; write them with points between, such as Data.Count")
    for i, correction in enumerate(source.corrections):
        if not correction.was and not (correction.path and correction.values):
            document.refuse((*at, "corrections", i), "says neither path and values nor was; add what marks a correction")


def _check_places(document: Document, at: KeyPath, source: Source, city: City) -> None:
    place, where = source.area, (*at, "area")
    files = document.data["areas"]
    codes = {area.code for area in city.areas}
    if not (place.code or place.library or place.lat or place.lon or place.default):
        document.refuse(where, "names no field for the place; add code, library, or lat and lon")
    if bool(place.lat) != bool(place.lon):
        document.refuse(where, "has one of lat and lon; add the other")
    if place.library and "library" not in files:
        document.refuse((*where, "library"), "the city has no address library; add 'areas.library', or remove this")
    if place.lat and "geometry" not in files:
        document.refuse((*where, "lat"), "the city has no outlines to find a point in; add 'areas.geometry', or remove lat and lon")
    if place.default and codes and place.default not in codes:
        document.refuse((*where, "default"), f"{place.default!r} is not in the area table; {nearest(place.default, tuple(sorted(codes)))}")


def _check_categories(document: Document, at: KeyPath, source: Source, signals: dict[str, Signal]) -> None:
    where = (*at, "categories")
    if source.stream == "camera":
        if source.categories or source.excluded:
            document.refuse(where if source.categories else (*at, "excluded"), "a camera has readings, not categories; use 'readings'")
        return
    if not source.categories:
        document.refuse(where, "maps no category to a signal; add 'categories: {category: signal}'")
    elif not source.category and set(source.categories) != {"*"}:
        document.refuse((*at, "category"), "is missing; name the field that holds the category")
    for category, name in source.categories.items():
        if name not in signals:
            document.refuse((*where, category), f"{name!r} is not a declared signal; {nearest(name, tuple(signals))}")
        elif signals[name].kind != "count":
            document.refuse((*where, category), f"{name!r} is a level; a category counts records, choose a count signal")
        refuse_class(document, (*where, category), category)
    for i, category in enumerate(source.excluded):
        if category in source.categories:
            document.refuse((*at, "excluded", i), f"{category!r} is mapped as well; keep one of the two")


def _check_readings(document: Document, at: KeyPath, source: Source, signals: dict[str, Signal]) -> None:
    if source.stream != "camera":
        if source.readings:
            document.refuse((*at, "readings"), f"a {source.stream} source has categories, not readings; write 'stream: camera'")
        return
    if not source.readings:
        document.refuse((*at, "readings"), "a camera source needs at least one reading; add form, signal and value")
    for i, reading in enumerate(source.readings):
        where = (*at, "readings", i)
        for key in ("topic", "value"):
            refuse_class(document, (*where, key), getattr(reading, key))
        signal = signals.get(reading.signal)
        kind = "count" if reading.form == "counter" else "level"
        if signal is None:
            document.refuse((*where, "signal"), f"{reading.signal!r} is not a declared signal; {nearest(reading.signal, tuple(signals))}")
        elif signal.kind != kind:
            text = f"a {reading.form} gives a {kind}, but {signal.name!r} is a {signal.kind}"
            document.refuse((*where, "signal"), f"{text}; write form: {'gauge' if kind == 'count' else 'counter'} or choose another signal")
        if reading.topic and not source.topic:
            document.refuse((*where, "topic"), "the source does not say where a record's topic stands; add 'topic: path' to the source")
            return
