"""Matrix files: read strictly, run in every combination, never beside what they replace."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness.cli import main
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
    with pytest.raises(UsageError, match=r"m\.yaml:\d+: ") as caught:
        load_matrix(write(MATRIX.replace(before, after)))
    assert says in str(caught.value)


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
    """By plan already, as for `--set`."""
    write(MATRIX.replace(", mine.yaml", "").replace("deployment.timing", "deployment.timming"))
    assert main(["plan", "--backend", "process", "m.yaml"]) == 2
    assert "did you mean 'timing'" in capsys.readouterr().err


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
        (["--repeat", "0"], "expected 1 or more"),
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


def test_until_sure_needs_to_know_how_many_runs_there_are_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    """Some promises are never sure."""
    assert main(["run", "sentinel/01", "--until-sure", "90%"]) == 2
    assert "expected --repeat N" in capsys.readouterr().err


def test_the_schema_for_editors_is_that_of_the_reader() -> None:
    """docs/matrix.schema.json is generated, and takes the example."""
    kept = json.loads((ROOT / "docs" / "matrix.schema.json").read_text())
    assert kept == json.loads(json.dumps(matrix_schema()))
    jsonschema.validate(yaml.safe_load(MATRIX), kept)
