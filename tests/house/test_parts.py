"""A missing part is skipped and named at the end; under STRICT=1 it fails. A connection left open fails in any run.

Tests run in several processes, and those that measure time by themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent.parent / "conftest.py"
ROOT = CONFTEST.parent.parent


@pytest.fixture
def run(tmp_path: Path):
    """Run pytest on a test file's text with this project's conftest; ``strict`` and an empty PATH on request."""

    def _run(text: str, *, strict: bool, processes: int = 0) -> subprocess.CompletedProcess[str]:
        (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_planted.py").write_text(text)
        env = {**os.environ, "PATH": "", "STRICT": "1" if strict else ""}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(processes), str(tmp_path)]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60)

    return _run


NEEDS_MAKE = "import pytest\n\n@pytest.mark.needs('make')\ndef test_it():\n    assert True\n"


def test_a_missing_part_is_skipped_and_named_with_its_remedy(run):
    done = run(NEEDS_MAKE, strict=False)
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
    assert "not tested: make (1 test); install: apt-get install make" in done.stdout


def test_a_missing_part_fails_a_strict_run(run):
    done = run(NEEDS_MAKE, strict=True)
    assert done.returncode == 1
    assert "skipped under STRICT=1" in done.stdout
    assert "not tested: make" in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\n\ndef test_it():\n    pytest.skip('not today')\n",
        "import pytest\n\npytest.importorskip('no_such_module')\n\ndef test_it():\n    assert True\n",
    ],
    ids=["in a test", "of a module"],
)
def test_any_skip_fails_a_strict_run_only(run, text):
    assert run(text, strict=False).returncode in {0, 5}
    assert run(text, strict=True).returncode not in {0, 5}


def test_a_part_nobody_knows_is_refused(run):
    done = run(NEEDS_MAKE.replace("'make'", "'mkae'"), strict=False)
    assert done.returncode == 1
    assert "needs 'mkae', which tests/conftest.py does not know" in done.stdout


def test_a_connection_left_open_fails_the_test_that_left_it(run):
    text = "import sqlite3\n\ndef test_it():\n    kept.append(sqlite3.connect(':memory:'))\n\ndef test_next():\n    pass\n\nkept = []\n"
    done = run(text, strict=False)
    assert "ERROR at teardown of test_it" in done.stdout
    assert "connections to SQLite left open (1): close them" in done.stdout
    assert "2 passed, 1 error" in done.stdout
    assert run(text.replace("))\n", "))\n    kept[0].close()\n"), strict=False).returncode == 0


IN_PROCESSES = """
import pathlib
import time

import pytest

def say(what):
    with (pathlib.Path(__file__).parent / "said").open("a") as file:
        file.write(what)

@pytest.mark.parametrize("number", range(6))
def test_among_others(number):
    say("(")
    time.sleep(0.2)
    say(")")

@pytest.mark.alone
@pytest.mark.parametrize("number", range(2))
def test_alone(number):
    say("[")
    time.sleep(0.5)
    say("]")

@pytest.mark.needs("make")
def test_it():
    assert True
"""


def test_in_several_processes_what_runs_alone_does_and_what_is_missing_is_named(run, tmp_path: Path):
    done = run(IN_PROCESSES, strict=False, processes=2)
    assert "8 passed, 1 skipped" in done.stdout
    assert "not tested: make (1 test); install: apt-get install make" in done.stdout
    said = (tmp_path / "said").read_text()
    assert said.count("[]") == 2
    assert sorted(said) == sorted("()" * 6 + "[]" * 2)
