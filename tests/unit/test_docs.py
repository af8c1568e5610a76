"""The documents against the kit: what it has is documented, and what is documented it has.

Lists are taken from the code, never written here again, so that a new fault, option or verb without
its lines in a document fails.
"""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from harness import scenario as reading
from harness.checks.promises.table import FINDINGS
from harness.cli.arguments import parser
from harness.control.routes import ROUTES
from harness.control.server import OPENAPI
from harness.errors import ExitStatus
from harness.faults import FAULTS
from harness.faults.targets import DATA_NODES, RUNNING
from harness.model.plan import Plan
from harness.model.seams import Machine
from harness.model.words import BackendKind, Outcome, TopologyKind
from harness.running import selection
from harness.running.compiling import compile_all
from harness.running.ground import Ground
from harness.running.reports import short_names
from harness.running.suite import folder_names
from harness.running.vocabulary import shipped
from harness.scenario import METRICS
from harness.scenario.deployment import CLIENT_FIELDS
from harness.scenario.faults import target_pattern
from harness.scenario.workload import workload_fields
from harness.sessions import BEHAVIOURS
from tests.builders_docs import (
    BEHAVIOURS_TEXT,
    DOCUMENTS,
    FAULTS_TEXT,
    GUIDE,
    README,
    ROOT,
    section_of,
    table_row,
    table_rows,
    ticked,
)

FOLDERS = "harness|docs|scenarios|compose|sentinel|cluster|requirements|tests|single|split|shared|\\.ci"


def _plan(path: Path, deployment: Path | None = None) -> Plan:
    ground = Ground(
        backend=BackendKind.PROCESS,
        image=None,
        machine=Machine(backend=BackendKind.PROCESS, network_faults=True, cpus=2),
        said="",
    )
    scenarios = selection.load([path], suite=None, overrides=(), deployment=deployment)
    return compile_all(scenarios, seed=1, ground=ground)[0]


# ---------------------------------------------------------------- README


def _make_targets() -> list[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)


@pytest.mark.parametrize("target", _make_targets())
def test_readme_tells_every_make_target(target: str) -> None:
    """Whatever `make` alone lists, README explains."""
    assert f"`make {target}`" in section_of(README, "Make")


def test_readme_tells_every_make_variable_and_no_other() -> None:
    """Each variable that `make` alone prints has its row, and each row is such a variable."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    printed = set(re.findall(r"\b([A-Z]+)=", "".join(re.findall(r'@echo "(.*)"', text))))
    rows = [cells for cells in table_rows(section_of(README, "Make")) if cells[0].strip("`").isupper()]
    told = {name for cells in rows for name in ticked(cells[0]) if name.isupper()}
    assert printed
    assert {name for name in ticked(section_of(README, "Make")) if name.isupper()} >= printed
    assert told == printed


@functools.cache
def _reports() -> frozenset[str]:
    files = selection.scenario_files(None)
    return frozenset(name for file in files for name in short_names(reading.load(file, shipped())))


@pytest.mark.parametrize(
    "name", [*DOCUMENTS, "Makefile", "harness/cli/arguments.py", "harness/scenario/reading.py"]
)
def test_a_report_that_is_an_example_can_be_run(name: str) -> None:
    """Who copies it gets a run, not an error."""
    text = (ROOT / name).read_text(encoding="utf-8")
    asked = re.findall(r"(?:\bBUG=|--bug |tracker, such as )`?([a-z][a-z-]*-\d+)", text)
    assert set(asked) <= _reports()


def _verbs() -> list[str]:
    actions = parser()._actions
    return [
        verb
        for action in actions
        if isinstance(action, argparse._SubParsersAction)
        for verb in action.choices
    ]


@pytest.mark.parametrize("verb", _verbs())
def test_readme_tells_every_verb(verb: str) -> None:
    """Each verb of `failover-kit` is named where the command is introduced."""
    assert f"`{verb}`" in section_of(README, "Make")


def test_definitions_name_the_tests_that_keep_them() -> None:
    """Each rule of judging has a history that contradicts a simpler rule; where it lies can be looked up."""
    text = (ROOT / "docs/definitions.md").read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("*.py")))
    functions = set(re.findall(r"^ *def (\w+)\(", sources, re.MULTILINE))
    rules = re.findall(r"^\*\*(.+?)\*\*(.*?)(?=^\*\*|^## |\Z)", text, re.MULTILINE | re.DOTALL)
    named = {
        rule: re.findall(r"`(\w+)`", "".join(re.findall(r"\[(`[^\]]+)\]", body))) for rule, body in rules
    }
    assert len(named) > 20
    assert all(named.values()), [rule for rule, names in named.items() if not names]
    assert not {name for names in named.values() for name in names} - functions


@pytest.mark.parametrize("status", ExitStatus)
def test_readme_tells_every_exit_status(status: int) -> None:
    """A pipeline can rely on each number's meaning."""
    assert table_row(section_of(README, "In CI"), str(int(status)))[1] == status.meaning  # type: ignore[attr-defined]


def test_readme_has_a_row_for_every_shipped_scenario_and_no_other() -> None:
    """The table of what happens, with that of the catalogue, is the list of scenarios: file, topology, promise
    or weakness."""
    told = {}
    catalogue = (ROOT / "docs/catalogue.md").read_text(encoding="utf-8")
    tables = (section_of(README, "What happens to sessions"), catalogue)
    for cells in (cells for text in tables for cells in table_rows(text)[1:]):
        told[cells[-1].strip("`")] = (cells[0], {"P": "promise", "W": "weakness"}[cells[-2]])
    real = {}
    for path in sorted((ROOT / "scenarios").rglob("*.yaml")):
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        topology = text["deployment"]["topology"]["kind"]
        real[path.relative_to(ROOT).as_posix()] = (topology, text["shows"])
    assert told == real


def test_readme_names_the_folders_that_a_run_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a shipped scenario and of a file in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(_yaml_blocks(README)[0], encoding="utf-8")
    shipped_one = ROOT / "scenarios/sentinel/01-primary-killed-replica-promoted.yaml"
    plans = [_plan(shipped_one), _plan(Path("mine.yaml"))]
    told = [name for name in ticked(section_of(README, "Reading a run folder")) if name.endswith("/")]
    assert {f"{name}/" for name in folder_names(plans).values()} <= set(told)


def test_readme_example_plans_cleanly(tmp_path: Path) -> None:
    """Who copies the example gets a scenario that reads, plans and is not skipped."""
    example = tmp_path / "example.yaml"
    example.write_text(_yaml_blocks(README)[0], encoding="utf-8")
    plan = _plan(example)
    assert plan.skip is None
    assert plan.scenario.expect


def test_readme_deployment_can_be_put_in(tmp_path: Path) -> None:
    """The example of a deployment file works with a shipped scenario of its topology."""
    deployment = tmp_path / "ours.yaml"
    deployment.write_text(_yaml_blocks(README)[1], encoding="utf-8")
    scenario = ROOT / "scenarios/sentinel/01-primary-killed-replica-promoted.yaml"
    plan = _plan(scenario, deployment)
    assert plan.skip is None
    assert plan.scenario.deployment.name == "ours"


def test_guide_example_plans_cleanly(tmp_path: Path) -> None:
    """The same for the first example of the guide."""
    example = tmp_path / "example.yaml"
    example.write_text(_yaml_blocks(GUIDE)[0], encoding="utf-8")
    assert _plan(example).skip is None


def _yaml_blocks(text: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def test_readme_output_is_marked_where_it_was_trimmed() -> None:
    """The first screen shows a run that ends in a failure, and says that lines are left out."""
    output = re.findall(r"```text\n(.*?)```", README, re.DOTALL)[0]
    assert "exit status 1" in output
    assert "[...]" in output
    assert "`[...]` marks omitted text" in README


# ---------------------------------------------------------------- names in documents


def _paths(text: str) -> Iterator[str]:
    for found in re.findall(rf"(?<![\w/.*-])((?:{FOLDERS})/[\w./*-]*)", text):
        yield found.rstrip(".")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_was_left_in_the_middle_of_a_merge(name: str) -> None:
    """No tool complains of what git writes into a Markdown file where two changes meet."""
    assert not re.findall(r"^(?:<<<<<<<|=======$|>>>>>>>).*$", DOCUMENTS[name], re.MULTILINE)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_in_a_document_exists(name: str) -> None:
    """A file or folder that is named is there; short names of scenarios select one."""
    for path in _paths(DOCUMENTS[name]):
        if not (ROOT / path).exists():
            assert selection.scenario_files(path), f"{name}: {path}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_in_a_document_leads_somewhere(name: str) -> None:
    """Links go to files of the project, and to headings that they have."""
    for target in re.findall(r"\]\(([^)\s]+)\)", DOCUMENTS[name]):
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in _anchors(path.read_text(encoding="utf-8")), f"{name}: {target}"


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_names_a_host_or_a_machine(name: str) -> None:
    """Documents hold for every machine: no host of a registry or mirror, no absolute path."""
    text = DOCUMENTS[name]
    assert not re.findall(r"\w+://\S+", text)
    assert not re.findall(r"\b[\w-]+\.(?:io|org|com|net|dev)\b", text)
    calls = {f"/{route.path.split('/')[1]}" for route in ROUTES} | {OPENAPI}
    if name == "docs/guests.md":  # a guest file has the paths of somebody's pages
        text = re.sub(r"```yaml\n.*?```", "", text, flags=re.DOTALL)
    assert not set(re.findall(r"(?:(?<=\s)|(?<=[`'\"=(]))/[A-Za-z][\w.-]*", text)) - calls


# ---------------------------------------------------------------- topologies and scenario files


@pytest.mark.parametrize("kind", TopologyKind)
def test_every_topology_is_documented(kind: TopologyKind) -> None:
    """What sessions meet there, its settings, and which faults it has."""
    assert any(cells[0] == kind for cells in table_rows(section_of(README, "What happens to sessions")))
    assert table_row(GUIDE, kind)
    assert kind in table_rows(section_of(FAULTS_TEXT, "Where each works"))[0]


def _schema_keys(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for value in node.values():
            yield from _schema_keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from _schema_keys(value)


def test_every_key_of_the_schema_is_explained() -> None:
    """Whatever an editor offers is in the guide, or beside the behaviour whose option it is."""
    schema = msgspec.json.decode((ROOT / "docs/scenario.schema.json").read_bytes())
    keys = set(_schema_keys(schema))
    assert len(keys) > 50
    text = GUIDE + BEHAVIOURS_TEXT
    missing = {key for key in keys if not re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", text)}
    assert not missing


def test_every_key_of_a_guest_file_is_explained() -> None:
    """Whatever an editor offers there is in the document about guests."""
    keys = set(_schema_keys(msgspec.json.decode((ROOT / "docs/guest.schema.json").read_bytes())))
    text = (ROOT / "docs/guests.md").read_text(encoding="utf-8")
    assert {"behaviours", "csrf", "equals", "within"} <= keys
    assert not {key for key in keys if not re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", text)}


@pytest.mark.parametrize("metric", METRICS)
def test_guide_names_every_metric(metric: str) -> None:
    """Everything that `expect` can measure has its row."""
    first_cells = [cells[0] for cells in table_rows(section_of(GUIDE, "expect"))]
    assert any(re.search(rf"`{metric}[`(]", cell) for cell in first_cells)


# ---------------------------------------------------------------- faults and behaviours


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_documented_with_its_options_and_targets(fault: str) -> None:
    """Targets are exactly the declared ones; every option and every word it takes is explained."""
    declared = FAULTS[fault].declaration
    assert table_row(section_of(FAULTS_TEXT, "Where each works"), fault)
    section = section_of(FAULTS_TEXT, fault)
    assert "**Proof**" in section
    assert "**Healing**" in section
    targets = re.search(r"\*\*Targets\*\*: (.*?)\.(?:\s|$)", section, re.DOTALL)
    assert targets
    told = set(ticked(targets[1])) | (set(RUNNING) if "node targets" in targets[1] else set())
    told |= set(DATA_NODES) if "data nodes" in targets[1] else set()
    assert told == set(declared.targets)
    for option in declared.options:
        assert {option.name, *option.words} <= set(ticked(section)), option.name
    if not declared.options:
        assert "**Options**" not in section or "**Options**: none" in section


def test_no_fault_is_documented_that_does_not_exist() -> None:
    """The table of faults is the list of faults."""
    rows = table_rows(section_of(FAULTS_TEXT, "Where each works"))[1:]
    assert [ticked(cells[0])[0] for cells in rows] == list(FAULTS)


def test_what_production_does_is_said_in_faults_that_exist() -> None:
    """Each line can be written in a scenario, and no fault but those of the application is left out."""
    settings = {field.key for field in (*CLIENT_FIELDS, *workload_fields(shipped()))}
    settings |= {option.name for fault in FAULTS.values() for option in fault.declaration.options}
    text = (ROOT / "docs/what-production-does.md").read_text(encoding="utf-8")
    named = set()
    for code in re.findall(r"`([a-z ]+: [^`]+)`", text.partition("## What the kit does not do")[0]):
        item = yaml.safe_load(f"{{{code}}}")
        (kind, *options) = item
        if kind not in FAULTS:
            assert kind in settings
            continue
        named.add(kind)
        known = {option.name for option in FAULTS[kind].declaration.options} | {"for", "repeat", "every"}
        assert set(options) <= known, code
        assert any(re.fullmatch(target_pattern(one), item[kind]) for one in FAULTS[kind].declaration.targets)
    assert FAULTS.keys() - named == {"resume", "kill web server", "nothing"}


def test_every_target_is_explained() -> None:
    """Each word that some fault takes has its row, and each row is such a word."""
    explained = {
        word for cells in table_rows(section_of(FAULTS_TEXT, "Targets")) for word in ticked(cells[0])
    }
    assert explained == {word for fault in FAULTS.values() for word in fault.declaration.targets}


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_is_documented(behaviour: str) -> None:
    """Its kind, its promise, its commands and its options."""
    row = table_row(BEHAVIOURS_TEXT, behaviour)
    assert row[1] == BEHAVIOURS[behaviour].kind
    assert row[2]
    section = section_of(BEHAVIOURS_TEXT, behaviour)
    for option in BEHAVIOURS[behaviour].declaration.options:
        assert f"- `{option.name}` (" in section


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_explained(outcome: Outcome) -> None:
    """Readers of a history know what each outcome claims."""
    assert table_row(section_of(BEHAVIOURS_TEXT, "Outcomes"), outcome)


def test_vocabulary_has_nothing_else() -> None:
    """The tables that these tests go through are all that a scenario may name."""
    vocabulary = shipped()
    assert set(vocabulary.faults) == set(FAULTS)
    assert set(vocabulary.behaviours) == set(BEHAVIOURS)
    assert vocabulary.findings.keys() == FINDINGS.keys()
    assert vocabulary.metrics == set(METRICS)


def test_pipeline_names_tests_that_are_there() -> None:
    """A test that moved must not be left out by `.ci/run`, nor stop it at its end."""
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    named = re.findall(r"tests/[\w/]+\.py", text)
    assert named
    assert not [name for name in named if not (ROOT / name).is_file()]
