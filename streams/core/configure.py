"""Configuration as a journal record: what score and decide use of a city, and nothing else, travels in a command."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import structs

import detectors
from detectors.base import params_of
from streams.model import Command
from streams.settings import City, PlaybookStep

KIND = "configure"
_cities = msgspec.json.Decoder(City)
"""Made once and here: two threads that make one of a type for the first time at the same time crash inside msgspec."""


def configure_command(city: City, *, id: str, time_s: int, actor: str) -> Command:  # noqa: A002 - the field's name
    """The command that makes score and decide work under ``city``. ``actor`` is a pseudonym."""
    return Command(id=id, time_s=time_s, actor=actor, kind=KIND, body=msgspec.json.encode(scored(city), order="sorted").decode())


def scored(city: City) -> City:
    """The city without what only intake, views and messages use: sources, address library, outlines, demo, files and lines.

    >>> scored(City("a", "A", "UTC", (), {"b": "c"}, (), {}, origin="a.yaml")).library
    {}
    """
    areas = tuple(structs.replace(area, geometry="") for area in city.areas)
    steps = tuple(
        structs.replace(book, text="", text_zh="", steps=tuple(PlaybookStep(step.id) for step in book.steps)) for book in city.playbooks
    )
    return structs.replace(city, areas=areas, library={}, sources={}, rosters=(), playbooks=steps, demo=None, lines={}, origin="")


def city_of(command: Command) -> City:
    """The city of a ``configure`` command, equal to ``scored`` of the one it was made from.

    Raises:
        ValueError: it is another command, or its body is none that ``configure_command`` wrote.
    """
    if command.kind != KIND:
        raise ValueError(f"command {command.id!r} is a {command.kind!r}, not a {KIND!r}; take the journal's newest {KIND!r}")
    try:
        return _cities.decode(command.body)
    except msgspec.MsgspecError:
        raise ValueError(f"command {command.id!r} holds no configuration; write it with configure_command") from None


def check_detectors(city: City) -> list[str]:
    """What the settings say of detectors that is not so, each ``file:line: key: value and remedy``; empty when all is well.

    A detector is known when it is built in or declared by an installed package. Of another kind than its signals it is refused too.
    """
    return [f"{city.origin}:{_line(city, key)}: {key}: {text}" for key, text in _faults(city)]


def _faults(city: City) -> Iterator[tuple[str, str]]:
    detection = city.detection
    chosen: list[tuple[str, str, tuple[str, ...]]] = [
        ("detection.count_detector", detection.count_detector, ("count",)),
        ("detection.level_detector", detection.level_detector, ("level",)),
        ("detection.silence_detector", detection.silence_detector, ("silence",)),
    ]
    own = (signal for signal in city.signals if signal.detector and not signal.name.startswith("feed."))
    chosen.extend((f"signals.{signal.name}.detector", signal.detector, (signal.kind, "silence")) for signal in own)
    known = detectors.known(*(name for _, name, _ in chosen), *detection.params)
    for key, name, kinds in chosen:
        if name not in known:
            yield key, f"{name!r} is not a detector; {_nearest(name, detectors.known(*detectors.families()))}"
        elif known[name].kind not in kinds:
            yield key, f"{name!r} is a detector of kind {known[name].kind!r}; choose one of kind {kinds[0]!r}"
    for name, given in detection.params.items():
        if name not in known:
            yield f"detection.params.{name}", f"{name!r} is not a detector; {_nearest(name, detectors.known(*detectors.families()))}"
            continue
        for parameter in given:
            try:
                params_of(known[name], {parameter: given[parameter]})
            except ValueError as refusal:
                unknown = f"the detector {name!r} has no such parameter; {_nearest(parameter, known[name].defaults)}"
                text = str(refusal) if parameter in known[name].defaults else unknown
                yield f"detection.params.{name}.{parameter}", text


def _nearest(word: str, known: Mapping[str, object]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names) or 'none'}"


def _line(city: City, key: str) -> int:
    """The line of a key, or of the nearest one around it."""
    while key and key not in city.lines:
        key = key.rpartition(".")[0]
    return city.lines.get(key, 1)
