"""The whole way: a history with real steps and an audit, to its judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.facts.timelines import Timelines
from harness.checks.judge import judge
from harness.checks.promises import table
from harness.checks.promises.acked_writes import LOST_WRITE
from harness.checks.promises.check import Counted
from harness.model.history import History
from harness.model.records import AuditEntry, Event, Operation
from harness.model.words import OperationKind, Shows, Verdict
from lab.past import Past
from lab.records import us
from tests.builders_metrics import AUDIT_S, expect, outline
from tests.share import examples

SESSIONS = 12
WRITES = 4
"""Of each session: two in the baseline, one right after the fault, one later."""
NONE_LOST = expect("lost-write: 0", 0)
SOME_LOST = expect("lost-write: > 0", 0, comparison=">")
HOUR_MS = 3_600_000


def recorded(
    *,
    lose: Sequence[tuple[int, int]] = (),
    forget: Sequence[int] = (),
    expectations: Sequence[tuple[Any, ...]] = (NONE_LOST,),
    shows: Shows = Shows.PROMISE,
) -> History:
    """A run of twelve sessions. `lose`: (session, write) without a trace after recovery; `forget`:
    sessions of which nothing is left."""
    past = outline(expectations=expectations, shows=shows)
    audit = []
    for number in range(SESSIONS):
        sid = f"{number:032x}"
        login = _acted(past, OperationKind.LOGIN, -1.0 + number / 100, sid, user=f"user-{number}")
        writes = [
            _acted(past, OperationKind.WRITE, t_s + number / 100, sid, user=f"user-{number}", login=login)
            for t_s in (2.0, 6.0, 11.0, 16.0)
        ]
        kept = [one for n, one in enumerate(writes) if (number, n) not in lose]
        gone = number in forget
        audit.append(_found(sid, login, [] if gone else kept, gone=gone))
    return replace(past.history(), audit=tuple(audit))


def _acted(
    past: Past, kind: OperationKind, t_s: float, sid: str, *, user: str, login: Operation | None = None
) -> Operation:
    """One acked operation, with what it wrote and the trace that it left."""
    done = past.do(kind, t_s, session=sid)
    number = str(done.id)
    step = msgspec.structs.replace(
        done.steps[0],
        key=f"session:{{{sid}}}",
        attempts=(1,),
        witness=number,
        ttl_ms=HOUR_MS if login is None else None,
        wrote={"sid": sid, "user_id": user, "generation": number, "created": f"{number}:x"}
        if login is None
        else {"theme": f"{number}:x"},
    )
    past.operations[-1] = msgspec.structs.replace(
        done,
        user=user,
        key=step.key,
        generation=0 if login is None else login.id,
        steps=(step,),
        told="ok",
    )
    return past.operations[-1]


def _found(sid: str, login: Operation, kept: Sequence[Operation], *, gone: bool) -> AuditEntry:
    saw = dict(login.steps[0].wrote)
    for write in kept:
        saw |= write.steps[0].wrote
    return AuditEntry(
        pass_n=1,
        session=sid,
        node="redis-1",
        role="primary",
        run_id="old",
        sent_us=us(AUDIT_S + 0.1),
        done_us=us(AUDIT_S + 0.2),
        key_type="none" if gone else "hash",
        pttl_ms=-2 if gone else HOUR_MS - (us(AUDIT_S + 0.15) - (login.done_us or 0)) // 1000,
        saw={} if gone else saw,
        witnesses=() if gone else (str(login.id), *(str(one.id) for one in kept)),
    )


def test_run_that_kept_everything_passes() -> None:
    """All sessions intact, the ones that wrote after the fault at risk, nothing missing."""
    judgement = judge(recorded())
    assert judgement.reasons == ("no findings; lost-write 0",)
    assert judgement.verdict is Verdict.PASS
    assert judgement.metrics.sessions.at_risk == SESSIONS
    assert judgement.metrics.sessions.intact == SESSIONS
    assert judgement.evidence == ()


def test_lost_write_fails_a_promise_and_shows_a_weakness() -> None:
    """The same history, judged by what the scenario wanted to know."""
    promise = judge(recorded(lose=[(3, 1)]))
    assert promise.verdict is Verdict.FAIL
    assert promise.reasons[0].startswith("lost-write was 1, expected 0 (1 lost-write: ")
    weakness = judge(recorded(lose=[(3, 1)], expectations=[SOME_LOST], shows=Shows.WEAKNESS))
    assert weakness.verdict is Verdict.PASS
    assert weakness.metrics.writes_lost == 1


def test_lost_session_is_found_though_no_expectation_names_it() -> None:
    """What was not expected must not be there."""
    judgement = judge(recorded(forget=[5]))
    assert judgement.verdict is Verdict.FAIL
    assert any(reason.startswith("1 lost-session") for reason in judgement.reasons)


def test_crash_of_a_check_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other checks go on; what this one would have found is missing."""

    def crash(_: Timelines) -> Counted:
        raise KeyError("no such field")

    broken = tuple(replace(one, find=crash) if LOST_WRITE in one.kinds else one for one in table.CHECKS)
    monkeypatch.setattr(table, "CHECKS", broken)
    judgement = judge(recorded())
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons[0] == "a check crashed: crash: KeyError: 'no such field'"


def test_judging_twice_gives_the_same() -> None:
    """Pure: nothing but the history decides."""
    history = recorded(lose=[(1, 2)], forget=[7])
    assert judge(history) == judge(history)


def test_empty_history_is_inconclusive() -> None:
    """A harness that died at once leaves an answer, not a traceback."""
    history = replace(
        recorded(),
        operations=(),
        samples=(),
        events=(),
        clocks=(),
        phases=(),
        audit=(),
        audit_summary=None,
        closing=None,
        incomplete="the harness died",
    )
    judgement = judge(history)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons[0] == "the history is incomplete: the harness died"


PROPERTY = examples(60, 6)
"""A shared machine is too noisy for deadlines per example."""

LOSSES = st.sets(st.tuples(st.integers(0, SESSIONS - 1), st.integers(0, WRITES - 1)), max_size=5)
SEVERITY = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


@PROPERTY
@given(
    LOSSES, st.tuples(st.integers(0, SESSIONS - 1), st.integers(0, WRITES - 1)), st.sets(st.integers(0, 3))
)
def test_losing_one_more_write_never_improves_the_verdict(
    losses: set[tuple[int, int]], more: tuple[int, int], forgotten: set[int]
) -> None:
    """From the audit's lists to the verdict: less there is never better."""
    expectations = [
        expect("lost-write: <= 2", 2, comparison="<="),
        expect("lost-session: <= 1", 1, comparison="<="),
    ]
    before = judge(recorded(lose=list(losses), forget=list(forgotten), expectations=expectations))
    after = judge(recorded(lose=[*losses, more], forget=list(forgotten), expectations=expectations))
    assert SEVERITY[after.verdict] >= SEVERITY[before.verdict]


@PROPERTY
@given(
    LOSSES,
    st.sets(
        st.sampled_from(["closing", "audit", "audit_summary", "samples", "events", "operations"]), min_size=1
    ),
    st.sampled_from([(), (NONE_LOST,), (SOME_LOST,)]),
)
def test_taking_evidence_away_never_makes_a_pass(
    losses: set[tuple[int, int]], taken: set[str], expectations: tuple[Any, ...]
) -> None:
    """Neither a failure nor a doubt goes away with the records that show it."""
    history = recorded(lose=list(losses), expectations=expectations)
    gone = {name: None if name in {"closing", "audit_summary"} else () for name in taken}
    assert judge(replace(history, **gone)).verdict is not Verdict.PASS  # type: ignore[arg-type]


def unrecovered(
    *more: tuple[Any, ...], late_s: float = 0.0, recovered_s: float | None = None, **closed: Any
) -> Verdict:
    """An outage without end is to be shown, and `more` is expected; on a machine that was so late every second."""
    shown = expect("no-recovery: > 0", 0, comparison=">")
    history = recorded(expectations=(shown, *more), shows=Shows.WEAKNESS)
    assert history.closing is not None
    closing = msgspec.structs.replace(history.closing, not_recovered="shard 1 has no primary", **closed)
    clocks = [
        msgspec.structs.replace(one, loop_lag_us=us(late_s), cpu_pressure=1.0) for one in history.clocks
    ]
    plan = replace(history.plan, scenario=replace(history.plan.scenario, settle_within_s=3.0))
    events = list(history.events)
    if recovered_s is not None:
        events.append(Event(source="harness", name="recovered", t_us=us(recovered_s)))
    return judge(
        replace(history, plan=plan, closing=closing, clocks=tuple(clocks), events=tuple(events))
    ).verdict


def test_outage_that_went_on_after_its_limit_is_shown_on_a_late_machine() -> None:
    """From 13 s to 20 s, against a limit of 3 s: that the machine was late by 3.6 s at most explains the limit
    and not the outage. Where recovery came soon after the limit, nobody knows."""
    assert unrecovered(late_s=0.3) is Verdict.PASS
    assert unrecovered(late_s=0.3, recovered_s=16.9) is Verdict.INCONCLUSIVE
    assert unrecovered(late_s=0.9) is Verdict.INCONCLUSIVE


def test_outage_at_which_nobody_looked_is_not_shown() -> None:
    """A node that no observer looked at when the limit came may have been well: no weakness, and no finding."""
    assert unrecovered(unseen=("redis-2",)) is Verdict.INCONCLUSIVE
    history = recorded()
    assert history.closing is not None
    closing = msgspec.structs.replace(history.closing, not_recovered="nobody", unseen=("redis-2", "redis-3"))
    judgement = judge(replace(history, closing=closing))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.findings == ()
    assert (
        "it is not known whether the topology recovered: redis-2, redis-3 not observed in time"
        in judgement.evidence
    )


def test_outage_without_end_can_be_shown() -> None:
    """That the topology did not recover is what was to be seen; what it leaves open about losses must be
    named."""
    assert unrecovered() is Verdict.PASS
    assert unrecovered(expect("lost-write: >= 0", 0, comparison=">=")) is Verdict.PASS
    assert unrecovered(expect("lost-write: 0", 0)) is Verdict.INCONCLUSIVE


def test_topology_that_did_not_recover_passes_nothing_else() -> None:
    """Not named, the outage without end is a finding that nobody allowed."""
    history = recorded()
    assert history.closing is not None
    closing = msgspec.structs.replace(history.closing, not_recovered="shard 1 has no primary")
    assert judge(replace(history, closing=closing)).verdict is Verdict.FAIL
