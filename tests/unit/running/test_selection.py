"""Which scenarios, against what: globs, suites, and a backend that is never chosen silently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
import yaml

from harness import scenario as reading
from harness.errors import EnvironmentFailure, UsageError
from harness.model.command_words import SEED_MAX, SUITES
from harness.model.plan import Plan
from harness.model.scenario import Scenario
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.plan import describe
from harness.running import selection
from harness.running.compiling import compile_all, compile_chosen
from harness.running.ground import Ground, choose_ground, ground_for_planning, ground_of
from harness.running.selection import Choice
from harness.running.vocabulary import shipped
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
        ("single/0*", [f"single/0{n}" for n in range(1, 10)]),
        ("resolves-once", ["sentinel/09"]),
        (
            "planned-failover",
            [
                *("cluster/02", "proxy/02", "proxy/03", "proxy/04", "proxy/05"),
                *("sentinel/03", "sentinel/45", "sentinel/53", "sentinel/83", "sentinel/87"),
            ],
        ),
        (
            "*/01-*",
            [
                f"{one}/01"
                for one in ("clients", "cluster", "proxy", "sentinel", "shared", "single", "split", "tls")
            ],
        ),
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
    [
        ("senitnel/02-primary-paused-past-down-after", "did you mean 'sentinel/02-primary"),
        ("sentinel/670", "did you mean 'sentinel/67'?"),
        ("planned-failver-loses-writes", "did you mean 'planned-failover-loses-writes'?"),
        ("sentinal", "did you mean 'sentinel'?"),
        ("zzzzzz", ""),
    ],
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
    with pytest.raises(UsageError, match="no scenario has this tag"):
        selection.load(files[2:], suite="smoke", overrides=(), deployment=None)


def test_scenario_of_another_suite_does_not_spoil_what_is_changed_in_this_one(tmp_path: Path) -> None:
    """A directive that only Valkey has, in a file without the tag: the suite runs on Redis all the same."""
    core, other = write(tmp_path / "core.yaml", "core"), write(tmp_path / "other.yaml", "other", "catalogue")
    valkey_only = "engine: valkey-9.1, topology: {kind: single, redis: {shutdown-on-sigterm: failover}}"
    other.write_text(other.read_text().replace("topology: {kind: single}", valkey_only))
    on_redis = ("deployment.engine=redis-7.0",)
    (found,) = selection.load([core, other], suite="core", overrides=on_redis, deployment=None)
    assert found.name == "core"
    with pytest.raises(UsageError, match="shutdown-on-sigterm"):
        selection.load([core, other], suite="catalogue", overrides=on_redis, deployment=None)


def test_scenario_that_is_not_for_the_engine_asked_for_is_skipped(tmp_path: Path) -> None:
    """With the reason; what no engine takes stays an error."""
    file = write(tmp_path / "mine.yaml", "mine")
    valkey_only = "topology: {kind: single, redis: {shutdown-on-sigterm: failover}}"
    file.write_text(file.read_text().replace("topology: {kind: single}", valkey_only))
    (found,) = selection.choose(selection.Choice(files=(file,), engines=("redis-7.0",)))
    assert found.scenario.deployment.engine == "redis-7.0"
    assert found.scenario.misfit.startswith(
        "not on redis-7.0: deployment.topology.redis.shutdown-on-sigterm: expected one of"
    )
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True)
    ground = Ground(backend=BackendKind.PROCESS, image=None, machine=machine, said="")
    (plan,) = compile_chosen([found], seed=1, ground=ground)
    assert plan.skip == found.scenario.misfit
    (other,) = selection.choose(selection.Choice(files=(file,), engines=("valkey-9.1",)))
    assert other.scenario.misfit == ""
    file.write_text(file.read_text().replace("shutdown-on-sigterm: failover", "maxmemory: lots"))
    with pytest.raises(UsageError, match="maxmemory"):
        selection.choose(selection.Choice(files=(file,), engines=("redis-7.0",)))


def test_shipped_suites_are_never_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the three has scenarios, and smoke is part of core. Each file is read once."""
    read = cache(partial(reading.load, vocabulary=shipped()))
    monkeypatch.setattr(reading, "load", lambda path, _, **how: read(path, **how))
    files = selection.scenario_files(None)
    found = {
        suite: {one.file for one in selection.load(files, suite=suite, overrides=(), deployment=None)}
        for suite in SUITES
    }
    assert found["smoke"]
    assert found["smoke"] <= found["core"] <= found["all"]


DEPLOYMENT = """\
deployment: 1
{name}topology: {{kind: {kind}}}
"""


def _choice(tmp_path: Path, *, names: tuple[str, str] = ("ours", "proposed")) -> Choice:
    """Two scenarios, two deployments, two engines."""
    deployments = []
    for n, name in enumerate(names):
        deployments.append(tmp_path / f"deployment-{n}.yaml")
        deployments[n].write_text(DEPLOYMENT.format(name=f"name: {name}\n", kind="single"))
    return Choice(
        files=(write(tmp_path / "b.yaml", "b"), write(tmp_path / "a.yaml", "a")),
        settings=("workload.rate=9/s",),
        deployments=tuple(deployments),
        engines=("redis-7.0", "valkey"),
    )


def _plans(choice: Choice, seed: int = 5) -> tuple[Plan, ...]:
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True)
    ground = Ground(backend=BackendKind.PROCESS, image=None, machine=machine, said="")
    return compile_chosen(selection.choose(choice), seed=seed, ground=ground, repeat=choice.repeat)


def _labels(choice: Choice) -> list[str]:
    plans = _plans(choice)
    assert len({plan.key for plan in plans}) == len(plans)
    return [plan.label for plan in plans]


def test_a_scenario_runs_once_for_each_pair_of_deployment_and_engine(tmp_path: Path) -> None:
    """The runs of one scenario follow each other, in the order of the options, each with a name of its own."""
    pairs = ["ours, redis-7.0", "ours, valkey", "proposed, redis-7.0", "proposed, valkey"]
    choice = _choice(tmp_path)
    assert _labels(choice) == [f"{name} ({pair})" for name in "ba" for pair in pairs]
    assert _labels(replace(choice, engines=("valkey",))) == [
        "b (ours)",
        "b (proposed)",
        "a (ours)",
        "a (proposed)",
    ]
    assert _labels(replace(choice, deployments=())) == [
        "b (redis-7.0)",
        "b (valkey)",
        "a (redis-7.0)",
        "a (valkey)",
    ]


def test_variants_name_only_what_differs(tmp_path: Path) -> None:
    """One deployment and one engine leave a scenario its own name, also where the same one is given twice."""
    choice = _choice(tmp_path)
    twice = replace(choice, deployments=choice.deployments[:1] * 2, engines=("valkey", "valkey"))
    assert _labels(twice) == ["b", "a"]
    assert _labels(replace(choice, deployments=(), engines=())) == ["b", "a"]


def test_deployments_of_one_name_are_told_apart_by_their_files(tmp_path: Path) -> None:
    """Rows that read the same would be of no use."""
    choice = replace(_choice(tmp_path, names=("ours", "ours")), engines=())
    assert _labels(choice)[:2] == [f"b ({file})" for file in choice.deployments]


def test_every_variation_repeats_by_its_own_options(tmp_path: Path) -> None:
    """The command that repeats a run names its deployment and its engine, and no other's."""
    choice = _choice(tmp_path)
    first = selection.choose(choice)[0].changed
    file = str(choice.deployments[0])
    assert first == ("--set", "workload.rate=9/s", "--engine", "redis-7.0", "--deployment", file)


def test_every_combination_of_varied_settings_is_run(tmp_path: Path) -> None:
    """Each repeats by its own `--set`, and is named by the settings that vary."""
    vary = (
        selection.Varied(path="deployment.timing", values=("fast", "article")),
        selection.Varied(path="workload.rate", values=("5/s", "9/s")),
    )
    choice = selection.Choice(files=(write(tmp_path / "a.yaml", "a"),), vary=vary)
    pairs = [(timing, rate) for timing in ("fast", "article") for rate in ("5/s", "9/s")]
    assert _labels(choice) == [f"a (timing={timing}, rate={rate})" for timing, rate in pairs]
    assert [one.changed for one in selection.choose(choice)] == [
        ("--set", f"deployment.timing={timing}", "--set", f"workload.rate={rate}") for timing, rate in pairs
    ]
    assert len({plan.key.cell for plan in _plans(choice)}) == 4


def test_repeats_have_the_next_seeds_and_are_one_cell(tmp_path: Path) -> None:
    """All scenarios come once before any comes again; after the largest seed comes the smallest."""
    plans = _plans(replace(_choice(tmp_path), deployments=(), engines=(), repeat=3), seed=SEED_MAX - 1)
    assert [(plan.scenario.name, plan.seed) for plan in plans] == [
        (name, seed) for seed in (SEED_MAX - 1, SEED_MAX, 0) for name in "ba"
    ]
    assert [plan.label for plan in plans][:2] == [f"{name} (seed {SEED_MAX - 1})" for name in "ba"]
    assert len({plan.key.cell for plan in plans}) == 2
    assert len({plan.key for plan in plans}) == 6


def test_problems_of_all_deployments_are_told_at_once(tmp_path: Path) -> None:
    """One line each; what every variation has in common is said once."""
    choice = _choice(tmp_path)
    for file in choice.deployments:
        file.write_text(DEPLOYMENT.format(name="wrong: 1\n", kind="single"))
    with pytest.raises(UsageError) as caught:
        selection.choose(choice)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == list(
        map(str, choice.deployments)
    )


def test_the_same_file_twice_is_a_usage_error(tmp_path: Path) -> None:
    """Two runs with one key could not be told apart."""
    choice = _choice(tmp_path)
    with pytest.raises(UsageError, match="expected each run once, found this scenario 2 times"):
        _labels(replace(choice, files=choice.files[:1] * 2))


def test_same_seed_compiles_the_same_plan(tmp_path: Path) -> None:
    """And another seed another one; the options that changed the scenario stay with the plan."""
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True)
    ground = Ground(backend=BackendKind.PROCESS, image=None, machine=machine, said="")
    scenarios = selection.load([write(tmp_path / "a.yaml")], suite=None, overrides=(), deployment=None)
    one = compile_all(scenarios, seed=5, ground=ground, changed=["--set", "workload.rate=9/s"])
    assert one == compile_all(scenarios, seed=5, ground=ground, changed=one[0].changed)
    assert one != compile_all(scenarios, seed=6, ground=ground, changed=one[0].changed)
    assert one[0].changed == ("--set", "workload.rate=9/s")


Engine = Callable[[str | None], None]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Say what is missing for Docker; None: an engine with an image."""
    here = Machine(backend=BackendKind.DOCKER, network_faults=True)
    plain = Machine(backend=BackendKind.PROCESS, network_faults=True)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("harness.topology.docker.backend.machine", lambda **_: here)
    monkeypatch.setattr("harness.topology.process.backend.machine", lambda **_: plain)
    monkeypatch.setattr(
        "harness.topology.docker.backend.choose_image",
        lambda *_: ImageChoice(name="redis:x", why="image redis:x"),
    )

    def missing(why: str | None) -> None:
        monkeypatch.setattr("harness.topology.docker.backend.unavailable", lambda: why)

    return missing


def test_auto_prefers_docker(engine: Engine) -> None:
    """Where an engine answers and an image can be had, containers are used, and the image is named."""
    engine(None)
    ground = choose_ground("auto")
    assert (ground.backend, ground.image) == (BackendKind.DOCKER, "redis:x")
    assert "image redis:x" in ground.said


def test_auto_falls_back_and_says_so(engine: Engine) -> None:
    """Without an engine plain processes are used; the reason is part of the first line."""
    engine("nobody answers")
    ground = choose_ground("auto")
    assert (ground.backend, ground.image) == (BackendKind.PROCESS, None)
    assert "nobody answers" in ground.said


def test_the_reason_for_falling_back_is_one_sentence(engine: Engine) -> None:
    """The first line of a run is read by those who go on without Docker."""
    engine("socket: nobody answers. As root 'usermod'; who is in that group can do all")
    said = choose_ground("auto").said
    assert "no Docker here (socket: nobody answers; `failover-kit doctor` says more)" in said


def test_auto_falls_back_where_no_image_can_be_had(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine alone is not enough."""
    engine(None)

    def none(*_: object) -> ImageChoice:
        raise EnvironmentFailure("no image")

    monkeypatch.setattr("harness.topology.docker.backend.choose_image", none)
    assert choose_ground("auto").backend is BackendKind.PROCESS
    with pytest.raises(EnvironmentFailure, match="--backend docker: no image"):
        choose_ground("docker")


@pytest.mark.parametrize("value", ["true", "TRUE", "True"])
def test_ci_never_downgrades_silently(engine: Engine, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """With CI=true what cannot be had is an error that names both ways out."""
    engine("nobody answers")
    monkeypatch.setenv("CI", value)
    with pytest.raises(EnvironmentFailure, match=r"nobody answers.*BACKEND=process.*make docker-engine"):
        choose_ground("auto")
    assert choose_ground("process").backend is BackendKind.PROCESS


def test_wanted_docker_is_never_replaced(engine: Engine) -> None:
    """Who asks for containers gets them or an error."""
    engine("nobody answers")
    with pytest.raises(EnvironmentFailure, match="--backend docker: nobody answers"):
        choose_ground("docker")


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
    monkeypatch.setattr("harness.topology.docker.backend.choose_image", _no_valkey)
    scenarios = _deployed_on(tmp_path, None, "redis-8.0", "valkey-9.1")
    ground = choose_ground("docker", selection.engines_of(scenarios))
    plans = compile_all(scenarios, seed=1, ground=ground)
    assert [plan.skip for plan in plans] == [None, None, "no image of valkey-9.1"]
    assert [ground.image_of(plan) for plan in plans[:2]] == ["image-of-any", "image-of-redis-8.0"]


def test_engine_that_is_not_here_is_an_error_where_nothing_else_is_asked_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run of which everything would be skipped is no run."""
    engine(None)
    monkeypatch.setattr("harness.topology.docker.backend.choose_image", _no_valkey)
    named = selection.engines_of(_deployed_on(tmp_path, "valkey-9.1"))
    with pytest.raises(EnvironmentFailure, match=r"no image of valkey-9\.1"):
        choose_ground("docker", named)


def test_auto_takes_the_backend_that_has_the_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Docker cannot have it, plain processes can: they are used, and one line says so."""
    engine(None)
    monkeypatch.setattr("harness.topology.docker.backend.choose_image", _no_valkey)
    found: list[str | None] = []

    def find(*, wanted: str | None) -> None:
        found.append(wanted)

    monkeypatch.setattr("harness.topology.process.backend.server_programs.find", find)
    ground = choose_ground("auto", selection.engines_of(_deployed_on(tmp_path, "valkey-9.1")))
    assert (ground.backend, found) == (BackendKind.PROCESS, ["valkey-9.1"])
    assert "no image of valkey-9.1" in ground.said


def test_planning_builds_and_pulls_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan needs no nodes, so it needs no image."""

    def never() -> ImageChoice:
        raise AssertionError("an image was asked for")

    engine(None)
    monkeypatch.setattr("harness.topology.docker.backend.choose_image", never)
    assert ground_for_planning("auto").backend is BackendKind.DOCKER
    assert ground_for_planning("process").backend is BackendKind.PROCESS


def test_hosts_of_a_deployment_are_planned_as_they_run(tmp_path: Path) -> None:
    """A plan says what `run` would do: nodes are on the hosts that the deployment names, and so are workers."""
    file = tmp_path / "hosts.yaml"
    file.write_text(
        "scenario: 1\nname: hosts\ndeployment:\n  topology: {kind: sentinel}\n"
        "  hosts: {a: {engine: 'unix:///a'}, b: {engine: 'unix:///b'}}\n  workers: [a, b]\n"
        "workload: {mix: {read: 1}}\nfaults: [{after: 4s, kill: primary}]\n",
        encoding="utf-8",
    )
    scenario = reading.load(file, shipped())
    ground = ground_for_planning("auto", [scenario])
    assert ground.backend is BackendKind.MACHINES
    (plan,) = compile_all([scenario], seed=0, ground=ground)
    assert plan.skip is None
    assert "3 web servers of 2 load workers on a, b, " in describe(plan, shipped())


@pytest.mark.parametrize("wanted", ["auto", "machines"])
def test_a_deployment_that_names_hosts_runs_on_them(
    wanted: str, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And not on this machine; a scenario without hosts is no part of such a suite."""
    engine(None)
    monkeypatch.setattr("harness.topology.docker.backend.choose_image", _no_valkey)
    near, far = _deployed_on(tmp_path, None, "redis-8.0")
    far = replace(far, deployment=replace(far.deployment, hosts={"a": "unix:///a"}))
    assert ground_of(wanted, [far]).backend is BackendKind.MACHINES
    assert ground_of("docker", [far]).backend is BackendKind.DOCKER
    with pytest.raises(UsageError, match="expected `hosts`"):
        ground_of(wanted, [near, far])
