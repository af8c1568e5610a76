"""What articles say about sessions on Redis, decided by runs: the statements, their answers, the page."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from harness.model.judgement import ExpectationResult, Judgement
from harness.model.results import ScenarioResult
from harness.model.words import Shows, Verdict
from harness.running.selection import Choice, choose, scenario_files
from lab.claims.__main__ import PAGE, RECORD
from lab.claims.outcome import Answer, Checked, Measured, Record, answer, measured_in
from lab.claims.page import page
from lab.claims.statements import Check, Condition, Statement, checks_of, read_statements, together

CHECK = Check(scenario="sentinel/03", expect={"lost-write": "0"})
CONDITION = Condition(condition="it is in a Cluster", scenario="cluster/02", expect={"lost-write": "0"})
STATEMENT = Statement(claim="A planned failover loses nothing.", said_by="guides", check=CHECK)
ONLY_IF = msgspec.structs.replace(STATEMENT, only_if=CONDITION)


def run(met: bool | None, lost: int = 0, seed: int = 1) -> Measured:
    return Measured(
        seed=seed,
        engine="Redis 7.0.15",
        backend="process",
        met=met,
        measured={"lost-write": str(lost)},
        order={"lost-write": lost},
    )


def record(*checks: tuple[Check, list[Measured]]) -> Record:
    found = (Checked(options=check.options, runs=tuple(runs)) for check, runs in checks)
    return Record(measured_on="2026-01-02", kit="1.2.3", checks=tuple(found))


def judged(*expectations: tuple[str, bool | None]) -> ScenarioResult:
    found = tuple(
        ExpectationResult(text=text, measured="3", low=3.0, high=3.0, met=met) for text, met in expectations
    )
    judgement = Judgement(verdict=Verdict.FAIL, reasons=(), shows=Shows.PROMISE, expectations=found)
    return replace(ScenarioResult.of_folder("somewhere"), judgement=judgement)


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([run(True), run(True), run(True)], Answer.TRUE),
        ([run(True), run(True), run(False, 9)], Answer.FALSE),
        ([run(True), run(True), run(None)], Answer.NOT_DECIDED),
        ([], Answer.NOT_DECIDED),
    ],
)
def test_one_run_refutes_a_statement(runs: list[Measured], said: Answer) -> None:
    """Runs that decided nothing count neither way, and too few decide nothing."""
    assert answer(STATEMENT, record((CHECK, runs))) is said


def test_a_bound_on_losses_is_not_decided_by_runs_without_any() -> None:
    """It held in all of them, and was not tried in one; a single loss tries it."""
    check = Check(scenario="single/02", expect={"recovery point": "<= 1s"})
    bound = Statement(claim="At most a second is lost.", said_by="vendors", check=check)
    nothing = [msgspec.structs.replace(run(True), measured={"recovery point": "nothing lost"})] * 3
    some = msgspec.structs.replace(run(True), measured={"recovery point": "400 ms"})
    for one in nothing:
        one.order["recovery point"] = 0
    assert answer(bound, record((check, nothing))) is Answer.NOT_DECIDED
    assert "That does not decide it" in page([bound], record((check, nothing)))
    assert answer(bound, record((check, [*nothing, some]))) is Answer.TRUE


def test_a_condition_counts_where_the_statement_is_refuted() -> None:
    """True only if, false under the condition as well, or not decided there."""
    refuted = (CHECK, [run(False, 9)] * 3)
    assert answer(ONLY_IF, record(refuted, (CONDITION, [run(True)] * 3))) is Answer.ONLY_IF
    assert answer(ONLY_IF, record(refuted, (CONDITION, [run(False, 1)] * 3))) is Answer.FALSE
    assert answer(ONLY_IF, record(refuted)) is Answer.NOT_DECIDED
    assert answer(ONLY_IF, record((CHECK, [run(True)] * 3), (CONDITION, [run(False)] * 3))) is Answer.TRUE


def test_a_run_is_measured_by_the_expectations_of_the_check_alone() -> None:
    """One unmet is enough; a run that was not judged, or lacks one of them, decides nothing."""
    both = Check(scenario="x", expect={"lost-write": "0", "outage(read)": "< 1s"})
    unmet = measured_in(
        judged(("lost-write: 0", False), ("outage(read): < 1s", None), ("at risk: 1", True)), both
    )
    assert unmet.met is False
    assert unmet.measured == {"lost-write": "3", "outage(read)": "3"}
    assert measured_in(judged(("lost-write: 0", True), ("outage(read): < 1s", None)), both).met is None
    assert measured_in(judged(("lost-write: 0", True), ("outage(read): < 1s", True)), both).met is True
    assert measured_in(judged(("lost-write: 0", True)), both).met is None
    assert measured_in(ScenarioResult.of_folder("never run"), both).met is None


def test_checks_that_run_the_same_thing_share_their_runs() -> None:
    """Unless they expect different things of one metric, or change the scenario in different ways."""
    other = Check(scenario="sentinel/03", expect={"loss window": "<= 10s"})
    contrary = Check(scenario="sentinel/03", expect={"lost-write": "> 0"})
    changed = Check(scenario="sentinel/03", set={"workload.rate": "50/s"}, expect={"lost-write": "0"})
    merged = together([CHECK, other, contrary, changed])
    assert [dict(one.expect) for one in merged] == [
        {"lost-write": "0", "loss window": "<= 10s"},
        {"lost-write": "> 0"},
        {"lost-write": "0"},
    ]
    assert [one.covers(CHECK) for one in merged] == [True, False, False]


def test_the_page_says_what_was_measured() -> None:
    """How often it held, of how many, the smallest and the largest, and the command that repeats it."""
    shown = page([STATEMENT], record((CHECK, [run(False, 20), run(False, 9), run(False, 400), run(None)])))
    assert "1 statements: 1 false." in shown
    assert "| [1](#1) | A planned failover loses nothing. | guides | **false** |" in shown
    assert (
        "- held in 0 of 3 runs (1 more decided nothing), so in at most 63.2 % of all such runs: "
        "lost-write 9 … 400, claimed = 0. On Redis 7.0.15 (process). "
        '`failover-kit run sentinel/03 --set shows=promise --set \'expect={"lost-write": "0"}\' --repeat 5`'
    ) in shown


def test_every_statement_can_be_run() -> None:
    """Its scenarios exist, and take what is changed in them."""
    statements = read_statements()
    assert len(statements) >= 25
    for check in checks_of(statements):
        (chosen,) = choose(Choice(files=tuple(scenario_files(check.scenario)), settings=check.settings))
        texts = {one.text for one in chosen.scenario.expect}
        assert texts == {f"{metric}: {bound}" for metric, bound in check.expect.items()}


def test_the_page_in_docs_is_that_of_its_results() -> None:
    """Nobody edits it; the record has every check, also one that nobody has run: not decided."""
    found = msgspec.json.decode(RECORD.read_bytes(), type=Record)
    statements = read_statements()
    assert PAGE.read_text(encoding="utf-8") == page(statements, found)
    assert {check.options for check in checks_of(statements)} == {one.options for one in found.checks}


def test_a_kill_decides_nothing_of_a_loss_of_power() -> None:
    """What only a machine without power can lose is measured by `lose power`, and not by a killed process."""
    for one in read_statements():
        if "loses power" in one.claim:
            files = [scenario_files(check.scenario) for check in one.checks]
            assert all("lose power" in path.read_text() for found in files for path in found), one.claim
    assert any("loses power" in one.claim for one in read_statements())


def test_claim_that_ran_alone_has_its_own_date_and_leaves_the_others() -> None:
    """On the day of the record it needs none; what was measured before is gone."""
    other = Check(scenario="sentinel/04", expect={"lost-write": "0"})
    before = record((CHECK, [run(True)] * 3), (other, [run(False, 7)] * 3))
    again = {other.options: Checked(options=other.options, runs=(run(True),) * 3)}
    for day, said in (("2026-01-02", ""), ("2026-02-03", "2026-02-03")):
        found = before.with_checks(again, day)
        assert found.of(CHECK) == before.of(CHECK)
        assert [one.met for one in found.of(other).runs] == [True] * 3
        assert found.of(other).measured_on == said
        assert len(found.checks) == 2
    alone = page([msgspec.structs.replace(STATEMENT, check=other)], found)
    assert "On Redis 7.0.15 (process), 2026-02-03." in alone
