"""Where records of ownership lie: found from every shell, private, never half written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import EnvironmentFailure
from harness.topology.base import processes, state_files
from harness.topology.base.processes import ProcessIdentity
from harness.topology.process import run_record
from harness.topology.process.run_record import RunRecord


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders in place of those of this machine: the usual one, and that of TMPDIR."""
    found = (tmp_path / "usual" / "own", tmp_path / "other" / "own")
    for place in found:
        place.parent.mkdir()
    monkeypatch.setattr(state_files, "_places", lambda: list(found))
    return found


def claimed(folder: Path) -> RunRecord:
    one = RunRecord.claim(run="x", directory=folder, program=Path("/nonexistent"))
    one.owned.owner = ProcessIdentity(os.getpid(), "0")  # dead
    one.save()
    return one


def test_a_killed_run_is_found_where_tmpdir_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started by a job with its own TMPDIR, cleaned from a shell that has none."""
    monkeypatch.delenv(state_files.STATE, raising=False)
    for name in ("job", "shell"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "job"))
    killed = claimed(tmp_path)
    try:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "shell"))
        assert killed.path in [one.record for one in run_record.leftovers()]
    finally:
        killed.give_up()


def test_a_run_is_found_from_every_shell_while_the_disk_of_tmp_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record lies in the other folder that every shell looks into, not in that of its own TMPDIR."""
    monkeypatch.delenv(state_files.STATE, raising=False)
    folders = [tmp_path / name for name in ("full", "roomy", "job", "shell")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(state_files, "_SAME_FOR_EVERY_SHELL", tuple(folders[:2]))
    monkeypatch.setattr("tempfile.tempdir", str(folders[2]))
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.is_relative_to(folders[0]):
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    killed = claimed(tmp_path)
    assert killed.path.is_relative_to(folders[1])
    monkeypatch.setattr("tempfile.tempdir", str(folders[3]))
    assert [one.record for one in run_record.leftovers()] == [killed.path]


def test_the_first_folder_that_takes_a_record_has_it(places: tuple[Path, Path], tmp_path: Path) -> None:
    """Somebody else's folder, or one that cannot be made, is passed over; `clean` looks at what is left."""
    usual, other = places
    assert claimed(tmp_path).path.parent == usual
    assert len(run_record.clean()) == 1
    usual.chmod(0o777)
    killed = claimed(tmp_path)
    assert killed.path.parent == other
    assert [one.record for one in run_record.leftovers()] == [killed.path]
    other.chmod(0o777)
    assert run_record.leftovers() == []
    with pytest.raises(EnvironmentFailure, match=r"usual/own: expected a folder .*; .*other/own: expected"):
        claimed(tmp_path)


def test_a_link_in_place_of_the_folder_is_not_followed(places: tuple[Path, Path], tmp_path: Path) -> None:
    """Whoever may write to the folder for temporary files could lead the records elsewhere."""
    usual, other = places
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    usual.symlink_to(tmp_path / "elsewhere")
    assert claimed(tmp_path).path.parent == other
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_record_that_cannot_be_written_leaves_no_half_of_one(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the old record stays, the draft with its passwords does not, and a new one is refused."""
    one = claimed(tmp_path)
    before = one.path.read_bytes()

    def full(_path: Path, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        one.note("redis-1", processes.this_process())
    with pytest.raises(
        EnvironmentFailure, match=r"usual/own: cannot be written: No space left on device; .*"
    ):
        claimed(tmp_path)
    assert one.path.read_bytes() == before
    assert [path for place in places for path in place.iterdir()] == [one.path]


def test_clean_removes_drafts_of_the_killed_and_not_of_the_living(places: tuple[Path, Path]) -> None:
    """A harness that is killed between writing and renaming leaves a draft, perhaps with passwords."""
    usual, _ = places
    usual.mkdir(mode=0o700)
    for name, age_s in (("process-1-a.draft", 0), ("process-2-b.draft", 3600), ("docker-x.draft", 3600)):
        (usual / name).write_text("{}")
        os.utime(usual / name, (time.time() - age_s,) * 2)
    run_record.clean()
    assert [path.name for path in usual.iterdir()] == ["process-1-a.draft"]


def test_configuration_that_was_being_rewritten_is_blotted_out_too(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    """A server killed on the way leaves the new file under another name."""
    node = tmp_path / "nodes" / "sentinel-1"
    node.mkdir(parents=True)
    for name in ("sentinel.conf", "sentinel.conf.17-23.tmp"):
        (node / name).write_text('requirepass "5ec4e7"\nsentinel auth-pass sessions 5ec4e7\n')
    claimed(tmp_path)
    run_record.clean()
    assert all("5ec4e7" not in path.read_text() for path in node.iterdir())
    assert len(list(node.iterdir())) == 2


def test_a_helper_of_a_killed_harness_is_ended_and_that_of_a_living_one_is_not() -> None:
    """Compose runs in a session of its own: alone it would go on creating what `clean` has just removed."""
    script = (
        "import os, subprocess, sys; from harness.topology.base.processes import owner_mark;"
        "one = subprocess.Popen(['sleep', '60'], stdout=2, env={**os.environ, **owner_mark()});"
        "print(one.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    said, _ = killed.communicate(timeout=30)
    orphan = processes.identity(int(said))
    assert orphan is not None, "it outlives its harness"
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **processes.owner_mark()}) as ours:
        try:
            ended = ", ".join(processes.end_orphans())
            assert f" {orphan.pid}" in ended
            assert not processes.alive(orphan)
            assert ours.poll() is None
        finally:
            ours.kill()


def test_who_is_started_while_others_are_ended_is_ended_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an application whose harness was killed: each that is ended has just started one more."""
    gone = processes.ProcessIdentity(2**22 + 1, "1")
    started = [subprocess.Popen(["sleep", "60"], env=processes.owner_mark(gone))]
    end = processes.end

    def ended_late(process: processes.ProcessIdentity) -> None:
        if len(started) < 3:
            started.append(subprocess.Popen(["sleep", "60"], env=processes.owner_mark(gone)))
        end(process)

    monkeypatch.setattr(processes, "end", ended_late)
    try:
        (said,) = processes.end_orphans()
        assert all(f" {one.pid}" in said for one in started)
        assert [one.wait(timeout=10) for one in started] == [-9] * 3
    finally:
        for one in started:
            one.kill()
