"""The `expect` mapping: `metric(arguments) [in phase] [on group] [with engine]: comparison bound`.

    outage(write): < down_after + 4s
    share(lost-write) on web-1: "> 50%"
    failovers: 0
    rejected(logout) with Redis < 7.2: "> 0"

Times need units, shares need %, counts have neither. A bound may add and subtract settings of the
deployment, each with a factor. The numbers are resolved in `harness.plan`, where settings are known;
that of `loss window: <= loss budget` when the run is judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.engine import is_condition
from harness.model.fit import BOUND_SETTINGS, LOSS_BUDGET, missing_shard, missing_web_server, settings_s
from harness.model.measures import SIDES, SURVIVING_WRITE, WAITED, takes_waited, why_not
from harness.model.scenario import Expectation, Term, Vocabulary
from harness.model.words import NodePurpose, OperationKind, Phase
from harness.scenario import tree
from harness.scenario.problems import Problems, choices
from harness.scenario.surroundings import Surroundings
from harness.scenario.values import NUMBER, Unreadable, duration_s, entries, other_spelling, size_bytes

PERCENTILES = ("p50", "p95", "p99", "max")
GROUPS = ("web-N", "shard N", *SIDES, *NodePurpose)
ALSO = (SURVIVING_WRITE,)
COMPARISONS = ("==", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What can be expected besides findings. `arguments` names the kinds of argument it takes."""

    arguments: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """What is no such argument anywhere else."""
    unit: str = ""
    timing: bool = False
    help: str


METRICS: Mapping[str, Metric] = {
    "outage": Metric(
        arguments=("kind",), unit="s", timing=True, also=ALSO, help="longest time without success"
    ),
    "downtime": Metric(arguments=("kind",), unit="s", timing=True, also=ALSO, help="sum of those times"),
    "latency": Metric(
        arguments=("kind", "percentile"), unit="s", timing=True, help="from due to done, acked operations"
    ),
    "longest wait": Metric(
        arguments=("kind",), unit="s", timing=True, help="of one request, from due to its answer or its error"
    ),
    "acked": Metric(arguments=("kind or behaviour",), help="operations answered with success"),
    "rejected": Metric(arguments=("kind or behaviour",), help="operations that certainly did not happen"),
    "unknown": Metric(arguments=("kind or behaviour",), help="operations that may have happened"),
    "not_sent": Metric(arguments=("kind or behaviour",), help="due operations that were never sent"),
    "share": Metric(arguments=("finding",), unit="%", help="of what could have had the finding"),
    "loss window": Metric(
        unit="s", timing=True, help="from the first fault's effect to the last lost acked write"
    ),
    "recovery point": Metric(
        unit="s",
        timing=True,
        help="from a lost acked write to the fault's effect that took it away, the longest",
    ),
    "failovers": Metric(help="promotions seen"),
    "evicted keys": Metric(help="keys evicted; usually `on sessions` or `on cache`"),
    "memory": Metric(unit="B", help="of the data node that used the most, at its highest sample"),
    "connections": Metric(help="of web servers to one node, the most at the same time"),
    "new connections": Metric(help="of web servers to one node, the most within a second"),
    "cluster down": Metric(
        unit="s", timing=True, help="longest time for which one node said cluster_state:fail"
    ),
    "at risk": Metric(help="sessions with an acked log-in or write between the effect and recovery"),
}

_LEFT = re.compile(
    r"(?P<metric>[a-z][a-z_ -]*?)\s*(?:\((?P<arguments>[^()]*)\))?"
    r"(?:\s+in\s+(?P<phase>\S+))?(?:\s+on\s+(?P<on>\S.*?))?(?:\s+with\s+(?P<engine>\S.*))?"
)
_PERCENTILE_FIRST = re.compile(rf"\s*(?P<name>{'|'.join(PERCENTILES)})\s*(?:\(\s*(?P<of>[a-z-]*)|$)")
_RIGHT = re.compile(r"(?P<comparison>[<>=!]*)\s*(?P<bound>.*)")
_TERM = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:(?P<factor>{NUMBER})\s*\*\s*(?P<scaled>[a-z_][a-z_ ]*)"
    rf"|(?P<quantity>{NUMBER}\s*[A-Za-z%]*)|(?P<setting>[a-z_][a-z_ ]*))\s*"
)


def read_expectations(
    node: tree.Node | None, around: Surroundings, problems: Problems
) -> tuple[Expectation, ...]:
    if node is None:
        return ()
    expectations = []
    for key, key_node, value in entries(node, "expect", problems):
        path = f"expect.{key}"
        if not isinstance(value, tree.Scalar) or not value.value.strip():
            hint = tree.QUOTE_IT if isinstance(value, tree.Scalar) and value.style in (">", "|") else ""
            problems.expected(value, path, "a comparison and a number, such as 0 or < 5s", hint)
            continue
        try:
            expectations.append(_read(key, value.value, tree.line(key_node), around))
        except Unreadable as error:
            problems.add(key_node, path, str(error))
    return tuple(expectations)


def _read(key: str, value: str, line: int, around: Surroundings) -> Expectation:
    if percentile := _PERCENTILE_FIRST.match(key):
        of, kinds = percentile["of"] or "read", tuple(OperationKind)
        kind = other_spelling(of, kinds)
        meant = f"latency({kind if kind in kinds else 'read'}, {percentile['name']})"
        raise Unreadable(f"unknown metric {percentile['name']!r}; did you mean {meant!r}?")
    match = _LEFT.fullmatch(" ".join(key.split()))
    if match is None:
        if key.count("(") != key.count(")"):
            raise Unreadable(f"parentheses are not closed: {tree.QUOTE_COMMAS}")
        raise Unreadable(
            "expected metric(arguments) [in phase] [on group] [with engine], "
            "such as 'outage(write) on shard 2'"
        )
    metric = _metric(match["metric"], around.vocabulary)
    shape = METRICS.get(metric, Metric(help="a finding"))
    arguments = _arguments(metric, match["arguments"], shape, around.vocabulary)
    comparison, bound = _right(" ".join(value.split()), shape.unit, around)
    if metric != "loss window" and any(term.setting == LOSS_BUDGET for term in bound):
        raise Unreadable(f"{LOSS_BUDGET!r} bounds the loss window, not {metric!r}")
    expectation = Expectation(
        text=f"{' '.join(key.split())}: {' '.join(value.split())}",
        metric=metric,
        arguments=arguments,
        phase=_phase(match["phase"]),
        on=_group(match["on"], around),
        engine=_engine(match["engine"]),
        comparison=comparison,
        bound=bound,
        unit=shape.unit,
        timing=shape.timing and comparison in ("<", "<="),
        line=line,
    )
    reason = why_not(expectation, around.vocabulary.findings, around.run)
    if reason is not None:
        raise Unreadable(f"can never be decided: {reason}")
    return expectation


def _metric(name: str, vocabulary: Vocabulary) -> str:
    if name not in vocabulary.findings and name not in vocabulary.metrics:
        legal = [*METRICS, *sorted(vocabulary.findings)]
        raise Unreadable(f"unknown metric or finding {tree.shortened(name)!r}{choices(name, legal)}")
    return name


def _arguments(metric: str, text: str | None, shape: Metric, vocabulary: Vocabulary) -> tuple[str, ...]:
    given = tuple(part.strip() for part in text.split(",")) if text else ()
    if len(given) == 1 and takes_waited(vocabulary.findings.get(metric)):
        return (_argument(given[0], "answer of WAIT", tuple(WAITED)),)
    if len(given) != len(shape.arguments):
        wanted = (
            f"{metric}({', '.join(shape.arguments)})" if shape.arguments else f"{metric} without arguments"
        )
        found = ", ".join(repr(tree.shortened(one)) for one in given) or "no argument"
        such_as = ", such as latency(read, p99)" if "percentile" in shape.arguments else ""
        raise Unreadable(f"expected {wanted}{such_as}, found {found}")
    return tuple(
        _argument(one, kind, (*_legal_arguments(kind, vocabulary), *shape.also))
        for one, kind in zip(given, shape.arguments, strict=True)
    )


def _argument(given: str, kind: str, legal: tuple[str, ...]) -> str:
    argument = other_spelling(given, legal)
    if argument not in legal:
        raise Unreadable(f"unknown {kind} {tree.shortened(given)!r}{choices(given, legal)}")
    return argument


def _legal_arguments(kind: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    return {
        "kind": tuple(OperationKind),
        "percentile": PERCENTILES,
        "kind or behaviour": (*OperationKind, *vocabulary.behaviours),
        "finding": tuple(sorted(vocabulary.findings)),
    }[kind]


def _phase(text: str | None) -> Phase | None:
    if text is None:
        return None
    if text not in tuple(Phase):
        raise Unreadable(f"unknown phase {tree.shortened(text)!r}{choices(text, Phase)}")
    return Phase(text)


def _group(text: str | None, around: Surroundings) -> str | None:
    if text is None:
        return None
    if text not in (*SIDES, *NodePurpose) and not re.fullmatch(r"(web-|shard )\d+", text):
        raise Unreadable(f"unknown group {tree.shortened(text)!r}{choices(text, GROUPS)}")
    reason = missing_shard(text, around.inventory) or missing_web_server(text, around.workload)
    if reason:
        raise Unreadable(reason)
    return text


def _engine(text: str | None) -> str | None:
    if text is not None and not is_condition(text):
        raise Unreadable(
            f"expected an engine such as 'Redis < 7.2' or 'Valkey', found {tree.shortened(text)!r}"
        )
    return text


def _right(text: str, unit: str, around: Surroundings) -> tuple[str, tuple[Term, ...]]:
    match = _RIGHT.fullmatch(text)
    assert match is not None  # every part of the pattern may be empty
    comparison = match["comparison"] or "=="
    if comparison not in COMPARISONS:
        raise Unreadable(
            f"unknown comparison {tree.shortened(comparison)!r}; legal: {', '.join(COMPARISONS)}"
        )
    bound = _bound(match["bound"], unit, around)
    if not any(term.setting == LOSS_BUDGET for term in bound):
        settings = settings_s(around.deployment, around.inventory, around.workload)
        least = sum(term.factor * (settings[term.setting] if term.setting else 1) for term in bound)
        if least < 0:
            raise Unreadable("the bound is below 0, as nothing that is measured can be; expected 0 or more")
        if comparison == "<" and least == 0:
            raise Unreadable("nothing that is measured is below 0, so this is never met; for none write 0")
    return comparison, bound


def _bound(text: str, unit: str, around: Surroundings) -> tuple[Term, ...]:
    terms: list[Term] = []
    position = 0
    while position < len(text) or not terms:
        match = _TERM.match(text, position)
        if match is None or bool(match["sign"]) < bool(terms):
            raise Unreadable(f"expected a bound such as {_example(unit)}, found {tree.shortened(text)!r}")
        terms.append(_term(match, unit, around))
        position = match.end()
    return tuple(terms)


def _term(match: re.Match[str], unit: str, around: Surroundings) -> Term:
    sign = -1.0 if match["sign"] == "-" else 1.0
    if match["quantity"]:
        return Term(factor=sign * _quantity(match["quantity"], unit))
    name = (match["scaled"] or match["setting"]).strip()
    if name not in (*BOUND_SETTINGS, LOSS_BUDGET):
        raise Unreadable(
            f"unknown setting {tree.shortened(name)!r}{choices(name, (*BOUND_SETTINGS, LOSS_BUDGET))}"
        )
    if unit != "s":
        raise Unreadable(f"{name!r} is a time, and a bound such as {_example(unit)} is expected")
    if name != LOSS_BUDGET and name not in settings_s(around.deployment, around.inventory, around.workload):
        if name == "idle_timeout":
            raise Unreadable("sessions have no idle timeout, so nothing can be bounded by it")
        raise Unreadable(f"a {around.inventory.called} topology has no setting {name!r}")
    return Term(factor=sign * float(match["factor"] or 1), setting=name)


def _quantity(text: str, unit: str) -> float:
    number = re.match(r"[0-9.]+", text)
    assert number is not None
    written = text[number.end() :].strip()
    if unit == "s":
        try:
            return duration_s(text)
        except Unreadable as error:
            raise Unreadable(f"expected a time such as 4s, found {tree.shortened(text)!r}; {error}") from None
    if unit == "B":
        try:
            return size_bytes(text)
        except Unreadable as error:
            raise Unreadable(
                f"expected a size such as 20MB, found {tree.shortened(text)!r}; {error}"
            ) from None
    if written != unit:
        raise Unreadable(f"expected a bound such as {_example(unit)}, found {tree.shortened(text)!r}")
    return float(number[0])


def _example(unit: str) -> str:
    return {"s": "down_after + 4s", "%": "50%", "B": "20MB"}.get(unit, "0 (a count has no unit)")
