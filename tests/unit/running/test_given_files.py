"""Files as plain arguments: told apart by their first key, and the same as the options. No nodes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from harness import cli, version
from harness.cli.arguments import parser
from harness.cli.choice import choice_of
from harness.running.given_files import sorted_out
from harness.running.selection import choose
from harness.scenario import first_key
from tests.builders_kit import ROOT

SCENARIO = """\
scenario: 1
name: {name}
deployment: {{topology: {{kind: sentinel}}}}
fits: [cluster]
workload: {{rate: 50/s, users: 5, mix: {{read: 1}}}}
"""
DEPLOYMENT = "deployment: 1\nname: theirs\ntopology: {kind: cluster}\n"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    Path("one.yaml").write_text(SCENARIO.format(name="the first"))
    Path("two.yaml").write_text(SCENARIO.format(name="the second"))
    Path("theirs.yaml").write_text(f"# ours\n---\n{DEPLOYMENT}")


def call(*words: str) -> int:
    try:
        return cli.main(words)
    except SystemExit as ended:  # argparse
        return int(str(ended.code))


def _headings(said: str) -> list[str]:
    """The first line of each plan; what follows them all is about their number."""
    lines = [line for line in said.splitlines() if not line.startswith(" ")]
    assert lines[-1].startswith("in all: ")
    return lines[:-1]


@pytest.mark.parametrize(
    "words",
    [
        ("one.yaml", "theirs.yaml"),
        ("theirs.yaml", "one.yaml"),
        ("--scenario", "one.yaml", "theirs.yaml"),
        ("one.yaml", "--deployment", "theirs.yaml"),
        ("--scenario", "one.yaml", "--deployment", "theirs.yaml"),
        ("one.yaml", "one.yaml", "theirs.yaml", "--deployment", "theirs.yaml"),
    ],
    ids=" ".join,
)
def test_plain_files_mean_what_the_options_mean(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """In any order, each scenario once."""
    assert call("plan", "--backend", "process", *words) == 0
    said = capsys.readouterr().out
    assert said.count("the first (promise; one.yaml)") == 1
    assert "theirs: cluster" in said


def test_every_scenario_option_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """Not the last one alone, without a word about the others."""
    assert call("plan", "--backend", "process", "--scenario", "two.yaml", "--scenario", "one.yaml") == 0
    names = _headings(capsys.readouterr().out)
    assert [name.partition(" (")[0] for name in names] == ["the second", "the first"]


def test_several_scenarios_are_planned_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Files and shipped names side by side."""
    assert call("plan", "--backend", "process", "two.yaml", "one.yaml", "single/02") == 0
    names = _headings(capsys.readouterr().out)
    assert [name.partition(" (")[0] for name in names][:2] == ["the second", "the first"]
    assert len(names) == 3


def test_deployment_alone_is_put_into_the_suite(capsys: pytest.CaptureFixture[str]) -> None:
    """As `--deployment` does."""
    told = []
    for words in (("theirs.yaml",), ("--deployment", "theirs.yaml")):
        assert call("plan", "--backend", "process", "--suite", "smoke", *words) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert "theirs: cluster" in told[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plan", "nowhere.yaml"), "scenario 'nowhere.yaml': expected a file"),
        (("plan", ""), "expected a path, found nothing"),
        (("list", "theirs.yaml"), "list: expected scenarios, found the deployment theirs.yaml"),
        (("up",), "up: expected a topology, a scenario or a deployment file"),
        (
            ("up", "one.yaml", "two.yaml"),
            "up: expected one scenario or one deployment file, and one engine; found 2",
        ),
        (("up", "theirs.yaml", "other.yaml"), "expected one scenario or one deployment file"),
        (("up", "one.yaml", "theirs.yaml", "--deployment", "other.yaml"), "found 2 topologies"),
        (("up", "theirs.yaml", "--engine", "redis-7.0", "--engine", "valkey"), "found 2 topologies"),
        (("up", "theirs.yaml", "--set", "workload.rate=1/s"), "expected a setting below 'deployment.'"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_files_that_do_not_go_together_are_refused(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2 and what was expected; nothing is started."""
    Path("other.yaml").write_text(DEPLOYMENT)
    assert call(*words) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.out == ""


def test_a_run_names_its_deployment_for_whoever_repeats_it() -> None:
    """The command that a report prints has it, however it was given."""
    options = parser().parse_args(["run", "one.yaml", "theirs.yaml"])
    (chosen,) = choose(choice_of(options))
    assert chosen.changed == ("--deployment", "theirs.yaml")


def test_several_deployments_are_planned_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Each scenario against each, told apart by name, whether they are plain arguments or options."""
    Path("other.yaml").write_text("deployment: 1\nname: other\ntopology: {kind: sentinel}\n")
    for words in (("theirs.yaml", "other.yaml"), ("theirs.yaml", "--deployment", "other.yaml")):
        assert call("plan", "--backend", "process", "one.yaml", "two.yaml", *words) == 0
        said = capsys.readouterr().out
        names = [line.partition(" (promise")[0] for line in _headings(said)]
        assert names == [
            "the first (theirs)",
            "the first (other)",
            "the second (theirs)",
            "the second (other)",
        ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("scenario: 1\n", "scenario"),
        ("# x\n\n---\n{deployment: 1}\n", "deployment"),
        ('"scenario" : 1\n', "scenario"),
        ("scenario:1\n", None),
        ("- scenario: 1\n", None),
        ("", None),
        ("\x00\xff", None),
    ],
)
def test_the_first_key_is_read_without_the_rest(text: str, key: str | None, tmp_path: Path) -> None:
    """A file with a mistake further down is still what its first key says."""
    file = tmp_path / "file.yaml"
    file.write_text(text, encoding="latin-1")
    assert first_key(file) == key
    assert first_key(tmp_path / "missing.yaml") is None
    assert first_key(tmp_path) is None


def test_a_word_that_is_no_file_is_a_scenarios_name() -> None:
    """Shipped names, folders and globs are plain arguments too."""
    given = sorted_out(["sentinel/01", ".", "*.yaml"])
    assert given.scenarios == ("sentinel/01", ".", "*.yaml")
    assert given.deployments == ()


def test_version_is_the_checkouts_own(capsys: pytest.CaptureFixture[str]) -> None:
    """That of pyproject.toml, whatever is installed beside it."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert call("--version") == 0
    assert capsys.readouterr().out == f"failover-kit {wanted}\n"


def test_version_of_an_installed_kit_is_its_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where a stranger's pyproject.toml lies beside the package."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "theirs"\nversion = "9.9"\n')
    monkeypatch.setattr(version, "__file__", str(tmp_path / "harness" / "version.py"))
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"of {name}")
    assert version.kit_version() == "of redis-failover-kit"


def test_a_deployment_alone_is_planned_by_its_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    """With what is missing for a run, and the shipped scenarios that fit."""
    assert call("plan", "--backend", "process", "theirs.yaml") == 0
    said = capsys.readouterr().out
    assert said.startswith("theirs (deployment; theirs.yaml)\n")
    assert said.count(" primary for sessions shard ") == 3
    assert "a scenario is missing: its workload, faults and expectations" in said
    fitting = re.search(r"(\d+) shipped ones fit: (.*)", said)
    assert fitting
    names = fitting[2].split(", ")
    assert {"cluster/01", "cluster/02", "cluster/03"} <= set(names)
    assert int(fitting[1]) == len(names)
    assert "workload" not in said.split("for a run")[0]
    assert "one of them:        failover-kit run cluster/01 theirs.yaml" in said


def test_a_deployment_whose_client_is_not_here_says_so_and_which_scenarios_fit_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What this machine lacks says nothing about a scenario."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = "deployment: 1\ntopology: {kind: sentinel}\nclient: {library: redis-py-threads, version: 6.4.0}\n"
    Path("earlier.yaml").write_text(text, encoding="utf-8")
    assert call("plan", "--backend", "process", "earlier.yaml") == 0
    said = capsys.readouterr().out
    assert "  SKIPPED: the client redis-py-threads 6.4.0 is not on this machine; to install it: " in said
    assert "one of them:        failover-kit run sentinel/01 earlier.yaml" in said


def test_a_deployment_with_a_suite_is_planned_with_its_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    """Who names a suite wants to see its runs."""
    assert call("plan", "--backend", "process", "--suite", "smoke", "theirs.yaml") == 0
    assert "timeline" in capsys.readouterr().out
