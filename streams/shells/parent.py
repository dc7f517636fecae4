"""Children that end with their parent, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel end this process when the thread that started it is gone; to be called in the child.

    The kernel takes the thread that started a child for its parent: start it in one that lives as long as the process.
    ``parent``: that process, which may be gone already.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
