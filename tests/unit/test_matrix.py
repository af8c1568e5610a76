"""Matrix files: read strictly, run in every combination, never beside what they replace."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness.cli import main
from harness.cli.arguments import parser
from harness.cli.run import asked_for
from harness.errors import UsageError
from harness.running.given_files import choice_of_matrix
from harness.scenario import load_matrix, matrix_schema
from lab.rows import ROOT

MATRIX = """\
matrix: 1
name: Sentinel or Cluster
scenarios: [sentinel/01, cluster/01, mine.yaml]
engines: [redis-7.0, valkey-9.1]
set: {workload.rate: 50/s}
vary:
  deployment.timing: [fast, article]
repeat: 3
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def line_of(part: str) -> int:
    return next(number for number, line in enumerate(MATRIX.splitlines(), 1) if part in line)


def write(text: str, name: str = "m.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_matrix_names_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Two shipped scenarios, two engines, two timings, three seeds; `plan` counts them."""
    path = write(MATRIX.replace(", mine.yaml", ""))
    choice = choice_of_matrix(load_matrix(path), None)
    assert [file.stem[:2] for file in choice.files] == ["01", "01"]
    assert len(choice.variations()) == 4
    assert main(["plan", "--backend", "process", str(path)]) == 0
    assert "in all: 24 runs (8 with 3 seeds each, 0 to 2)" in capsys.readouterr().out
    assert main(["plan", "--backend", "process", str(path), "--repeat", "1"]) == 0
    assert "in all: 8 runs;" in capsys.readouterr().out


def test_files_are_named_as_seen_from_the_matrix() -> None:
    """From whichever folder the command is given."""
    write("x", "folder/mine.yaml")
    matrix = load_matrix(write(MATRIX, "folder/m.yaml"))
    assert matrix.scenarios == ("sentinel/01", "cluster/01", "folder/mine.yaml")


def test_copies_of_a_matrix_have_one_fingerprint() -> None:
    """Wherever they lie, however they are called and however often they repeat; another question has another."""
    write("x", "folder/mine.yaml")
    one = load_matrix(write(MATRIX)).fingerprint
    assert one == load_matrix(write(MATRIX, "folder/m.yaml")).fingerprint
    assert one == load_matrix(write(MATRIX.replace("repeat: 3", "repeat: 5"))).fingerprint
    assert one != load_matrix(write(MATRIX.replace("50/s", "60/s"))).fingerprint
    assert choice_of_matrix(load_matrix(write(MATRIX.replace(", mine.yaml", ""))), None).matrix


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("matrix: 1", "matrix: 2", "this kit reads format 1"),
        ("name: Sentinel or Cluster\n", "", "the key 'name' is missing"),
        ("engines", "engine", "did you mean 'engines'"),
        ("[sentinel/01, cluster/01, mine.yaml]", "[]", "expected at least one scenario"),
        ("[fast, article]", "[]", "expected at least one value"),
        ("[fast, article]", "[fast, fast]", "found one of them twice"),
        ("[fast, article]", "fast", "expected a list"),
        ("repeat: 3", "repeat: 0", "from 1 to"),
        ("[redis-7.0, valkey-9.1]", "[mysql]", "an engine"),
        ("{workload.rate: 50/s}", "{deployment.timing: fast}", "found it in both"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(before: str, after: str, says: str) -> None:
    """Nothing is guessed."""
    text = MATRIX.replace(before, after)
    with pytest.raises(UsageError, match=r"m\.yaml:\d+: ") as caught:
        load_matrix(write(text))
    assert says in str(caught.value)
    if before.startswith("["):
        assert f"m.yaml:{line_of(before)}: " in str(caught.value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--engine", "redis-7.0"], "--engine: expected it as 'engines' in m.yaml"),
        (["--vary", "workload.rate=1/s,2/s"], "--vary: expected it as 'vary'"),
        (["--set", "workload.rate=1/s"], "--set: expected it as 'set'"),
        (["--suite", "smoke"], "--suite: expected it as 'scenarios'"),
        (["sentinel/01"], "expected a matrix alone, found sentinel/01"),
        (["other.yaml"], "expected a matrix alone, found other.yaml"),
    ],
)
def test_a_matrix_stands_alone(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An option that the file replaces is not silently dropped."""
    write(MATRIX.replace(", mine.yaml", ""))
    write(MATRIX, "other.yaml")
    assert main(["plan", "--backend", "process", "m.yaml", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_setting_that_does_not_exist_is_refused_with_the_nearest_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By plan already, with the file and the key that ask for it."""
    whole = MATRIX.replace(", mine.yaml", "")
    write(whole.replace("deployment.timing", "deployment.timming"))
    assert main(["plan", "--backend", "process", "m.yaml"]) == 2
    said = capsys.readouterr().err
    assert f"m.yaml:{line_of('deployment.timing')}: vary.deployment.timming: " in said
    assert "did you mean 'timing'" in said
    write(whole.replace("workload.rate", "rate"))
    assert main(["plan", "--backend", "process", "m.yaml"]) == 2
    assert (
        f"m.yaml:{line_of('workload.rate')}: set.rate: unknown key 'rate'; did you mean 'workload.rate'?"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            "down_after=1s,2s",
            "--vary down_after: unknown key 'down_after'; did you mean 'deployment.topology.down",
        ),
        ("rate=1/s,2/s", "--vary rate: unknown key 'rate'; did you mean 'workload.rate'?"),
        ("workload.rat=1/s,2/s", "--vary workload.rat: workload: unknown key 'rat'; did you mean 'rate'?"),
    ],
)
def test_a_varied_setting_that_does_not_exist_is_refused_by_its_option(
    asked: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key without its path is answered with the path."""
    assert main(["plan", "--backend", "process", "sentinel/01", "--vary", asked]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "down_after"),
    [
        (["--set", "deployment.timing=article"], "5 s"),
        (["--set", "deployment.timing=article", "--set", "deployment.topology.down_after=2s"], "2 s"),
        (["--set", "workload.rate=9/s"], "1.2 s"),
    ],
)
def test_a_profile_that_is_asked_for_takes_the_place_of_the_files_own_times(
    words: list[str], down_after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two profiles would be the same run twice; what is asked for as well stays."""
    assert main(["plan", "--backend", "process", "sentinel/01", *words]) == 0
    assert f"down-after {down_after}," in capsys.readouterr().out
    ours = write("deployment: 1\nname: ours\ntopology: {kind: sentinel, down_after: 9s}\n", "ours.yaml")
    assert main(["plan", "--backend", "process", "sentinel/01", "--deployment", str(ours), *words]) == 0
    expected = "9 s" if "rate" in words[-1] else down_after
    assert f"down-after {expected}," in capsys.readouterr().out


def test_results_know_the_command_that_made_them() -> None:
    """As it was typed, without secrets; a matrix has its fingerprint."""
    path = write(MATRIX.replace(", mine.yaml", ""))
    for words, command in (
        (["run", str(path), "--seed", "1"], f"failover-kit run {path} --seed 1"),
        (
            ["run", "sentinel/01", "--set", "deployment.topology.redis.requirepass=abc"],
            "failover-kit run sentinel/01 --set 'deployment.topology.redis.requirepass=<redacted>'",
        ),
    ):
        options = parser().parse_args(words)
        assert asked_for(options).command == ""
        options.words = words
        assert asked_for(options).command == command
        assert bool(asked_for(options).choice.matrix) is (words[1] == str(path))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--shard", "3/2"], "expected I/N such as 2/3"),
        (["--shard", "0/2"], "expected I/N such as 2/3"),
        (["--until-sure", "100%"], "expected a share"),
        (["--until-sure", "0"], "expected a share"),
        (["--vary", "x"], "expected path=value"),
        (["--vary", "x=1,1"], "expected path=value"),
        (["--vary", "x=1,,2"], "expected path=value"),
        (["--repeat", "0"], "expected a whole number from 1 to 999999"),
    ],
)
def test_options_of_many_runs_are_refused_in_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read or started."""
    with pytest.raises(SystemExit) as ended:
        main(["run", *words])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_until_sure_with_too_few_runs_says_so_before_the_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on: a promise that is never kept may show in two of them."""

    def begin(*_: object) -> None:
        raise UsageError("they begin")

    monkeypatch.setattr("harness.run.run_suite", begin)
    words = ["run", "single/01", "--backend", "process", "--until-sure", "90%", "--repeat"]
    assert main([*words, "20"]) == 2
    before, begun = capsys.readouterr().err.splitlines()
    assert "--until-sure: expected --repeat 53 or more, found 20: even if all of them pass" in before
    assert begun == "failover-kit: they begin"
    assert main([*words, "53"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_until_sure_needs_to_know_how_many_runs_there_are_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    """Some promises are never sure."""
    assert main(["run", "sentinel/01", "--until-sure", "90%"]) == 2
    assert "expected --repeat N" in capsys.readouterr().err


def test_the_schema_for_editors_is_that_of_the_reader() -> None:
    """docs/matrix.schema.json is generated, and takes the example."""
    kept = json.loads((ROOT / "docs" / "matrix.schema.json").read_text())
    assert kept == json.loads(json.dumps(matrix_schema()))
    jsonschema.validate(yaml.safe_load(MATRIX), kept)
    for shipped in sorted((ROOT / "matrices").glob("*.yaml")):  # with numbers as values
        jsonschema.validate(yaml.safe_load(shipped.read_text()), kept)


def test_what_a_matrix_names_and_nobody_finds_is_said_with_its_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All of it at once, with the nearest name."""
    write("deployment: 1\ntopology: {kind: sentinel}\n", "ours.yaml")
    text = MATRIX.replace("mine.yaml", "singel/02") + "deployments: [ours.yaml, ous.yaml]\n"
    write(text)
    assert main(["plan", "--backend", "process", "m.yaml"]) == 2
    scenario, deployment = capsys.readouterr().err.splitlines()
    assert f"m.yaml:{line_of('sentinel/01')}: scenarios.2: scenario 'singel/02': expected a file" in scenario
    assert "did you mean 'single/02'?" in scenario
    assert deployment.startswith(
        f"m.yaml:{len(text.splitlines())}: deployments.1: expected a deployment file"
    )
    assert "found no 'ous.yaml' there; did you mean 'ours.yaml'?" in deployment


def test_a_matrix_that_begins_with_another_key_is_called_a_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    """It is no scenario with a dozen mistakes."""
    write("name: x\nmatrix: 1\nscenarios: [sentinel/01]\n")
    assert main(["plan", "--backend", "process", "m.yaml"]) == 2
    said = capsys.readouterr().err
    assert "m.yaml:1: expected a scenario, found a matrix, whose first key must be 'matrix: 1'" in said
    assert "unknown key" not in said


def test_a_deployment_file_in_the_form_of_a_scenario_is_refused_with_the_cure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its keys are not below `deployment`."""
    write("deployment: {topology: {kind: sentinel}}\n", "ours.yaml")
    assert main(["plan", "--backend", "process", "sentinel/01", "ours.yaml"]) == 2
    assert (
        "ours.yaml:1: expected 'deployment: 1' as the first key, found a mapping" in capsys.readouterr().err
    )
