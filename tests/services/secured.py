"""A broker that asks who is there: TLS with a certificate made here, passwords by SCRAM, rights by ACL."""

from __future__ import annotations

import subprocess
from pathlib import Path

from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType

from load_tests.services.kafka import Kafka
from load_tests.services.process import free_ports

USER, PASSWORD = "tocsin", "tKs-9f3e-never-in-a-log"
READER, READER_PASSWORD = "reader", "rDr-77aa-never-in-a-log"
PREFIX = "safe."

_SETTINGS = """
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.client.auth=none
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false
"""
RIGHTS = {
    "topics": ("READ", "WRITE", "DESCRIBE", "CREATE", "DESCRIBE_CONFIGS"),
    "groups": ("READ", "DESCRIBE"),
    "transactional ids": ("WRITE", "DESCRIBE"),
}
_KINDS = {"topics": ResourceType.TOPIC, "groups": ResourceType.GROUP, "transactional ids": ResourceType.TRANSACTIONAL_ID}
_EXTENSIONS = "subjectAltName=IP:127.0.0.1"


class SecuredKafka(Kafka):
    """``secure``: its address for those who have a password; ``ca``: the certificate that it is known by."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.ca = folder / "ca.pem"
        _make_certificate(folder)
        (port,) = free_ports(1)
        self.secure = f"127.0.0.1:{port}"
        users = [f"SCRAM-SHA-512=[name={name},password={password}]" for name, password in ((USER, PASSWORD), (READER, READER_PASSWORD))]
        super().__init__(
            folder,
            extra=_SETTINGS.format(folder=folder),
            listeners=f",SASL_SSL://{self.secure}",
            format_flags=[word for user in users for word in ("--add-scram", user)],
        )

    def allow(self) -> None:
        """Give the user the rights that docs/operating.md names, and no others."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        made = admin.create_acls(
            [
                AclBinding(
                    _KINDS[kind], PREFIX, ResourcePatternType.PREFIXED, f"User:{USER}", "*", AclOperation[each], AclPermissionType.ALLOW
                )
                for kind, operations in RIGHTS.items()
                for each in operations
            ]
        )
        for future in made.values():
            future.result(10)


def _make_certificate(folder: Path) -> None:
    key, certificate = folder / "key.pem", folder / "ca.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", _EXTENSIONS, "-days", "2", "-nodes"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", str(key), "-out", str(certificate), *subject]
    subprocess.run(made, check=True, capture_output=True)
    (folder / "server.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
