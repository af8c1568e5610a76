"""Every scenario that is shipped: reads, plans, explains itself; and the suites stay short."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from harness.checks.promises.table import FINDINGS
from harness.checks.verdict.expectations import METRICS as MEASURED
from harness.faults import FAULTS
from harness.libraries import apart
from harness.model.plan import Plan
from harness.model.scenario import Scenario
from harness.model.seams import Machine
from harness.model.words import BackendKind, Shows, TopologyKind, Trait
from harness.plan import compile as compile_plan
from harness.plan import describe
from harness.running import selection
from harness.running.vocabulary import schema_text, shipped
from harness.scenario import METRICS, is_scenario, load, scenario_schema
from harness.scenario.deployment import CLIENT_FIELDS, DEPLOYMENT_FIELDS, TOPOLOGY_FIELDS
from harness.scenario.reading import scenario_fields
from harness.scenario.workload import workload_fields

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "scenarios").rglob("*.yaml"))
SCHEMA = ROOT / "docs" / "scenario.schema.json"
JOBS = 2
START_AND_STOP_S = 6.0
"""Set-up and tear-down of one run, generously."""
ELECTED_WITHIN_S = 4.0
"""A sentinel waits up to a second more than its timeout, by chance, and promotes within two."""


@cache
def _plan(path: Path) -> Plan:
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True, programs=True, cpus=2)
    fits = {name: fault.fits for name, fault in FAULTS.items()}
    scenario = load(path, shipped())
    return compile_plan(
        scenario, seed=1, backend=BackendKind.PROCESS, machine=machine, fits=fits, findings=FINDINGS
    )


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_shipped_scenario_plans_cleanly(path: Path) -> None:
    """Nothing is skipped on a machine that can do everything, and the plan can be told."""
    assert is_scenario(path)
    plan = _plan(path)
    assert plan.skip is None
    assert plan.scenario.name in describe(plan, shipped())


def test_plan_says_the_options_that_somebody_chose() -> None:
    """They can be what the scenario is about; those at their default say nothing."""
    (path,) = selection.scenario_files("single/55")
    assert "touch 50% (ignore_age yes), change-field 5%\n" in describe(_plan(path), shipped())


@cache
def _scenarios() -> list[tuple[Path, Scenario]]:
    return [(path, _plan(path).scenario) for path in FILES]


def test_shipped_scenarios_explain_themselves() -> None:
    """Why it matters, which setting governs it, in the folder of its topology, under a telling name."""
    for path, scenario in _scenarios():
        assert scenario.about, path
        assert scenario.advice, path
        assert {"core", "all"} & {*scenario.tags}, path
        topology = scenario.deployment.topology
        folder = "tls" if topology.tls else "proxy" if topology.proxy else topology.kind
        client = scenario.deployment.client
        assert path.parent.name == ("clients" if apart(client.library, client.version) else folder)
        assert re.fullmatch(r"\d\d(-[a-z]+)+", path.stem), path


def test_shipped_promises_tolerate_no_finding() -> None:
    """Every one that a promise names must be 0."""
    for path, scenario in _scenarios():
        findings = [one for one in scenario.expect if one.metric in shipped().findings]
        if scenario.shows is Shows.PROMISE:
            assert all(one.comparison == "==" and not one.bound[0].factor for one in findings), path


def test_turns_on_another_node_each_time_may_overlap(tmp_path: Path) -> None:
    """Nothing that an earlier turn holds is struck again."""
    text = (ROOT / "scenarios/sentinel/02-primary-paused-past-down-after.yaml").read_text(encoding="utf-8")
    item = "{after: 3s, pause: another replica, for: 5s, repeat: 2, every: 1s}"
    file = tmp_path / "s.yaml"
    file.write_text(re.sub(r"faults:\n(  - .*\n)+", f"faults: [{item}]\n", text), encoding="utf-8")
    assert len(load(file, shipped()).faults) == 2


REPORTS = """
    activepieces/activepieces#14619 apecloud/kubeblocks#10753 appsmithorg/appsmith#9112 bitnami/charts#13021 bitnami/charts#5418
    chideat/valkey-operator#98 istio-ecosystem/authservice#325 langfuse/langfuse#13880 redis/redis#10328 redis/redis#10729
    redis/redis#12484 redis/redis#12570 redis/redis#12762 redis/redis#1297 redis/redis#13244 redis/redis#1821 redis/redis#2025
    redis/redis#2989 redis/redis#3852 redis/redis#5742 redis/redis#6062 redis/redis#6871 redis/redis#8696 valkey-io/valkey#1091
    valkey-io/valkey#1291 valkey-io/valkey#1292 valkey-io/valkey#2779 valkey-io/valkey#4066
"""


def test_catalogue_has_every_report() -> None:
    """`make repro BUG=` brings each of them here; a report leaves only with a reason."""
    told = {bug for _, scenario in _scenarios() for bug in scenario.bugs}
    assert set(REPORTS.split()) - told == set()


def test_core_scenarios_allow_what_their_clients_do_on_a_slow_machine() -> None:
    """A client that repeats unanswered writes executes them at least once, and an old attempt may land after a
    newer write. Either the file names the findings of that, or its client does not repeat such writes."""
    for path, scenario in _scenarios():
        client = scenario.deployment.client
        if "core" in scenario.tags and client.application_retries and client.repeat_writes:
            assert {"ghost-retry", "undone-by-own-write"} <= {one.metric for one in scenario.expect}, (
                f"{path}: set client.repeat_writes to false, or expect ghost-retry and undone-by-own-write"
            )


def test_shipped_scenarios_name_what_prevents_them() -> None:
    """One other shipped scenario, on the same kind of topology or one beside it."""
    for path, scenario in _scenarios():
        if scenario.prevented_by:
            (beside,) = selection.scenario_files(scenario.prevented_by)
            assert beside.resolve() != path.resolve()
        if {"catalogue"} & {*scenario.tags} and scenario.bugs:
            assert scenario.engines, path


def test_every_metric_of_the_grammar_is_measured() -> None:
    """What a file may expect is exactly what the checks can measure."""
    assert set(METRICS) == set(MEASURED)


def test_names_are_unique() -> None:
    """Reports tell scenarios apart by name."""
    names = [_plan(path).scenario.name for path in FILES]
    assert len(set(names)) == len(names) >= 19


def test_every_topology_has_scenarios() -> None:
    """Each kind of topology is shown in core; proxies before sentinels and client libraries have a folder of
    their own."""
    assert {path.parent.name for path in FILES} == {*TopologyKind, "proxy", "tls", "clients"}


def test_core_stays_short() -> None:
    """`make chaos-test` on two cores: at most seven minutes, set-up included."""
    assert _suite_s("core") <= 7 * 60


def test_smoke_stays_short_and_broad() -> None:
    """Four or five scenarios over at least four topologies in a minute and a half."""
    smoke = [_plan(path) for path in FILES if "smoke" in _plan(path).scenario.tags]
    assert 4 <= len(smoke) <= 5
    assert len({plan.scenario.deployment.topology.kind for plan in smoke}) >= 4
    assert _suite_s("smoke") <= 90


def _suite_s(tag: str) -> float:
    plans = [plan for plan in map(_plan, FILES) if tag in plan.scenario.tags]
    alone_s = sum(plan.expected_s + START_AND_STOP_S for plan in plans if plan.scenario.exclusive)
    together_s = sum(plan.expected_s + START_AND_STOP_S for plan in plans if not plan.scenario.exclusive)
    return alone_s + together_s / JOBS


def test_schema_is_up_to_date() -> None:
    """docs/scenario.schema.json is what the fields, faults and behaviours of this version give."""
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m harness.running.vocabulary > docs/scenario.schema.json"
    )


@cache
def _editor() -> Draft202012Validator:
    """What underlines mistakes. Looking the schema over takes longer than a file."""
    schema = scenario_schema(shipped())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_schema_accepts_shipped_scenarios() -> None:
    """What the reader accepts is not underlined in an editor."""
    for path in FILES:
        wrong = next(
            _editor().iter_errors(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)), None
        )
        assert wrong is None, path


@pytest.mark.parametrize(
    ("old", "new"),
    [("after: 4s", "after: 4"), ("kill: primary", "kil: primary"), ("rate: 150/s", "rat: 150/s")],
)
def test_schema_underlines_mistakes(old: str, new: str) -> None:
    """The everyday mistakes are seen while typing."""
    text = (ROOT / "scenarios/sentinel/01-primary-killed-replica-promoted.yaml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ValidationError):
        _editor().validate(yaml.safe_load(text.replace(old, new, 1)))


def test_guide_names_everything_that_can_be_written() -> None:
    """docs/writing-scenarios.md mentions every key, fault, behaviour, option and metric."""
    guide = (ROOT / "docs" / "writing-scenarios.md").read_text(encoding="utf-8")
    vocabulary = shipped()
    fields = (*scenario_fields(vocabulary), *workload_fields(vocabulary), *CLIENT_FIELDS, *DEPLOYMENT_FIELDS)
    keys = {field.key for field in fields}
    keys |= {field.key for fields_of_kind in TOPOLOGY_FIELDS.values() for field in fields_of_kind}
    options = {option.name for fault in vocabulary.faults.values() for option in fault.options}
    words = keys | options | set(vocabulary.faults) | set(vocabulary.behaviours) | vocabulary.metrics
    assert [word for word in sorted(words) if not re.search(rf"`[^`]*\b{re.escape(word)}\b", guide)] == []


def test_guide_shows_a_scenario_that_works(tmp_path: Path) -> None:
    """The example at the top of the guide can be copied."""
    guide = (ROOT / "docs" / "writing-scenarios.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(scenario: 1.*?)```", guide, re.DOTALL)
    assert example is not None
    path = tmp_path / "copied.yaml"
    path.write_text(example[1], encoding="utf-8")
    assert _plan(path).skip is None


def test_replication_that_is_cut_before_a_death_stays_cut_past_two_elections() -> None:
    """Seen with every core busy: three sentinels voted for themselves, the cut was lifted before the second
    election, and the dead primary's machine delivered what it still had: no logout was undone."""
    for path, scenario in _scenarios():
        topology = scenario.deployment.topology
        two_elections_s = topology.down_after_s + 2 * topology.failover_timeout_s + ELECTED_WITHIN_S
        stops = scenario.faults_with(Trait.STOPS_PROCESS)
        for cut in scenario.faults_with(Trait.CUTS_REPLICATION).values():
            dies = [one for number, one in stops.items() if number > cut.number]
            if Trait.CUTS_LINKS in cut.traits and cut.kind == "cut replication" and dies:
                least_s = two_elections_s + (dies[0].start.offset_s or 0)
                assert cut.for_s is None or cut.for_s >= least_s, path
