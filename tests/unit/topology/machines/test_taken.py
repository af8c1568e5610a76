"""A folder out of a container: plain files below it, and nothing else. A scripted engine."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import EnvironmentFailure
from harness.topology.machines import taken
from harness.topology.machines.hosts import Host


def host(members: dict[str, bytes], link: str = "") -> Host:
    """Its engine gives an archive of these members, and of a link if one is named."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc"
            archive.addfile(member)
    api = SimpleNamespace(get_archive=lambda *_: ([packed.getvalue()], {}))
    return Host(name="b", where="unix:///b", client=SimpleNamespace(api=api))


def files(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize(("below", "kept"), [(0, {"run/a": b"1", "b": b"2"}), (1, {"a": b"1"})])
def test_folder_is_taken_as_it_is(below: int, kept: dict[str, bytes], tmp_path: Path) -> None:
    """Or what lies deeper in it; what was here before by that name is gone."""
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "old").write_bytes(b"0")
    taken.folder(host({"1/run/a": b"1", "1/b": b"2"}), "c", "/results/1", tmp_path / "into", below=below)
    assert files(tmp_path / "into") == kept


def test_nothing_gets_out_of_the_folder(tmp_path: Path) -> None:
    """A container may hold anything by now."""
    wrong = host({"1/../../out": b"1", "1/in": b"2"}, link="1/link")
    taken.folder(wrong, "c", "/results/1", tmp_path / "into")
    assert files(tmp_path) == {"into/in": b"2"}
    assert not (tmp_path / "into" / "link").is_symlink()


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    """With its host; a folder of that name stays what it was."""
    broken = Host(
        name="b",
        where="unix:///b",
        client=SimpleNamespace(api=SimpleNamespace(get_archive=lambda *_: ([b"x" * 600], {}))),
    )
    with pytest.raises(EnvironmentFailure, match="host b: /results/1"):
        taken.folder(broken, "c", "/results/1", tmp_path / "into")
    assert not (tmp_path / "into").exists()
