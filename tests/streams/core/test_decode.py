from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.decode import NESTING_MAX, PAYLOAD_BYTES_MAX, Decoder, Fields, as_number

PATHS = ("id", "time", "Data.Count", "Source.VideoSource", "名称")
LOOSE, STRICT = Decoder(PATHS), Decoder(PATHS, reject_unknown=True)


def encoded(record: object) -> bytes:
    return json.dumps(record).encode()


def values(decoder: Decoder, record: object) -> tuple[object, ...]:
    fields = decoder.decode(encoded(record))
    assert isinstance(fields, Fields)
    return fields.values


def test_values_stand_in_the_order_of_the_paths():
    record = {"time": 5, "extra": {"a": [1]}, "Data": {"Count": 3, "x": "y"}, "id": "7", "名称": "西湖", "Source": {"VideoSource": 1.5}}
    assert values(LOOSE, record) == ("7", 5, 3, 1.5, "西湖")
    assert values(LOOSE, {}) == (None,) * 5
    assert values(Decoder(("id",)), {"id": 1}) == (1,)


@pytest.mark.parametrize("wrong", [True, [], {}, [1], {"a": 1}, None])
def test_a_value_of_another_type_is_absent_and_spoils_no_other(wrong: object):
    assert values(LOOSE, {"id": wrong, "Data": {"Count": 3}}) == (None, None, 3, None, None)
    assert values(LOOSE, {"id": 1, "Data": {"Count": wrong}}) == (1, None, None, None, None)
    assert values(LOOSE, {"id": 1, "Data": wrong if wrong != {"a": 1} else [1], "time": 2}) == (1, 2, None, None, None)


@pytest.mark.parametrize("payload", [b"", b" ", b"{", b"[", b"{]", b"nul", b'{"id":1}x', b'{"id":1} {}', b'{"id":NaN}', b'{"id":"\xff"}', b'{"id":"\\ud800"}', b"\xef\xbb\xbf{}", b'{"id":true', b"\x80"])  # fmt: skip
def test_what_is_no_json(payload: bytes):
    assert LOOSE.decode(payload) == "not_json"
    assert STRICT.decode(payload) == "not_json"


@pytest.mark.parametrize("payload", [b"[]", b"5", b'"a"', b"null", b"true", b'[{"id":1}]', b'[{"specversion":"1.0"}]', b" [ ] "])
def test_json_that_is_no_object(payload: bytes):
    assert LOOSE.decode(payload) == "not_an_object"
    assert STRICT.decode(payload) == "not_an_object"


def test_a_payload_may_be_64_kib():
    head, tail = b'{"x":"', b'"}'
    fits = head + b"a" * (PAYLOAD_BYTES_MAX - len(head) - len(tail)) + tail
    assert isinstance(LOOSE.decode(fits), Fields)
    assert LOOSE.decode(fits + b" ") == "too_large"


def test_nesting_is_bounded_and_brackets_in_text_are_not_nesting():
    def nested(depth: int) -> bytes:
        return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert isinstance(LOOSE.decode(nested(NESTING_MAX)), Fields)
    assert LOOSE.decode(nested(NESTING_MAX + 1)) == "too_large"
    assert LOOSE.decode(b"[" * 30_000) == "too_large"
    assert isinstance(LOOSE.decode(encoded({"x": '\\"[{' * 500})), Fields)
    assert isinstance(LOOSE.decode(encoded({"x": [[] for _ in range(500)]})), Fields)


def test_judging_the_depth_takes_time_in_proportion_to_the_length():
    import time

    begun = time.process_time()
    assert LOOSE.decode(b"{" * 65 + b'"' + b'\\"' * 30_000) == "too_large"
    assert LOOSE.decode(b"{}" * 65 + b'"' + b'\\"' * 30_000) == "not_json"
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize(
    "record",
    [
        {"id": 1, "image_base64": "..."},
        {"id": 1, "Data": {"Count": 1, "Likelihood": 0.9}},
        {"id": {"a": 1}},
        {"id": ["a"]},
        {"Data": "..."},
        {"Data": [1]},
        {"Source": {"Rule": {"picture": "..."}}},
        {"id": True, "x": 1},
    ],
)
def test_an_unknown_field_is_told_when_asked_for(record: object):
    assert getattr(STRICT.decode(encoded(record)), "unknown") is True  # noqa: B009 - also says that it is no str
    assert getattr(LOOSE.decode(encoded(record)), "unknown") is False  # noqa: B009


def test_tokens_of_an_onvif_event_are_known():
    record = {
        "id": 1,
        "PropertyOperation": "Changed",
        "Source": {"VideoSource": "v", "Rule": "r", "AnalyticsConfiguration": "a"},
        "Data": None,
    }
    fields = STRICT.decode(encoded(record))
    assert isinstance(fields, Fields)
    assert not fields.unknown
    assert fields.values == (1, None, None, "v", None)


def cloud(data: object, **more: object) -> dict[str, object]:
    return {"specversion": "1.0", "id": "e1", "source": "/s", "type": "t", "time": "2023-01-01T00:00:00Z", "data": data, **more}


@pytest.mark.parametrize("decoder", [LOOSE, STRICT], ids=["loose", "strict"])
def test_a_cloudevent_is_opened(decoder: Decoder):
    event = cloud({"Data": {"Count": 3}}, datacontenttype="application/json", subject="x")
    expected = Fields((None, None, 3, None, None), "e1", "/s", "t", "2023-01-01T00:00:00Z")
    assert decoder.decode(encoded(event)) == expected
    headers = [
        ("ce_specversion", b"1.0"),
        ("CE_id", b"e1"),
        ("ce-source", b"/s"),
        ("ce_type", b"t"),
        ("ce_time", b"2023-01-01T00:00:00Z"),
        ("x", b"\xff"),
    ]
    assert decoder.decode(encoded({"Data": {"Count": 3}}), headers) == expected


def test_headers_without_a_specversion_say_nothing():
    assert LOOSE.decode(b'{"id":1}', [("ce_id", b"e1"), ("content-type", b"application/json")]) == Fields((1, None, None, None, None))


def test_a_strict_cloudevent_has_no_other_attributes():
    assert getattr(STRICT.decode(encoded(cloud({}, picture="..."))), "unknown") is True  # noqa: B009
    assert getattr(STRICT.decode(encoded(cloud({"picture": 1}))), "unknown") is True  # noqa: B009
    assert getattr(STRICT.decode(encoded(cloud([1]))), "unknown") is True  # noqa: B009
    assert values(LOOSE, cloud([1])) == (None,) * 5


def test_a_field_that_only_mentions_specversion_is_no_envelope():
    assert values(LOOSE, {"id": 1, "x": {"specversion": "1.0"}}) == (1, None, None, None, None)
    assert values(LOOSE, {"id": 1, "specversion": None}) == (1, None, None, None, None)


def test_paths_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match=r"'a\.b' is a value and an object at once"):
        Decoder(("a", "a.b"))
    with pytest.raises(ValueError, match="'a' is a value and an object at once"):
        Decoder(("a.b", "a"))


def test_numbers_beyond_any_use_are_none():
    assert values(LOOSE, {"id": 10**400, "time": 2}) in {(None, 2, None, None, None), (10**400, 2, None, None, None)}
    assert as_number(10**400) is None
    assert as_number(float("inf")) is None


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
names = st.sampled_from(["id", "time", "Data", "Source", "Count", "VideoSource", "Rule", "名称", "x", "specversion", "data"])
records = st.dictionaries(names, leaves | st.dictionaries(names, leaves | st.lists(leaves, max_size=2), max_size=4), max_size=6)


@given(records)
def test_both_ways_of_reading_agree(record: dict[str, object]):
    payload = encoded(record)
    for shape in (LOOSE._plain, STRICT._plain, LOOSE._wrapped, STRICT._wrapped):
        try:
            fast = shape._pick(shape._fast.decode(payload)), False
        except (msgspec.DecodeError, ValueError):
            continue
        assert shape._read_stepwise(payload) == fast


@given(st.binary(max_size=200) | records.map(encoded), st.booleans())
def test_nothing_raises(payload: bytes, strict: bool):
    fields = (STRICT if strict else LOOSE).decode(payload)
    assert fields in {"not_json", "not_an_object", "too_large"} if isinstance(fields, str) else len(fields.values) == len(PATHS)
