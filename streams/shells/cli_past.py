"""The commands that look back: ``explain`` and ``backfill``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from streams.shells.errors import ShellError
from streams.shells.flags import CityName, Json, city_of_name, report


class UsageError(ShellError):
    """Flags that do not go together; the message says what to do."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: tocsin explain 3f9c --state var/boston --html alert.html")(explain)
    app.command(epilog="Example: tocsin backfill --city boston --state var/boston --events requests.csv.gz")(backfill)


def explain(
    alert: Annotated[str, typer.Argument(help="Id of an alert, or the beginning of one; left out: the alerts are listed.")] = "",
    state: Annotated[Path | None, typer.Option(help="State folder; it may be in use.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of alerts.ndjson and scores.csv: less is known there.")] = None,
    city: Annotated[str, typer.Option(help="With --run: whose run it was, for names and for what is too small to be shown.")] = "",
    html: Annotated[Path | None, typer.Option(help="Also write a page of its own into this file.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Also write the chart into this file.")] = None,
    json: Json = False,
) -> None:
    """Tell why an alert was raised: in a sentence, over each duration, by signal and area, in a chart, step by step."""
    from streams.shells import explain_run, explain_state, story_page, story_text

    if (state is None) == (run is None):
        raise UsageError("explain: give one of --state and --run")
    if city and run is None:
        raise UsageError("explain: --city goes with --run; a state folder knows its city")
    if not alert:
        if html or svg:
            raise UsageError("explain: --html and --svg go with an alert")
        alerts = explain_state.listed(state) if state else explain_run.listed(run)  # type: ignore[arg-type]
        report(alerts, story_text.list_text(alerts), json=json)
        return
    story = explain_state.explain(state, alert) if state else explain_run.explain(run, alert, _city(city))  # type: ignore[arg-type]
    for path, made in ((html, story_page.page), (svg, story_page.svg)):
        if path is not None:
            path.write_text(made(story), encoding="utf-8")
    report(story, story_text.text(story), json=json)


def backfill(
    city: CityName,
    state: Annotated[Path, typer.Option(help="Folder to be made, for tocsin up --embedded to go on with.")],
    counts: Annotated[
        Path | None, typer.Option(help="CSV (.gz allowed) with the header time,area,signal,count, by the city's codes.")
    ] = None,
    events: Annotated[Path | None, typer.Option(help="Raw records: JSON lines of --source, or the CSV of the city's demo.")] = None,
    source: Annotated[str, typer.Option(help="Source of the JSON lines of --events.")] = "",
    no_clickhouse: Annotated[bool, typer.Option("--no-clickhouse", help="Do without ClickHouse's tables.")] = False,
    json: Json = False,
) -> None:
    """Learn from a city's history before it goes live: what is normal, how rare is rare, and the alert budget's threshold."""
    from streams.shells import backfill as shell
    from streams.shells.history import of_counts, of_records
    from streams.shells.telemetry import set_up

    if (counts is None) == (events is None):
        raise UsageError("backfill: give one of --counts and --events")
    if source and events is None:
        raise UsageError("backfill: --source goes with --events")
    loaded = city_of_name(city)
    if events is not None and not source and (loaded.demo is None or not loaded.demo.route.sources):
        raise UsageError(f"backfill: {loaded.name} has no route for CSV rows; give --source, one of {', '.join(sorted(loaded.sources))}")
    set_up()
    history = of_counts(loaded, counts) if counts is not None else of_records(loaded, events, source)  # type: ignore[arg-type]
    done = shell.backfill(loaded, state, history, tables=not no_clickhouse)
    report(done, shell.words(done, state, city), json=json)


def _city(name: str) -> Any:
    return city_of_name(name) if name else None
