"""What GitHub Actions shows of a suite: annotations beside the files, and a summary of the job.

Workflow commands are lines on standard output; the summary is Markdown that is appended to a file. Trap:
whatever a line holds could be a command of its own, so it is escaped as GitHub reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.many.cells import cells_of
from harness.model.results import ScenarioResult, SuiteResult
from harness.model.words import Verdict
from harness.report.cells import COLUMNS as CELL_COLUMNS
from harness.report.cells import cell_row, is_repeated
from harness.report.explain import headline
from harness.report.markdown import escaped, table
from harness.report.table import COLUMNS, row
from harness.report.terminal import suite_line

ANNOTATIONS_MAX = 10
"""GitHub shows as many of each level for a step; the last one says how many more there are."""

SUMMARY_BYTES_MAX = 900_000
"""GitHub refuses a step's summary above 1 MiB."""

_LEVELS = {Verdict.FAIL: "error", Verdict.ERROR: "error", Verdict.INCONCLUSIVE: "warning"}


def annotations_of(suite: SuiteResult) -> list[str]:
    """A workflow command for each scenario that did not pass, the worst level first."""
    lines = []
    for level in ("error", "warning"):
        those = [one for one in suite.results if _LEVELS.get(one.verdict) == level]
        lines += [_command(level, one, headline(one)) for one in those[: ANNOTATIONS_MAX - 1]]
        if more := those[ANNOTATIONS_MAX - 1 :]:
            text = headline(more[0]) if len(more) == 1 else f"{len(more)} more: see the summary of the job"
            lines.append(_command(level, more[0], text))
    return lines


def _command(level: str, result: ScenarioResult, text: str) -> str:
    file = f" file={_property(result.file)},line=1,title={_property(result.label)}" if result.file else ""
    return f"::{level}{file}::{_message(text)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def step_summary(suite: SuiteResult) -> str:
    """Markdown, at most `SUMMARY_BYTES_MAX` bytes: what does not fit is left out, and said."""
    cells = cells_of(suite.results)
    repeated = is_repeated(cells)
    rows = [cell_row(one).texts for one in cells] if repeated else [tuple(row(one)) for one in suite.results]
    head = [f"### {suite.verdict}: failover test of session stores", "", escaped(suite_line(suite)), ""]
    columns = CELL_COLUMNS if repeated else COLUMNS
    return "\n".join([*head, *_fitting(table(columns, rows))]) + "\n"


def _fitting(lines: Sequence[str]) -> Iterator[str]:
    left = SUMMARY_BYTES_MAX
    for number, line in enumerate(lines):
        left -= len(line.encode()) + 1
        if left < 0:
            yield ""
            yield f"{len(lines) - number} more rows: see the report of the run"
            return
        yield line
