"""The accuracy benchmark as one report: the simulation study, peers, calibration, outbreaks in real counts, the budget and known events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from load_tests import accuracy_page, backgrounds, boston_events, budget, calibration, curves, noufaily, ours
from load_tests.noufaily import Study
from load_tests.peers import WEEKLY
from streams.model import HOUR_S

Say = Callable[[str], None]
FIRST_WEEK = 52 * 20  # of the simulation, since the epoch: a year begins


def run(*, series: int, seed: int, data: Path | None, say: Say) -> dict[str, Any]:
    """The whole report; ``data``: a folder with the tables of ``backgrounds``."""
    say("simulation")
    report = simulated(noufaily.study(series, seed), say)
    report["settings"] = {"series": series, "seed": seed}
    real = backgrounds.there(data)
    for background in real:
        say(f"calibration: {background.name}")
        report["calibration_real"][background.name] = calibration.of_background(background)
    report["injected"] = {b.name: curves.compared(b, seed, say) for b in real if b.window_s == HOUR_S}
    report["delay_gain_vs_best_peer"] = report["injected"]["boston"]["gain"]
    say("alert budget")
    report |= budget.report(seed)
    say("known events")
    report |= boston_events.report()
    return report


def simulated(of: Study, say: Say) -> dict[str, Any]:
    """Everybody on the simulation study, and how well our p-values are calibrated there."""
    say("ours")
    mine = ours.p_values(of.counts, window_s=ours.WEEK_S, durations=ours.WEEKLY, first_index=FIRST_WEEK)
    everybody = {
        "ours": ours.surprise(mine.combined),
        "ours_1_week": ours.surprise(mine.each[0]),
        "oracle_1_week": noufaily.oracle(of, (1,)),
        "oracle_1_to_3_weeks": noufaily.oracle(of, ours.WEEKLY),
    }
    for name, peer in WEEKLY.items():
        say(name)
        everybody[name] = peer(of.counts, ours.WEEK_S, noufaily.JUDGED[0])
    strict = {name: noufaily.judged(scores, of.cases)._asdict() for name, scores in everybody.items()}
    clear = {name: noufaily.judged(scores, of.cases, memory=noufaily.MEMORY)._asdict() for name, scores in everybody.items()}
    detail = calibration.of_study(mine, of)
    ratios = {key: detail["combined"][key]["ratio"] for key in ("1e-2", "1e-3")}
    return {
        "noufaily": strict.pop("ours"),
        "noufaily_clear": clear.pop("ours"),
        "peers": strict,
        "peers_clear": clear,
        "calibration": ratios | {"1e-4": detail["combined"]["1e-4 from year 6"]["ratio"]},
        "calibration_detail": detail,
        "calibration_real": {},
    }


def write(report: dict[str, Any], folder: Path, say: Say) -> None:
    """The page ``accuracy.md`` in ``folder`` and, where matplotlib is installed, its pictures.

    Raises:
        ModuleNotFoundError: it is not; the page has been written, without pictures.
    """
    page = folder / "accuracy.md"
    page.write_text(accuracy_page.text(report, pictures=()))
    pictures = []
    for name, found in report["injected"].items():
        say(f"picture: {name}")
        pictures.append(curves.draw(found, name, folder).name)
    page.write_text(accuracy_page.text(report, pictures=pictures))
