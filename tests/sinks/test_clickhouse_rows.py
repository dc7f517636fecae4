"""Batches as columns: bounded blocks, the tables' own columns, nothing that a table cannot hold."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from sinks.base import Batch, SinkError
from sinks.checks import AREAS, MINUTE, SECRET, SIGNALS, alert, batch, counts, scores
from sinks.clickhouse.rows import SENTENCE_CHARS_MAX, WORD_CHARS_MAX, Block, blocks, reference_blocks, sentence, split, word
from sinks.clickhouse.schema import BY_NAME
from streams.columns import Cells, pack, unpack
from streams.model import Area, Quality

replace = msgspec.structs.replace


def by_table(given: Batch, rows_max: int = 1000) -> dict[str, Block]:
    return {block.table: block for block in blocks(given, rows_max=rows_max)}


def test_blocks_have_the_tables_columns_in_their_order() -> None:
    found = [*blocks(batch(0), rows_max=1000), *reference_blocks(AREAS, SIGNALS, rows_max=1000)]
    assert {block.table for block in found} == set(BY_NAME)
    for block in found:
        assert list(block.columns) == [column.name for column in BY_NAME[block.table].columns]
        assert {len(column) for column in block.columns.values()} == {block.rows}


def test_cells_leave_rollups_out_and_know_counts_from_levels() -> None:
    cells = by_table(batch(0))["cells"].columns
    assert list(cells["n"]) == [3, 1, 7, 2]
    assert list(cells["area"]) == ["d1a", "d1a", "d1b", "d1b"]
    assert list(cells["raw"]) == ["raw.hotline/0"] * 4
    assert list(cells["to_offset"]) == [10] * 4
    assert np.isnan(np.asarray(cells["total"][:3], float)).all(), "a count has no reading"
    assert (cells["total"][3], cells["least"][3], cells["most"][3]) == (5.5, 2.5, 3.0)


def test_late_and_punctual_cells_of_one_key_are_one_row() -> None:
    good = counts(0)
    cells = unpack(good)
    doubled = Cells(*(np.concatenate([column, column]) for column in cells))._replace(
        heard=np.array([0] * 4 + [MINUTE + 600] * 4, np.int32)
    )
    late = pack(rollup=False, config_hash="", spans=good.spans, areas=good.areas, signals=good.signals, cells=doubled)
    columns = by_table(Batch(counts=((1, late),)))["cells"].columns
    assert list(columns["n"]) == [6, 2, 14, 4]
    assert (columns["total"][3], columns["least"][3], columns["most"][3]) == (11.0, 2.5, 3.0)
    assert len(set(zip(*(columns[name] for name in ("area", "signal", "minute", "raw", "to_offset")), strict=True))) == 4


def test_quality_carries_its_spans_end() -> None:
    quality = by_table(batch(2))["quality"].columns
    assert {name: column[0] for name, column in quality.items()} == {
        "raw": "raw.hotline/0",
        "to_offset": 30,
        "source": "hotline",
        "reason": "duplicate",
        "at": counts(2).spans[0].newest_s,
        "n": 2,
    }


def test_no_command_body_in_any_column() -> None:
    assert SECRET not in "".join(repr(block.columns) for block in blocks(batch(0), rows_max=1000))


def test_blocks_are_bounded_and_lose_nothing() -> None:
    many = Batch(scores=tuple(scores(3600 * n) for n in range(1, 51)))
    found = list(blocks(many, rows_max=7))
    assert max(block.rows for block in found) == 7
    assert sum(block.rows for block in found) == 100
    assert [time for block in found for time in block.columns["window_end"]] == [3600 * n for n in range(1, 51) for _ in range(2)]


def test_an_empty_block_is_no_block() -> None:
    assert list(split(Block("signals", {"name": []}), 5)) == []
    assert list(blocks(Batch(), rows_max=5)) == []


@pytest.mark.parametrize("column", ["total", "least", "most"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_a_cell_that_is_not_finite_is_refused(column: str, bad: float) -> None:
    good = counts(0)
    values = getattr(unpack(good), column).copy()
    values[3] = bad
    cells = unpack(good)._replace(**{column: values})
    broken = pack(rollup=False, config_hash="", spans=good.spans, areas=good.areas, signals=good.signals, cells=cells)
    with pytest.raises(SinkError, match="not finite") as refused:
        list(blocks(Batch(counts=((1, broken),)), rows_max=10))
    assert not refused.value.retryable


def test_a_level_without_its_total_is_refused() -> None:
    good = counts(0)
    cells = unpack(good)._replace(total=np.full(4, np.nan))
    broken = pack(rollup=False, config_hash="", spans=good.spans, areas=good.areas, signals=good.signals, cells=cells)
    with pytest.raises(SinkError, match="not finite"):
        list(blocks(Batch(counts=((1, broken),)), rows_max=10))


@pytest.mark.parametrize("at_s", [-1, 2**32])
def test_a_time_that_a_table_cannot_hold_is_refused(at_s: int) -> None:
    with pytest.raises(SinkError, match="1970 to 2106"):
        list(blocks(Batch(alerts=(replace(alert("a", 0), onset_s=at_s),)), rows_max=10))


def test_words_are_refused_and_sentences_cut() -> None:
    assert word("x" * WORD_CHARS_MAX)
    with pytest.raises(SinkError, match="longer than"):
        word("x" * (WORD_CHARS_MAX + 1))
    assert sentence("x" * SENTENCE_CHARS_MAX) == "x" * SENTENCE_CHARS_MAX
    assert sentence("x" * 9999).endswith("x…")
    assert len(sentence("x" * 9999)) == SENTENCE_CHARS_MAX


def test_an_alerts_version_grows_with_every_step_and_update() -> None:
    early, late = alert("a", 0), alert("a", 1)
    touched = replace(early, updated_s=early.updated_s + 60)
    versions = [by_table(Batch(alerts=(each,)))["alerts"].columns["version"][0] for each in (early, touched, late)]
    assert versions == sorted(versions)
    assert len(set(versions)) == 3


def test_areas_know_their_district() -> None:
    lonely = Area("x1", "Nowhere", 2, "gone")
    areas = next(reference_blocks((*AREAS, lonely), (), rows_max=100)).columns
    assert dict(zip(areas["code"], areas["district"], strict=True)) == {
        "city": "",
        "d1": "d1",
        "d2": "d2",
        "d1a": "d1",
        "d1b": "d1",
        "d1c": "d1",
        "d1a1": "d1",
        "x1": "",
    }


def test_quality_before_any_event_has_the_first_time() -> None:
    idle = replace(counts(0), spans=(replace(counts(0).spans[0], newest_s=-1),), quality=(Quality("raw.hotline/0", "hotline", "late", 1),))
    assert by_table(Batch(counts=((1, idle),)))["quality"].columns["at"] == [0]
