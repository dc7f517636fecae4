"""Fuzzes what reads bytes, led by the code that they reach: atheris over ``load_tests.fuzz_targets``.

    pip install 'tocsin[fuzz]'
    python -m load_tests.fuzz_codecs journal -max_total_time=60

Targets are ``journal``, ``score``, ``decide``, ``intake``, ``kept`` and ``settings``; what stands behind one is for libFuzzer. On anything
but an answer or a refusal it ends with a status other than 0, and leaves the bytes in a file ``crash-...``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

LENGTH_MAX = 65_536
MEMORY_MB_MAX = 2_048
ONE_S_MAX = 10


def main(arguments: Sequence[str]) -> None:
    """Until libFuzzer ends the process."""
    try:
        atheris: Any = import_module("atheris")
    except ModuleNotFoundError:
        sys.exit("atheris is not installed; pip install 'tocsin[fuzz]'")
    with atheris.instrument_imports(include=["streams", "detectors"]):
        from load_tests.fuzz_targets import targets  # noqa: PLC0415 - what is imported here is what atheris sees into
    found = targets()
    name, *flags = arguments or ("",)
    if name not in found:
        sys.exit(f"{name!r} is no target; choose one of {', '.join(found)}")
    with TemporaryDirectory(prefix="tocsin-fuzz-") as folder:
        for number, seed in enumerate(found[name].seeds):
            (Path(folder) / f"{number}").write_bytes(seed)
        bounds = [f"-max_len={LENGTH_MAX}", f"-rss_limit_mb={MEMORY_MB_MAX}", f"-timeout={ONE_S_MAX}"]
        atheris.Setup([name, *bounds, *flags, folder], found[name].read)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
