"""What the command line says about who gets in to a cockpit, and by which name and address."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Doors(NamedTuple):
    """What the command line said about who gets in. ``public_name``: the host name that browsers ask for; empty: only this machine's."""

    users: Path | None = None
    host: str = "127.0.0.1"
    public_name: str = ""
    instance: str = "1"
