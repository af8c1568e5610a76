"""Puts the parts of a file together: `load` a scenario, `load_deployment` a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import UsageError
from harness.model.deployment import ClientProfile, Deployment, TopologySpec
from harness.model.fit import workload_misfit
from harness.model.scenario import INSTANCE, FaultStep, Scenario, Vocabulary, Workload
from harness.model.words import Shows, TopologyKind
from harness.scenario import tree
from harness.scenario.deployment import deployment_schema, read_deployment
from harness.scenario.expectations import read_expectations
from harness.scenario.faults import read_fault, read_faults
from harness.scenario.file_kind import FileKind, check_kind, kind_of
from harness.scenario.overrides import apply, with_engine
from harness.scenario.problems import Problems, check_first_key
from harness.scenario.project import has_project, of_compose_file, read_project
from harness.scenario.source import CONF_MAX, text_of
from harness.scenario.surroundings import Surroundings
from harness.scenario.table import Field, read_table, table_schema
from harness.scenario.values import (
    FLAG,
    POSITIVE_DURATION,
    REPORT,
    TEXT,
    VERSION,
    Later,
    Many,
    word,
)
from harness.scenario.workload import at, read_workload, workload_fields


def scenario_fields(vocabulary: Vocabulary) -> tuple[Field, ...]:
    return (
        Field(key="scenario", reader=VERSION, required=True, help="format version; always the first key"),
        Field(key="name", reader=TEXT, required=True, help="what happens, in one sentence"),
        Field(
            key="shows",
            reader=word(tuple(Shows), Shows),
            help="promise: must hold; weakness: must be shown",
        ),
        Field(key="tags", reader=Many(TEXT), help="suites: smoke, core, or your own"),
        Field(key="about", reader=TEXT, help="why it matters, in one or two sentences"),
        Field(key="advice", reader=TEXT, help="the setting to change"),
        Field(
            key="bug",
            attribute="bugs",
            reader=Many(REPORT),
            help="reports of what it shows, such as [redis/redis#12762]; `run --bug redis-12762` runs it",
        ),
        Field(key="engines", reader=TEXT, help="on which engines it happens, and which one mended it first"),
        Field(
            key="prevented_by",
            reader=TEXT,
            help="the scenario in which the same fault does no harm, such as sentinel/05",
        ),
        Field(
            key="deployment",
            reader=Later(deployment_schema()),
            required=True,
            help="topology, client and timing profile",
        ),
        Field(
            key="fits",
            reader=Many(word(tuple(TopologyKind))),
            help="other kinds of topology that --deployment may choose",
        ),
        Field(
            key="workload",
            reader=Later(table_schema(workload_fields(vocabulary))),
            required=True,
            help="the traffic",
        ),
        Field(key="faults", reader=Later({"type": "array"}), help="the faults, in order"),
        Field(
            key="until",
            reader=word(("settled",)),
            help="settled (default): end when the topology has recovered",
        ),
        Field(
            key="duration",
            attribute="duration_s",
            reader=POSITIVE_DURATION,
            help="instead of until: traffic for at least this long",
        ),
        Field(
            key="settle_within",
            attribute="settle_within_s",
            reader=POSITIVE_DURATION,
            help="limit for recovery; default 45s",
        ),
        Field(
            key="audit_expiry",
            reader=FLAG,
            help="true: sessions may expire before the audit, because the scenario tests expiry",
        ),
        Field(
            key="exclusive",
            reader=FLAG,
            help="true: run alone, because it measures short times",
        ),
        Field(key="expect", reader=Later({"type": "object"}), help="what must be measured"),
    )


def load(
    path: Path,
    vocabulary: Vocabulary,
    *,
    overrides: Sequence[str] = (),
    deployment: Path | None = None,
    engine: str | None = None,
) -> Scenario:
    """Read a scenario file.

    `deployment` is a file whose deployment takes the place of the scenario's own; whether the two
    fit is then the planner's question, and a misfit a reason to skip. Overrides come after it, and
    `engine`, the one that was asked for by name, comes last.

    Raises:
        UsageError: everything that is wrong, one line each.
    """
    check_kind(path, FileKind.SCENARIO)
    root = tree.compose_file(path)
    _check_no_deployment_file(root)
    overrides = with_engine(overrides, engine)
    elsewhere = [text for text in overrides if deployment is not None and text.startswith("deployment.")]
    root = apply(root, [text for text in overrides if text not in elsewhere])
    problems = Problems()
    scenario = _read(root, path, vocabulary, problems)
    problems.raise_if_any()
    if deployment is not None:
        below = [text.removeprefix("deployment.") for text in elsewhere]
        scenario = replace(scenario, deployment=load_deployment(deployment, overrides=below))
    return _for_workers(_for_guests(scenario))


def _for_workers(scenario: Scenario) -> Scenario:
    """Each load worker needs a web server, and web servers that are the kit's.

    Raises:
        UsageError: they cannot be divided.
    """
    workers, web_servers = scenario.deployment.workers, scenario.workload.web_servers
    if workers > web_servers:
        raise UsageError(
            f"{scenario.file}: workers: expected {web_servers} at most, as each drives web servers of its "
            f"own and the workload has {web_servers}, found {workers}"
        )
    if workers and (scenario.deployment.guest or scenario.deployment.project):
        whose = "a guest" if scenario.deployment.guest else "a Compose project"
        raise UsageError(
            f"{scenario.file}: workers: expected none with {whose}, whose load one process sends, found "
            f"{workers}"
        )
    return scenario


def _for_guests(scenario: Scenario) -> Scenario:
    """An application of somebody's own leaves no witnesses in Redis, whatever the workload says."""
    if scenario.deployment.guest is None:
        return scenario
    return replace(scenario, workload=replace(scenario.workload, witnesses=False))


def load_deployment(path: Path, *, overrides: Sequence[str] = ()) -> Deployment:
    """Read a deployment file: `deployment: 1`, then `topology`, `client`, `timing`, `name`.

    Raises:
        UsageError: everything that is wrong, one line each.
    """
    if kind_of(text_of(path, at_most=CONF_MAX), path.name) is FileKind.COMPOSE:
        return replace(of_compose_file(path), file=str(path))
    check_kind(path, FileKind.DEPLOYMENT)
    root = tree.compose_file(path)
    if has_project(root):
        return replace(_project_at(root, path, overrides), file=str(path))
    return replace(_deployment_at(root, overrides), file=str(path))


def _project_at(given: tree.Node, path: Path, overrides: Sequence[str]) -> Deployment:
    root = apply(given, overrides)
    problems = Problems()
    version = Field(key="deployment", reader=VERSION, required=True, help="format version: deployment: 1")
    deployment = read_project(root, path, problems, extra=(version,))
    problems.raise_if_any()
    return deployment


def _deployment_at(given: tree.Node, overrides: Sequence[str]) -> Deployment:
    if not isinstance(given, tree.Mapping):
        raise UsageError(
            f"{tree.place(given)}: expected 'deployment: 1' as the first key, found no mapping; the lines of "
            "a redis.conf go under 'redis' in its 'topology', one 'directive: value' each"
        )
    if _first_key(given) == "scenario":
        raise UsageError(
            f"{tree.place(given)}: expected a deployment file, found a scenario; write what is below its "
            "'deployment' into a file of its own, with 'deployment: 1' and a 'name' above it"
        )
    if _first_key(given) == "deployment" and isinstance(given.value[0][1], tree.Mapping):
        raise UsageError(
            f"{tree.place(given)}: expected 'deployment: 1' as the first key, found a mapping there, as in a "
            "scenario; write 'deployment: 1', and what is below 'deployment' in lines of its own beside it"
        )
    root = apply(given, overrides)
    problems = Problems()
    version = Field(key="deployment", reader=VERSION, required=True, help="format version: deployment: 1")
    deployment = read_deployment(root, "", problems, extra=(version,))
    problems.raise_if_any()
    return deployment


def scenario_of(path: Path, *, overrides: Sequence[str] = (), engine: str | None = None) -> Scenario:
    """A scenario for a deployment file alone, for whoever only wants its nodes: some reads, no fault.

    Raises:
        UsageError: everything that is wrong, one line each.
    """
    deployment = load_deployment(path, overrides=_below_deployment(with_engine(overrides, engine)))
    return _nodes_only(str(path), deployment)


def scenario_of_kind(
    kind: TopologyKind, *, overrides: Sequence[str] = (), engine: str | None = None
) -> Scenario:
    """The same for a topology as it is by default.

    Raises:
        UsageError: everything that is wrong, one line each.
    """
    given = tree.compose_text(f"{{deployment: 1, name: {kind}, topology: {{kind: {kind}}}}}", kind)
    return _nodes_only(kind, _deployment_at(given, _below_deployment(with_engine(overrides, engine))))


def _below_deployment(overrides: Sequence[str]) -> list[str]:
    if others := [text for text in overrides if not text.startswith("deployment.")]:
        raise UsageError(
            f"--set {tree.shortened(others[0])}: expected a setting below 'deployment.', "
            "as no scenario is named"
        )
    return [text.removeprefix("deployment.") for text in overrides]


def _nodes_only(file: str, deployment: Deployment) -> Scenario:
    return Scenario(
        file=file,
        name=deployment.name,
        shows=Shows.PROMISE,
        tags=(),
        about="",
        advice="",
        deployment=deployment,
        workload=Workload(mix={"read": 1.0}, web_servers=1, application=True),
        faults=(),
    )


def load_faults(texts: Sequence[str], scenario: Scenario, vocabulary: Vocabulary) -> tuple[FaultStep, ...]:
    """Read faults as a scenario's list would have them, one text each: `after: 3s, kill: primary`.

    Raises:
        UsageError: everything that is wrong, one line each.
    """
    for number, text in enumerate(texts, 1):
        if reason := tree.unfit(text):
            raise UsageError(f"--fault {number}: {reason}")
    items = [f"{{{text.strip().removeprefix('{').removesuffix('}')}}}" for text in texts]
    given = tree.compose_text("[" + ",\n".join(items) + "]", "--fault")
    around = Surroundings(vocabulary=vocabulary, deployment=scenario.deployment, workload=scenario.workload)
    problems = Problems()
    steps = read_faults(given, around, problems)
    problems.raise_if_any()
    return steps


def fault_words(text: str) -> dict[str, object]:
    """A fault in one text, `pause: primary, for: 3s`, as keys and values; each value stays text.

    Raises:
        UsageError: it is no mapping.
    """
    if reason := tree.unfit(text):
        raise UsageError(f"fault: {reason}")
    inner = text.strip().removeprefix("{").removesuffix("}")
    given = tree.plain(tree.compose_text(f"{{{inner}}}", "fault"))
    return {str(key): value for key, value in given.items()} if isinstance(given, dict) else {}


def load_live_fault(text: str, number: int, scenario: Scenario, vocabulary: Vocabulary) -> FaultStep:
    """Read one fault of a run that goes on, with its start: `{after: promoted + 2s, restart: killed}`.
    `number`: its place among those of the run.

    Raises:
        UsageError: everything that is wrong, one line each.
    """
    if reason := tree.unfit(text):
        raise UsageError(f"fault: {reason}")
    item = tree.compose_text(text, "fault")
    around = Surroundings(vocabulary=vocabulary, deployment=scenario.deployment, workload=scenario.workload)
    problems = Problems()
    step = read_fault(item, number, around, problems)
    problems.raise_if_any()
    assert step is not None, "what cannot be read is a problem"
    return step


def _read(root: tree.Node, path: Path, vocabulary: Vocabulary, problems: Problems) -> Scenario:
    _check_no_matrix(root)
    check_first_key(root, "scenario", problems)
    fields = scenario_fields(vocabulary)
    of_workload = [field.key for field in workload_fields(vocabulary)]
    below = dict.fromkeys(of_workload, "a key of 'workload': indent it below that")
    values = read_table(root, "", fields, problems, elsewhere=below)
    deployment = _deployment(values.pop("deployment", None), problems)
    beside = _options(vocabulary) | dict.fromkeys((field.key for field in fields), _BESIDE)
    traffic = values.pop("workload", None)
    workload = read_workload(traffic, vocabulary, problems, elsewhere=beside)
    around = Surroundings(vocabulary=vocabulary, deployment=deployment, workload=workload)
    if reason := workload_misfit(workload, around.inventory):
        where = ("options", workload.kept_with_cache[0], INSTANCE)
        problems.add(at(traffic or root, *where), ".".join(("workload", *where)), reason)
    faults = read_faults(values.pop("faults", None), around, problems)
    expect = read_expectations(values.pop("expect", None), replace(around, faults=faults), problems)
    shows = values.get("shows", Shows.PROMISE)
    if shows is Shows.WEAKNESS and not any(one.demands for one in expect):
        problems.add(root, "expect", _WEAKNESS_UNSEEN)
    if "until" in values and "duration_s" in values:
        problems.add(root, "duration", "expected either 'until: settled' or 'duration', found both")
    fits = values.get("fits", ())
    return Scenario(
        file=str(path),
        name=values.get("name", ""),
        shows=shows,
        tags=values.get("tags", ()),
        about=values.get("about", ""),
        advice=values.get("advice", ""),
        bugs=values.get("bugs", ()),
        engines=values.get("engines", ""),
        prevented_by=values.get("prevented_by", ""),
        deployment=deployment,
        # The own kind is listed too, so that it is still known when another deployment is put in.
        fits=tuple(dict.fromkeys((deployment.topology.kind.value, *fits))),
        workload=workload,
        faults=faults,
        expect=expect,
        **{name: values[name] for name in _PLAIN if name in values},
    )


def _options(vocabulary: Vocabulary) -> dict[str, str]:
    """Every option of a behaviour -> where it is written."""
    having: dict[str, list[str]] = {}
    for name, behaviour in vocabulary.behaviours.items():
        for option in behaviour.options:
            having.setdefault(option.name, []).append(name)
    return {
        option: f"an option of {' or '.join(names)}: write it as options: {{{names[0]}: {{{option}: …}}}}"
        for option, names in having.items()
    }


_BESIDE = "a key of the scenario itself: write it beside 'workload', not below it"
_PLAIN = ("duration_s", "settle_within_s", "audit_expiry", "exclusive")
_WEAKNESS_UNSEEN = (
    "a weakness passes when it is shown, and no expectation demands that: add one, "
    'such as lost-session: "> 0"'
)


def _check_no_deployment_file(root: tree.Node) -> None:
    """A deployment file in the place of a scenario has a dozen mistakes and one cure."""
    if isinstance(root, tree.Mapping) and _first_key(root) == "deployment":
        keys = {str(key.value) for key, _ in root.value}
        if "topology" in keys and not keys & {"scenario", "workload", "faults"}:
            raise UsageError(
                f"{tree.place(root)}: expected a scenario, found a deployment file; "
                "give it with --deployment (make: DEPLOYMENT=)"
            )


def _check_no_matrix(root: tree.Node) -> None:
    """Of a matrix whose first key is another one, and of a matrix where only a scenario can be."""
    if not isinstance(root, tree.Mapping):
        return
    keys = {str(key.value) for key, _ in root.value}
    if {"matrix", "scenarios"} <= keys and "scenario" not in keys:
        first = "" if _first_key(root) == "matrix" else ", whose first key must be 'matrix: 1'"
        raise UsageError(f"{tree.place(root)}: expected a scenario, found a matrix{first}")


def _first_key(root: tree.Mapping) -> object:
    return root.value[0][0].value if root.value else None


def _deployment(node: tree.Node | None, problems: Problems) -> Deployment:
    if node is None:  # missing: already noted; the rest is still read
        topology = TopologySpec(kind=TopologyKind.SINGLE)
        return Deployment(name="", topology=topology, client=ClientProfile())
    return read_deployment(node, "deployment", problems)
