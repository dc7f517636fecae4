"""The clock of shards: how far time has come in each raw partition, and where it went on without a word from it.

All of it is known per raw partition, so it does not matter how they interleave, nor how their records were cut.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from streams.model import Span

JUMPS_MAX = 1024
"""Stretches that a raw partition was declared idle over, kept until the shards have closed them; beyond it the oldest is forgotten."""


class Jump(Struct, array_like=True):
    """An idle partition was moved from one watermark to another, its newest event being of ``newest_s``."""

    from_s: int
    to_s: int
    newest_s: int


class Hand(Struct, array_like=True):
    """One raw partition."""

    source: str
    watermark_s: int = 0
    newest_s: int = 0
    jumps: list[Jump] = []

    def silent(self, end_s: int, for_s: int) -> bool:
        """Whether it had said nothing for so long when its time came to ``end_s``. One that time did not wait for: by what it has said by now."""
        if self.watermark_s < end_s:
            return self.newest_s < end_s - for_s
        return any(jump.from_s < end_s <= jump.to_s and jump.newest_s < end_s - for_s for jump in self.jumps)


class Clock(Struct, array_like=True):
    """All raw partitions heard of, and the watermark that time began with: ``since_s``, 0 while there was no event."""

    since_s: int = 0
    hands: dict[str, Hand] = {}

    def take(self, span: Span) -> None:
        """Move on with a record's span. One that held only what could not be read has not said how far time has come."""
        hand = self.hands.setdefault(span.raw, Hand(span.source))
        if span.since_s:
            self.since_s = min(self.since_s or span.since_s, span.since_s)
        hand.newest_s = max(hand.newest_s, span.newest_s)
        if span.watermark_s <= hand.watermark_s:
            return
        if span.idle:
            last = hand.jumps[-1] if hand.jumps else None
            if last is not None and (last.to_s, last.newest_s) == (hand.watermark_s, span.newest_s):
                last.to_s = span.watermark_s
            else:
                hand.jumps = [*hand.jumps, Jump(hand.watermark_s, span.watermark_s, span.newest_s)][-JUMPS_MAX:]
        hand.watermark_s = span.watermark_s

    def reached_s(self, raws: Collection[str]) -> int:
        """The least watermark of these raw partitions, or of all heard of if none is named; 0 when one of them has not said any."""
        return min((self.hands[raw].watermark_s if raw in self.hands else 0 for raw in raws or self.hands), default=0)

    def silent(self, end_s: int, for_s: int) -> set[str]:
        """Sources none of whose raw partitions had said anything for so long when a window ended."""
        said = {hand.source for hand in self.hands.values() if not hand.silent(end_s, for_s)}
        return {hand.source for hand in self.hands.values()} - said

    def passed(self, end_s: int) -> None:
        """A window was closed: jumps that end with it or before are not asked for any more."""
        for hand in self.hands.values():
            if hand.jumps and hand.jumps[0].to_s <= end_s:
                hand.jumps = [jump for jump in hand.jumps if jump.to_s > end_s]
