"""Merging: shards become one suite; what is not comparable is refused; no part is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import ExitStatus, UsageError
from harness.many.cells import cells_of
from harness.model.results import ScenarioResult
from harness.model.words import Verdict
from harness.report.write import write_suite
from harness.saved import load, merge
from tests.builders_results import result, suite


def part(folder: Path, *results: ScenarioResult, **members: Any) -> Path:
    """A suite's folder, each of whose runs has a history."""
    for one in results:
        if one.run_dir:
            run = folder / one.run_dir
            run.mkdir(parents=True)
            (run / "history.jsonl").write_text(f"seed {one.seed}\n")
            (run / "link").symlink_to("/etc/passwd")
    folder.mkdir(exist_ok=True)
    whole = replace(
        suite(*results), directory=str(folder), kit="1", matrix="m", commands=(f"run {folder.name}",)
    )
    write_suite(replace(whole, **members))
    return folder


def seeded(*seeds: int, **members: Any) -> list[ScenarioResult]:
    return [replace(result(Verdict.PASS), seed=seed, repeated=True, **members) for seed in seeds]


def test_shards_become_one_suite(tmp_path: Path) -> None:
    """Every run with its folder, also where two parts call theirs the same; cells count all of them."""
    parts = [part(tmp_path / "a", *seeded(1)), part(tmp_path / "b", *seeded(2))]
    before = sorted(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    merged = merge(parts, tmp_path / "out")
    folders = [Path(merged.directory) / one.run_dir for one in merged.results]
    assert [(one / "history.jsonl").read_text() for one in folders] == ["seed 1\n", "seed 2\n"]
    (cell,) = cells_of(load(Path(merged.directory)).results)
    assert (cell.kept.seen, cell.kept.runs) == (2, 2)
    assert (merged.commands, merged.matrix) == (("run a", "run b"), "m")
    after = sorted(path.read_bytes() for one in parts for path in one.rglob("*") if path.is_file())
    assert [one for one in before if one in after] == before


def test_links_in_a_part_are_not_followed(tmp_path: Path) -> None:
    """A part may come from anybody."""
    parts = [part(tmp_path / "a", *seeded(1)), part(tmp_path / "b", *seeded(2))]
    merged = merge(parts, tmp_path / "out")
    assert (Path(merged.directory) / merged.results[0].run_dir / "link").is_symlink()


@pytest.mark.parametrize(
    ("members", "of_results", "says"),
    [
        ({"backend": "docker"}, {}, r"expected one backend, found docker \(\S*b\) and process \(\S*a\); "),
        ({"timing": "production"}, {}, r"expected one timing, found fast \(\S*a\) and production \(\S*b\); "),
        ({}, {"engine": "Valkey 9.1.2"}, "expected runs on one engine, found Redis 7.0.15 and Valkey 9.1.2"),
        (
            {},
            {"seed": 1},
            r"expected each run once, found .* 2 times, in \S*a and \S*b: name each folder once",
        ),
        ({"matrix": "other"}, {}, "expected parts of one matrix, found parts of 2"),
        ({"shards": ((1, 2),)}, {}, r"found \S+/b \(shard 1/2\) beside \S+/a, which is whole"),
    ],
)
def test_what_is_not_comparable_is_refused(
    tmp_path: Path, members: dict[str, Any], of_results: dict[str, Any], says: str
) -> None:
    """What differs is said, and nothing is written."""
    other = [replace(one, **of_results) for one in seeded(2)]
    parts = [part(tmp_path / "a", *seeded(1)), part(tmp_path / "b", *other, **members)]
    with pytest.raises(UsageError, match=says):
        merge(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_engines_that_were_asked_for_are_comparable(tmp_path: Path) -> None:
    """A matrix over engines is one matrix."""
    parts = [
        part(tmp_path / "a", *seeded(1, engine_asked="redis-7.0")),
        part(tmp_path / "b", *seeded(1, engine_asked="valkey-9.1", engine="Valkey 9.1.2")),
    ]
    assert len(cells_of(merge(parts, tmp_path / "out").results)) == 2


def test_one_part_is_nothing_to_merge(tmp_path: Path) -> None:
    """And a folder without results is none."""
    with pytest.raises(UsageError, match=r"two or more folders of results, found one: \S+/a"):
        merge([part(tmp_path / "a", *seeded(1))], tmp_path / "out")
    for given in ([tmp_path / "a", tmp_path / "nowhere"], [tmp_path / "nowhere"]):
        with pytest.raises(UsageError, match=r"nowhere: expected a results folder .* found no such folder"):
            merge(given, tmp_path / "out")


def test_shards_are_whole_once_all_of_them_are_there(tmp_path: Path) -> None:
    """Until then the rest can be merged with them, and nothing else."""
    first, second, third, other, whole = (
        part(tmp_path / name, *seeded(seed), shards=shards)
        for seed, (name, shards) in enumerate(
            {"1": ((1, 3),), "2": ((2, 3),), "3": ((3, 3),), "other": ((2, 4),), "whole": ()}.items()
        )
    )
    two = merge([first, second], tmp_path / "out")
    assert two.shards == ((1, 3), (2, 3))
    assert merge([Path(two.directory), third], tmp_path / "out").shards == ()
    assert merge([third, first, second], tmp_path / "out").shards == ()
    with pytest.raises(UsageError, match=r"shard 1/3, 2/3\) beside \S+whole"):
        merge([whole, Path(two.directory)], tmp_path / "out")
    with pytest.raises(UsageError, match=r"expected shards of one number, found .*1/3.* and .*2/4"):
        merge([first, other], tmp_path / "out")


def test_latest_is_the_whole_afterwards(tmp_path: Path) -> None:
    """As after a run: `decide out/latest` is about all parts."""
    parts = [str(part(tmp_path / "a", *seeded(1))), str(part(tmp_path / "b", *seeded(2)))]
    assert main(["merge", *parts, "--out", str(tmp_path / "out")]) == ExitStatus.PASSED
    assert len(load((tmp_path / "out" / "latest").resolve()).results) == 2
