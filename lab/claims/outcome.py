"""What a statement comes to, by the runs of its checks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Self

import msgspec

from harness.checks.verdict.expectations import NOTHING_LOST
from harness.many.statistics import rate
from harness.model.cells import Rate
from harness.model.results import ScenarioResult
from lab.claims.statements import Check, Statement

FEWEST = 3
"""Decided runs of a check, below which nothing is said of it."""


class Answer(StrEnum):
    TRUE = "true"
    ONLY_IF = "true only if"
    FALSE = "false"
    NOT_DECIDED = "not decided"


class Measured(msgspec.Struct, kw_only=True, frozen=True):
    """One run of a check."""

    seed: int
    engine: str
    backend: str
    met: bool | None
    """Whether everything that it expects was met; None: not decided."""
    measured: dict[str, str]
    """Metric -> what was measured, as people read it."""
    order: dict[str, float]
    """Metric -> where the run lies among the others."""


class Checked(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Every run of a check."""

    options: tuple[str, ...]
    """Of the command that repeats it."""
    runs: tuple[Measured, ...]
    measured_on: str = ""
    """Date, ISO 8601, if it ran alone; empty: with the record."""

    @property
    def decided(self) -> tuple[Measured, ...]:
        return tuple(run for run in self.runs if run.met is not None)

    @property
    def held(self) -> Rate:
        return rate(sum(bool(run.met) for run in self.decided), len(self.decided))

    @property
    def untried(self) -> bool:
        """A bound on what is lost, and nothing was lost in any run: that says nothing about the bound."""
        return bool(self.decided) and all(NOTHING_LOST in run.measured.values() for run in self.decided)

    @property
    def holds(self) -> bool | None:
        """Whether it was met in every run that was decided; None: too few were, or they did not try it."""
        if len(self.decided) < FEWEST or self.untried:
            return None
        return self.held.seen == self.held.runs


class Record(msgspec.Struct, kw_only=True, frozen=True):
    """What `docs/claims.json` holds."""

    measured_on: str
    """Date, ISO 8601."""
    kit: str
    checks: tuple[Checked, ...]

    def with_checks(self, found: Mapping[tuple[str, ...], Checked], measured_on: str) -> Self:
        """Those by their options in the place of the earlier ones, or behind all of them."""
        dated = {
            options: msgspec.structs.replace(
                one, measured_on="" if measured_on == self.measured_on else measured_on
            )
            for options, one in found.items()
        }
        every = {one.options: one for one in self.checks} | dated
        return msgspec.structs.replace(self, checks=tuple(every.values()))

    def of(self, check: Check) -> Checked:
        none = Checked(options=check.options, runs=())
        return next((one for one in self.checks if one.options == check.options), none)


def measured_in(result: ScenarioResult, check: Check) -> Measured:
    """One run's part. A run that was not judged, or had not the check's expectations, decides nothing."""
    found = result.judgement.expectations if result.judgement else ()
    wanted = {f"{metric}: {bound}": metric for metric, bound in check.expect.items()}
    mine = {wanted[one.text]: one for one in found if one.text in wanted}
    return Measured(
        seed=result.seed,
        engine=result.engine,
        backend=result.backend,
        met=_all_of([one.met for one in mine.values()]) if len(mine) == len(wanted) else None,
        measured={metric: one.measured for metric, one in mine.items()},
        order={metric: one.low for metric, one in mine.items()},
    )


def _all_of(answers: Sequence[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def answer(statement: Statement, record: Record) -> Answer:
    """A statement that one run refutes is false, or true under its condition only."""
    holds = record.of(statement.check).holds
    if holds is None:
        return Answer.NOT_DECIDED
    if holds:
        return Answer.TRUE
    if statement.only_if is None:
        return Answer.FALSE
    under_condition = record.of(statement.only_if).holds
    if under_condition is None:
        return Answer.NOT_DECIDED
    return Answer.ONLY_IF if under_condition else Answer.FALSE


def extremes(runs: Iterable[Measured], metric: str) -> tuple[str, str]:
    """The smallest and the largest that was measured, as people read them."""
    ordered = sorted(runs, key=lambda run: run.order[metric])
    return ordered[0].measured[metric], ordered[-1].measured[metric]
