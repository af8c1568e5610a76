"""What a job is given: its shard by its number, and files as they were here."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import part
from harness.errors import EnvironmentFailure, UsageError
from harness.jobs import files, task
from harness.jobs.shards import Asked, how_many
from harness.jobs.task import Job
from harness.kit_files import kit_root

ASKED = Asked(words=("m.yaml", "--repeat", "4"), seed=7, shards=6, runs=12)
NODE = "g0xu2ozrk69lcb7k0ieas4vjz"


@pytest.mark.parametrize(
    ("index", "shard"), [("0", 2), ("1", 5), (NODE, 2), ("1234567890123456789012345", 2)]
)
def test_a_job_knows_its_shard(index: str, shard: int) -> None:
    """By its number; the first of a swarm is given the name of its node instead."""
    assert Job(asked=ASKED, todo=(2, 5)).shard_of(index) == shard


def test_a_number_too_large_is_an_error() -> None:
    """Two jobs with the same shard would be two times the same runs."""
    with pytest.raises(EnvironmentFailure, match="expected less than 2, found 2"):
        Job(asked=ASKED, todo=(2, 5)).shard_of("2")


def test_a_job_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Whoever reads it is the same kit on another machine."""
    job = Job(asked=ASKED, todo=(2, 5))
    (tmp_path / task.TASK).write_bytes(task.written(job))
    assert task.read(tmp_path) == job
    (tmp_path / task.TASK).write_text("{}")
    with pytest.raises(EnvironmentFailure, match="cannot be read"):
        task.read(tmp_path)


def test_all_shards_have_the_same_command_and_seed() -> None:
    """Else they could not be merged."""
    assert ASKED.command(2, "/results/2") == [
        "run", "m.yaml", "--repeat", "4", "--backend", "process", "--seed", "7", "--shard", "2/6", "--out", "/results/2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("runs", "machines", "cpus", "count"),
    [(12, 3, 2, 6), (12, 3, 1, 9), (4, 3, 8, 3), (2, 3, 8, 2), (500, 3, 8, 9)],
)
def test_shards_keep_every_host_busy(runs: int, machines: int, cpus: int, count: int) -> None:
    """Three for each host, if each shard then has a run for every processor; never more than runs."""
    assert how_many(None, runs=runs, machines=machines, cpus=cpus) == count


def test_more_shards_than_runs_are_refused() -> None:
    """One of them would have nothing to do."""
    with pytest.raises(UsageError, match="--shards 13: expected 12 at most"):
        how_many(13, runs=12, machines=3, cpus=1)


def test_files_are_the_same_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their names as seen from here; the kit's own are there already."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/redis.conf").write_text("save 60 1\n")
    (tmp_path / "m.yaml").write_text("matrix: 1\n")
    packed = files.packed(
        [Path("m.yaml"), Path("conf/redis.conf"), kit_root() / "scenarios/single/01-x.yaml"]
    )
    assert packed == files.packed([Path("conf/redis.conf"), tmp_path / "m.yaml"])
    files.unpack(packed, tmp_path / "there")
    there = {
        str(one.relative_to(tmp_path / "there")) for one in (tmp_path / "there").rglob("*") if one.is_file()
    }
    assert there == {"conf/redis.conf", "m.yaml"}
    assert (tmp_path / "there/conf/redis.conf").read_text() == "save 60 1\n"


def test_a_file_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name would mean something else in a job."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "m.yaml").write_text("")
    with pytest.raises(UsageError, match="expected files below the current folder"):
        files.packed([Path("../m.yaml")])


def test_a_file_with_a_name_of_the_kit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take the place of a part of the kit."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sentinel").mkdir()
    (tmp_path / "sentinel/redis.conf").write_text("")
    with pytest.raises(UsageError, match="found that of a file of the kit"):
        files.packed([Path("sentinel/redis.conf")])


def test_files_that_are_too_many_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A swarm would not take them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "PACKED_MAX", 50)
    (tmp_path / "m.yaml").write_text("matrix: 1\n")
    with pytest.raises(UsageError, match="expected files of 50 bytes at most when packed"):
        files.packed([Path("m.yaml")])


def test_a_job_ends_well_as_soon_as_there_are_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken promise is a result; one that is started again goes on; one that has results does nothing."""
    asked: list[list[str]] = []

    def verbs(words: list[str]) -> int:
        asked.append(words)
        folder = tmp_path / "20261129-matrix-abc"
        folder.mkdir(exist_ok=True)
        (folder / ("planned.msgpack" if len(asked) == 1 else "suite.msgpack")).touch()
        return 137 if len(asked) == 1 else 1

    monkeypatch.setattr(part, "verbs", verbs)
    assert part.carried_out(["run"], tmp_path) == 137
    assert part.carried_out(["run"], tmp_path) == 0
    assert part.carried_out(["run"], tmp_path) == 0
    assert asked == [["run"], ["run", "--resume", str(tmp_path / "20261129-matrix-abc")]]
