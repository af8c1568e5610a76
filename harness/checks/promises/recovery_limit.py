"""The finding no-recovery: the nodes do not agree on a single primary within the limit.

Trap: it is about the topology, so it needs somebody who looked. Where an observer was silent when the limit
came, its node may have been well.
"""

from __future__ import annotations

from harness.checks.facts.failovers import triggers
from harness.checks.facts.no_successor import LastWord, last_word, refused_login
from harness.checks.facts.of_run import Facts
from harness.checks.facts.timelines import Timelines
from harness.checks.promises.check import Check, Counted
from harness.model.finding_kind import WHOLE, FindingKind, FindingTrait, Limit, Need
from harness.model.judgement import Finding
from harness.model.words import Cause, FindingSide

NO_RECOVERY = FindingKind(
    name="no-recovery",
    side=FindingSide.CLOSED,
    sentence="the nodes do not agree on a single primary within the limit",
    needs=frozenset[Need](),
    parts=WHOLE,
    out_of=None,
    traits=(FindingTrait.OF_AVAILABILITY, FindingTrait.TIMED, FindingTrait.SURE_AT_THE_END),
    limit=Limit.RECOVERY,
)


def judge_recovery(timelines: Timelines) -> Counted:
    closing, fault_us = timelines.history.closing, timelines.facts.landmarks.fault_us
    if closing is None or closing.interrupted:
        return Counted(undecidable={NO_RECOVERY.name: 0 if fault_us is None else 1})
    if not closing.not_recovered:
        return Counted()
    if closing.unseen:
        return Counted(undecidable={NO_RECOVERY.name: 1})
    missing = closing.not_recovered
    word = _word_of(timelines.facts) or refused_login(timelines.facts)
    last = "" if word is None else f" The last report: {word.told}."
    return Counted(
        findings=[
            Finding(
                name=NO_RECOVERY.name,
                side=NO_RECOVERY.side,
                cause=Cause.NOT_DETERMINED if word is None else word.cause,
                because=missing if word is None else word.told,
                sentence=f"The topology did not recover within its limit: {missing}.{last}",
                t_us=fault_us,
                seen_us=closing.t_us,
            )
        ]
    )


def _word_of(facts: Facts) -> LastWord | None:
    """Why a shard whose primary was struck got no other; None: each got one, or has the old one back."""
    restarts = facts.ownership.restarts
    for trigger in triggers(facts):
        back = any(one.node == trigger.old.node and one.by_us > trigger.begin_us for one in restarts)
        if trigger.taken is None and not back:
            return last_word(facts, trigger.shard, trigger.begin_us, trigger.until_us)
    return None


CHECK = Check(
    promise="After a fault the topology settles on one primary per shard within the limit.",
    kinds=(NO_RECOVERY,),
    find=judge_recovery,
)
