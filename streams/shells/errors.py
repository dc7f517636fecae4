"""What can go wrong in operation and is told in one line, without a traceback."""

from __future__ import annotations

from typing import ClassVar


class ShellError(Exception):
    """The message names the file, flag or folder, the value and the remedy. ``status`` is the exit status: 2 is wrong usage."""

    status: ClassVar[int] = 2
