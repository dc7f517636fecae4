"""The configuration in force, for processes that only read: it comes from the journals, never from a file of their own."""

from __future__ import annotations

from streams.core.configure import city_of
from streams.core.journal import CodecError, decode
from streams.model import Command
from streams.settings import City
from streams.shells.errors import ShellError
from streams.shells.kafka.reading import Reading
from streams.shells.kafka.settings import KafkaSettings
from streams.shells.kafka.snapshots import DECIDE, load_newest, topic_partition


class ConfigurationError(ShellError):
    """The journals hold no configuration that can be read; the message says what to do."""

    status = 1


def configured(kafka: KafkaSettings, partitions: int) -> City:
    """From decide's newest snapshot, else from the head of its journal. ``partitions``: of the counts journal.

    Raises:
        ConfigurationError: neither has one.
        SnapshotError, ReadError: as for ``load_newest``.
    """
    found = load_newest(kafka, topic_partition(DECIDE, partitions))
    command = found[0].configure if found is not None else _head(kafka)
    try:
        return city_of(command)
    except ValueError as error:
        raise ConfigurationError(
            f"the configuration in the journals cannot be read ({error}); run the release that wrote it, or newer"
        ) from None


def _head(kafka: KafkaSettings) -> Command:
    with Reading(kafka) as reading:
        low, high = reading.ends("findings", 0)
        first = next((batch[0] for batch in reading.read("findings", 0, low, end=high)), None)
    try:
        record = decode(first.value() or b"") if first is not None else None
    except CodecError as error:
        raise ConfigurationError(f"{kafka.topic('findings')}/0 at its head: {error}") from None
    if not isinstance(record, Command):
        raise ConfigurationError(
            f"{kafka.topic('findings')}/0 does not begin with its configuration any more, and there is no snapshot; run tocsin assess first"
        )
    return record
