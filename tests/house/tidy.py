"""The house rules that no other tool checks: sizes, words that are banned with what to use instead, dead modules.

Pure: ``check(root)`` reads the Python files below ``root`` and returns what is wrong. An exemption stands beside the
rule it is from, with its reason, and is itself a fault once nothing needs it.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400

ROOMS = ("streams", "detectors", "sinks", "load_tests")
CODE = (*ROOMS, "tests")

EVERYWHERE = ("",)
LIBRARIES = ("streams/", "detectors/", "sinks/")
PURE = ("streams/core/", "streams/model.py", "streams/settings.py", "detectors/")
NUMERIC = ("streams/core/", "detectors/")


class Fault(NamedTuple):
    """One thing to put right."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Ban(NamedTuple):
    """A name that is not used below ``where``; ``exempt`` maps a path to the reason it may."""

    name: str  # fully qualified: "json.dumps" also covers `from json import dumps`
    where: tuple[str, ...]
    instead: str
    exempt: Mapping[str, str] = {}


BANS: tuple[Ban, ...] = (
    Ban("json.dump", LIBRARIES, "orjson.dumps: one writer of all JSON that leaves"),
    Ban("json.dumps", LIBRARIES, "orjson.dumps: one writer of all JSON that leaves"),
    Ban("pickle", EVERYWHERE, "msgspec: a pickle runs what it reads and is not stable over versions"),
    Ban("marshal", EVERYWHERE, "msgspec"),
    Ban("shelve", EVERYWHERE, "msgspec and the store"),
    Ban("eval", EVERYWHERE, "a table of functions"),
    Ban("exec", EVERYWHERE, "a table of functions"),
    Ban("print", LIBRARIES, "structlog for events, the command line's console for reports"),
    Ban(
        "logging",
        LIBRARIES,
        "structlog",
        {
            "streams/shells/telemetry.py": "leads the loggers of uvicorn and others into structlog",
            "streams/shells/kafka/clients.py": "librdkafka wants a logger of the standard library",
            "streams/shells/seldom.py": "filters what libraries log",
        },
    ),
    Ban("yaml", EVERYWHERE, "streams.yaml_file: keeps the line of every value"),
    Ban("requests", LIBRARIES, "httpx with a timeout"),
    Ban("urllib.request", LIBRARIES, "httpx with a timeout"),
    Ban("pandas", LIBRARIES, "numpy columns"),
    Ban("polars", LIBRARIES, "numpy columns"),
    Ban(
        "time.sleep",
        LIBRARIES,
        "threading.Event.wait or asyncio.sleep: a stop must be noticed",
        {"streams/shells/serve.py": "waits a bounded time for uvicorn's own flag, before anything could ask it to stop"},
    ),
    Ban("os.system", EVERYWHERE, "subprocess.run with a list"),
    Ban("asyncio.get_event_loop", EVERYWHERE, "asyncio.get_running_loop"),
    Ban("datetime.datetime.utcnow", EVERYWHERE, "datetime.now(UTC): an aware time"),
    Ban("datetime.datetime.utcfromtimestamp", EVERYWHERE, "datetime.fromtimestamp(at_s, UTC): an aware time"),
    Ban("datetime.datetime.now", PURE, "an argument: only shells know the clock"),
    Ban("datetime.datetime.today", PURE, "an argument: only shells know the clock"),
    Ban("datetime.date.today", PURE, "an argument: only shells know the clock"),
    Ban("time", PURE, "an argument: only shells know the clock"),
    Ban("random", PURE, "nothing: the core is deterministic"),
    Ban(
        "numpy.random",
        PURE,
        "nothing: the core is deterministic",
        {"detectors/nulls.py": "draws the data, from a seed, that the contract suite scores"},
    ),
    Ban("uuid", PURE, "a hash of what the thing is"),
    Ban("secrets", PURE, "a key handed in"),
    Ban("hash", PURE, "hashlib.blake2b: hash() differs from process to process"),
    Ban("id", PURE, "a key of its own: id() differs from process to process"),
    Ban("numpy.dot", NUMERIC, "(a * b).sum(): BLAS gives other last bits on other machines"),
    Ban("numpy.vdot", NUMERIC, "(a * b).sum(): BLAS gives other last bits on other machines"),
    Ban("numpy.inner", NUMERIC, "(a * b).sum(): BLAS gives other last bits on other machines"),
    Ban("numpy.matmul", NUMERIC, "(a * b).sum(): BLAS gives other last bits on other machines"),
    Ban("numpy.einsum", NUMERIC, "(a * b).sum(): BLAS gives other last bits on other machines"),
    Ban("numpy.tensordot", NUMERIC, "(a * b).sum(): BLAS gives other last bits on other machines"),
    Ban("numpy.linalg", NUMERIC, "a closed form: BLAS gives other last bits on other machines"),
    Ban("scipy.linalg", NUMERIC, "a closed form: BLAS gives other last bits on other machines"),
)

NOT_IMPORTED: dict[str, str] = {
    "load_tests/intake_quix.py": "a peer, run by an interpreter of its own",
    "detectors/checks.py": "the contract suite of detectors, for tests here and in packages that bring one",
}
"""Modules nobody imports and that are no entry point of pyproject.toml, each with its reason."""

MARKERS = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b")


def check(root: Path) -> list[Fault]:
    """Every fault of the Python files below ``root``, in the order of their paths."""
    files = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(python_files(root))}
    trees = {path: ast.parse(text, path) for path, text in files.items()}
    faults = [fault for path, text in files.items() for fault in check_file(path, text, trees[path])]
    return [*faults, *twins(files), *dead_modules(root, trees), *idle_exemptions(trees)]


def python_files(root: Path) -> Iterator[Path]:
    """The project's own Python files."""
    for folder in CODE:
        yield from (path for path in (root / folder).rglob("*.py") if not {"__pycache__", "node_modules"} & set(path.parts))


def check_file(path: str, text: str, tree: ast.Module) -> Iterator[Fault]:
    """The faults of one file that can be seen in the file alone."""
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield Fault(path, lines, "long-file", f"{lines} lines; at most {FILE_LINES_MAX}: one idea a file")
    for number, line in enumerate(text.splitlines(), 1):
        if MARKERS.search(line):
            yield Fault(path, number, "marker", "unfinished work is finished or left out, not marked")
    for node in ast.walk(tree):
        for rule in NODE_RULES:
            yield from rule(path, node)
    yield from banned(path, tree)


def long_function(path: str, node: ast.AST) -> Iterator[Fault]:
    """A function that does not fit on a screen."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
        lines = node.end_lineno - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield Fault(path, node.lineno, "long-function", f"{node.name} has {lines} lines; at most {FUNCTION_LINES_MAX}")


def swallowed(path: str, node: ast.AST) -> Iterator[Fault]:
    """An error that nobody hears of."""
    if isinstance(node, ast.ExceptHandler):
        if node.type is None:
            yield Fault(path, node.lineno, "bare-except", "name the exceptions that can happen")
        elif ast.unparse(node.type) in {"Exception", "BaseException"} and all(isinstance(s, ast.Pass | ast.Continue) for s in node.body):
            yield Fault(path, node.lineno, "swallowed", "handle the errors that can happen, count them, let the others through")


def blas_operator(path: str, node: ast.AST) -> Iterator[Fault]:
    """Matrix products, whose last bits depend on the machine."""
    if path.startswith(NUMERIC) and isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
        yield Fault(path, node.lineno, "blas-operator", "(a * b).sum(): BLAS gives other last bits on other machines")


def set_order(path: str, node: ast.AST) -> Iterator[Fault]:
    """A loop whose order differs from process to process."""
    if not path.startswith(PURE):
        return
    if isinstance(node, ast.For | ast.comprehension) and is_set(node.iter):
        yield Fault(path, node.iter.lineno, "set-order", "sorted(...): a set has no order to rely on")
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"list", "tuple"} and node.args and is_set(node.args[0]):
        yield Fault(path, node.lineno, "set-order", "sorted(...): a set has no order to rely on")


def is_set(node: ast.expr) -> bool:
    """A set by its own form: ``{a, b}``, ``{x for ...}``, ``set(...)``, ``frozenset(...)``."""
    made = isinstance(node, ast.Call) and ast.unparse(node.func) in {"set", "frozenset"}
    return made or isinstance(node, ast.Set | ast.SetComp)


NODE_RULES: tuple[Callable[[str, ast.AST], Iterator[Fault]], ...] = (long_function, swallowed, blas_operator, set_order)


def banned(path: str, tree: ast.Module) -> Iterator[Fault]:
    """Banned names a file uses."""
    for line, ban in uses(path, tree):
        if path not in ban.exempt:
            yield Fault(path, line, ban.name, f"use {ban.instead}")


def uses(path: str, tree: ast.Module) -> Iterator[tuple[int, Ban]]:
    """Where a file uses the name of a ban that holds for it, exempt or not; each line once."""
    bans = [ban for ban in BANS if path.startswith(ban.where)]
    seen = {(line, ban.name): ban for line, name in names(tree) for ban in bans if name == ban.name or name.startswith(f"{ban.name}.")}
    for (line, _), ban in sorted(seen.items(), key=lambda item: item[0]):
        yield line, ban


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name in use, written out in full through the file's imports: ``np.dot`` is ``numpy.dot``."""
    full: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                full[alias.asname or top] = alias.name if alias.asname else top
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield node.lineno, f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (dotted := chain(node)):
            first, _, rest = dotted.partition(".")
            if first in full:  # an attribute of something local is nobody's module
                yield node.lineno, f"{full[first]}.{rest}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in full:
            yield node.lineno, node.func.id


def chain(node: ast.expr) -> str:
    """``a.b.c`` of nested attributes; empty where they do not begin with a plain name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def twins(files: Mapping[str, str]) -> Iterator[Fault]:
    """Test files of one name, which a person looking for a failure would confuse."""
    tests = [path for path in files if path.startswith("tests/") and Path(path).name.startswith("test_")]
    count = Counter(Path(path).name for path in tests)
    for path in tests:
        if count[Path(path).name] > 1:
            yield Fault(path, 1, "twin", "another test file has the same name")


def dead_modules(root: Path, trees: Mapping[str, ast.Module]) -> Iterator[Fault]:
    """Modules of the rooms that no other module of a room imports and that are no entry point."""
    wanted = entry_modules(root)
    for path, tree in trees.items():
        if path.startswith(tuple(f"{room}/" for room in ROOMS)):
            wanted |= imported(tree) - {module_of(path)}
    for path in trees:
        name = Path(path).name
        if path.startswith("tests/") or name in {"__init__.py", "__main__.py"} or is_script(path, trees[path]):
            continue
        if module_of(path) not in wanted and path not in NOT_IMPORTED:
            yield Fault(path, 1, "dead-module", "nothing imports it and no entry point names it: remove it, or exempt it with a reason")
    for path in NOT_IMPORTED:
        if path in trees and module_of(path) in wanted:
            yield Fault(path, 1, "idle-exemption", "it is imported: tests/house/tidy.py need not exempt it")


def is_script(path: str, tree: ast.Module) -> bool:
    """A module of ``load_tests`` that is run by hand: ``python -m load_tests.x``."""
    guards = (node.test for node in tree.body if isinstance(node, ast.If))
    return path.startswith("load_tests/") and any(ast.unparse(test) == "__name__ == '__main__'" for test in guards)


def imported(tree: ast.Module) -> set[str]:
    """Dotted names a module imports; of ``from a import b`` both ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def entry_modules(root: Path) -> set[str]:
    """Modules that pyproject.toml names as scripts, entry points or hooks of the build."""
    file = root / "pyproject.toml"
    whole = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    project, hooks = whole.get("project", {}), whole.get("tool", {}).get("hatch", {}).get("build", {}).get("hooks", {})
    groups = [project.get("scripts", {}), *project.get("entry-points", {}).values()]
    named = {target.partition(":")[0] for group in groups for target in group.values()}
    return named | {module_of(hook["path"]) for hook in hooks.values() if "path" in hook}


def module_of(path: str) -> str:
    """``streams/core/fold.py`` as ``streams.core.fold``."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def idle_exemptions(trees: Mapping[str, ast.Module]) -> Iterator[Fault]:
    """Exemptions from a ban that nothing needs any more."""
    used = {(path, ban.name) for path, tree in trees.items() for _, ban in uses(path, tree)}
    for ban in BANS:
        for path in ban.exempt:
            if path in trees and (path, ban.name) not in used:
                yield Fault(path, 1, "idle-exemption", f"it does not use {ban.name}: tests/house/tidy.py need not exempt it")
