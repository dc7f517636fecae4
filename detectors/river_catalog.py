"""What river offers: its anomaly detectors, how each is made from parameters, and the scale on which the tail of its scores is exponential."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from river import anomaly, feature_extraction
from river.base import AnomalyDetector, SupervisedAnomalyDetector
from river.neighbors import LazySearch

PREFIX = "river.anomaly."

_LEAST = 1e-17
LIMITS: Mapping[str, tuple[float, float]] = {
    "gamma": (1e-3, 1e3),
    "grace_period": (0, 5_000),
    "height": (1, 15),
    "horizon": (1, 1),
    "n_bins": (2, 1_000),
    "n_components": (1, 1_000),
    "n_neighbors": (1, 100),
    "n_random_cuts": (1, 200),
    "n_trees": (1, 200),
    "nu": (1e-3, 1.0),
    "window_size": (0, 5_000),
}
"""Least and greatest value of parameters that decide how much a model takes."""


class Offer(NamedTuple):
    """One detector of river. ``make`` takes its parameters as numbers; those that are 0 for "as it suits" have been filled in."""

    name: str
    supervised: bool  # judges one number, not a vector of them
    defaults: Mapping[str, float]
    warm: tuple[str, ...]  # parameters that say how many items it must have learned before it says anything
    make: Callable[[Mapping[str, float]], Any]
    scale: Callable[[float], float]  # from a score to one whose tail is about exponential
    pure: bool = True  # False: score_one changes the model
    exempt: Mapping[str, str] = {}  # checks that it cannot pass, with the reason


def offers() -> dict[str, Offer]:
    """Every anomaly detector of river by its full name, but those that cannot be made of numbers alone, such as filters around another."""
    found = {}
    for name in sorted(anomaly.__all__):
        cls = getattr(anomaly, name)
        detects = isinstance(cls, type) and issubclass(cls, AnomalyDetector | SupervisedAnomalyDetector)
        if detects and all(p.default is not p.empty for p in inspect.signature(cls).parameters.values()):
            found[PREFIX + name] = _offer(name, cls)
    return found


def _offer(name: str, cls: Any) -> Offer:
    defaults = {key: float(value) for key, value in _numbers(cls).items()} | _OWN.get(name, {})
    return Offer(
        name=PREFIX + name,
        supervised=issubclass(cls, SupervisedAnomalyDetector),
        defaults=defaults,
        warm=_WARM.get(name, ()),
        make=_MAKERS.get(name, lambda params: cls(**{key: _as_given(cls, key, value) for key, value in params.items()})),
        scale=_SCALES.get(name, math.asinh),
        pure=name not in _IMPURE,
        exempt=_EXEMPT.get(name, {}),
    )


def _numbers(cls: Any) -> dict[str, float]:
    """The parameters of a class that are numbers, or may be left out as seeds and windows may."""
    found = {}
    for key, parameter in inspect.signature(cls).parameters.items():
        value = parameter.default
        if isinstance(value, int | float):
            found[key] = value
        elif value is None and key in ("seed", "window_size"):
            found[key] = 1.0 if key == "seed" else 0.0
    return found


def _as_given(cls: Any, key: str, value: float) -> Any:
    """A parameter in the type that the class has for it; 0 where it may be left out is None."""
    default = inspect.signature(cls).parameters[key].default
    if isinstance(default, bool):
        return bool(value)
    if default is None:
        return int(value) or None
    return int(value) if isinstance(default, int) else float(value)


def _neighbours(params: Mapping[str, float]) -> Any:
    return anomaly.LocalOutlierFactor(int(params["n_neighbors"]), LazySearch(window_size=int(params["window_size"])))


def _one_class(params: Mapping[str, float]) -> Any:
    features = feature_extraction.RBFSampler(gamma=params["gamma"], n_components=int(params["n_components"]), seed=int(params["seed"]))
    machine = anomaly.OneClassSVM(nu=params["nu"], intercept_lr=params["intercept_lr"], clip_gradient=params["clip_gradient"])
    return features | machine


def _of_one(score: float) -> float:
    """Of a score that ends at 1: a half is 0.7, nine tenths 2.3; about exponential where the score is a probability."""
    return -math.log(max(1.0 - score, _LEAST))


def _of_deviation(score: float) -> float:
    """Of standard deviations: half their square, as a normal law's tail falls."""
    return 0.5 * min(score, 9.0) ** 2


def _of_ratio(score: float) -> float:
    return math.log(max(score, _LEAST))


_OWN: dict[str, dict[str, float]] = {
    "GaussianScorer": {"grace_period": 0.0},
    "HalfSpaceTrees": {"window_size": 0.0},
    "LODA": {"n_random_cuts": 25.0},  # river's 100 take a millisecond an item
    "LocalOutlierFactor": {"window_size": 64.0},  # river's 1000 take 15
    "OneClassSVM": {"gamma": 2.0, "n_components": 50.0, "seed": 1.0},
    "PredictiveAnomalyDetection": {"n_std": 12.0},  # above n_std all scores are 1: no p-value tells them apart
}
_WARM = {"GaussianScorer": ("grace_period",), "HalfSpaceTrees": ("window_size",)}
_MAKERS: dict[str, Callable[[Mapping[str, float]], Any]] = {"LocalOutlierFactor": _neighbours, "OneClassSVM": _one_class}
_SCALES: dict[str, Callable[[float], float]] = {
    "GaussianScorer": _of_one,
    "HalfSpaceTrees": _of_one,
    "LODA": float,
    "LocalOutlierFactor": _of_ratio,
    "OneClassSVM": lambda score: -4.0 * score,  # river's is high where items are usual
    "PredictiveAnomalyDetection": lambda score: 20.0 * score,
    "StandardAbsoluteDeviation": _of_deviation,
}
_EXEMPT: dict[str, dict[str, str]] = {
    "LODA": {
        "check_event": "river's says the same of all that lies outside what it has seen, however far: with few scores behind it that is not rare"
    },
}
_IMPURE = ("PredictiveAnomalyDetection",)
