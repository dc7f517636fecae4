"""Keyed BLAKE2b (RFC 7693) of short messages, many at once; the digests are those of ``hashlib.blake2b(key=..., digest_size=8)``.

A message of at most 128 bytes takes one compression: the block with the key is the same for all, and is done once a key.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.core.bulk.jit import compiled, inlined

BLOCK = 128
ROUNDS = 12
DIGEST_BYTES = 8

_ORDERS = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)
_ORDER = np.array([_ORDERS[number % len(_ORDERS)] for number in range(ROUNDS)], np.uint8)
_START = np.array(
    [
        0x6A09E667F3BCC908,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    ],
    np.uint64,
)
_U = np.uint64
_1, _16, _24, _32, _40, _48, _63 = (_U(bits) for bits in (1, 16, 24, 32, 40, 48, 63))

Words = NDArray[np.uint64]


def keyed(key: bytes) -> Words:
    """The state after the key's block, shape (8,). ``key``: 1 to 64 bytes."""
    assert 0 < len(key) <= 64
    start = _START.copy()
    start[0] ^= _U(0x01010000 ^ len(key) << 8 ^ DIGEST_BYTES)
    block = np.frombuffer(key.ljust(BLOCK, b"\0"), "<u8").astype(np.uint64)
    return np.array(_compress(start, block, _U(BLOCK), False), np.uint64)


@inlined
def _mix(a, b, c, d, x, y):
    a = a + b + x
    d ^= a
    d = d >> _32 | d << _32
    c = c + d
    b ^= c
    b = b >> _24 | b << _40
    a = a + b + y
    d ^= a
    d = d >> _16 | d << _48
    c = c + d
    b ^= c
    b = b >> _63 | b << _1
    return a, b, c, d


@compiled
def _compress(h, m, count, last):
    """The eight words after block ``m``; ``count``: bytes up to its end."""
    v0, v1, v2, v3, v4, v5, v6, v7 = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
    v8, v9, v10, v11 = _START[0], _START[1], _START[2], _START[3]
    v12, v13, v14, v15 = _START[4] ^ count, _START[5], ~_START[6] if last else _START[6], _START[7]
    for number in range(ROUNDS):
        s = _ORDER[number]
        v0, v4, v8, v12 = _mix(v0, v4, v8, v12, m[s[0]], m[s[1]])
        v1, v5, v9, v13 = _mix(v1, v5, v9, v13, m[s[2]], m[s[3]])
        v2, v6, v10, v14 = _mix(v2, v6, v10, v14, m[s[4]], m[s[5]])
        v3, v7, v11, v15 = _mix(v3, v7, v11, v15, m[s[6]], m[s[7]])
        v0, v5, v10, v15 = _mix(v0, v5, v10, v15, m[s[8]], m[s[9]])
        v1, v6, v11, v12 = _mix(v1, v6, v11, v12, m[s[10]], m[s[11]])
        v2, v7, v8, v13 = _mix(v2, v7, v8, v13, m[s[12]], m[s[13]])
        v3, v4, v9, v14 = _mix(v3, v4, v9, v14, m[s[14]], m[s[15]])
    return (
        h[0] ^ v0 ^ v8, h[1] ^ v1 ^ v9, h[2] ^ v2 ^ v10, h[3] ^ v3 ^ v11,
        h[4] ^ v4 ^ v12, h[5] ^ v5 ^ v13, h[6] ^ v6 ^ v14, h[7] ^ v7 ^ v15,
    )  # fmt: skip


@compiled
def digest(h, block, length):
    """The first word of the digest of a message of ``length`` bytes in ``block`` (16 words, zeros behind it), under state ``h``."""
    return _compress(h, block, _U(BLOCK + length), True)[0]
