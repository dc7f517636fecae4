"""The city of the intake bench: the simulated Hangzhou with its hotline alone, so that nothing waits for other sources."""

from __future__ import annotations

from msgspec.structs import replace

from streams.loading import find_city, load
from streams.settings import City

SOURCE = "hotline"


def only_calls() -> City:
    """One raw topic with one partition."""
    city = load(find_city("hangzhou"))
    return replace(city, sources={SOURCE: replace(city.sources[SOURCE], partitions=1)})
