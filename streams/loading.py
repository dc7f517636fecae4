"""Reads a city's annotated YAML and the files it names into a ``City``, and tells everything that is wrong with them at once."""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs

from streams import city_checks
from streams.area_files import centres, local_date, read_areas, read_geometry, read_library, read_rows
from streams.calendar_file import read_calendar
from streams.duty_files import check_duty, check_rosters, read_rosters
from streams.model import DAY_S, Area, Signal
from streams.playbook_files import read_playbooks
from streams.settings import Bands, City, Demo, Detection, DutyRules, KnownEvent, Lifecycle, Route, Source, derived
from streams.yaml_file import Document, Problems, nearest, read_document, read_section, show_path

KEYS = (
    "city",
    "title",
    "timezone",
    "areas",
    "detection",
    "lifecycle",
    "bands",
    "privacy",
    "signals",
    "sources",
    "calendar",
    "duty",
    "playbooks",
    "demo",
)
FILE_NAME = "tocsin.yaml"


class SettingsError(ValueError):
    """A city's files cannot be used; ``problems`` holds each reason as ``file:line: key: value and remedy``."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class AreaFiles(Struct, frozen=True):
    """The YAML's ``areas``. Paths are relative to the YAML file."""

    table: str  # CSV: code,name,level,parent[,population,valid_from,valid_to,synthetic]
    geometry: str = ""  # GeoJSON FeatureCollection
    library: str = ""  # CSV: name,code
    shard_level: int = 1


class Privacy(Struct, frozen=True):
    """The YAML's ``privacy``: floors, which may be raised only."""

    suppress_below: int = 5
    leaf_population_min: int = 1000


class DemoFiles(Struct, frozen=True):
    """The YAML's ``demo``. Paths are relative to the YAML file."""

    events: str = ""  # CSV, .gz allowed
    route: Route = Route(column="", sources={})
    generator: str = ""
    known_events: str = ""  # CSV: event,start,end,group
    warm_start_s: int = 14 * DAY_S


def config_home() -> Path:
    """The folder of the cities that come with Tocsin: in an installed wheel, or in a checkout."""
    installed = Path(__file__).parent / "_config"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "config"


def find_city(name_or_path: str) -> Path:
    """The YAML file of a city: a path to it or to its folder, or the name of one that comes with Tocsin.

    Raises:
        SettingsError: there is none.
    """
    path = Path(name_or_path)
    for candidate in (path, path / FILE_NAME, config_home() / name_or_path / FILE_NAME):
        if candidate.is_file():
            return candidate
    known = tuple(sorted(found.parent.name for found in config_home().glob(f"*/{FILE_NAME}")))
    remedy = f"{nearest(name_or_path, known)} (or give the path of a {FILE_NAME})"
    raise SettingsError([f"{name_or_path}:1: city: {name_or_path!r} is neither a file nor a city that comes with Tocsin; {remedy}"])


def load(path: str | Path) -> City:
    """The city that a YAML file describes, checked whole. Detectors' names and parameters are checked by ``core.configure``.

    Raises:
        SettingsError: with every problem found. Rules between keys are judged once the keys themselves can be read.
    """
    problems = Problems()
    document = read_document(Path(path), problems)
    city = None if document.data is None else _city(document)
    if len(problems) or city is None:
        raise SettingsError(problems.listed())
    return _stamped(derived(city))


def _city(document: Document) -> City | None:
    for key in document.data:
        if key not in KEYS:
            document.refuse((key,), f"the key {key!r} is not known here; {nearest(key, KEYS)}")
    timezone = _timezone(document)
    files = read_section(document, AreaFiles, "areas")
    privacy = read_section(document, Privacy, "privacy", absent=Privacy())
    leaf_population_min = privacy.leaf_population_min if privacy else Privacy().leaf_population_min
    areas, library = _places(document, files, timezone, leaf_population_min) if files else ((), {})
    values: dict[str, Any] = {
        "name": read_section(document, str, "city"),
        "title": read_section(document, str, "title"),
        "detection": read_section(document, Detection, "detection", absent=Detection()),
        "lifecycle": read_section(document, Lifecycle, "lifecycle", absent=Lifecycle()),
        "bands": read_section(document, Bands, "bands", absent=Bands()),
        "signals": read_section(document, dict[str, Signal], "signals"),
        "sources": read_section(document, dict[str, Source], "sources"),
        "duty": read_section(document, DutyRules, "duty", absent=DutyRules()),
        "demo": _demo(document, timezone),
    }
    calendar = read_section(document, str, "calendar", absent="")
    durations = _check_sections(document, values, privacy)
    if files is None or privacy is None or any(value is None for key, value in values.items() if key != "demo"):
        return None
    city = City(
        timezone=timezone,
        areas=areas,
        library=library,
        shard_level=files.shard_level,
        centres=centres(areas) if values["detection"].scan_neighbours else {},
        suppress_below=privacy.suppress_below,
        leaf_population_min=privacy.leaf_population_min,
        origin=document.file,
        lines=_lines(document),
        **{**values, "signals": tuple(values["signals"].values())},
    )
    if calendar:
        codes, names = {area.code for area in areas}, {signal.name for signal in city.signals}
        days_off, planned = read_calendar(Path(document.file).parent / calendar, timezone, codes, names, document.problems)
        city = structs.replace(city, days_off=days_off, planned=planned)
    city = _on_duty(document, city)
    city_checks.check_signals(document, city, durations=durations)
    city_checks.check_sources(document, city)
    _check_city(document, city)
    return city


def _on_duty(document: Document, city: City) -> City:
    """The city with its rosters and playbooks."""
    check_duty(document, city)
    if city.duty.roster and (path := _file(document, "duty", "roster", city.duty.roster)):
        rosters = read_rosters(path, document.problems)
        check_rosters(path, rosters, {area.code for area in city.areas}, city.duty.departments.keys(), document.problems)
        city = structs.replace(city, rosters=rosters)
    playbooks = read_section(document, str, "playbooks", absent="")
    if not playbooks:
        return city
    folder = Path(document.file).parent / playbooks
    if not folder.is_dir():
        document.refuse(
            ("playbooks",), f"{playbooks!r} is not a folder in {folder.parent}; correct the path, which is relative to this file"
        )
        return city
    return structs.replace(city, playbooks=read_playbooks(folder, {signal.name for signal in city.signals}, document.problems))


def _check_sections(document: Document, values: dict[str, Any], privacy: Privacy | None) -> bool:
    """Rules inside one section, for those that could be read. Whether the detection's durations can be relied on."""
    if values["name"] is not None:
        city_checks.check_name(document, values["name"])
    if values["lifecycle"] is not None:
        city_checks.check_lifecycle(document, values["lifecycle"])
    if values["bands"] is not None:
        city_checks.check_bands(document, values["bands"])
    if privacy is not None:
        city_checks.check_privacy(document, privacy.suppress_below, privacy.leaf_population_min)
    return values["detection"] is not None and city_checks.check_detection(document, values["detection"])


def _check_city(document: Document, city: City) -> None:
    """Rules between the areas, the demo and the rest."""
    levels = {area.level for area in city.areas}
    if city.areas and city.shard_level not in levels - {0}:
        document.refuse(("areas", "shard_level"), f"no area has level {city.shard_level}; write the level of the districts, usually 1")
    if city.demo is not None:
        groups = tuple(sorted({signal.group or signal.name for signal in city.signals}))
        sources = tuple(city.sources)
        for value, name in city.demo.route.sources.items():
            if name not in city.sources:
                document.refuse(("demo", "route", "sources", value), f"{name!r} is not a declared source; {nearest(name, sources)}")
        for event in city.demo.known:
            if event.group not in groups:
                text = f"the group {event.group!r} of {event.event!r} is no signal's group; {nearest(event.group, groups)}"
                document.refuse(("demo", "known_events"), text)


def _timezone(document: Document) -> str:
    """The city's time zone; UTC, with a problem, when there is no such zone."""
    name = read_section(document, str, "timezone")
    if name is not None and not city_checks.known_timezone(name):
        document.refuse(("timezone",), f"{name!r} is not a time zone; write one like America/New_York")
        return "UTC"
    return name or "UTC"


def _file(document: Document, section: str, key: str, name: str) -> Path | None:
    """A file that the YAML names, beside it; None, with a problem, when it is not there."""
    path = Path(document.file).parent / name
    if path.is_file():
        return path
    document.refuse((section, key), f"{name!r} is not a file in {path.parent}; correct the path, which is relative to this file")
    return None


def _places(document: Document, files: AreaFiles, timezone: str, leaf_population_min: int) -> tuple[tuple[Area, ...], dict[str, str]]:
    problems = document.problems
    table = _file(document, "areas", "table", files.table)
    geometry = _file(document, "areas", "geometry", files.geometry) if files.geometry else None
    library = _file(document, "areas", "library", files.library) if files.library else None
    areas = read_areas(table, timezone, leaf_population_min, problems) if table else ()
    if not areas:
        return (), {}
    if geometry is not None:
        areas = read_geometry(geometry, areas, timezone, problems)
    codes = frozenset(area.code for area in areas)
    return areas, read_library(library, codes, problems) if library else {}


def _demo(document: Document, timezone: str) -> Demo | None:
    if "demo" not in document.data:
        return None
    files = read_section(document, DemoFiles, "demo")
    if files is None:
        return None
    if bool(files.events) == bool(files.generator):
        document.refuse(("demo",), "plays either recorded events or a generator; write one of 'events' and 'generator'")
        return None
    events = _file(document, "demo", "events", files.events) if files.events else None
    known = _file(document, "demo", "known_events", files.known_events) if files.known_events else None
    if events is not None:
        header = _header(events)
        if files.route.column not in header:
            text = f"{files.route.column!r} is not a column of {files.events}; {nearest(files.route.column, header)}"
            document.refuse(("demo", "route", "column"), text)
        if not files.route.sources:
            document.refuse(("demo", "route", "sources"), "is empty; say which value of the column goes to which source")
    return Demo(
        events=str(events or ""),
        route=files.route,
        generator=files.generator,
        known=_known_events(known, timezone, document.problems) if known else (),
        warm_start_s=files.warm_start_s,
    )


def _header(path: Path) -> tuple[str, ...]:
    """The columns of a CSV file; none when it cannot be read as one."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            return tuple(next(csv.reader(file), ()))
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()


def _known_events(path: Path, timezone: str, problems: Problems) -> tuple[KnownEvent, ...]:
    """Local dates; the last day is included."""
    known = []
    for line, cells in read_rows(path, ("event", "start", "end", "group"), 4, problems):
        start_s, end_s = local_date(cells["start"], timezone), local_date(cells["end"], timezone, days=1)
        if start_s is None or end_s is None or end_s <= start_s:
            problems.add(
                str(path), line, f"start: {cells['start']!r} to {cells['end']!r} is no stretch of days; write YYYY-MM-DD, start first"
            )
            continue
        known.append(KnownEvent(cells["event"], start_s, end_s, cells["group"]))
    return tuple(known)


def _lines(document: Document) -> dict[str, int]:
    """Lines of what later checks speak about: the detection and the signals' detectors."""
    return {
        show_path(path): line
        for path, line in document.lines.items()
        if path[:1] == ("detection",) or (path[:1] == ("signals",) and path[-1:] == ("detector",))
    }


def _stamped(city: City) -> City:
    """The city with its two hashes. Where its files lie, and what a demo plays, is no part of them."""
    intake = {
        "areas": city.areas,
        "library": city.library,
        "sources": city.sources,
        "signals": [(signal.name, signal.kind) for signal in city.signals],
        "layout": (city.shard_level, city.flat),
    }
    intake_hash = _hash(intake)
    whole = structs.replace(city, origin="", lines={}, demo=None, config_version="", intake_hash=intake_hash)
    return structs.replace(city, intake_hash=intake_hash, config_version=_hash(whole))


def _hash(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:12]


FLAT_FLOOR_WINDOWS = 10
"""Findings of a table of counts begin at so many windows: its few series must be able to fill their budget."""


def flat_city(  # noqa: PLR0913 - a table of counts has this many properties, all by name
    *,
    areas: Sequence[str],
    signals: Sequence[str],
    window_s: int,
    durations_s: Sequence[int],
    budget: float,
    timezone: str = "UTC",
    missing: Literal["zero", "gap"] = "zero",
    score_all: bool = True,
    kind: Literal["count", "level"] = "count",
    base: Detection = Detection(),  # noqa: B008 - frozen
) -> City:
    """A city for a table of counts: every area a series of its own under one root, nothing rolled up, one shard, no sources.

    Detectors, their parameters and the history needed are those of ``base``; findings begin at ``FLAT_FLOOR_WINDOWS``.

    Raises:
        SettingsError: no area or signal, a duration that is no multiple of the window, a budget that is not above 0, an unknown zone.
    """
    file = "flat city"
    problems = Problems()
    document = Document(file, problems)
    detection = structs.replace(
        base,
        window_s=window_s,
        durations_s=tuple(durations_s),
        history_s=max(window_s, base.history_s // window_s * window_s),
        finding_floor_s=FLAT_FLOOR_WINDOWS * window_s,
        score_all=score_all,
        rest_every_s=max(window_s, DAY_S),
        missing=missing,
    )
    lifecycle = Lifecycle(false_alerts_per_day=float(budget))
    city_checks.check_detection(document, detection)
    city_checks.check_lifecycle(document, lifecycle)
    if not city_checks.known_timezone(timezone):
        document.refuse(("timezone",), f"{timezone!r} is not a time zone; write one like America/New_York")
    if not areas or not signals:
        problems.add(file, 1, "areas: there are no areas or no signals; the table needs at least one of each")
    for name in sorted({name for name in areas if areas.count(name) > 1} | {name for name in signals if signals.count(name) > 1}):
        problems.add(file, 1, f"areas: {name!r} stands twice; name each once")
    if len(problems):
        raise SettingsError(problems.listed())
    root = "city"
    while root in areas:
        root += "_"
    tree = [Area(root, "All", 0, None), *(Area(code, code, 1, root) for code in areas)]
    watched = tuple(Signal(name, name, "data_quality", kind=kind) for name in signals)
    return _stamped(
        City("flat", "Flat", timezone, tuple(tree), {}, watched, {}, detection=detection, lifecycle=lifecycle, flat=True, origin=file)
    )
