"""The page is built once for a state of its sources, with what the lock file says; where it cannot be, a few lines say why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NPM = """#!/bin/sh
echo "$@" >> {said}
test "$1" = "{fails}" && echo "npm: no such package" && exit 7
mkdir -p ../static && echo built > ../static/index.html
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Build in a copy of the tree's own shape, with an npm that notes what it is asked; ``fails``: the command at which it does."""
    ui = tmp_path / "sinks/cockpit/ui"
    ui.mkdir(parents=True)
    (ui / "package.json").write_text("{}")

    def _run(*, fails: str = "", npm: bool = True, node: str = "v20.19.0") -> subprocess.CompletedProcess[str]:
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        if npm:
            (tools / "npm").write_text(NPM.format(said=tmp_path / "said", fails=fails))
            (tools / "npm").chmod(0o755)
            (tools / "node").write_text(f"#!/bin/sh\necho {node}\n")
            (tools / "node").chmod(0o755)
        env = {
            **os.environ,
            "PATH": f"{tools}:/usr/bin:/bin" if npm else str(tools),
            "PYTHONPATH": str(ROOT / "sinks/cockpit/ui"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        script = "import hatch_build, pathlib, sys; hatch_build.find_spec = lambda name: None; hatch_build.build(pathlib.Path(sys.argv[1]))"
        return subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], env=env, capture_output=True, text=True, check=False, timeout=60
        )

    return _run


def said(tmp_path: Path) -> list[str]:
    return (tmp_path / "said").read_text().splitlines()


def test_it_is_built_once_for_a_state_of_the_sources(run: Run, tmp_path: Path) -> None:
    assert run().returncode == 0
    assert [line.split()[0] for line in said(tmp_path)] == ["ci", "run"]
    assert "--ignore-scripts" in said(tmp_path)[0]
    assert run().returncode == 0
    assert len(said(tmp_path)) == 2
    (tmp_path / "sinks/cockpit/ui/package.json").write_text('{"changed": true}')
    assert run().returncode == 0
    assert len(said(tmp_path)) == 4


def test_what_npm_installs_is_no_source(run: Run, tmp_path: Path) -> None:
    run()
    (tmp_path / "sinks/cockpit/ui/node_modules/x").mkdir(parents=True)
    (tmp_path / "sinks/cockpit/ui/node_modules/x/y.js").write_text("1")
    assert run().returncode == 0
    assert len(said(tmp_path)) == 2


def test_built_files_that_are_gone_are_built_again(run: Run, tmp_path: Path) -> None:
    run()
    (tmp_path / "sinks/cockpit/static/index.html").unlink()
    run()
    assert len(said(tmp_path)) == 4


@pytest.mark.parametrize("fails", ["ci", "run"])
def test_a_failure_of_npm_is_said_without_a_traceback_and_leaves_no_stamp(run: Run, tmp_path: Path, fails: str) -> None:
    done = run(fails=fails)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "npm: no such package" in done.stderr
    assert f"npm {fails}" in done.stderr
    assert "status 7" in done.stderr
    assert run().returncode == 0, "the next time it is built"


def test_a_built_page_needs_no_npm_and_a_missing_npm_is_said(run: Run, tmp_path: Path) -> None:
    done = run(npm=False)
    assert done.returncode == 1
    assert "no npm found" in done.stderr
    assert "Traceback" not in done.stderr
    assert "no npm found with Node.js 20.19 or later" in run(node="v18.20.4").stderr
    assert run(node="v22.0.0").returncode == 0
    (tmp_path / "tools/npm").unlink()
    assert run(npm=False).returncode == 0
