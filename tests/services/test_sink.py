from __future__ import annotations

import itertools
import random
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import orjson
import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from load_tests.services.clickhouse import ClickHouse
from load_tests.services.kafka import Kafka
from sinks.checks import SECRET, START_S, scores
from streams.core.configure import configure_command
from streams.core.journal import encode
from streams.shells.kafka.clients import kafka_python
from streams.shells.kafka.topics import create
from tests.services.conftest import Place
from tests.services.pipeline import messages, until
from tests.services.sinking import PARTITIONS, answers, expected, of, offset_of, rows, say, sink, tables, until_equal
from tests.shells.small import small_city

pytestmark = [pytest.mark.needs("kafka"), pytest.mark.needs("clickhouse")]


@pytest.fixture
def topics(place_with_tables: Place) -> Place:
    create(small_city(), place_with_tables.deployment, state=place_with_tables.folder / "state", partitions=PARTITIONS)
    return place_with_tables


def test_records_of_the_topics_land_once(topics: Place, clickhouse: ClickHouse):
    with sink(topics) as child:
        say(topics, itertools.chain.from_iterable(of(number) for number in (*range(40), *range(30, 40))))  # the last ones said again
        until_equal(topics, clickhouse)
        say(topics, of(40))
        until_equal(topics, clickhouse)
        assert child.stop() == 0
    assert child.said("sink_away") == []
    assert len(rows(topics, clickhouse, "code FROM areas FINAL")) == len(small_city().areas)
    assert len(rows(topics, clickhouse, "id FROM commands FINAL")) == 41
    assert SECRET not in repr(tables(topics, clickhouse))
    assert rows(topics, clickhouse, "count() FROM v_cells WHERE n < 5 AND signal = 'noise'") == [(0,)]
    with sink(topics) as child:  # from what is committed: nothing is read again
        say(topics, of(41))
        until_equal(topics, clickhouse)
        assert child.stop() == 0


def test_whatever_is_killed_each_row_is_there_once(topics: Place, clickhouse: ClickHouse):
    # sink        [---x[------x[---)
    # ClickHouse  [------x [----x [---)
    rng, database = random.Random(11), topics.deployment.clickhouse.file.database
    numbers = iter(range(10_000))
    with sink(topics) as child:
        for _ in range(8):
            for number in itertools.islice(numbers, 25):
                say(topics, of(number))
                if number % 7 == 0:
                    say(topics, of(max(0, number - 3)))  # said again after a kill of the one who says
            before = len(rows(topics, clickhouse, "id FROM alerts FINAL"))
            until(lambda before=before: len(rows(topics, clickhouse, "id FROM alerts FINAL")) > before or rng.random() < 0.1, "some rows")
            if rng.random() < 0.5:
                child.kill()
                child.start()
            if rng.random() < 0.6:
                clickhouse.kill()
                say(topics, of(next(numbers)))
                time.sleep(rng.random())
                clickhouse.start()
        until_equal(topics, clickhouse)
        assert child.stop() == 0
    assert clickhouse.query(f"SELECT count() > 100 FROM {database}.transitions FINAL") == [(1,)]
    assert topics.deployment.clickhouse.password.reveal() not in child.log.read_text()


def test_clickhouse_may_be_away_at_the_start_and_for_a_while(topics: Place, clickhouse: ClickHouse):
    say(topics, itertools.chain.from_iterable(of(number) for number in range(5)))
    clickhouse.kill()
    try:
        with sink(topics) as child:
            until(lambda: child.said("sink_away"), "told that it is away")
            time.sleep(1.5)
            clickhouse.start()
            until_equal(topics, clickhouse)
            clickhouse.kill()
            say(topics, itertools.chain.from_iterable(of(number) for number in range(5, 10)))
            until(lambda: len(child.said("sink_away")) == 2, "told again")
            time.sleep(12)  # longer than a member of the group may be silent
            clickhouse.start()
            until_equal(topics, clickhouse)
            assert child.ended() is None
            assert child.stop() == 0
    finally:
        if not answers(clickhouse):
            clickhouse.start()
    told = [str(row["event"]) for row in map(orjson.loads, child.log.read_bytes().splitlines())]
    assert [event for event in told if event in {"sink_away", "sink_back"}] == ["sink_away", "sink_back"] * 2, "each once"
    last = len(told) - told[::-1].index("sink_away")
    assert told[last : last + 1] == ["sink_back"], "the partitions stayed with it meanwhile"
    (away, *_) = child.said("sink_away")
    assert f"127.0.0.1:{clickhouse.port} does not answer (Connection refused)" in str(away["reason"])
    assert "waiting" in str(away["remedy"])


def test_it_can_be_stopped_while_clickhouse_is_away(topics: Place):
    topics.environ["TOCSIN_CLICKHOUSE_PORT"] = "1"
    with sink(topics) as child:
        until(lambda: child.said("sink_away"), "told that it is away")
        assert child.stop() == 0


def test_a_wrong_password_ends_it_with_a_clear_message(topics: Place):
    topics.environ["TOCSIN_CLICKHOUSE_PASSWORD"] = "told-to-nobody"
    with sink(topics) as child:
        assert child.wait() == 1
    text = child.log.read_text()
    assert "code 193 WRONG_PASSWORD; correct the user, the password or what the user may do" in text
    assert "told-to-nobody" not in text
    assert "Traceback" not in text


def test_one_who_takes_a_name_over_ends_the_one_who_had_it(topics: Place, clickhouse: ClickHouse):
    with sink(topics, name="old") as old:
        say(topics, of(0))
        until_equal(topics, clickhouse)
        with sink(topics, name="new") as new:
            until(lambda: new.said("assigned"), "the new one has it")
            say(topics, of(1))
            until(lambda: old.ended() is not None, "the old one ends")
            assert old.ended() == 1
            assert "give each its own --instance" in old.log.read_text()
            until_equal(topics, clickhouse)


def test_two_share_the_partitions(topics: Place, clickhouse: ClickHouse):
    with sink(topics, "--instance", "1", name="one") as one, sink(topics, "--instance", "2", name="two") as two:
        until(lambda: one.said("assigned") and two.said("assigned"), "both have some")
        say(topics, itertools.chain.from_iterable(of(number) for number in range(20)))
        until_equal(topics, clickhouse)
        assert one.stop() == 0
        say(topics, of(20))
        until_equal(topics, clickhouse)
        assert two.stop() == 0


def test_nothing_is_lost_when_partitions_change_hands_while_records_wait(topics: Place, clickhouse: ClickHouse):
    """What one has read and could not write is read again, by whoever has the partition now."""
    clickhouse.kill()
    try:
        say(topics, itertools.chain.from_iterable(of(number) for number in range(30)))
        with sink(topics, "--instance", "1", name="one") as one:
            until(lambda: one.said("sink_away") and one.said("assigned"), "the first one holds records")
            time.sleep(2)
            with sink(topics, "--instance", "2", name="two") as two:
                until(lambda: two.said("assigned"), "the second one has some")
                time.sleep(2)
                clickhouse.start()
                until_equal(topics, clickhouse)
                say(topics, itertools.chain.from_iterable(of(number) for number in range(30, 40)))
                until_equal(topics, clickhouse)
                assert one.stop() == 0
                assert two.stop() == 0
    finally:
        if not answers(clickhouse):
            clickhouse.start()


def test_nothing_is_lost_when_somebody_joins_while_records_flow(topics: Place, clickhouse: ClickHouse):
    with sink(topics, "--instance", "1", name="one") as one:
        until(lambda: one.said("assigned"), "the first one has all")
        numbers = iter(range(1000))
        for name in ("two", "three"):
            with sink(topics, "--instance", name, name=name) as another:
                while not another.said("assigned"):
                    say(topics, of(next(numbers)))
                say(topics, of(next(numbers)))
        until_equal(topics, clickhouse)
        assert one.stop() == 0


@pytest.mark.parametrize("kind", ["unreadable", "refused"])
def test_a_record_of_another_release_ends_it_once_everything_before_is_written(topics: Place, clickhouse: ClickHouse, kind: str):
    bad = b"\x07nothing of ours" if kind == "unreadable" else encode(msgspec.structs.replace(scores(START_S), p=[0.5, float("inf")]))
    wanted: Sequence[tuple[str, int, bytes]] = [*of(0), *of(2), *of(4)]
    say(topics, wanted)
    until_there = expected(topics, clickhouse)
    say(topics, [("scores", 0, bad), *of(6)])
    at = offset_of(messages(topics, "scores", 0)[-2])
    with sink(topics) as child:
        assert child.wait() == 1
    assert tables(topics, clickhouse)["scores"] == until_there["scores"]
    text = child.log.read_text()
    topic = topics.deployment.kafka.topic("scores")
    assert f"{topic}/0 at {at}: " in text
    assert f"--topic {topic}:0 --reset-offsets --to-offset {at + 1} --execute" in text


@pytest.mark.alone
def test_alerts_do_not_wait_for_a_backlog_of_the_others(topics: Place, clickhouse: ClickHouse):
    """A million scores are waiting; an alert said meanwhile is in its table in a moment."""
    one, wide, many, rng = scores(START_S), 1000, 1000, random.Random(2)
    columns = {name: getattr(one, name)[:1] * wide for name in ("area", "signal", "duration_s", "recurrence_s", "risk")}
    kinds = [columns | {name: [rng.random() for _ in range(wide)] for name in ("observed", "expected", "p")} for _ in range(8)]
    backlog = (msgspec.structs.replace(one, window_end_s=60 * n, **kinds[n % 8]) for n in range(many))
    say(topics, (("scores", n % 2, encode(record)) for n, record in enumerate(backlog)))
    written = "uniqExact(window_end) FROM scores"
    took_s = []
    with sink(topics) as child:
        until(lambda: rows(topics, clickhouse, written) not in ([], [(0,)]), "it has begun")
        for number in range(3):
            began = time.monotonic()
            say(topics, of(number))
            until(lambda number=number: rows(topics, clickhouse, f"id FROM alerts WHERE id = 'b{number}'"), "the alert")
            ((windows,),) = rows(topics, clickhouse, written)
            if windows < many:
                took_s.append(time.monotonic() - began)
        until(lambda: rows(topics, clickhouse, written) == [(many + 3,)], "all scores")
        assert child.stop() == 0
    assert took_s, "the backlog was gone before the first alert"
    assert max(took_s) < 5.0


def test_the_broker_may_go_away_and_come_back(topics: Place, kafka: Kafka, clickhouse: ClickHouse):
    with sink(topics) as child:
        say(topics, of(0))
        until_equal(topics, clickhouse)
        kafka.kill()
        time.sleep(3)
        kafka.start()
        say(topics, itertools.chain.from_iterable(of(number) for number in range(1, 4)))
        until_equal(topics, clickhouse)
        assert child.stop() == 0


def test_records_that_were_deleted_before_they_were_read_are_told(topics: Place, clickhouse: ClickHouse):
    with sink(topics) as child:
        say(topics, of(0))
        until_equal(topics, clickhouse)
        assert child.stop() == 0
    say(topics, itertools.chain.from_iterable(of(number) for number in (2, 4)))
    admin = KafkaAdminClient(**kafka_python(topics.deployment.kafka))
    admin.delete_records({TopicPartition(topics.deployment.kafka.topic("scores"), 0): 2})
    admin.close()
    with sink(topics) as child:
        until(lambda: child.said("records_gone"), "told")
        until(lambda: rows(topics, clickhouse, "uniqExact(window_end) FROM scores") == [(2,)], "the rest is there")
        assert child.stop() == 0
    assert [(row["topic"], row["records"]) for row in child.said("records_gone")] == [(topics.deployment.kafka.topic("scores"), 1)]


def test_another_configuration_in_the_journal_changes_what_people_see(topics: Place, clickhouse: ClickHouse):
    city = small_city()
    area = msgspec.structs.replace(city.areas[1], code="d1a")  # a district from now on: its counts may be seen
    other = msgspec.structs.replace(city, areas=(*city.areas, area), config_version="other")
    command = encode(configure_command(other, id="configure-2", time_s=START_S, actor="tocsin"))
    known, shown = ("count() > 0 FROM cells WHERE area = 'd1a'", "count() > 0 FROM v_cells WHERE area = 'd1a'")
    with sink(topics) as child:
        say(topics, of(0))
        until(lambda: rows(topics, clickhouse, known) == [(1,)], "counted")
        assert rows(topics, clickhouse, shown) == [(0,)]
        say(topics, [("counts", partition, command) for partition in range(PARTITIONS)])
        until(lambda: rows(topics, clickhouse, shown) == [(1,)], "shown")
        assert child.stop() == 0


@contextmanager
def with_metrics(place: Place) -> Iterator[Callable[[], dict[str, float]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def read() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))}

    with sink(place, "--metrics-port", str(port)):
        until(lambda: answers_at(port), "metrics are served")
        yield read


def answers_at(port: int) -> bool:
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


def test_metrics_say_how_far_behind_it_is(topics: Place, clickhouse: ClickHouse):
    with with_metrics(topics) as read:
        say(topics, itertools.chain.from_iterable(of(number) for number in range(4)))
        until_equal(topics, clickhouse)
        until(lambda: read().get('tocsin_sink_behind_records{sink="clickhouse",topic="scores"}') == 0, "looked")
        until(lambda: sum(v for name, v in read().items() if "tocsin_sink_behind_" in name) == 0, "nothing is behind")
        assert read()['tocsin_sink_away{sink="clickhouse"}'] == 0
        assert read()['tocsin_sink_rows_total{sink="clickhouse"}'] > 20
        clickhouse.kill()
        try:
            say(topics, itertools.chain.from_iterable(of(number) for number in range(4, 6)))
            until(lambda: read()['tocsin_sink_away{sink="clickhouse"}'] == 1, "away")
            until(lambda: read()['tocsin_sink_behind_seconds{sink="clickhouse",topic="alerts"}'] > 1, "behind")
            assert read()['tocsin_sink_behind_records{sink="clickhouse",topic="alerts"}'] == 10
        finally:
            clickhouse.start()
        until_equal(topics, clickhouse)
        until(lambda: sum(v for name, v in read().items() if "tocsin_sink_behind_" in name) == 0, "nothing is behind")
