"""Raw records of the hotline for the intake bench: 80% with an area's code, 15% with a point, 5% with an address; some late, some twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

import orjson

from load_tests.place import place_of
from streams.model import HOUR_S
from streams.settings import City

BY_CODE, BY_POINT = 0.80, 0.15
LATE, TWICE = 0.01, 0.01
SPAN_S = 6 * HOUR_S
"""Over so long before now they happened."""
LATE_S = 3 * HOUR_S
RECENT = 10_000


def raw_records(city: City, number: int, end_s: int, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, payload) of each; the key is what the peers group by."""
    random, place = Random(seed), place_of(city, end_s)
    items, zone = list(city.sources["hotline"].categories), ZoneInfo(city.timezone)
    recent: list[tuple[bytes, bytes]] = []
    for i in range(number):
        if recent and random.random() < TWICE:
            yield random.choice(recent)
            continue
        at_s = end_s - SPAN_S + i * SPAN_S // number - (LATE_S if random.random() < LATE else 0)
        at, item = random.randrange(len(place.codes)), random.choice(items)
        said, typed = (datetime.fromtimestamp(moment_s, zone).strftime("%Y-%m-%d %H:%M:%S") for moment_s in (at_s, at_s + i % 40))
        body: dict[str, object] = {
            "order_no": f"20250602-{i:08d}",
            "accept_time": said,
            "register_time": typed,
            "item": item,
            "state": "受理",
        }
        luck = random.random()
        if luck < BY_CODE:
            body["area_code"] = place.codes[at]
        elif luck < BY_CODE + BY_POINT:
            lon, lat = random.choice(place.points[at])
            body |= {"lat": float(lat), "lon": float(lon)}
        else:
            body["address_std"] = place.addresses[at]
        record = f"{place.codes[at]}|{item}".encode(), orjson.dumps(body)
        if len(recent) < RECENT:
            recent.append(record)
        else:
            recent[i % RECENT] = record
        yield record
