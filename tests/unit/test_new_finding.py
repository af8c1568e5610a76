"""A finding is added in one place: this one exists nowhere else, and every stage treats it as what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.checks.facts.host_lateness import Lateness
from harness.checks.facts.of_run import facts_of
from harness.checks.facts.timelines import Timelines
from harness.checks.judge import judge, judge_checked
from harness.checks.measures.scope import Scope
from harness.checks.measures.summary import share
from harness.checks.promises import table
from harness.checks.promises.check import Check, Counted, finding
from harness.checks.run import run_checks
from harness.checks.verdict.evidence import Evidence
from harness.checks.verdict.expectations import widened_count
from harness.errors import UsageError
from harness.faults import FAULTS
from harness.model.finding_kind import WITNESSED, FindingKind, FindingTrait, Limit, OutOf
from harness.model.history import History
from harness.model.judgement import INFINITE, Interval
from harness.model.plan import Plan
from harness.model.scenario import Scenario
from harness.model.seams import Machine
from harness.model.words import BackendKind, FindingSide, OperationKind, Verdict
from harness.plan import compile as compile_plan
from harness.running.vocabulary import schema_text, shipped
from harness.scenario import load
from lab.past import Past

FORGOTTEN = FindingKind(
    name="forgotten-basket",
    side=FindingSide.OPEN,
    sentence="somebody put things into a cart and never came back",
    needs=WITNESSED,
    out_of=OutOf.WRITES,
    traits=(FindingTrait.BREAKS_SESSION, FindingTrait.ENDS_SESSION, FindingTrait.TIMED),
    limit=Limit.IDLE_TIMEOUT,
)


def judge_baskets(timelines: Timelines) -> Counted:
    """As the next person might write it: something was added, and nobody looked any more."""
    found = []
    for timeline in timelines.sessions.values():
        added = [one for one in timeline.writes if one.step.added]
        looks = [one.operation.kind for one in timeline.sights if one.operation is not None]
        if added and OperationKind.READ not in looks:
            sentence = f"{timeline.named} was left with something in the cart."
            seen = next(one for one in timeline.sights if one.entry is not None)
            found.append(
                finding(timelines, FORGOTTEN, timeline, promise=added[0], seen=seen, sentence=sentence)
            )
    return Counted(findings=found, undecidable={FORGOTTEN.name: 2})


CHECK = Check(promise="Nobody forgets a cart.", kinds=(FORGOTTEN,), find=judge_baskets)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line in the table of checks, and what follows from it."""
    monkeypatch.setattr(table, "CHECKS", (*table.CHECKS, CHECK))
    monkeypatch.setitem(table.FINDINGS, FORGOTTEN.name, FORGOTTEN)


def scenario(folder: Path, expected: str = f"{FORGOTTEN}: 0", *, witnesses: bool = True) -> Scenario:
    path = folder / "s.yaml"
    path.write_text(
        "scenario: 1\n"
        "name: a cart is forgotten\n"
        "deployment: {topology: {kind: sentinel}}\n"
        f"workload: {{rate: 100/s, mix: {{cart: 1}}, witnesses: {str(witnesses).lower()}}}\n"
        "faults: [{after: 5s, kill: primary}]\n"
        f"expect: {{{expected}}}\n"
    )
    return load(path, shipped())


def forgotten(*, witnesses: bool = True) -> History:
    """Ann leaves something in her cart; bob looks at his again."""
    past = Past(witnesses=witnesses)
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.1)
    past.add(ann, 2.0)
    past.add(bob, 2.1)
    past.read(bob, 3.0)
    past.fault(4.0)
    return past.history()


def test_new_finding_can_be_expected(tmp_path: Path) -> None:
    """By its name, as a share, and in the schema for editors."""
    read = scenario(tmp_path, f"{FORGOTTEN}: 0, share({FORGOTTEN}) on web-1: < 5%")
    assert [one.metric for one in read.expect] == [FORGOTTEN.name, "share"]
    assert FORGOTTEN.name in schema_text()


def test_new_finding_that_needs_evidence_is_refused_without_it(tmp_path: Path) -> None:
    """While reading, and while planning where the workload was changed since."""
    with pytest.raises(UsageError, match=f"{FORGOTTEN} needs witnesses"):
        scenario(tmp_path, witnesses=False)
    read = scenario(tmp_path)
    changed = replace(read, workload=replace(read.workload, witnesses=False))
    assert planned(read).skip is None
    assert f"{FORGOTTEN} needs witnesses" in (planned(changed).skip or "")


def planned(of: Scenario) -> Plan:
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True, cpus=2)
    fits = {name: fault.fits for name, fault in FAULTS.items()}
    return compile_plan(
        of, seed=1, backend=BackendKind.PROCESS, machine=machine, fits=fits, findings=table.FINDINGS
    )


def test_new_finding_is_found_and_counted() -> None:
    """What it could not decide widens its count; the session is broken, and its user is out."""
    findings, counts, sessions, crashed = run_checks(forgotten(), screened=False)
    assert [(one.name, one.side, one.user) for one in findings] == [(FORGOTTEN.name, FindingSide.OPEN, "ann")]
    assert counts[FORGOTTEN.name] == Interval(low=1, high=3)
    assert (sessions.broken, sessions.intact, sessions.logged_out, crashed) == (1, 1, 1, ())


def test_new_finding_is_a_share_of_what_it_says() -> None:
    """Of the writes in danger, and of hers that lies outside; not of the sessions."""
    history = forgotten()
    findings = run_checks(history, screened=False)[0]
    assert share(FORGOTTEN.name, facts_of(history), findings, Scope()) == (1, 1)


def test_new_finding_that_nobody_expects_fails_the_run() -> None:
    """An open one gives the first reason."""
    history = forgotten()
    judgement = judge_checked(history, run_checks(history, screened=False))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons[0].startswith(f"1 {FORGOTTEN}: not determined")


def test_new_finding_is_not_ruled_out_where_its_evidence_is_missing() -> None:
    """Nobody left witnesses, so nobody knows how many; and the judgement names it."""
    judgement = judge(forgotten(witnesses=False))
    assert judgement.counts[FORGOTTEN.name].high == INFINITE
    assert any(FORGOTTEN.name in one and "witnesses" in one for one in judgement.evidence)


def test_new_finding_that_comes_from_a_delay_is_undecided_on_a_late_machine() -> None:
    """Measured against its own limit: 5 s are much of 8 s and nothing of an hour."""
    late = Lateness(delays_s=(5.0,))

    def widened(limit_s: float) -> Interval:
        evidence = Evidence(lateness=late, limits_s={Limit.IDLE_TIMEOUT: limit_s})
        return widened_count(FORGOTTEN.name, Interval(low=1, high=1), evidence)[0]

    assert widened(8.0) == Interval(low=0, high=1)
    assert widened(3600.0) == Interval(low=1, high=1)


def test_new_finding_has_no_upper_bound_where_its_check_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other checks go on."""

    def crash(_: Timelines) -> Counted:
        raise KeyError("cart")

    monkeypatch.setattr(table, "CHECKS", (*table.CHECKS[:-1], replace(CHECK, find=crash)))
    _, counts, _, crashed = run_checks(forgotten())
    assert counts[FORGOTTEN.name] == Interval(low=0, high=INFINITE)
    assert crashed == ("crash: KeyError: 'cart'",)
