from __future__ import annotations

from pathlib import Path

import pytest

from streams.shells.keys import TOKEN_VARIABLE, KeyFileError, key_file, key_id, load_key, load_token, token_file


def test_a_key_and_a_token_are_made_once_for_their_owner_only(tmp_path: Path):
    key, token = load_key(tmp_path), load_token(tmp_path)
    assert len(key) == 32
    assert len(token) >= 32
    assert (load_key(tmp_path), load_token(tmp_path)) == (key, token)
    assert [path.stat().st_mode & 0o777 for path in (key_file(tmp_path), token_file(tmp_path))] == [0o600, 0o600]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "token"], "nothing half written stays"


def test_a_file_that_others_can_read_is_refused(tmp_path: Path):
    load_key(tmp_path)
    key_file(tmp_path).chmod(0o640)
    with pytest.raises(KeyFileError, match=r"key: mode 640 lets others read it; run chmod 600 .*key"):
        load_key(tmp_path)


def test_a_damaged_key_or_token_is_refused(tmp_path: Path):
    load_key(tmp_path)
    load_token(tmp_path)
    key_file(tmp_path).write_bytes(b"short")
    token_file(tmp_path).write_bytes(b"\n")
    with pytest.raises(KeyFileError, match="5 bytes, a key has 32; restore the file"):
        load_key(tmp_path)
    with pytest.raises(KeyFileError, match="at least 16 characters"):
        load_token(tmp_path)


def test_the_token_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "from-the-environment")
    assert load_token(tmp_path) == "from-the-environment"
    assert not token_file(tmp_path).exists()


def test_a_key_is_known_by_a_name_that_does_not_give_it_away(tmp_path: Path):
    key = load_key(tmp_path)
    assert key_id(key) == key_id(key) != key_id(bytes(32))
    assert len(key_id(key)) == 16
