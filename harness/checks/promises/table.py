"""The table of promises: every check that a history goes through, in this order."""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks.facts.timelines import Index
from harness.checks.promises.acked_writes import judge_witnesses
from harness.checks.promises.check import Check, Counted, Sequel
from harness.checks.promises.counters import judge_counters
from harness.checks.promises.fields import judge_registers
from harness.checks.promises.identity import judge_identity
from harness.checks.promises.lifetimes import judge_deadlines
from harness.checks.promises.locks import judge_locks
from harness.checks.promises.logouts import judge_destroys
from harness.checks.promises.loss_budget import judge_budget
from harness.checks.promises.one_register import judge_exactly
from harness.checks.promises.presence import judge_existence
from harness.checks.promises.recovery_limit import judge_recovery
from harness.checks.promises.refused_logins import judge_refusals
from harness.checks.promises.replica_agreement import judge_replicas
from harness.checks.promises.user_index import judge_index
from harness.model.judgement import Finding

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
