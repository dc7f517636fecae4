"""The parts of intake in columns, each held against what says the same of one value."""

from __future__ import annotations

import json
from hashlib import blake2b
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.areas import AreaTree
from streams.core.bulk.blake import BLOCK, digest, keyed
from streams.core.bulk.civil import NONE, Times, degrees
from streams.core.bulk.entries import BulkEntries
from streams.core.bulk.scan import ASCII, MISSING, NUMBER, TEXT, Keys
from streams.core.bulk.tokens import UNKNOWN, Tokens, _hash
from streams.core.distinct import distinct
from streams.core.entries import Entries
from streams.core.outlines import Outlines
from streams.core.times import parse_time
from tests.streams.core.intake_city import AREAS, T0

KEYS = ("no", "at", "kind")
NEW_YORK = ZoneInfo("America/New_York")


def columns(words: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    data = np.frombuffer(b"\n".join(words), np.uint8)
    end = (np.cumsum([len(word) + 1 for word in words]) - 1).astype(np.int32)
    first = end - np.array([len(word) for word in words], np.int32)
    return data, first, end, np.ones(len(words), np.bool_)


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
flat = st.dictionaries(st.sampled_from(["no", "at", "kind", "x", "y", "né"]), leaves, max_size=6)
noise = st.binary(max_size=40) | st.text(alphabet='{}[]":,\\u0dn ultrfase1-+.eE\t', max_size=40).map(str.encode)


@given(
    st.lists(
        flat.map(lambda d: json.dumps(d, ensure_ascii=False).encode()) | flat.map(lambda d: json.dumps(d).encode()) | noise,
        min_size=1,
        max_size=8,
    )
)
def test_what_the_scan_calls_plain_is_json_and_its_values_are_those_of_a_parser(records: list[bytes]) -> None:
    records = [record.replace(b"\n", b" ") for record in records]
    data, first, end, _ = columns(records)
    seen = Keys(KEYS, strict=False).scan(data, first.astype(np.int64), end.astype(np.int64))
    for i, record in enumerate(records):
        if not seen.plain[i]:
            continue
        said = msgspec.json.decode(record, type=dict)
        for k, key in enumerate(KEYS):
            token = data[seen.first[i, k] : seen.end[i, k]].tobytes()
            match seen.kind[i, k]:
                case kind if kind == MISSING:
                    assert said.get(key) is None
                case kind if kind == NUMBER:
                    assert json.loads(token) == said[key] and not isinstance(said[key], bool)
                case kind:
                    assert json.loads(b'"' + token + b'"') == said[key]
                    assert (kind == ASCII) == (token.isascii() and b"\\" not in token), kind in (ASCII, TEXT)


@given(flat)
def test_a_flat_record_without_booleans_is_plain(record: dict[str, object]) -> None:
    data, first, end, _ = columns([json.dumps(record, ensure_ascii=False).encode()])
    seen = Keys(KEYS, strict=False).scan(data, first.astype(np.int64), end.astype(np.int64))
    odd = any(isinstance(record.get(key), bool) for key in KEYS) or any("\ud800" <= c <= "\udfff" for c in str(record))
    assert seen.plain[0] or odd


@pytest.mark.parametrize(
    "record",
    [b"", b"{", b"[]", b'{"no":1}}', b'{"no":01}', b'{"no":1.}', b'{"no":.5}', b'{"no":"a"', b'{"no":"a","no":"b"}', b'{"no":tru}', b'{"no":[1]}',
     b'{"n\\u006f":1}', b'{"x":"\\ud800"}', b'{"x":"\\q"}', b'{"x":"\xff"}', b'{"x":"\xed\xa0\x80"}', b'{"x":"\xc0\x80"}', b'{"x":"\xf5\x80\x80\x80"}',
     b'{"x":"\x01"}', b'{"no":1,}', b'{,"no":1}', b'{"no" 1}', b'{"specversion":"1.0"}', b'{"no":NaN}', b'{"no":1e}', b'{"x":"\xe4\xb8"}'],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_parser(record: bytes) -> None:
    data, first, end, _ = columns([record])
    assert not Keys(KEYS, strict=False).scan(data, first.astype(np.int64), end.astype(np.int64)).plain[0]


def test_a_strict_source_leaves_records_with_other_fields_to_the_parser() -> None:
    data, first, end, _ = columns([b'{"no":"1"}', b'{"no":"1","x":2}'])
    assert Keys(KEYS, strict=True).scan(data, first.astype(np.int64), end.astype(np.int64)).plain.tolist() == [True, False]


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=BLOCK))
def test_digests_are_those_of_hashlib(key: bytes, message: bytes) -> None:
    block = np.frombuffer(message.ljust(BLOCK, b"\0"), "<u8").astype(np.uint64)
    expected = blake2b(message, key=key, digest_size=8).digest()
    if message:  # without one the key's block is the last
        assert int(digest(keyed(key), block, len(message))) == int.from_bytes(expected, "little")


moments = st.integers(-(10**7), 4 * 10**9).map(lambda s: np.datetime64(s, "s").item())
stamps = st.builds(
    lambda at, sep, tail: at.strftime(f"%Y-%m-%d{sep}%H:%M:%S") + tail,
    moments,
    st.sampled_from("T t"),
    st.sampled_from(["", "Z", "z", ".5", ".123456789Z", "+08:00", "-23:59", "+24:00", ".", "+0800", "Z ", ".1234567890"]),
)
odd_stamps = st.sampled_from(
    [
        "2015-02-29 00:00:00",
        "2016-02-29 00:00:00",
        "2015-13-01 00:00:00",
        "2015-01-01 24:00:00",
        "2015-01-01 23:59:60",
        "1422313500",
        "",
        "20150101",
    ]
)


@given(
    st.lists(stamps | odd_stamps, min_size=1, max_size=10),
    st.sampled_from([None, NEW_YORK, ZoneInfo("Asia/Shanghai"), ZoneInfo("Australia/Lord_Howe")]),
)
def test_times_in_columns_are_those_of_one(texts: list[str], zone: ZoneInfo | None) -> None:
    found = Times(lambda text: parse_time(text, zone)).parse(*columns([text.encode() for text in texts]))
    for text, at_s in zip(texts, found.tolist(), strict=True):
        assert at_s == NONE or at_s == parse_time(text, zone)


def test_the_hours_that_a_clock_change_repeats_or_leaves_out_are_those_of_one() -> None:
    texts = [
        f"2015-{day} {hour:02}:{minute:02}:{second}"
        for day in ("03-08", "11-01")
        for hour in range(5)
        for minute in range(60)
        for second in ("00", "59")
    ]
    found = Times(lambda text: parse_time(text, NEW_YORK)).parse(*columns([text.encode() for text in texts]))
    assert found.tolist() == [parse_time(text, NEW_YORK) for text in texts]


@given(
    st.lists(
        st.floats(-200, 200).map(repr)
        | st.decimals(-200, 200, places=6).map(str)
        | st.sampled_from(["-0", "0.1", "1e5", "123456789012345678"]),
        min_size=1,
    )
)
def test_degrees_are_the_doubles_of_a_parser_or_left_to_it(texts: list[str]) -> None:
    for text, number in zip(texts, degrees(*columns([text.encode() for text in texts])).tolist(), strict=True):
        assert np.isnan(number) or number == float(text)


def test_short_decimals_are_read_here() -> None:
    assert degrees(*columns([b"30.064748", b"-120.242585", b"7"])).tolist() == [30.064748, -120.242585, 7.0]


def test_a_token_is_asked_for_once_and_the_table_begins_anew_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr("streams.core.bulk.tokens.TOKENS_MAX", 3)
    tokens = Tokens(lambda token: asked.append(token) or (UNKNOWN if token == b"?" else len(token)), 1)  # type: ignore[func-returns-value]
    words = columns([b"a", b"bb", b"a", b"?", b"", b"bb"])
    assert tokens.look_up(*words).tolist() == [1, 2, 1, UNKNOWN, 0, 2]
    assert tokens.look_up(*words).tolist() == [1, 2, 1, UNKNOWN, 0, 2]
    assert asked == [b"a", b"bb", b"?", b"", b"?"]
    assert (tokens.look_up(*columns([b"dddd"])).tolist(), tokens.emptied) == ([4], 1)
    assert tokens.look_up(*words).tolist() == [1, 2, 1, UNKNOWN, 0, 2]


@given(st.lists(st.integers(-5, 5) | st.integers(-(2**60), 2**60), max_size=50))
def test_distinct_is_unique(values: list[int]) -> None:
    found, which = distinct(np.array(values, np.int64))
    expected, at = np.unique(np.array(values, np.int64), return_inverse=True)
    assert (found.tolist(), which.tolist()) == (expected.tolist(), at.tolist())


@given(st.lists(st.tuples(st.sampled_from(["noise", "water"]), st.integers(0, 4)), max_size=60), st.integers(1, 4))
def test_entries_in_arrays_are_those_of_a_map(seen: list[tuple[str, int]], limit: int) -> None:
    plain, bulk = Entries(limit), BulkEntries(("noise", "water"), limit)
    assert [bulk.count(*one) for one in seen] == [plain.count(*one) for one in seen]
    assert bulk.rows() == plain.rows()
    other = BulkEntries(("noise", "water"), limit)
    other.load(plain.rows())
    assert (other.rows(), other.count("noise", 9), other.rows()) == (bulk.rows(), bulk.count("noise", 9), bulk.rows())


@given(
    st.lists(st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 2.5), st.sampled_from([T0, T0 + 86_400])), max_size=20),
    st.sampled_from([3, 65_536]),
)
def test_many_points_are_where_one_by_one_says(points: list[tuple[float, float, int]], room: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.core.outlines.GRID_CELLS_MAX", room)
        outlines = Outlines("100", AREAS, AreaTree(AREAS).valid)
        lat, lon = (np.array([point[i] for point in points]) for i in (0, 1))
        for _ in range(2):
            found = outlines.find_many(lat, lon, np.array([point[2] for point in points], np.int64))
            for point, code in zip(points, found, strict=True):
                assert code is None or code == outlines.find(*point)
                assert code is not None or outlines.find(*point) is None or point[2] > T0 or len(points) > room


def test_tokens_of_one_place_are_not_kept_beyond_a_few() -> None:
    tokens, words = Tokens(len, 7), [f"token {i}".encode() for i in range(400_000)]
    crowd: dict[int, list[bytes]] = {}
    for word in words:
        data = np.frombuffer(word, np.uint8)
        crowd.setdefault(int(_hash(data, 0, len(data), np.uint64(7))) // 2048, []).append(word)
    most = max(crowd.values(), key=len)
    for _ in range(2):
        assert tokens.look_up(*columns(most)).tolist() == [len(word) for word in most]


def test_a_secret_moves_tokens_to_other_places() -> None:
    words = [np.frombuffer(f"token {i}".encode(), np.uint8) for i in range(64)]
    places = [[int(_hash(word, 0, len(word), np.uint64(secret))) for word in words] for secret in (1, 2)]
    assert places[0] != places[1]
