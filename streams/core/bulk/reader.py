"""BulkReader: what many records of one source say, in columns; of those that are not plain it says only that.

It holds no opinion of its own: what a category, a code, an address or a correction means is asked of ``Reader`` and
``Resolver`` when its bytes are first seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core.areas import Resolver
from streams.core.bulk.blake import BLOCK, digest, keyed
from streams.core.bulk.civil import NONE, Times, degrees
from streams.core.bulk.jit import compiled
from streams.core.bulk.scan import ASCII, FORBIDDEN, MISSING, NUMBER, TEXT, Keys, Scanned
from streams.core.bulk.tokens import UNKNOWN, Tokens
from streams.core.decode import PAYLOAD_BYTES_MAX, as_text
from streams.core.digests import Digester
from streams.core.distinct import distinct
from streams.core.reader import Reader
from streams.model import DAY_S
from streams.settings import Correction

_text = msgspec.json.Decoder(str)
_STATES_MAX = 1024
SLICE_BYTES, SLICE_RECORDS = 1 << 25, 1 << 16
"""Looked at together: so much is copied at a time."""

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]


class Read(NamedTuple):
    """Shape (records,) each. Where ``plain`` is false the record is to be read by itself, and the others say nothing."""

    plain: Flags
    time_s: NDArray[np.int64]
    entry_s: NDArray[np.int64]
    digest: NDArray[np.uint64]
    area: NDArray[np.int32]  # index into ``areas``
    signal: NDArray[np.int32]  # index into ``signals``


class BulkReader:
    """Reads records of the source that ``reader`` reads, calls and complaints; ``areas`` and ``signals`` are all there can be."""

    def __init__(
        self, name: str, reader: Reader, resolver: Resolver, digester: Digester, areas: Sequence[str], signals: Sequence[str]
    ) -> None:
        source = reader.source
        assert not source.readings, "a measuring source is read record by record"
        self._name, self._resolver, self._digester, self._place = name, resolver, digester, source.area
        self._area_at = {code: i for i, code in enumerate(areas)}
        self._from_s, self._to_s = np.array(resolver.spells(areas)).T
        signal_at = {signal: i for i, signal in enumerate(signals)}
        asked = (
            *source.id, source.time, source.entry, source.category, *source.area.code, *source.area.library, source.area.lat, source.area.lon,
            *(path for correction in source.corrections for path in (correction.path, correction.was)),
        )  # fmt: skip
        self._paths = tuple(dict.fromkeys(path for path in asked if path))
        self._at = {path: i for i, path in enumerate(self._paths)}
        self._keys = Keys(self._paths, strict=source.unknown_fields == "reject")
        self._source = source
        self._times = Times(reader.parsed)
        self._ids = np.array([self._at[path] for path in source.id], np.int64)
        empty = msgspec.msgpack.encode(("record", name, ("",) * len(source.id)))
        self._prefix = np.frombuffer(empty[: len(empty) - len(source.id)], np.uint8)
        secret = digester.seed()
        self._categories = Tokens(_of_text(lambda text: signal_at.get(reader.signal(text)[0], UNKNOWN)), secret)
        self._codes = Tokens(_of_text(lambda text: self._area_at.get(resolver.known_code(text) or "", UNKNOWN)), secret)
        self._names = Tokens(_of_text(lambda text: self._area_at.get(resolver.known_name(text) or "", UNKNOWN)), secret)
        self._corrected = [Tokens(_of_text(_member(correction)), secret) for correction in source.corrections]
        self._states: NDArray[np.uint64] = np.zeros((0, 8), np.uint64)
        self._state_at: dict[bytes, int] = {}
        self._scratch = np.zeros(BLOCK // 8, np.uint64)

    @property
    def emptied(self) -> int:
        """How often what is remembered of tokens was full and begun anew."""
        return sum(tokens.emptied for tokens in (self._categories, self._codes, self._names, *self._corrected))

    def readable(self) -> bool:
        """Whether records of this source can be plain at all: their values stand at the top, and there is an id to know them by."""
        told = self._source.time and self._source.category and len(self._ids)
        return bool(told) and FORBIDDEN not in self._paths and all("." not in path for path in self._paths)

    def read(self, payloads: Sequence[bytes], latest_s: int) -> Read:
        """All of them, a slice at a time. What says that it happened after ``latest_s`` is not plain: so months that need a key are few."""
        lengths = np.fromiter(map(len, payloads), np.int64, len(payloads))
        if lengths.max(initial=0) > PAYLOAD_BYTES_MAX:
            payloads = [payload if len(payload) <= PAYLOAD_BYTES_MAX else b"" for payload in payloads]  # an empty one is not plain either
            lengths[lengths > PAYLOAD_BYTES_MAX] = 0
        cuts = np.flatnonzero(np.diff(np.cumsum(lengths) // SLICE_BYTES)) + 1
        bounds = sorted({0, len(payloads), *cuts.tolist(), *range(0, len(payloads), SLICE_RECORDS)})
        parts = [self._slice(payloads[start:end], lengths[start:end], latest_s) for start, end in pairwise(bounds)]
        return Read(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _slice(self, payloads: Sequence[bytes], lengths: NDArray[np.int64], latest_s: int) -> Read:
        data = np.frombuffer(b"\n".join(payloads), np.uint8)
        ends = np.cumsum(lengths + 1) - 1
        seen = self._keys.scan(data, ends - lengths, ends)
        plain = seen.plain
        time_s = self._time(data, seen, self._source.time, plain)
        plain &= (time_s != NONE) & (time_s <= latest_s)
        entry_s = self._entry(data, seen, time_s, plain)
        plain &= entry_s != NONE
        for correction, tokens in zip(self._source.corrections, self._corrected, strict=True):
            plain &= ~self._may_correct(data, seen, correction, tokens, plain)
        signal = self._token(self._categories, data, seen, self._source.category, plain)
        plain &= signal != UNKNOWN
        area = self._area(data, seen, time_s, plain)
        plain &= area != UNKNOWN
        digests = self._digests(data, seen, time_s, plain)
        return Read(plain, time_s, entry_s, digests, area, signal)

    def _time(self, data: Bytes, seen: Scanned, path: str, asked: Flags) -> NDArray[np.int64]:
        i = self._at[path]
        return self._times.parse(data, seen.first[:, i], seen.end[:, i], asked & (seen.kind[:, i] == ASCII))

    def _entry(self, data: Bytes, seen: Scanned, time_s: NDArray[np.int64], asked: Flags) -> NDArray[np.int64]:
        if not self._source.entry:
            return time_s
        missing = seen.kind[:, self._at[self._source.entry]] == MISSING
        return np.where(missing, time_s, self._time(data, seen, self._source.entry, asked & ~missing))

    def _token(self, tokens: Tokens, data: Bytes, seen: Scanned, path: str, asked: Flags) -> NDArray[np.int32]:
        i = self._at[path]
        kind = seen.kind[:, i]
        return tokens.look_up(data, seen.first[:, i], seen.end[:, i], asked & ((kind == ASCII) | (kind == TEXT)))

    def _may_correct(self, data: Bytes, seen: Scanned, correction: Correction, tokens: Tokens, asked: Flags) -> Flags:
        """Whether a record may be a correction of one before it."""
        may = asked.copy()
        if correction.path:
            kind = seen.kind[:, self._at[correction.path]]
            said = self._token(tokens, data, seen, correction.path, asked) != 0
            may &= np.where(kind == MISSING, "" in correction.values, said)
        if correction.was:
            i = self._at[correction.was]
            may &= (seen.kind[:, i] != MISSING) & ((seen.kind[:, i] == NUMBER) | (seen.first[:, i] != seen.end[:, i]))
        return may

    def _area(self, data: Bytes, seen: Scanned, time_s: NDArray[np.int64], asked: Flags) -> NDArray[np.int32]:
        """By the first code or address that a record gives, or by its point where it gives none."""
        area, open_ = np.full(len(asked), UNKNOWN, np.int32), asked.copy()
        for tokens, paths in ((self._codes, self._place.code), (self._names, self._place.library)):
            for path in paths:
                i = self._at[path]
                given = open_ & (seen.kind[:, i] != MISSING) & ((seen.kind[:, i] == NUMBER) | (seen.first[:, i] != seen.end[:, i]))
                found = self._token(tokens, data, seen, path, given)
                exists = (self._from_s[found] <= time_s) & (time_s < self._to_s[found])  # else an area above it stands for it
                area = np.where(given & exists, found, area)
                open_ &= ~given
        if self._place.lat and self._place.lon and bool(open_.any()):
            self._by_point(data, seen, time_s, open_, area)
        return area

    def _by_point(self, data: Bytes, seen: Scanned, time_s: NDArray[np.int64], asked: Flags, area: NDArray[np.int32]) -> None:
        lat, lon = (
            degrees(data, seen.first[:, i], seen.end[:, i], asked & (seen.kind[:, i] == NUMBER))
            for i in (self._at[self._place.lat], self._at[self._place.lon])
        )
        here = asked & (abs(lat) <= 90) & (abs(lon) <= 180)
        for place in self._place.placeholders:
            here &= (lat != place[0]) | (lon != place[1])
        rows = np.flatnonzero(here)
        if not len(rows):
            return
        found = self._resolver.by_points(lat[rows], lon[rows], time_s[rows])
        for at in [at for at, code in enumerate(found) if code is None]:
            i = rows[at]
            found[at] = self._resolver.by_point(float(lat[i]), float(lon[i]), int(time_s[i]))
        area[rows] = [UNKNOWN if code is None else self._area_at[code] for code in found]

    def _digests(self, data: Bytes, seen: Scanned, time_s: NDArray[np.int64], plain: Flags) -> NDArray[np.uint64]:
        """Of each plain record's id; those whose id has no plain form are plain no more."""
        found = np.zeros(len(plain), np.uint64)
        if len(self._state_at) >= _STATES_MAX:  # not while rows are being numbered
            self._states, self._state_at = np.zeros((0, 8), np.uint64), {}
        days, which = distinct(np.where(plain, time_s, time_s.max(initial=0)) // DAY_S)
        states = np.array([self._state(day * DAY_S) for day in days.tolist()], np.int64)[which]
        _digest_all(
            data,
            seen.first,
            seen.end,
            seen.kind,
            self._ids,
            self._prefix,
            self._states,
            states,
            plain,
            self._scratch,
            self._scratch.view(np.uint8),
            found,
        )
        return found

    def _state(self, at_s: int) -> int:
        key = self._digester.month_key(at_s)
        if key not in self._state_at:
            self._state_at[key] = len(self._states)
            self._states = np.vstack([self._states, keyed(key)])
        return self._state_at[key]


def _member(correction: Correction) -> Callable[[str], int]:
    return lambda text: int(text in correction.values)


def _of_text(answer: Callable[[str], int]) -> Callable[[bytes], int]:
    """An answer about a text, asked with its bytes between the quotes."""
    return lambda token: answer(as_text(_text.decode(b'"' + token + b'"')))


@compiled
def _digest_all(data, first, end, kind, ids, prefix, states, which, plain, words, block, found):
    for i in range(len(plain)):
        if plain[i]:
            words[:] = 0
            length = _message(data, first[i], end[i], kind[i], ids, prefix, block)
            if length < 0:
                plain[i] = False
            else:
                found[i] = max(digest(states[which[i]], words, length), np.uint64(1))


@compiled
def _message(data, first, end, kind, ids, prefix, block):
    """The message whose digest a record is known by, as msgpack writes it; its length, or -1 where an id is missing, long or padded."""
    at = len(prefix)
    block[:at] = prefix
    for column in ids:
        a, b = first[column], end[column]
        n = b - a
        if kind[column] != ASCII or n == 0 or data[a] == 32 or data[b - 1] == 32 or at + 2 + n > len(block):
            return -1
        if n < 32:
            block[at] = 0xA0 | n
            at += 1
        else:
            block[at], block[at + 1] = 0xD9, n
            at += 2
        for j in range(n):
            block[at + j] = data[a + j]
        at += n
    return at
