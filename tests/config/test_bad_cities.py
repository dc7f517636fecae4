"""One bad city a fault, in bad/NAME.yaml or bad/NAME/, named for its fault: each is refused with one problem, at its line, saying what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.loading import SettingsError, load

HERE = Path(__file__).parent

# name: (file the problem is in, line, part of the message)
BAD: dict[str, tuple[str, int, str]] = {
    "empty": ("empty.yaml", 1, "is not a mapping of keys to values"),
    "not_a_mapping": ("not_a_mapping.yaml", 1, "is not a mapping of keys to values; begin with 'city: name'"),
    "not_yaml": ("not_yaml.yaml", 2, "is not YAML: mapping values are not allowed"),
    "key_twice": ("key_twice.yaml", 4, "found duplicate key \"city\""),
    "key_not_text": ("key_not_text.yaml", 62, "demo.route.sources.1: the key 1 is not text; put it in quotes"),
    "nested_too_deep": ("nested_too_deep.yaml", 2, "nests deeper than 16; write it flat"),
    "tagged_value": ("tagged_value.yaml", 2, "title: carries the tag '!secret'; write a plain value"),
    "unknown_section": ("unknown_section.yaml", 21, "privacies: the key 'privacies' is not known here; did you mean 'privacy'?"),
    "unknown_key": ("unknown_key.yaml", 18, "lifecycle.clear_ration: the key 'clear_ration' is not known here; did you mean 'clear_ratio'?"),
    "unknown_signal_key": ("unknown_signal_key.yaml", 26, "signals.flooding.severity: the key 'severity' is not known here; known are title, purpose"),
    "seconds_in_key": ("seconds_in_key.yaml", 10, "did you mean 'window'?"),
    "missing_key": ("missing_key.yaml", 31, "sources.hotline.time: is missing; add 'time:' here"),
    "missing_section": ("missing_section.yaml", 1, "timezone: is missing; add 'timezone:'"),
    "wrong_type_number": ("wrong_type_number.yaml", 17, "lifecycle.false_alerts_per_day: 'few' is not a number"),
    "wrong_type_text": ("wrong_type_text.yaml", 36, "sources.hotline.category: 5 is not text; put it in quotes"),
    "wrong_type_list": ("wrong_type_list.yaml", 33, "is not a list; write [a, b]"),
    "wrong_type_mapping": ("wrong_type_mapping.yaml", 20, "bands: [25, 45, 60, 75] is not a mapping"),
    "wrong_type_whole_number": ("wrong_type_whole_number.yaml", 47, "sources.hotline.partitions: 2.5 is not a whole number"),
    "wrong_type_choice": ("wrong_type_choice.yaml", 32, "sources.hotline.stream: 'phone' is not one of hotline, complaint, camera; choose one"),
    "wrong_type_truth": ("wrong_type_truth.yaml", 46, "sources.hotline.heartbeat: 'sometimes' is not true or false"),
    "number_not_finite": ("number_not_finite.yaml", 28, "signals.pier_crowd.limit_high: inf is not a finite number"),
    "city_name": ("city_name.yaml", 1, "city: 'Ferry Port' is not a city's name; use a-z"),
    "timezone_unknown": ("timezone_unknown.yaml", 3, "timezone: 'Europe/Lissabon' is not a time zone; write one like America/New_York"),
    "source_timezone_unknown": ("source_timezone_unknown.yaml", 35, "sources.hotline.timezone: 'Europe/Lissabon' is not a time zone"),
    "duration_without_unit": ("duration_without_unit.yaml", 10, "detection.window: 3600 is not a duration; write a number and s, m, h, d or w, such as 15m"),
    "duration_unknown_unit": ("duration_unknown_unit.yaml", 46, "sources.hotline.allowed_lateness: '5min' is not a duration"),
    "duration_endless": ("duration_endless.yaml", 12, "detection.history: '1000w' is not a duration"),
    "window_not_in_day": ("window_not_in_day.yaml", 10, "detection.window: 25200 s neither divides a day into whole minutes nor is whole days"),
    "durations_not_multiples": ("durations_not_multiples.yaml", 11, "detection.durations[1]: 5400 s is not a multiple of the window of 3600 s; write one"),
    "durations_not_ascending": ("durations_not_ascending.yaml", 11, "detection.durations[2]: 10800 s does not follow 86400 s; write them ascending, each once"),
    "durations_begin_late": ("durations_begin_late.yaml", 11, "detection.durations: the first, 10800 s, is not the window, 3600 s; begin with the window"),
    "durations_empty": ("durations_empty.yaml", 11, "detection.durations: is empty; write at least the window"),
    "history_not_multiple": ("history_not_multiple.yaml", 12, "detection.history: 5400 s is not a whole number of windows"),
    "rest_not_multiple": ("rest_not_multiple.yaml", 13, "detection.rest_every: 6000 s is not a whole number of windows"),
    "scan_of_the_whole_city": ("scan_of_the_whole_city.yaml", 15, "detection.scan_neighbours: 500 is not between 0 and 20"),
    "finding_floor_short": ("finding_floor_short.yaml", 14, "detection.finding_floor: 60 s is shorter than a window"),
    "department_of_unknown_signal": ("department_of_unknown_signal.yaml", 67, "'boat' is not a signal; did you mean 'boats'?"),
    "department_twice": ("department_twice.yaml", 68, "'boats' is harbour's already; an alert has one department, remove one"),
    "department_otherwise": ("department_otherwise.yaml", 68, "duty.otherwise: 'harbor' is not a department, and nobody has 'flooding'"),
    "department_name": ("department_name.yaml", 67, "'Harbour' is not a department's name; use a-z, 0-9 and _"),
    "shift_not_in_day": ("shift_not_in_day.yaml", 69, "duty.shift: 25200 s does not divide a day; write 8h or 12h"),
    "shift_cap_zero": ("shift_cap_zero.yaml", 69, "duty.alerts_per_shift_max: 0 is not above 0"),
    "roster_missing": ("roster_missing.yaml", 69, "duty.roster: 'who.yaml' is not a file in"),
    "playbooks_missing": ("playbooks_missing.yaml", 65, "playbooks: 'books' is not a folder in"),
    "link_not_an_address": ("link_not_an_address.yaml", 33, "sources.hotline.link: 'see the desk' is not an address; write https://..."),
    "link_of_unknown_word": ("link_of_unknown_word.yaml", 33, "sources.hotline.link: {caller} is not known here; known are area, signal, from, to"),
    "budget_zero": ("budget_zero.yaml", 17, "lifecycle.false_alerts_per_day: 0.0 is not above 0; write how many false alerts a day are bearable"),
    "budget_negative": ("budget_negative.yaml", 17, "lifecycle.false_alerts_per_day: -1.0 is not above 0"),
    "clear_ratio_one": ("clear_ratio_one.yaml", 18, "lifecycle.clear_ratio: 1.0 is not between 0 and 1; an alert must clear below where it was raised, write 0.1"),
    "worse_ratio_one": ("worse_ratio_one.yaml", 19, "lifecycle.worse_ratio: 1.0 is not above 1"),
    "no_data_for_zero": ("no_data_for_zero.yaml", 19, "lifecycle.no_data_for: 0 is not above 0; write 2h or so"),
    "bands_not_ascending": ("bands_not_ascending.yaml", 20, "bands.orange: 60.0 is not above 65.0 and at most 100; let the bands ascend from blue to red"),
    "bands_beyond": ("bands_beyond.yaml", 20, "bands.red: 101.0 is not above 60.0 and at most 100"),
    "suppression_lowered": ("suppression_lowered.yaml", 22, "privacy.suppress_below: 1 is below 5; small counts point at persons, write 5 or more"),
    "leaf_floor_lowered": ("leaf_floor_lowered.yaml", 23, "privacy.leaf_population_min: 10 is below 1000"),
    "purpose_unknown": ("purpose_unknown.yaml", 25, "signals.noise.purpose: 'loudness' is not a purpose; choose one of floods, fire, gas"),
    "purpose_petition": ("purpose_petition.yaml", 25, "signals.noise.purpose: 'petition' is not a purpose (petitions and appeals are not watched, on purpose); choose one of"),
    "title_appeals": ("title_appeals.yaml", 25, "signals.noise.title: 'Parking appeals' speaks of petitions and appeals ('appeals'), which Tocsin does not watch, on purpose"),
    "title_belief": ("title_belief.yaml", 25, "'Religious meetings' speaks of belief"),
    "title_medical_records": ("title_medical_records.yaml", 25, "speaks of personal or medical records ('Medical')"),
    "title_protest_chinese": ("title_protest_chinese.yaml", 25, "speaks of assembly ('集会')"),
    "group_speech": ("group_speech.yaml", 26, "signals.flooding.group: 'hate_speech' speaks of speech"),
    "category_misconduct": ("category_misconduct.yaml", 37, "sources.hotline.categories[\"Police misconduct\"]: 'Police misconduct' speaks of complaints about officials ('misconduct')"),
    "category_comment_on_employee": ("category_comment_on_employee.yaml", 37, "speaks of complaints about officials ('Comments For An Employee')"),
    "category_protest": ("category_protest.yaml", 37, "speaks of assembly ('Protest')"),
    "category_petition_chinese": ("category_petition_chinese.yaml", 37, "speaks of petitions and appeals ('信访')"),
    "reading_of_faces": ("reading_of_faces.yaml", 55, "sources.camera.readings[0].topic: 'FaceRecognition' speaks of persons seen by a camera"),
    "reading_of_plates": ("reading_of_plates.yaml", 55, "sources.camera.readings[0].value: 'Data.LicensePlate' speaks of persons seen by a camera"),
    "crowd_without_capacity": ("crowd_without_capacity.yaml", 28, "signals.pier_crowd.limit_high: a crowd is watched only against a place's physical capacity; write 'kind: level' and"),
    "signal_name": ("signal_name.yaml", 30, "signals.Boats-2: 'Boats-2' is not a signal's name; use a-z, 0-9 and _, at most 40"),
    "consequence_zero": ("consequence_zero.yaml", 26, "signals.flooding.consequence: 0.0 is not above 0 and at most 10.0; 1 is usual"),
    "limit_on_count": ("limit_on_count.yaml", 29, "signals.boats.limit_high: limits are for levels; remove it or write 'kind: level'"),
    "limits_crossed": ("limits_crossed.yaml", 27, "signals.water_level.limit_high: 4.5 is not above limit_low 5.0"),
    "signal_durations_elsewhere": ("signal_durations_elsewhere.yaml", 25, "signals.noise.durations[1]: 7200 s is not among detection.durations; add it there or choose one of them"),
    "level_without_reading": ("level_without_reading.yaml", 27, "signals.water_level: no source feeds this level signal; give a source a reading for it, or remove it"),
    "count_without_category": ("count_without_category.yaml", 25, "signals.noise: no source feeds this count signal; give a source a category for it, or remove it"),
    "category_undeclared_signal": ("category_undeclared_signal.yaml", 37, "sources.hotline.categories.Smell: 'odour' is not a declared signal; known are noise, flooding"),
    "category_of_level": ("category_of_level.yaml", 37, "sources.hotline.categories.Tide: 'water_level' is a level; a category counts records, choose a count signal"),
    "category_excluded_too": ("category_excluded_too.yaml", 38, "sources.hotline.excluded[0]: 'Loud music' is mapped as well; keep one of the two"),
    "category_path_missing": ("category_path_missing.yaml", 31, "sources.hotline.category: is missing; name the field that holds the category"),
    "no_categories": ("no_categories.yaml", 37, "sources.hotline.categories: maps no category to a signal; add 'categories: {category: signal}'"),
    "camera_without_readings": ("camera_without_readings.yaml", 48, "sources.camera.readings: a camera source needs at least one reading; add form, signal and value"),
    "camera_with_categories": ("camera_with_categories.yaml", 54, "sources.camera.categories: a camera has readings, not categories"),
    "hotline_with_readings": ("hotline_with_readings.yaml", 47, "sources.hotline.readings: a hotline source has categories, not readings; write 'stream: camera'"),
    "reading_unknown_signal": ("reading_unknown_signal.yaml", 56, "sources.camera.readings[1].signal: 'ships' is not a declared signal; known are noise"),
    "reading_kind_mismatch": ("reading_kind_mismatch.yaml", 57, "sources.camera.readings[2].signal: a counter gives a count, but 'water_level' is a level; write form: gauge"),
    "reading_topic_without_path": ("reading_topic_without_path.yaml", 54, "topic: the source does not say where a record's topic stands; add 'topic: path' to the source"),
    "source_name": ("source_name.yaml", 48, "sources[\"Camera 1\"]: 'Camera 1' is not a source's name; use a-z, 0-9, _ and -, at most 40: it becomes part of a topic's name"),
    "id_empty": ("id_empty.yaml", 33, "sources.hotline.id: is empty; name the fields that together identify a record"),
    "path_not_dotted": ("path_not_dotted.yaml", 34, "sources.hotline.time: 'opened..at' is not a path of field names"),
    "correction_says_nothing": ("correction_says_nothing.yaml", 45, "sources.hotline.corrections[0]: says neither path and values nor was"),
    "partitions_zero": ("partitions_zero.yaml", 47, "sources.hotline.partitions: 0 is not between 1 and 1024"),
    "area_names_nothing": ("area_names_nothing.yaml", 53, "sources.camera.area: names no field for the place; add code, library, or lat and lon"),
    "lat_without_lon": ("lat_without_lon.yaml", 39, "sources.hotline.area: has one of lat and lon; add the other"),
    "area_default_unknown": ("area_default_unknown.yaml", 44, "sources.hotline.area.default: 'harbour' is not in the area table"),
    "table_missing": ("table_missing.yaml", 5, "areas.table: '../good/places.csv' is not a file in "),
    "geometry_missing": ("geometry_missing.yaml", 6, "areas.geometry: '../good/outlines.geojson' is not a file in "),
    "shard_level_without_areas": ("shard_level_without_areas.yaml", 8, "areas.shard_level: no area has level 4; write the level of the districts, usually 1"),
    "tree_cycle": ("tree_cycle/areas.csv", 3, "parent: 'n' in '0101' in 'n': an area lies inside itself; correct one of the parents"),
    "tree_unknown_parent": ("tree_unknown_parent/areas.csv", 7, "parent: 'south' is not in the table"),
    "tree_two_roots": ("tree_two_roots/areas.csv", 4, "parent: 's' is a second root beside 'port' (line 2); name its parent"),
    "code_twice": ("code_twice/areas.csv", 6, "code: '0101' is already on line 5 for the same time; keep one of the two"),
    "code_twice_overlapping": ("code_twice_overlapping/areas.csv", 8, "code: '0201' is already on line 7 for the same time"),
    "level_skipped": ("level_skipped/areas.csv", 7, "level: 3 does not follow the parent's level 1; write 2"),
    "level_not_a_number": ("level_not_a_number/areas.csv", 7, "level: 'two' is not a level; write 0 for the city, 1 for a district"),
    "child_outlives_parent": ("child_outlives_parent/areas.csv", 7, "valid_from: '0201' is valid when its parent 's' is not; narrow its dates"),
    "validity_backwards": ("validity_backwards/areas.csv", 7, "valid_to: '2010-01-01' is not after valid_from"),
    "validity_not_a_date": ("validity_not_a_date/areas.csv", 7, "valid_from: '1.1.2010' is not a date; write YYYY-MM-DD"),
    "leaf_too_small": ("leaf_too_small/areas.csv", 7, "population: 120 live in the leaf '0201'; at least 1000 must, so merge it with a neighbour"),
    "population_not_a_number": ("population_not_a_number/areas.csv", 7, "population: 'many' is not a number of people"),
    "code_not_a_code": ("code_not_a_code/areas.csv", 7, "code: '02/01' is not an area code"),
    "name_empty": ("name_empty/areas.csv", 7, "name: '' is empty; write the area's name"),
    "synthetic_not_a_truth": ("synthetic_not_a_truth/areas.csv", 3, "synthetic: 'maybe' is neither true nor false"),
    "column_missing": ("column_missing/areas.csv", 1, "level: the column is missing; the header is code,name,level,parent"),
    "column_unknown": ("column_unknown/areas.csv", 1, "synthetics: the column is not known here; did you mean 'synthetic'?"),
    "row_too_long": ("row_too_long/areas.csv", 7, "9 cells under 8 columns; quote a cell that holds a comma"),
    "ring_not_closed": ("ring_not_closed/areas.geojson", 3, "n: a ring is not closed ((-9.2, 38.8) to (-9.2, 38.9)); repeat the first position at the end"),
    "geometry_unknown_code": ("geometry_unknown_code/areas.geojson", 3, "north: is not in the area table"),
    "geometry_twice": ("geometry_twice/areas.geojson", 4, "n: has a second outline; keep one of the two"),
    "latitude_longitude_swapped": ("latitude_longitude_swapped/areas.geojson", 3, "n: latitude and longitude look swapped ((38.8, 120.2) in Europe/Lisbon); write [longitude, latitude]"),
    "outline_crosses_itself": ("outline_crosses_itself/areas.geojson", 3, "n: the outline crosses itself; draw it again"),
    "geometry_is_a_point": ("geometry_is_a_point/areas.geojson", 3, "n: its geometry is not a Polygon or MultiPolygon"),
    "geojson_not_json": ("geojson_not_json/areas.geojson", 3, "is not JSON: expecting ':' delimiter"),
    "geojson_not_a_collection": ("geojson_not_a_collection/areas.geojson", 1, "is not a GeoJSON FeatureCollection"),
    "library_unknown_code": ("library_unknown_code/library.csv", 4, "code: '201x' is not in the area table"),
    "library_name_twice": ("library_name_twice/library.csv", 5, "name: 'north  QUAY' already means 'n' on line 2; keep one of the two"),
    "demo_of_two_kinds": ("demo_of_two_kinds.yaml", 58, "demo: plays either recorded events or a generator; write one of 'events' and 'generator'"),
    "demo_events_missing": ("demo_events_missing.yaml", 59, "demo.events: '../good/requests.csv' is not a file in "),
    "demo_column_missing": ("demo_column_missing.yaml", 61, "demo.route.column: 'channel' is not a column of ../good/events.csv; known are case, opened, type, source, quarter"),
    "demo_source_undeclared": ("demo_source_undeclared.yaml", 62, "demo.route.sources.call: 'phone' is not a declared source; did you mean 'hotline'?"),
    "known_event_backwards": ("known_event_backwards/known_events.csv", 2, "start: '2015-01-02' to '2015-01-01' is no stretch of days"),
    "known_event_group_unknown": ("known_event_group_unknown/tocsin.yaml", 63, "demo.known_events: the group 'snow' of 'High tide' is no signal's group"),
}  # fmt: skip


def files(name: str) -> Path:
    single = HERE / "bad" / f"{name}.yaml"
    return single if single.is_file() else HERE / "bad" / name / "tocsin.yaml"


@pytest.mark.parametrize("name", BAD)
def test_bad_city_is_refused_with_one_problem_at_its_line(name: str) -> None:
    file, line, part = BAD[name]
    with pytest.raises(SettingsError) as refused:
        load(files(name))
    assert len(refused.value.problems) == 1, refused.value.problems
    problem = refused.value.problems[0]
    assert problem.startswith(f"{HERE / 'bad' / file}:{line}: ")
    assert part in problem
    assert "; " in problem, "a problem ends with its remedy"


def test_every_bad_city_is_in_the_table() -> None:
    assert {path.stem for path in (HERE / "bad").iterdir()} == set(BAD)


def test_the_city_that_the_bad_ones_are_made_from_is_good() -> None:
    city = load(HERE / "good" / "tocsin.yaml")
    assert (city.name, len(city.areas), len(city.signals), sorted(city.sources)) == ("ferryport", 6, 5, ["camera", "hotline"])
