"""Random correct executions with a few promises broken by the store: those are found, and no others.

Each way of breaking picks sessions at random moments and changes what the store holds behind everybody's
back. Whether a perfect judge could know is said by plain rules over the recorded operations: a session
that somebody may have logged out, or whose timeout was set anew, proves nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.judge import judge
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.words import Outcome, StepKind, Verdict
from lab.selftest.model import RATE_PER_S, Model
from lab.selftest.model_store import Kept, Known
from tests.share import examples

OPERATIONS = 500
TIMES = 4
FOREVER_MS = float("inf")

seeds = st.integers(min_value=0, max_value=2**32)
some = examples(4, 1)


def lose(kept: Kept, _session: Known, _index: set[str]) -> str:
    kept.fields = None
    return "lost-session"


def forget_timeout(kept: Kept, _session: Known, _index: set[str]) -> str:
    kept.until_ms = FOREVER_MS
    return "immortal-session"


def shorten_timeout(kept: Kept, _session: Known, _index: set[str]) -> str:
    kept.until_ms -= 60_000
    return "expired-early"


def stretch_timeout(kept: Kept, _session: Known, _index: set[str]) -> str:
    kept.until_ms += 60_000
    return "outlived-timeout"


def lose_write(kept: Kept, session: Known, _index: set[str]) -> str:
    written = [one for one in kept.traces if one != str(session.generation)]
    if not written:
        return ""
    kept.traces.remove(written[-1])
    return "lost-write"


def unlist(_kept: Kept, session: Known, index: set[str]) -> str:
    if session.id not in index:
        return ""
    index.remove(session.id)
    return "index-drift"


def forge(kept: Kept, _session: Known, _index: set[str]) -> str:
    assert kept.fields is not None
    kept.fields["theme"] = "0:nobody"
    return "unwritten-value"


def usurp(kept: Kept, _session: Known, _index: set[str]) -> str:
    assert kept.fields is not None
    kept.fields["user_id"] = "mallory"
    return "foreign-session"


Breaking = Callable[[Kept, Known, set[str]], str]
WAYS: tuple[Breaking, ...] = (
    lose,
    forget_timeout,
    shorten_timeout,
    stretch_timeout,
    lose_write,
    unlist,
    forge,
    usurp,
)
HEALED_BY = {
    "immortal-session": StepKind.TOUCH,
    "expired-early": StepKind.TOUCH,
    "outlived-timeout": StepKind.TOUCH,
    "unwritten-value": StepKind.WRITE,
}
ALSO = {"over-budget"}
"""Told as well where the history has a failover."""
FOLLOWS = {"index-drift": {"escaped-logout"}}
"""What comes of it later: who is not listed escapes the next logout everywhere."""


@dataclass(frozen=True)
class Victim:
    session: str
    name: str
    at_us: int


class Broken(Model):
    """A store that breaks a promise now and then. Sessions outlive the run: expiry excuses nobody."""

    def __init__(self, seed: int, way: Breaking) -> None:
        super().__init__(next(n for n in count(seed) if Model(n).around.idle_ms > 100_000))
        self._way = way
        self.victims: list[Victim] = []

    def tell(self, operations: int = OPERATIONS) -> History:
        for _ in range(TIMES):
            at_us = 1e6 + self.dice.uniform(0.3, 1.0) * operations / RATE_PER_S * 1e6
            self._later(int(at_us), self._break)
        return super().tell(operations)

    def _break(self, at_us: int) -> None:
        known = [one for one in self._session if one is not None]
        session = known[int(self.dice.random() * len(known))]
        kept = self.store.kept[session.id]
        if kept.fields is None or any(one.session == session.id for one in self.victims):
            return
        name = self._way(kept, session, self.store.index[session.user])
        if name:
            self.victims.append(Victim(session.id, name, at_us))


def could_be_known(history: History, victim: Victim) -> bool:
    """Nobody may have logged it out, nobody put it right, and nobody was at it at that very moment."""
    for operation in history.operations:
        for step in operation.steps:
            if step.does is StepKind.DESTROY and step.session == victim.session:
                return False
            if operation.session == victim.session and (operation.done_us or 0) >= victim.at_us - 1000:
                if step.does is HEALED_BY.get(victim.name):
                    return False
                if step.does is StepKind.INDEX_ADD or (operation.sent_us or 0) < victim.at_us:
                    return False
    return all(
        operation.outcome is Outcome.ACKED and len(operation.attempts) == len(operation.steps)
        for operation in history.operations
        if operation.session == victim.session and operation.behaviour != "read" and len(operation.steps) == 1
    )


@pytest.mark.parametrize("way", WAYS)
@some
@given(seed=seeds)
def test_broken_promise_is_found_and_nobody_else_is_accused(way: Breaking, seed: int) -> None:
    """Every victim that could be known is named rightly; every finding is about a victim."""
    model = Broken(seed, way)
    history = model.tell()
    findings = run_checks(history)[0]
    names = {
        victim.session: {one.name for one in findings if one.session == victim.session}
        for victim in model.victims
    }
    for victim in model.victims:
        if could_be_known(history, victim):
            assert victim.name in names[victim.session], victim
            assert names[victim.session] <= {victim.name, *ALSO, *FOLLOWS.get(victim.name, ())}, victim
    assert [f"{one.name}: {one.sentence}" for one in findings if one.session not in names] == []


RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


@some
@given(seed=seeds)
def test_one_more_lost_write_never_improves_the_verdict(seed: int) -> None:
    """From a clean history on, taking away one trace after the other."""
    history = Model(seed).tell(800)
    ranks = [RANK[judge(history).verdict]]
    for entry in [one for one in history.audit if one.role == "primary" and len(one.witnesses or ()) > 1][:4]:
        entry.witnesses = (entry.witnesses or ())[:-1]
        ranks.append(RANK[judge(history).verdict])
    assert ranks == sorted(ranks)


def without_audit(history: History) -> History:
    return replace(history, audit=(), audit_summary=None)


def without_clocks(history: History) -> History:
    return replace(history, clocks=())


def without_samples(history: History) -> History:
    return replace(history, samples=())


def without_end(history: History) -> History:
    return replace(history, closing=None, incomplete="the harness died")


def without_half_of_the_audit(history: History) -> History:
    return replace(history, audit=history.audit[::2])


def without_events(history: History) -> History:
    return replace(history, events=())


def broken_off(history: History) -> History:
    """Only what was written down by two thirds of the time, as if the harness had died then."""
    cut_us = max((one.due_us for one in history.operations), default=0) * 2 // 3
    return replace(
        history,
        operations=tuple(one for one in history.operations if (one.done_us or one.due_us) <= cut_us),
        samples=tuple(one for one in history.samples if one.done_us <= cut_us),
        events=tuple(one for one in history.events if one.t_us <= cut_us),
        clocks=tuple(one for one in history.clocks if one.t_us <= cut_us),
        phases=tuple(one for one in history.phases if one.t_us <= cut_us),
        audit=(),
        audit_summary=None,
        closing=None,
        incomplete="the harness died",
    )


TRUNCATIONS = (
    without_audit,
    without_clocks,
    without_samples,
    without_end,
    without_half_of_the_audit,
    without_events,
    broken_off,
)


@some
@given(seed=seeds, first=st.sampled_from(TRUNCATIONS), second=st.sampled_from(TRUNCATIONS))
def test_less_evidence_makes_no_pass_and_no_finding(
    seed: int, first: Callable[[History], History], second: Callable[[History], History]
) -> None:
    """What is INCONCLUSIVE for want of evidence stays so with even less; and nobody is accused of a gap."""
    once = judge(first(Model(seed).tell(800)))
    twice = judge(second(first(Model(seed).tell(800))))
    assert RANK[twice.verdict] >= RANK[once.verdict] or once.verdict is Verdict.FAIL
    assert [f"{one.name}: {one.sentence}" for one in (*once.findings, *twice.findings)] == []


@pytest.mark.parametrize("truncate", [without_audit, without_end, broken_off, without_clocks])
@some
@given(seed=seeds)
def test_what_is_missing_is_never_a_pass(truncate: Callable[[History], History], seed: int) -> None:
    """A correct run without its audit, its end or its clocks is undecided."""
    assert judge(truncate(Model(seed).tell(800))).verdict is Verdict.INCONCLUSIVE
