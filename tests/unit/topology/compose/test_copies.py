"""What a project mounts is copied: the user's checkout is read and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.topology.compose import copies


def test_a_file_stays_a_file_and_a_directory_a_directory(tmp_path: Path) -> None:
    """Byte for byte, with the same rights; what is not there becomes a directory, as Docker makes one."""
    conf = tmp_path / "redis.conf"
    conf.write_bytes(b"port 6379\n")
    conf.chmod(0o640)
    data = tmp_path / "data"
    data.mkdir()
    (data / "dump.rdb").write_bytes(b"REDIS\0\xff")
    missing = tmp_path / "missing"
    found = copies.copy_all(map(str, (conf, data, missing)), tmp_path / "run")
    assert Path(found[str(conf)]).read_bytes() == b"port 6379\n"
    assert Path(found[str(conf)]).stat().st_mode & 0o777 == 0o640
    assert (Path(found[str(data)]) / "dump.rdb").read_bytes() == b"REDIS\0\xff"
    assert Path(found[str(missing)]).is_dir()
    assert not missing.exists()


def test_two_mounts_of_the_same_thing_share_a_copy(tmp_path: Path) -> None:
    """Three sentinels that mount one file disturb each other here as they do there."""
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "sentinel.conf").write_text("port 26379\n")
    inside = str(conf / "sentinel.conf")
    found = copies.copy_all([str(conf), inside], tmp_path / "run")
    assert Path(found[inside]) == Path(found[str(conf)]) / "sentinel.conf"


def test_only_texts_are_rewritten_and_only_in_the_copy(tmp_path: Path) -> None:
    """Addresses move in configuration, never in data, never in the original."""
    for name, content in (("a.conf", b"at 1.1.1.1\n"), ("dump.rdb", b"\0 1.1.1.1")):
        (tmp_path / name).write_bytes(content)
    sources = [str(tmp_path / "a.conf"), str(tmp_path / "dump.rdb")]
    found = copies.copy_all(sources, tmp_path / "run", lambda text: text.replace("1.1.1.1", "2.2.2.2"))
    assert Path(found[sources[0]]).read_bytes() == b"at 2.2.2.2\n"
    assert Path(found[sources[1]]).read_bytes() == b"\0 1.1.1.1"
    assert (tmp_path / "a.conf").read_bytes() == b"at 1.1.1.1\n"


def test_what_cannot_be_copied_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe leads to somebody else; a disk full of data is no configuration."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe"):
        copies.copy_all([str(tmp_path / "pipe")], tmp_path / "run")
    (tmp_path / "large").write_bytes(b"x" * 11)
    monkeypatch.setattr(copies, "LARGEST_BYTES", 10)
    with pytest.raises(UsageError, match="at most"):
        copies.copy_all([str(tmp_path / "large")], tmp_path / "run")


def test_texts_are_those_that_can_be_read(tmp_path: Path) -> None:
    """Passwords and hosts are looked for in files and below directories, not in binaries."""
    (tmp_path / "a.conf").write_text("requirepass x")
    (tmp_path / "b.bin").write_bytes(b"\0requirepass y")
    assert list(copies.texts([str(tmp_path)]).values()) == ["requirepass x"]
