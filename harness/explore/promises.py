"""What must hold in every run of an exploration, whatever is done to the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.errors import UsageError
from harness.model.finding_kind import Measure

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


def expectations(given: Iterable[str], findings: Mapping[str, Measure]) -> dict[str, str]:
    """Of every drawn scenario. What is given (`metric: bound`) must hold besides, and wins.

    Raises:
        UsageError: one is written in another way.
    """
    allowed = {name: "0" if name in NEVER else ">= 0" for name in findings}
    for text in given:
        metric, colon, bound = text.partition(":")
        if not colon or not metric.strip() or not bound.strip():
            raise UsageError(f"--expect {text[:_SHOWN]!r}: expected metric: bound, such as 'lost-write: 0'")
        allowed[metric.strip()] = bound.strip()
    return allowed
