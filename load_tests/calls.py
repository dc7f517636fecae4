"""Raw records of the hotline (12345 style, its own field names) and of the complaint system (Open311 GeoReport v2), a day at a time.

No record has a caller, an address of a person, a number or free text: the simulation never makes them up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from load_tests.habits import EXCLUDED_ITEMS, SUBJECTS, WEEKEND, Floats, Ints, Subject, hour_shares
from load_tests.happenings import SPREAD_LAG_S, Flood
from load_tests.place import POINTS_PER_COMMUNITY, Place
from streams.model import DAY_S, HOUR_S

Record = tuple[int, bytes]  # append time, payload

LATE, VERY_LATE, RESENT = 0.02, 0.002, 0.01
WITHDRAWN, RECLASSIFIED, CLOSED = 0.015, 0.008, 0.05
BY_CODE, BY_LIBRARY = 0.80, 0.15  # of the hotline's records; the rest have a point
COMPLAINTS_BY_CODE = 0.30
EXCLUDED_PER_DAY = 8
FLOOD_PER_HOUR = {"flooding": (8.0, 3.0), "drains": (3.0, 1.5), "power_outage": (1.5, 0.0)}  # calls, complaints in one community
STEP_S = 300


class Day(NamedTuple):
    """A local day: its midnight, its weekday (0 Monday) and the local time's offset."""

    number: int
    midnight_s: int
    weekday: int
    offset_s: int


class Reports(NamedTuple):
    """Reports of one channel in order of time, in columns."""

    time_s: Ints
    community: Ints
    subject: Ints


def reports(day: Day, place: Place, flood: Flood, channel: int, calls: float, rng: np.random.Generator) -> Reports:
    """What is reported this day through ``channel`` (0 hotline, 1 complaint).

    A negative binomial, ``calls`` times the ordinary number of them: a gamma factor for the subject's day, one for the district's hour and one for the community's hour.
    """
    mean = _ordinary(day, place, channel) * calls
    mean *= rng.gamma(100.0, 1 / 100.0, size=(1, len(SUBJECTS), 1))
    mean *= rng.gamma(40.0, 1 / 40.0, size=(int(place.districts.max()) + 1, len(SUBJECTS), 24))[place.districts]
    mean *= rng.gamma(5.0, 1 / 5.0, size=mean.shape)
    community, subject, hour = (np.repeat(axis, drawn) for drawn, axis in _drawn(rng.poisson(mean)))
    time_s = day.midnight_s + hour * HOUR_S + rng.integers(0, HOUR_S, len(hour))
    if day.midnight_s < flood.end_s + SPREAD_LAG_S and flood.start_s < day.midnight_s + DAY_S:
        extra = _flood_reports(day, flood, channel, rng)
        time_s, community, subject = (np.concatenate(pair) for pair in zip((time_s, community, subject), extra, strict=True))
    order = np.argsort(time_s, kind="stable")
    return Reports(time_s[order], community[order], subject[order])


def _ordinary(day: Day, place: Place, channel: int) -> Floats:
    """Mean reports by community, subject and hour."""

    def per_day(subject: Subject) -> float:
        rate = subject.complaints_per_day if channel else subject.calls_per_day
        return rate * (subject.weekend if day.weekday in WEEKEND else 1.0)

    hourly = np.stack([per_day(subject) * hour_shares(subject.hours) for subject in SUBJECTS])
    mean: Floats = place.shares[:, None, None] * hourly[None]
    return mean


def _drawn(counts: Ints) -> Iterator[tuple[Ints, Ints]]:
    cells = np.nonzero(counts)
    for axis in cells:
        yield counts[cells], axis


def _flood_reports(day: Day, flood: Flood, channel: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    starts = np.arange(day.midnight_s, day.midnight_s + DAY_S, STEP_S, dtype=np.int64)
    lags = np.where(flood.intensity < 1.0, SPREAD_LAG_S, 0)
    rises = np.stack([flood.strength(starts.astype(np.float64), int(lag)) for lag in lags])
    rates = np.zeros(len(SUBJECTS))
    for row, subject in enumerate(SUBJECTS):
        rates[row] = FLOOD_PER_HOUR.get(subject.signal, (0.0, 0.0))[channel]
    mean = (flood.intensity[:, None] * rises)[:, None, :] * (rates * STEP_S / HOUR_S)[None, :, None]
    community, subject_row, step = (np.repeat(axis, drawn) for drawn, axis in _drawn(rng.poisson(mean)))
    return starts[step] + rng.integers(0, STEP_S, len(step)), community, subject_row


def hotline(day: Day, place: Place, flood: Flood, calls: float, rng: np.random.Generator) -> Iterator[Record]:
    """A day's hotline records, not yet in append order: first ones, repeats, withdrawals and reclassifications."""
    made = reports(day, place, flood, 0, calls, rng)
    count = len(made.time_s)
    append_s, register_s = _delays(made.time_s, 25.0, rng)
    where = rng.random(count)
    point = rng.integers(0, POINTS_PER_COMMUNITY, count)
    fate = rng.random(count)
    after_s = rng.integers(600, 14_400, count)
    items = [subject.item for subject in SUBJECTS]
    prefix = local_texts(np.array([day.midnight_s]), day.offset_s)[0][:10].replace("-", "")
    rows = zip(
        local_texts(made.time_s, day.offset_s), local_texts(register_s, day.offset_s), made.community.tolist(), made.subject.tolist(),
        append_s.tolist(), where.tolist(), point.tolist(), fate.tolist(), after_s.tolist(), strict=True,
    )  # fmt: skip
    for number, (time, register, community, subject, append, by, spot, luck, later) in enumerate(rows):
        if by < BY_CODE:
            at = f'"area_code":"{place.codes[community]}"'
        elif by < BY_CODE + BY_LIBRARY:
            at = f'"address_std":"{place.addresses[community]}"'
        else:
            lon, lat = place.points[community][spot]
            at = f'"lon":{lon},"lat":{lat}'
        head = f'{{"order_no":"{prefix}-{number:06d}","accept_time":"{time}","register_time":"{register}",'
        item = items[subject]
        first = f'{head}"item":"{item}","state":"受理",{at}}}'.encode()
        yield append, first
        if luck < RESENT:
            yield append + later // 60, first
        elif luck < RESENT + WITHDRAWN:
            yield append + later, f'{head}"item":"{item}","state":"作废",{at}}}'.encode()
        elif luck < RESENT + WITHDRAWN + RECLASSIFIED:
            now = items[(subject + 1) % len(items)]
            yield append + later, f'{head}"item":"{now}","item_before":"{item}","state":"改派",{at}}}'.encode()
    yield from _excluded(day, place, prefix, rng)


def _excluded(day: Day, place: Place, prefix: str, rng: np.random.Generator) -> Iterator[Record]:
    time_s = day.midnight_s + rng.integers(8 * HOUR_S, 18 * HOUR_S, EXCLUDED_PER_DAY)
    community = rng.integers(0, len(place.codes), EXCLUDED_PER_DAY).tolist()
    for number, (at_s, time) in enumerate(zip(time_s.tolist(), local_texts(time_s, day.offset_s), strict=True)):
        item = EXCLUDED_ITEMS[number % len(EXCLUDED_ITEMS)]
        yield (
            at_s + 30,
            (
                f'{{"order_no":"{prefix}-9{number:05d}","accept_time":"{time}","register_time":"{time}",'
                f'"item":"{item}","state":"受理","area_code":"{place.codes[community[number]]}"}}'
            ).encode(),
        )


def complaint(day: Day, place: Place, flood: Flood, calls: float, rng: np.random.Generator) -> Iterator[Record]:
    """A day's Open311 requests, not yet in append order; some come again when they are closed."""
    made = reports(day, place, flood, 1, calls, rng)
    count = len(made.time_s)
    append_s, _ = _delays(made.time_s, 60.0, rng)
    by_code = (rng.random(count) < COMPLAINTS_BY_CODE).tolist()
    point = rng.integers(0, POINTS_PER_COMMUNITY, count).tolist()
    fate = rng.random(count).tolist()
    after_s = rng.integers(HOUR_S, DAY_S, count)
    zone = f"{'-' if day.offset_s < 0 else '+'}{abs(day.offset_s) // 3600:02d}:{abs(day.offset_s) % 3600 // 60:02d}"
    closed = local_texts(append_s + after_s, day.offset_s)
    rows = zip(local_texts(made.time_s, day.offset_s), made.community.tolist(), made.subject.tolist(), append_s.tolist(), strict=True)
    for number, (time, community, subject, append) in enumerate(rows):
        about = SUBJECTS[subject]
        lon, lat = place.points[community][point[number]]
        at = f'"address_id":"{place.codes[community]}"' if by_code[number] else f'"lat":{lat},"long":{lon}'
        requested = time.replace(" ", "T") + zone
        head = f'{{"service_request_id":"HZ-{day.midnight_s // DAY_S}-{number:05d}","status":'
        tail = f'"service_code":"{about.service_code}","service_name":"{about.service_name}","requested_datetime":"{requested}"'
        first = f'{head}"open",{tail},"updated_datetime":"{requested}",{at}}}'.encode()
        yield append, first
        if fate[number] < RESENT:
            yield append + int(after_s[number]) // 100, first
        elif fate[number] < RESENT + CLOSED:
            updated = closed[number].replace(" ", "T") + zone
            yield append + int(after_s[number]), f'{head}"closed",{tail},"updated_datetime":"{updated}",{at}}}'.encode()


def _delays(time_s: Ints, typical_s: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """When records reach the log, and when they were typed in: most at once, some late and out of order, a few very late."""
    count = len(time_s)
    delay_s = np.clip(rng.lognormal(np.log(typical_s), 0.7, count), 1.0, 240.0)
    luck = rng.random(count)
    delay_s += np.where(luck < LATE, rng.uniform(300.0, 3_600.0, count), 0.0)
    delay_s += np.where(luck < VERY_LATE, rng.uniform(7_200.0, 43_200.0, count), 0.0)
    return time_s + delay_s.astype(np.int64), time_s + (delay_s * 0.8).astype(np.int64)


def local_texts(at_s: Ints, offset_s: int) -> list[str]:
    """Local times as ``2025-06-02 08:03:11``."""
    texts = np.datetime_as_string((at_s + offset_s).astype("datetime64[s]"), unit="s").tolist()
    return [text.replace("T", " ") for text in texts]
