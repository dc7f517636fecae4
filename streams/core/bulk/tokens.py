"""Tokens: what the bytes of a value have come to before, so that they need not be read again.

A hash table by linear probing over the tokens' bytes, whole tokens compared. Its hash depends on a secret, and a token whose place and
``PROBES`` behind it are taken is not kept: nobody can make it slow. What is not in it is asked for and entered; when it is full it is begun anew, and
says so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streams.core.bulk.jit import compiled, inlined

TOKENS_MAX = 65_536
BYTES_MAX = 256
"""Of a token; a longer one is not kept."""
UNKNOWN = -1
_SLOTS = 4 * TOKENS_MAX
_ARENA = 1 << 16
_PRIME, _MASK = np.uint64(0x100000001B3), np.uint64(_SLOTS - 1)
PROBES = 64

Bytes = NDArray[np.uint8]
Words = NDArray[np.int32]


class Tokens:
    """``answer``: what a token's bytes mean, a number that does not change; ``UNKNOWN`` is not kept."""

    def __init__(self, answer: Callable[[bytes], int], secret: int) -> None:
        self._answer, self._secret = answer, np.uint64(secret)
        self._table: tuple[Words, Words, Bytes, Words]  # slots, ends, bytes, answers
        self.emptied = -1  # how often it was full
        self._begin()

    def look_up(self, data: Bytes, first: NDArray[np.int32], end: NDArray[np.int32], asked: NDArray[np.bool_]) -> NDArray[np.int32]:
        """What ``data[first:end]`` means, of each that is ``asked`` for; ``UNKNOWN`` of the others and where nobody knows."""
        found = np.full(len(first), UNKNOWN, np.int32)
        _look_up(data, first, end, asked, *self._table, self._secret, found)
        missing = np.flatnonzero(asked & (found == UNKNOWN))
        if len(missing):
            answers: dict[bytes, int] = {}
            for i in missing.tolist():
                token = data[first[i] : end[i]].tobytes()
                if token not in answers:
                    answers[token] = self._learn(token)
                found[i] = answers[token]
        return found

    def _learn(self, token: bytes) -> int:
        answer = self._answer(token)
        if answer == UNKNOWN or len(token) > BYTES_MAX:
            return answer
        if self._count == TOKENS_MAX:
            self._begin()
        slot, at, arena, values = self._table
        if self._filled + len(token) > len(arena):
            arena = np.concatenate([arena, np.zeros(len(arena), np.uint8)])
        arena[self._filled : self._filled + len(token)] = np.frombuffer(token, np.uint8)
        i = _free(arena, self._filled, self._filled + len(token), slot, self._secret)
        if i < 0:
            return answer
        self._count += 1
        slot[i] = self._count
        at[self._count], values[self._count] = self._filled + len(token), answer
        self._filled += len(token)
        self._table = slot, at, arena, values
        return answer

    def _begin(self) -> None:
        self._count = self._filled = 0
        self.emptied += 1
        slots: Words = np.zeros(_SLOTS + PROBES, np.int32)
        self._table = (
            slots,
            np.zeros(TOKENS_MAX + 1, np.int32),
            np.zeros(_ARENA, np.uint8),
            np.zeros(TOKENS_MAX + 1, np.int32),
        )


@compiled
def _free(data, p, end, slot, secret):
    """Where a token may be put; -1 where there is no room near its place."""
    i = _hash(data, p, end, secret)
    for j in range(i, i + PROBES):
        if slot[j] == 0:
            return j
    return -1


@compiled
def _hash(data, p, end, secret):
    """FNV-1a from a secret start, mixed once more, cut to the table."""
    value = secret
    while p < end:
        value = (value ^ np.uint64(data[p])) * _PRIME
        p += 1
    value = (value ^ (value >> np.uint64(32))) * (secret | np.uint64(1))
    return np.int64((value ^ (value >> np.uint64(29))) & _MASK)


@inlined
def _same(data, p, end, other, q, q_end):
    if end - p != q_end - q:
        return False
    for j in range(end - p):
        if data[p + j] != other[q + j]:
            return False
    return True


@compiled
def _look_up(data, first, end, asked, slot, at, arena, values, secret, found):
    for r in range(len(first)):
        if not asked[r]:
            continue
        i = _hash(data, first[r], end[r], secret)
        for j in range(i, i + PROBES):
            token = slot[j]
            if token == 0:
                break
            if _same(data, first[r], end[r], arena, at[token - 1], at[token]):
                found[r] = values[token]
                break
