"""The contract of detectors as a suite that every registered one runs through, third-party ones too.

Each ``check_*`` takes something that makes a bank from a ``Setup`` (usually the class) and raises ``AssertionError``,
naming the detector and what failed. A class that cannot pass one says so itself, with the reason:
``exempt: ClassVar[Mapping[str, str]] = {"check_amend": "..."}``. The data come from ``detectors.nulls``.

    from detectors.checks import all_checks
    for check in all_checks(MyDetector):
        check(MyDetector)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from detectors.base import Bools, Detector, Floats, Ints, Make, State, Verdict
from detectors.nulls import World, null_world
from streams.model import HOUR_S

Check = Callable[[Make], None]

TOLERANCE = 0.25
"""Model error allowed in the share of null windows with p <= a, on top of the error of counting them."""
CALM_P = 0.01
"""Data that say nothing give no p-value below this."""

_QUARTER_DAY_S = 6 * HOUR_S
_KNOWN_DAYS = 44  # history that suffices for every built-in detector, several times over for some


def check_p_values(make: Make) -> None:
    """P(p <= a) <= a on the null, at .1, .01 and .001, for each duration, and for what began, which is remembered for about a day."""
    world = null_world(make, series=36, windows=24 * 80, window_s=HOUR_S, durations=(1, 3, 24), seed=11)
    detector = make(world.setup)
    chosen: list[Floats] = []
    ready = 0
    for verdict in _live(detector, world, 0, len(world.values)):
        every = np.concatenate((verdict.p, _onset(verdict)[:, None]), axis=1)
        chosen.append(np.where(verdict.ready[:, None], every, np.nan))
        ready += int(verdict.ready.sum())
    _require(ready > world.values.size // 4, make, f"is ready for only {ready} of {world.values.size} null windows")
    p = np.stack(chosen)
    for d, duration in enumerate((*world.setup.durations, 24)):
        said = p[:, :, d][np.isfinite(p[:, :, d])]
        for a in (0.1, 0.01, 0.001) if len(said) else ():  # what began may not be looked for
            share = float((said <= a).mean())
            most = a * (1.0 + TOLERANCE) + 4.0 * (a * duration / len(said)) ** 0.5
            _require(share <= most, make, f"P(p <= {a}) is {share:.5f} on its null over {duration} windows; at most {most:.5f} is allowed")


def check_verdicts(make: Make) -> None:
    """Shapes and ranges of what ``score`` returns, from the first window on."""
    world, detector = _small(make)
    shape = (len(world.setup.signal), len(world.setup.durations))
    _require(detector.block >= 1, make, f"has block {detector.block}; at least 1 is needed")
    for verdict in _live(detector, world, 0, len(world.values)):
        columns = (verdict.observed, verdict.expected, verdict.lower, verdict.upper, verdict.p)
        _require(all(c.shape == shape for c in columns), make, f"gives columns {[c.shape for c in columns]}, not {shape}")
        _require(verdict.ready.shape == shape[:1] and verdict.ready.dtype == bool, make, "gives ready in another form than one bool a row")
        _require(bool(np.array_equal(verdict.rows, np.arange(shape[0]))), make, "does not give all rows when asked for all")
        _require(bool(((verdict.p > 0) & (verdict.p <= 1)).all()), make, "gives a p-value outside (0, 1]")
        began = np.nan_to_num(_onset(verdict), nan=1.0)
        _require(bool(((began > 0) & (began <= 1)).all()), make, "gives a p-value of what began outside (0, 1]")
        finite = np.isfinite(verdict.observed) & np.isfinite(verdict.expected)
        _require(bool(finite.all()), make, "gives an observed or expected value that is not finite")
        _require(not (verdict.lower > verdict.upper).any(), make, "gives an interval whose lower end is above its upper end")


def check_bounded_state(make: Make) -> None:
    """State does not grow with time."""
    world, detector = _small(make, windows=3 * 4 * _KNOWN_DAYS)
    sizes = []
    for begin in range(0, len(world.values), 4 * _KNOWN_DAYS):
        _last(_live(detector, world, begin, begin + 4 * _KNOWN_DAYS))
        snapshot = detector.snapshot()
        sizes.append((sum(v.nbytes for v in snapshot.values()), _weight(vars(detector))))
    _require(sizes[2] == sizes[1], make, f"grows: snapshot and object of {sizes[1]} bytes are {sizes[2]} after {_KNOWN_DAYS} more days")


def check_snapshot_alone(make: Make) -> None:
    """A snapshot aliases nothing that goes on changing, neither when taken nor when restored."""
    world, detector = _small(make)
    end = len(world.values)
    _last(_live(detector, world, 0, end - 40))
    taken = detector.snapshot()
    copy = deepcopy(taken)
    _last(_live(detector, world, end - 40, end - 20))
    _require(_same(taken, copy), make, "has a snapshot that changes when the bank learns on")
    other = make(world.setup)
    other.restore(taken)
    _last(_live(other, world, end - 40, end - 20))
    _require(_same(taken, copy), make, "goes on writing into the snapshot it was restored from")
    before = other.snapshot()
    for value in (*taken.values(), *other.snapshot().values()):
        value[...] = np.zeros((), value.dtype)
    _require(_same(other.snapshot(), before), make, "changes when a snapshot of it is written to")


def check_restore(make: Make) -> None:
    """``restore(snapshot())`` equals never having stopped, bit for bit, wherever in a block the stop falls."""
    world, whole = _small(make)
    end = len(world.values)
    begin = end - 30
    _last(_live(whole, world, 0, begin))
    stopped = make(world.setup)
    stopped.restore(deepcopy(whole.snapshot()))
    for t in range(begin, end):
        expected, got = (_last(_live(d, world, t, t + 1)) for d in (whole, stopped))
        _require(_equal(expected, got), make, f"scores window {t - begin} after a restore otherwise than without one")
        again = make(world.setup)
        again.restore(stopped.snapshot())
        stopped = again
    _require(_same(whole.snapshot(), stopped.snapshot()), make, "ends in another state after restores than without")


def check_event(make: Make) -> None:
    """What the detector is for lowers its p-values: an outbreak, a level that shifts, a feed that falls silent."""
    world, detector = _small(make)
    _last(_live(detector, world, 0, len(world.values) - 1))
    (window, calm) = next(world.steps(len(world.values) - 1, len(world.values)))
    usual = world.values[-4 * 14 :]
    up = np.array([world.setup.signals[s].direction != "down" for s in world.setup.signal])
    far = 5.0 * usual.mean(axis=0) + 20.0 if world.kind == "count" else usual.mean(axis=0) + 20.0 * usual.std(axis=0)
    low = usual.mean(axis=0) - 20.0 * usual.std(axis=0) if world.kind == "level" else np.zeros(len(up))
    value = np.zeros(len(up)) if world.kind == "silence" else np.where(up, far, low)
    event = replace(world, values=np.concatenate((world.values[:-1], value[None]))).observed(len(world.values) - 1)
    before, after = detector.score(window, calm), detector.score(window, event)
    _require(bool(after.ready.all()), make, f"is not ready after {_KNOWN_DAYS} days of regular data")
    less = after.p.min(axis=1) < np.minimum(before.p.min(axis=1), CALM_P)
    rare = (world.kind == "count") & ~up  # too few events for their absence to say much
    _require(bool((less | rare).all()), make, f"does not see an event: least p-values are {after.p.min(axis=1).tolist()}")


def check_missing(make: Make) -> None:
    """Windows without data never alert, are not learned, and what stands in their fields is not read."""
    world, detector = _small(make, windows=4 * _KNOWN_DAYS + 60)
    begin = 4 * _KNOWN_DAYS
    absent = np.ones(world.values.shape, bool)
    absent[begin:-2] = False
    known = _last(_live(detector, world, 0, begin)).expected[:, 0]
    other = make(world.setup)
    other.restore(detector.snapshot())
    gap, junk = (replace(world.but(begin, -2, partial(np.full_like, fill_value=n)), present=absent) for n in (0.0, 1e6))
    after = known
    for t in range(begin, len(world.values)):
        verdict, strange = (_last(_live(d, w, t, t + 1)) for d, w in ((detector, gap), (other, junk)))
        least = min(float(verdict.p.min()), float(np.nan_to_num(_onset(verdict), nan=1.0).min()))
        _require(t >= len(world.values) - 2 or least >= CALM_P, make, f"says p = {least:.2g} of a window without data")
        _require(_equal(verdict, strange), make, "reads the values of a window whose present is False")
        after = verdict.expected[:, 0]
    ratio = (np.abs(after) + 1.0) / (np.abs(known) + 1.0)
    _require(
        bool(((ratio > 0.25) & (ratio < 4.0)).all()), make, f"learned from windows without data: expected {known} before, {after} after"
    )


def check_constant(make: Make) -> None:
    """A series that never changes never alerts."""
    small, detector = _small(make)
    world = replace(small, values=np.tile(np.resize([12.0, 40.0, 1.0], small.values.shape[1]), (len(small.values), 1)))
    for t, verdict in enumerate(_live(detector, world, 0, len(world.values))):
        least = float(np.where(verdict.ready[:, None], verdict.p, 1.0).min())
        _require(least >= CALM_P, make, f"says p = {least:.2g} of a series that never changed, in window {t}")


def check_score_pure(make: Make) -> None:
    """``score`` changes nothing and says the same twice."""
    world, detector = _small(make)
    end = len(world.values)
    _last(_live(detector, world, 0, end - 3))
    before = detector.snapshot()
    (window, observed), (next_window, next_observed) = world.steps(end - 3, end - 1)
    given = deepcopy(observed)
    first = detector.score(window, observed)
    detector.score(next_window, next_observed, ahead=((window, observed),))
    detector.score(window, observed, np.array([1]))
    _require(_equal(first, detector.score(window, observed)), make, "scores the same window differently the second time")
    _require(_same(before, detector.snapshot()), make, "has another state after score than before")
    detector.learn(window, observed, first.p.min(axis=1))
    same = all(np.array_equal(getattr(given, k), getattr(observed, k), equal_nan=True) for k in ("n", "total", "least", "most", "present"))
    _require(same, make, "writes into what was observed")


def check_score_before_learn(make: Make) -> None:
    """What is expected of a window depends neither on the window itself nor on others since its block began."""
    world, detector = _small(make)
    end = len(world.values)
    begin = end - 10
    while world.window(begin).index % detector.block:
        begin -= 1
    stop = min(begin + detector.block, end)
    other_world = world.but(begin, stop, lambda v: np.floor(v * 1.5) + 1.0)
    _last(_live(detector, world, 0, begin))
    other = make(world.setup)
    other.restore(detector.snapshot())
    for t in range(begin, stop):
        one, two = _last(_live(detector, world, t, t + 1)), _last(_live(other, other_world, t, t + 1))
        _require(
            bool(np.array_equal(one.expected[:, 0], two.expected[:, 0])),
            make,
            "expects of a window what it shows, or what its own block showed",
        )


def check_no_look_ahead(make: Make) -> None:
    """Scores up to a window do not depend on data after it, not even on those that another bank has seen."""
    world, first = _small(make)
    middle = len(world.values) - 40
    other_world = world.but(middle, len(world.values), lambda v: v[::-1] + 3.0)
    early = list(_live(first, world, 0, len(world.values)))[:middle]
    second = make(world.setup)
    late = list(_live(second, other_world, 0, len(world.values)))[:middle]
    for t, (one, two) in enumerate(zip(early, late, strict=True)):
        _require(_equal(one, two), make, f"scores window {t} otherwise when later data differ: look-ahead, or state that banks share")


def check_ahead(make: Make) -> None:
    """A window scored early, with those before it handed over as ``ahead``, scores the same once they are learned."""
    world, detector = _small(make)
    end = len(world.values)
    _last(_live(detector, world, 0, end - 12))
    for t in range(end - 12, end - 5):
        for steps in range(1, min(detector.block, 4) + 1):
            early = detector.score(world.window(t + steps), world.observed(t + steps), ahead=tuple(world.steps(t, t + steps)))
            later = make(world.setup)
            later.restore(detector.snapshot())
            _last(_live(later, world, t, t + steps))
            closed = later.score(world.window(t + steps), world.observed(t + steps))
            _require(_near(early, closed), make, f"scores a window {steps} ahead otherwise than once the windows before it are learned")
        _last(_live(detector, world, t, t + 1))


def check_rows(make: Make) -> None:
    """Scores of some rows are those of all rows, picked."""
    world, detector = _small(make)
    end = len(world.values)
    _last(_live(detector, world, 0, end - 2))
    (before, at) = world.steps(end - 2, end)
    for rows in (np.array([1, 4]), np.arange(6), np.zeros(0, np.int64)):
        whole, part = detector.score(*at, ahead=(before,)), detector.score(*at, rows, (before,))
        named = {k: getattr(whole, k) for k in ("observed", "expected", "lower", "upper", "p", "ready", "new_level", "onset")}
        picked = Verdict(rows, **{k: value if value is None else value[rows] for k, value in named.items()})  # type: ignore[arg-type]
        _require(_equal(picked, part), make, f"scores rows {rows.tolist()} otherwise than among all rows")


def check_amend(make: Make) -> None:
    """Late events either count as if they had come in time, or are refused and change nothing."""
    world, detector = _small(make)
    end = len(world.values)
    _last(_live(detector, world, 0, end - 4))
    whole = make(world.setup)
    whole.restore(detector.snapshot())
    for d in (detector, whole):
        _last(_live(d, world if d is detector else world.but(end - 4, end - 3, _two_more), end - 4, end - 2))
    before = detector.snapshot()
    taken = detector.amend(2, 1, 2.0)
    if not taken:
        _require(_same(before, detector.snapshot()), make, "refuses late events and changes all the same")
    else:
        late, punctual = (_last(_live(d, world, end - 2, end - 1)) for d in (detector, whole))
        same = np.allclose(late.observed, punctual.observed, rtol=1e-5, atol=1e-5)
        _require(same, make, "accepts late events, but does not count them as if they had come in time")
    far = detector.snapshot()
    _require(not detector.amend(100_000, 1, 1.0), make, "accepts late events of a window that no duration reaches")
    _require(_same(far, detector.snapshot()), make, "refuses late events and changes all the same")


def check_pools(make: Make) -> None:
    """Series of one pool do not depend on those of another: banks may be split and joined by pool."""
    world, _ = _small(make)
    pool = np.array([0, 0, 0, 1, 1, 1])
    world = replace(world, setup=replace(world.setup, pool=pool))
    other_world = world.but(0, len(world.values), lambda v: np.where(pool == 1, 3.0 * v[::-1] + 20.0, v))
    one, other = make(world.setup), make(world.setup)
    pairs = zip(_live(one, world, 0, len(world.values)), _live(other, other_world, 0, len(world.values)), strict=True)
    for t, (alone, beside) in enumerate(pairs):
        same = all(
            np.array_equal(a[pool == 0], b[pool == 0], equal_nan=True) for a, b in zip(_columns(alone), _columns(beside), strict=True)
        )
        _require(same, make, f"scores series of one pool otherwise when those of another differ, in window {t}")


def check_params(make: Make) -> None:
    """A parameter that the detector does not have is refused."""
    world, _ = _small(make, windows=1)
    try:
        make(replace(world.setup, params={"no_such_parameter": 1.0}))
    except ValueError as refusal:
        _require("no_such_parameter" in str(refusal), make, "refuses a parameter without naming it")
    else:
        _require(False, make, "takes a parameter that it does not have")


CHECKS: tuple[Check, ...] = (
    check_p_values,
    check_verdicts,
    check_bounded_state,
    check_snapshot_alone,
    check_restore,
    check_event,
    check_missing,
    check_constant,
    check_score_pure,
    check_score_before_learn,
    check_no_look_ahead,
    check_ahead,
    check_rows,
    check_amend,
    check_pools,
    check_params,
)


def all_checks(cls: type[Detector]) -> tuple[Check, ...]:
    """The checks that a detector must pass: all but those it is exempt from.

    Raises:
        AssertionError: an exemption names no check or gives no reason.
    """
    exempt = getattr(cls, "exempt", {})
    names = {check.__name__ for check in CHECKS}
    for name, reason in exempt.items():
        _require(
            name in names and bool(reason), cls, f"is exempt from {name!r} for the reason {reason!r}; give a check's name and a reason"
        )
    return tuple(check for check in CHECKS if check.__name__ not in exempt)


def _require(held: bool, make: Make, what: str) -> None:
    if not held:
        raise AssertionError(f"detector {getattr(make, 'name', make)!r} {what}")


def _small(make: Make, windows: int = 4 * _KNOWN_DAYS) -> tuple[World, Detector]:
    """Six series in windows of a quarter of a day, and a bank that has seen nothing."""
    world = null_world(make, series=6, windows=windows, window_s=_QUARTER_DAY_S)
    return world, make(world.setup)


def _live(detector: Detector, world: World, begin: int, end: int) -> Iterator[Verdict]:
    """Score, then learn, windows begin..end-1."""
    for window, observed in world.steps(begin, end):
        verdict = detector.score(window, observed)
        yield verdict
        detector.learn(window, observed, np.where(verdict.ready[:, None], verdict.p, 1.0).min(axis=1))


def _last(verdicts: Iterator[Verdict]) -> Verdict:
    *_, last = verdicts
    return last


def _two_more(values: Floats) -> Floats:
    return np.asarray(values + 2.0 * (np.arange(values.shape[1]) == 1))


def _columns(verdict: Verdict) -> Sequence[Floats | Ints | Bools]:
    named = verdict.ready if verdict.new_level is None else verdict.new_level
    return verdict.rows, verdict.observed, verdict.expected, verdict.lower, verdict.upper, verdict.p, verdict.ready, named, _onset(verdict)


def _onset(verdict: Verdict) -> Floats:
    """(R,) NaN where what began is not looked for."""
    return np.full(len(verdict.rows), np.nan) if verdict.onset is None else verdict.onset


def _equal(one: Verdict, two: Verdict) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(_columns(one), _columns(two), strict=True))


def _near(one: Verdict, two: Verdict) -> bool:
    """Equal to within the quantisation that p-values go through before any decision."""
    return all(
        np.allclose(a, b, rtol=1e-4, atol=1e-4 if a is not one.p else 0.0, equal_nan=True)
        for a, b in zip(_columns(one), _columns(two), strict=True)
    )


def _same(one: State, two: State) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k], equal_nan=one[k].dtype.kind == "f") for k in one)


def _weight(thing: Any) -> int:
    """Bytes and items held by an object's attributes, however deep."""
    if isinstance(thing, np.ndarray):
        return int(thing.nbytes)
    if isinstance(thing, dict):
        return len(thing) + sum(_weight(value) for value in thing.values())
    if isinstance(thing, list | tuple | set | frozenset):
        return len(thing) + sum(_weight(value) for value in thing)
    if hasattr(thing, "__dict__") and not isinstance(thing, type):
        return _weight(vars(thing))
    return 1
