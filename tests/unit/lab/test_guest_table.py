"""Applications and faults: which runs are missing, what one run shows, cures and their proofs, the tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.checks.judge import judge
from harness.model.judgement import Interval, Window
from harness.model.results import ScenarioResult
from harness.model.words import Verdict
from harness.scenario import load_guest
from lab.guests import page
from lab.guests.__main__ import GUESTS, RECORD, SCENARIOS, main
from lab.guests.cures import NUMBERS, Cure, Helped, needed, proofs, read_cures, without_cure
from lab.guests.measured import Cell, after_all, back_after_s, measured, unknown
from lab.guests.rounds import AT_ONCE, LONGEST, missing, wall_s
from lab.guests.versions import versions_of
from lab.past import Past
from lab.published import encoded
from tests.unit.checks.stories import Story, guests

CURE = Cure(
    setting="a setting",
    guests=("a/guest.yaml",),
    faults=("killed",),
    numbers=("put_out",),
    by_guest="a/cured.yaml",
)
LINES = 120


def measured_of(story: Story) -> Cell:
    past = story().history()
    result = replace(
        ScenarioResult.of_folder("x"), file="guests/scenarios/killed.yaml", judgement=judge(past)
    )
    return measured("a/guest.yaml", result, past)


def window(start_s: float, high: float, low: float = 0.5) -> Window:
    return Window(
        kind="read", group="all", start_s=start_s, duration_s=Interval(low=low, high=high), failed=3
    )


@pytest.mark.parametrize(
    ("story", "shown"),
    [
        (guests.cookie_deleted, {"put_out": 1, "cookies_deleted": 1, "pages_for_nobody": 1}),
        (guests.anonymous_page, {"put_out": 0, "cookies_deleted": 0, "pages_for_nobody": 1}),
        (guests.told_ok_then_lost, {"put_out": 1, "lost": 1, "got_in": 0}),
        (guests.hung_request, {"hung": 1, "put_out": 0}),
        (guests.needs_restart, {"restarted": 1, "hung": 0}),
    ],
)
def test_a_run_shows_what_its_users_saw(story: Story, shown: dict[str, int]) -> None:
    """Users are put out, pages are for nobody, log-ins are lost: each counts in its own column."""
    cell = measured_of(story)
    assert {name: getattr(cell, name) for name in shown} == shown
    assert cell.bad
    assert not cell.why_not


def test_a_run_without_a_judgement_says_why() -> None:
    """Nothing is claimed of it, and it is no good result either."""
    skipped = replace(
        ScenarioResult.of_folder("x"), verdict=Verdict.SKIPPED, why="it needs node", file="killed.yaml"
    )
    cell = measured("a/guest.yaml", skipped, None)
    assert (cell.why_not, cell.fault, cell.bad) == ("it needs node", "killed", False)
    assert page.brief(cell) == "not known"


def test_back_after_is_the_end_of_the_last_outage() -> None:
    """Of any kind of request; one that never ended has none."""
    assert back_after_s([]) == 0.0
    assert back_after_s([window(-0.5, 1.0), window(2.0, 3.0)]) == 5.0
    assert back_after_s([window(-0.5, 1.0), window(6.0, 0.8, low=0.4)]) == 0.5
    assert back_after_s([window(0.0, 1.0), window(2.0, float("inf"))]) is None


def test_what_is_done_does_not_run_again() -> None:
    """The longest fault comes last, and all of its guests wait side by side, unless fewer are wanted."""
    wanted = [(f"g{n}", fault) for fault in (LONGEST, "killed") for n in range(AT_ONCE + 1)]
    rounds = list(missing(wanted, {("g0", "killed")}))
    assert [(one.fault, len(one.guests), one.jobs) for one in rounds] == [
        ("killed", AT_ONCE, 2),
        (LONGEST, AT_ONCE + 1, AT_ONCE + 1),
    ]
    assert list(missing(wanted, set(wanted), jobs=2)) == []
    assert [(len(one.guests), one.jobs) for one in missing(wanted[: AT_ONCE + 1], {wanted[0]}, jobs=3)] == [
        (3, 3),
        (3, 3),
        (2, 3),
    ]
    assert wall_s(rounds, {"killed": 10.0, LONGEST: 600.0}) == AT_ONCE / 2 * 10.0 + 600.0


def test_what_was_not_measured_again_stays() -> None:
    """And what says nothing does not take the place of what does."""
    before = [Cell(guest="a", fault="f"), Cell(guest="b", fault="f", lost=1), unknown("c", "f", "no php")]
    now = [
        unknown("a", "f", "it could not run"),
        Cell(guest="c", fault="f", lost=3),
        Cell(guest="b", fault="g"),
    ]
    assert after_all(before, now) == {
        ("a", "f"): before[0],
        ("b", "f"): before[1],
        ("c", "f"): now[1],
        ("b", "g"): now[2],
    }
    assert after_all(before, [Cell(guest="b", fault="f", lost=5)])["b", "f"].lost == 5


def test_what_is_new_enough_in_the_record_does_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a day, or later; what is not known there is tried again."""
    cells = [
        msgspec.structs.replace(one, measured_on=day)
        for one, day in (
            (Cell(guest="flask/guest.yaml", fault="primary-killed"), "2026-01-03"),
            (Cell(guest="rack/guest.yaml", fault="primary-killed"), "2026-01-02"),
            (unknown("php/guest.yaml", "primary-killed", "no php"), "2026-01-03"),
        )
    ]
    record = tmp_path / "guests.json"
    record.write_bytes(encoded(page.Table(guests=(), faults=(), cells=tuple(cells))))
    monkeypatch.setattr("lab.guests.__main__.RECORD", record)
    guest = [
        "--guest",
        "flask/guest",
        "--guest",
        "rack/guest",
        "--guest",
        "php/guest",
        "--fault",
        "primary-killed",
    ]
    planned = ["lab.guests", "--plan", "--into", str(tmp_path), *guest]
    for since, runs in (([], 3), (["--since", "2026-01-02"], 1), (["--since", "2026-01-03"], 2)):
        monkeypatch.setattr("sys.argv", [*planned, *since])
        assert main() == 0
        assert capsys.readouterr().out.startswith(f"{runs} runs, ")


def test_a_variant_runs_only_where_it_cures() -> None:
    """What is no variant runs through every fault that is none."""
    apart = msgspec.structs.replace(CURE, by_guest="", by_fault="killed-guarded")
    cures = (CURE, apart)
    assert needed(cures, "a/guest.yaml", "anything")
    assert needed(cures, "a/cured.yaml", "killed")
    assert not needed(cures, "a/cured.yaml", "anything")
    assert needed(cures, "a/guest.yaml", "killed-guarded")
    assert not needed(cures, "b/guest.yaml", "killed-guarded")


def test_a_cure_is_proved_by_the_cured_run() -> None:
    """Its number stands beside the bad one; without a run nothing is claimed."""
    bad = Cell(guest="a/guest.yaml", fault="killed", put_out=7, lost=2)
    cured = Cell(guest="a/cured.yaml", fault="killed", put_out=0)
    cells = {(one.guest, one.fault): one for one in (bad, cured)}
    (proof,) = proofs([CURE], cells)
    assert (proof.before, proof.after, proof.helped, proof.cost) == ("7", "0", Helped.GONE, ())
    (unproved,) = proofs([CURE], {("a/guest.yaml", "killed"): bad})
    assert (unproved.after, unproved.helped, unproved.cost) == ("not known", Helped.NOT_KNOWN, ())
    assert list(without_cure([CURE], cells)) == [(bad, "lost")]


@pytest.mark.parametrize(
    ("number", "before", "after", "said"),
    [
        ("lost", 62, 0, Helped.GONE),
        ("lost", 1, 0, Helped.GONE_BY_CHANCE),
        ("lost", 56, 7, Helped.BETTER),
        ("lost", 18, 14, Helped.NO_BETTER),
        ("lost", 64, 69, Helped.NO_BETTER),
        ("lost", 16, 70, Helped.WORSE),
        ("restarted", 1, 0, Helped.GONE),
        ("restarted", 3, 2, Helped.BETTER),
        ("errors_s", 2.0, 2.5, Helped.NO_BETTER),
        ("errors_s", 2.0, 9.0, Helped.WORSE),
    ],
)
def test_what_was_tried_is_no_cure_by_its_name(
    number: str, before: float, after: float, said: Helped
) -> None:
    """The run with it decides; what chance alone makes between two runs is no better."""
    cure = msgspec.structs.replace(CURE, numbers=("errors" if number == "errors_s" else number,))
    bad = msgspec.structs.replace(Cell(guest="a/guest.yaml", fault="killed"), **{number: before})
    tried = msgspec.structs.replace(Cell(guest="a/cured.yaml", fault="killed"), **{number: after})
    (proof,) = proofs([cure], {(one.guest, one.fault): one for one in (bad, tried)})
    assert proof.helped is said


def test_a_cure_has_its_cost_beside_it() -> None:
    """Nobody reads that it helps without what became worse."""
    table = page.Table(
        guests=(page.Guest(file="a/guest.yaml", name="a", about="", versions=""),),
        faults=(page.Fault(file="killed", name="killed"),),
        cells=(
            Cell(guest="a/guest.yaml", fault="killed", put_out=13, lost=16, errors_s=0.3),
            Cell(guest="a/cured.yaml", fault="killed", put_out=0, lost=70, errors_s=11.0),
        ),
    )
    assert page.cured(table, [CURE])[1] == (
        *("a", "killed", "put out", "13", "a setting", "0", "gone"),
        "told ok, then lost: 16 to 70; errors for: 0.3 s to 11.0 s",
    )


def test_a_web_server_that_only_a_restart_brought_back_is_told() -> None:
    """Beside what its users saw, and in the place of a time after which it was back."""
    cell = Cell(guest="a/guest.yaml", fault="killed", restarted=3, lost=2, errors_s=40.0)
    table = page.Table(
        guests=(page.Guest(file="a/guest.yaml", name="a", about="", versions=""),),
        faults=(page.Fault(file="killed", name="killed"),),
        cells=(cell,),
    )
    assert page.brief(cell) == "3 started anew, 2 lost"
    assert page.of_fault(table, table.faults[0])[1][-3:-1] == ("40.0 s", "only after a restart: 3")


def test_a_late_machine_is_told_beside_what_it_may_have_done() -> None:
    """Times are marked, and so is a number that the run leaves undecided: of that no cure is proved."""

    def hung(loop_lag_s: float) -> Cell:
        def story() -> Past:
            past = guests.hung_request()
            past.loop_lag_s = loop_lag_s
            return past

        return msgspec.structs.replace(measured_of(story), measured_on="2026-01-02")

    fine, late = hung(0.0), hung(0.9)
    assert (fine.late_s, fine.undecided, page.brief(fine)) == (0.0, (), "1 hung")
    assert late.late_s is not None
    assert late.late_s > 0.9
    assert (late.undecided, page.brief(late)) == (("hung",), "1? hung (late)")
    table = page.Table(
        guests=(page.Guest(file="a/guest.yaml", name="a", about="", versions=""),),
        faults=(page.Fault(file="killed", name="killed"),),
        cells=(late,),
    )
    row = page.of_fault(table, table.faults[0])[1]
    assert (row[5], row[-1]) == ("1?", f"2026-01-02, late by {late.late_s:.1f} s")
    cure = msgspec.structs.replace(CURE, numbers=("hung",))
    cured = Cell(guest="a/cured.yaml", fault="killed")
    for bad, helped in ((fine, Helped.GONE_BY_CHANCE), (late, Helped.NOT_KNOWN)):
        (proof,) = proofs([cure], {(one.guest, one.fault): one for one in (bad, cured)})
        assert proof.helped is helped


def test_a_cell_that_nobody_measured_is_told_from_one_that_is_not_needed() -> None:
    """A variant runs only where it is to cure something."""
    table = page.Table(
        guests=tuple(
            page.Guest(file=one, name=one, about="", versions="") for one in ("a/guest.yaml", "a/cured.yaml")
        ),
        faults=tuple(page.Fault(file=one, name=one) for one in ("killed", "frozen")),
        cells=(Cell(guest="a/guest.yaml", fault="frozen"),),
    )
    assert page.overview(table, [CURE])[1:] == [
        ("a/guest.yaml", "not measured", "nothing"),
        ("a/cured.yaml", "not measured", ""),
    ]


def test_cures_are_of_guests_and_faults_that_are_there() -> None:
    """A file that was renamed would leave a cure without a run."""
    for cure in read_cures():
        for guest in (*cure.guests, cure.by_guest or cure.guests[0]):
            assert (GUESTS / guest).exists(), guest
        for fault in (*cure.faults, cure.by_fault or cure.faults[0]):
            assert (SCENARIOS / f"{fault}.yaml").exists(), fault
        assert set(cure.numbers) <= {*NUMBERS, "errors"}


def test_the_tables_are_those_of_the_recorded_results() -> None:
    """docs/guests.md was made by the command, from docs/guests.json."""
    table = msgspec.json.decode(RECORD.read_bytes(), type=page.Table)
    document = (RECORD.parent / "guests.md").read_text(encoding="utf-8")
    assert page.MADE.of(document) == page.markdown(table, read_cures())


def test_every_table_is_on_the_page() -> None:
    """Whatever an application is called, the page shows it as text."""
    table = page.Table(
        guests=(page.Guest(file="a/guest.yaml", name="<a>", about="", versions="a 1.0"),),
        faults=(page.Fault(file="killed", name="killed"),),
        cells=(
            Cell(
                guest="a/guest.yaml",
                fault="killed",
                came_by=9,
                put_out=7,
                errors_s=2.5,
                engine="Redis 7.0.15",
            ),
        ),
    )
    shown = page.html(table, [CURE])
    assert "&lt;a&gt;" in shown
    assert "7\u00a0of\u00a09" in shown
    assert "2.5\u00a0s" in shown
    assert "7 of 9 out" in page.as_text(page.overview(table, [CURE]))
    assert msgspec.json.decode(encoded(table), type=page.Table) == table


def test_shipped_guests_are_small_and_pinned() -> None:
    """At most 120 lines of application, versions beside it, a file that the kit reads."""
    folders = [one for one in GUESTS.iterdir() if (one / "guest.yaml").exists()]
    assert len(folders) > 5
    for folder in folders:
        (application,) = [one for one in folder.iterdir() if one.suffix in {".py", ".js", ".php", ".ru"}]
        assert len(application.read_text(encoding="utf-8").splitlines()) <= LINES, application
        for file in folder.glob("*.yaml"):
            assert load_guest(file).needs, file
        assert (folder / "debian.txt").exists() or versions_of(folder), folder


def test_versions_are_those_of_the_pins(tmp_path: Path) -> None:
    """Of what was asked for, and not of all that came along."""
    (tmp_path / "requirements.in").write_text("Flask-Session[redis]==0.8.0\nredis\n")
    (tmp_path / "requirements.txt").write_text(
        "flask-session[redis]==0.8.0 \\\n  --hash=x\nredis==8.1.0\nmsgspec==1\n"
    )
    (tmp_path / "package-lock.json").write_text(
        '{"packages": {"": {"dependencies": {"redis": "^5"}}, "node_modules/redis": {"version": "5.12.1"}}}'
    )
    assert versions_of(tmp_path) == "Flask-Session 0.8.0, redis 8.1.0, redis 5.12.1"
