from __future__ import annotations

import subprocess
import sys

import pytest

from load_tests.fuzz_targets import targets
from streams.core import journal

TARGETS = targets()


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_what_was_written_and_refuses_what_was_not(name: str):
    target = TARGETS[name]
    assert target.seeds
    for seed in target.seeds:
        target.read(seed)
    assert target.read(b"\xff" * 10) is None


def test_a_target_tells_of_anything_but_a_refusal(monkeypatch: pytest.MonkeyPatch):
    def broken(data: object) -> object:
        raise KeyError("x")

    monkeypatch.setattr(journal, "unpack", broken)
    seed = next(seed for seed in TARGETS["journal"].seeds if b"counts" in seed)
    with pytest.raises(KeyError):
        TARGETS["journal"].read(seed)


def test_without_atheris_it_says_what_to_install():
    code = "import sys; sys.modules['atheris'] = None; from load_tests.fuzz_codecs import main; main(['journal'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'tocsin[fuzz]'" in done.stderr
