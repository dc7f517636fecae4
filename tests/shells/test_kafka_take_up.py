"""Intake takes up a raw partition, on the simulation's model of the log."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition

from load_tests.simulation import seams
from load_tests.simulation.run import Run
from streams.shells.kafka import intake


def test_who_stood_still_while_another_went_on_begins_anew_from_what_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    # between the two questions, how far it is and what is remembered, somebody else has written a flush
    asked = intake.Session._take_up
    lost: list[str] = []

    def stale(session: intake.Session, at: TopicPartition) -> TopicPartition:
        if at.offset > 1 and not lost:
            mark = intake.Mark.of(at.metadata)
            assert mark is not None
            try:
                return asked(session, TopicPartition(at.topic, at.partition, 1, mark._replace(position=1).text()))
            except intake.Lost as error:
                lost.append(str(error))
                raise
        return asked(session, at)

    monkeypatch.setattr(intake.Session, "_take_up", stale)
    with seams.staged():
        Run(3).run()
    assert lost and "another process has gone on" in lost[0]
