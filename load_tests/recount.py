"""The cells that raw records must become, counted a second time: SQL over the file of raw records, without any code of Tocsin.

    python -m load_tests.recount FOLDER

``FOLDER`` holds ``raw.ndjson`` (topic, partition, offset, payload) and ``city/``, the settings the run was started with.
Written beside them: ``expected_cells.parquet`` (area, signal, minute, n, total, least, most) and ``expected_rejected.parquet``
(topic, partition, offset, reason). A process of its own, since chDB takes one folder a process.

What is simpler here than in intake, because these records are made so: a partition holds fewer records than intake remembers
for duplicates (2,000,000); all lie within 400 days; none is from the future, since the log takes them long after they happened, those
that the generator means to be too, so that they count here; codes and names are written as the tables have them.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import shapely
from chdb.session import Session
from ruamel.yaml import YAML

from load_tests.recount_sql import ANSWERS, CAMERAS, LOADED, OUTCOME, POINTS

CELLS, REJECTED = "expected_cells.parquet", "expected_rejected.parquet"


def recount(folder: Path) -> None:
    """Count, and write both files."""
    town, settings = folder / "city", YAML(typ="safe").load(folder / "city" / "tocsin.yaml")
    with tempfile.TemporaryDirectory(prefix="recount-") as scratch:
        place = Path(scratch)
        (place / "raw.ndjson").symlink_to((folder / "raw.ndjson").resolve())
        _write(place / "categories.ndjson", _categories(settings["sources"]))
        _write(place / "codes.ndjson", _codes(town))
        _write(place / "library.ndjson", _rows(town / "library.csv"))
        session: Any = Session(str(place / "chdb"))  # type: ignore[no-untyped-call]
        for statement in LOADED:
            session.query(_here(statement, place))
        points = [row["point"] for row in map(orjson.loads, str(session.query(POINTS, "JSONEachRow")).splitlines())]
        _write(place / "points.ndjson", _located(points, town))
        for statement in (*CAMERAS, *OUTCOME):
            session.query(_here(statement, place))
        for name, sql in zip((CELLS, REJECTED), ANSWERS, strict=True):
            (folder / name).write_bytes(session.query(sql, "Parquet").bytes())
        session.close()


def _here(statement: str, place: Path) -> str:
    """File names as paths."""
    return statement.replace("FILE:", f"{place}/")


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _categories(sources: dict[str, Any]) -> Iterable[dict[str, str]]:
    """(source, category) -> signal; nothing for those that are left out on purpose."""
    for name, source in sources.items():
        for category, signal in source.get("categories", {}).items():
            yield {"source": name, "category": category, "signal": signal}
        for category in source.get("excluded", ()):
            yield {"source": name, "category": category, "signal": ""}


def _codes(town: Path) -> Iterable[dict[str, str]]:
    """Codes of today: areas that ended stand for nothing here, since no record names them."""
    return ({"code": row["code"]} for row in _rows(town / "areas.csv") if not row["valid_to"])


def _located(points: list[list[float]], town: Path) -> Iterable[dict[str, Any]]:
    """Each point with the deepest area that covers it: every outline is tried, the deepest levels first."""
    levels = {row["code"]: int(row["level"]) for row in _rows(town / "areas.csv") if not row["valid_to"]}
    features = orjson.loads((town / "areas.geojson").read_bytes())["features"]
    drawn = {feature["id"]: shapely.from_geojson(orjson.dumps(feature["geometry"])) for feature in features}
    order = sorted((code for code in drawn if levels.get(code)), key=lambda code: (-levels[code], code))
    for outline in drawn.values():
        shapely.prepare(outline)
    for lat, lon in points:
        yield {"lat": lat, "lon": lon, "code": next((code for code in order if shapely.intersects_xy(drawn[code], lon, lat)), "")}


if __name__ == "__main__":
    recount(Path(sys.argv[1]))
