"""The places of the simulated Hangzhou: real county-level codes, made-up streets and communities, made-up devices.

Codes have 12 digits: GB/T 2260 for the first six, 001-099 for a street in the next three, 001-199 for a community in the last
three. Only the county-level divisions are real; stems (Jia, Yi, Bing, Ding) and numbers make the rest easy to know as made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

CITY_CODE = "330100000000"
REDIVIDED = "2021-04-09"
"""Xiacheng and Jianggan ended, Linping and Qiantang began."""

STEMS = (("甲", "Jia"), ("乙", "Yi"), ("丙", "Bing"), ("丁", "Ding"))
NUMBERS = "一二三四"


class District(NamedTuple):
    """A county-level division. ``population``: census of 2020 in tens of thousands, rounded; ``streets`` is how many are made up."""

    code: str
    hanzi: str
    kind: str
    pinyin: str
    population_wan: int | None
    lon: float
    lat: float
    streets: int = 3
    valid_from: str = ""
    valid_to: str = ""

    @property
    def name(self) -> str:
        return f"{self.hanzi}{self.kind} {self.pinyin}"


DISTRICTS: tuple[District, ...] = (
    District("330102", "上城", "区", "Shangcheng", 132, 120.185, 30.255, 4),
    District("330105", "拱墅", "区", "Gongshu", 112, 120.150, 30.325, 4),
    District("330106", "西湖", "区", "Xihu", 111, 120.085, 30.240, 4),
    District("330108", "滨江", "区", "Binjiang", 50, 120.195, 30.190),
    District("330109", "萧山", "区", "Xiaoshan", 201, 120.310, 30.105, 4),
    District("330110", "余杭", "区", "Yuhang", 123, 119.960, 30.365, 4),
    District("330111", "富阳", "区", "Fuyang", 83, 119.910, 30.030),
    District("330112", "临安", "区", "Lin'an", 63, 119.400, 30.220),
    District("330113", "临平", "区", "Linping", 118, 120.270, 30.430, 4, valid_from=REDIVIDED),
    District("330114", "钱塘", "区", "Qiantang", 77, 120.460, 30.300, 4, valid_from=REDIVIDED),
    District("330122", "桐庐", "县", "Tonglu", 45, 119.620, 29.830),
    District("330127", "淳安", "县", "Chun'an", 33, 118.880, 29.640),
    District("330182", "建德", "市", "Jiande", 44, 119.340, 29.470),
)
CITY_POPULATION_WAN = 1194

ENDED: tuple[District, ...] = (
    District("330103", "下城", "区", "Xiacheng", None, 0.0, 0.0, 0, valid_to=REDIVIDED),
    District("330104", "江干", "区", "Jianggan", None, 0.0, 0.0, 0, valid_to=REDIVIDED),
)
SUCCESSORS = {"下城区": "330105000000"}
"""Old names that went over whole; Jianggan was split, so its name resolves to nothing."""


class Community(NamedTuple):
    """A made-up community; ``hanzi`` is the Chinese part of its name."""

    code: str
    name: str
    hanzi: str
    population: int


class Street(NamedTuple):
    """A made-up street with its communities."""

    code: str
    name: str
    hanzi: str
    communities: tuple[Community, ...]


def streets(district: District) -> Iterator[Street]:
    """The made-up streets of a district, twelve communities in all."""
    for number, (stem, romanised) in enumerate(STEMS[: district.streets], 1):
        code = f"{district.code}{number:03d}"
        hanzi = f"{district.hanzi}{stem}"
        communities = tuple(
            Community(
                code=f"{code}{n:03d}",
                name=f"{hanzi}{NUMBERS[n - 1]}社区 {district.pinyin} {romanised} {n}",
                hanzi=f"{hanzi}{NUMBERS[n - 1]}社区",
                population=2_000 + 250 * ((int(district.code) * 7 + number * 11 + n * 5) % 29),
            )
            for n in range(1, 12 // district.streets + 1)
        )
        yield Street(f"{code}000", f"{hanzi}街道 {district.pinyin} {romanised} Street", f"{hanzi}街道", communities)


Form = Literal["line", "occupancy", "level"]


class Device(NamedTuple):
    """A camera or gauge. ``wrapped``: its gateway sends CloudEvents."""

    token: str
    community: str
    form: Form
    wrapped: bool


def devices(communities: Iterable[str]) -> tuple[Device, ...]:
    """What is mounted where, a function of the community codes alone.

    Every district has a line counter in its second street. Every third one has a river: a water-level gauge in each community
    of its first street. Every sixth one has an occupancy counter. A line counter is always its community's only device.
    """
    by_district: dict[str, dict[str, list[str]]] = {}
    for code in sorted(communities):
        by_district.setdefault(code[:6], {}).setdefault(code[:9], []).append(code)
    found: list[Device] = []
    for place, by_street in enumerate(by_district.values()):
        first, second, third = list(by_street.values())[:3]
        found.append(_device(second[1], "line", place))
        if place % 3 == 0:
            found += [_device(code, "level", place) for code in first]
        if place % 6 == 0:
            found.append(_device(third[0], "occupancy", place))
    return tuple(found)


def _device(community: str, form: Form, place: int) -> Device:
    return Device(f"hz-{form}-{community}", community, form, wrapped=place % 4 == 1)
