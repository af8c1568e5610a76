"""Stage 6: a history, read once, against every promise. Pure: no I/O, no Redis, no clock.

Start with `index` (what was done and seen, per session), then any check: one small module per
family of promises, each a function from the index to what it found. `CHECKS` is the whole list.
Names, definitions and their precedence are the ledger's: one broken promise, one finding.

Trap: a check that crashes has found nothing *out*. Its names then have no upper bound, and the run
is at best INCONCLUSIVE.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from harness.checks.aftermath import count_sessions
from harness.checks.at_risk import sessions_at_risk
from harness.checks.budget import judge_budget
from harness.checks.counters import judge_counters
from harness.checks.deadlines import judge_deadlines
from harness.checks.destroys import judge_destroys
from harness.checks.exact import judge_exactly
from harness.checks.existence import judge_existence
from harness.checks.findings import FINDINGS, ONE_PER_SESSION, Check, Counted, Sequel
from harness.checks.identity import judge_identity
from harness.checks.index import Index
from harness.checks.lists import judge_index
from harness.checks.locks import judge_locks
from harness.checks.moments import moments_of
from harness.checks.others import judge_recovery, judge_refusals, judge_replicas
from harness.checks.registers import judge_registers
from harness.checks.screen import Screened, screen
from harness.checks.traffic import traffic_of
from harness.checks.witnesses import judge_witnesses
from harness.model.history import History
from harness.model.judgement import Finding, Interval, SessionCounts
from harness.model.words import FindingSide

__all__ = ["CHECKS", "FINDINGS", "SEQUELS", "Check", "Counted", "run_checks"]

CHECKS: tuple[Check, ...] = (
    Check(
        promise="Who logged out is out: the session never works again.",
        names=("escaped-logout", "resurrected-session", "undone-by-own-write"),
        find=judge_destroys,
    ),
    Check(
        promise="Whoever asks for a session gets that session, and only what somebody put there.",
        names=("foreign-session", "unwritten-value", "reply-mixed-up"),
        find=judge_identity,
    ),
    Check(
        promise="A session lives as long as its last acked use promised, and not longer.",
        names=("expired-early", "outlived-timeout", "immortal-session", "stale-read"),
        find=judge_deadlines,
    ),
    Check(
        promise="Who logged in stays logged in until a logout or the idle timeout.",
        names=(
            "lost-session",
            "evicted-session",
            "expired-early",
            "partial-session",
            "stale-read",
            "logged-out-by-outage",
        ),
        find=judge_existence,
    ),
    Check(
        promise="What was acked is not lost, whatever was written after it.",
        names=("lost-write", "ghost-retry", "unexplained"),
        find=judge_witnesses,
    ),
    Check(
        promise="A field shows its last acked write, whole.",
        names=("lost-update", "stale-read", "torn-state", "ghost-retry"),
        find=judge_registers,
    ),
    Check(
        promise="Every acked addition to a cart counts once.",
        names=("lost-update", "doubled-update", "stale-read"),
        find=judge_counters,
    ),
    Check(
        promise="Whoever holds a lock holds it alone until its lease runs out.",
        names=("lock-held-twice", "lease-overrun", "lost-update", "stale-read", "unexplained"),
        find=judge_locks,
    ),
    Check(
        promise="The list of a user's sessions names the sessions that exist.",
        names=("index-drift", "stale-read"),
        find=judge_index,
    ),
    Check(
        promise="While sessions can be read, new users can log in.",
        names=("refused-login",),
        find=judge_refusals,
    ),
    Check(
        promise="After recovery every replica holds what its primary holds.",
        names=("replica-divergence",),
        find=judge_replicas,
    ),
    Check(
        promise="After a fault the topology settles on one primary per shard within the limit.",
        names=("no-recovery",),
        find=judge_recovery,
    ),
)

_UNTIL_THE_END = frozenset({"no-recovery", "refused-login"})
"""Not weakened by operations in flight when a history breaks off."""

_ABOUT_LOCKS = frozenset({"lock-held-twice", "lease-overrun"})
"""Explain nothing that is wrong with the fields of a session."""


def _judge_the_rest(index: Index, found: Sequence[Finding]) -> Counted:
    return judge_exactly(index, {one.session for one in found if one.name not in _ABOUT_LOCKS})


SEQUELS: tuple[Sequel, ...] = (
    Sequel(
        promise="Every field of a session behaves like one register.",
        names=("unexplained",),
        find=_judge_the_rest,
    ),
    Sequel(
        promise="A fault costs no more than the settings of the topology allow.",
        names=("over-budget",),
        find=judge_budget,
    ),
)
"""Checks that go by what the others found, in this order."""


def run_checks(
    history: History, *, screened: bool = True
) -> tuple[list[Finding], dict[str, Interval], SessionCounts, tuple[str, ...]]:
    """Findings (open ones first, then by time), counts per finding name, sessions, crashed checks.

    `screened` False: look at every session record by record. It answers the same, and takes long.
    """
    divided = screen(history) if screened else Screened(suspects=history)
    index = Index(divided.suspects, traffic_of(history))
    found: list[Finding] = []
    undecidable: dict[str, float] = defaultdict(float)
    crashed = []
    checks: tuple[Check | Sequel, ...] = (*CHECKS, *SEQUELS)
    for check in checks:
        try:
            counted = check.find(index) if isinstance(check, Check) else check.find(index, found)
        except Exception as failure:  # noqa: BLE001 - a crashed check is a gap in the evidence, not the end
            crashed.append(f"{check.find.__name__}: {type(failure).__name__}: {failure}")
            for name in check.names:
                undecidable[name] = float("inf")
            continue
        found += counted.findings
        for name, more in counted.undecidable.items():
            undecidable[name] += more
    findings = []
    for one in _merged(found):
        if one.seen_us is not None and one.seen_us > index.horizon_us and one.name not in _UNTIL_THE_END:
            undecidable[one.name] += 1
        else:
            findings.append(one)
    findings.sort(key=_order)
    counts = {
        name: Interval(
            low=(proved := sum(one.name == name for one in findings)), high=proved + undecidable[name]
        )
        for name in FINDINGS
    }
    moments = moments_of(history)
    at_risk = set[str]() if moments.danger_us is None else sessions_at_risk(history, moments)
    return findings, counts, count_sessions(index, findings, at_risk, divided.clean), tuple(crashed)


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """One broken promise, one finding: several checks may have met the same one."""
    merged: dict[tuple[object, ...], Finding] = {}
    for one in found:
        promise = () if one.name in ONE_PER_SESSION else one.operations[:1]
        key = (one.name, one.session, promise, one.sentence if one.session is None else "")
        before = merged.get(key)
        if before is None:
            merged[key] = one
        else:
            first, second = sorted((before, one), key=lambda item: item.seen_us or 0)
            merged[key] = replace(first, observations=first.observations + second.observations)
    return list(merged.values())


def _order(one: Finding) -> tuple[bool, int, str]:
    when = one.seen_us if one.t_us is None else one.t_us
    return one.side is not FindingSide.OPEN, 0 if when is None else when, one.name
