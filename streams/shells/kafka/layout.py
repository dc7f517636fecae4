"""The layout: which district belongs to which partition, and what the journals of a city were begun with. One record of one topic."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from streams.settings import City
from streams.shells.errors import ShellError
from streams.shells.kafka.reading import Reading
from streams.shells.kafka.settings import KafkaSettings

TOPIC = "layout"
KEY = b"layout"


class LayoutError(ShellError):
    """The topics were made for something else; the message says what to do."""


class UnseenError(LayoutError):
    """There is no layout to be seen: not yet, or not by this user."""

    status = 1


class Layout(Struct, frozen=True):
    """``table``: shard → partition of counts; ``raws``: raw partition → partition of intake-state. Both stay as they are for good."""

    city: str
    configuration: str
    intake: str
    key: str
    table: dict[str, int]
    raws: dict[str, int]

    @property
    def partitions(self) -> int:
        """Of the counts journal that host a shard."""
        return max(self.table.values()) + 1

    def hosted(self, partition: int) -> list[str]:
        """Shards of a partition."""
        return [shard for shard, at in self.table.items() if at == partition]


def encode_layout(layout: Layout) -> bytes:
    """JSON, for people who look into the topic."""
    return msgspec.json.encode(layout, order="sorted")


def decode_layout(data: bytes) -> Layout:
    """Back from JSON.

    Raises:
        LayoutError: it is none.
    """
    try:
        return msgspec.json.decode(data, type=Layout)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise LayoutError("the layout record cannot be read; was it written by another release?") from None


def read_layout(kafka: KafkaSettings) -> Layout:
    """The layout of a city's topics.

    Raises:
        LayoutError: there is none.
    """
    found = find_layout(kafka)
    if found is None:
        raise UnseenError(
            f"{kafka.bootstrap}: no layout to be seen in the topic {kafka.topic(TOPIC)!r}; run tocsin topics create first, or give this user the right to read it"
        )
    return found


def find_layout(kafka: KafkaSettings) -> Layout | None:
    """The layout, or None where none was written yet.

    Raises:
        ReadError: the broker does not answer.
    """
    newest: bytes | None = None
    with Reading(kafka) as reading:
        for batch in reading.read(TOPIC, 0):
            newest = next((message.value() for message in reversed(batch) if message.key() == KEY), newest)
    return decode_layout(newest) if newest else None


def check_city(layout: Layout, city: City, key_name: str) -> None:
    """Refuse to go on with other settings or another key than the journals were begun with.

    Raises:
        LayoutError: what differs, and what to do.
    """
    for what, was, now in (
        ("city", layout.city, city.name),
        ("configuration", layout.configuration, city.config_version),
        ("configuration of intake", layout.intake, city.intake_hash),
        ("digest key", layout.key, key_name),
    ):
        if was != now:
            raise LayoutError(
                f"the topics were begun with {what} {was!r}, this process has {now!r};"
                " start it as before, or choose another kafka.prefix for new journals"
            )
