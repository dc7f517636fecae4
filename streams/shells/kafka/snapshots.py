"""Snapshots of score and decide in the topic ``snapshots``: one partition for each of the counts journal, the last one for decide.

A snapshot is chunks, then a manifest that names them; without its manifest it is not there. The newest stands in one of two slots
by turns, so that writing one does not touch the one before; the first of each day stands in a slot of that day and stays as
long as the journals do. The topic is compacted by key: slot and number of the chunk, or the slot alone for the manifest.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from hashlib import blake2b

import msgspec
from confluent_kafka import KafkaException, Message, Producer
from msgspec import Struct

from streams.model import DAY_S, Command
from streams.shells.errors import ShellError
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.reading import Reading
from streams.shells.kafka.settings import KafkaSettings

TOPIC = "snapshots"
DECIDE = -1
"""Stands for decide where a partition of the counts journal is asked for."""
VERSION = 1
CHUNK_BYTES = 512 << 10
TAIL_RECORDS = 64
WRITE_S = 60.0


class SnapshotError(ShellError):
    """A snapshot could not be written, or was written by another release."""

    status = 1


class Snapshot(Struct, frozen=True):
    """State of the machine that reads a partition, before it takes the record at ``position``."""

    position: int
    taken_s: int
    configure: Command
    state: bytes


class Manifest(Struct, frozen=True):
    """What belongs to a snapshot. ``digest``: of its packed bytes; ``stamp``: what its chunks begin with."""

    version: int
    stamp: str
    chunks: int
    digest: str
    position: int
    taken_s: int


# Made here, by one thread: two lanes take up their partitions at the same time.
_snapshots = msgspec.msgpack.Decoder(Snapshot)
_manifests = msgspec.json.Decoder(Manifest)


class Writer:
    """Writes the snapshots of one partition; each call returns once the broker has acknowledged all of it."""

    def __init__(self, kafka: KafkaSettings, partition: int, last: Manifest | None, *, keep_every_s: int = DAY_S) -> None:
        """``partition``: of the topic; ``last``: the manifest that its state was loaded from. A snapshot of each ``keep_every_s`` is kept."""
        self._topic, self._partition, self._keep_every_s = kafka.topic(TOPIC), partition, keep_every_s
        self._producer = Producer(producer_settings(kafka, message_timeout_ms=int(WRITE_S * 1000)))
        self._turn = 0
        self._kept = last.taken_s // keep_every_s if last else -1

    def write(self, snapshot: Snapshot) -> None:
        """Write it.

        Raises:
            SnapshotError: the broker did not take all of it; the one before stands.
        """
        span = snapshot.taken_s // self._keep_every_s
        slot = f"kept-{span}" if span != self._kept else f"newest-{self._turn}"
        failed: list[str] = []
        for key, value in _records(slot, snapshot):
            self._send(key, value, failed)
        if self._producer.flush(WRITE_S) or failed:
            raise SnapshotError(f"a snapshot of partition {self._partition} could not be written: {failed[0] if failed else 'no answer'}")
        if span != self._kept:
            self._kept = span
        else:
            self._turn = 1 - self._turn

    def _send(self, key: str, value: bytes, failed: list[str]) -> None:
        def told(error: object, _message: Message) -> None:
            if error is not None:
                failed.append(str(error))

        while True:
            try:
                self._producer.produce(self._topic, value, key, partition=self._partition, on_delivery=told)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise SnapshotError(f"a snapshot of partition {self._partition} could not be written: {error.args[0].str()}") from None
            else:
                self._producer.poll(0)
                return


def topic_partition(partition: int, partitions: int) -> int:
    """Where the snapshots of a counts partition, or of ``DECIDE``, stand, for a journal of so many partitions."""
    return partitions if partition == DECIDE else partition


def load_newest(kafka: KafkaSettings, partition: int) -> tuple[Snapshot, Manifest] | None:
    """The newest whole snapshot in a partition of the topic, found from the end backwards.

    Raises:
        SnapshotError: it was written by another release.
        ReadError: no answer.
    """
    with Reading(kafka) as reading:
        low, high = reading.ends(TOPIC, partition)
        back = TAIL_RECORDS
        while high > low:
            start = max(low, high - back)
            found = _whole(reading, partition, start, high)
            if found is not None or start == low:
                return found
            back *= 4
    return None


def load_at(kafka: KafkaSettings, partition: int, at_s: int) -> Snapshot | None:
    """The newest whole snapshot that was taken before a time, by whole seconds.

    Raises:
        SnapshotError, ReadError: as for ``load_newest``.
    """
    with Reading(kafka) as reading:
        low, high = reading.ends(TOPIC, partition)
        found = _whole(reading, partition, low, high, until_s=at_s)
    return found[0] if found else None


def _records(slot: str, snapshot: Snapshot) -> Iterator[tuple[str, bytes]]:
    data = zlib.compress(msgspec.msgpack.encode(snapshot), 1)
    stamp = f"{snapshot.taken_s}.{snapshot.position}"
    pieces = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
    for number, piece in enumerate(pieces):
        yield f"{slot}/{number}", stamp.encode() + b"\n" + piece
    manifest = Manifest(VERSION, stamp, len(pieces), _digest(data), snapshot.position, snapshot.taken_s)
    yield slot, msgspec.json.encode(manifest)


def _whole(reading: Reading, partition: int, start: int, end: int, *, until_s: int | None = None) -> tuple[Snapshot, Manifest] | None:
    """The newest whole snapshot in a stretch; with ``until_s``: of those taken before."""
    pieces: dict[str, bytes] = {}
    best: tuple[Manifest, bytes] | None = None
    for batch in reading.read(TOPIC, partition, start, end=end):
        for message in batch:
            key, value = (message.key() or b"").decode(errors="replace"), message.value()
            if value is None:
                continue
            if "/" in key:
                pieces[key] = value
                continue
            manifest = _manifest(value, partition)
            if manifest is None:
                continue
            data = _joined(key, manifest, pieces)
            if (
                data is not None
                and (until_s is None or manifest.taken_s < until_s)
                and (best is None or manifest.position >= best[0].position)
            ):
                best = manifest, data
            for name in [name for name in pieces if name.startswith(f"{key}/")]:
                del pieces[name]
    return (_snapshots.decode(zlib.decompress(best[1])), best[0]) if best else None


def _manifest(value: bytes, partition: int) -> Manifest | None:
    """None for what is no manifest: an older snapshot serves as well.

    Raises:
        SnapshotError: it was written by another release.
    """
    try:
        manifest = _manifests.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if manifest.version != VERSION:
        raise SnapshotError(
            f"snapshots partition {partition}: written in version {manifest.version}; this release reads version {VERSION}:"
            " run the release that wrote it, or newer"
        )
    return manifest


def _joined(slot: str, manifest: Manifest, pieces: dict[str, bytes]) -> bytes | None:
    """The packed bytes of a snapshot; None when a chunk is missing or is another one's."""
    parts = []
    for number in range(manifest.chunks):
        stamp, _, piece = pieces.get(f"{slot}/{number}", b"").partition(b"\n")
        if stamp.decode() != manifest.stamp:
            return None
        parts.append(piece)
    data = b"".join(parts)
    return data if _digest(data) == manifest.digest else None


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
