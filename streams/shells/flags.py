"""Flags and answers that commands have in common."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Report as one line of JSON on stdout.")]
CityName = Annotated[str, typer.Option("--city", help="A city that comes with Tocsin, or the path of a tocsin.yaml.")]


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
