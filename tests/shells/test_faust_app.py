from __future__ import annotations

from typing import NamedTuple

import pytest
from faust.assignor.partition_assignor import PartitionAssignor

from streams.shells.kafka import faust_app
from streams.shells.kafka.faust_app import WholeAssignor, build
from streams.shells.kafka.settings import load_deployment


class Member(NamedTuple):
    subscription: list[str]


class Cluster:
    def __init__(self, **partitions: int) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._partitions[topic])) if topic in self._partitions else None


class EndedError(Exception):
    pass


def ended(status: int) -> None:
    raise EndedError(status)


MEMBERS = {"1": Member(["counts", "findings"])}


def test_a_leader_that_does_not_know_the_topics_ends_instead_of_giving_out_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faust_app.os, "_exit", ended)
    assignor = WholeAssignor.__new__(WholeAssignor)
    for cluster in (Cluster(), Cluster(counts=4)):
        with pytest.raises(EndedError, match="70"):
            assignor.assign(cluster, MEMBERS)


def test_what_it_knows_it_gives_out_as_before(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PartitionAssignor, "assign", lambda *_: "given")
    assert WholeAssignor.__new__(WholeAssignor).assign(Cluster(counts=4, findings=1), MEMBERS) == "given"


def test_the_worker_is_built_with_it():
    kafka = load_deployment(None, environ={"TOCSIN_KAFKA_BOOTSTRAP": "127.0.0.1:1"}).kafka
    assert build(kafka, "1").conf.PartitionAssignor is WholeAssignor
