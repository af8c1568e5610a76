"""Which scenarios, against what: globs, suites, and a backend that is never chosen silently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness import selection
from harness.errors import EnvironmentFailure, UsageError
from harness.model.scenario import Scenario
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.topology.docker.image import ImageChoice
from lab.rows import ROOT

SCENARIO = """\
scenario: 1
name: {name}
tags: [{tag}]
deployment: {{topology: {{kind: single}}}}
workload: {{rate: 50/s, users: 5, mix: {{read: 1}}}}
"""


def write(path: Path, name: str = "quiet", tag: str = "core") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCENARIO.format(name=name, tag=tag))
    return path


def stems(pattern: str | None) -> list[str]:
    return [f"{path.parent.name}/{path.stem[:2]}" for path in selection.scenario_files(pattern)]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("sentinel/01", ["sentinel/01"]),
        ("sentinel/01-primary-killed-replica-promoted", ["sentinel/01"]),
        ("sentinel/01-primary-killed-replica-promoted.yaml", ["sentinel/01"]),
        ("scenarios/sentinel/01*", ["sentinel/01"]),
        ("single/*", ["single/01", "single/02", "single/03", "single/04"]),
        ("planned-failover", ["cluster/02", "sentinel/03"]),
        ("*/01-*", ["cluster/01", "sentinel/01", "shared/01", "single/01", "split/01"]),
    ],
)
def test_shipped_scenarios_are_found_as_one_would_type_them(
    pattern: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With or without folder and ending, by a glob or by a word of the name, from any folder."""
    monkeypatch.chdir(tmp_path)
    assert stems(pattern) == found


def test_file_folder_and_glob_of_ones_own_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other YAML in a folder is left alone; a path as typed stays as typed."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write(tmp_path / "mine" / f"{name}.yaml")
    (tmp_path / "mine" / "compose.yml").write_text("services: {}\n")
    assert selection.scenario_files("mine/a.yaml") == [Path("mine/a.yaml")]
    assert selection.scenario_files("mine") == [Path("mine/a.yaml"), Path("mine/b.yaml")]
    assert selection.scenario_files("mine/*.yaml") == [Path("mine/a.yaml"), Path("mine/b.yaml")]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [("senitnel/02-primary-paused-past-down-after", "did you mean 'sentinel/02-primary"), ("zzzzzz", "")],
)
def test_nothing_matched_is_a_usage_error(pattern: str, hint: str) -> None:
    """One line with the nearest name and the verb that lists them all."""
    with pytest.raises(UsageError) as caught:
        selection.scenario_files(pattern)
    text = str(caught.value)
    assert repr(pattern) in text
    assert hint in text
    assert "failover-kit list" in text
    assert "\n" not in text
    assert ("did you mean" in text) == bool(hint)


def test_empty_folder_is_a_usage_error(tmp_path: Path) -> None:
    """A folder without a scenario runs nothing, so it says so."""
    with pytest.raises(UsageError, match="found none"):
        selection.scenario_files(str(tmp_path))


def test_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """One line each, with its file."""
    bad = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for path in bad:
        path.write_text(SCENARIO.format(name="x", tag="core") + "wrong: 1\n")
    with pytest.raises(UsageError) as caught:
        selection.load([*bad, write(tmp_path / "good.yaml")], suite=None, overrides=(), deployment=None)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [str(path) for path in bad]
    assert all(":6: unknown key 'wrong'" in line for line in lines)


def test_suites_are_tags(tmp_path: Path) -> None:
    """`smoke` and `core` keep what carries the tag, `all` keeps everything."""
    files = [write(tmp_path / "a.yaml", "a", "core, smoke"), write(tmp_path / "b.yaml", "b", "core")]
    files.append(write(tmp_path / "c.yaml", "c", "nightly"))

    def names(suite: str | None) -> list[str]:
        return [one.name for one in selection.load(files, suite=suite, overrides=(), deployment=None)]

    assert (names("smoke"), names("core")) == (["a"], ["a", "b"])
    assert names("all") == names(None) == ["a", "b", "c"]
    with pytest.raises(UsageError, match="no scenario carries this tag"):
        selection.load(files[2:], suite="smoke", overrides=(), deployment=None)


def test_shipped_suites_are_never_empty() -> None:
    """Each of the three has scenarios, and smoke is part of core."""
    files = selection.scenario_files(None)
    found = {
        suite: {one.file for one in selection.load(files, suite=suite, overrides=(), deployment=None)}
        for suite in selection.SUITES
    }
    assert found["smoke"]
    assert found["smoke"] <= found["core"] <= found["all"]


def test_same_seed_compiles_the_same_plan(tmp_path: Path) -> None:
    """And another seed another one; the options that changed the scenario stay with the plan."""
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True)
    ground = selection.Ground(backend=BackendKind.PROCESS, image=None, machine=machine, said="")
    scenarios = selection.load([write(tmp_path / "a.yaml")], suite=None, overrides=(), deployment=None)
    one = selection.compile_all(scenarios, seed=5, ground=ground, changed=["--set", "workload.rate=9/s"])
    assert one == selection.compile_all(scenarios, seed=5, ground=ground, changed=one[0].changed)
    assert one != selection.compile_all(scenarios, seed=6, ground=ground, changed=one[0].changed)
    assert one[0].changed == ("--set", "workload.rate=9/s")


Engine = Callable[[str | None], None]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Say what is missing for Docker; None: an engine with an image."""
    here = Machine(backend=BackendKind.DOCKER, network_faults=True)
    plain = Machine(backend=BackendKind.PROCESS, network_faults=True)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("harness.selection.docker.machine", lambda: here)
    monkeypatch.setattr("harness.selection.process.machine", lambda: plain)
    monkeypatch.setattr(
        "harness.selection.image.choose_image", lambda *_: ImageChoice(name="redis:x", why="image redis:x")
    )

    def missing(why: str | None) -> None:
        monkeypatch.setattr("harness.selection.docker.available", lambda: why)

    return missing


def test_auto_prefers_docker(engine: Engine) -> None:
    """Where an engine answers and an image can be had, containers are used, and the image is named."""
    engine(None)
    ground = selection.choose_ground("auto")
    assert (ground.backend, ground.image) == (BackendKind.DOCKER, "redis:x")
    assert "image redis:x" in ground.said


def test_auto_falls_back_and_says_so(engine: Engine) -> None:
    """Without an engine plain processes are used; the reason is part of the first line."""
    engine("nobody answers")
    ground = selection.choose_ground("auto")
    assert (ground.backend, ground.image) == (BackendKind.PROCESS, None)
    assert "nobody answers" in ground.said


def test_auto_falls_back_where_no_image_can_be_had(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine alone is not enough."""
    engine(None)

    def none(*_: object) -> ImageChoice:
        raise EnvironmentFailure("no image")

    monkeypatch.setattr("harness.selection.image.choose_image", none)
    assert selection.choose_ground("auto").backend is BackendKind.PROCESS
    with pytest.raises(EnvironmentFailure, match="--backend docker: no image"):
        selection.choose_ground("docker")


@pytest.mark.parametrize("value", ["true", "TRUE", "True"])
def test_ci_never_downgrades_silently(engine: Engine, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """With CI=true what cannot be had is an error that names both ways out."""
    engine("nobody answers")
    monkeypatch.setenv("CI", value)
    with pytest.raises(EnvironmentFailure, match=r"nobody answers.*BACKEND=process.*make docker-engine"):
        selection.choose_ground("auto")
    assert selection.choose_ground("process").backend is BackendKind.PROCESS


def test_wanted_docker_is_never_replaced(engine: Engine) -> None:
    """Who asks for containers gets them or an error."""
    engine("nobody answers")
    with pytest.raises(EnvironmentFailure, match="--backend docker: nobody answers"):
        selection.choose_ground("docker")


def _deployed_on(tmp_path: Path, *engines: str | None) -> list[Scenario]:
    """Scenarios as files, one for each engine named."""
    files = []
    for n, engine in enumerate(engines):
        text = yaml.safe_load((ROOT / "scenarios/single/02-killed-with-aof-nothing-lost.yaml").read_text())
        text["deployment"]["engine"] = engine
        if engine is None:
            del text["deployment"]["engine"]
        file = tmp_path / f"{n}.yaml"
        file.write_text(yaml.safe_dump(text, sort_keys=False))
        files.append(file)
    return selection.load(files, suite=None, overrides=(), deployment=None)


def _no_valkey(engine: str | None) -> ImageChoice:
    if engine == "valkey-9.1":
        raise EnvironmentFailure("no image of valkey-9.1")
    return ImageChoice(name=f"image-of-{engine or 'any'}", why="there")


def test_scenario_on_an_engine_that_is_not_here_is_skipped_and_the_others_run(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each scenario gets the image of its engine; one without any is skipped with the reason."""
    engine(None)
    monkeypatch.setattr("harness.selection.image.choose_image", _no_valkey)
    scenarios = _deployed_on(tmp_path, None, "redis-8.0", "valkey-9.1")
    ground = selection.choose_ground("docker", selection.engines_of(scenarios))
    plans = selection.compile_all(scenarios, seed=1, ground=ground)
    assert [plan.skip for plan in plans] == [None, None, "no image of valkey-9.1"]
    assert [ground.image_of(plan) for plan in plans[:2]] == ["image-of-any", "image-of-redis-8.0"]


def test_engine_that_is_not_here_is_an_error_where_nothing_else_is_asked_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run of which everything would be skipped is no run."""
    engine(None)
    monkeypatch.setattr("harness.selection.image.choose_image", _no_valkey)
    named = selection.engines_of(_deployed_on(tmp_path, "valkey-9.1"))
    with pytest.raises(EnvironmentFailure, match=r"no image of valkey-9\.1"):
        selection.choose_ground("docker", named)


def test_auto_takes_the_backend_that_has_the_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Docker cannot have it, plain processes can: they are used, and one line says so."""
    engine(None)
    monkeypatch.setattr("harness.selection.image.choose_image", _no_valkey)
    found: list[str | None] = []

    def find(*, wanted: str | None) -> None:
        found.append(wanted)

    monkeypatch.setattr("harness.selection.server_programs.find", find)
    ground = selection.choose_ground("auto", selection.engines_of(_deployed_on(tmp_path, "valkey-9.1")))
    assert (ground.backend, found) == (BackendKind.PROCESS, ["valkey-9.1"])
    assert "no image of valkey-9.1" in ground.said


def test_planning_builds_and_pulls_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan needs no nodes, so it needs no image."""

    def never() -> ImageChoice:
        raise AssertionError("an image was asked for")

    engine(None)
    monkeypatch.setattr("harness.selection.image.choose_image", never)
    assert selection.ground_for_planning("auto").backend is BackendKind.DOCKER
    assert selection.ground_for_planning("process").backend is BackendKind.PROCESS
