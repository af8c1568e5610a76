"""The selftest's own parts: its model store, its arithmetic, its reading of the wire."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from harness.checks.judge import judge
from harness.model.judgement import Finding
from harness.model.words import Cause, FindingSide, Outcome, StepKind, Verdict
from harness.sessions import BEHAVIOURS
from lab.past import Past
from lab.records import us
from lab.selftest.bugs import BUGS
from lab.selftest.bugs.lifetimes import SlightlyStretchedTimeout
from lab.selftest.bugs.mistakes import LEASE_S, SlowUnderLock
from lab.selftest.clean import SETTING
from lab.selftest.faulted import FAULTS, Fault, fault_named, scenario
from lab.selftest.mischief import Deed, betrayed, one_of
from lab.selftest.model import Model
from lab.selftest.resp import Command, encoded, messages, parsed, write_in
from lab.selftest.seeded import Seeded, held_against, plan_of
from lab.selftest.tally import Tally, upper_bound
from lab.selftest.worker import Done, Job
from tests.builders_locks import LockPast
from tests.fake_clock import in_fake_time
from tests.share import some

MODELS = [*((seed, False) for seed in range(6)), (4, True), (6, True)]


@pytest.mark.parametrize(("seed", "rough"), some(MODELS, 3))
def test_model_history_passes(seed: int, rough: bool) -> None:
    """Correct by construction: no finding, nothing left undecided."""
    judgement = judge(Model(seed, rough=rough, renews=True).tell(1500))
    assert [f"{one.name}: {one.sentence}" for one in judgement.findings] == []
    assert judgement.verdict is Verdict.PASS
    assert {name for name, count in judgement.counts.items() if count.high} == set()


def test_model_histories_have_everything_that_is_hard() -> None:
    """Unknown outcomes, refusals, repeated attempts, absences and an expiry occur, or nothing is proved."""
    histories = [Model(seed).tell(2000) for seed in range(12)]
    operations = [one for history in histories for one in history.operations]
    assert {one.outcome for one in operations} == {Outcome.ACKED, Outcome.REJECTED, Outcome.UNKNOWN}
    assert any(len(one.attempts) > len(one.steps) for one in operations if one.outcome is Outcome.ACKED)
    assert any(step.saw == {} for one in operations for step in one.steps)
    assert any(one.faults for one in (history.plan.scenario for history in histories))
    assert len({history.plan.scenario.workload.idle_timeout_s for history in histories}) == 2


def test_nothing_happens_to_any_behaviour_that_there_is() -> None:
    """Clean runs, and those through faults, have all of them in their mix."""
    assert set(BEHAVIOURS) == set(SETTING.mix)


def _caused(cause: Cause, name: str = "lost-write") -> Finding:
    return Finding(
        name=name, side=FindingSide.CLOSED, sentence="s", session="x", operations=(1,), cause=cause
    )


@pytest.mark.parametrize(
    ("fault", "cause", "name", "may"),
    [
        ("sentinel, primary killed", Cause.NOT_YET_REPLICATED, "lost-write", True),
        ("sentinel, primary killed", Cause.SPLIT_BRAIN, "lost-write", False),
        ("sentinel, primary killed", Cause.NOT_DETERMINED, "refused-login", True),
        ("sentinel, primary killed", Cause.NOT_DETERMINED, "outlived-timeout", False),
        ("sentinel, planned failover", Cause.SPLIT_BRAIN, "lost-write", True),
        ("sentinel, planned failover", Cause.NOT_DETERMINED, "lost-write", False),
        ("cluster, planned failover", Cause.NOT_YET_REPLICATED, "lost-write", False),
        ("cluster, planned failover", Cause.NOT_DETERMINED, "refused-login", False),
    ],
)
def test_fault_accounts_for_its_own_cost_and_for_nothing_else(
    fault: str, cause: Cause, name: str, may: bool
) -> None:
    """A finding with another cause than this fault can have is a false alarm, and so is one without."""
    assert fault_named(fault).may_cost(_caused(cause, name)) is may


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_run_through_a_fault_plans_with_its_engine(fault: Fault, tmp_path: Path) -> None:
    """The scenario reads, has the fault, and runs on the engine that was named."""
    plan = plan_of(scenario(fault, "redis-6.2"), seed=1, directory=tmp_path)
    assert plan.skip is None
    assert plan.scenario.deployment.engine == "redis-6.2"
    assert len(plan.scenario.faults) == len(fault.faults)


@pytest.mark.parametrize(
    ("does", "name"), [(StepKind.WRITE, "lost-write"), (StepKind.INCREMENT, "lost-write")]
)
def test_model_history_without_a_trace_is_accused(does: StepKind, name: str) -> None:
    """The same history with one acked write's trace gone: found, so silence means something."""
    history = Model(2).tell(1500)
    left = {one.session: one.witnesses or () for one in history.audit if one.role == "primary"}
    victim = next(
        one
        for one in history.operations
        if one.outcome is Outcome.ACKED and one.steps[0].does is does and str(one.id) in left[one.session]
    )
    for entry in history.audit:
        if entry.session == victim.session:
            entry.witnesses = tuple(one for one in entry.witnesses or () if one != str(victim.id))
    found = {(one.name, one.session) for one in judge(history).findings}
    assert (name, victim.session) in found


def test_bound_without_a_false_alarm_is_the_rule_of_three() -> None:
    """None in n: about 3 / n; some: more than their share."""
    assert upper_bound(0, 1000) == pytest.approx(1 - 0.05 ** (1 / 1000))
    assert upper_bound(0, 10_000_000) == pytest.approx(3e-7, rel=0.01)
    assert upper_bound(1, 100) == pytest.approx(0.0466, abs=1e-3)
    assert upper_bound(5, 5) == 1.0


def test_messages_are_cut_where_they_end() -> None:
    """Whole messages at the front, the rest kept, nested and empty ones included."""
    whole = encoded(["a", 1, ["b", None], ""]) + b"+OK\r\n" + b"*0\r\n" + b"$-1\r\n"
    for at in range(len(whole) + 1):
        found, left = messages(whole[:at])
        assert b"".join(found) + left == whole[:at]
        assert messages(left + whole[at:])[1] == b""
    assert [parsed(one) for one in messages(whole)[0]] == [["a", 1, ["b", None], ""], "OK", [], None]


def test_write_is_recognised_in_a_script_and_in_a_log_in() -> None:
    """Whose session, which operation, which fields: the book that the proxy keeps depends on it."""
    script = '[["HSET","session:{s1}","ip","7:a","agent","7:b"],["RPUSH","witness:{s1}","7"]]'
    command = Command.of("EVAL", "...", "2", "session:{s1}", "witness:{s1}", "guarded", script)
    found = write_in([command])
    assert found is not None
    assert (found.session, found.operation, found.verb, found.fields) == ("s1", 7, "HSET", ("ip", "agent"))
    login = Command.of("HSET", "session:{s2}", "sid", "s2", "generation", "9")
    group = write_in([Command.of("MULTI"), login, Command.of("EXEC")])
    assert group is not None
    assert (group.session, group.operation, group.verb) == ("s2", 9, "log-in")
    assert write_in([Command.of("HGETALL", "session:{s1}")]) is None


DEED = Deed(session="s1", did="dropped", names=one_of("lost-write"), also=one_of("lost-update"), operation=7)
RIGHT = Finding(name="lost-write", side=FindingSide.CLOSED, session="s1", operations=(7, 9))


@pytest.mark.parametrize(
    ("findings", "flaw"),
    [
        ([], "found"),
        ([replace(RIGHT, name="stale-read")], "named"),
        ([replace(RIGHT, operations=(8,))], "named"),
        ([RIGHT, replace(RIGHT, name="stale-read")], "named"),
        ([replace(RIGHT, cause=Cause.EVICTED)], "caused"),
    ],
)
def test_run_that_is_not_as_it_should_be_says_why(findings: list[Finding], flaw: str) -> None:
    """Not found, a wrong name, another operation, a wrong name besides, a wrong cause."""
    shown = held_against("dropped-write", 1, [DEED], findings, bitten=True)
    assert not getattr(shown, flaw)
    assert not shown.as_it_should_be


def test_accusing_anybody_else_spoils_a_run() -> None:
    """A finding about the victim is right; one about another session is a false alarm."""
    assert held_against("dropped-write", 1, [DEED], [RIGHT], bitten=True).as_it_should_be
    other = replace(RIGHT, session="s2")
    spoilt = held_against("dropped-write", 1, [DEED], [RIGHT, other], bitten=True)
    assert spoilt.false_alarms
    assert not spoilt.as_it_should_be
    assert held_against(
        "dropped-write", 1, [DEED], [RIGHT, other], bitten=True, explained=[other]
    ).as_it_should_be


@pytest.mark.parametrize(("hold_s", "late"), [(LEASE_S - 0.1, False), (LEASE_S + 0.1, True)])
def test_holder_that_a_late_machine_kept_waiting_did_overrun_its_lease(hold_s: float, late: bool) -> None:
    """By what its client wrote down: then nobody was accused wrongly. Other findings are never explained so."""
    past = LockPast()
    ann = past.log_in("ann", 0.1)
    past.lock(ann, 1.0, hold=hold_s, lease=LEASE_S)
    history = past.history()
    operation = next(one.id for one in history.operations if one.behaviour == "lock")
    accused = replace(RIGHT, name="lease-overrun", operations=(operation,))
    assert [one.name for one in judge(history).findings if one.name == accused.name] == [accused.name] * late
    explains = partial(SlowUnderLock.explains, mock.Mock(), history)
    assert explains(accused) is late
    assert not explains(replace(accused, name="lock-held-twice"))
    assert not explains(replace(accused, operations=(1,)))


def test_run_without_a_chance_is_repeated_and_never_counted() -> None:
    """The next seed is tried; a row with runs missing is not met."""
    tally = Tally([Job("bug", "stale-read", 1)], runs=1)
    job = tally.next_job()
    assert job is not None
    tally.note(Done(job=job, bug=Seeded(bug="stale-read", seed=1, bit=False, found=True, named=True)))
    again = tally.next_job()
    assert again is not None
    assert (again.name, again.seed) == ("stale-read", 2)
    assert [row.met for row in tally.rows() if row.name.startswith("bug")] == [False]
    tally.note(
        Done(job=again, bug=Seeded(bug="stale-read", seed=2, bit=True, found=True, named=True, caused=True))
    )
    assert [row.met for row in tally.rows() if row.name.startswith("bug")] == [True]


@pytest.mark.parametrize(
    ("reply_took_s", "touched_again_at_s", "looks_took_s", "shows"),
    [
        (0.045, None, 0.0, True),
        (0.055, None, 0.0, False),
        (0.055, 3.0, 0.0, False),
        (0.045, 3.0, 0.004, True),
        (0.045, 3.0, 0.006, False),
        (0.045, 2.04, 0.02, False),
    ],
)
def test_stretch_by_the_least_shows_if_clients_were_answered_in_time(
    reply_took_s: float, touched_again_at_s: float | None, looks_took_s: float, shows: bool
) -> None:
    """100 ms less the 50 ms that nobody notices, less what the reply and the look took. What the bug says of
    it holds for the judge too: a stretch that shows is found, and one that cannot be known is not."""
    past = Past(idle_s=300.0, engine="Redis 6.2.14")
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0, attempts=[(2.0, 2.0, 2.0 + reply_took_s)])
    past.edit(ann, 2.0001, lambda found: setattr(found, "ends_us", found.ends_us + 100_000))
    past.read(ann, 2.1, attempts=[(2.1, 2.1 + looks_took_s, 2.1 + looks_took_s)])
    if touched_again_at_s is not None:
        done_s = touched_again_at_s + looks_took_s
        past.touch(ann, touched_again_at_s, attempts=[(touched_again_at_s, done_s, done_s)])
    history = past.history()
    deed = Deed(
        session=ann,
        did="stretched",
        names=one_of("outlived-timeout"),
        betrays=StepKind.TOUCH,
        begun_us=us(2.0),
        at_us=us(2.001),
    )
    operation = betrayed(history, deed)
    assert operation is not None
    bug = SlightlyStretchedTimeout.__new__(SlightlyStretchedTimeout)
    assert bug.shows(history, deed, operation) is shows
    assert ("outlived-timeout" in {one.name for one in judge(history).findings}) is shows


def test_load_goes_on_while_a_bug_waits() -> None:
    """For its chance, or for what has to come first; a bug that is through with it needs no more load."""

    async def steps() -> list[bool]:
        bug = SlightlyStretchedTimeout(1, None, lambda: 0)  # type: ignore[arg-type]
        seen = [bug.waiting]
        bug.armed = True
        seen.append(bug.waiting)
        bug.take()
        seen.append(bug.waiting)
        held = asyncio.get_running_loop().create_future()
        bug._later.append(held)
        seen.append(bug.waiting)
        held.set_result(None)
        return [*seen, bug.waiting]

    assert in_fake_time(steps()) == [False, True, False, True, False]


def test_every_bug_has_a_name_of_its_own() -> None:
    """`--only` and the table tell them apart."""
    assert len({bug.name for bug in BUGS}) == len({bug.title for bug in BUGS}) == len(BUGS)


def test_every_finding_that_a_behaviour_leads_to_has_a_seeded_bug() -> None:
    """Some bug, or a class that it builds on, names it."""
    led_to = {
        name for one in BEHAVIOURS.values() for name in (*one.declaration.leads_to, *one.declaration.shows)
    }
    sources = {inspect.getsource(each) for bug in BUGS for each in bug.__mro__ if each is not object}
    text = "".join(sources)
    assert {name for name in led_to if f'"{name}"' not in text} == set()
