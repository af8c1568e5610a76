"""What a team chooses between: nobody is called better by chance, or for a question that was not asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import escape

from harness.cli import main
from harness.many.candidates import candidates_of
from harness.many.cells import cells_of
from harness.model.judgement import Interval, Window
from harness.model.results import ScenarioResult
from harness.model.words import Shows, Verdict
from harness.report.cells import cell_row
from harness.report.decision import decision, in_short
from harness.report.explain import repeat_command
from harness.report.write import write_suite
from tests.builders_results import judgement, result, suite


def runs(
    topology: str,
    *outages: float,
    verdict: Verdict = Verdict.PASS,
    file: str = "kill.yaml",
    shows: Shows = Shows.PROMISE,
) -> list[ScenarioResult]:
    """One run for each outage, in seconds."""
    found = []
    for seed, outage in enumerate(outages):
        judged = judgement(verdict, shows)
        worst = Window(
            kind="write", group="web-1", start_s=0, duration_s=Interval(low=outage, high=outage), failed=1
        )
        metrics = replace(judged.metrics, worst_outage=worst, memory_bytes=(5 << 20) + seed)
        found.append(
            replace(
                result(verdict, shows),
                topology=topology,
                file=file,
                deployment_file=f"{topology}.yaml",
                deployment=topology,
                seed=seed,
                nodes=6,
                run_dir=f"{topology}-{seed}",
                judgement=replace(judged, metrics=metrics),
            )
        )
    return found


def beaten(*results: list[ScenarioResult]) -> dict[str, list[str]]:
    found = candidates_of(cells_of([one for some in results for one in some]))
    return {
        one.label.partition(",")[0]: [other.by.partition(",")[0] for other in one.beaten] for one in found
    }


FAST, SLOW = (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7), (4, 4.1, 4.2, 4.3, 4.4, 4.5, 4.6, 4.7)


def test_a_choice_is_beaten_where_chance_explains_nothing() -> None:
    """Better in the outage by all of eight runs, alike in everything else."""
    assert beaten(runs("cluster", *FAST), runs("sentinel", *SLOW)) == {"cluster": [], "sentinel": ["cluster"]}


@pytest.mark.parametrize(
    ("cluster", "sentinel"),
    [
        (runs("cluster", 1, 2, 3), runs("sentinel", 4, 5, 6)),
        (runs("cluster", 1), runs("sentinel", 4)),
        (runs("cluster", *FAST, verdict=Verdict.FAIL), runs("sentinel", *SLOW)),
        (runs("cluster", *FAST), runs("sentinel", *SLOW, file="other.yaml")),
        (runs("cluster", *FAST), runs("sentinel", *FAST)),
    ],
    ids=["too few runs", "one run each", "worse in what it keeps", "other questions", "alike"],
)
def test_otherwise_nothing_is_beaten(cluster: list[ScenarioResult], sentinel: list[ScenarioResult]) -> None:
    """Chance, a single run, a broken promise and another scenario are no victory."""
    assert beaten(cluster, sentinel) == {"cluster": [], "sentinel": []}


def test_a_promise_that_holds_beats_one_that_breaks() -> None:
    """With the same times; one that broke once in eight runs may have been unlucky, and beats nobody."""
    assert beaten(runs("cluster", *FAST), runs("sentinel", *FAST, verdict=Verdict.FAIL)) == {
        "cluster": [],
        "sentinel": ["cluster"],
    }
    once = [*runs("sentinel", *FAST)[:-1], runs("sentinel", *FAST, verdict=Verdict.FAIL)[-1]]
    assert beaten(runs("cluster", *FAST), once) == {"cluster": [], "sentinel": []}


def test_a_weakness_that_is_not_shown_is_better() -> None:
    """In every run of the one, and in none of the other."""
    shown = runs("cluster", *FAST, shows=Shows.WEAKNESS)
    mended = runs("sentinel", *FAST, shows=Shows.WEAKNESS, verdict=Verdict.FAIL)
    assert beaten(shown, mended) == {"cluster": ["sentinel"], "sentinel": []}


def test_figures_are_those_of_the_worst_promise() -> None:
    """A weakness that is triggered on purpose is no figure of what is promised."""
    (one,) = candidates_of(
        cells_of(
            [
                *runs("sentinel", 1, 2),
                *runs("sentinel", 7, 9, file="b.yaml"),
                *runs("sentinel", 99, 99, file="c.yaml", shows=Shows.WEAKNESS),
            ]
        )
    )
    assert one.worst["longest outage"].spread.median == Interval(low=8, high=8)
    assert (one.kept.seen, one.kept.runs, one.nodes) == (4, 4, 6)
    assert one.memory is not None
    assert (one.memory.most_bytes, one.memory.runs, len(one.memory.cell.runs)) == ((5 << 20) + 1, 6, 2)
    assert [cell.first.file for cell in one.weaknesses] == ["c.yaml"]


def test_the_page_links_every_figure_to_its_runs() -> None:
    """A reader who distrusts a cell gets its histories; a skipped cell is listed."""
    results = [*runs("sentinel", *FAST), *runs("cluster", *SLOW)]
    skipped = replace(result(Verdict.SKIPPED), name="other", file="x", why="no proxy here")
    whole = replace(suite(*results, skipped), commands=("failover-kit run m.yaml",))
    html = decision(whole, cells_of(whole.results))
    for one in results:
        assert f'href="./{one.run_dir}/index.html"' in html
    assert 'href="#cell-1"' in html
    assert 'id="cell-1"' in html
    assert f"<code>{escape(repeat_command(results[0]))}</code>" in html
    assert "Beaten by" in html
    html = html.replace("\u00a0", " ")  # so that no line ends there
    assert '<a href="#cell-1">5.0 MiB</a><br><span class="dim">most of 8</span>' in html
    assert '<a href="#choice-1">8 of 8</a>' in html
    assert 'id="choice-1"' in html
    assert "4.3 s [4.0 s to 4.7 s] (4.0 s to 4.7 s)" in html
    assert "Made by <code>failover-kit run m.yaml</code>" in html
    assert "no proxy here" in html
    assert "http" not in html.replace("http-equiv", "")


def test_what_no_run_decided_is_said_on_the_page() -> None:
    """It is no promise that held."""
    results = [replace(one, why="damaged") for one in runs("sentinel", 1, verdict=Verdict.INCONCLUSIVE)]
    cells = cells_of(results)
    html = decision(suite(*results), cells)
    assert "Not decided:" in html
    assert "primary killed, 1 of 1 runs: sentinel-0: damaged" in html
    assert "No promise was broken" not in html
    assert "promises not decided by any run" in in_short(candidates_of(cells))[0]


def test_run_that_decided_nothing_is_named_beside_those_that_did() -> None:
    """It may be damaged; a long list of them is cut."""
    good = runs("sentinel", *FAST)
    damaged = [replace(one, verdict=Verdict.INCONCLUSIVE, why="no history any more") for one in good[1:]]
    html = decision(suite(*good), cells_of([*good[1:], replace(damaged[0], run_dir="x", seed=0)]))
    assert "primary killed, 1 of 8 runs: x: no history any more</li>" in html
    assert "No promise was broken" not in html
    html = decision(suite(*good), cells_of([good[0], *damaged]))
    assert "primary killed, 7 of 8 runs: sentinel-1: no history any more; sentinel-2: " in html
    assert "; and 2 more</li>" in html


def test_times_of_a_late_machine_are_left_out() -> None:
    """They would be shorter elsewhere; how many users were put out is what it is."""
    quick, late = runs("sentinel", 1), runs("sentinel", 0, 50)[1:]
    (slow,) = late
    assert slow.judgement is not None
    metrics = replace(slow.judgement.metrics, starved="260 ms late")
    late = [replace(slow, judgement=replace(slow.judgement, metrics=metrics))]
    whole = suite(*quick, *late)
    (cell,) = cells_of(whole.results)
    found = {one.name: len(one.values) for one in cell.spreads}
    assert (cell.late, found["longest outage"], found["refused"], found["logged out"]) == (1, 1, 1, 2)
    assert "no times of 1 on a late machine" in cell_row(cell).why
    assert "In 1 of 2 runs this machine was late" in decision(whole, (cell,))
    assert candidates_of((cell,))[0].worst["longest outage"].spread.median.high == 1


def test_where_a_choice_is_worst_is_not_known_while_a_promise_has_no_times() -> None:
    """The one that has them may be the harmless one."""
    (slow,) = runs("sentinel", 50, file="other.yaml")
    assert slow.judgement is not None
    metrics = replace(slow.judgement.metrics, starved="260 ms late")
    late = replace(slow, judgement=replace(slow.judgement, metrics=metrics))
    quick = runs("sentinel", 1)
    whole = suite(*quick, late)
    cells = cells_of(whole.results)
    (one,) = candidates_of(cells)
    assert "longest outage" not in one.worst
    assert "logged out" in one.worst
    assert "longest outage not known, late machine;" in in_short([one])[0]
    assert '<span class="dim">late machine</span>' in decision(whole, cells)
    assert "this machine was late" not in decision(suite(*quick), cells_of(quick))


def test_the_command_writes_the_page_beside_the_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says in short what it says."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_suite(replace(suite(*runs("cluster", *FAST), *runs("sentinel", *SLOW)), directory=str(folder)))
    assert main(["decide", str(folder)]) == 0
    said = capsys.readouterr().out
    assert (
        "sentinel, Redis 7.0.15: promises kept in 8 of 8 runs; longest outage 4.3 s [4.0 s to 4.7 s] (4.0 s to 4.7 s); "
        "no surviving write " in said
    )
    assert "  beaten by cluster, Redis 7.0.15: longest outage (primary killed)" in said
    assert (folder / "decide.html").read_text().startswith("<!doctype html>")
    write_suite(replace(suite(result(Verdict.SKIPPED)), directory=str(folder)))
    assert main(["decide", str(folder)]) == 2


def test_a_deployment_that_names_its_topology_is_not_called_so_twice() -> None:
    """`Sentinel, two replicas` needs no `sentinel` before it; `ours` does."""
    for name, label in (("Sentinel, two replicas", "Sentinel, two replicas"), ("ours", "sentinel, ours")):
        named = replace(result(), topology="sentinel", deployment=name, deployment_file="x.yaml")
        (found,) = candidates_of(cells_of([named]))
        assert found.label == f"{label}, {named.engine}"
