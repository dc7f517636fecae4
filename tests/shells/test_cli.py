from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
import typer

from streams.shells.cli import app, main

COMMANDS = (
    "demo", "up", "backtest", "replay", "check-config", "areas show", "areas check", "version",
    "explain", "backfill", "topics create", "topics check", "intake", "assess", "sink clickhouse", "cockpit",
    "users add", "users list", "users remove", "users token", "audit verify",
)  # fmt: skip


class Done(NamedTuple):
    """What a command came to, run in this process."""

    returncode: int | str | None
    stdout: str
    stderr: str


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Done]:
    """Runs a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["tocsin", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return Done(end.value.code, *capsys.readouterr())

    return run


def tocsin(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"}
    command = [sys.executable, "-m", "streams.shells.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=cwd, env=environment)


def test_every_command_has_help_with_an_example():
    group = typer.main.get_command(app)
    found = {
        name if not hasattr(command, "commands") else f"{name} {below}"
        for name, command in group.commands.items()  # type: ignore[attr-defined]
        if name != "bench"  # of an entry point: there once a test has asked for it
        for below in getattr(command, "commands", {"": None})
    }
    assert found == set(COMMANDS)
    for name in COMMANDS:
        words = name.split()
        command = group.commands[words[0]]  # type: ignore[attr-defined]
        command = command.commands[words[1]] if len(words) > 1 else command
        assert command.epilog.startswith(f"Example: tocsin {name}"), name
        assert command.help
        assert all(option.help for option in command.params if option.name != "help")


@pytest.mark.alone
def test_help_and_check_config_are_quick():
    for arguments in (("--help",), ("check-config", "hangzhou")):
        best = 9.0
        for _ in range(3):
            started = time.monotonic()
            assert tocsin(*arguments).returncode == 0
            best = min(best, time.monotonic() - started)
        assert best < 1.5, arguments


def test_heavy_modules_are_imported_by_the_commands_that_need_them():
    code = "import sys, streams.shells.cli; print([m for m in ('numpy', 'fastapi', 'chdb', 'shapely', 'scipy', 'uvicorn') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (("demo", "atlantis"), 2, "neither a file nor a city that comes with Tocsin"),
        (("demo", "boston", "--speed", "fast"), 2, "--speed fast: write a number above 0, or max"),
        (("demo", "boston", "--port", "99999"), 2, "Invalid value for '--port'"),
        (("up", "--city", "boston", "--state", "s"), 2, "say where the journals are: --embedded, or --kafka HOST:PORT"),
        (("up", "--embedded", "--kafka", "127.0.0.1:9092", "--city", "boston", "--state", "s"), 2, "say where the journals are"),
        (
            ("up", "--kafka", "127.0.0.1:9092", "--city", "boston", "--state", "s", "--out", "o"),
            2,
            "--follow and --out belong to --embedded",
        ),
        (("up", "--embedded", "--city", "boston", "--state", "s", "--host", "0.0.0.0"), 2, "listens on 127.0.0.1 only"),
        (("up", "--embedded", "--city", "boston", "--state", "s", "--follow", "nobody=x"), 2, "write SOURCE=FILE, the source one of"),
        (("backtest", "--out", "o"), 2, "give one of --counts and --events"),
        (("backtest", "--out", "o", "--counts", "nowhere.csv"), 2, "nowhere.csv: No such file or directory"),
        (("backtest", "--out", "o", "--counts", "bad.csv"), 2, "bad.csv:3: count '-1' is negative"),
        (("backtest", "--out", "o", "--counts", "bad.csv", "--window", "1x"), 2, "--window 1x: write a duration such as"),
        (("backtest", "--out", "o", "--events", "bad.csv", "--city", "hangzhou"), 2, "give --source, one of camera, complaint, hotline"),
        (("replay", "--journal", "nowhere", "--out", "o"), 2, "nowhere: no journals here"),
        (("explain", "abc"), 2, "explain: give one of --state and --run"),
        (("explain", "abc", "--state", "nowhere"), 2, "nowhere: no journals here"),
        (("explain", "--run", "nowhere"), 2, "give the folder that was passed to --out"),
        (("explain", "--run", "o", "--svg", "x.svg"), 2, "--html and --svg go with an alert"),
        (("explain", "abc", "--state", "s", "--city", "boston"), 2, "--city goes with --run"),
        (("backfill", "--city", "boston", "--state", "s"), 2, "backfill: give one of --counts and --events"),
        (("backfill", "--city", "boston", "--state", "s", "--counts", "bad.csv"), 2, "bad.csv:3: count '-1' is negative"),
        (("backfill", "--city", "hangzhou", "--state", "s", "--events", "bad.csv"), 2, "give --source, one of camera, complaint, hotline"),
        (("backfill", "--city", "boston", "--state", "s", "--counts", "bad.csv", "--source", "x"), 2, "--source goes with --events"),
        (("check-config", "atlantis"), 2, "neither a file nor a city"),
        (("areas", "show", "--city", "boston", "--under", "moon"), 2, "--under moon: this city has no such area"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_a_refusal_is_one_line_with_a_status(
    tmp_path: Path, here: Callable[..., Done], arguments: tuple[str, ...], status: int, words: str
):
    (tmp_path / "bad.csv").write_text("time,count\n2015-01-05,1\n2015-01-06,-1\n")
    done = here(*arguments)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    if done.stderr.startswith("tocsin: "):
        assert done.stderr.count("\n") == 1


def test_check_config_tells_every_problem_with_its_line(tmp_path: Path, here: Callable[..., Done]):
    bad = tmp_path / "tocsin.yaml"
    bad.write_text("city: x\ntitle: X\ntimezone: Mars/Olympus\nareas: {table: areas.csv}\nnoise: 3\nsignals: {}\nsources: {}\n")
    done = here("check-config", str(bad))
    assert done.returncode == 1
    assert "tocsin.yaml:3: timezone: 'Mars/Olympus' is not a time zone" in done.stderr
    assert "tocsin.yaml:5: " in done.stderr
    as_json = here("check-config", str(bad), "--json")
    assert as_json.returncode == 1
    report = orjson.loads(as_json.stdout)
    assert not report["ok"]
    assert sorted(report["problems"]) == sorted(done.stderr.splitlines())


def test_check_config_asks_the_detectors_too(tmp_path: Path, here: Callable[..., Done]):
    boston = Path(__file__).parents[2] / "config" / "boston"
    for file in boston.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "tocsin.yaml").unlink()
    text = (boston / "tocsin.yaml").read_text().replace("../playbooks", str(boston.parent / "playbooks"))
    assert "params: {}" in text
    (tmp_path / "tocsin.yaml").write_text(text.replace("params: {}", "params: {counts: {no_such: 1}}"))
    done = here("check-config", str(tmp_path))
    assert done.returncode == 1
    assert "detection.params.counts.no_such: the detector 'counts' has no such parameter" in done.stderr


def test_areas_show_and_check(here: Callable[..., Done]):
    shown = here("areas", "show", "--city", "boston", "--depth", "1")
    assert shown.returncode == 0
    assert "Dorchester" in shown.stdout
    assert shown.stdout.splitlines()[0].endswith("Boston")
    rows = orjson.loads(here("areas", "show", "--city", "boston", "--json").stdout)
    assert {row["level"] for row in rows} == {0, 1}
    assert "level 0" in here("areas", "check", "--city", "boston").stdout
    assert orjson.loads(here("areas", "check", "--city", "boston", "--json").stdout)["levels"]["0"] == 1


def test_backtest_and_version_report_as_json(tmp_path: Path):
    rows = "".join(f"2015-{month:02d}-{day:02d},{20 + day % 5}\n" for month in (1, 2, 3) for day in range(1, 29))
    (tmp_path / "c.csv").write_text("time,count\n" + rows)
    done = tocsin("backtest", "--counts", "c.csv", "--out", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout)["window_s"] == 86_400
    assert (tmp_path / "out" / "scores.csv").exists()
    assert "version" in orjson.loads(tocsin("version", "--json").stdout)


def test_installed_packages_may_add_commands(here: Callable[..., Done], monkeypatch: pytest.MonkeyPatch):
    def greet(name: str) -> None:
        """Greet."""
        typer.echo(f"hello {name}")

    class Point:
        value = "greetings:greet"

        def __init__(self, name: str, loaded: object) -> None:
            self.name, self.loaded = name, loaded

        def load(self) -> object:
            assert self.loaded is not None, "only the command that is called is loaded"
            return self.loaded

    group = typer.Typer()
    group.command("one")(greet)
    group.command("two")(lambda: None)
    commands, groups = list(app.registered_commands), list(app.registered_groups)
    for points, words in (([Point("greet", greet), Point("large", None)], ["greet"]), ([Point("greetings", group)], ["greetings", "one"])):
        monkeypatch.setattr("streams.shells.cli.entry_points", lambda group, found=points: found if group == "tocsin.commands" else [])
        assert here(*words, "Boston").stdout == "hello Boston\n"
        app.registered_commands[:], app.registered_groups[:] = commands, groups
