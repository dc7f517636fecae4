from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from msgspec import structs

from streams.core.configure import check_detectors, city_of, configure_command, scored
from streams.core.journal import decode, encode
from streams.core.shard import shards_of
from streams.loading import find_city, load
from streams.model import Command
from streams.settings import City, Detection


@pytest.fixture(scope="module")
def boston() -> City:
    return load(find_city("boston"))


@pytest.mark.parametrize("name", ["boston", "hangzhou"])
def test_the_round_trip_keeps_all_that_score_and_decide_use(name: str) -> None:
    city = load(find_city(name))
    command = configure_command(city, id="c1", time_s=1_420_070_400, actor="p-7")
    assert (command.id, command.time_s, command.actor, command.kind) == ("c1", 1_420_070_400, "p-7", "configure")
    again = decode(encode(command))
    assert isinstance(again, Command)
    found = city_of(again)
    assert found == scored(city)
    assert (found.signals, found.raws, found.feeds, found.detection) == (city.signals, city.raws, city.feeds, city.detection)
    assert (found.config_version, found.intake_hash) == (city.config_version, city.intake_hash)
    assert shards_of(found) == shards_of(city)


def test_the_command_is_the_same_bytes_each_time_and_carries_nothing_of_intake(boston: City) -> None:
    body = configure_command(boston, id="c1", time_s=0, actor="").body
    assert body == configure_command(load(find_city("boston")), id="c2", time_s=9, actor="x").body
    assert len(body) < 100_000
    fields = msgspec.json.decode(body)
    assert (fields["sources"], fields["library"], fields["demo"], fields["origin"], fields["lines"]) == ({}, {}, None, "", {})
    assert not any(area["geometry"] for area in fields["areas"])


@pytest.mark.parametrize(
    "command, told",
    [
        (Command("c1", 0, "", "silence", "{}"), "is a 'silence', not a 'configure'"),
        (Command("c1", 0, "", "configure", "{}"), "holds no configuration"),
        (Command("c1", 0, "", "configure", "not json"), "holds no configuration"),
    ],
)
def test_what_is_no_configuration_is_refused(command: Command, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        city_of(command)


@pytest.mark.parametrize("name", ["boston", "hangzhou"])
def test_the_cities_name_detectors_that_exist(name: str) -> None:
    assert check_detectors(load(find_city(name))) == []


def test_what_is_said_of_detectors_must_be_so(boston: City) -> None:
    detection = Detection(
        count_detector="cuonts", level_detector="counts", params={"counts": {"flag_q": 1.0, "flag_p": 0.01}, "levles": {"a": 1.0}}
    )
    signals = tuple(structs.replace(s, detector="levels") if s.name == "noise" else s for s in boston.signals)
    lines = {"detection": 10, "detection.count_detector": 12, "detection.params.counts.flag_q": 20, "signals.noise.detector": 33}
    city = structs.replace(boston, detection=detection, signals=signals, lines=lines, origin="a.yaml")
    told = check_detectors(city)
    assert told[:4] == [
        "a.yaml:12: detection.count_detector: 'cuonts' is not a detector; did you mean 'counts'?",
        "a.yaml:10: detection.level_detector: 'counts' is a detector of kind 'count'; choose one of kind 'level'",
        "a.yaml:33: signals.noise.detector: 'levels' is a detector of kind 'level'; choose one of kind 'count'",
        "a.yaml:20: detection.params.counts.flag_q: the detector 'counts' has no such parameter; did you mean 'flag_p'?",
    ]
    assert told[4:] == ["a.yaml:10: detection.params.levles: 'levles' is not a detector; did you mean 'levels'?"]


def test_detectors_of_river_are_known_with_their_parameters(boston: City) -> None:
    trees, gaussian = "river.anomaly.HalfSpaceTrees", "river.anomaly.GaussianScorer"
    signals = tuple(structs.replace(s, detector=gaussian) if s.name == "noise" else s for s in boston.signals)
    detection = Detection(
        count_detector=trees, params={trees: {"n_trees": 10, "height": 6, "drift": "PageHinkley"}, gaussian: {"grace_period": 50}}
    )
    city = structs.replace(boston, detection=detection, signals=signals)
    assert check_detectors(city) == []
    assert city_of(configure_command(city, id="c1", time_s=0, actor="")).detection == detection


def test_what_is_said_of_detectors_of_river_must_be_so(boston: City) -> None:
    trees = "river.anomaly.HalfSpaceTrees"
    params = {trees: {"n_tree": 10.0, "height": 40.0, "drift": "ADWYN"}, "counts": {"flag_p": "low"}, "HalfSpaceTrees": {"seed": 1.0}}
    detection = Detection(count_detector="river.anomaly.HalfSpaceTree", level_detector=trees, params=params)
    city = structs.replace(boston, detection=detection, lines={"detection": 10, "detection.params": 12}, origin="a.yaml")
    assert check_detectors(city) == [
        f"a.yaml:10: detection.count_detector: 'river.anomaly.HalfSpaceTree' is not a detector; did you mean '{trees}'?",
        f"a.yaml:10: detection.level_detector: '{trees}' is a detector of kind 'count'; choose one of kind 'level'",
        f"a.yaml:12: detection.params.{trees}.n_tree: the detector '{trees}' has no such parameter; did you mean 'n_trees'?",
        f"a.yaml:12: detection.params.{trees}.height: parameter 'height' of detector '{trees}' is 40.0; give a number from 1 to 15",
        f"a.yaml:12: detection.params.{trees}.drift: parameter 'drift' of detector '{trees}' is 'ADWYN'; "
        "choose one of none, ADWIN, PageHinkley, KSWIN",
        "a.yaml:12: detection.params.counts.flag_p: parameter 'flag_p' of detector 'counts' is 'low'; give a number",
        f"a.yaml:12: detection.params.HalfSpaceTrees: 'HalfSpaceTrees' is not a detector; did you mean '{trees}'?",
    ]


_AT_ONCE = """
import sys, threading
from streams.core.configure import city_of
from streams.core.journal import decode
command = decode(sys.stdin.buffer.read())
sys.setswitchinterval(1e-6)
together = threading.Barrier(3)
def read():
    together.wait()
    city_of(command)
threads = [threading.Thread(target=read) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_several_threads_may_read_their_first_city_at_once(boston: City) -> None:
    """As score and decide do when a process starts. It took about two starts to crash one whose type was not prepared."""
    data = encode(configure_command(boston, id="c1", time_s=1_420_070_400, actor="p-7"))
    for _ in range(5):
        assert subprocess.run([sys.executable, "-c", _AT_ONCE], input=data, check=False).returncode == 0
