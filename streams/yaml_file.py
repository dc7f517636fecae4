"""A YAML file as typed settings: every value keeps the line it stands on, and every problem of the file is told at once."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

KeyPath = tuple[str | int, ...]

BYTES_MAX = 4_000_000
NODES_MAX = 200_000  # aliases repeat what they name; a file that unfolds to more is refused
DEPTH_MAX = 16
PROBLEMS_MAX = 1000
KNOWN_MAX = 20
DURATION_S_MAX = 10 * 366 * 86_400
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhdw])")
_PLAIN_KEY = re.compile(r"[\w*-]+")


class _Unusable:
    """Stands for a value that was refused already."""


class Problems:
    """What is wrong with a city's files."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, str], None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, file: str, line: int, text: str) -> None:
        """``text`` says key, value and remedy. A problem that was told already is not told twice."""
        if len(self._found) < PROBLEMS_MAX:
            self._found[(file, line, text)] = None

    def listed(self) -> list[str]:
        """``file:line: text``, file by file in the order they were read, by line."""
        files = {file: i for i, file in reversed(list(enumerate(file for file, _, _ in self._found)))}
        told = [f"{file}:{line}: {text}" for file, line, text in sorted(self._found, key=lambda found: (files[found[0]], found[1]))]
        return [*told, f"... and perhaps more: only the first {PROBLEMS_MAX} are told"] if len(told) == PROBLEMS_MAX else told


class Document:
    """A YAML file as plain dicts, lists and scalars, with the line of each."""

    def __init__(self, file: str, problems: Problems) -> None:
        self.file = file
        self.problems = problems
        self.data: Any = None
        self.lines: dict[KeyPath, int] = {}

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest mapping around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def refuse(self, path: KeyPath, text: str) -> None:
        """A problem at a key: ``text`` goes on after the key's name."""
        self.problems.add(self.file, self.line(path), f"{show_path(path)}: {text}")


class _Constructor(RoundTripConstructor):
    """Knows the line of the value that it is at: what Python's own types refuse is refused without one."""

    line = 1

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        self.line = node.start_mark.line + 1
        return super().construct_object(node, deep=deep)


def read_document(path: Path, problems: Problems, *, begin: str = "city: name") -> Document:
    """Reads a YAML 1.2 file, which might ``begin`` so; a file that cannot be read or parsed leaves ``data`` at None and a problem."""
    document = Document(str(path), problems)
    try:
        if path.stat().st_size > BYTES_MAX:
            problems.add(document.file, 1, f"has more than {BYTES_MAX} bytes; put what is long into the tables it names")
            return document
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        problems.add(document.file, 1, f"cannot be read ({error.strerror}); check the path and its permissions")
        return document
    except UnicodeDecodeError as error:
        problems.add(document.file, 1, f"byte {error.start} is not UTF-8; save the file as UTF-8")
        return document
    return parse_document(text, document, begin=begin)


def parse_document(text: str, document: Document, *, begin: str = "city: name") -> Document:
    """The same of a text that has been read: fills ``document``."""
    problems = document.problems
    tree = _parsed(text, document)
    if tree is None:
        return document
    if not isinstance(tree, CommentedMap):
        problems.add(document.file, 1, f"is not a mapping of keys to values; begin with '{begin}'")
        return document
    try:
        document.data = _plain(tree, (), document)
    except _Refused:
        return document
    if len(document.lines) > NODES_MAX:
        problems.add(document.file, 1, f"unfolds to more than {NODES_MAX} values; use fewer aliases")
        document.data = None
    return document


def _parsed(text: str, document: Document) -> Any:
    """ruamel's tree; None, and a problem, where there is none."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Constructor = _Constructor
    try:
        return _EMPTY if (tree := yaml.load(text)) is None else tree
    except DuplicateKeyError as error:
        document.problems.add(document.file, _line_of(error), f"{_first_line(error.problem)}; keep one of the two")
    except MarkedYAMLError as error:
        said = f"is not YAML: {_first_line(error.problem)}; correct the line or the one before it"
        document.problems.add(document.file, _line_of(error), said)
    except RecursionError:
        document.problems.add(document.file, 1, f"nests deeper than {DEPTH_MAX}; write it flat")
    except YAMLError as error:
        document.problems.add(document.file, 1, f"is not YAML: {_first_line(str(error))}; correct it")
    except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError):
        said = "a value that looks like a number or a time, or names a type, and is none; put it into quotes"
        document.problems.add(document.file, yaml.constructor.line, said)
    return None


_EMPTY = "nothing"
"""Stands for the tree of an empty file."""


def _line_of(error: MarkedYAMLError) -> int:
    return int(error.problem_mark.line) + 1 if error.problem_mark else 1


def _first_line(text: str | None) -> str:
    return (text or "unreadable").strip().splitlines()[0]


def _plain(node: Any, path: KeyPath, document: Document) -> Any:
    """The node without ruamel's types; fills ``document.lines``."""
    if len(document.lines) > NODES_MAX:
        return None
    if len(path) > DEPTH_MAX:
        document.refuse(path[:1], f"nests deeper than {DEPTH_MAX}; write it flat")
        raise _Refused
    if isinstance(node, CommentedMap):
        document.lines.setdefault(path, node.lc.line + 1)
        result: dict[str, Any] = {}
        for key, value in node.items():
            at = (*path, str(key))
            positions = node.lc.data or {}
            document.lines[at] = positions[key][0] + 1 if key in positions else node.lc.line + 1
            if not isinstance(key, str):
                document.refuse(at, f"the key {key!r} is not text; put it in quotes")
            result[str(key)] = _plain(value, at, document)
        return result
    if isinstance(node, CommentedSeq):
        document.lines.setdefault(path, node.lc.line + 1)
        for i in range(len(node)):
            document.lines[(*path, i)] = (node.lc.item(i)[0] if node.lc.data else node.lc.line) + 1
        return [_plain(value, (*path, i), document) for i, value in enumerate(node)]
    if isinstance(node, TaggedScalar):
        document.refuse(path, f"carries the tag {node.tag.value!r}; write a plain value")
        return _Unusable()
    return next((kind(node) for kind in (bool, int, float, str) if isinstance(node, kind)), node)


def show_path(path: KeyPath) -> str:
    """Keys as people write them: ``sources.hotline.categories["Rat Bite"]``.

    >>> show_path(("sources", "hotline", "id", 0)), show_path(("categories", "Rat Bite"))
    ('sources.hotline.id[0]', 'categories["Rat Bite"]')
    """
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif _PLAIN_KEY.fullmatch(key):
            text += f".{key}" if text else key
        else:
            text += f'["{key}"]'
    return text


def _shown(data: Any) -> str:
    return "nothing" if data is None else repr(data)


def parse_duration(text: object) -> int | None:
    """Whole seconds of ``90s``, ``15m``, ``1.5h``, ``7d`` or ``4w``; None when it is none, or longer than ten years.

    >>> parse_duration("15m"), parse_duration("1.5h"), parse_duration(300)
    (900, 5400, None)
    """
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    seconds = float(match[1]) * _UNITS[match[2]]
    return int(seconds) if seconds <= DURATION_S_MAX and seconds.is_integer() else None


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Remedy for an unknown word: the nearest known one, or all of them, at most ``KNOWN_MAX``."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(known) - KNOWN_MAX} more" if len(known) > KNOWN_MAX else ""
    return f"known are {', '.join(known[:KNOWN_MAX]) or 'none'}{more}"


class _Refused(Exception):
    """A value could not be used; the problem is noted."""


def read_section(document: Document, kind: Any, key: str, *, absent: Any = None) -> Any:
    """A top-level key's value as ``kind``; ``absent`` (None: the key is required) when it is not there, None when it was refused.

    A field ``name_s`` of seconds is written ``name`` with a duration (``15m``). In a mapping of structs that have a
    field ``name``, the key is the name.
    """
    if key not in document.data:
        if absent is None:
            document.refuse((key,), f"is missing; add '{key}:'")
        return absent
    try:
        return _value(document, kind, document.data[key], (key,))
    except _Refused:
        return None


def _is_duration(name: str, kind: Any) -> bool:
    return name.endswith("_s") and kind in {int, tuple[int, ...]}


def _struct(document: Document, cls: Any, data: Any, path: KeyPath, given: Mapping[str, Any]) -> Any:
    if isinstance(data, _Unusable):
        raise _Refused
    if not isinstance(data, dict):
        document.refuse(path, f"{_shown(data)} is not a mapping; write keys and values under it")
        raise _Refused
    fields = {f.name[:-2] if _is_duration(f.name, f.type) else f.name: f for f in msgspec.structs.fields(cls) if f.name not in given}
    refused = False
    for key in data:
        if key not in fields:
            document.refuse((*path, key), f"the key {key!r} is not known here; {nearest(key, tuple(fields))}")
            refused = True
    values = dict(given)
    for key, field in fields.items():
        if key not in data:
            if field.required:
                document.refuse((*path, key), f"is missing; add '{key}:' here")
                refused = True
            continue
        try:
            values[field.name] = _value(document, field.type, data[key], (*path, key), duration=_is_duration(field.name, field.type))
        except _Refused:
            refused = True
    if refused:
        raise _Refused
    return cls(**values)


def _value(document: Document, kind: Any, data: Any, path: KeyPath, *, duration: bool = False) -> Any:
    if isinstance(data, _Unusable):
        raise _Refused
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _struct(document, kind, data, path, {})
    if origin is tuple and arguments[-1] is Ellipsis:
        items = data if isinstance(data, list) else [data] if isinstance(data, str) else None  # a list of one needs no brackets
        if items is None:
            document.refuse(path, f"{_shown(data)} is not a list; write [a, b]")
            raise _Refused
        return tuple(_all(document, (((*path, i), arguments[0], item, None) for i, item in enumerate(items)), duration))
    if origin is dict:
        if not isinstance(data, dict):
            document.refuse(path, f"{_shown(data)} is not a mapping; write 'key: value' under it")
            raise _Refused
        values = _all(document, (((*path, key), arguments[1], item, key) for key, item in data.items()), duration)
        return dict(zip(data, values, strict=True))
    if duration:
        seconds = parse_duration(data)
        if seconds is None:
            document.refuse(path, f"{_shown(data)} is not a duration; write a number and s, m, h, d or w, such as 15m")
            raise _Refused
        return seconds
    try:
        value = msgspec.convert(data, kind)
    except msgspec.ValidationError:
        document.refuse(path, f"{_shown(data)} is not {_describe(kind)}")
        raise _Refused from None
    if isinstance(value, float) and not math.isfinite(value):
        document.refuse(path, f"{_shown(data)} is not a finite number; write digits and a point")
        raise _Refused
    return value


def _all(document: Document, entries: Any, duration: bool) -> list[Any]:
    """Reads every entry, so that all problems are told, and refuses at the end."""
    values, refused = [], False
    for path, kind, item, name in entries:
        try:
            named = name is not None and "name" in getattr(kind, "__struct_fields__", ())
            values.append(
                _struct(document, kind, item, path, {"name": name}) if named else _value(document, kind, item, path, duration=duration)
            )
        except _Refused:
            refused = True
    if refused:
        raise _Refused
    return values


def _describe(kind: Any) -> str:
    """What a leaf should have been, and how to write it."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}; choose one"
    if get_origin(kind) in (Union, UnionType):
        kind = next(k for k in get_args(kind) if k is not type(None))
    words = {
        str: "text; put it in quotes",
        int: "a whole number; write digits only",
        float: "a number; write digits and a point",
        bool: "true or false; write one of the two",
    }
    return words.get(kind, "of the right form; write [number, number]")
