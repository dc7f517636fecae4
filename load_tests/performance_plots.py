"""The pictures of docs/performance.md: intake beside its peers, where its time goes, and what grows with a city."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

INTAKE, SCALE = "performance-intake.png", "performance-scale.png"
INCHES, DPI = (9.0, 3.6), 110
PEERS = {"drain_eps": "bare consumer", "intake_eps": "intake", "quix_eps": "Quix Streams, window", "faust_eps": "Faust, record by record"}


def draw(report: Mapping[str, Any], folder: Path) -> None:
    """Those that the report has figures for.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    if "intake_eps" in report.get("intake", {}):
        _save(_intake(report["intake"]), folder / INTAKE)
    if "series" in report.get("scale", {}):
        _save(_scale(report["scale"]), folder / SCALE)


def _intake(found: Mapping[str, Any]) -> Any:
    figure, (left, right) = _figure()
    names = [name for name in PEERS if found[name]]
    left.barh([PEERS[name] for name in names][::-1], [found[name] / 1000 for name in names][::-1], color="#2f6f9f")
    left.set_xscale("log")
    left.set_xlabel("thousand records a second of CPU time")
    stages = sorted(found["profile"].items(), key=lambda item: item[1])
    right.barh([name for name, _ in stages], [us for _, us in stages], color="#9f5f2f")
    right.set_xlabel("microseconds of CPU time a record")
    right.tick_params(axis="y", labelsize=7)
    return figure


def _scale(found: Mapping[str, Any]) -> Any:
    figure, (left, right) = _figure()
    left.loglog(
        [row["series"] for row in found["series"]], [row["us_a_cell"] for row in found["series"]], "o-", label="score, a changed cell"
    )
    left.loglog([row["areas"] for row in found["areas"]], [row["us_a_record"] for row in found["areas"]], "s-", label="intake, a record")
    left.set_xlabel("series; areas")
    left.set_ylabel("microseconds of CPU time")
    left.legend(fontsize=8)
    right.plot([row["processes"] for row in found["processes"]], [row["us_a_record"] for row in found["processes"]], "o-")
    right.set_xlabel("processes of intake")
    right.set_ylabel("microseconds of CPU time a record")
    right.set_ylim(bottom=0)
    return figure


def _figure() -> Any:
    figure = import_module("matplotlib.figure").Figure(figsize=INCHES, dpi=DPI, layout="constrained")
    return figure, figure.subplots(1, 2)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})
