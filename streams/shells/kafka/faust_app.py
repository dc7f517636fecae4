"""The Faust app of ``tocsin assess``: who in the group has which partition, and their records. What Faust would make on its own is off."""

from __future__ import annotations

import os
from typing import Any

import faust
import structlog
from faust.assignor.partition_assignor import PartitionAssignor
from faust.types.transports import TransportT

from streams.shells.kafka.clients import MESSAGE_BYTES_MAX, ssl_context
from streams.shells.kafka.committed import CommittedTransport
from streams.shells.kafka.deadline import STATUS
from streams.shells.kafka.settings import KafkaSettings

GROUP = "assess"
SESSION_S = 10.0
COMMIT_S = 1.0


log = structlog.get_logger()


class WholeAssignor(PartitionAssignor):
    """Gives out all partitions or ends the process. Faust's own leaves out a topic that the broker does not know yet; and a member that
    comes again under its name is given what it had without being asked, so that nobody would ever read it.
    """

    def assign(self, cluster: Any, member_metadata: Any) -> Any:
        wanted = {topic for member in member_metadata.values() for topic in member.subscription}
        unknown = sorted(topic for topic in wanted if not cluster.partitions_for_topic(topic))
        if unknown:
            log.error("topics_unknown", topics=unknown, remedy="ends itself; started again, it goes on")
            os._exit(STATUS)
        return super().assign(cluster, member_metadata)


class Assess(faust.App):
    """No folder of its own, and a consumer of committed records."""

    def _create_directories(self) -> None:
        """Nothing is kept in files."""

    def _new_transport(self) -> TransportT:
        return CommittedTransport(self.conf.broker_consumer, self)


def build(kafka: KafkaSettings, instance: str) -> Assess:
    """The app of one process. ``instance``: its name in the group, so that it has its partitions back at once after a kill."""
    hosts = [host.strip() for host in kafka.bootstrap.split(",")]
    return Assess(
        kafka.topic(GROUP),
        broker=";".join(f"kafka://{host}" for host in hosts),
        broker_credentials=_credentials(kafka),
        broker_client_id=f"tocsin-{GROUP}-{instance}",
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=SESSION_S / 4,
        broker_rebalance_timeout=60.0,
        broker_commit_interval=COMMIT_S,
        consumer_group_instance_id=f"{GROUP}-{instance}",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MESSAGE_BYTES_MAX,
        stream_wait_empty=False,  # what is being done is done again by who has the partition next: it does no harm
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        web_tables_enabled=False,
        store="memory://",
        autodiscover=False,
        PartitionAssignor=WholeAssignor,
    )


def _credentials(kafka: KafkaSettings) -> Any:
    given = kafka.file
    context = ssl_context(kafka) if given.security.endswith("ssl") else None
    if given.security.startswith("sasl"):
        return faust.SASLCredentials(
            username=given.username, password=kafka.password.reveal(), mechanism=given.sasl_mechanism.upper(), ssl_context=context
        )
    return faust.SSLCredentials(context) if context else None
