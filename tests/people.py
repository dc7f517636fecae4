"""Records full of people: every string of theirs bears a mark, so that whatever leaks can be found."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime

import orjson

from load_tests.chaos_town import START_S

RECORDS = 10_000
MARK = "Qz7Xk"  # stands in every seeded string, in the ids as well
FAKE_NUMBERS = re.compile(rb"138[0-9]{8}4711")


def person(rng: random.Random, number: int) -> dict[str, object]:
    return {
        "no": f"{MARK}-id-{number}",
        "name": f"{MARK} Wang {rng.randrange(10**6)}",
        "phone": f"138{rng.randrange(10**8):08d}4711",
        "plate": f"浙A{MARK}{number}",
        "text": f"my neighbour {MARK} {rng.random()} is ill; call 138{rng.randrange(10**8):08d}4711",
        "address": {"street": f"{MARK} road", "lat": 30.123456, "lon": 120.654321},
    }


def records(seed: int = 7) -> list[bytes]:
    """Good ones, and every kind of bad one with the same strings in the places that are read."""
    rng = random.Random(seed)
    made = []
    for number in range(RECORDS):
        at = datetime.fromtimestamp(START_S + number * 60, UTC).isoformat()
        row = {**person(rng, number), "at": at, "where": f"D{number % 4}S{number % 5}", "what": "NOISE"}
        match number % 20:
            case 1:
                row["where"] = f"{MARK}-nowhere"
            case 2:
                row["what"] = f"{MARK}-unknown"
            case 3:
                row["at"] = f"{MARK}-never"
            case 4:
                del row["no"]
            case 5:
                made.append(orjson.dumps(row)[:-10])
                continue
            case 6:
                made.append(orjson.dumps([row]))
                continue
            case 7:
                row["no"] = {"deep": MARK}
            case 8:
                row["text"] = MARK * 20_000
        made.append(orjson.dumps(row))
    return made


def leaks(data: bytes) -> bool:
    """Whether any of it is in there."""
    return MARK.encode() in data or MARK.encode("utf-16-le") in data or FAKE_NUMBERS.search(data) is not None
