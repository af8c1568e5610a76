"""The longest time without a write that survived, beside the longest time without an ack."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

import msgspec
import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.judge import judge_checked
from harness.checks.measures.availability import worst_for_users
from harness.checks.measures.survival import survival, windows_without_survivor
from harness.checks.screen.screening import screen
from harness.checks.verdict.conclusion import why_clause
from harness.model.history import History
from harness.model.judgement import INFINITE, Finding, Interval, Judgement, SessionCounts, Window
from harness.model.records import AuditEntry, AuditSummary, Operation, Step
from harness.model.words import FindingSide, OperationKind, Outcome, StepKind
from harness.report.explain import explain
from harness.report.page import page
from harness.report.summary import summary
from harness.report.table import row
from harness.report.words import survival_is_known, without_survivor
from lab.past import Past
from lab.records import us
from tests.builders_metrics import expect, healthy, outline
from tests.builders_results import result, suite
from tests.in_parts import in_parts

WRITE, LOGIN = OperationKind.WRITE, OperationKind.LOGIN
SURVIVES = expect(
    "outage(surviving write): < 2s",
    2.0,
    unit="s",
    comparison="<",
    metric="outage",
    arguments=("surviving write",),
)
ACKED = expect("outage(write): < 2s", 2.0, unit="s", comparison="<", metric="outage", arguments=("write",))
AT_RISK = SessionCounts(total=300, at_risk=200, intact=200)


def left(history: History, *, without: Collection[int] = (), silent: Collection[str] = ()) -> History:
    """The history with witnesses of every write and log-in; the audit's primary holds all but some of them, and
    gives no answer about the silent sessions."""
    marked = tuple(
        msgspec.structs.replace(one, steps=tuple(_marked(one.id, step) for step in one.steps))
        if one.kind in {WRITE, LOGIN}
        else one
        for one in history.operations
    )
    audit = tuple(
        AuditEntry(
            pass_n=1,
            session=one.session,
            node="redis-2",
            role="primary",
            sent_us=us(20.1),
            done_us=us(20.2),
            saw={},
            witnesses=None if one.session in silent else () if one.id in without else (str(one.id),),
        )
        for one in marked
        if one.kind in {WRITE, LOGIN}
    )
    return replace(history, operations=marked, audit=audit)


def _marked(operation: int, step: Step) -> Step:
    return msgspec.structs.replace(step, witness=str(operation))


def longest(history: History, lost: Collection[int] = ()) -> Window | None:
    facts = facts_of(history)
    return windows_without_survivor(facts, survival(facts, lost))[1]


def between(history: History, from_s: float, to_s: float, web: str = "web-1") -> list[int]:
    """The writes of a web server that were due in this time."""
    return [
        one.id
        for one in history.operations
        if one.kind is WRITE and one.web_server == web and us(from_s) <= one.due_us < us(to_s)
    ]


def judged(history: History, lost: Collection[int]) -> Judgement:
    findings = [
        Finding(
            name="lost-write",
            side=FindingSide.CLOSED,
            operations=(one,),
            web_server="web-1",
            shard=1,
            t_us=us(11),
        )
        for one in lost
    ]
    counts = {"lost-write": Interval(low=len(findings), high=len(findings))}
    return judge_checked(history, (findings, counts, AT_RISK, ()))


def test_acked_writes_that_are_gone_leave_a_gap_that_no_outage_shows() -> None:
    """Every write is acked at once; those of eleven seconds are not there in the end."""
    history = healthy(outline()).history()
    gone = between(history, 4.0, 15.0)
    history = left(history, without=gone)
    found = longest(history, gone)
    assert worst_for_users(facts_of(history)) is None
    assert found is not None
    assert (found.group, found.failed) == ("web-1", 110)
    assert found.duration_s.low == pytest.approx(10.902, abs=1e-6)
    assert found.duration_s.high == pytest.approx(11.0, abs=1e-6)


def test_write_to_an_object_that_was_never_sent_is_no_session_write_either() -> None:
    """It has no steps to tell; what its behaviour does with the others tells."""
    history = healthy(outline()).history()
    unsent = between(history, 4.0, 15.0)

    def saves(one: Operation) -> Operation:
        if one.kind is not WRITE or one.web_server != "web-1":
            return one
        if one.id in unsent:
            return msgspec.structs.replace(one, behaviour="saves", outcome=Outcome.NOT_SENT, steps=())
        steps = tuple(msgspec.structs.replace(step, does=StepKind.PUT, witness=None) for step in one.steps)
        return msgspec.structs.replace(one, behaviour="saves", steps=steps)

    history = left(history)
    assert longest(replace(history, operations=tuple(map(saves, history.operations)))) is None


def test_what_is_never_lost_leaves_no_gap() -> None:
    """Where all is acked and all is there, there is none."""
    assert longest(left(healthy(outline()).history())) is None


@pytest.mark.parametrize("does", [StepKind.PUT, StepKind.LOOK])
def test_request_about_what_is_no_session_counts_for_neither(does: StepKind) -> None:
    """It leaves no witness whatever becomes of it; also one that only looked, on the way to a write."""
    history = left(healthy(outline()).history())
    about = set(between(history, 4.0, 8.0))
    beside = tuple(
        msgspec.structs.replace(
            one, steps=tuple(msgspec.structs.replace(step, does=does, witness=None) for step in one.steps)
        )
        if one.id in about
        else one
        for one in history.operations
    )
    assert longest(replace(history, operations=beside)) is None


def test_without_a_loss_it_is_the_outage() -> None:
    """Writes that were refused did not survive either: the same window as of writes."""
    past = outline()
    past.steady(WRITE, 0.0, 10.0)
    past.steady(WRITE, 10.0, 12.0, outcome=Outcome.REJECTED)
    past.steady(WRITE, 12.0, 20.0)
    history = left(past.history())
    outage, found = worst_for_users(facts_of(history)), longest(history)
    assert outage is not None
    assert found is not None
    assert (found.start_s, found.duration_s) == (outage.start_s, outage.duration_s)


def test_log_in_that_survived_ends_the_gap_and_a_lost_one_does_not() -> None:
    """Whoever takes a log-in that stays takes writes too: it bounds the upper end, as for outages."""
    past = outline()
    past.steady(WRITE, 0.0, 20.0, every_s=1.0)
    past.do(LOGIN, 5.5)
    history = past.history()
    gone = between(history, 6.0, 9.0)
    kept, lost = left(history, without=gone), left(history, without=[*gone, 21])
    after_login, after_write = longest(kept, gone), longest(lost, gone)
    assert after_login is not None
    assert after_write is not None
    assert after_login.duration_s.high == pytest.approx(3.5)
    assert after_write.duration_s.high == pytest.approx(4.0)
    assert after_login.duration_s.low == after_write.duration_s.low


def test_open_writes_count_at_the_upper_end_only() -> None:
    """A witness that is gone without a finding that says lost (an evicted list) proves nothing either way."""
    history = healthy(outline()).history()
    gone, unsaid = between(history, 10.0, 12.0), between(history, 12.0, 14.0)
    found = longest(left(history, without=[*gone, *unsaid]), gone)
    assert found is not None
    assert found.duration_s.low == pytest.approx(1.902, abs=1e-6)
    assert found.duration_s.high == pytest.approx(4.0, abs=1e-6)
    assert found.failed == len(gone)


def test_session_whose_primary_gave_no_answer_is_open() -> None:
    """As it is without any witness list."""
    history = healthy(outline()).history()
    unsaid = between(history, 12.0, 14.0)
    silent = {one.session for one in history.operations if one.id in unsaid}
    found = longest(left(history, silent=silent))
    assert found is not None
    assert found.duration_s.low == 0
    assert found.duration_s.high == pytest.approx(2.0, abs=1e-6)


def test_web_servers_are_apart() -> None:
    """What one of them wrote to the new primary does not hide what another lost on the old one."""
    past = outline()
    past.steady(WRITE, 0.0, 20.0, every_s=0.05)
    past.steady(WRITE, 0.03, 20.0, web="web-2")
    history = past.history()
    gone = between(history, 10.0, 15.0, web="web-2")
    history = left(history, without=gone)
    windows, found = windows_without_survivor(facts_of(history), survival(facts_of(history), gone))
    assert found is not None
    assert found.group == "web-2"
    assert found.duration_s.low > 4.8
    assert windows == ()  # of all web servers together there is none of 0.1 s


def test_none_survived_to_the_end_has_no_end() -> None:
    """Censored, as an outage is that had not ended."""
    history = healthy(outline()).history()
    gone = between(history, 10.0, 20.0)
    found = longest(left(history, without=gone), gone)
    assert found is not None
    assert found.duration_s.low > 9.8
    assert found.duration_s.high == INFINITE


def forgotten(past: Past, sid: str, witness: str) -> None:
    """By the primary, and whoever has its data."""
    past.stores["redis-1"].witnesses[sid].remove(witness)


def test_where_most_sessions_are_clean_the_others_are_looked_up() -> None:
    """A replica that has it still does not make it one that survived."""
    past = Past()
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.1)
    past.change(ann, 2.0)
    past.change(bob, 2.1)
    past.cut_off("redis-3", 4.0)
    past.act(5.0, lambda: forgotten(past, bob, "4"))
    history = past.history()
    assert 0 < len(screen(history).suspects.table) < len(history.table)
    facts = facts_of(history)
    survived = survival(facts, ())
    assert facts.traffic.id[survived.at_least.succeeded & ~survived.at_most.succeeded].tolist() == [4]
    past.acts.pop()
    assert survival(facts_of(past.history()), ()).decided


def test_where_every_session_is_a_suspect_all_are_looked_up_part_by_part() -> None:
    """Of a long run no more than a part is in memory, and only the columns that were asked for."""
    past = Past()
    for user, change in (("ann", "2"), ("bob", "4")):
        sid = past.log_in(user, 1.0)
        past.change(sid, 2.0)
        past.act(5.0, partial(forgotten, past, sid, change))
    with in_parts(past.history(), 1) as apart:
        assert screen(apart).suspects is apart
        facts = facts_of(apart)
        survived = survival(facts, ())
        gone = survived.at_least.succeeded & ~survived.at_most.succeeded
        assert facts.traffic.id[gone].tolist() == [2, 4]


def test_of_two_primaries_the_one_promoted_last_is_asked() -> None:
    """Another node that calls itself primary may hold what nobody will ever see again, and lack what is there."""
    history = healthy(outline()).history()
    gone = between(history, 10.0, 12.0)
    audited = left(history, without=gone)
    zombie = tuple(
        msgspec.structs.replace(one, node="redis-1", witnesses=() if one.witnesses else (one.session[1:],))
        for one in audited.audit
    )
    promoted = msgspec.structs.replace(
        history.events[0], source="sentinel-1", name="promoted", node="redis-2", t_us=us(11.0), fault=None
    )
    both = replace(audited, audit=(*audited.audit, *zombie), events=(*history.events, promoted))
    found = longest(both, gone)
    assert found is not None
    assert found.duration_s.low == pytest.approx(1.902, abs=1e-6)
    assert survival(facts_of(both), gone).decided
    assert not survival(facts_of(both), ()).decided, "what the zombie alone holds is not there"


def test_expectations_tell_acked_from_surviving() -> None:
    """The same run meets the limit for acks and misses the one for writes that survived."""
    history = healthy(outline(expectations=(ACKED, SURVIVES))).history()
    gone = between(history, 10.0, 15.0)
    acked, survives = judged(left(history, without=gone), gone).expectations
    assert (acked.met, survives.met) == (True, False)
    assert survives.measured == "4.90 s to 5.00 s"


@pytest.mark.parametrize(("from_s", "met"), [(14.0, True), (12.6, None), (10.0, False)])
def test_bound_within_the_interval_is_undecided(from_s: float, met: bool | None) -> None:
    """Met or missed only by the whole interval."""
    expected = expect(
        "outage(surviving write): < 2.4s",
        2.4,
        unit="s",
        comparison="<",
        metric="outage",
        arguments=("surviving write",),
    )
    history = healthy(outline(expectations=(expected,), loop_lag_s=0.0, canary_lag_s=0.0)).history()
    gone = between(history, from_s, 15.0)
    (survives,) = judged(left(history, without=gone), gone).expectations
    assert survives.met is met


def test_without_a_valid_audit_it_is_undecided() -> None:
    """Nobody looked what is there: the lower end is what was not even acked, and there is no upper end."""
    history = left(healthy(outline(expectations=(SURVIVES,))).history())
    unaudited = replace(history, audit=(), audit_summary=AuditSummary(passes=3, reason="it kept changing"))
    judgement = judged(unaudited, [])
    assert judgement.expectations[0].met is None
    assert "it kept changing" in judgement.expectations[0].why
    assert without_survivor(judgement) == "not known"


def test_what_was_refused_misses_the_limit_even_without_an_audit() -> None:
    """A write that nobody took did not survive, whatever else is not known."""
    past = outline(expectations=(SURVIVES,))
    past.steady(WRITE, 0.0, 10.0)
    past.steady(WRITE, 10.0, 15.0, outcome=Outcome.REJECTED)
    past.steady(WRITE, 15.0, 20.0)
    unaudited = replace(left(past.history()), audit=(), audit_summary=None)
    judgement = judged(unaudited, [])
    assert judgement.expectations[0].met is False
    assert without_survivor(judgement) == "web-1: ≥ 4.9 s, more is not known"


def test_without_witnesses_it_can_never_be_decided() -> None:
    """`plan` refuses it, and a saved run leaves it undecided."""
    past = healthy(outline(expectations=(SURVIVES,), witnesses=False))
    (result,) = judged(left(past.history()), []).expectations
    assert result.met is None
    assert "surviving write needs witnesses" in result.why


@pytest.mark.usefixtures("undrawn")
def test_without_witnesses_no_report_says_a_time() -> None:
    """A run of somebody's own application has none, and is not said to fail at its end."""
    past = outline(witnesses=False)
    past.steady(WRITE, 0.0, 10.0)
    past.steady(WRITE, 10.0, 15.0, outcome=Outcome.REJECTED)
    past.steady(WRITE, 15.0, 20.0)
    history = left(past.history())
    judgement = judged(history, [])
    assert not survival_is_known(judgement.metrics)
    assert {one.kind for one in judgement.metrics.outages} == {WRITE}
    reported = replace(result(), judgement=judgement)
    assert row(reported).without_survivor == "not known"
    assert not any("surviving" in one for one in explain(reported, "."))
    html = page(reported, history)
    assert "<span>no surviving write</span>" not in html
    assert "<span>lag at the fault</span>" in html
    assert why_clause(judgement) == "no loss seen, 200 sessions at risk"


@pytest.mark.usefixtures("undrawn")
def test_time_without_end_is_no_failure_where_nobody_looked() -> None:
    """The list of times says it as the table does."""
    past = outline()
    past.steady(WRITE, 0.0, 10.0)
    past.steady(WRITE, 10.0, 15.0, outcome=Outcome.REJECTED)
    past.steady(WRITE, 15.0, 20.0)
    history = replace(left(past.history()), audit=(), audit_summary=None)
    html = page(replace(result(), judgement=judged(history, [])), history)
    assert "≥ 4.9 s, more is not known" in html
    assert "still failing at the end of the run" not in html


def test_sum_of_the_gaps_can_be_expected_too() -> None:
    """`downtime` is to `outage` what it always is."""
    expected = expect(
        "downtime(surviving write): > 3s",
        3.0,
        unit="s",
        comparison=">",
        metric="downtime",
        arguments=("surviving write",),
    )
    history = healthy(outline(expectations=(expected,))).history()
    gone = [*between(history, 10.0, 12.0), *between(history, 13.0, 15.0)]
    (result,) = judged(left(history, without=gone), gone).expectations
    assert result.met
    assert result.low == pytest.approx(2 * 1.902, abs=1e-6)


def test_reports_say_it_beside_the_outage() -> None:
    """Table and summary.json; with the reason where it is not known."""
    history = healthy(outline()).history()
    gone = between(history, 10.0, 15.0)
    judgement = judged(left(history, without=gone), gone)
    assert without_survivor(judgement) == "web-1: 4.9 s to 5.0 s"
    (one,) = summary(suite(replace(result(), judgement=judgement)))["scenarios"]
    assert one["longest_outage"] is None
    assert one["longest_without_surviving_write"] == {
        "where": "web-1",
        "start_s": 0.002,
        "at_least_s": 4.902,
        "duration_s": 5.0,
        "not_known": "",
    }


def test_summary_says_why_it_is_not_known() -> None:
    """Never null for what nobody looked at."""
    unaudited = replace(left(healthy(outline()).history()), audit=(), audit_summary=None)
    (one,) = summary(suite(replace(result(), judgement=judged(unaudited, []))))["scenarios"]
    said = one["longest_without_surviving_write"]
    assert said["duration_s"] is None
    assert said["not_known"] == "the run ended before its audit"


def test_until_the_end_is_said_so() -> None:
    """Not as an outage: requests were answered."""
    history = healthy(outline(expectations=(SURVIVES,))).history()
    gone = between(history, 10.0, 20.0)
    judgement = judged(left(history, without=gone), gone)
    assert without_survivor(judgement) == "web-1: ≥ 9.8 s, until the end of the run"
    assert judgement.expectations[0].measured == "≥ 9.80 s, and none survived until the end"
