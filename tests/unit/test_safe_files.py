"""Files of a folder that may come from anybody: no link is followed, nothing waits, nothing is half written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from harness.errors import EnvironmentFailure
from harness.safe_files import is_file, is_folder, read_file, write_file


def test_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    """What it points at stays as it is; a file of results is in its place."""
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "index.html").symlink_to(tmp_path / "precious")
    write_file(tmp_path / "index.html", b"report")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "index.html").is_symlink()
    assert read_file(tmp_path / "index.html") == b"report"
    assert stat.S_IMODE((tmp_path / "index.html").stat().st_mode) & 0o600 == 0o600


def test_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    """A folder in the way is one clear error, and no part of a file stays."""
    (tmp_path / "index.html").mkdir()
    with pytest.raises(EnvironmentFailure, match=r"index\.html: cannot be written: Is a directory"):
        write_file(tmp_path / "index.html", b"report")
    assert [one.name for one in tmp_path.iterdir()] == ["index.html"]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A link, a pipe that nobody writes to, a device without end, a folder, and what is too large."""
    (tmp_path / "file").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="links in a run's folder are not followed"):
        read_file(tmp_path / "link")
    for odd in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="expected a regular file"):
            read_file(odd)
    with pytest.raises(OSError, match="100 bytes, more than the 99"):
        read_file(tmp_path / "file", most_bytes=99)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "nothing")


def test_link_is_no_folder(tmp_path: Path) -> None:
    """Nor is it nothing: reading it says what it is."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert is_folder(tmp_path / "real")
    assert not is_folder(tmp_path / "link")
    assert is_file(tmp_path / "link")
    assert not is_file(tmp_path / "real")
