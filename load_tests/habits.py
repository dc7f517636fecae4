"""How the simulated city behaves on an ordinary day: what is reported, how often, at which hours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WEEKEND = (5, 6)


class Scale(NamedTuple):
    """How much of everything there is. ``report_every_s`` divides a window, or windows would hold different numbers of reports."""

    calls: float = 1.0  # times the ordinary hotline calls and complaints
    report_every_s: int = 300  # of a camera or gauge
    flood_day: int = 16  # counted from 0
    silence_day: int = 18


class Subject(NamedTuple):
    """Something people report: its hotline item, its Open311 service, and how often a day in the whole city."""

    signal: str
    item: str
    calls_per_day: float
    service_code: str = ""
    service_name: str = ""
    complaints_per_day: float = 0.0
    hours: str = "day"
    weekend: float = 1.0


SUBJECTS: tuple[Subject, ...] = (
    Subject("flooding", "道路积水", 30, "FLOOD", "Water on the road", 20, "flat"),
    Subject("drains", "下水道堵塞", 60, "DRAIN", "Blocked drain", 50),
    Subject("water_supply", "自来水停水", 150, hours="home"),
    Subject("power_outage", "居民停电", 110, hours="home"),
    Subject("gas_smell", "燃气异味", 40, hours="home"),
    Subject("fire_hazard", "消防通道堵塞", 70),
    Subject("noise", "噪声扰民", 520, "NOISE", "Noise", 120, "night", 1.3),
    Subject("rubbish", "垃圾清运", 260, "WASTE", "Rubbish not collected", 240, "morning", 0.8),
    Subject("road_damage", "路面破损", 150, "ROAD", "Damaged road", 190, "day", 0.6),
    Subject("street_lights", "路灯故障", 110, "LIGHT", "Street light out", 150, "night"),
    Subject("parking", "违章停车", 380, "PARK", "Obstructive parking", 170, "rush", 0.8),
    Subject("air_quality", "空气异味", 110, "AIR", "Bad smell outdoors", 50, "night"),
    Subject("food_safety", "食品卫生", 90, hours="home", weekend=1.2),
    Subject("consumer", "消费纠纷", 330, weekend=0.9),
    Subject("housing", "房屋渗漏", 200, "BUILD", "Building defect", 60, "day", 0.7),
)

EXCLUDED_ITEMS = ("信访事项", "干部作风")
"""Petitions and complaints about officials: in the hotline's stream, and refused by the configuration on purpose."""

_SHAPES = {
    "flat": [1] * 24,
    "day": [1, 1, 1, 1, 1, 1, 2, 5, 9, 11, 11, 10, 7, 8, 10, 10, 9, 8, 6, 5, 4, 3, 2, 1],
    "home": [2, 1, 1, 1, 1, 2, 5, 8, 7, 6, 6, 7, 7, 6, 5, 5, 6, 8, 10, 11, 10, 8, 5, 3],
    "night": [7, 5, 3, 2, 2, 2, 3, 4, 5, 5, 5, 5, 5, 4, 5, 5, 5, 5, 6, 8, 10, 12, 12, 10],
    "morning": [1, 1, 1, 1, 1, 2, 6, 11, 12, 10, 8, 6, 5, 5, 5, 5, 5, 5, 4, 3, 3, 2, 2, 1],
    "rush": [1, 1, 1, 1, 1, 2, 6, 12, 11, 7, 6, 6, 6, 6, 6, 7, 9, 12, 11, 7, 5, 4, 3, 2],
}


def hour_shares(shape: str) -> Floats:
    """A day's share of each hour, (24,), summing to 1."""
    weights = np.array(_SHAPES[shape], dtype=np.float64)
    shares: Floats = weights / weights.sum()
    return shares
