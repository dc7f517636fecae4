"""Reader: what the records of one source say. From values at paths to a time, an id, an area, events and readings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from streams.core.areas import Resolver
from streams.core.decode import Decoder, Fields, Headers, Value, as_number, as_text
from streams.core.digests import Digester
from streams.core.times import parse_time
from streams.model import Event
from streams.settings import Reading, Source

COUNT_MAX = 2**31 - 1
"""The largest raw count of a counter (xs:int); what is larger is no count."""
GAUGE_MAX = 1e12
"""The largest size of a gauge's reading, so that sums of readings stay finite; what is larger is no reading."""
GAUGE_STEPS = 2**16
"""Readings are kept in steps of 1/65536, so that their sums are exact and do not depend on the order they came in."""
TOPICS_MAX = 256
TIMES_MAX = 1024
TIME_LENGTH_MAX = 64
"""Bounds of what is remembered to save work; what is not remembered is found again."""
_MQTT = "/onvif-ej/"  # what stands before an ONVIF topic over MQTT; its source's tokens follow the topic


class Claim(NamedTuple):
    """Which record this is, for finding it again: a correction has an id of its own. ``was``: the signal it was counted under before."""

    id: int
    correction: Literal["", "withdrawn", "reclassified"] = ""
    was: str = ""


class Measure(NamedTuple):
    """One reading of a record. ``counter``: digest of the device and rule that count, None for a gauge."""

    signal: str
    value: float
    counter: int | None = None


class Reader:
    """Reads the records of the source ``name``."""

    def __init__(self, name: str, source: Source, resolver: Resolver, digester: Digester) -> None:
        self._name, self.source = name, source
        self._resolver, self._digester = resolver, digester
        self._zone = ZoneInfo(source.timezone) if source.timezone else None
        place = source.area
        corrected = [path for correction in source.corrections for path in (correction.path, correction.was)]
        asked = (
            *source.id, source.time, source.entry, source.category, source.topic, *corrected,
            *place.code, *place.library, place.lat, place.lon, *(reading.value for reading in source.readings), *device_paths(source),
        )  # fmt: skip
        paths = tuple(dict.fromkeys(path for path in asked if path))
        self._at = {path: i for i, path in enumerate(paths)}
        self._decoder = Decoder(paths, reject_unknown=source.unknown_fields == "reject")
        self._id = self._indices(source.id)
        self._device = self._indices(device_paths(source))
        self._code, self._library = self._indices(place.code), self._indices(place.library)
        self._placeholders = frozenset(place.placeholders)
        self._excluded = frozenset(source.excluded)
        self._other = source.categories.get("*", "")
        self._times: dict[str | float, int | None] = {}
        self._topics: dict[str, tuple[Reading, ...]] = {}
        self.has_readings = bool(source.readings)

    def read(self, payload: bytes, headers: Headers) -> Fields | str:
        """The record's values, or why it is rejected."""
        fields = self._decoder.decode(payload, headers)
        if isinstance(fields, str):
            return fields
        if self.source.readings and not self._readings(fields):
            return "unknown_topic"
        return "unknown_field" if fields.unknown else fields

    def time_s(self, fields: Fields) -> int | str:
        """When it happened."""
        value = self._value(fields, self.source.time)
        if value is None or value == "":
            value = fields.time
        if value is None:
            return "missing_time"
        time_s = self.parsed(value)
        return "bad_time" if time_s is None else time_s

    def claim(self, fields: Fields, time_s: int) -> Claim | str:
        """Which record it is. The id of its CloudEvent serves where it has none of its own."""
        values = _texts(fields, self._id)
        if values is None:
            if fields.id is None or fields.id == "":
                return "missing_id"
            values = ("cloudevent", as_text(fields.source or ""), as_text(fields.id))
        for correction in self.source.corrections:
            if correction.path and self._text(fields, correction.path) not in correction.values:
                continue
            if not correction.was:
                return Claim(self._digester.record(self._name, (*values, "withdrawn"), time_s), "withdrawn")
            before, category = self._text(fields, correction.was), self._text(fields, self.source.category)
            was = self.signal(before)[0] if before else ""
            if was and was != self.signal(category)[0]:
                return Claim(self._digester.record(self._name, (*values, "reclassified", category), time_s), "reclassified", was)
        return Claim(self._digester.record(self._name, values, time_s))

    def area(self, fields: Fields, time_s: int) -> str | None:
        """Where it happened; None when no place it names is known."""
        place, resolver, given = self.source.area, self._resolver, False
        for indices, look_up in ((self._code, resolver.by_code), (self._library, resolver.by_name)):
            for i in indices:
                value = fields.values[i]
                if value is None or value == "":
                    continue
                given = True
                found = look_up(as_text(value), time_s)
                if found is not None:
                    return found
        point = self._point(fields)
        if point is not None:
            return resolver.by_point(*point, time_s)
        return resolver.by_code(place.default, time_s) if place.default and not given else None

    def events(self, fields: Fields, claim: Claim, time_s: int) -> tuple[Event, ...] | str:
        """What a hotline's or complaint system's record counts: one event, or two for one filed under another category before."""
        signal, reason = self.signal(self._text(fields, self.source.category))
        if reason and (reason == "unknown_category" or claim.correction != "reclassified"):
            return reason
        area = self.area(fields, time_s)
        if area is None:
            return "unknown_area"
        entry = self._value(fields, self.source.entry)
        entry_s = None if entry is None else self.parsed(entry)
        taken = claim.was if claim.correction == "reclassified" else signal
        added = (Event(self._name, claim.id, time_s, area, signal, 1, None, entry_s),) if signal and claim.correction != "withdrawn" else ()
        back = (Event(self._name, claim.id, time_s, area, taken, -1, None, entry_s),) if claim.correction else ()
        return back + added

    def measures(self, fields: Fields) -> tuple[Measure, ...] | str:
        """What a camera's or gauge's record measures: every reading of its topic that it carries."""
        found = []
        for reading in self._readings(fields):
            value = self._value(fields, reading.value)
            if value is None or value == "":
                continue
            number = as_number(value)
            if number is None:
                return "bad_value"
            if reading.form == "gauge":
                if abs(number) >= GAUGE_MAX:
                    return "bad_value"
                found.append(Measure(reading.signal, round(number * GAUGE_STEPS) / GAUGE_STEPS))
                continue
            if number < 0:
                return "negative_count"
            if number > COUNT_MAX or not number.is_integer():
                return "bad_value"
            device = _texts(fields, self._device) or ("",)
            found.append(Measure(reading.signal, number, self._digester.device(self._name, (*device, reading.signal, reading.value))))
        return tuple(found) or "bad_value"

    def parsed(self, value: str | float) -> int | None:
        """``parse_time``, remembered: a record's times are often the same, and those of its neighbours too."""
        if value in self._times:
            return self._times[value]
        if isinstance(value, str) and len(value) > TIME_LENGTH_MAX:
            return None
        if len(self._times) >= TIMES_MAX:
            self._times.clear()
        time_s = self._times[value] = parse_time(value, self._zone)
        return time_s

    def _indices(self, paths: Sequence[str]) -> tuple[int, ...]:
        return tuple(self._at[path] for path in paths)

    def _value(self, fields: Fields, path: str) -> Value:
        return fields.values[self._at[path]] if path else None

    def _point(self, fields: Fields) -> tuple[float, float] | None:
        """Latitude and longitude; None when the record gives none, or what its source writes for none."""
        place = self.source.area
        lat, lon = self._value(fields, place.lat), self._value(fields, place.lon)
        if lat is None or lon is None or lat == "" or lon == "":
            return None
        point = _degrees(lat), _degrees(lon)
        return None if point in self._placeholders else point

    def _text(self, fields: Fields, path: str) -> str:
        value = self._value(fields, path)
        return "" if value is None else as_text(value)

    def signal(self, category: str) -> tuple[str, str]:
        """The signal of a category and ``""``, or ``""`` and why there is none."""
        if category in self._excluded:
            return "", "excluded_category"
        signal = self.source.categories.get(category) or self._other
        return (signal, "") if signal else ("", "unknown_category")

    def _readings(self, fields: Fields) -> tuple[Reading, ...]:
        topic = self._text(fields, self.source.topic) or as_text(fields.type or "")
        found = self._topics.get(topic)
        if found is None:
            found = tuple(reading for reading in self.source.readings if matches(topic, reading.topic))
            if found and len(self._topics) < TOPICS_MAX:
                self._topics[topic] = found
        return found


def device_paths(source: Source) -> tuple[str, ...]:
    """Paths that together name the device and rule of a counter: ``device``, or the record's id without its time."""
    return source.device or tuple(path for path in source.id if path != source.time)


def matches(topic: str, wanted: str) -> bool:
    """Whether a record's topic ends with ``wanted``, in whole words; over MQTT the tokens of its source may follow.

    >>> matches("tns1:RuleEngine/CountAggregation/Counter", "CountAggregation/Counter"), matches("tns1:Rule/OccupancyCounter", "Counter")
    (True, False)
    >>> matches("city/onvif-ej/RuleEngine/CountAggregation/Counter/v1/r1", "RuleEngine/CountAggregation/Counter")
    True
    """
    if not wanted or topic == wanted or topic.endswith(("/" + wanted, ":" + wanted)):
        return True
    _, mqtt, rest = topic.partition(_MQTT)
    return bool(mqtt) and rest.startswith(wanted + "/")


def _texts(fields: Fields, indices: Sequence[int]) -> tuple[str, ...] | None:
    """The values there as text; None if any is missing, or none is asked for."""
    found = []
    for i in indices:
        value = fields.values[i]
        if value is None or value == "":
            return None
        found.append(as_text(value))
    return tuple(found) or None


def _degrees(value: Value) -> float:
    degrees = as_number(value)
    return math.nan if degrees is None else degrees
