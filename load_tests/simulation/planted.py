"""Five bugs that a pipeline like this has, each a switch of the simulation: what cannot see them proves nothing.

None of them is in the product. Each changes one piece of the shells for the time of a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import msgspec

from load_tests.simulation import processes
from load_tests.simulation.seams import here
from load_tests.simulation.town import DEDUPE_OFFSETS
from streams.core.bulk.intake import BulkIntake
from streams.core.raw_partition import Saved
from streams.shells.kafka import host, intake
from streams.shells.kafka.flush import Flush, Part
from streams.shells.kafka.host import Host, Voice
from streams.shells.kafka.snapshots import Snapshot, Writer

SHARED = "detector:rings.sums"
"""The array that an aliased snapshot shares with what goes on: what was seen over each duration."""


class OffsetsFirst(Flush):
    """A lost offset: how far it has read is committed by itself, before what it has read is written."""

    def write(self, parts: list[Part], group: Any) -> None:
        world = here()
        places = {(f"raw.{part.source}", part.partition): (part.mark.position, part.mark.text()) for part in parts}
        world.log.groups.commit(group.group, places)
        world.effect("offsets committed first")
        super().write(parts, group)


class TakesAgain(Host):
    """A double apply: a record that was taken before is not passed over."""

    def take(self, offset: int, data: bytes, generation: int | None = None) -> None:
        self.position = min(self.position, offset)
        super().take(offset, data, generation)


class Forgetful(BulkIntake):
    """A watermark that goes back: it is not taken up with the rest of what was saved."""

    def take_up(self, saved: Saved, digests: Any) -> None:
        super().take_up(msgspec.structs.replace(saved, watermark_s=0, newest_s=0), digests)


class Unheard(Voice):
    """A snapshot before its outputs: nobody waits until what was said is acknowledged."""

    def heard(self) -> bool:
        return True


class Shared(Writer):
    """An aliased snapshot: what is written is put off, and shares an array with a machine that goes on."""

    kept: Snapshot | None = None

    def write(self, snapshot: Snapshot) -> None:
        kept, self.kept = self.kept, snapshot
        if kept is not None:
            super().write(msgspec.structs.replace(kept, state=_arrays_of(kept.state, snapshot.state)))


def _arrays_of(state: bytes, later: bytes) -> bytes:
    """A state of score with one array of a later one; decide has no arrays."""
    old, new = msgspec.msgpack.decode(state), msgspec.msgpack.decode(later)
    if "hosts" not in old:
        return state
    old["hosts"] = [_shared(*both) for both in zip(old["hosts"], new["hosts"], strict=True)]
    return msgspec.msgpack.encode(old)


def _shared(state: bytes, later: bytes) -> bytes:
    old, new = msgspec.msgpack.decode(state), msgspec.msgpack.decode(later)
    for bank, live in zip(old["banks"], new["banks"], strict=True):
        bank[SHARED] = live[SHARED]
    return msgspec.msgpack.encode(old)


def remembers(city: Any, key: bytes, **how: Any) -> BulkIntake:
    """``Forgetful`` with as little memory as intake has in the simulation."""
    return Forgetful(city, key, dedupe_offsets=DEDUPE_OFFSETS, **how)


PLANTED: dict[str, tuple[Any, dict[str, Any]]] = {
    "lost_offset": (intake, {"Flush": OffsetsFirst}),
    "double_apply": (processes, {"Host": TakesAgain}),
    "watermark_back": (intake, {"BulkIntake": remembers}),
    "snapshot_before_outputs": (processes, {"Voice": Unheard}),
    "aliased_snapshot": (host, {"Writer": Shared}),
}
"""Name -> the module and what stands in it instead."""


@contextmanager
def plant(name: str) -> Iterator[None]:
    """Have this bug, or none for an empty name. Within ``staged``."""
    if not name:
        yield
        return
    module, names = PLANTED[name]
    with mock.patch.multiple(module, **names):
        yield
