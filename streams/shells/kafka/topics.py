"""The topics of a city: made once, and held against what Tocsin needs of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import KafkaException, Producer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError

from streams.core.configure import configure_command
from streams.core.journal import encode
from streams.core.partitions import spread
from streams.core.shard import shards_of
from streams.model import DAY_S, HOUR_S
from streams.settings import City
from streams.shells.errors import ShellError
from streams.shells.kafka.clients import MESSAGE_BYTES_MAX, kafka_python, producer_settings, wait_for_broker
from streams.shells.kafka.layout import KEY, TOPIC, Layout, LayoutError, check_city, encode_layout, find_layout
from streams.shells.kafka.settings import Deployment, KafkaSettings
from streams.shells.keys import key_id, load_key

RAW_S = 72 * HOUR_S
JOURNAL_S = 90 * DAY_S
SCORES_S = 7 * DAY_S
ANSWER_S = 30.0


class TopicsError(ShellError):
    """The broker did not do what it was asked to, or does not answer; it may, later."""

    status = 1


class TopicSpec(NamedTuple):
    """What one topic must be. ``settings``: the broker's own names for them."""

    name: str
    partitions: int
    settings: dict[str, str]


def specs(city: City, partitions: int) -> list[TopicSpec]:
    """Every topic of a city whose counts journal has so many partitions; names without the prefix."""
    raws = [TopicSpec(f"raw.{name}", source.partitions, _deleted(RAW_S)) for name, source in sorted(city.sources.items())]
    # Time there is the event's, and what is compacted is small: segments are closed soon, so that the cleaner gets at them.
    compacted = {"cleanup.policy": "compact", "segment.bytes": str(64 << 20), "min.cleanable.dirty.ratio": "0.2"}
    return [
        *raws,
        TopicSpec(TOPIC, 1, compacted),
        TopicSpec("counts", partitions, _deleted(JOURNAL_S, wide=True)),
        TopicSpec("findings", 1, _deleted(JOURNAL_S, wide=True)),
        TopicSpec("snapshots", partitions + 1, compacted | {"cleanup.policy": "compact,delete", "retention.ms": str(JOURNAL_S * 1000)}),
        TopicSpec("intake-state", len(city.raws), compacted),
        TopicSpec("scores", partitions, _deleted(SCORES_S, wide=True)),
        TopicSpec("alerts", 1, _deleted(JOURNAL_S, wide=True)),
        TopicSpec("dead-letters", 1, _deleted(JOURNAL_S)),
    ]


def _deleted(age_s: int, *, wide: bool = False) -> dict[str, str]:
    settings = {"cleanup.policy": "delete", "retention.ms": str(age_s * 1000), "message.timestamp.type": "LogAppendTime"}
    return settings | ({"max.message.bytes": str(MESSAGE_BYTES_MAX)} if wide else {})


def create(
    city: City, deployment: Deployment, *, state: Path, partitions: int, replication: int = 1, stop: threading.Event | None = None
) -> list[str]:
    """Make what is missing; returns the names. Once, the layout and the configuration are written, all or nothing.

    ``stop`` ends the wait for a broker that is away, with nothing made.

    Raises:
        LayoutError: what is there was made for something else, or differs from what is needed.
        TopicsError: the broker does not answer, or does not let this user.
    """
    kafka = deployment.kafka
    if not wait_for_broker(kafka, stop):
        return []
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = key_id(load_key(state))
    layout = find_layout(kafka)
    if layout is not None:
        check_city(layout, city, name)
        partitions = layout.partitions
    elif partitions > len(shards_of(city)):
        partitions = len(shards_of(city))  # one more would host nothing
    admin = _admin(kafka)
    try:
        there = {topic["name"] for topic in admin.describe_topics()}
        missing = [spec for spec in specs(city, partitions) if kafka.topic(spec.name) not in there]
        if missing:
            admin.create_topics({kafka.topic(spec.name): _options(spec, replication) for spec in missing}, wait_for_metadata=True)
    except KafkaError as error:
        raise TopicsError(f"{kafka.bootstrap}: topics could not be made ({type(error).__name__}); may this user create them?") from None
    finally:
        admin.close()
    problems = _differences(kafka, specs(city, partitions))
    if problems:
        raise LayoutError("; ".join(problems))
    if layout is None:
        _begin(kafka, city, name, partitions)
    return [spec.name for spec in missing]


def check(city: City, deployment: Deployment, *, state: Path) -> list[str]:
    """Every difference from what is needed, each with its remedy; empty when all is well."""
    kafka = deployment.kafka
    wait_for_broker(kafka)
    layout = find_layout(kafka)
    if layout is None:
        return [f"topic {kafka.topic(TOPIC)}: no layout to be seen; run tocsin topics create, or give this user the right to read it"]
    problems = _differences(kafka, specs(city, layout.partitions))
    try:
        check_city(layout, city, key_id(load_key(state)))
    except LayoutError as error:
        problems.append(str(error))
    return problems


def source_partitions(city: City, kafka: KafkaSettings) -> list[str]:
    """Raw topics whose number of partitions is not the one of the city's settings."""
    return _differences(kafka, [spec for spec in specs(city, 1) if spec.name.startswith("raw.")])


def _options(spec: TopicSpec, replication: int) -> dict[str, Any]:
    return {"num_partitions": spec.partitions, "replication_factor": replication, "configs": spec.settings}


def _begin(kafka: KafkaSettings, city: City, key_name: str, partitions: int) -> None:
    """Write the layout, and the configuration as the first record of each journal."""
    layout = Layout(
        city.name,
        city.config_version,
        city.intake_hash,
        key_name,
        spread(shards_of(city), partitions),
        {raw: at for at, raw in enumerate(city.raws)},
    )
    command = encode(configure_command(city, id="configure-1", time_s=int(time.time()), actor="tocsin"))
    producer = Producer(producer_settings(kafka, transactional_id=kafka.topic("topics")))
    try:
        producer.init_transactions(ANSWER_S)
        producer.begin_transaction()
        for partition in range(partitions):
            producer.produce(kafka.topic("counts"), command, partition=partition)
        producer.produce(kafka.topic("findings"), command, partition=0)
        producer.produce(kafka.topic(TOPIC), encode_layout(layout), KEY, partition=0)
        producer.commit_transaction(ANSWER_S)
    except KafkaException as error:
        raise TopicsError(f"{kafka.bootstrap}: the layout could not be written ({error.args[0].str()}); try again") from None


def _differences(kafka: KafkaSettings, wanted: list[TopicSpec]) -> list[str]:
    admin = _admin(kafka)
    try:
        there = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
        names = [kafka.topic(spec.name) for spec in wanted if kafka.topic(spec.name) in there]
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        settings = admin.describe_configs(asked, config_filter="all").get("topic", {}) if asked else {}
    except KafkaError as error:
        raise TopicsError(f"{kafka.bootstrap}: topics cannot be looked at ({type(error).__name__}); may this user describe them?") from None
    finally:
        admin.close()
    return [text for spec in wanted for text in _faults(spec, kafka.topic(spec.name), there, settings)]


def _faults(spec: TopicSpec, name: str, there: dict[str, int], settings: dict[str, Any]) -> Iterator[str]:
    if name not in there:
        yield f"topic {name}: is missing; run tocsin topics create"
        return
    if there[name] != spec.partitions:
        yield (
            f"topic {name}: has {there[name]} partitions, needs {spec.partitions};"
            + (" set partitions of the source in the city's settings" if spec.name.startswith("raw.") else "")
            + " or make the topics anew under another kafka.prefix"
        )
    for key, value in spec.settings.items():
        found = str(settings.get(name, {}).get(key, {}).get("value"))
        if key == "max.message.bytes" and found.isdigit() and int(found) >= int(value):
            continue
        if key == "retention.ms" and not spec.name.startswith("raw.") and found.lstrip("-").isdigit() and int(found) != 0:
            continue  # how long a journal is kept is the operator's choice; raw records are not kept longer than 72 h
        if key in ("cleanup.policy", "message.timestamp.type", "max.message.bytes", "retention.ms") and found != value:
            if key == "retention.ms" and 0 < int(found) < int(value):
                continue
            yield f"topic {name}: {key} is {found}, needs {value}; kafka-configs --alter --topic {name} --add-config {key}={value}"


def _admin(kafka: KafkaSettings) -> KafkaAdminClient:
    try:
        return KafkaAdminClient(**kafka_python(kafka, request_timeout_ms=int(ANSWER_S * 1000)))
    except KafkaError as error:
        raise TopicsError(f"{kafka.bootstrap}: no answer ({type(error).__name__}); is the broker there?") from None
