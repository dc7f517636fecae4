"""A ClickHouse server in a folder."""

from __future__ import annotations

import hashlib
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from xml.sax.saxutils import escape

from clickhouse_driver import Client
from clickhouse_driver.errors import Error

from load_tests.services.process import Service, ServiceError, free_ports

REMEDY = "apt-get install clickhouse-server"

_SERVER = """<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http}</http_port>
  <tcp_port>{tcp}</tcp_port>
  <interserver_http_port>{inter}</interserver_http_port>
  <path>{folder}/data/</path>
  <tmp_path>{folder}/tmp/</tmp_path>
  <format_schema_path>{folder}/schemas/</format_schema_path>
  <user_files_path>{folder}/files/</user_files_path>
  <mark_cache_size>67108864</mark_cache_size>
  <users_config>{folder}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
</yandex>
"""
_USERS = """<?xml version="1.0"?>
<yandex>
  <profiles><default><max_memory_usage>2000000000</max_memory_usage></default></profiles>
  <quotas><default/></quotas>
  <users><{user}>
    <password_sha256_hex>{password}</password_sha256_hex>
    <networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile><quota>default</quota>
  </{user}></users>
</yandex>
"""


def program() -> str | None:
    """The server's program, if there is one."""
    return shutil.which("clickhouse-server") or shutil.which("clickhouse-server", path="/usr/sbin:/usr/bin")


def present() -> bool:
    """Whether a server can be started here."""
    return program() is not None


class ClickHouse:
    """A server for as long as the ``with`` block lasts; ``folder`` keeps its data from one start to the next."""

    def __init__(self, folder: Path, *, user: str = "default", password: str = "") -> None:
        """Raises ``ServiceError`` where the program is missing."""
        found = program()
        if found is None:
            raise ServiceError(f"no ClickHouse server here: {REMEDY}")
        self.folder, self.host, self.user, self.password = folder, "127.0.0.1", user, password
        self.port, http, inter = free_ports(3)
        for name in ("data", "tmp", "schemas", "files"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "config.xml").write_text(_SERVER.format(tcp=self.port, http=http, inter=inter, folder=folder))
        secret = hashlib.sha256(password.encode()).hexdigest()
        (folder / "users.xml").write_text(_USERS.format(user=escape(user), password=secret))
        command = [found, f"--config-file={folder}/config.xml"]
        self._service = Service("ClickHouse", command, folder / "clickhouse.log", self._answers)

    @property
    def pid(self) -> int:
        """Of the running server."""
        return self._service.pid

    def environ(self, database: str) -> dict[str, str]:
        """What a process needs to find it and to be let in."""
        return {
            "TOCSIN_CLICKHOUSE_HOST": self.host,
            "TOCSIN_CLICKHOUSE_PORT": str(self.port),
            "TOCSIN_CLICKHOUSE_USERNAME": self.user,
            "TOCSIN_CLICKHOUSE_PASSWORD": self.password,
            "TOCSIN_CLICKHOUSE_DATABASE": database,
        }

    def start(self) -> None:
        """Start, or start again on the same ports.

        Raises:
            ServiceError: it did not come up.
        """
        self._service.start()

    def stop(self) -> None:
        """End it in order."""
        self._service.stop()

    def kill(self) -> None:
        """End it at once."""
        self._service.kill()

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        """Rows of one statement."""
        client = self._client()
        try:
            return list(client.execute(sql, parameters))
        finally:
            client.disconnect()

    def columns(self, sql: str) -> list[Sequence[object]]:
        """The same by column; nothing at all for no rows."""
        client = self._client()
        try:
            return list(client.execute(sql, columnar=True))
        finally:
            client.disconnect()

    def disk(self, *, full: bool) -> None:
        """A full disk for the running server, or one with room again."""
        self._service.disk(full=full)

    def ended(self) -> int | None:
        """The status it ended with by itself; None while it runs."""
        return self._service.ended()

    def __enter__(self) -> ClickHouse:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _client(self) -> Client:
        return Client(self.host, port=self.port, user=self.user, password=self.password, connect_timeout=2, send_receive_timeout=30)

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), 0.2).close()  # the driver would log each refusal with a traceback
            return self.query("SELECT 1") == [(1,)]
        except (Error, OSError, EOFError):
            return False
