"""The commands of the Kafka shell: each reads flags and hands over to one process of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from streams.shells.doors import Doors
from streams.shells.flags import CityName, HostFlag, Json, PublicName, UsersFlag, city_of_name, echo_json

Broker = Annotated[str, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap address; wins over file and environment.")]
DeploymentFile = Annotated[
    Path | None,
    typer.Option(
        "--deployment", help="YAML file with the sections kafka, clickhouse, webhooks, alertmanager; else TOCSIN_DEPLOYMENT names it."
    ),
]
Instance = Annotated[str, typer.Option(help="Name of this one among its like; the same again after a restart.")]
MetricsPort = Annotated[int, typer.Option(min=0, max=65535, help="Serve /metrics on 127.0.0.1 at this port; 0: not at all.")]
StateFolder = Annotated[Path, typer.Option(help="Folder of the digest key and the token; made at first use, the same for all instances.")]

topics_app = typer.Typer(no_args_is_help=True, help="The topics of a city in Kafka.", rich_markup_mode=None)
sink_app = typer.Typer(no_args_is_help=True, help="Writes the journals to where people read them.", rich_markup_mode=None)


class Together(NamedTuple):
    """Flags of ``tocsin up --kafka``."""

    city: str
    state: Path
    kafka: str
    deployment: Path | None
    port: int
    clickhouse: bool
    snapshot_every_s: int
    intakes: int
    assessors: int
    partitions: int
    doors: Doors = Doors()


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(topics_app, name="topics")
    app.add_typer(sink_app, name="sink")
    app.command("intake", epilog="Example: tocsin intake --city hangzhou --state /var/lib/tocsin --kafka 127.0.0.1:9092")(intake)
    app.command("assess", epilog="Example: tocsin assess --kafka 127.0.0.1:9092 --instance 1")(assess)
    app.command("cockpit", epilog="Example: tocsin cockpit --city hangzhou --state /var/lib/tocsin --kafka 127.0.0.1:9092")(cockpit)


@topics_app.command(
    "create", epilog="Example: tocsin topics create --city hangzhou --state /var/lib/tocsin --kafka 127.0.0.1:9092 --partitions 4"
)
def topics_create(
    city: CityName,
    state: StateFolder,
    kafka: Broker = "",
    deployment: DeploymentFile = None,
    partitions: Annotated[int, typer.Option(min=1, max=1024, help="Of the counts journal; stays as it is for good.")] = 4,
    replication: Annotated[int, typer.Option(min=1, max=16, help="Replicas of every topic; 3 in production.")] = 1,
    json: Json = False,
) -> None:
    """Make every topic, write down which district belongs to which partition, and journal the configuration."""
    from streams.shells.kafka import topics as shell

    _set_up()
    made = shell.create(city_of_name(city), _deployment(deployment, kafka), state=state, partitions=partitions, replication=replication)
    if json:
        echo_json({"made": made})
    else:
        typer.echo(f"made {', '.join(made)}" if made else "everything was there already, as it should be")


@topics_app.command("check", epilog="Example: tocsin topics check --city hangzhou --state /var/lib/tocsin --kafka 127.0.0.1:9092")
def topics_check(city: CityName, state: StateFolder, kafka: Broker = "", deployment: DeploymentFile = None, json: Json = False) -> None:
    """Hold the topics against what Tocsin needs: partitions, retention, compaction, times, configuration. Status 1: something differs."""
    from streams.shells.kafka import topics as shell

    _set_up()
    problems = shell.check(city_of_name(city), _deployment(deployment, kafka), state=state)
    if json:
        echo_json({"ok": not problems, "problems": problems})
    else:
        typer.echo("\n".join(problems) if problems else "topics are as they should be", err=bool(problems))
    raise typer.Exit(1 if problems else 0)


def intake(
    city: CityName,
    state: StateFolder,
    kafka: Broker = "",
    deployment: DeploymentFile = None,
    instance: Instance = "1",
    metrics_port: MetricsPort = 0,
) -> None:
    """Turn raw records into counts: raw topics to the counts journal, each record exactly once."""
    from streams.shells.kafka import intake as shell

    _set_up()
    raise typer.Exit(shell.run(city_of_name(city), _deployment(deployment, kafka), shell.Options(state, instance, metrics_port)))


def assess(
    kafka: Broker = "",
    deployment: DeploymentFile = None,
    instance: Instance = "1",
    snapshot_every: Annotated[int, typer.Option(min=1, help="Seconds between snapshots: so much is scored again after a kill.")] = 60,
    keep_every: Annotated[
        int, typer.Option(min=1, help="One snapshot in so many seconds is kept as long as the journals, to replay from.")
    ] = 86_400,
    metrics_port: MetricsPort = 0,
) -> None:
    """Score and decide: counts to findings and scores, findings to alerts. The configuration comes from the journals."""
    from streams.shells.kafka import assess as shell

    _set_up()
    raise typer.Exit(shell.run(_deployment(deployment, kafka), shell.Options(instance, snapshot_every, keep_every, metrics_port)))


@sink_app.command("clickhouse", epilog="Example: tocsin sink clickhouse --kafka 127.0.0.1:9092 --deployment tocsin-deployment.yaml")
def sink_clickhouse(kafka: Broker = "", deployment: DeploymentFile = None, instance: Instance = "1", metrics_port: MetricsPort = 0) -> None:
    """Write cells, scores, alerts, transitions, commands, dead letters and data quality into a ClickHouse server."""
    from streams.shells.kafka import sink as shell

    _set_up()
    raise typer.Exit(shell.run(_deployment(deployment, kafka), shell.Options(instance, metrics_port)))


def cockpit(  # noqa: PLR0913 - one parameter a flag
    city: CityName,
    state: StateFolder,
    kafka: Broker = "",
    deployment: DeploymentFile = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8311,
    host: HostFlag = "127.0.0.1",
    users: UsersFlag = None,
    public_name: PublicName = "",
    instance: Instance = "1",
) -> None:
    """Serve the page, the feed and the commands of people, from the alerts topic."""
    from streams.shells.kafka import cockpit as shell

    _set_up()
    raise typer.Exit(
        shell.run(
            city_of_name(city),
            _deployment(deployment, kafka),
            shell.Options(state, port, Doors(users, host, public_name, instance), deployment),
        )
    )


def up(city: Any, flags: Together) -> int:
    """All processes of the Kafka shell as children of this one."""
    from streams.shells.kafka import supervisor as shell

    _set_up()
    return shell.run(city, _deployment(flags.deployment, flags.kafka), flags)


def copy_span(path: Path, kafka: str, deployment: Path | None, *, since_s: int, until_s: int | None) -> None:
    """Copy a span of the live journals into a file."""
    from streams.shells.kafka import journal_span as shell

    _set_up()
    shell.copy_span(_deployment(deployment, kafka).kafka, path, from_s=since_s, to_s=until_s)


def replay_copy(path: Path, out: Path) -> Any:
    """Replay such a file."""
    from streams.shells.kafka import replay as shell

    return shell.replay_copy(path, out)


def _deployment(path: Path | None, kafka: str) -> Any:
    from streams.shells.kafka.settings import load_deployment

    return load_deployment(path, kafka=kafka, environ=os.environ)


def _set_up() -> None:
    from streams.shells.telemetry import set_up

    set_up()
