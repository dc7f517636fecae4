"""Records that intake must refuse, a few a day: broken, incomplete, unknown, from the future. Nothing personal even here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from load_tests.calls import Day, local_texts
from load_tests.cameras import TOPICS
from load_tests.hangzhou_places import Device
from load_tests.place import Place
from streams.model import DAY_S

ENDED_AREA = "330103001001"
"""In Xiacheng, which ended in 2021: the table no longer has its communities."""


def garbage(day: Day, place: Place, mounted: tuple[Device, ...], rng: np.random.Generator) -> Iterator[tuple[str, int, bytes]]:
    """(source, append time, payload), each once a day at a time of its own."""
    code, token = place.codes[0], mounted[0].token
    kinds: tuple[tuple[str, str], ...] = (
        ("hotline", '{"order_no":"{id}","accept_time":"{time}","item":"噪'),
        ("hotline", '["{id}","{time}"]'),
        ("hotline", f'{{"accept_time":"{{time}}","item":"噪声扰民","state":"受理","area_code":"{code}"}}'),
        ("hotline", f'{{"order_no":"{{id}}","item":"噪声扰民","state":"受理","area_code":"{code}"}}'),
        ("hotline", f'{{"order_no":"{{id}}","accept_time":"昨天上午","item":"噪声扰民","state":"受理","area_code":"{code}"}}'),
        ("hotline", f'{{"order_no":"{{id}}","accept_time":"{{later}}","item":"噪声扰民","state":"受理","area_code":"{code}"}}'),
        ("hotline", f'{{"order_no":"{{id}}","accept_time":"{{time}}","item":"未列事项","state":"受理","area_code":"{code}"}}'),
        ("hotline", f'{{"order_no":"{{id}}","accept_time":"{{time}}","item":"噪声扰民","state":"受理","area_code":"{ENDED_AREA}"}}'),
        ("complaint", "<html><body>502 Bad Gateway</body></html>"),
        (
            "complaint",
            '{"service_request_id":"{id}","status":"open","service_code":"NOISE","requested_datetime":"{iso}Z","lat":0.0,"long":0.0}',
        ),
        (
            "camera",
            f'{{"UtcTime":"{{iso}}Z","Topic":"tns1:VideoSource/ImageTooBlurry/ImagingService","Source":{{"VideoSource":"{token}",'
            '"Rule":"image"},"Data":{"State":true}}',
        ),
        (
            "camera",
            f'{{"UtcTime":"{{iso}}Z","Topic":"{TOPICS["line"]}","Source":{{"VideoSource":"{token}","Rule":"line"}},'
            '"Data":{"Count":3,"Likelihood":0.9}}',
        ),
        (
            "camera",
            f'{{"UtcTime":"{{iso}}Z","Topic":"{TOPICS["line"]}","Source":{{"VideoSource":"{token}","Rule":"line"}},"Data":{{"Count":-1}}}}',
        ),
    )
    at_s = day.midnight_s + rng.integers(0, DAY_S, len(kinds))
    local, later, utc = local_texts(at_s, day.offset_s), local_texts(at_s + 7_200, day.offset_s), local_texts(at_s, 0)
    for number, (source, text) in enumerate(kinds):
        filled = text.replace("{id}", f"X{day.midnight_s // DAY_S}-{number}").replace("{time}", local[number])
        filled = filled.replace("{later}", later[number]).replace("{iso}", utc[number].replace(" ", "T"))
        yield source, int(at_s[number]) + 2, filled.encode()
