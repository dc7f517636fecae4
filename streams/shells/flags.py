"""Flags and answers that commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Report as one line of JSON on stdout.")]
CityName = Annotated[str, typer.Option("--city", help="A city that comes with Tocsin, or the path of a tocsin.yaml.")]

HostFlag = Annotated[str, typer.Option("--host", help="Address to listen on; beyond 127.0.0.1 only where there are users.")]
UsersFlag = Annotated[Path | None, typer.Option("--users", help="The users file, where it is not users.yaml in the state folder.")]
PublicName = Annotated[str, typer.Option("--public-name", help="Host name that browsers ask for, through a proxy that speaks TLS.")]


def city_of_name(name: str) -> Any:
    """The checked settings of a city that comes with Tocsin, or of a file.

    Raises:
        SettingsError: what is wrong with them, all at once.
    """
    from streams.core.configure import check_detectors
    from streams.loading import SettingsError, find_city, load

    city = load(find_city(name))
    problems = check_detectors(city)
    if problems:
        raise SettingsError(problems)
    return city


def report(figures: Any, words: str, *, json: bool) -> None:
    """Words for people, or the figures as one line of JSON."""
    if json:
        import msgspec

        echo_json(msgspec.to_builtins(figures))
    else:
        typer.echo(words)


def echo_json(body: object) -> None:
    """One line of JSON on stdout."""
    import orjson

    typer.echo(orjson.dumps(body).decode())
