"""A program that may do everything in a cockpit: what tests and benchmarks sign in as."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sinks.cockpit.access import WHOLE
from streams.shells.access import users_file
from streams.shells.users_file import add_token, put

NAME = "program"


def program(state: Path) -> dict[str, str]:
    """Write it into the users file of a state folder; the header that it brings."""
    path = users_file(state)
    put(path, NAME, role="admin", scope=[WHOLE], pseudonym="", password="", areas=None)
    token = add_token(path, NAME, "test", days=2, speaks_for_others=True, now=datetime.now(UTC))
    return {"Authorization": f"Bearer {token}"}
