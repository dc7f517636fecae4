"""A broker and a ClickHouse server for all tests of this folder: started once, each test under names of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from load_tests.services.children import Place
from load_tests.services.clickhouse import ClickHouse
from load_tests.services.kafka import Kafka

_numbers = count(1)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with ClickHouse(tmp_path_factory.mktemp("clickhouse"), user="tocsin", password="only-a-test") as server:
        yield server


@pytest.fixture
def place(kafka: Kafka, tmp_path: Path) -> Place:
    number = next(_numbers)
    return Place({"TOCSIN_KAFKA_BOOTSTRAP": kafka.bootstrap, "TOCSIN_KAFKA_PREFIX": f"t{number}."}, tmp_path)


@pytest.fixture
def place_with_tables(place: Place, clickhouse: ClickHouse) -> Place:
    prefix = place.environ["TOCSIN_KAFKA_PREFIX"]
    place.environ.update(clickhouse.environ(f"test_{prefix.rstrip('.')}"))
    return place
