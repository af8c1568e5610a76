"""`run --submit` and `export` on the command line: what a job cannot do is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.cli import main
from harness.cli.arguments import parser
from harness.cli.submitting import words_of
from harness.model.hosts import NAMED

MATRIX = """\
matrix: 1
name: twelve
scenarios: [single/01, mine.yaml]
repeat: 3
"""
MINE = """\
scenario: 1
name: mine
deployment: {topology: {kind: single}}
workload: {rate: 10/s, mix: {log-in: 5, read: 50}}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(NAMED, raising=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--submit", "swarm"], f"expected --hosts NAME=ENGINE,… or {NAMED}, found neither"),
        (
            ["--submit", "swarm", "--shard", "1/2"],
            "--shard: it cannot be used with --submit: a job is a shard",
        ),
        (["--submit", "swarm", "--compose", "c.yaml"], "--compose: it cannot be used with --submit"),
        (["--submit", "swarm", "--backend", "docker"], "expected process with --submit"),
        (
            ["--submit", "swarm", "--backend", "machines"],
            "--backend machines spreads one topology over hosts",
        ),
        (["--submit", "swarm", "--repeat", "9", "--until-sure", "90"], "--until-sure: it cannot be used"),
        (["--shards", "2"], "--shards: expected --submit beside it"),
        (["--submit", "swarm", "--hosts", "a"], "--hosts: expected NAME=ENGINE"),
        (
            ["--submit", "swarm", "--hosts", "a=unix:///x", "--resume", "no"],
            "expected results that --submit began",
        ),
    ],
)
def test_bad_words_are_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to say instead, and exit status 2."""
    assert main(["run", "single/01", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_wrong_file_is_said_before_any_host_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Hosts that do not exist, and a file with a mistake: the file is what is said."""
    Path("m.yaml").write_text(MATRIX.replace("repeat", "repeet"))
    assert main(["run", "m.yaml", "--submit", "swarm", "--hosts", "a=unix:///nowhere"]) == 2
    assert "repeet" in capsys.readouterr().err


def test_a_job_gets_the_words_of_the_command() -> None:
    """All that selects runs, and nothing that says where they run."""
    words = [
        "m.yaml", "--set", "workload.rate=5/s", "--engine", "redis-7.0", "--vary", "deployment.timing=fast,article",
        "--repeat", "4", "--jobs", "2",
    ]  # fmt: skip
    asked = parser().parse_args(
        ["run", *words, "--seed", "1", "--out", "x", "--shards", "2", "--submit", "swarm"]
    )
    again = parser().parse_args(["run", *words_of(asked)])
    for name in ("files", "set", "engine", "vary", "repeat", "jobs", "suite"):
        assert getattr(again, name) == getattr(asked, name)
    assert words_of(parser().parse_args(["run"])) == ["--suite", "core"]


def test_a_matrix_is_exported_with_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    """As many pods as shards; a guess at more than there are runs is refused."""
    Path("m.yaml").write_text(MATRIX)
    Path("mine.yaml").write_text(MINE)
    assert main(["export", "kubernetes", "m.yaml", "--seed", "1", "--shards", "6"]) == 0
    found = {one["kind"]: one for one in yaml.safe_load_all(capsys.readouterr().out)}
    assert found["Job"]["spec"]["completions"] == 6
    assert main(["export", "kubernetes", "m.yaml", "--seed", "1", "--shards", "7"]) == 2
    assert "--shards 7: expected 6 at most" in capsys.readouterr().err


def test_what_is_of_this_machine_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A deployment whose nodes are on hosts already."""
    Path("m.yaml").write_text(MATRIX.replace("single/01, ", ""))
    topology = "topology: {kind: single}"
    Path("mine.yaml").write_text(MINE.replace(topology, f"{topology}, hosts: {{a: {{engine: 'unix:///x'}}}}"))
    assert main(["export", "kubernetes", "m.yaml"]) == 2
    assert "a job has its nodes as processes" in capsys.readouterr().err
