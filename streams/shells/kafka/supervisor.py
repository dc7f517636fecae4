"""``tocsin up --kafka``: all processes of the Kafka shell on one machine, as children of this one."""

from __future__ import annotations

import signal
import sys
import threading

import structlog

from streams.settings import City
from streams.shells.children import Plan, keep_running
from streams.shells.cli_kafka import Together
from streams.shells.doors import Doors
from streams.shells.kafka.settings import Deployment
from streams.shells.kafka.topics import create

log = structlog.get_logger()


def run(city: City, deployment: Deployment, flags: Together) -> int:
    """Make the topics that are missing, then keep everything running until SIGTERM or SIGINT.

    Raises:
        LayoutError: the topics are not those of this city.
        ChildError: a process cannot be run like this.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    made = create(city, deployment, state=flags.state, partitions=flags.partitions, stop=stop)
    if stop.is_set():
        return 0
    stages = plans(flags)
    log.info("up", process="supervisor", topics_made=len(made), children=[plan.name for stage in stages for plan in stage])
    keep_running(stages, stop)
    log.info("down", process="supervisor")
    return 0


def plans(flags: Together) -> list[list[Plan]]:
    """The children, in the order in which they are started and ended: records flow from one stage to the next.

    What is secret in the deployment reaches them by the environment and by files.
    """
    broker = ["--kafka", flags.kafka] if flags.kafka else []
    broker += ["--deployment", str(flags.deployment)] if flags.deployment else []
    city = ["--city", flags.city, "--state", str(flags.state)]
    snapshots = ["--snapshot-every", str(flags.snapshot_every_s)]
    intakes = [_plan(f"intake-{n}", ["intake", *city, *broker, "--instance", str(n)]) for n in range(1, flags.intakes + 1)]
    assessors = [_plan(f"assess-{n}", ["assess", *broker, *snapshots, "--instance", str(n)]) for n in range(1, flags.assessors + 1)]
    sinks = [_plan("sink-clickhouse", ["sink", "clickhouse", *broker])] if flags.clickhouse else []
    doors = flags.doors
    given = {"--host": doors.host if doors.host != Doors().host else "", "--users": doors.users or "", "--public-name": doors.public_name}
    entry = [str(word) for flag, value in given.items() if value for word in (flag, value)]
    cockpit = _plan("cockpit", ["cockpit", *city, *broker, "--port", str(flags.port), *entry])
    return [intakes, assessors, sinks, [cockpit]]


def _plan(name: str, arguments: list[str]) -> Plan:
    return Plan(name, (sys.executable, "-m", "streams.shells.cli", *arguments))
