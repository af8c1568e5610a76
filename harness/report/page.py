"""One self-contained HTML page per scenario, and one for the suite: no script, no network, no font.

What a page says is decided here and in `timeline`; how it looks is in `templates/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from harness.costly import np
from harness.many.cells import cells_of
from harness.model.history import History
from harness.model.judgement import Finding, Interval, Judgement, Metrics, Window
from harness.model.records import Operation
from harness.model.results import ScenarioResult, SuiteResult
from harness.report import words
from harness.report.anatomy import anatomies
from harness.report.cells import COLUMNS as CELL_COLUMNS
from harness.report.cells import TITLE, cell_blocks, cell_row, is_repeated
from harness.report.changes import Changes
from harness.report.charts import charts
from harness.report.explain import causes, explain, mark, needs_explaining
from harness.report.grid import grid
from harness.report.lanes import lanes
from harness.report.node_logs import LogLine, around_faults, counted_from
from harness.report.table import COLUMNS, WITHOUT_SURVIVOR, blocks, row
from harness.report.terminal import suite_line
from harness.report.timeline import LEGEND, timeline
from harness.visible import visible

FINDINGS_SHOWN = 40
"""Per finding name; findings.json has all of them."""
OPERATIONS_SHOWN = 8
"""Per finding."""
LANES_SHOWN = 4
"""Per finding name: sessions that are drawn over the nodes."""


def page(result: ScenarioResult, past: History, logs: Sequence[LogLine] = ()) -> str:
    """The page of one judged run; `logs`: of its nodes, in order."""
    judgement = result.judgement
    assert judgement is not None, "only judged results have a page"
    return (
        templates()
        .get_template("scenario.html")
        .render(
            result=result,
            judgement=judgement,
            word=words.verdict_word(result),
            cells=_cells(result, judgement),
            drawing=timeline(past),
            legend=LEGEND,
            charts=charts(past),
            anatomies=anatomies(judgement.metrics.failover_steps, past.plan),
            groups=_groups(judgement, past),
            lanes=lanes(past, _drawn(result, judgement)),
            lanes_shown=LANES_SHOWN,
            logged=around_faults(logs, past),
            logged_from=counted_from(past),
            causes=causes(judgement.findings),
            outages=_outages(judgement.metrics),
            loss=words.loss(judgement.metrics),
            used=judgement.metrics.nodes,
            clustered=past.plan.inventory.clustered,
            machine=words.machine(judgement.metrics),
            mark=mark,
            past=past,
            zero=past.zero_us,
        )
    )


def _cells(result: ScenarioResult, judgement: Judgement) -> list[tuple[str, str]]:
    """Columns of the table and what this run says there; without a time that no such run can know."""
    cells = zip(COLUMNS[2:], row(result)[2:], strict=True)
    known = words.survival_is_known(judgement.metrics)
    return [(column, text) for column, text in cells if known or column != WITHOUT_SURVIVOR]


def _drawn(result: ScenarioResult, judgement: Judgement) -> set[str]:
    """The sessions whose operations the page draws: those of the stories, and of the first findings of each
    name."""
    shown = {one.session for one in result.stories}
    for name in {one.name for one in judgement.findings}:
        mine = [one.session for one in judgement.findings if one.name == name]
        shown |= {one for one in mine[:LANES_SHOWN] if one is not None}
    return shown


def page_of_damage(result: ScenarioResult) -> str:
    """The page of a run that cannot be judged."""
    return templates().get_template("damaged.html").render(result=result, word=words.verdict_word(result))


def index(suite: SuiteResult, since: Changes | None = None) -> str:
    """The suite's page: the closing table, each row a link, and what went wrong in full.

    `since`: what changed against the suite before, if there was one.
    """
    cells = cells_of(suite.results)
    topologies, grid_rows = grid(suite.results)
    return (
        templates()
        .get_template("suite.html")
        .render(
            suite=suite,
            line=suite_line(suite),
            columns=COLUMNS,
            since=since,
            before={one.cell.first.key.cell: one.before for one in since.changed} if since else {},
            topologies=topologies,
            grid_rows=grid_rows,
            word_of=words.verdict_word,
            repeated=TITLE if is_repeated(cells) else "",
            cell_blocks=[
                (title, [(one, list(zip(CELL_COLUMNS, cell_row(one).texts, strict=True))) for one in some])
                for title, some in (cell_blocks(cells) if is_repeated(cells) else ())
            ],
            cell_columns=CELL_COLUMNS,
            blocks=[
                (title, [(one, list(zip(COLUMNS, row(one), strict=True))) for one in rows])
                for title, rows in blocks(suite.results)
            ],
            explained=[
                (one, "\n".join(explain(one, suite.directory)))
                for one in suite.results
                if needs_explaining(one)
            ],
        )
    )


@dataclass(frozen=True, slots=True)
class OutageRow:
    """All windows of one kind of operation in one group."""

    kind: str
    group: str
    windows: int
    longest: Window
    together: Interval
    failed: int
    endless: str
    """What it means that a time has no upper end."""


def _outages(metrics: Metrics) -> list[OutageRow]:
    """One row per kind and group; `worst` repeats a group and is left out."""
    grouped: dict[tuple[str, str], list[Window]] = {}
    for window in metrics.outages:
        if window.group != "worst":
            grouped.setdefault((window.kind, window.group), []).append(window)
    return [
        OutageRow(
            kind,
            group,
            len(found),
            max(found, key=lambda one: (one.duration_s.high, one.duration_s.low)),
            Interval(
                low=sum(one.duration_s.low for one in found), high=sum(one.duration_s.high for one in found)
            ),
            sum(one.failed for one in found),
            words.endless(kind, metrics),
        )
        for (kind, group), found in grouped.items()
    ]


def _groups(judgement: Judgement, past: History) -> list[tuple[str, list[tuple[Finding, list[str]]], int]]:
    """Findings by name with their evidence, and how many of each are not shown."""
    zero = past.zero_us
    groups: dict[str, list[Finding]] = {}
    for finding in judgement.findings:
        groups.setdefault(finding.name, []).append(finding)
    by_id = _named_by([one for findings in groups.values() for one in findings[:FINDINGS_SHOWN]], past)
    return [
        (
            name,
            [(one, _evidence(one, by_id, zero)) for one in findings[:FINDINGS_SHOWN]],
            max(0, len(findings) - FINDINGS_SHOWN),
        )
        for name, findings in groups.items()
    ]


def _named_by(findings: Iterable[Finding], past: History) -> dict[int, Operation]:
    """The operations that these findings show, by id: of a long run only these become records."""
    ids = [number for one in findings for number in one.operations[:OPERATIONS_SHOWN]]
    if not ids:
        return {}
    rows = np.flatnonzero(np.isin(past.table.operations["id"].to_numpy(), ids))
    return {operation.id: operation for operation in past.table.take(rows).records()}


def _evidence(finding: Finding, by_id: dict[int, Operation], zero: int) -> list[str]:
    found = (by_id.get(one) for one in finding.operations[:OPERATIONS_SHOWN])
    return [_operation(one, zero) for one in found if one is not None]


def _operation(operation: Operation, zero: int) -> str:
    at_us = operation.done_us if operation.done_us is not None else operation.due_us
    steps = "; ".join(
        f"{step.command} → {step.reply or step.error or step.outcome}" for step in operation.steps
    )
    return (
        f"{(at_us - zero) / 1e6:+z.3f} s  operation {operation.id}  {operation.web_server}  "
        f"{operation.behaviour}: {operation.outcome}  [{steps}]"
    )


def _harmless(value: object) -> object:
    """What a template shows, without what a browser would obey; its own markup is left as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["after"] = words.after
    environment.filters["s"] = words.seconds
    environment.filters["interval"] = words.interval_seconds
    environment.filters["bytes"] = words.bytes_of
    environment.filters["count"] = words.count_of
    environment.filters["unbroken"] = words.unbroken
    return environment
