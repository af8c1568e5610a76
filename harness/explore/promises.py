"""What must hold in every run of an exploration, whatever is done to the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.errors import UsageError
from harness.model.finding_kind import FindingKind, Measure
from harness.model.words import Trait

_SHOWN = 100
"""Of what somebody typed; a whole file may have come with it."""
NEVER = (
    "over-budget",
    "unexplained",
    "unwritten-value",
    "foreign-session",
    "reply-mixed-up",
    "no-recovery",
    "replica-divergence",
)
"""Findings that no fault excuses: a loss beyond what the settings allow, a value that nobody wrote, another
user's session, nodes that stay apart though all of them are back."""
_EXCUSES: Mapping[Trait, str] = {Trait.LEAVES_ADDRESS: "no-recovery"}
"""But for these: an old primary that comes back where nobody looks for it stays apart
(bitnami/charts#5418)."""


def expectations(
    given: Iterable[str], findings: Mapping[str, Measure], *, premises: bool = True
) -> dict[str, str]:
    """Of every drawn scenario. What is given (`metric: bound`) must hold besides, and wins. `premises` False:
    a finding that calls for a part of a deployment is allowed, as this one may not have it.

    Raises:
        UsageError: one is written in another way, or there are two for one metric.
    """
    never = {name for name in NEVER if premises or not _calls_for_something(findings.get(name))}
    allowed = {name: "0" if name in never else ">= 0" for name in findings}
    named: set[str] = set()
    for text in given:
        metric, colon, bound = text.partition(":")
        if not colon or not metric.strip() or not bound.strip():
            raise UsageError(f"--expect {text[:_SHOWN]!r}: expected metric: bound, such as 'lost-write: 0'")
        name = metric.strip()
        if name in named:
            raise UsageError(
                f"--expect {text[:_SHOWN]!r}: expected one bound for {name}, found two: leave one out"
            )
        named.add(name)
        allowed[name] = bound.strip()
    return allowed


def excused(expect: Mapping[str, str], traits: Iterable[Trait]) -> dict[str, str]:
    """What is expected of a schedule with faults of these traits."""
    return {**expect, **{_EXCUSES[one]: ">= 0" for one in traits if one in _EXCUSES}}


def _calls_for_something(of: Measure | None) -> bool:
    return isinstance(of, FindingKind) and bool(of.premises)
