"""Where Kafka and ClickHouse are and how to be let in: by a YAML file, by the environment, by a flag; the later wins.

    kafka:
      bootstrap: broker-1:9093,broker-2:9093
      security: sasl_ssl
      sasl_mechanism: scram-sha-256
      username: tocsin
      password_file: /run/secrets/kafka
      ca_file: /etc/tocsin/ca.pem
    clickhouse:
      host: clickhouse-1
      secure: true

A password never stands in the file itself, and is never shown: it comes from a file of its own or from the environment
(``TOCSIN_KAFKA_PASSWORD``). Every other key can be given by the environment, too: ``TOCSIN_CLICKHOUSE_HOST``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from streams.shells.errors import ShellError
from streams.shells.receivers import SECTIONS
from streams.yaml_file import Problems, nearest, read_document, read_section

FILE_VARIABLE = "TOCSIN_DEPLOYMENT"
SECRET_BYTES_MAX = 4096

Section = TypeVar("Section", bound=Struct)


class DeploymentError(ShellError):
    """Settings that cannot be used; the message names place, value and remedy."""


class Secret:
    """A password: shows itself to ``reveal`` only."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The password."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "***" if self._text else "''"


class KafkaFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``kafka``. Files are PEM; ``prefix`` stands in front of every topic, group and transaction."""

    bootstrap: str = ""
    prefix: str = ""
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["plain", "scram-sha-256", "scram-sha-512"] = "scram-sha-512"
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    key_password_file: str = ""


class ClickHouseFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``clickhouse``."""

    host: str = "127.0.0.1"
    port: int = 9000
    database: str = "tocsin"
    username: str = "default"
    password_file: str = ""
    secure: bool = False
    ca_file: str = ""


class KafkaSettings(NamedTuple):
    """How to reach the broker."""

    file: KafkaFile
    password: Secret
    key_password: Secret

    @property
    def bootstrap(self) -> str:
        """``host:port``, several with commas."""
        return self.file.bootstrap

    def topic(self, name: str) -> str:
        """The full name of a topic, group or transaction."""
        return self.file.prefix + name


class ClickHouseSettings(NamedTuple):
    """How to reach the server."""

    file: ClickHouseFile
    password: Secret


class Deployment(NamedTuple):
    """Where things are."""

    kafka: KafkaSettings
    clickhouse: ClickHouseSettings


def load_deployment(path: Path | None, *, kafka: str = "", environ: Mapping[str, str]) -> Deployment:
    """Settings of a deployment. ``kafka`` wins over ``kafka.bootstrap`` of file and environment.

    Raises:
        DeploymentError: what is wrong with them.
    """
    named = environ.get(FILE_VARIABLE, "")
    path = path or (Path(named) if named else None)
    sections = _read(path) if path is not None else (KafkaFile(), ClickHouseFile())
    kafka_file = _overlaid(sections[0], "TOCSIN_KAFKA_", environ)
    clickhouse_file = _overlaid(sections[1], "TOCSIN_CLICKHOUSE_", environ)
    if kafka:
        kafka_file = msgspec.structs.replace(kafka_file, bootstrap=kafka)
    if not kafka_file.bootstrap:
        raise DeploymentError(
            "no Kafka to go to: give --kafka HOST:PORT, TOCSIN_KAFKA_BOOTSTRAP, or kafka.bootstrap in a file given by --deployment"
        )
    broker = KafkaSettings(
        kafka_file,
        _secret("TOCSIN_KAFKA_PASSWORD", kafka_file.password_file, environ),
        _secret("TOCSIN_KAFKA_KEY_PASSWORD", kafka_file.key_password_file, environ),
    )
    _check(broker)
    server = ClickHouseSettings(clickhouse_file, _secret("TOCSIN_CLICKHOUSE_PASSWORD", clickhouse_file.password_file, environ))
    return Deployment(broker, server)


def _read(path: Path) -> tuple[KafkaFile, ClickHouseFile]:
    problems = Problems()
    document = read_document(path, problems)
    sections: list[Any] = [None, None]
    if document.data is not None:
        for key in document.data:
            if key not in ("kafka", "clickhouse", *SECTIONS):
                document.refuse((key,), f"the key {key!r} is not known here; {nearest(str(key), ('kafka', 'clickhouse', *SECTIONS))}")
        sections = [
            read_section(document, KafkaFile, "kafka", absent=KafkaFile()),
            read_section(document, ClickHouseFile, "clickhouse", absent=ClickHouseFile()),
        ]
    if len(problems):
        raise DeploymentError("; ".join(problems.listed()))
    return sections[0], sections[1]


def _overlaid(section: Section, prefix: str, environ: Mapping[str, str]) -> Section:
    given = {}
    for field in msgspec.structs.fields(section):
        name = prefix + field.name.upper()
        text = environ.get(name, "")
        if text:
            try:
                given[field.name] = msgspec.convert(text, field.type, strict=False)
            except msgspec.ValidationError as error:
                raise DeploymentError(f"{name}: {text!r} cannot be used ({error}); see docs/operating.md, Kafka and ClickHouse") from None
    return msgspec.structs.replace(section, **given)


def _secret(variable: str, path: str, environ: Mapping[str, str]) -> Secret:
    given = environ.get(variable, "")
    if given or not path:
        return Secret(given)
    try:
        data = Path(path).read_bytes()
        text = data.decode()
    except OSError as error:
        raise DeploymentError(f"{path}: cannot be read ({error.strerror}); it should hold the password, or set {variable}") from None
    except UnicodeDecodeError:
        raise DeploymentError(f"{path}: is not UTF-8 text; it should hold the password, or set {variable}") from None
    if len(data) > SECRET_BYTES_MAX:
        raise DeploymentError(f"{path}: has {len(data)} bytes; it should hold a password and nothing else")
    return Secret(text.strip())


def _check(kafka: KafkaSettings) -> None:
    given = kafka.file
    for host in given.bootstrap.split(","):
        name, colon, port = host.strip().rpartition(":")
        if not (name and colon and port.isdigit() and 0 < int(port) < 65536):
            raise DeploymentError(f"kafka.bootstrap: {host!r} is not HOST:PORT; write 127.0.0.1:9092, several with commas")
    if any(not ((c.isascii() and c.isalnum()) or c in "._-") for c in given.prefix) or len(given.prefix) > 100:
        raise DeploymentError(f"kafka.prefix: {given.prefix[:100]!r} has more than letters, digits, '.', '_' and '-'; choose others")
    sasl = given.security.startswith("sasl")
    if sasl and not (given.username and kafka.password):
        raise DeploymentError(
            "kafka.security asks for a username and a password: set kafka.username and kafka.password_file, or TOCSIN_KAFKA_PASSWORD"
        )
    if given.cert_file and not given.key_file:
        raise DeploymentError("kafka.cert_file: a certificate needs its key; set kafka.key_file")
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(given, name)
        if path and not Path(path).is_file():
            raise DeploymentError(f"kafka.{name}: there is no file {path}; give the path of a PEM file")
