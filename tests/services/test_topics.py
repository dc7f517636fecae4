from __future__ import annotations

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from streams.core.journal import decode
from streams.model import Command
from streams.shells.kafka.clients import consumer_settings, kafka_python
from streams.shells.kafka.layout import LayoutError, read_layout
from streams.shells.kafka.topics import check, create, specs
from tests.services.conftest import Place
from tests.shells.small import small_city

pytestmark = pytest.mark.needs("kafka")


def records(place: Place, topic: str, partition: int) -> list[bytes]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(consumer_settings(place.deployment.kafka, "look"))
    consumer.assign([TopicPartition(place.deployment.kafka.topic(topic), partition, 0)])
    messages = consumer.consume(1000, 5)
    consumer.close()
    return [m.value() for m in messages if m.error() is None]


def test_topics_are_made_once_and_are_as_they_should_be(place: Place):
    city = small_city()
    made = create(city, place.deployment, state=place.folder, partitions=3)
    assert made == [spec.name for spec in specs(city, 3)]
    assert check(city, place.deployment, state=place.folder) == []
    assert create(city, place.deployment, state=place.folder, partitions=7) == []  # the layout stands: the flag says nothing any more
    layout = read_layout(place.deployment.kafka)
    assert layout.table == {"C": 0, "A1": 1, "A2": 2, "A3": 0}
    assert layout.raws == {"raw.app/0": 0, "raw.hotline/0": 1}
    for topic, partitions in (("counts", 3), ("findings", 1)):
        for partition in range(partitions):
            (first,) = records(place, topic, partition)
            command = decode(first)
            assert isinstance(command, Command)
            assert command.kind == "configure"


def test_a_process_with_other_settings_or_another_key_is_refused(place: Place):
    create(small_city(), place.deployment, state=place.folder, partitions=1)
    with pytest.raises(LayoutError, match="begun with configuration"):
        create(small_city(("hotline",)), place.deployment, state=place.folder, partitions=1)
    with pytest.raises(LayoutError, match="begun with digest key"):
        create(small_city(), place.deployment, state=place.folder / "other", partitions=1)


def test_every_difference_is_named_with_its_remedy(place: Place):
    city, kafka = small_city(), place.deployment.kafka
    assert "run tocsin topics create" in check(city, place.deployment, state=place.folder)[0]
    create(city, place.deployment, state=place.folder, partitions=2)
    admin = KafkaAdminClient(**kafka_python(kafka))
    topic = ConfigResourceType.TOPIC
    admin.alter_configs(
        [
            ConfigResource(topic, kafka.topic("raw.hotline"), {"retention.ms": "-1"}),
            ConfigResource(topic, kafka.topic("raw.app"), {"message.timestamp.type": "CreateTime"}),
            ConfigResource(topic, kafka.topic("snapshots"), {"cleanup.policy": "delete"}),
            ConfigResource(topic, kafka.topic("counts"), {"max.message.bytes": "1000"}),
            ConfigResource(topic, kafka.topic("findings"), {"retention.ms": "-1"}),  # kept for ever: the operator's choice
        ]
    )
    admin.create_partitions({kafka.topic("alerts"): 2})
    admin.delete_topics([kafka.topic("dead-letters")])
    admin.close()
    told = "\n".join(check(city, place.deployment, state=place.folder))
    for words in (
        "raw.hotline: retention.ms is -1, needs 259200000",
        "raw.app: message.timestamp.type is CreateTime, needs LogAppendTime",
        "snapshots: cleanup.policy is delete, needs compact",
        "counts: max.message.bytes is 1000",
        "alerts: has 2 partitions, needs 1",
        "dead-letters: is missing; run tocsin topics create",
    ):
        assert words in told
    assert told.count("\n") == 5
