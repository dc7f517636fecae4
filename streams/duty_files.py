"""Who is there when, from a city's roster; and what must hold between departments, signals and areas."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from streams.model import DAY_S
from streams.settings import City, DutyRules, Roster
from streams.yaml_file import Document, KeyPath, Problems, nearest, read_document, read_section

ROWS_MAX = 5_000
STAFF_MAX = 200
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PSEUDONYM = re.compile(r"[\w.@-]{1,64}")
_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")


def read_rosters(path: Path, problems: Problems) -> tuple[Roster, ...]:
    """The rows under ``rosters`` of a YAML file; faults go to ``problems``."""
    document = read_document(path, problems)
    if document.data is None:
        return ()
    for key in document.data:
        if key != "rosters":
            document.refuse((key,), f"the key {key!r} is not known here; {nearest(key, ('rosters',))}")
    rosters: tuple[Roster, ...] | None = read_section(document, tuple[Roster, ...], "rosters")
    if rosters is None or len(rosters) > ROWS_MAX:
        if rosters is not None:
            document.refuse(("rosters",), f"{len(rosters)} rows; write at most {ROWS_MAX}")
        return ()
    for i, roster in enumerate(rosters):
        at: KeyPath = ("rosters", i)
        for name in roster.staff:
            if not _PSEUDONYM.fullmatch(name):
                document.refuse((*at, "staff"), "holds something that is no pseudonym; use at most 64 letters, digits or . @ _ -")
        if not roster.staff or len(roster.staff) > STAFF_MAX:
            document.refuse((*at, "staff"), f"names {len(roster.staff)}; name one to {STAFF_MAX}")
        if roster.hours and not _HOURS.fullmatch(roster.hours):
            document.refuse((*at, "hours"), f"{roster.hours!r} is not a time of day; write 08:00-20:00, or leave it out for always")
    return rosters


def check_duty(document: Document, city: City) -> None:
    """Departments, their signals and the times people have."""
    rules, signals = city.duty, {signal.name for signal in city.signals}
    departments = tuple(sorted(rules.departments))
    taken: dict[str, str] = {}
    for name, department in rules.departments.items():
        at: KeyPath = ("duty", "departments", name)
        if not _WORD.fullmatch(name):
            document.refuse(at, f"{name!r} is not a department's name; use a-z, 0-9 and _, at most 32")
        for signal in department.signals:
            if signal not in signals:
                document.refuse((*at, "signals"), f"{signal!r} is not a signal; {nearest(signal, tuple(sorted(signals)))}")
            elif signal in taken:
                document.refuse((*at, "signals"), f"{signal!r} is {taken[signal]}'s already; an alert has one department, remove one")
            taken.setdefault(signal, name)
    if departments and rules.otherwise not in departments and (missing := sorted(signals - taken.keys())):
        text = f"{rules.otherwise!r} is not a department, and nobody has {missing[0]!r}; {nearest(rules.otherwise, departments)}"
        document.refuse(("duty", "otherwise"), text)
    _check_times(document, rules)


def _check_times(document: Document, rules: DutyRules) -> None:
    if rules.shift_s <= 0 or DAY_S % rules.shift_s:
        document.refuse(("duty", "shift"), f"{rules.shift_s} s does not divide a day; write 8h or 12h")
    if rules.alerts_per_shift_max <= 0:
        document.refuse(("duty", "alerts_per_shift_max"), f"{rules.alerts_per_shift_max} is not above 0; write 6 or so")


def check_rosters(
    path: Path, rosters: tuple[Roster, ...], areas: Collection[str], departments: Collection[str], problems: Problems
) -> None:
    """That a roster speaks of areas and departments there are."""
    for i, roster in enumerate(rosters):
        if roster.area not in areas:
            problems.add(str(path), 1, f"rosters[{i}].area: {roster.area!r} is not an area; {nearest(roster.area, tuple(sorted(areas)))}")
        if roster.department not in departments:
            known = nearest(roster.department, tuple(sorted(departments)))
            problems.add(str(path), 1, f"rosters[{i}].department: {roster.department!r} is not a department; {known}")
