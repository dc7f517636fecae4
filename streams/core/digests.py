"""Keyed digests: what stays of an id once a record has been read. Nobody without the key can test a guess against one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from hashlib import blake2b

import msgspec

from streams.core.times import LATEST_S
from streams.model import DAY_S

KEY_BYTES_MIN, KEY_BYTES_MAX = 16, 64
DAYS_MAX = 4096
"""Days whose hasher is kept ready; beyond it they are made anew."""

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_pack = msgspec.msgpack.Encoder().encode


class Digester:
    """Digests under keys derived from ``key``: one for each calendar month (UTC), so a digest tells nothing over months.

    Raises:
        ValueError: the key is shorter than 16 bytes or longer than 64.
    """

    def __init__(self, key: bytes) -> None:
        if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
            raise ValueError(f"digest key of {len(key)} bytes; give {KEY_BYTES_MIN} to {KEY_BYTES_MAX} random bytes")
        self._key = key
        self._devices = self._hasher("devices")
        self._months: dict[int, blake2b] = {}  # by day since the epoch

    def record(self, source: str, values: Sequence[str], time_s: int) -> int:
        """64 bits for a record's id, under the key of its event's month; never 0, which means no digest.

        >>> digester = Digester(bytes(16))
        >>> january, february = 1420070400, 1422748800
        >>> digester.record("hotline", ("4711",), january) == digester.record("hotline", ("4711",), february)
        False
        """
        hasher = self._month(time_s).copy()
        hasher.update(_pack(("record", source, values)))
        return int.from_bytes(hasher.digest(), "little") or 1

    def device(self, source: str, values: Sequence[str]) -> int:
        """64 bits for a device, which is no person: under one key for good, so that its counter goes on over a month's end."""
        hasher = self._devices.copy()
        hasher.update(_pack(("device", source, values)))
        return int.from_bytes(hasher.digest(), "little")

    def payload(self, payload: bytes, at_s: int) -> str:
        """16 hex digits for a record that could not be read, under the key of the month of its arrival."""
        hasher = self._month(min(max(at_s, 0), LATEST_S)).copy()
        hasher.update(_pack("payload"))
        hasher.update(payload)
        return hasher.hexdigest()

    def seed(self) -> int:
        """64 secret bits for hash tables over what sources write, so that nobody can fill one place of them."""
        return int.from_bytes(self._derived("tables")[:8], "little")

    def month_key(self, time_s: int) -> bytes:
        """The key of ``record``'s digests at a time."""
        return self._derived(date.fromordinal(_EPOCH_DAY + time_s // DAY_S).strftime("%Y-%m"))

    def _month(self, time_s: int) -> blake2b:
        day = time_s // DAY_S
        hasher = self._months.get(day)
        if hasher is None:
            if len(self._months) >= DAYS_MAX:
                self._months.clear()
            hasher = self._months[day] = self._hasher(date.fromordinal(_EPOCH_DAY + day).strftime("%Y-%m"))
        return hasher

    def _hasher(self, period: str) -> blake2b:
        return blake2b(key=self._derived(period), digest_size=8)

    def _derived(self, period: str) -> bytes:
        return blake2b(period.encode(), key=self._key, digest_size=32).digest()
