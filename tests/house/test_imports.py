"""Each room imports only what it may: the contracts of pyproject.toml hold, and each of them catches what it is there for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("streams", "detectors", "sinks", "load_tests")
CONTRACTS = {c["id"]: c for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]}

# contract -> bad imports, each (the module that imports, what it imports)
PLANTED: dict[str, list[tuple[str, str]]] = {
    "rooms": [
        ("streams.model", "streams.settings"),
        ("streams.model", "detectors.base"),
        ("streams.settings", "detectors.base"),
        ("detectors.planted_up", "streams.core.decide"),
        ("streams.core.planted_sink", "sinks.base"),
        ("streams.core.planted_shell", "streams.shells.cli"),
        ("sinks.planted_shell", "streams.shells.cli"),
        ("streams.shells.planted_load", "load_tests.generator"),
    ],
    "streams": [("streams.columns", "streams.settings"), ("streams.yaml_file", "streams.shells.store")],
    "pure": [
        *(
            (f"streams.core.planted_{name}", name)
            for name in ("faust", "kafka", "confluent_kafka", "asyncio", "time", "random", "logging", "os", "socket")
        ),
        ("detectors.planted_clock", "time"),
        ("streams.model", "sqlite3"),
        ("streams.settings", "threading"),
        ("streams.columns", "os"),
    ],
    "detectors": [
        ("detectors.levels", "detectors.counts"),
        ("detectors.silence", "detectors.levels"),
        ("detectors.river_models", "detectors.counts"),
    ],
    "sinks": [("sinks.metrics", "sinks.clickhouse.schema"), ("sinks.cockpit.planted", "sinks.metrics")],
    "sinks-know-nouns-only": [("sinks.planted_core", "streams.core.decide"), ("sinks.clickhouse.planted", "detectors.base")],
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the tree in ``folder``, whatever tree is installed."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache", "--no-logo"]
    env = {"COLUMNS": "500", "PATH": ""}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the tree into which every bad import of ``PLANTED`` was put."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "node_modules", "static"))
    for importer, target in (pair for pairs in PLANTED.values() for pair in pairs):
        file = folder / f"{importer.replace('.', '/')}.py"
        with file.open("a") as out:
            out.write(f"\nimport {target}\n")
    done = lint(folder)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_the_rules_hold():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in done.stdout


def test_every_contract_has_a_planted_import():
    assert set(PLANTED) == set(CONTRACTS)


@pytest.mark.parametrize("contract, importer, target", [(c, *pair) for c, pairs in PLANTED.items() for pair in pairs])
def test_a_bad_import_breaks_its_contract(report: str, contract: str, importer: str, target: str):
    name = CONTRACTS[contract]["name"]
    assert f"{name} BROKEN" in report
    section = re.search(rf"\n{re.escape(name)}\n-+\n(.*?)(?=\n[^\n]+\n-{{5,}}\n|\Z)", report, re.DOTALL)
    assert section
    assert re.search(rf"{re.escape(importer)} -> {re.escape(target)} \(l\.\d+\)", section[1]), section[1]


def test_every_detector_and_every_sink_is_under_its_contract():
    detectors = {
        f"detectors.{path.stem}"
        for path in (ROOT / "detectors").glob("*.py")
        if re.search(r"^(@register|family\()", path.read_text(), re.MULTILINE)
    }
    assert detectors - {"detectors.base"} == set(CONTRACTS["detectors"]["modules"])
    sinks = {f"sinks.{path.stem}" for path in (ROOT / "sinks").iterdir() if not path.name.startswith("__")}
    shared = {"sinks.archive", "sinks.base", "sinks.checks", "sinks.formats", "sinks.post"}
    assert sinks - shared == set(CONTRACTS["sinks"]["modules"])
