"""One verdict from expectations, findings and gaps, and the sentence that explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.judge import judge_checked
from harness.checks.promises.table import FINDINGS, having
from harness.checks.verdict.conclusion import why_clause
from harness.model.directive_table import LEFT_OUT
from harness.model.directives import LeftOut
from harness.model.finding_kind import FindingTrait, Limit
from harness.model.history import History
from harness.model.judgement import INFINITE, Finding, Interval, Judgement, SessionCounts, Window
from harness.model.records import Closing
from harness.model.scenario import Term
from harness.model.words import Cause, FindingSide, OperationKind, Outcome, Phase, Shows, Verdict
from lab.records import us
from tests.builders_metrics import END_S, expect, healthy, outline
from tests.share import examples

AT_RISK = SessionCounts(total=300, at_risk=200, intact=200)
WORSE = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}
NONE_LOST = expect("lost-write: 0", 0)
SOME_LOST = expect("lost-write: > 0", 0, comparison=">")


def finding(
    name: str = "lost-write", *, n: int = 1, cause: Cause = Cause.SPLIT_BRAIN, t_s: float = 11.0
) -> Finding:
    is_open = name in {"resurrected-session", "outlived-timeout"}
    return Finding(
        name=name,
        side=FindingSide.OPEN if is_open else FindingSide.CLOSED,
        session=f"s{n}",
        operations=(n,),
        t_us=us(t_s),
        cause=cause,
        shard=1,
    )


def judged(
    history: History,
    findings: Sequence[Finding] = (),
    *,
    undecidable: dict[str, int] | None = None,
    crashed: tuple[str, ...] = (),
) -> Judgement:
    extra = undecidable or {}
    counts = {}
    for name in {one.name for one in findings} | set(extra):
        proved = sum(one.name == name for one in findings)
        counts[name] = Interval(low=proved, high=proved + extra.get(name, 0))
    return judge_checked(history, (findings, counts, AT_RISK, crashed))


def run(*expectations: tuple[Any, ...], **past: Any) -> History:
    return healthy(outline(expectations=expectations, **past)).history()


def test_nothing_found_and_nothing_missing_passes() -> None:
    """A scenario without expectations says: no findings at all."""
    judgement = judged(run())
    assert judgement.verdict is Verdict.PASS
    assert judgement.reasons == ("no findings",)
    assert why_clause(judgement) == "nothing lost, 200 sessions at risk"


def test_finding_that_no_expectation_names_fails() -> None:
    """Also where every expectation is met: what was not expected must not be there."""
    judgement = judged(run(NONE_LOST), [finding("stale-read", cause=Cause.NOT_DETERMINED)])
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons[0] == "1 stale-read: not determined; no expectation allows this"


def test_unmet_expectation_says_measured_expected_and_causes() -> None:
    """One sentence with the number, the bound and the share of each cause."""
    lost = [finding(n=n) for n in range(1, 50)] + [finding(n=50, cause=Cause.NOT_DETERMINED)]
    judgement = judged(run(NONE_LOST), lost)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons[0] == (
        "lost-write was 50, expected 0 (50 lost-write: 98 % acked by a deposed primary, 2 % not determined)"
    )


def test_open_findings_are_said_first() -> None:
    """Somebody who gets in comes before everything that keeps people out."""
    judgement = judged(run(), [finding(t_s=10.1), finding("resurrected-session", t_s=14.0)])
    assert judgement.reasons[0].startswith("1 resurrected-session")
    assert [one.name for one in judgement.findings] == ["resurrected-session", "lost-write"]


def test_bound_from_settings_shows_its_value() -> None:
    """`down_after + 4s` is written with what it came to."""
    bound = expect(
        "outage(write): < down_after + 1s",
        2.0,
        unit="s",
        arguments=("write",),
        comparison="<",
        setting="down_after",
    )
    past = outline(expectations=[bound])
    past.steady(OperationKind.WRITE, 0.0, 10.0)
    past.steady(OperationKind.WRITE, 10.0, 14.0, outcome=Outcome.REJECTED)
    past.steady(OperationKind.WRITE, 14.0, 20.0)
    judgement = judged(past.history())
    assert judgement.reasons[0] == "outage(write) was 3.90 s to 4.10 s, expected < down_after + 1s (2.00 s)"
    assert judgement.metrics.measured[bound[0].text].low == pytest.approx(3.902)


def test_weakness_passes_when_it_is_seen() -> None:
    """Proof that the kit can see it."""
    judgement = judged(run(SOME_LOST, shows=Shows.WEAKNESS), [finding(), finding(n=2)])
    assert judgement.verdict is Verdict.PASS
    assert judgement.reasons[0] == "shown: 2 lost-write: acked by a deposed primary"
    assert why_clause(judgement) == "2 lost-write: acked by a deposed primary"


def test_weakness_that_is_not_seen_is_not_shown() -> None:
    """It fails, in words that do not claim a broken promise."""
    judgement = judged(run(SOME_LOST, shows=Shows.WEAKNESS))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons[0] == "not shown: lost-write was 0, expected > 0"


def test_weakness_has_no_chance_on_a_late_machine() -> None:
    """Where hardly anything is acked, hardly anything is lost. What was demanded of a time is unmet all the
    same: a late machine makes it longer. So is what must not happen too often."""
    slow = judged(run(SOME_LOST, loop_lag_s=0.9, shows=Shows.WEAKNESS))
    assert slow.verdict is Verdict.INCONCLUSIVE
    assert slow.reasons[0].endswith("delayed by 8100 ms, which is too much to judge a limit of 1 s")
    late = run(SOME_LOST, LONG, NONE_LOST, loop_lag_s=0.9, shows=Shows.WEAKNESS)
    failed = judged(late, [finding()])
    assert failed.verdict is Verdict.FAIL
    assert [one.met for one in failed.expectations] == [True, False, False]


def test_late_machine_excuses_less_and_no_more() -> None:
    """Exactly one was demanded of a weakness: two are one too many on any machine."""
    exactly_one = expect("lost-write: 1", 1)
    late = run(exactly_one, loop_lag_s=0.9, shows=Shows.WEAKNESS)
    assert judged(late).verdict is Verdict.INCONCLUSIVE
    assert judged(late, [finding(), finding(n=2)]).verdict is Verdict.FAIL


LONG = expect("outage(write): > 1h", 3600, unit="s", arguments=("write",), comparison=">")


def test_undecided_expectation_is_inconclusive() -> None:
    """Neither met nor unmet, with what was measured and why it is open."""
    judgement = judged(run(NONE_LOST), undecidable={"lost-write": 3})
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons[0].startswith("lost-write: 0 is undecided: measured 0 to 3")


def test_undecidable_findings_that_nobody_names_are_inconclusive() -> None:
    """None is allowed, and whether there was one cannot be said."""
    judgement = judged(run(NONE_LOST), undecidable={"resurrected-session": 1})
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons[0] == "resurrected-session: 1 cannot be decided, and none is allowed"


def test_crashed_check_is_inconclusive_and_hides_no_failure() -> None:
    """What it might have found is missing; what others found still fails."""
    assert judged(run(), crashed=("torn: KeyError",)).verdict is Verdict.INCONCLUSIVE
    failed = judged(run(), [finding()], crashed=("torn: KeyError",))
    assert failed.verdict is Verdict.FAIL
    assert "a check crashed: torn: KeyError" in failed.reasons


def test_starved_host_matters_only_where_a_time_is_expected() -> None:
    """A scenario about losses passes on a slow machine, and says nothing about it as a gap."""
    slow = judged(run(NONE_LOST, loop_lag_s=0.9))
    assert slow.verdict is Verdict.PASS
    assert slow.evidence == ()
    assert slow.metrics.starved == "delayed by 8100 ms, which is too much to judge a limit of 1 s"
    timed = judged(run(BRIEF, loop_lag_s=1.0))
    assert timed.verdict is Verdict.INCONCLUSIVE
    assert "delayed by" in timed.reasons[0]


BRIEF = expect("outage(write): < 1s", 1, unit="s", arguments=("write",), comparison="<", timing=True)
SHORT_TIMEOUT_S = 4.0


TOO_LONG = [
    (name, named)
    for name in sorted(having(FindingTrait.TIMED))
    for named in (True, False)
    if FINDINGS[name].limit is not Limit.LOSS_BUDGET  # where nothing may be lost, no time decides
    and not (named and FINDINGS[name].of_guest)  # nobody could be expected to do it in this run
]


@pytest.mark.parametrize(("name", "named"), TOO_LONG)
def test_what_took_too_long_on_a_late_host_is_undecided(name: str, named: bool) -> None:
    """Sessions that timed out because failing over took long, work after a lease ended: on a late host
    that says nothing about the topology. On any other it is what it is."""
    expected = [BRIEF, expect(f"{name}: 0", 0)] if named else [BRIEF]
    how = {"idle_s": SHORT_TIMEOUT_S}
    assert judged(run(*expected, **how), [finding(name)]).verdict is Verdict.FAIL
    late = judged(run(*expected, loop_lag_s=0.9, **how), [finding(name)])
    assert late.verdict is Verdict.INCONCLUSIVE
    assert any(name in reason and "delayed by" in reason for reason in late.reasons)
    assert not any("none seen" in reason for reason in late.reasons)


@pytest.mark.parametrize(
    ("name", "limit_s"),
    [("no-recovery", 45.0), ("logged-out-by-outage", 4.0), ("lease-overrun", 1.0)],
)
def test_lateness_is_held_against_what_the_finding_may_take(name: str, limit_s: float) -> None:
    """More than an eighth of its own limit, and of nobody else's: 0.5 s says nothing about 45 s."""
    for late_s, verdict in ((limit_s / 8, Verdict.FAIL), (limit_s / 8 + 0.001, Verdict.INCONCLUSIVE)):
        history = run(BRIEF, idle_s=SHORT_TIMEOUT_S)
        once = tuple(
            msgspec.structs.replace(
                pair, loop_lag_us=us(late_s) if pair.t_us == us(12) else 0, cpu_pressure=0
            )
            for pair in history.clocks
        )
        assert judged(replace(history, clocks=once), [finding(name)]).verdict is verdict


def test_expectation_on_a_group_allows_nothing_elsewhere() -> None:
    """Losses allowed on web-1 are not allowed on web-2."""
    there = expect("lost-write on web-1: > 0", 0, comparison=">", on="web-1")
    mine = replace(finding(), web_server="web-1")
    other = replace(finding(n=2), web_server="web-2")
    assert judged(run(there), [mine]).verdict is Verdict.PASS
    judgement = judged(run(there), [mine, other])
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons[0].startswith("1 lost-write: acked by a deposed primary; no expectation")


def test_expectation_in_a_phase_allows_nothing_in_another() -> None:
    """A promise made in the baseline and broken is not covered by `in fault`."""
    there = expect("lost-write in fault: > 0", 0, comparison=">", phase=Phase.FAULT)
    assert judged(run(there), [finding(t_s=11.0)]).verdict is Verdict.PASS
    assert judged(run(there), [finding(t_s=11.0), finding(n=2, t_s=3.0)]).verdict is Verdict.FAIL


def test_expectation_on_what_wait_had_counted_allows_nothing_else() -> None:
    """`lost-write(waited)` counts writes that enough replicas had, and says nothing of the others."""
    waited = expect("lost-write(waited): > 0", 0, arguments=("waited",), comparison=">")
    history = _waiting(run(waited))
    had, had_not = replace(finding(), waited=True), replace(finding(n=2), waited=False)
    assert judged(history, [had]).verdict is Verdict.PASS
    assert judged(history, [had, had_not]).verdict is Verdict.FAIL
    judgement = judged(history, [had_not])
    assert judgement.expectations[0].measured == "0"
    none = expect("lost-write(waited): 0", 0, arguments=("waited",))
    assert judged(run(none)).verdict is Verdict.INCONCLUSIVE


def _waiting(history: History) -> History:
    """The same, by a client that waits for one replica."""
    scenario = history.plan.scenario
    client = replace(scenario.deployment.client, wait_replicas=1)
    scenario = replace(scenario, deployment=replace(scenario.deployment, client=client))
    return replace(history, plan=replace(history.plan, scenario=scenario))


def test_share_names_its_finding() -> None:
    """`share(lost-write)` is about lost-write: nothing else has to name it."""
    share = expect("share(lost-write): > 0%", 0, unit="%", arguments=("lost-write",), comparison=">")
    assert judged(run(share), [finding(t_s=10.0)]).verdict is Verdict.PASS


def test_outage_before_any_traffic_got_through_is_inconclusive() -> None:
    """A workload that never worked teaches nothing, however long its outage."""
    outage = expect("outage(write): < 1s", 1, unit="s", arguments=("write",), comparison="<")
    past = outline(expectations=[outage])
    past.steady(OperationKind.WRITE, 0.0, 20.0, outcome=Outcome.REJECTED)
    judgement = judged(past.history(), [finding("logged-out-by-outage")])
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons[0] == "no operation succeeded before the fault"


def test_why_is_one_short_clause() -> None:
    """The table's last column stays a column, and says nothing by halves."""
    many = [finding(f"finding-number-{n}-with-a-long-name") for n in range(9)]
    judgement = judged(run(SOME_LOST), many)
    clause = why_clause(judgement)
    assert len(clause) <= 110
    assert judgement.reasons[0].startswith(clause.removesuffix(" …"))


def test_why_leaves_out_the_second_finding_where_it_does_not_fit() -> None:
    """No sentence breaks off in the middle of a number."""
    causes = list(Cause)[:3]
    allowed = expect("stale-read: >= 0", 0, comparison=">=")
    seen = [finding(name, cause=cause) for name in ("lost-write", "stale-read") for cause in causes]
    weak = judged(run(SOME_LOST, allowed, shows=Shows.WEAKNESS), seen)
    assert why_clause(weak) == weak.reasons[0].removeprefix("shown: ")


PROPERTY = examples(60, 6)
"""A shared machine is too noisy for deadlines per example."""

NAMES = st.sampled_from(["lost-write", "lost-session", "stale-read", "resurrected-session", "expired-early"])
FOUND = st.lists(
    st.builds(finding, NAMES, n=st.integers(1, 300), t_s=st.floats(0, 19, allow_nan=False)), max_size=8
)
EXPECTATIONS = st.lists(
    st.sampled_from(
        [
            NONE_LOST,
            expect("lost-write: <= 3", 3, comparison="<="),
            expect("lost-session in fault: 0", 0, phase=Phase.FAULT),
            expect("stale-read: < 2", 2, comparison="<"),
            expect("share(lost-write): <= 2%", 2, unit="%", arguments=("lost-write",), comparison="<="),
            expect("loss window: <= 4s", 4, unit="s", comparison="<="),
        ]
    ),
    unique_by=lambda one: one[0].text,
    max_size=4,
)
UNDECIDABLE = st.dictionaries(NAMES, st.integers(0, 2), max_size=2)
TRAFFIC = healthy(outline())


def with_expectations(expectations: Sequence[tuple[Any, ...]]) -> History:
    return outline(expectations=expectations, operations=TRAFFIC.operations).history()


@PROPERTY
@given(EXPECTATIONS, FOUND, UNDECIDABLE, st.integers(1, 300), st.floats(0, 19))
def test_one_more_lost_write_never_improves_a_promise(
    expectations: list[tuple[Any, ...]],
    findings: list[Finding],
    undecidable: dict[str, int],
    n: int,
    t_s: float,
) -> None:
    """Whatever else was found: with another acked write lost, the verdict is as bad or worse."""
    history = with_expectations(expectations)
    before = judged(history, findings, undecidable=undecidable).verdict
    after = judged(history, [*findings, finding(n=n, t_s=t_s)], undecidable=undecidable).verdict
    assert WORSE[after] >= WORSE[before]


@PROPERTY
@given(
    st.lists(
        st.sampled_from([SOME_LOST, NONE_LOST, expect("failovers: 0", 0)]),
        unique_by=lambda one: one[0].text,
        max_size=3,
    ),
    FOUND,
    UNDECIDABLE,
    st.sets(
        st.sampled_from(["closing", "audit", "audit_summary", "samples", "clocks", "events"]), min_size=1
    ),
)
def test_less_evidence_never_makes_a_pass(
    expectations: list[tuple[Any, ...]],
    findings: list[Finding],
    undecidable: dict[str, int],
    taken: set[str],
) -> None:
    """Without a closing, audit, samples, clocks or events nothing becomes PASS that was not."""
    history = with_expectations(expectations)
    gone = {name: None if name in {"closing", "audit_summary"} else () for name in taken}
    before = judged(history, findings, undecidable=undecidable).verdict
    after = judged(replace(history, **gone), findings, undecidable=undecidable).verdict  # type: ignore[arg-type]
    assert after is not Verdict.PASS or before is Verdict.PASS
    if taken - {"clocks"}:
        assert after is not Verdict.PASS


def _asked_for(history: History, *names: str) -> History:
    left_out = tuple(
        LeftOut(table="redis", name=n, why="because", decides=LEFT_OUT[n].decides) for n in names
    )
    scenario = history.plan.scenario
    topology = replace(scenario.deployment.topology, left_out=left_out)
    scenario = replace(scenario, deployment=replace(scenario.deployment, topology=topology))
    return replace(history, plan=replace(history.plan, scenario=scenario))


@pytest.mark.parametrize(
    "name",
    ["aclfile", "sentinel myid", "replica-announce-ip", "tls-port"],
)
@pytest.mark.parametrize("shows", list(Shows))
def test_nothing_passes_when_a_directive_was_left_out_that_can_decide(name: str, shows: Shows) -> None:
    """Another deployment was run than the one that was asked about: neither kept nor shown, with the reason."""
    weak = shows is Shows.WEAKNESS
    history, found = run(SOME_LOST if weak else NONE_LOST, shows=shows), [finding()] if weak else []
    assert judged(history, found).verdict is Verdict.PASS
    judgement = judged(_asked_for(history, "port", name), found)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert f"left out: {name} (redis): because" in judgement.reasons[0]
    assert "port" not in judgement.reasons[0].replace(name, "")


def test_a_proved_violation_outlives_what_was_left_out() -> None:
    """What this run lost it lost; the reason stands beside it."""
    judgement = judged(_asked_for(run(NONE_LOST), "aclfile"), [finding()])
    assert judgement.verdict is Verdict.FAIL
    assert any("aclfile" in reason for reason in judgement.reasons[1:])


def test_what_decides_nothing_leaves_the_verdict_alone() -> None:
    """Addresses, file names and logs are the kit's own in every run."""
    assert judged(_asked_for(run(), "port", "dir", "logfile")).verdict is Verdict.PASS


def test_a_plan_of_an_earlier_version_is_judged_by_what_it_asks_for() -> None:
    """Its directives stand among those that were used; the nodes of that run were not given them either."""
    history = run()
    scenario = history.plan.scenario
    topology = replace(scenario.deployment.topology, redis={"tls-port": "6390", "hz": "10"})
    scenario = replace(scenario, deployment=replace(scenario.deployment, topology=topology))
    judgement = judged(replace(history, plan=replace(history.plan, scenario=scenario)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "left out: tls-port (redis)" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("text", "bound", "comparison"),
    [
        ("lost-session: > -1", -1, ">"),
        ("lost-session: >= 0", 0, ">="),
        ("at risk: > 0", 0, ">"),
        ("acked(read): > 0", 0, ">"),
    ],
)
def test_weakness_that_nothing_demands_is_not_shown(text: str, bound: float, comparison: str) -> None:
    """Such a file is refused; the plan of a saved run may be from elsewhere, and showed nothing."""
    arguments = ("read",) if "(read)" in text else ()
    expectation, planned = expect(text, bound, arguments=arguments, comparison=comparison)
    expectation = replace(expectation, bound=(Term(factor=bound),))
    judgement = judged(run((expectation, planned), shows=Shows.WEAKNESS))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons == ("a weakness passes when it is shown, and no expectation demands that",)


# ---------------------------------------------------------------- words


def test_what_was_measured_is_said_of_a_pass() -> None:
    """Each measure with its number; what was not expected to be none was allowed."""
    some = expect("lost-write: >= 0", 0, comparison=">=")
    judgement = judged(run(some, expect("failovers: 0", 0)), [finding()])
    assert judgement.reasons == ("no unexpected findings; lost-write 1, failovers 0",)
    shown = judged(run(expect("failovers: < 1", 1, comparison="<"), shows=Shows.PROMISE))
    assert shown.reasons == ("no findings; failovers 0",)
    assert judged(run(expect("rejected(login): >= 0", 0, comparison=">=", arguments=("login",)))).reasons == (
        "no findings; rejected(login) 0",
    )


def test_weakness_without_a_finding_says_what_was_measured() -> None:
    """The number is what was to be seen."""
    slow = expect("latency(login, max): > 1ms", 0.001, unit="s", comparison=">", arguments=("login", "max"))
    judgement = judged(run(slow, shows=Shows.WEAKNESS))
    assert judgement.verdict is Verdict.PASS
    assert judgement.reasons == ("shown: latency(login, max) 2.0 ms",)


def test_not_shown_is_said_of_what_was_to_be_more() -> None:
    """A weakness that must not go too far is not "not shown" where it did; nor is a promise."""
    judgement = judged(run(expect("lost-write: < 1", 1, comparison="<"), shows=Shows.WEAKNESS), [finding()])
    assert judgement.reasons[0] == "lost-write was 1, expected < 1 (1 lost-write: acked by a deposed primary)"
    judgement = judged(run(SOME_LOST, shows=Shows.WEAKNESS))
    assert judgement.reasons[0] == "not shown: lost-write was 0, expected > 0"
    judgement = judged(run(expect("lost-write: >= 1", 1, comparison=">="), shows=Shows.WEAKNESS))
    assert judgement.reasons[0] == "not shown: lost-write was 0, expected >= 1"
    assert judged(run(SOME_LOST)).reasons[0] == "lost-write was 0, expected > 0"


def test_causes_are_those_in_the_expectations_group() -> None:
    """Losses elsewhere are not why this one is unmet."""
    on_shard = expect("lost-write on shard 1: 0", 0, on="shard 1")
    elsewhere = replace(finding(n=2, cause=Cause.FLUSHED), shard=2)
    judgement = judged(run(on_shard, expect("lost-write: >= 0", 0, comparison=">=")), [finding(), elsewhere])
    assert judgement.reasons[0] == (
        "lost-write on shard 1 was 1, expected 0 (1 lost-write: acked by a deposed primary)"
    )


def test_open_reasons_come_before_closed_ones_also_where_they_are_expected() -> None:
    """Who gets in is said first, each sentence once."""
    in_again = expect("resurrected-session: 0", 0)
    judgement = judged(run(NONE_LOST, in_again), [finding(), finding("resurrected-session")])
    assert judgement.reasons[0].startswith("resurrected-session was 1")
    assert judgement.reasons[1].startswith("lost-write was 1")
    assert len(judgement.reasons) == 2


def test_findings_are_told_the_open_ones_first_then_the_most_frequent() -> None:
    """Of the same number by their names."""
    allowed = [
        expect(f"{name}: >= 0", 0, comparison=">=") for name in ("lost-write", "stale-read", "lost-session")
    ]
    allowed += [expect("resurrected-session: >= 0", 0, comparison=">="), SOME_LOST]
    seen = [finding("stale-read"), finding("stale-read", n=2), finding("lost-write"), finding("lost-session")]
    seen += [finding("resurrected-session")]
    judgement = judged(run(*allowed, shows=Shows.WEAKNESS), seen)
    assert [reason.split()[2].rstrip(":") for reason in judgement.reasons] == [
        "resurrected-session",
        "stale-read",
        "lost-session",
        "lost-write",
    ]


def test_findings_are_in_the_order_of_their_promises() -> None:
    """Open ones first; by the sight where no promise has a time; at the same time by name."""
    late, early = finding(n=1, t_s=12.0), finding(n=2, t_s=11.0)
    seen = replace(finding("stale-read", n=3), t_us=None, seen_us=us(11.5))
    never = replace(finding("torn-state", n=4), t_us=None)
    same = finding("lost-session", n=5, t_s=11.0)
    judgement = judged(run(), [late, early, seen, never, same])
    assert [one.session for one in judgement.findings] == ["s4", "s5", "s2", "s3", "s1"]


# ---------------------------------------------------------------- the table's last column


def _quiet(judgement: Judgement, **metrics: Any) -> Judgement:
    return replace(judgement, metrics=replace(judgement.metrics, **metrics))


def _out(kind: str, low: float, high: float = INFINITE) -> Window:
    return Window(kind=kind, group="all", start_s=0.0, duration_s=Interval(low=low, high=high), failed=1)


def test_quiet_run_says_how_many_were_at_risk() -> None:
    """One session is one; what nobody could tell is not "nothing lost"."""
    quiet = judged(run())
    assert why_clause(quiet) == "nothing lost, 200 sessions at risk"
    assert why_clause(_quiet(quiet, sessions=SessionCounts(at_risk=1))) == "nothing lost, 1 session at risk"
    assert why_clause(_quiet(quiet, sessions=SessionCounts(at_risk=2000))) == (
        "nothing lost, 2,000 sessions at risk"
    )
    assert why_clause(_quiet(quiet, losses_unknown="no audit")) == "no loss seen, 200 sessions at risk"


def test_quiet_run_says_what_still_failed_at_its_end() -> None:
    """For a second or more, each kind once."""
    quiet = judged(run())
    still = (_out("login", 1.0), _out("login", 3.0), _out("read", 0.999), _out("write", 5.0, 6.0))
    assert (
        why_clause(_quiet(quiet, outages=still))
        == "nothing lost, but login still failed at the end of the run"
    )
    assert why_clause(_quiet(quiet, outages=still, losses_unknown="no audit")) == (
        "no loss seen, but login still failed at the end of the run"
    )
    assert why_clause(_quiet(quiet, outages=(_out("touch", 2.0), _out("login", 2.0)))) == (
        "nothing lost, but touch, login still failed at the end of the run"
    )


def test_write_of_which_nobody_knows_whether_it_survived_did_not_fail() -> None:
    """Its time has no end because nobody could look; a healthy application is not blamed."""
    open_ = _quiet(judged(run()), outages=(_out("surviving write", 2.6),))
    assert why_clause(_quiet(open_, losses_unknown="no audit")) == "no loss seen, 200 sessions at risk"
    assert "surviving write still failed" in why_clause(open_)


@pytest.mark.parametrize(("length", "fits"), [(110, True), (111, False)])
def test_last_column_has_a_hundred_and_ten_characters(length: int, fits: bool) -> None:
    """A clause that just fits is whole."""
    judgement = replace(judged(run(NONE_LOST), [finding()]), reasons=("word " * 20 + "x" * (length - 100),))
    assert (why_clause(judgement) == judgement.reasons[0]) is fits


# ---------------------------------------------------------------- what leaves a run open


def test_topology_that_did_not_recover_is_open_unless_that_was_asked() -> None:
    """`no-recovery` names it."""
    stuck = Closing(t_us=us(END_S), not_recovered="two primaries")
    reason = "the topology did not recover: two primaries"
    assert judged(replace(run(), closing=stuck)).reasons == (reason,)
    asked = expect("no-recovery: >= 0", 0, comparison=">=")
    assert judged(replace(run(asked), closing=stuck)).verdict is Verdict.PASS
    only_there = expect("no-recovery on shard 1: >= 0", 0, comparison=">=", on="shard 1")
    assert reason in judged(replace(run(only_there), closing=stuck)).reasons


@pytest.mark.parametrize(
    ("named", "open_"),
    [
        ((), True),
        (("expired-early",), True),
        (("outlived-timeout",), True),
        (("expired-early", "outlived-timeout"), False),
    ],
)
def test_clocks_that_moved_apart_leave_deadlines_open_unless_both_were_asked(
    named: tuple[str, ...], open_: bool
) -> None:
    """Either may have been hidden by the clock."""
    expected = [expect(f"{name}: >= 0", 0, comparison=">=") for name in named]
    reasons = judged(run(*expected, drift_ms=60)).reasons
    assert ("the wall clock moved 60 ms against the monotonic clock" in reasons) is open_


def test_undecided_count_is_open_unless_it_was_asked() -> None:
    """None is allowed of what nobody names; a crashed check has said so itself."""
    assert judged(run(), undecidable={"torn-state": 2}).reasons == (
        "torn-state: 2 cannot be decided, and none is allowed",
    )
    assert judged(run(), undecidable={"torn-state": 0}).verdict is Verdict.PASS
    asked = expect("torn-state: >= 0", 0, comparison=">=")
    assert judged(run(asked), undecidable={"torn-state": 2}).verdict is Verdict.PASS
    assert judged(run(), undecidable={"torn-state": INFINITE}).verdict is Verdict.PASS  # type: ignore[dict-item]


def test_undecided_expectation_says_what_was_measured_and_why() -> None:
    """After what failed, before nothing."""
    history = replace(run(NONE_LOST, expect("failovers: 1", 1)), audit_summary=None)
    judgement = judged(history)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons == (
        "failovers was 0, expected 1",
        "the run ended before its audit",
        "lost-write: 0 is undecided: measured not known (none seen); the run ended before its audit",
    )


def test_expectation_about_another_engine_is_left_aside() -> None:
    """It is not counted as measured, and a scenario that demands nothing else is skipped."""
    aside = expect("failovers with Valkey: 1", 1, engine="Valkey")
    judgement = judged(run(aside, NONE_LOST))
    assert judgement.reasons == ("no findings; lost-write 0",)
    skipped = judged(run(aside))
    assert skipped.verdict is Verdict.SKIPPED
    assert skipped.reasons == ("no expectation applies to Redis 7.0.15: failovers with Valkey: 1",)
    lost = expect("lost-write with Valkey: >= 0", 0, comparison=">=", engine="Valkey")
    assert judged(run(lost, NONE_LOST), [finding()]).verdict is Verdict.FAIL
