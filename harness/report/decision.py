"""The page that a team decides from: candidates as rows, what each costs as columns, and the runs behind it.

One self-contained file beside the runs that it links to. It says only what the runs carry: medians with
their range and number, and who is better only where chance does not explain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.many.candidates import Candidate, candidates_of
from harness.model.cells import CONFIDENCE, Cell
from harness.model.results import SuiteResult
from harness.model.words import Verdict
from harness.report.cells import cell_row, share_text, spread_text, verdict_of
from harness.report.explain import repeat_command
from harness.report.page import templates
from harness.report.terminal import suite_line
from harness.visible import one_line

FIGURES = (
    ("put out", "logged out"),
    ("got in wrongly", "got in wrongly"),
    ("nobody could log in for", "nobody could log in"),
    ("longest outage", "longest outage"),
    ("no surviving write for", "no surviving write"),
    ("refused", "refused"),
    ("p99 before", "p99 before"),
    ("p99 during", "p99 during"),
)
"""Title of the column, name of the figure."""

_SHOWN = 5
"""Of the runs of a cell that decided nothing."""
LATE = "late machine"
"""In the place of a figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    title: str
    text: str
    runs: int
    where: str
    """The scenario in which it was worst."""
    link: str
    """An anchor of the page: the runs behind the figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    candidate: Candidate
    kept: str
    share: str
    figures: tuple[Figure, ...]
    memory_link: str
    """An anchor, as of a figure; empty: no run says."""
    beaten: tuple[str, ...]
    weaknesses: tuple[str, ...]
    undecided: tuple[str, ...]
    runs: tuple[tuple[str, str], ...]
    """What it ran: the scenario with its verdict, and the anchor of its runs."""


def decision(suite: SuiteResult, cells: Sequence[Cell]) -> str:
    """The page of a suite, by its cells."""
    numbers = {id(one): number for number, one in enumerate(cells, 1)}
    return (
        templates()
        .get_template("decision.html")
        .render(
            suite=suite,
            line=suite_line(suite),
            rows=[row(one, numbers) for one in candidates_of(cells)],
            titles=[title for title, _ in FIGURES],
            cells=[
                (numbers[id(one)], one, cell_row(one), repeat_command(one.first))
                for one in cells
                if one.verdict is not Verdict.SKIPPED
            ],
            skipped=[one for one in cells if one.verdict is Verdict.SKIPPED],
            confidence=f"{CONFIDENCE:.0%}",
            late=sum(one.late for one in cells),
            judged=sum(run.judgement is not None for one in cells for run in one.runs),
        )
    )


def row(candidate: Candidate, numbers: dict[int, int]) -> Row:
    """`numbers`: the anchor of each cell, by its identity: two may have the same name."""
    return Row(
        candidate=candidate,
        kept=f"{candidate.kept.seen} of {candidate.kept.runs}" if candidate.kept.runs else "not decided",
        share=share_text(candidate.kept),
        figures=tuple(_figures(candidate, numbers)),
        memory_link=f"cell-{numbers[id(candidate.memory.cell)]}" if candidate.memory else "",
        beaten=tuple(
            f"{one.by}: better in {'; '.join(one.where)}; worse in nothing beyond chance"
            for one in candidate.beaten
        ),
        weaknesses=tuple(_weakness(one) for one in candidate.weaknesses),
        undecided=tuple(_undecided(one) for one in candidate.undecided),
        runs=tuple(
            (one_line(f"{one.first.name}: {verdict_of(one)}"), f"cell-{numbers[id(one)]}")
            for one in candidate.cells
        ),
    )


def _figures(candidate: Candidate, numbers: dict[int, int]) -> list[Figure]:
    found = []
    for title, name in FIGURES:
        worst = candidate.worst.get(name)
        found.append(
            Figure(
                title=title,
                text=LATE if name in candidate.late else spread_text(worst.spread if worst else None),
                runs=len(worst.spread.values) if worst else 0,
                where=worst.cell.first.name if worst else "",
                link=f"cell-{numbers[id(worst.cell)]}" if worst else "",
            )
        )
    return found


def _weakness(cell: Cell) -> str:
    """What went wrong and which setting changes it."""
    advice = f" Setting to change: {cell.first.advice}" if cell.first.advice else ""
    return one_line(f"{cell.first.name} ({verdict_of(cell)}).{advice}")


def _undecided(cell: Cell) -> str:
    """How many of its runs, which they are, and why."""
    why = [
        ": ".join(filter(None, [one.run_dir or f"seed {one.seed}", one.why or next(iter(one.reasons), "")]))
        for one in cell.undecided
    ]
    more = f"; and {len(why) - _SHOWN} more" if len(why) > _SHOWN else ""
    return one_line(
        f"{cell.first.name}, {len(why)} of {len(cell.runs)} runs: {'; '.join(why[:_SHOWN])}{more}"
    )


def in_short(candidates: Sequence[Candidate]) -> list[str]:
    """For a terminal: one line a candidate, and what beats it."""
    lines = []
    for one in candidates:
        kept = f"promises kept in {one.kept.seen} of {one.kept.runs} runs"
        said = [kept if one.kept.runs else "promises not decided by any run"]
        for name in ("longest outage", "no surviving write"):
            worst = one.worst.get(name)
            told = f"not known, {LATE}" if name in one.late else spread_text(worst.spread if worst else None)
            said.append(f"{name} {told}")
        lines.append(one_line(f"{one.label}: {'; '.join(said)}"))
        lines += [one_line(f"  beaten by {beaten.by}: {'; '.join(beaten.where)}") for beaten in one.beaten]
    return lines
