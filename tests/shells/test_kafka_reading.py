from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.shells.kafka import reading
from streams.shells.kafka.reading import ReadError, Reading
from streams.shells.kafka.settings import load_deployment


class Starting:
    """A consumer of a broker that has just come up: it refuses a few times."""

    def __init__(self, code: int, times: int) -> None:
        self.code, self.left = code, times

    def list_topics(self, timeout: float) -> Any:
        return SimpleNamespace(topics={"p.findings": None})

    def get_watermark_offsets(self, at: object, timeout: float) -> tuple[int, int]:
        if self.left:
            self.left -= 1
            raise KafkaException(KafkaError(self.code))
        return 3, 7

    def poll(self, timeout: float) -> None:
        return None

    def close(self) -> None:
        return None


def ends(monkeypatch: pytest.MonkeyPatch, code: int, times: int) -> tuple[int, int]:
    monkeypatch.setattr(reading, "Consumer", lambda _: Starting(code, times))
    kafka = load_deployment(None, environ={"TOCSIN_KAFKA_BOOTSTRAP": "127.0.0.1:1", "TOCSIN_KAFKA_PREFIX": "p."}).kafka
    with Reading(kafka) as one:
        return one.ends("findings", 0)


def test_a_broker_that_does_not_know_yet_who_leads_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, KafkaError.NOT_LEADER_FOR_PARTITION, 3) == (3, 7)


def test_what_will_not_pass_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReadError, match=r"p\.findings"):
        ends(monkeypatch, KafkaError.TOPIC_AUTHORIZATION_FAILED, 1)


def test_it_is_not_waited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ANSWER_S", -1.0)
    with pytest.raises(ReadError):
        ends(monkeypatch, KafkaError.NOT_LEADER_FOR_PARTITION, 10**6)
