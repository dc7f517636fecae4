from __future__ import annotations

import pytest

from streams.loading import find_city, load
from streams.refused_words import refused_class


@pytest.mark.parametrize(
    "text, title",
    [
        ("petition", "petitions and appeals"),
        ("Parking ticket appeal", "petitions and appeals"),
        ("信访事项", "petitions and appeals"),
        ("officer_misconduct", "complaints about officials"),
        ("Complaints about the Mayor", "complaints about officials"),
        ("Police complaint", "complaints about officials"),
        ("hate speech", "speech"),
        ("网络谣言", "speech"),
        ("religious_site", "belief"),
        ("unlawful assembly", "assembly"),
        ("ProtestMarch", "assembly"),
        ("聚众", "assembly"),
        ("Medical records", "personal or medical records"),
        ("immigration record", "personal or medical records"),
        ("tns1:RuleEngine/FaceRecognition", "persons seen by a camera"),
        ("Data.LicensePlate", "persons seen by a camera"),
        ("license_plate", "persons seen by a camera"),
    ],
)
def test_what_tocsin_does_not_watch(text: str, title: str) -> None:
    found = refused_class(text)
    assert found is not None
    assert found[0] == title


@pytest.mark.parametrize(
    "text",
    [
        "Unsanitary Conditions - Employees",
        "Public Events Noise Disturbances",
        "Surface drainage",  # holds "face"
        "Culture house heating",  # holds "cult"
        "Insects",  # holds "sects"
        "Parks & Recreation",
        "Illegal Posting of Signs",
        "噪声扰民",
    ],
)
def test_what_it_does(text: str) -> None:
    assert refused_class(text) is None


@pytest.mark.parametrize("name", ["boston", "hangzhou"])
def test_what_the_cities_exclude_is_not_refused_for_being_named(name: str) -> None:
    excluded = {category for source in load(find_city(name)).sources.values() for category in source.excluded}
    assert any(refused_class(category) for category in excluded)
