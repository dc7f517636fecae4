"""Where the values of flat JSON records stand: one scan over many of them, which leaves all but the plain ones to the parser.

Plain is an object of texts, numbers, null and booleans, no key with an escape, no wanted key twice, nothing nested. Such a
record says the same to every parser. What is not plain is not judged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.bulk.jit import compiled, inlined

MISSING, ASCII, TEXT, NUMBER = 0, 1, 2, 3
"""Kinds of a value: none or null; a text of ASCII without escapes; any other text; a number."""
_UNSEEN, _BOOLEAN = -1, 4
FORBIDDEN = "specversion"  # an envelope around the record

_QUOTE, _BACKSLASH, _COLON, _COMMA, _OPEN, _CLOSE = (ord(c) for c in '"\\:,{}')
_MINUS, _PLUS, _POINT, _ZERO, _NINE = (ord(c) for c in "-+.09")
_E, _e, _u, _n, _t, _f = (ord(c) for c in "Eeuntf")
_ESCAPED = np.zeros(256, np.bool_)
_ESCAPED[[ord(c) for c in '"\\/bfnrt']] = True
_BLANK = np.zeros(256, np.bool_)
_BLANK[[ord(c) for c in " \t\r\n"]] = True
_SPECIAL = np.ones(256, np.bool_)  # what ends a text, or is not simply part of it
_SPECIAL[32:128] = False
_SPECIAL[[_QUOTE, _BACKSLASH]] = True
_HEX = np.full(256, -1, np.int16)
for _i, _c in enumerate("0123456789abcdef"):
    _HEX[ord(_c)] = _HEX[ord(_c.upper())] = _i
_ONE = np.uint64(1)
_NULL, _TRUE, _FALSE = (np.frombuffer(word, np.uint8) for word in (b"null", b"true", b"false"))

Bytes = NDArray[np.uint8]


class Scanned(NamedTuple):
    """Values by record and key, shape (records, keys): first byte, byte after the last (a text's quotes left out), kind."""

    first: NDArray[np.int32]
    end: NDArray[np.int32]
    kind: NDArray[np.int8]
    plain: NDArray[np.bool_]  # (records,) of the others nothing is known


class Keys:
    """The wanted keys. ``strict``: a record with any other is not plain."""

    def __init__(self, names: Sequence[str], *, strict: bool) -> None:
        words = [name.encode() for name in (*names, FORBIDDEN)]
        self._text = np.frombuffer(b"".join(words), np.uint8)
        self._at = np.cumsum([0, *map(len, words)]).astype(np.int64)
        self._count, self._strict = len(names), strict

    def scan(self, data: Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Scanned:
        """Look at the records ``data[start:end]``."""
        shape = len(starts), self._count
        first, end, kind = np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.empty(shape, np.int8)
        plain = np.zeros(len(starts), np.bool_)
        _scan(data, starts, ends, self._text, self._at, self._strict, first, end, kind, plain)
        return Scanned(first, end, kind, plain)


@inlined
def _skip(data, p, end):
    while p < end and _BLANK[data[p]]:
        p += 1
    return p


@compiled
def _scan(data, starts, ends, text, at, strict, first, end, kind, plain):
    for i in range(len(starts)):
        kind[i, :] = _UNSEEN
        plain[i] = _object(data, starts[i], ends[i], text, at, strict, first[i], end[i], kind[i])
        for k in range(kind.shape[1]):
            if kind[i, k] == _UNSEEN:
                kind[i, k] = MISSING


@compiled
def _object(data, p, end, text, at, strict, firsts, lasts, kinds):
    """Whether the record is plain; where its wanted values stand goes into the rows given."""
    p = _skip(data, p, end)
    if p >= end or data[p] != _OPEN:
        return False
    p = _skip(data, p + 1, end)
    if p < end and data[p] == _CLOSE:
        return _skip(data, p + 1, end) == end
    guess = 0
    while True:
        if p >= end or data[p] != _QUOTE:
            return False
        after, kind = _string(data, p + 1, end)
        if after < 0 or (kind == TEXT and _has(data, p + 1, after - 1, _BACKSLASH)):
            return False
        key = _find(data, p + 1, after - 1, text, at, guess)
        guess = key + 1 if 0 <= key < len(at) - 2 else 0
        p = _skip(data, after, end)
        if p >= end or data[p] != _COLON:
            return False
        p = _skip(data, p + 1, end)
        if p >= end:
            return False
        quoted = data[p] == _QUOTE
        after, kind = _string(data, p + 1, end) if quoted else _bare(data, p, end)
        if after < 0:
            return False
        if key == len(kinds) or (key < 0 and strict):
            return False
        if key >= 0:
            if kinds[key] != _UNSEEN or kind == _BOOLEAN:
                return False
            firsts[key], lasts[key], kinds[key] = p + quoted, after - quoted, kind
        p = _skip(data, after, end)
        if p >= end:
            return False
        if data[p] == _CLOSE:
            return _skip(data, p + 1, end) == end
        if data[p] != _COMMA:
            return False
        p = _skip(data, p + 1, end)


@compiled
def _string(data, p, end):
    """(byte after the closing quote, kind) of the text whose first byte is at ``p``; -1 where it is none."""
    kind = ASCII
    while True:
        at, stop = np.uint64(p), np.uint64(end)  # without a sign: nobody asks whether it counts from the end
        while at < stop and not _SPECIAL[data[at]]:
            at += _ONE
        p = np.int64(at)
        if p >= end:
            return -1, kind
        byte = data[p]
        if byte == _QUOTE:
            return p + 1, kind
        if byte < 32:
            return -1, kind
        if byte == _BACKSLASH:
            kind = TEXT
            p += 1
            if p >= end:
                return -1, kind
            if data[p] == _u:
                if p + 4 >= end or not _is_character(data, p + 1):
                    return -1, kind
                p += 4
            elif not _ESCAPED[data[p]]:
                return -1, kind
        else:
            kind = TEXT
            p = _character(data, p, end) - 1
            if p < 0:
                return -1, kind
        p += 1


@compiled
def _character(data, p, end):
    """Byte after the character beyond ASCII that begins at ``p`` (UTF-8, RFC 3629); -1 where there is none."""
    lead = data[p]
    if 0xC2 <= lead <= 0xDF:
        more, least, most = 1, 0x80, 0xBF
    elif 0xE0 <= lead <= 0xEF:
        more, least, most = 2, 0xA0 if lead == 0xE0 else 0x80, 0x9F if lead == 0xED else 0xBF
    elif 0xF0 <= lead <= 0xF4:
        more, least, most = 3, 0x90 if lead == 0xF0 else 0x80, 0x8F if lead == 0xF4 else 0xBF
    else:
        return -1
    if p + more >= end or not least <= data[p + 1] <= most:
        return -1
    for j in range(2, more + 1):
        if not 0x80 <= data[p + j] <= 0xBF:
            return -1
    return p + more + 1


@compiled
def _is_character(data, p):
    """Whether four hexadecimal digits stand there, and not half of a pair."""
    value = 0
    for j in range(4):
        digit = _HEX[data[p + j]]
        if digit < 0:
            return False
        value = value * 16 + digit
    return value < 0xD800 or value > 0xDFFF


@compiled
def _bare(data, p, end):
    """(byte after it, kind) of a number, null or a boolean; -1 where it is none."""
    byte = data[p]
    if byte == _n:
        return _word(data, p, end, _NULL), MISSING
    if byte == _t:
        return _word(data, p, end, _TRUE), _BOOLEAN
    if byte == _f:
        return _word(data, p, end, _FALSE), _BOOLEAN
    return _number(data, p, end), NUMBER


@compiled
def _word(data, p, end, word):
    if p + len(word) > end:
        return -1
    for j in range(len(word)):
        if data[p + j] != word[j]:
            return -1
    return p + len(word)


@compiled
def _number(data, p, end):
    if p < end and data[p] == _MINUS:
        p += 1
    whole = _digits(data, p, end)
    if whole == p or (data[p] == _ZERO and whole > p + 1):
        return -1
    p = whole
    if p < end and data[p] == _POINT:
        after = _digits(data, p + 1, end)
        if after == p + 1:
            return -1
        p = after
    if p < end and (data[p] == _e or data[p] == _E):
        p += 1
        if p < end and (data[p] == _PLUS or data[p] == _MINUS):
            p += 1
        after = _digits(data, p, end)
        if after == p:
            return -1
        p = after
    return p


@inlined
def _digits(data, p, end):
    while p < end and _ZERO <= data[p] <= _NINE:
        p += 1
    return p


@inlined
def _has(data, p, end, byte):
    found = False
    while p < end:
        found |= data[p] == byte
        p += 1
    return found


@compiled
def _find(data, p, end, text, at, guess):
    """Which key it is; -1: none of them. ``guess`` is tried first."""
    if _is(data, p, end, text, at, guess):
        return guess
    for k in range(len(at) - 1):
        if _is(data, p, end, text, at, k):
            return k
    return -1


@inlined
def _is(data, p, end, text, at, k):
    if at[k + 1] - at[k] != end - p:
        return False
    i, j, stop = np.uint64(p), np.uint64(at[k]), np.uint64(end)
    while i < stop:
        if data[i] != text[j]:
            return False
        i += _ONE
        j += _ONE
    return True
