"""One deployment's settings as each client library wants them, and how to wait for the broker."""

from __future__ import annotations

import logging
import ssl
import threading
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streams.shells.kafka.settings import ClickHouseSettings, KafkaSettings

log = structlog.get_logger()

BACKOFF_S = (0.2, 5.0)
REMIND_S = 30.0
ANSWER_S = 5.0
MESSAGE_BYTES_MAX = 8 << 20
PARTITION_EOF = -191
"""librdkafka's code for the end of a partition; its Python name is private."""


def confluent(kafka: KafkaSettings, **more: object) -> dict[str, Any]:
    """Settings of librdkafka; in ``more`` an underscore stands for a point."""
    given = kafka.file
    made: dict[str, Any] = {
        "bootstrap.servers": kafka.bootstrap,
        "security.protocol": given.security,
        "client.id": "tocsin",
        "logger": logging.getLogger("librdkafka"),
        "reconnect.backoff.max.ms": 2000,
        "broker.address.family": "v4" if kafka.bootstrap.startswith("127.") else "any",
    }
    if given.security.startswith("sasl"):
        made |= {
            "sasl.mechanism": given.sasl_mechanism.upper(),
            "sasl.username": given.username,
            "sasl.password": kafka.password.reveal(),
        }
    files = {"ssl.ca.location": given.ca_file, "ssl.certificate.location": given.cert_file, "ssl.key.location": given.key_file}
    made |= {name: path for name, path in files.items() if path}
    if kafka.key_password:
        made["ssl.key.password"] = kafka.key_password.reveal()
    return made | {name.replace("_", "."): value for name, value in more.items()}


def consumer_settings(kafka: KafkaSettings, group: str, **more: object) -> dict[str, Any]:
    """Settings of a librdkafka consumer of committed records that commits nothing by itself."""
    return confluent(
        kafka,
        group_id=kafka.topic(group),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_partition_eof=True,
        fetch_queue_backoff_ms=5,
        fetch_wait_max_ms=100,
        fetch_message_max_bytes=MESSAGE_BYTES_MAX,
        **more,
    )


def producer_settings(kafka: KafkaSettings, **more: object) -> dict[str, Any]:
    """Settings of a librdkafka producer that neither loses nor doubles nor reorders."""
    usual = {"enable_idempotence": True, "acks": "all", "compression_type": "gzip", "message_max_bytes": MESSAGE_BYTES_MAX, "linger_ms": 2}
    return confluent(kafka, **usual | more)


def kafka_python(kafka: KafkaSettings, **more: object) -> dict[str, Any]:
    """Arguments of kafka-python's clients."""
    given = kafka.file
    made: dict[str, Any] = {
        "bootstrap_servers": [host.strip() for host in kafka.bootstrap.split(",")],
        "client_id": "tocsin",
        "security_protocol": given.security.upper(),
    }
    if given.security.startswith("sasl"):
        made |= {
            "sasl_mechanism": given.sasl_mechanism.upper(),
            "sasl_plain_username": given.username,
            "sasl_plain_password": kafka.password.reveal(),
        }
    if given.security.endswith("ssl"):
        made["ssl_context"] = ssl_context(kafka)
    return made | more


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """For the clients that use Python's own TLS."""
    given = kafka.file
    context = ssl.create_default_context(cafile=given.ca_file or None)
    if given.cert_file:
        context.load_cert_chain(given.cert_file, given.key_file, kafka.key_password.reveal() or None)
    return context


def clickhouse_driver(clickhouse: ClickHouseSettings, **more: object) -> dict[str, Any]:
    """Arguments of clickhouse-driver's client, the database left out: it may have to be made."""
    given = clickhouse.file
    made: dict[str, Any] = {
        "host": given.host,
        "port": given.port,
        "user": given.username,
        "password": clickhouse.password.reveal(),
        "secure": given.secure,
        "client_name": "tocsin",
    }
    if given.ca_file:
        made["ca_certs"] = given.ca_file
    return made | more


def wait_for_broker(kafka: KafkaSettings, stop: threading.Event | None = None) -> bool:
    """Wait until the broker answers, for as long as it takes; False when ``stop`` came first."""
    stop = stop or threading.Event()
    told: list[KafkaError] = []  # why a connection failed is said here only
    client = AdminClient(confluent(kafka) | {"error_cb": told.append})
    waited_s, backoff_s, told_s = 0.0, BACKOFF_S[0], -REMIND_S
    while not stop.is_set():
        try:
            client.list_topics(timeout=ANSWER_S)
        except KafkaException as error:
            client.poll(0)
            if waited_s - told_s >= REMIND_S:
                told_s = waited_s
                _tell_away(kafka, [*told, error.args[0]])
            told.clear()
            stop.wait(backoff_s)
            waited_s, backoff_s = waited_s + backoff_s + ANSWER_S, min(2 * backoff_s, BACKOFF_S[1])
            continue
        if told_s >= 0:
            log.info("broker_back", address=kafka.bootstrap)
        return True
    return False


def _tell_away(kafka: KafkaSettings, errors: list[KafkaError]) -> None:
    remedies = {
        KafkaError._AUTHENTICATION: "may this user log in? look at kafka.username, the password and kafka.sasl_mechanism; waiting",  # noqa: SLF001 - librdkafka's own code
        KafkaError._SSL: "look at kafka.ca_file and kafka.security, and at the broker's certificate; waiting",  # noqa: SLF001
    }
    error = next((error for error in errors if error.code() in remedies), errors[-1])
    remedy = remedies.get(error.code(), "start it, or correct the address; waiting")
    log.warning("broker_away", address=kafka.bootstrap, reason=error.name(), remedy=remedy)
