"""Raw records of the camera stream, a day at a time: ONVIF line counters, occupancy counters and water-level gauges.

A line counter counts up and begins again at local midnight. Devices behind some gateways come wrapped in CloudEvents.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from load_tests.calls import Day, Record, local_texts
from load_tests.habits import WEEKEND, Floats, Ints, hour_shares
from load_tests.hangzhou_places import Device
from load_tests.happenings import Happenings
from load_tests.place import Place
from streams.model import DAY_S, HOUR_S

LOST, RESENT, LATE = 0.002, 0.004, 0.01
CAPACITY = 4_000  # persons, of every counted place
VEHICLES_PER_DAY = 5_000.0
VISITS_AT_ONCE = 1_500.0
TIDE_S = 44_714  # 12 h 25 min
FLOOD_RISE_M = 2.2

TOPICS = {
    "line": "tns1:RuleEngine/CountAggregation/Counter",
    "occupancy": "tns1:RuleEngine/CountAggregation/OccupancyCounter",
    "level": "tns1:Device/Gauge/WaterLevel",
}
"""ONVIF's two counting topics; it has none for water levels, so gauges have one of the gateway's own."""


def camera(
    day: Day, place: Place, mounted: tuple[Device, ...], happenings: Happenings, every_s: int, rng: np.random.Generator
) -> Iterator[Record]:
    """A day's camera records, device by device, each reporting every ``every_s`` seconds."""
    starts_s = np.arange(DAY_S // every_s, dtype=np.int64) * every_s
    hours = starts_s // HOUR_S
    for row, device in enumerate(mounted):
        phase_s = row * 97 % every_s
        time_s = day.midnight_s + phase_s + starts_s
        silent = (time_s >= happenings.silence.start_s) & (time_s < happenings.silence.end_s) & (device.token == happenings.silence.token)
        if device.form == "line":
            values = _counted(_passed(hours, phase_s, row, day, every_s, rng), silent)
        elif device.form == "occupancy":
            values = _present(hours, row, day, rng)
        else:
            values = _level(time_s, row, place.codes.index(device.community), happenings, rng)
        yield from _sent(device, time_s, values, (rng.random(len(hours)) >= LOST) & ~silent, rng)


def _passed(hours: Ints, phase_s: int, row: int, day: Day, every_s: int, rng: np.random.Generator) -> Ints:
    """Vehicles over the line between one report and the next; before the first one, since local midnight."""
    per_report = VEHICLES_PER_DAY * (0.6 + 0.1 * (row % 8)) * hour_shares("rush")[hours] * every_s / HOUR_S
    per_report[0] *= phase_s / every_s
    if day.weekday in WEEKEND:
        per_report *= 0.8
    per_report *= rng.gamma(200.0, 1 / 200.0)
    return rng.poisson(per_report * rng.gamma(60.0, 1 / 60.0, len(hours)))


def _counted(passed: Ints, silent: NDArray[np.bool_]) -> list[str]:
    """A line counter's reports. A camera that is silent has no power, so it begins again from nothing afterwards."""
    counts = np.cumsum(passed)
    if silent.any():
        back = int(np.flatnonzero(silent)[-1]) + 1
        counts[back:] -= counts[back - 1]
    return [str(n) for n in counts.tolist()]


def _present(hours: Ints, row: int, day: Day, rng: np.random.Generator) -> list[str]:
    """Persons in the place, never more than it holds."""
    typical = VISITS_AT_ONCE * (0.7 + 0.1 * (row % 5)) * (1.25 if day.weekday in WEEKEND else 1.0)
    mean = 20.0 + typical * hour_shares("day")[hours] / hour_shares("day").max()
    counted = rng.poisson(mean * rng.gamma(80.0, 1 / 80.0) * rng.gamma(100.0, 1 / 100.0, len(hours)))
    return [str(n) for n in np.minimum(counted, CAPACITY).tolist()]


def _level(time_s: Ints, row: int, community: int, happenings: Happenings, rng: np.random.Generator) -> list[str]:
    """Metres above the gauge's zero: a tide, noise, and the flood."""
    at_s: Floats = time_s.astype(np.float64)
    tide = 0.20 * np.sin(2 * np.pi * at_s / TIDE_S + row)
    rise = FLOOD_RISE_M * happenings.flood.intensity[community] * happenings.flood.strength(at_s)
    return [f"{metres:.2f}" for metres in (2.2 + 0.1 * (row % 5) + tide + rise + rng.normal(0.0, 0.03, len(at_s))).tolist()]


def _sent(
    device: Device,
    time_s: Ints,
    values: list[str],
    sent: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Iterator[Record]:
    luck = rng.random(len(time_s))
    append_s = time_s + rng.integers(1, 6, len(time_s)) + np.where(luck < LATE, rng.integers(20, 240, len(time_s)), 0)
    again = luck > 1.0 - RESENT
    field = "Level" if device.form == "level" else "Count"
    source = f'"Source":{{"VideoSource":"{device.token}","Rule":"{device.form}"}}'
    for text, value, append, is_sent, twice in zip(
        local_texts(time_s, 0), values, append_s.tolist(), sent.tolist(), again.tolist(), strict=True
    ):
        if not is_sent:
            continue
        utc = f"{text[:10]}T{text[11:]}Z"
        reading = f'{{"UtcTime":"{utc}","Topic":"{TOPICS[device.form]}",{source},"Data":{{"{field}":{value}}}}}'
        if device.wrapped:
            reading = (
                f'{{"specversion":"1.0","id":"{device.token}-{utc}","source":"/gateways/{device.community[:6]}",'
                f'"type":"org.onvif.event","time":"{utc}","datacontenttype":"application/json","data":{reading}}}'
            )
        payload = reading.encode()
        yield append, payload
        if twice:
            yield append + 7, payload
