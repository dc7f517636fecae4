"""Messages of librdkafka as blocks of raw records, one for each raw partition; nothing is done message by message that one call can do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message
from numpy.typing import NDArray

from streams.core.bulk.intake import Block
from streams.core.decode import Headers
from streams.shells.errors import ShellError


class ClockError(ShellError):
    """Records without the log's own time cannot be judged; the message says what to do."""

    status = 1


def blocks(messages: Sequence[Message]) -> dict[tuple[str, int], Block]:
    """By topic and partition, in the order they came; ``messages`` bear no errors.

    Raises:
        ClockError: a topic's records have times of the producer's.
    """
    if not messages:
        return {}
    kind = type(messages[0])  # a method of the class is called faster than one of each object
    topics = list(map(kind.topic, messages))
    partitions = np.fromiter(map(kind.partition, messages), np.int32, len(messages))
    found = {}
    for topic in dict.fromkeys(topics):
        of_topic = np.ones(len(messages), np.bool_)
        if topics.count(topic) < len(topics):
            of_topic = np.fromiter((name == topic for name in topics), np.bool_, len(topics))
        for partition in np.unique(partitions[of_topic]).tolist():
            chosen = np.flatnonzero(of_topic & (partitions == partition))
            own = messages if len(chosen) == len(messages) else [messages[i] for i in chosen.tolist()]
            found[str(topic), int(partition)] = _block(str(topic), own)
    return found


def _block(topic: str, messages: Sequence[Message]) -> Block:
    n, kind = len(messages), type(messages[0])
    times: NDArray[np.int64] = np.fromiter(chain.from_iterable(map(kind.timestamp, messages)), np.int64, 2 * n).reshape(n, 2)
    if bool((times[:, 0] != TIMESTAMP_LOG_APPEND_TIME).any()):
        raise ClockError(f"topic {topic}: its records do not bear the log's time; tocsin topics check says what to change")
    payloads: list[Any] = list(map(kind.value, messages))
    if payloads.count(None):
        payloads = [payload or b"" for payload in payloads]
    offset = np.fromiter(map(kind.offset, messages), np.int64, n)
    return Block(offset, times[:, 1] // 1000, payloads, _headers(messages))


def _headers(messages: Sequence[Message]) -> dict[int, Headers]:
    given: list[Any] = list(map(type(messages[0]).headers, messages))
    if given.count(None) == len(given):
        return {}
    return {
        i: tuple((name, value if isinstance(value, bytes) else b"") for name, value in headers)
        for i, headers in enumerate(given)
        if headers
    }
