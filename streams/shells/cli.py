"""The command line: ``main`` reads flags and hands over. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from streams.shells import cli_kafka, cli_past, cli_users
from streams.shells.doors import Doors
from streams.shells.errors import ShellError
from streams.shells.flags import CityName, HostFlag, Json, PublicName, UsersFlag, city_of_name, echo_json, report

COMMANDS = "tocsin.commands"
OK, PROBLEMS, WRONG_USAGE = 0, 1, 2
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Tocsin watches a city's calls, complaints and cameras and says early when something is not normal.",
)


def _add(point: EntryPoint) -> None:
    """A command, or group of them, that a package brings. Only the one that is called is loaded: others may be large."""
    if sys.argv[1:2] != [point.name]:
        app.command(point.name, help=f"From {point.value.partition(':')[0]}: see tocsin {point.name} --help.")(lambda: None)
        return
    loaded = point.load()
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=point.name)
    else:
        app.command(point.name)(loaded)


class UsageError(ShellError):
    """Flags that do not go together; the message says what to do."""


def main() -> None:
    """Entry point: one clear line on stderr and a status, no traceback, for whatever can go wrong in operation."""
    for point in entry_points(group=COMMANDS):
        _add(point)
    try:
        app(prog_name="tocsin")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        status = _status(error)
        if status is None:
            raise
        typer.echo(f"tocsin: {error}", err=True)
        sys.exit(status)


def _status(error: Exception) -> int | None:
    """Exit status of an operating error; None for a mistake of the programmer's, which keeps its traceback."""
    from streams.loading import SettingsError

    if isinstance(error, ShellError):
        return error.status
    if isinstance(error, SettingsError):
        return WRONG_USAGE
    return PROBLEMS if isinstance(error, OSError) or type(error).__name__ == "SinkError" else None


@app.command(epilog="Example: tocsin demo boston --duration 30")
def demo(  # noqa: PLR0913 - one parameter a flag
    city: Annotated[str, typer.Argument(help="A city with a demo, or the path of a tocsin.yaml.")] = "boston",
    once: Annotated[bool, typer.Option("--once", help="End when the replay has ended; with --json as fast as possible.")] = False,
    json: Json = False,
    speed: Annotated[str, typer.Option(help="Times real time (3600: an hour a second), or max.")] = "",
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds the whole replay takes when no speed is given.")] = 60.0,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the feed on 127.0.0.1; 0 takes a free one.")] = None,
    days: Annotated[float | None, typer.Option(min=0.01, help="Play the first days only.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of a simulated city.")] = 1,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Do not serve the feed.")] = False,
    state: Annotated[Path | None, typer.Option(help="Keep the journals in this folder; it must be empty.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write alerts.ndjson and scores.csv into this folder.")] = None,
) -> None:
    """Play a city's recorded or simulated days, tell each alert in a line, and serve the feed."""
    from streams.shells import demo as shell
    from streams.shells.telemetry import set_up

    set_up()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leaves no throw-away folder behind
    options = shell.Options(
        once=once,
        json=json,
        speed=_speed(speed),
        duration_s=duration,
        port=port,
        days=days,
        seed=seed,
        serve=not no_serve,
        state=state,
        out=out,
    )
    raise typer.Exit(shell.run(city_of_name(city), options))


@app.command(epilog="Example: tocsin up --embedded --city hangzhou --state var/hangzhou --follow hotline=/var/log/hotline.ndjson")
def up(  # noqa: PLR0913 - one parameter a flag
    city: CityName,
    state: Annotated[Path, typer.Option(help="Folder of the journals, key and token; made at first start.")],
    embedded: Annotated[bool, typer.Option("--embedded", help="All in one process, journals in SQLite.")] = False,
    kafka: cli_kafka.Broker = "",
    deployment: cli_kafka.DeploymentFile = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8311,
    host: HostFlag = "127.0.0.1",
    users: UsersFlag = None,
    public_name: PublicName = "",
    follow: Annotated[list[str] | None, typer.Option(help="SOURCE=FILE of JSON lines that is being written; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write alerts.ndjson and scores.csv into this folder.")] = None,
    no_clickhouse: Annotated[bool, typer.Option("--no-clickhouse", help="Do without ClickHouse's tables.")] = False,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Seconds between snapshots: so much is replayed after a kill.")] = 120,
    intakes: Annotated[int, typer.Option(min=1, max=64, help="With --kafka: processes that take records in.")] = 1,
    assessors: Annotated[int, typer.Option(min=1, max=64, help="With --kafka: processes that score and decide.")] = 1,
    partitions: Annotated[int, typer.Option(min=1, max=1024, help="With --kafka, where no topics are yet: of the counts journal.")] = 4,
) -> None:
    """Run for good: POST /ingest/{source} takes records in, the page at / shows alerts. SIGTERM stops it, kill -9 loses nothing."""
    from streams.shells import embedded as shell
    from streams.shells.access import users_file
    from streams.shells.serve import check_host
    from streams.shells.telemetry import set_up

    doors = Doors(users, check_host(host, users_file(state, users)), public_name)
    if embedded == bool(kafka or (deployment and not embedded)):
        raise UsageError("up: say where the journals are: --embedded, or --kafka HOST:PORT (or --deployment FILE)")
    loaded = city_of_name(city)
    if not embedded:
        if follow or out:
            raise UsageError("up: --follow and --out belong to --embedded; with --kafka, write records into the raw topics")
        what = cli_kafka.Together(
            city, state, kafka, deployment, port, not no_clickhouse, checkpoint_every, intakes, assessors, partitions, doors
        )
        raise typer.Exit(cli_kafka.up(loaded, what))
    followed = [_followed(pair, sorted(loaded.sources)) for pair in follow or []]
    set_up()
    raise typer.Exit(shell.run(loaded, shell.Options(state, port, followed, out, not no_clickhouse, checkpoint_every, doors, deployment)))


@app.command(epilog="Example: tocsin backtest --counts complaints.csv --out run/ --budget 0.5")
def backtest(  # noqa: PLR0913 - one parameter a flag
    out: Annotated[Path, typer.Option(help="Folder for alerts.ndjson and scores.csv.")],
    counts: Annotated[
        Path | None, typer.Option(help="CSV (.gz allowed) with the header time,area,signal,count; area and signal may be left out.")
    ] = None,
    events: Annotated[Path | None, typer.Option(help="Raw records: JSON lines of --source, or the CSV of the city's demo.")] = None,
    source: Annotated[str, typer.Option(help="Source of the JSON lines of --events.")] = "",
    city: Annotated[str, typer.Option(help="A city that comes with Tocsin; for --events.")] = "",
    config: Annotated[str, typer.Option(help="Path of a tocsin.yaml: the city of --events, or the detection settings for --counts.")] = "",
    json: Json = False,
    window: Annotated[str, typer.Option(help="Window of --counts, such as 15m, 1h, 1d, 1w; found from the times when left out.")] = "",
    durations: Annotated[str, typer.Option(help="Durations of --counts, such as 1h,1d,7d.")] = "",
    budget: Annotated[float, typer.Option(min=0.0001, help="Bearable false alerts a day, for --counts.")] = 2.0,
    missing: Annotated[
        Literal["auto", "zero", "gap"], typer.Option(help="What a window without a row is; auto: a gap if zeros are written out.")
    ] = "auto",
    scores: Annotated[Literal["all", "notable"], typer.Option(help="Which scores of --counts to write.")] = "all",
) -> None:
    """Run the same code over the past: a table of counts, or raw records."""
    from streams.shells import backtest as shell

    if (counts is None) == (events is None):
        raise UsageError("backtest: give one of --counts and --events")
    if city and config:
        raise UsageError("backtest: --city and --config name the same thing; give one")
    if counts is not None:
        figures = shell.backtest_counts(
            counts,
            out,
            window_s=_seconds("--window", window) if window else None,
            durations_s=[_seconds("--durations", part) for part in durations.split(",")] if durations else (),
            missing=missing,
            budget=budget,
            score_all=scores == "all",
            base=city_of_name(city or config).detection if city or config else None,
        )
    else:
        assert events is not None
        figures = shell.backtest_records(*_records(city_of_name(city or config or "boston"), events, source), out)
    report(
        figures,
        f"{figures.windows} windows of {figures.window_s} s, {figures.series} series: {figures.alerts} alerts in {figures.incidents} incidents, "
        f"{figures.alerts_per_day:g} alerts a day; files in {out}"
        + "".join(f"\nrejected: {n} {reason}" for reason, n in sorted(figures.rejected.items()))
        + (f"\na window without a row was taken as {figures.missing}; --missing says otherwise" if counts is not None else ""),
        json=json,
    )


@app.command(epilog="Example: tocsin replay --journal var/hangzhou --out run/")
def replay(
    journal: Annotated[
        Path, typer.Option(help="State folder of a run that has been stopped, or a copy of journals; with --from-kafka: where to copy to.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for alerts.ndjson and scores.csv.")],
    from_kafka: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Copy a span of the live journals into the file --journal first.")
    ] = "",
    deployment: cli_kafka.DeploymentFile = None,
    since: Annotated[
        str, typer.Option("--from", help="With --from-kafka: a time such as 2026-11-20T00:00Z; left out: the journals' head.")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="With --from-kafka: a time; left out: the journals' end.")] = "",
    json: Json = False,
) -> None:
    """Score and decide again what journals hold; every finding and transition must come out as recorded."""
    from streams.shells import replay as shell

    if from_kafka:
        cli_kafka.copy_span(journal, from_kafka, deployment, since_s=_time_s("--from", since) or 0, until_s=_time_s("--to", until))
    elif since or until or deployment:
        raise UsageError("replay: --from, --to and --deployment go with --from-kafka")
    done = cli_kafka.replay_copy(journal, out) if journal.is_file() else shell.replay(journal, out)
    report(
        done, f"{done.counts} counts, {done.findings} findings, {done.transitions} transitions, all as recorded; files in {out}", json=json
    )


@app.command("check-config", epilog="Example: tocsin check-config config/boston/tocsin.yaml")
def check_config(
    city: Annotated[str, typer.Argument(help="Path of a tocsin.yaml, its folder, or the name of a city that comes with Tocsin.")],
    json: Json = False,
) -> None:
    """Check a city's files whole: every problem with its file, line, key and remedy. Status 0: usable, 1: problems, 2: not found."""
    from streams.core.configure import check_detectors
    from streams.loading import SettingsError, find_city, load

    path = find_city(city)
    try:
        loaded = load(path)
        problems = check_detectors(loaded)
    except SettingsError as error:
        loaded, problems = None, error.problems
    if json:
        echo_json({"file": str(path), "ok": not problems, "problems": problems, "configuration": loaded.config_version if loaded else None})
    elif problems or loaded is None:
        typer.echo("\n".join(problems), err=True)
    else:
        what = f"{len(loaded.areas)} areas, {len(loaded.signals)} signals, {len(loaded.sources)} sources"
        typer.echo(f"{path}: {loaded.title} can be used: {what}; configuration {loaded.config_version}")
    raise typer.Exit(PROBLEMS if problems else OK)


areas_app = typer.Typer(no_args_is_help=True, help="The tree of areas.", rich_markup_mode=None)
app.add_typer(areas_app, name="areas")


@areas_app.command("show", epilog="Example: tocsin areas show --city boston --depth 1")
def areas_show(
    city: CityName = "boston",
    depth: Annotated[int, typer.Option(min=0, help="Levels below the city.")] = 1,
    under: Annotated[str, typer.Option(help="Begin at this code.")] = "",
    json: Json = False,
) -> None:
    """Print the tree: code, name and level, indented."""
    from streams.core.areas import AreaTree

    tree = AreaTree(city_of_name(city).areas)
    if under and under not in tree:
        raise UsageError(f"--under {under}: this city has no such area; tocsin areas show --city {city} lists the districts")
    top = under or tree.root.code
    shown = [tree[code] for code in tree.subtree(top) if tree[code].level <= tree[top].level + depth]
    if json:
        echo_json([{"code": area.code, "name": area.name, "level": area.level, "parent": area.parent} for area in shown])
        return
    for area in shown:
        typer.echo(f"{'  ' * (area.level - tree[top].level)}{area.code}  {area.name}")


@areas_app.command("check", epilog="Example: tocsin areas check --city hangzhou")
def areas_check(city: CityName = "boston", json: Json = False) -> None:
    """Check the tree and count its areas by level."""
    from collections import Counter

    from streams.core.areas import AreaTree

    loaded = city_of_name(city)
    tree = AreaTree(loaded.areas)
    levels = Counter(area.level for area in loaded.areas)
    drawn = sum(1 for area in loaded.areas if area.geometry)
    figures = {
        "areas": len(tree),
        "levels": {str(level): n for level, n in sorted(levels.items())},
        "outlines": drawn,
        "library": len(loaded.library),
    }
    if json:
        echo_json(figures)
        return
    by_level = ", ".join(f"{n} of level {level}" for level, n in sorted(levels.items()))
    typer.echo(
        f"{loaded.title}: {len(tree)} areas ({by_level}), {drawn} with an outline, {len(loaded.library)} names in the address library"
    )


@app.command("version", epilog="Example: tocsin version")
def show_version(json: Json = False) -> None:
    """Print the version."""
    try:
        number = version("tocsin")
    except PackageNotFoundError:
        number = "not installed"
    if json:
        echo_json({"version": number})
    else:
        typer.echo(f"tocsin {number}")


def _records(city: Any, path: Path, source: str) -> tuple[Any, Any]:
    from streams.shells.records import lines_stretch, recorded_stretch

    if source:
        return city, lines_stretch(city, source, path)
    if city.demo is None or not city.demo.route.sources:
        raise UsageError(f"backtest: {city.name} has no route for CSV rows; give --source, one of {', '.join(sorted(city.sources))}")
    return city, recorded_stretch(city, path)


def _followed(pair: str, sources: list[str]) -> tuple[str, Path]:
    source, equals, path = pair.partition("=")
    if not equals or source not in sources:
        raise UsageError(f"--follow {pair}: write SOURCE=FILE, the source one of {', '.join(sources)}")
    return source, Path(path)


def _speed(text: str) -> float | None:
    if not text:
        return None
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(f"--speed {text}: write a number above 0, or max")
    return speed


def _time_s(flag: str, text: str) -> int | None:
    from datetime import datetime

    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(f"{flag} {text}: write a time with its zone, such as 2026-11-20T00:00Z")
    return int(at.timestamp())


def _seconds(flag: str, text: str) -> int:
    text = text.strip()
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in UNITS_S or int(number) == 0:
        raise UsageError(f"{flag} {text}: write a duration such as 15m, 1h, 1d or 1w")
    return int(number) * UNITS_S[unit]


cli_kafka.register(app)
cli_past.register(app)
cli_users.register(app)

if __name__ == "__main__":
    main()
