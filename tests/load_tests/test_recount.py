"""The second count of raw records, held against intake's own."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from load_tests.cells import diff, of_journal
from load_tests.raw_records import PARTITIONS, prepare, read_records
from load_tests.recount import CELLS, REJECTED
from streams.core.intake import Intake, Raw
from streams.loading import load

RECORDS = 20_000
NOW_S = 1_900_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    prepare(folder, RECORDS, 1)
    subprocess.run([sys.executable, "-m", "load_tests.recount", str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def folded(folder):
    """What intake makes of each raw partition, taken whole."""
    by_raw = defaultdict(list)
    for record in read_records(folder):
        by_raw[record.source, record.partition].append(Raw(record.offset, NOW_S, record.payload))
    intake = Intake(load(folder / "city" / "tocsin.yaml"), b"0" * 32)
    return [intake.apply(source, partition, records) for (source, partition), records in sorted(by_raw.items())]


def test_sql_and_intake_count_the_same(folder, folded):
    found = diff(pq.read_table(folder / CELLS), of_journal(counts for part in folded for counts in part.counts))
    assert found.examples == []
    assert (found.lost, found.duplicated, found.equal) == (0, 0, True)
    assert found.counted == found.expected > RECORDS
    assert found.cells > RECORDS


def test_a_cell_too_few_and_one_too_often_are_found(folder):
    whole = pq.read_table(folder / CELLS)
    more = whole.set_column(3, "n", pa.array([n + (at == 0) for at, n in enumerate(whole["n"].to_pylist())]))
    found = diff(whole, more.slice(0, whole.num_rows - 1))
    assert (found.duplicated, found.lost, found.equal) == (1, whole["n"][-1].as_py(), False)
    assert len(found.examples) == 2


def test_sql_and_intake_refuse_the_same(folder, folded):
    table = pq.read_table(folder / REJECTED)
    expected = {
        (f"{topic}/{partition}", offset, reason) for topic, partition, offset, reason in zip(*table.to_pydict().values(), strict=True)
    }
    assert {(row.raw, row.offset, row.reason) for part in folded for row in part.rejected} == expected
    assert len({reason for _, _, reason in expected}) >= 11


def test_records_meet_their_originals_in_one_partition(folder):
    quality = Counter()
    partitions = defaultdict(set)
    offsets = defaultdict(list)
    for record in read_records(folder):
        partitions[record.source].add(record.partition)
        offsets[record.source, record.partition].append(record.offset)
        quality[record.source] += 1
    assert {source: len(used) for source, used in partitions.items()} == PARTITIONS
    assert all(seen == list(range(len(seen))) for seen in offsets.values())
    assert quality["camera"] >= 0.3 * RECORDS


def test_all_kinds_of_trouble_are_in_them(folded):
    notes = Counter()
    for part in folded:
        for counts in part.counts:
            for row in counts.quality:
                notes[row.reason] += row.n
    assert all(notes[reason] > 0 for reason in ("duplicate", "correction", "late", "counter_reset", "not_json"))
