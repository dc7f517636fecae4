from __future__ import annotations

import pytest

from streams.core import watch as module
from streams.core.intake import Intake, Raw
from streams.core.pipeline import Scorer
from streams.core.score import Scored
from streams.core.watch import Watch, Watched
from streams.model import DAY_S, HOUR_S, Counts
from tests.shells.small import START_S, days, small_city

CITY = small_city(("hotline",))
BURST_END_S = START_S + 61 * HOUR_S


def journal() -> list[Counts]:
    intake = Intake(CITY, bytes(32))
    records = [Raw(i, at_s, data) for i, (at_s, data) in enumerate(days(4, bursts=(60, 61)))]
    return [counts for i in range(0, len(records), 7) for counts in intake.apply("hotline", 0, records[i : i + 7]).counts]


def watching(watch: Watch, shards: set[str] | None = None) -> tuple[Scorer, list[Watched]]:
    hosts: list[Watched] = []

    def host(city, names, tree) -> Watched:
        hosts.append(Watched(city, names, tree, watch))
        return hosts[-1]

    return Scorer(CITY, shards, host=host), hosts


def watch(**bounds: int) -> Watch:
    return Watch(
        {("A2", "flooding")},
        {("C", "flooding"), ("A1", "flooding")},
        **{"moment_s": BURST_END_S, "from_s": START_S + 2 * DAY_S, "until_s": START_S + 3 * DAY_S, **bounds},
    )


def test_looking_on_changes_nothing():
    plain = Scorer(CITY)
    looked, _ = watching(watch())
    for counts in journal():
        assert looked.apply(counts) == plain.apply(counts)
    assert looked.snapshot() == plain.snapshot()


def test_points_are_what_the_findings_say():
    seen = watch()
    scorer, _ = watching(seen)
    scored: list[Scored] = [scorer.apply(counts) for counts in journal()]
    [finding] = [
        f for s in scored for f in s.findings if (f.area, f.signal, f.window_end_s, f.early) == ("A2", "flooding", BURST_END_S, False)
    ]
    points = {point.window_end_s: point for point in seen.points["A2", "flooding"]}
    assert points[BURST_END_S].evidence == finding.evidence
    assert sorted(points) == list(range(START_S + 2 * DAY_S + HOUR_S, START_S + 3 * DAY_S + 1, HOUR_S)), "each window, counted or not"
    assert [point.window_end_s for point in seen.points["C", "flooding"]] == [BURST_END_S]
    assert seen.points["C", "flooding"][0].evidence[0].observed == 40


def test_shards_that_are_not_looked_at_may_be_left_out():
    whole, part = watch(), watch()
    for seen, shards in ((whole, None), (part, {"A2"})):
        scorer, _ = watching(seen, shards)
        for counts in journal():
            scorer.apply(counts)
    assert part.points["A2", "flooding"] == whole.points["A2", "flooding"]
    assert ("C", "flooding") not in part.points


def test_ready_counts_the_series_with_history():
    scorer, hosts = watching(watch())
    assert [host.ready() for host in hosts] == [0, 0]
    for counts in journal():
        scorer.apply(counts)
    assert [host.ready() for host in hosts] == [2, 6]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "POINTS_MAX", 10)
    seen = watch()
    scorer, _ = watching(seen)
    for counts in journal():
        scorer.apply(counts)
    assert sum(len(points) for points in seen.points.values()) == 10
    assert seen.beyond == 24 + 2 - 10
