"""What is put into the simulated city on purpose, once it has a history: a flood, and a camera that falls silent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from load_tests.habits import Floats, Scale
from load_tests.hangzhou_places import devices
from load_tests.place import Place, neighbours
from streams.model import DAY_S, HOUR_S
from streams.settings import City

SPREAD = 0.15  # of the street's own intensity, in the communities around it
SPREAD_LAG_S = 2_700
_PLAN = 7  # keeps this stream of random numbers apart from the days'


class Flood(NamedTuple):
    """Water in one street. ``intensity`` has a row a community of the place."""

    street: str
    spread: tuple[str, ...]
    intensity: Floats
    start_s: int
    end_s: int

    def strength(self, at_s: Floats, lag_s: int = 0) -> Floats:
        """0..1: rises over the first fifth, stays, and drains over the last two fifths."""
        part = (at_s - lag_s - self.start_s) / (self.end_s - self.start_s)
        return np.clip(np.minimum(part / 0.2, (1.0 - part) / 0.4), 0.0, 1.0)


class Silence(NamedTuple):
    """One device sends nothing."""

    token: str
    community: str
    start_s: int
    end_s: int


class Happenings(NamedTuple):
    """Everything that is put in on purpose."""

    flood: Flood
    silence: Silence


class Truth(NamedTuple):
    """An injected event: where, in which group of signals, and when. ``end_s`` is exclusive."""

    name: str
    area: str
    level: int
    group: str
    start_s: int
    end_s: int
    part_of: str = ""  # the event that it belongs to and that one alert may tell of as well


def plan(seed: int, first_midnight_s: int, city: City, place: Place, scale: Scale) -> Happenings:
    """Chooses places and times. The flood takes a street with gauges; the silent camera is its community's only device."""
    rng = np.random.default_rng([seed, _PLAN])
    mounted = devices(place.codes)
    streets = sorted({device.community[:9] for device in mounted if device.form == "level"})
    street = streets[int(rng.integers(len(streets)))]
    own = {code for code in place.codes if code.startswith(street)}
    spread = neighbours(city, own)
    intensity = np.array([1.0 if code in own else SPREAD if code in spread else 0.0 for code in place.codes])
    start_s = first_midnight_s + scale.flood_day * DAY_S + int(rng.integers(14 * 4, 17 * 4)) * 900
    flood = Flood(f"{street}000", spread, intensity, start_s, start_s + int(rng.integers(5, 7)) * HOUR_S)
    cameras = [device for device in mounted if device.form == "line" and device.community not in own and device.community not in spread]
    camera = cameras[int(rng.integers(len(cameras)))]
    start_s = first_midnight_s + scale.silence_day * DAY_S + int(rng.integers(8 * 4, 11 * 4)) * 900
    return Happenings(flood, Silence(camera.token, camera.community, start_s, start_s + int(rng.integers(6, 10)) * HOUR_S))


def truths(happenings: Happenings, start_s: int, end_s: int) -> list[Truth]:
    """What of it falls into the span, cut to it."""
    flood, silence = happenings
    every = [Truth("flood", flood.street, 2, "flood", flood.start_s, flood.end_s)]
    from_s, to_s = flood.start_s + SPREAD_LAG_S, flood.end_s + SPREAD_LAG_S
    every += [Truth("flood_spread", code, 3, "flood", from_s, to_s, part_of="flood") for code in flood.spread]
    every.append(Truth("silence", silence.community, 3, "feeds", silence.start_s, silence.end_s))
    return [
        event._replace(start_s=max(event.start_s, start_s), end_s=min(event.end_s, end_s))
        for event in every
        if event.start_s < end_s and event.end_s > start_s
    ]
