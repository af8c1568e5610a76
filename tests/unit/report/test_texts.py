"""What people and machines read of a suite."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from harness.model.directives import LeftOut
from harness.model.judgement import (
    ExpectationResult,
    FailoverStep,
    Interval,
    SessionCounts,
    Window,
    by_name,
    in_order,
    percent,
)
from harness.model.results import Progress, ScenarioResult, SuiteResult
from harness.model.words import FindingSide, Shows, Verdict
from harness.report import explain as explaining
from harness.report import terminal
from harness.report.explain import explain, failovers
from harness.report.junit import junit
from harness.report.page import index
from harness.report.summary import summary, summary_text
from harness.report.table import COLUMNS, blocks, row
from harness.report.words import after, interval_seconds, verdict_word
from tests.builders_results import LOST, UNDONE, result, suite


def test_explanation_says_all_a_ci_log_reader_needs() -> None:
    """A red result names the break, measured against expected, causes, story, knob and commands."""
    text = "\n".join(explain(result(), "runs/x"))
    for needed in (
        "BROKEN: primary killed: 10 lost-session, expected none",
        "expected outage(write): < 5s, measured 9.0 s",
        "security: somebody gets in",
        "acked by a deposed primary",
        "the story of session abababab",
        "lower down_after",
        "fast enough for the expected times",
        "make chaos-test SCENARIO=scenarios/sentinel/01-primary-killed.yaml SEED=7 BACKEND=process",
        "make why RUN=runs/x/sentinel-01-primary-killed SESSION=abababababab",
    ):
        assert needed in text


def test_lists_of_finding_names_have_one_order() -> None:
    """Somebody who gets in comes first, then the most frequent, then the alphabet; a name counts as one by which
    somebody gets in if any of its findings is: in the report as in the verdict's own sentences."""
    closed = [
        replace(LOST, name=name) for name in ("lost-write", "lost-session", "expired-early", "expired-early")
    ]
    mixed = [replace(LOST, name="stale-read"), replace(UNDONE, name="stale-read")]
    rows = explaining.causes((*closed, *mixed))
    assert [(name, side, count) for name, side, count, _ in rows] == [
        ("stale-read", FindingSide.OPEN, 2),
        ("expired-early", FindingSide.CLOSED, 2),
        ("lost-session", FindingSide.CLOSED, 1),
        ("lost-write", FindingSide.CLOSED, 1),
    ]
    assert [name for name, _ in by_name((*closed, *mixed))] == [name for name, _, _, _ in rows]


def test_findings_are_kept_in_one_order() -> None:
    """Somebody who gets in comes first, then by when the promise was made, or else by when it was seen broken."""
    early, late = replace(LOST, t_us=None, seen_us=3), replace(LOST, t_us=4, seen_us=1)
    never, tie = replace(LOST, t_us=None, seen_us=None), replace(LOST, name="a", t_us=3)
    opened = replace(UNDONE, t_us=9)
    assert in_order([late, early, never, tie, opened]) == [opened, never, tie, early, late]


def test_commands_of_ones_own_scenario_are_the_console_command() -> None:
    """Outside of the project there is no Makefile; what was changed on the command line is said again."""
    mine = replace(result(), file="mine/a b.yaml", changed=("--set", "workload.rate=9/s"))
    text = "\n".join(explain(mine, "runs/x"))
    options = "--seed 7 --backend process --set workload.rate=9/s"
    assert f"failover-kit run --scenario 'mine/a b.yaml' {options}" in text
    assert "failover-kit why runs/x/sentinel-01-primary-killed abababababab" in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            ("--set", "shows=promise", "--set", "expect.lost-write=0", "--engine", "redis-7.0"),
            "SEED=7 BACKEND=process SET='shows=promise expect.lost-write=0' ENGINE=redis-7.0",
        ),
        (("--deployment", "ours.yaml"), "BACKEND=process DEPLOYMENT=ours.yaml"),
        (("--set", "expect.outage(login)=< 3s"), "--backend process --set 'expect.outage(login)=< 3s'"),
        (("--set",), "--backend process --set"),
        (("--deployment", "a $(b).yaml"), "--backend process --deployment 'a $(b).yaml'"),
    ],
)
def test_command_that_repeats_a_shipped_scenario_is_by_make_where_make_can_say_it(
    changed: tuple[str, ...], said: str
) -> None:
    """It was run by make, so `failover-kit` need not be on PATH."""
    text = explain(replace(result(), changed=changed), "runs/x")
    (line,) = [one for one in text if one.startswith("  repeat it: ")]
    assert line.endswith(said)


def test_run_of_which_nothing_is_known_has_no_command_that_repeats_it() -> None:
    """A damaged folder does not say which scenario it was; what there is can be looked at."""
    text = explain(ScenarioResult.of_folder("wait"), "runs/x")
    assert not [line for line in text if "repeat" in line]
    assert text[-1] == "  see more:  runs/x/wait (run.log, nodes/)"


def test_reason_with_a_log_in_it_has_a_headline_of_one_line() -> None:
    """What a node wrote stands below the sentence, indented, and not in the table."""
    quoting = replace(
        result(Verdict.ERROR), reasons=("redis-1 did not start; its log ends with\n\nFATAL",), why=""
    )
    lines = explain(quoting, "runs/x")
    assert lines[:2] == ["error: primary killed: redis-1 did not start; its log ends with", "    FATAL"]
    assert row(quoting).why == "redis-1 did not start; its log ends with"


def test_explanation_puts_open_findings_first() -> None:
    """An undone logout is a security incident; it stands above a lost session."""
    lines = explain(result(), "runs/x")
    first = next(i for i, line in enumerate(lines) if "resurrected-session" in line)
    second = next(i for i, line in enumerate(lines) if "lost-session:" in line and "×" in line)
    assert first < second


def test_table_shows_promises_before_weaknesses() -> None:
    """A weakness that was shown never stands among the promises."""
    weak = result(Verdict.PASS, Shows.WEAKNESS, "planned failover")
    titles = [title for title, _ in blocks([weak, result()])]
    assert titles[0].startswith("Promises: 1 BROKEN")
    assert titles[1].endswith("1 shown")


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 264, "0 %"), (1, 264, "< 1 %"), (263, 264, "> 99 %"), (264, 264, "100 %"), (1, 3, "33 %")],
)
def test_percent_never_rounds_to_none_or_all(part: int, whole: int, said: str) -> None:
    """`100 %` says that there was no exception."""
    assert percent(part, whole) == said


def test_row_has_the_numbers_of_the_outage() -> None:
    """Who was logged out, who got back in, whose logout failed, what was out longest and where, the lag."""
    cells = row(result())
    assert cells.logged_out == "10 of 300 (3 %)"
    assert cells.got_back_in == "7 of 10"
    assert cells.logouts_failed == "12"
    assert cells.longest_outage == "write on web-2: 1.9 s to 2.3 s"
    assert cells.lag == "2.0 KiB"


def _judged(**metrics: Any) -> ScenarioResult:
    made = result()
    assert made.judgement is not None
    return replace(
        made, judgement=replace(made.judgement, metrics=replace(made.judgement.metrics, **metrics))
    )


def test_nothing_is_called_none_without_evidence() -> None:
    """Where no audit is valid, nobody knows who was logged out; those who were seen are at least so many.
    Where no clock was recorded, nobody knows how late the machine was."""
    nobody = SessionCounts(total=300)
    assert row(_judged(sessions=nobody)).logged_out == "0 of 300"
    assert row(_judged(sessions=nobody, sessions_unknown="no audit is valid")).logged_out == "not known"
    assert row(_judged(sessions_unknown="no audit is valid")).logged_out == "≥ 10 of 300 (3 %)"
    assert row(_judged(sessions=nobody, sessions_unknown="no audit is valid")).got_back_in == "not known"
    assert row(_judged(worst_outage=None)).longest_outage == "none seen"
    assert "this machine: fast enough for the expected times" in "\n".join(explain(result(), "runs/x"))
    late = _judged(starved="delayed by 439 ms, which is too much to judge a limit of 1 s")
    assert "this machine: delayed by 439 ms" in "\n".join(explain(late, "runs/x"))
    blind = _judged(lateness_known=False)
    assert "this machine: its delays were not recorded" in "\n".join(explain(blind, "runs/x"))


@pytest.mark.parametrize(
    ("out", "maybe", "said", "back"),
    [
        (0, 0, "0 of 264", "–"),
        (0, 231, "not known: at most 231 of 264", "not known"),
        (12, 0, "12 of 264 (5 %)", "7 of 12"),
        (12, 1, "12 to 13 of 264", "7 of ≥ 12"),
    ],
)
def test_sessions_that_cannot_be_decided_are_counted_neither_way(
    out: int, maybe: int, said: str, back: str
) -> None:
    """After an outage without end no audit shows who is still logged in: a `0` there would be a promise."""
    undecided = _judged(
        sessions=SessionCounts(
            total=264, undecidable=maybe, logged_out=out, maybe_logged_out=maybe, got_back_in=7 if out else 0
        )
    )
    assert (row(undecided).logged_out, row(undecided).got_back_in) == (said, back)
    counted = summary(suite(undecided))["scenarios"][0]["sessions"]
    assert (counted["logged_out"], counted["logged_out_at_most"]) == (out, out + maybe)
    unheard = _judged(sessions_unknown="no audit is valid")
    assert summary(suite(unheard))["scenarios"][0]["sessions"]["logged_out_at_most"] is None


@pytest.mark.parametrize(("t_s", "said"), [(-0.0012, "+0.00 s"), (0.0, "+0.00 s"), (-0.12, "-0.12 s")])
def test_what_began_with_the_fault_did_not_begin_before_it(t_s: float, said: str) -> None:
    """`-0.00 s` is no time."""
    assert after(t_s) == said
    window = Window(kind="read", group="all", start_s=t_s / 10, duration_s=Interval(low=1, high=2), failed=3)
    assert "-0.0," not in json.dumps(summary(suite(_judged(outages=(window,), worst_outage=window))))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(2.46, 2.54, "2.5 s"), (2.44, 2.54, "2.4 s to 2.5 s"), (0.0, 0.3, "0 s to 300 ms")],
)
def test_interval_whose_ends_look_alike_is_one_number(low: float, high: float, said: str) -> None:
    """`2.5 s to 2.5 s` tells nobody anything."""
    assert interval_seconds(Interval(low=low, high=high)) == said


def test_left_aside_is_no_met() -> None:
    """What is about another engine is neither met nor undecided, for people and for machines."""
    aside = ExpectationResult(
        text="lost-write with Valkey: > 0",
        measured="not expected of Redis",
        low=0,
        high=0,
        met=None,
        aside=True,
    )
    made = result()
    assert made.judgement is not None
    made = replace(made, judgement=replace(made.judgement, expectations=(aside,)))
    assert "  aside     expected lost-write with Valkey: > 0" in "\n".join(explain(made, "runs/x"))
    (said,) = json.loads(summary_text(suite(made)))["scenarios"][0]["expectations"]
    assert (said["met"], said["left_aside"]) == (None, True)


@pytest.mark.parametrize(
    ("verdict", "shows", "word"),
    [
        (Verdict.PASS, Shows.PROMISE, "kept"),
        (Verdict.FAIL, Shows.PROMISE, "BROKEN"),
        (Verdict.PASS, Shows.WEAKNESS, "shown"),
        (Verdict.FAIL, Shows.WEAKNESS, "NOT SHOWN"),
        (Verdict.INCONCLUSIVE, Shows.PROMISE, "inconclusive"),
        (Verdict.SKIPPED, Shows.PROMISE, "skipped"),
    ],
)
def test_verdict_word_says_what_the_scenario_was_for(verdict: Verdict, shows: Shows, word: str) -> None:
    """Promises are kept or broken, weaknesses shown or not."""
    assert verdict_word(result(verdict, shows)) == word


def test_junit_maps_verdicts_as_promised() -> None:
    """FAIL is a failure, INCONCLUSIVE and ERROR are errors, SKIPPED is skipped, PASS is none."""
    verdicts = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.SKIPPED, Verdict.PASS)
    root = ET.fromstring(junit(suite(*(result(one) for one in verdicts))))
    assert [child[0].tag for child in root] == ["failure", "error", "error", "skipped", "system-out"]
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == (
        "5",
        "1",
        "2",
        "1",
    )
    assert "the story of session" in (root[0][0].text or "")


def test_runs_of_one_scenario_are_told_apart_everywhere() -> None:
    """In table, page, JUnit, explanation and summary, and by a line of their own while they run."""
    variants = ("ours, redis-7.0", "proposed, redis-7.0")
    both = suite(*(replace(result(), variant=one, deployment_file=one) for one in variants))
    names = [f"sentinel: primary killed ({one})" for one in variants]
    assert [row(one).scenario for one in both.results] == names
    cases = ET.fromstring(junit(both)).findall("testcase")
    assert [case.get("name") for case in cases] == [f"primary killed ({one})" for one in variants]
    assert all(name in index(both) for name in names)
    assert explain(both.results[1], both.directory)[0].startswith(
        "BROKEN: primary killed (proposed, redis-7.0): "
    )
    assert [one["variant"] for one in summary(both)["scenarios"]] == list(variants)
    assert len({one.key for one in both.results}) == 2
    told = io.StringIO()
    display = terminal.LineDisplay(told)
    for one in both.results:
        display.progress(Progress(scenario=one.label, phase="baseline"))
    for one in both.results:
        display.finished(one)
    assert [line.partition("] ")[2] for line in told.getvalue().splitlines()] == [
        *(f"primary killed ({one}): baseline" for one in variants),
        *(f"primary killed ({one}): BROKEN (21 s)" for one in variants),
    ]


def test_summary_has_every_promised_member() -> None:
    """A pipeline can rely on the members, and infinite outages are null, not broken JSON."""
    data = json.loads(summary_text(suite(result(), result(Verdict.SKIPPED))))
    assert data["schema_version"] == 2
    assert data["exit_code"] == 1
    one = data["scenarios"][0]
    assert set(one) >= {
        "name", "file", "shows", "topology", "backend", "engine", "seed", "verdict", "reasons",
        "expectations", "findings", "operations", "outages", "failover_steps", "run_dir",
    }  # fmt: skip
    assert one["outages"]["write"][0]["duration_s"] is None
    assert one["longest_outage"] == {
        "kind": "write", "where": "web-2", "start_s": 0.2, "at_least_s": 1.9, "duration_s": 2.31,
    }  # fmt: skip
    assert one["logouts_failed"] == 12
    assert one["findings"] == {"lost-session": 1, "resurrected-session": 1}
    assert one["failover_steps"] == {"promoted": 1.52}


def test_suite_survives_being_saved() -> None:
    """What is shown again later is what was shown at first, infinite outages included."""
    before = suite(result(), result(Verdict.ERROR))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(before), type=SuiteResult) == before


def test_printed_report_ends_with_the_exit_status() -> None:
    """Make hides the exit status, so it is the last line printed."""
    stream = io.StringIO()
    terminal.show(suite(result(), result(Verdict.PASS, Shows.WEAKNESS)), stream)
    lines = stream.getvalue().rstrip().splitlines()
    assert lines[-1] == "exit status 1: an expectation failed"
    assert any("backend process · Redis 7.0.15 · timing fast" in line for line in lines)


def test_setting_to_change_is_said_of_the_only_scenario_that_was_run() -> None:
    """A shown weakness needs no other explanation; of many they would fill the terminal."""
    shown = result(Verdict.PASS, Shows.WEAKNESS)
    for results, said in (((shown,), 1), ((shown, shown), 0)):
        stream = io.StringIO()
        terminal.show(suite(*results), stream)
        assert stream.getvalue().count(f"setting to change: {shown.advice}\n") == said


def test_only_files_that_are_there_are_named(tmp_path: Path) -> None:
    """On a full disk some of the report cannot be written, or nothing of it."""

    def said() -> str:
        stream = io.StringIO()
        terminal.show(replace(suite(result()), directory=str(tmp_path)), stream)
        return next(line for line in stream.getvalue().splitlines() if line.startswith("results: "))

    assert said() == f"results: {tmp_path}, without a report"
    for name in ("summary.json", "index.html"):
        (tmp_path / name).touch()
    assert said() == f"results: {tmp_path}/index.html · summary.json"


def test_skipped_runs_have_not_passed() -> None:
    """The last line counts them: "all passed" alone would speak of runs that never were."""
    assert suite(result(Verdict.PASS), exit_code=0).comes_to == "all passed"
    assert (
        suite(result(Verdict.SKIPPED), result(Verdict.PASS), exit_code=0).comes_to
        == "all passed, 1 of 2 skipped"
    )


def test_log_lines_name_phases_once() -> None:
    """A log gets a line per change, not per tick."""
    stream = io.StringIO()
    display = terminal.display(stream)
    display.begin("process", ["a"])
    for _ in range(3):
        display.progress(Progress(scenario="a", phase="baseline"))
    display.progress(Progress(scenario="a", phase="fault", note="fault 1 effect: redis-1 is gone"))
    assert stream.getvalue().count("baseline") == 1
    assert "redis-1 is gone" in stream.getvalue()


def test_suite_page_is_self_contained() -> None:
    """The page loads nothing from anywhere and escapes what it shows."""
    html = index(suite(result(name="<script>alert(1)</script>")))
    assert "<script>" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "sentinel-01-primary-killed/index.html" in html


def test_page_explains_its_own_columns() -> None:
    """Somebody opens it from a CI job, without the documents beside it."""
    html = index(suite(result()))
    for word in COLUMNS[2:-1]:
        assert f"<dt>{word}</dt>" in html


def test_wide_things_scroll_by_themselves_and_headings_do_not() -> None:
    """On a narrow screen a table keeps readable columns; what is above it stays whole."""
    html = index(suite(result()))
    assert html.count("<table") == html.count('<div class="wide">') > 0
    assert "<caption" not in html
    for number in range(1, html.count("<table") + 1):
        assert f'id="block-{number}"' in html
        assert f'aria-labelledby="block-{number}"' in html


def test_each_failover_has_its_line_and_its_name() -> None:
    """In the terminal a line, in the summary a name of its own; what never came says why."""
    steps = (
        FailoverStep(step="elected", shard=1, t_s=1.2, source="sentinel-1", fault=1),
        FailoverStep(step="promoted", shard=1, t_s=1.4, source="redis-2", fault=1),
        FailoverStep(step="client redirected", shard=1, t_s=1.6, fault=1),
        FailoverStep(step="elected", shard=1, t_s=2.0, reason="aborted: no good replica", failover=2),
        FailoverStep(step="promoted", shard=2, t_s=None, reason="aborted: no good replica", failover=2),
    )
    assert failovers(steps) == [
        "  failover 1 of shard 1, from fault 1: elected +1.20 s · promoted +1.40 s",
        "  failover 2 of shard 1: elected +2.00 s (aborted: no good replica)",
        "  failover 2 of shard 2: promoted – (aborted: no good replica)",
    ]
    assert [one.said for one in steps[2:4]] == ["", "aborted: no good replica"]
    assert replace(steps[0], reason="aborted before: x").said == "sentinel-1; aborted before: x"
    whole = result()
    assert whole.judgement is not None
    metrics = replace(whole.judgement.metrics, failover_steps=steps)
    told = replace(whole, judgement=replace(whole.judgement, metrics=metrics))
    assert "failover 2 of shard 2: promoted – (aborted: no good replica)" in "\n".join(explain(told, "x"))
    assert json.loads(summary_text(suite(told)))["scenarios"][0]["failover_steps"] == {
        "elected": 1.2,
        "promoted": 1.4,
        "client redirected": 1.6,
        "elected (failover 2)": 2.0,
        "promoted (shard 2, failover 2)": None,
    }


def test_what_nodes_were_not_given_is_told_everywhere() -> None:
    """In the table, the explanation (so in JUnit), the page and for machines; of a passed scenario too."""
    left = (
        LeftOut(table="redis", name="port", why="addresses are chosen for every run", decides=False),
        LeftOut(table="sentinel", name="sentinel myid", why="the kit gives it", decides=True),
    )
    told = replace(result(Verdict.PASS), left_out=left)
    assert row(told).why.endswith("left out: port, sentinel myid")
    sentence = "left out of the deployment: port (redis): addresses are chosen for every run"
    assert f"  {sentence}" in explain(told, "runs/x")
    assert sentence in junit(suite(told))
    assert summary(suite(told))["scenarios"][0]["left_out"][1] == {
        "table": "sentinel",
        "directive": "sentinel myid",
        "why": "the kit gives it",
        "decides": True,
    }
    assert "left_out" in summary(suite(result()))["scenarios"][0]


def test_command_that_a_skipped_run_needs_can_be_copied() -> None:
    """On one line, below the table that wraps it, once for all runs that need it; other reasons are in the table."""
    command = "python -m venv /somewhere/clients/redis-4.5.4 && /somewhere/clients/redis-4.5.4/bin/pip install redis==4.5.4"
    needs = replace(result(Verdict.SKIPPED), reasons=(f"it is not here; to install it: {command}",))
    other = replace(result(Verdict.SKIPPED), reasons=("no HAProxy here",))
    stream = io.StringIO()
    terminal.show(suite(needs, needs, other), stream)
    below = [line for line in stream.getvalue().splitlines() if line.startswith("skipped: ")]
    assert below == [f"skipped: it is not here; to install it: {command}"]
