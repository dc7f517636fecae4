"""Raw bytes to the values at the configured paths, and nothing else.

A typed decoder is built for the paths: the parser skips every other field without making an object of it. Records come
plain or as CloudEvents, structured (an envelope around ``data``) or binary (attributes in ``ce_`` headers).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

PAYLOAD_BYTES_MAX = 65_536
NESTING_MAX = 64

Value = str | int | float | None
Headers = Sequence[tuple[str, bytes]]
Leaves = dict[str, "Leaves | None"]  # field name -> fields below it, None for a value

ENVELOPE = ("specversion", "id", "source", "type", "time")
ENVELOPE_KNOWN = (
    "datacontenttype", "dataschema", "subject", "partitionkey", "sequence", "sequencetype", "recordedtime", "expirytime",
    "sampledrate", "traceparent", "tracestate",
)  # fmt: skip
"""CloudEvents attributes and extensions that a source which rejects unknown fields may carry; they are not read."""
ONVIF_KNOWN = (
    "PropertyOperation", "Source.VideoSource", "Source.VideoSourceConfiguration", "Source.VideoAnalyticsConfiguration",
    "Source.AnalyticsConfiguration", "Source.Rule",
)  # fmt: skip
"""The same for an ONVIF event: the tokens of its source, each a plain value."""

_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?", re.ASCII)
_BLANK = msgspec.Raw()

_value: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Value)
_anything = msgspec.json.Decoder(msgspec.Raw)


def as_text(value: str | float) -> str:
    """An identifier as text, whether a record writes it as a string or as a number.

    >>> as_text(" 503 "), as_text(503), as_text(503.0)
    ('503', '503', '503')
    """
    if isinstance(value, str):
        return value.strip()
    return str(int(value)) if abs(value) < 2**53 and value == int(value) else str(value)


def as_number(value: Value) -> float | None:
    """A finite number, from a number or its decimal text; None for anything else.

    >>> as_number("1.5e3"), as_number(7), as_number("1_000"), as_number("nan"), as_number(None)
    (1500.0, 7.0, None, None, None)
    """
    if value is None or (isinstance(value, str) and not _NUMBER.fullmatch(value.strip())):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


class Fields(NamedTuple):
    """A record's values in the order of the paths asked for, None where there is none; and the CloudEvents attributes."""

    values: tuple[Value, ...]
    id: Value = None
    source: Value = None
    type: Value = None
    time: Value = None
    unknown: bool = False  # it has a field it should not have


class Decoder:
    """Reads the values at ``paths`` (dotted). ``reject_unknown``: says so of records with any other field.

    Raises:
        ValueError: a path goes on below another one.
    """

    def __init__(self, paths: Sequence[str], *, reject_unknown: bool = False) -> None:
        known = ONVIF_KNOWN if reject_unknown else ()
        self._count = len(paths)
        self._plain = _Shape(paths, known, reject=reject_unknown)
        inner = tuple(f"data.{path}" for path in known)
        self._wrapped = _Shape(
            (*ENVELOPE, *(f"data.{path}" for path in paths)), (*ENVELOPE_KNOWN, *inner) if reject_unknown else (), reject=reject_unknown
        )

    def decode(self, payload: bytes, headers: Headers = ()) -> Fields | str:
        """The values, or why there are none: ``too_large``, ``not_json`` or ``not_an_object``."""
        if len(payload) > PAYLOAD_BYTES_MAX or _too_deep(payload):
            return "too_large"
        if b'"specversion"' in payload:
            wrapped = self._wrapped.read(payload)
            if isinstance(wrapped, str):
                return wrapped
            values, unknown = wrapped
            if values[0] is not None:
                _, own, source, kind, time = values[: len(ENVELOPE)]
                return Fields(values[len(ENVELOPE) :], own, source, kind, time, unknown)
        plain = self._plain.read(payload)
        if isinstance(plain, str):
            return plain
        values, unknown = plain
        if headers:
            attributes = _attributes(headers)
            if "specversion" in attributes:
                own, source, kind, time = (attributes.get(name) for name in ENVELOPE[1:])
                return Fields(values, own, source, kind, time, unknown)
        return Fields(values, unknown=unknown)


class _Shape:
    """The paths as nested structs. Fast: decoded in one go; where a value has another type, once more, value by value."""

    def __init__(self, paths: Sequence[str], known: Sequence[str], *, reject: bool) -> None:
        self._tree = _tree(paths, known)
        self._paths = tuple(paths)
        fast = _struct(self._tree, reject=reject)
        self._fast = msgspec.json.Decoder(fast)
        self._pick = _picker(self._tree, paths)
        self._steps = _Step(self._tree, reject=reject)

    def read(self, payload: bytes) -> tuple[tuple[Value, ...], bool] | str:
        try:
            return self._pick(self._fast.decode(payload)), False
        except msgspec.ValidationError:
            return self._read_stepwise(payload)
        except (msgspec.DecodeError, ValueError):  # ValueError: text that is no UTF-8
            return "not_json"

    def _read_stepwise(self, payload: bytes) -> tuple[tuple[Value, ...], bool] | str:
        found: dict[str, Value] = {}
        try:
            unknown = self._steps.read(payload, "", found)
        except (msgspec.DecodeError, ValueError):
            return "not_json"
        if unknown is None:
            return "not_an_object"
        return tuple(found.get(path) for path in self._paths), unknown


class _Step:
    """One level of the paths, its members left undecoded, so that one of a wrong type spoils no other."""

    def __init__(self, tree: Leaves, *, reject: bool) -> None:
        members = [(f"f{i}", msgspec.Raw, msgspec.field(default=_BLANK, name=name)) for i, name in enumerate(tree)]
        self._skipping = msgspec.json.Decoder(msgspec.defstruct("Step", members))
        self._strict = msgspec.json.Decoder(msgspec.defstruct("StrictStep", members, forbid_unknown_fields=reject))
        self._names = tuple(tree)
        self._below = {name: _Step(below, reject=reject) for name, below in tree.items() if below is not None}
        self._reject = reject

    def read(self, payload: bytes, prefix: str, found: dict[str, Value]) -> bool | None:
        """Puts values into ``found`` by path; whether there was an unknown field, None for what is no object."""
        if not payload.lstrip(b" \t\r\n").startswith(b"{"):
            _anything.decode(payload)  # raises for what is no JSON at all
            return None
        unknown = False
        try:
            members: Any = self._strict.decode(payload)
        except msgspec.ValidationError:
            members, unknown = self._skipping.decode(payload), True
        for i, name in enumerate(self._names):
            raw = bytes(getattr(members, f"f{i}"))
            if not raw:
                continue
            if name in self._below:
                below = self._below[name].read(raw, f"{prefix}{name}.", found)
                unknown |= (self._reject and raw != b"null") if below is None else below
            else:
                found[prefix + name] = _value_or_none(raw)
                unknown |= self._reject and raw[:1] in b"{["
        return unknown


def _value_or_none(raw: bytes) -> Value:
    try:
        value: Value = _value.decode(raw)
    except msgspec.ValidationError:
        return None
    return value


def _tree(paths: Sequence[str], known: Sequence[str]) -> Leaves:
    """Names by level; ``known`` paths that the others rule out are left out."""
    tree: Leaves = {}
    for i, path in enumerate((*paths, *known)):
        *above, last = path.split(".")
        level: Leaves | None = tree
        for name in above:
            level = None if level is None else level.setdefault(name, {})
        if level is not None and level.setdefault(last, None) is None:
            continue
        if i < len(paths):
            raise ValueError(f"path {path!r} is a value and an object at once; no path may go on below another")
    return tree


def _struct(tree: Leaves, *, reject: bool) -> type[msgspec.Struct]:
    members: list[tuple[str, Any, Any]] = []
    for i, (name, below) in enumerate(tree.items()):
        if below is None:
            members.append((f"f{i}", Value, msgspec.field(default=None, name=name)))
        else:
            nested = _struct(below, reject=reject)
            members.append((f"f{i}", nested, msgspec.field(default_factory=nested, name=name)))
    return msgspec.defstruct("Record", members, forbid_unknown_fields=reject)


def _picker(tree: Leaves, paths: Sequence[str]) -> Any:
    """A function from the struct to the tuple of the values at ``paths``."""
    chains = []
    for path in paths:
        chain, level = [], tree
        for name in path.split("."):
            chain.append(f"f{list(level).index(name)}")
            level = level[name] or {}
        chains.append(".".join(chain))
    if len(chains) == 1:
        single = attrgetter(chains[0])
        return lambda record: (single(record),)
    return attrgetter(*chains) if chains else lambda _: ()


def _too_deep(payload: bytes) -> bool:
    """Whether it nests deeper than any record should: judged here, so that it does not depend on the parser's stack."""
    if payload.count(b"{") + payload.count(b"[") <= NESTING_MAX:
        return False
    depth = 0
    for token in _TOKENS.finditer(payload):
        first = token[0][:1]
        depth += (first in b"{[") - (first in b"}]")
        if depth > NESTING_MAX:
            return True
    return False


def _attributes(headers: Headers) -> dict[str, str]:
    """CloudEvents attributes from ``ce_`` headers (``ce-`` over HTTP)."""
    found = {}
    for name, value in headers:
        key = name.lower().replace("-", "_")
        if key.startswith("ce_"):
            found[key[3:]] = value.decode(errors="replace")
    return found
