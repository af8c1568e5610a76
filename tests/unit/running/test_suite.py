"""The scheduler: side by side, alone where it must be, retried only when honest, stopped when asked."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.clock import wait_until
from harness.errors import EnvironmentFailure, UsageError
from harness.many.enough import nothing_is_enough, sure_enough
from harness.model.deployment import ClientProfile, Deployment, TopologySpec
from harness.model.plan import Plan
from harness.model.results import TAKING_DOWN, WAITING, Progress, ScenarioResult, SuiteResult
from harness.model.scenario import Workload
from harness.model.seams import Machine
from harness.model.words import BackendKind, Phase, TopologyKind, Verdict
from harness.report.write import PLANNED, SUITE, write_record
from harness.running.ground import Ground
from harness.running.resuming import begun
from harness.running.suite import SuiteRequest, folder_names, run_suite, start_process
from harness.safe_files import write_file
from harness.saved.folders import point_latest
from lab.plans import plan_of, scenario_of
from tests.scripted_run import READY, Scripted

SCRIPTED = "tests.scripted_run"
GROUND = Ground(
    backend=BackendKind.PROCESS,
    image=None,
    machine=Machine(backend=BackendKind.PROCESS, network_faults=True),
    said="",
)


class Silence:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.results: list[ScenarioResult] = []

    def begin(self, header: str, names: Sequence[str]) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def line(self, text: str) -> None:
        self.lines.append(text)

    def finished(self, result: ScenarioResult) -> None:
        self.results.append(result)

    def close(self) -> None: ...


def plan(
    name: str,
    *,
    exclusive: bool = False,
    skip: str | None = None,
    deployment_file: str = "",
    engine: str | None = None,
    variant: str = "",
) -> Plan:
    deployment = Deployment(
        name="d",
        file=deployment_file,
        topology=TopologySpec(kind=TopologyKind.SINGLE),
        client=ClientProfile(),
        engine=engine,
        timing="fast",
    )
    scenario = scenario_of(
        deployment.topology,
        file=f"scenarios/single/{name.replace(' ', '-')}.yaml",
        name=name,
        deployment=deployment,
        workload=Workload(mix={"read": 1}),
        exclusive=exclusive,
    )
    return plan_of(scenario, (), web_servers=(), expected_s=5, variant=variant, skip=skip)


def run(
    out: Path,
    *plans: Plan,
    jobs: int = 2,
    cleaned: list[str] | None = None,
    attempts: Scripted | None = None,
    process: str = "",
    resume: Path | None = None,
    enough: Callable[[Sequence[ScenarioResult]], str] = nothing_is_enough,
    second_runs: bool = True,
) -> tuple[SuiteResult, Silence]:
    """`process`: the module that is run for each scenario; without one no process is started."""
    silence = Silence()
    request = SuiteRequest(
        name="test",
        plans=plans,
        ground=GROUND,
        seed=1,
        jobs=jobs,
        out=out,
        header="",
        clean_up=lambda: (cleaned if cleaned is not None else []).append("cleaned") or [],  # type: ignore[func-returns-value]
        run_module=process,
        start=start_process if process else (attempts or Scripted()).start,
        resume=resume,
        finished=begun(resume).finished(plans) if resume else {},
        enough=enough,
        second_runs=second_runs,
    )
    return run_suite(request, silence), silence


def test_scenarios_run_side_by_side(tmp_path: Path) -> None:
    """Two jobs overlap in time, and results come back in the order of the files."""
    attempts = Scripted()
    suite, _ = run(tmp_path, plan("one"), plan("two"), plan("three"), attempts=attempts)
    assert "two" in attempts.beside["one"]
    assert all(len(others) < 3 for others in attempts.beside.values())
    assert [one.name for one in suite.results] == ["one", "two", "three"]
    assert (suite.verdict, suite.exit_code) == (Verdict.PASS, 0)


PHASES = ("starting", WAITING, Phase.BASELINE, Phase.FAULT, Phase.RECOVERY, Phase.AUDIT, TAKING_DOWN)
TRAFFIC = {Phase.BASELINE, Phase.FAULT, Phase.RECOVERY, Phase.AUDIT}


def test_next_run_starts_and_the_last_one_is_judged_beside_those_with_traffic(tmp_path: Path) -> None:
    """No more have traffic than were asked for; the next starts once faults are over, and waits for the place."""
    attempts = Scripted(phases=PHASES)
    suite, _ = run(tmp_path, *(plan(f"run {n}") for n in range(5)), attempts=attempts)
    assert suite.verdict is Verdict.PASS
    with_traffic = [sum(phase in TRAFFIC for phase in now.values()) for now in attempts.seen]
    assert max(with_traffic) == 2
    assert max(map(len, attempts.seen)) > 2
    for now in attempts.seen:
        assert len(now) <= 4
        assert sum(phase in {"starting", WAITING, Phase.BASELINE, Phase.FAULT} for phase in now.values()) <= 2
    kept_waiting = [now for now in attempts.seen if WAITING in now.values()]
    assert any(Phase.AUDIT in now.values() for now in kept_waiting)


@pytest.mark.parametrize("options", [{"jobs": 1}, {"enough": lambda _: ""}])
def test_nothing_starts_ahead_of_a_run_that_may_not_be_needed_or_is_to_be_alone(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """One at a time is one at a time, until its end; and of runs until it is sure none is begun in vain."""
    attempts = Scripted(phases=PHASES)
    run(tmp_path, *(plan(f"run {n}") for n in range(4)), attempts=attempts, **options)
    assert max(map(len, attempts.seen)) == options.get("jobs", 2)


def test_exclusive_scenarios_run_alone(tmp_path: Path) -> None:
    """What measures short times overlaps with nothing."""
    attempts = Scripted()
    plans = (plan("alone", exclusive=True), plan("one"), plan("two"))
    run(tmp_path, *plans, jobs=3, attempts=attempts)
    assert attempts.beside == {"one": {"two"}, "two": {"one"}, "alone": set()}


def test_failures_are_never_retried(tmp_path: Path) -> None:
    """FAIL stands; the exit status says so."""
    suite, _ = run(tmp_path, plan("fails"), plan("fine"))
    assert (suite.verdict, suite.exit_code) == (Verdict.FAIL, 1)
    assert [one.times_run for one in suite.results] == [1, 1]


def test_inconclusive_is_tried_once_more(tmp_path: Path) -> None:
    """Both attempts are kept, the second one counts; what both took is told."""
    suite, told = run(tmp_path, plan("unsure once"))
    assert suite.exit_code == 0
    assert suite.results[0].times_run == 2
    assert told.results[0].wall_s < suite.results[0].wall_s < suite.wall_s
    folders = sorted(folder.name for folder in Path(suite.directory).iterdir() if folder.is_dir())
    assert folders == ["single-unsure-once", "single-unsure-once-second-run"]


def test_inconclusive_stands_where_nobody_wants_a_second_run(tmp_path: Path) -> None:
    """An exploration, whose time is limited, draws another schedule instead."""
    suite, told = run(tmp_path, plan("unsure once"), second_runs=False)
    assert (suite.exit_code, suite.results[0].times_run) == (3, 1)
    assert not told.lines


def test_full_disk_lets_nothing_more_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run ends in an ERROR, which says why; the others have not run, and the same command goes on."""
    plans = [plan(name) for name in ("a judged", "b killed", "c judged", "d judged")]
    full = True

    def filled(path: Path, content: bytes) -> None:
        if full and path.name == "room":
            raise EnvironmentFailure(f"{path}: cannot be written: No space left on device")
        write_file(path, content)

    monkeypatch.setattr("harness.running.suite.write_file", filled)
    suite, silence = run(tmp_path, *plans, jobs=1)
    assert [one.verdict for one in suite.results] == [Verdict.PASS, Verdict.ERROR, *[Verdict.SKIPPED] * 2]
    [said] = silence.lines
    assert said.startswith(f"no further run begins: {suite.directory}/room: cannot be written: No space")
    assert said.endswith(f"the same command with --resume {suite.directory} goes on")
    assert {one.reasons for one in suite.results[2:]} == {("not run: its results could not be written",)}
    full = False
    again, _ = run(tmp_path, *plans, jobs=1, resume=Path(suite.directory))
    assert [one.verdict for one in again.results] == [
        Verdict.PASS, Verdict.ERROR, Verdict.PASS, Verdict.PASS,
    ]  # fmt: skip


@pytest.mark.parametrize(("full", "verdict"), [(True, Verdict.SKIPPED), (False, Verdict.ERROR)])
def test_run_that_cannot_be_written_down_has_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, full: bool, verdict: Verdict
) -> None:
    """On a full disk; where there is room, its ERROR says what stands in the way."""

    def refused(path: Path, content: bytes) -> None:
        if path.name == "plan.json" or (full and path.name == "room"):
            raise EnvironmentFailure(f"{path.name}: cannot be written")
        write_file(path, content)

    monkeypatch.setattr("harness.running.suite.write_file", refused)
    suite, _ = run(tmp_path, plan("a"), plan("b"))
    assert [one.verdict for one in suite.results] == [verdict] * 2


def test_start_that_never_came_is_not_waited_for_again(tmp_path: Path) -> None:
    """The same plan waits for the same. The line says so, with the fault that waited."""
    suite, told = run(tmp_path, plan("waited in vain"))
    assert (suite.exit_code, suite.results[0].times_run) == (3, 1)
    (line,) = told.lines
    assert line.endswith(
        ": inconclusive, and not run again, as the same plan waits for the same: fault 2 waited"
    )


def test_skipped_alone_is_no_success(tmp_path: Path) -> None:
    """Where nothing could run, the status says so: absence of evidence never passes."""
    suite, _ = run(tmp_path, plan("one", skip="needs Docker"))
    assert (suite.results[0].verdict, suite.exit_code) == (Verdict.SKIPPED, 4)


def test_killed_attempt_is_an_environment_failure(tmp_path: Path) -> None:
    """An attempt that dies leaves no pass, and what it left behind is cleaned."""
    cleaned: list[str] = []
    suite, _ = run(tmp_path, plan("killed"), cleaned=cleaned, process=SCRIPTED)
    assert (suite.results[0].verdict, suite.exit_code) == (Verdict.ERROR, 4)
    assert "ended by SIGKILL" in suite.results[0].reasons[0]
    assert cleaned == ["cleaned"]


def test_attempt_that_takes_too_long_is_stopped_and_the_result_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no verdict: nobody else ended it, and how long it was given stands there."""
    monkeypatch.setattr("harness.running.suite.SECONDS_OVER_EXPECTED", -4.9)
    suite, told = run(tmp_path, plan("deaf"), process=SCRIPTED)
    (result,) = suite.results
    assert (result.verdict, suite.exit_code) == (Verdict.ERROR, 4)
    stopped = "stopped, as it took -4.9 s longer than planned"
    assert result.reasons[0].startswith(f"{stopped}: the process of this run was ended by SIG")
    assert any(stopped in line for line in told.lines)


def test_log_of_an_attempt_keeps_no_password(tmp_path: Path) -> None:
    """It may quote a configuration, as may the last thing that the attempt said: neither reaches a report."""
    suite, told = run(tmp_path, plan("quotes a password and is killed"), process=SCRIPTED)
    (result,) = suite.results
    log = (Path(suite.directory) / result.run_dir / "run.log").read_text()
    assert "requirepass <redacted>" in log
    assert "redis://:<redacted>@192.0.2.1" in result.log_tail
    assert result.reasons == ("cannot go on: masterauth <redacted>",)
    assert "hunter2" not in "\n".join([log, result.log_tail, *told.lines])


def test_attempt_that_cannot_be_imported_says_why(tmp_path: Path) -> None:
    """An error of the environment with its reason, the traceback in the log; no verdict."""
    suite, _ = run(tmp_path, plan("one"), process="harness.nowhere")
    (result,) = suite.results
    assert (result.verdict, suite.exit_code) == (Verdict.ERROR, 4)
    assert "ended with status 4 and wrote no result" in result.reasons[0]
    assert "cannot start: ImportError: No module named harness.nowhere" in result.reasons[0]
    assert "Traceback" in (Path(suite.directory) / result.run_dir / "run.log").read_text()


def test_interrupt_lets_the_attempt_finish_and_starts_no_other(tmp_path: Path) -> None:
    """Ctrl-C once: the running one winds down, waiting ones are listed as not run, status 130."""
    threading.Thread(target=_interrupt_later, args=(tmp_path, 1), daemon=True).start()
    plans = (plan("waits"), plan("never"), plan("never alone", exclusive=True))
    suite, silence = run(tmp_path, *plans, jobs=1, process=SCRIPTED)
    assert suite.exit_code == 130
    assert [one.name for one in suite.results] == ["waits", "never", "never alone"]
    assert suite.results[0].run_dir
    for one in suite.results[1:]:
        assert one.verdict is Verdict.SKIPPED
        assert not one.run_dir
        assert "the suite was interrupted" in one.why
    assert any("interrupted" in line for line in silence.lines)


def test_run_that_is_interrupted_before_it_began_did_not_run(tmp_path: Path) -> None:
    """Its process cannot tell what it was asked for yet. It is no error, and leaves nothing to clean up."""
    cleaned: list[str] = []
    threading.Thread(target=_interrupt_later, args=(tmp_path, 1), daemon=True).start()
    suite, _ = run(tmp_path, plan("dawdles"), jobs=1, process=SCRIPTED, cleaned=cleaned)
    (one,) = suite.results
    assert (suite.exit_code, one.verdict, one.run_dir, cleaned) == (130, Verdict.SKIPPED, "", [])
    assert "the suite was interrupted" in one.why


def test_second_run_that_is_interrupted_before_it_began_leaves_the_first_result(tmp_path: Path) -> None:
    threading.Thread(target=_interrupt_later, args=(tmp_path, 1), daemon=True).start()
    suite, _ = run(tmp_path, plan("unsure once, dawdles then"), jobs=1, process=SCRIPTED)
    (one,) = suite.results
    assert (suite.exit_code, one.verdict, one.times_run) == (130, Verdict.INCONCLUSIVE, 1)


def _interrupt_later(out: Path, times: int) -> None:
    wait_until(lambda: list(out.glob(f"*/*/{READY}")), within_s=60, waiting_for="the attempt")
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)


def test_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    """Ctrl-C twice: an attempt that does not listen is killed and cleaned up after."""
    cleaned: list[str] = []
    threading.Thread(target=_interrupt_later, args=(tmp_path, 2), daemon=True).start()
    began = time.monotonic()
    suite, _ = run(tmp_path, plan("deaf"), cleaned=cleaned, process=SCRIPTED)
    assert time.monotonic() - began < 60
    assert suite.exit_code == 130
    assert suite.results[0].verdict is Verdict.INCONCLUSIVE
    assert suite.results[0].why.startswith("the run was interrupted: it was killed at the second Ctrl-C")
    assert cleaned == ["cleaned"]


def test_results_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    """The message says which folder and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailure, match=r"results folder .*--out"):
        run(tmp_path / "file", plan("fine"))


def test_latest_moves_at_the_end(tmp_path: Path) -> None:
    """`latest` points at the newest complete suite."""
    first, _ = run(tmp_path, plan("fine"))
    point_latest(first)
    second, _ = run(tmp_path, plan("fine"))
    point_latest(second)
    assert (tmp_path / "latest").resolve() == Path(second.directory).resolve()


def test_one_scenario_runs_against_two_deployments(tmp_path: Path) -> None:
    """Each run has a folder, a result and a name of its own; one that is repeated replaces itself alone."""
    plans = (
        plan("unsure once", deployment_file="a.yaml", variant="a"),
        plan("unsure once", deployment_file="b.yaml", variant="b", skip="does not fit"),
        plan("unsure once", engine="redis-7.0", deployment_file="a.yaml", variant="a, redis-7.0"),
    )
    suite, told = run(tmp_path, *plans)
    assert [one.key for one in suite.results] == [one.key for one in plans]
    assert [one.label for one in suite.results] == [
        "unsure once (a)",
        "unsure once (b)",
        "unsure once (a, redis-7.0)",
    ]
    assert [one.verdict for one in suite.results] == [Verdict.PASS, Verdict.SKIPPED, Verdict.PASS]
    assert [one.times_run for one in suite.results] == [2, 1, 2]
    assert [one.run_dir for one in suite.results] == [
        "single-unsure-once-a-second-run",
        "",
        "single-unsure-once-a-redis-7-0-second-run",
    ]
    assert {one.label for one in told.results} == {one.label for one in suite.results}


def test_folders_of_one_name_are_numbered_and_never_a_second_attempt() -> None:
    """What differs only in signs that no folder has, and a file that is called like a second run."""
    plans = [
        plan("one", deployment_file="x", variant="a b"),
        plan("one", deployment_file="y", variant="a.b"),
        plan("one-a-b-second-run"),
        plan("one"),
        plan("two-second-run"),
        plan("two"),
    ]
    assert list(folder_names(plans).values()) == [
        "single-one-a-b",
        "single-one-a-b-2",
        "single-one-a-b-second-run-2",
        "single-one",
        "single-two-second-run",
        "single-two-2",
    ]


def repeats(name: str, runs: int) -> list[Plan]:
    return [replace(plan(name), seed=seed, repeated=True) for seed in range(runs)]


def test_a_resumed_suite_runs_what_is_not_finished(tmp_path: Path) -> None:
    """What was judged stays; what was killed runs again, and what it left keeps lying there."""
    first, _ = run(tmp_path, plan("judged one"), plan("killed"))
    folder = Path(first.directory)
    kept = (folder / "single-judged-one" / "result.msgpack").stat()
    again, told = run(tmp_path, plan("judged one"), plan("killed"), resume=record(first))
    assert again.directory == first.directory
    assert [one.name for one in told.results] == ["killed"]
    assert (folder / "single-judged-one" / "result.msgpack").stat() == kept
    assert [one.verdict for one in again.results] == [Verdict.PASS, Verdict.ERROR]
    assert (folder / "single-killed-unfinished-1" / "plan.json").exists()


def record(suite: SuiteResult) -> Path:
    """As the command leaves it when the suite is over."""
    write_record(Path(suite.directory), SUITE, suite)
    (Path(suite.directory) / PLANNED).unlink()
    return Path(suite.directory)


def test_a_suite_whose_harness_was_killed_is_resumed_by_its_plan(tmp_path: Path) -> None:
    """There is no suite.msgpack yet; a run that its second run decided is decided."""
    first, _ = run(tmp_path, plan("judged unsure once"), plan("judged two"))
    again, told = run(tmp_path, plan("judged unsure once"), plan("judged two"), resume=Path(first.directory))
    assert not told.results
    assert [(one.verdict, one.times_run) for one in again.results] == [(Verdict.PASS, 2), (Verdict.PASS, 1)]


@pytest.mark.parametrize(
    ("others", "says"),
    [
        (["judged one"], "expected the runs of this command"),
        (["judged one", "judged three"], "expected the runs of this command"),
        (["judged one", "judged two"], "expected the plan of this command"),
    ],
)
def test_another_command_resumes_nothing(tmp_path: Path, others: list[str], says: str) -> None:
    """Neither with other scenarios nor with one that was changed since."""
    first, _ = run(tmp_path, plan("judged one"), plan("judged two"))
    plans = [replace(plan(name), expected_s=6) for name in others]
    with pytest.raises(UsageError, match=says):
        run(tmp_path, *plans, resume=Path(first.directory))


def test_a_folder_without_results_is_not_resumed(tmp_path: Path) -> None:
    """One clear sentence, and nothing is written there."""
    with pytest.raises(UsageError, match="to go on with, found none"):
        begun(tmp_path)
    (tmp_path / PLANNED).write_bytes(b"x")
    with pytest.raises(UsageError, match="cannot be read"):
        begun(tmp_path)


def test_runs_end_as_soon_as_it_is_sure(tmp_path: Path) -> None:
    """A promise that is never kept needs no fiftieth run; the runs of another scenario go on."""
    plans = [*repeats("fails", 6), *repeats("fine", 6)]
    suite, _ = run(tmp_path, *plans, jobs=1, enough=partial(sure_enough, 0.9))
    by_name = [(one.name, one.verdict) for one in suite.results]
    failed = by_name.count(("fails", Verdict.FAIL))
    assert 1 <= failed <= 3
    assert by_name.count(("fails", Verdict.SKIPPED)) == 6 - failed
    assert by_name.count(("fine", Verdict.PASS)) == 6
    left_out = next(one for one in suite.results if one.verdict is Verdict.SKIPPED)
    assert f"0 of {failed} runs passed, so less than 90% of all runs do" in left_out.why


def test_every_cell_runs_once_before_any_runs_again(tmp_path: Path) -> None:
    """Also the short ones: what is interrupted has something of each."""
    long = [replace(one, expected_s=50) for one in repeats("long", 2)]
    suite, told = run(tmp_path, *long, *repeats("short", 2), jobs=1)
    assert [one.name for one in told.results] == ["long", "short", "long", "short"]
    assert [one.name for one in suite.results] == ["long", "long", "short", "short"]


def test_resumed_suite_goes_on_with_the_turn_that_was_interrupted(tmp_path: Path) -> None:
    """What has run once waits for what has not run yet."""
    long = [replace(one, expected_s=50) for one in repeats("judged long", 2)]
    plans = [*long, *repeats("judged short", 2)]
    first, _ = run(tmp_path, *plans, jobs=1)
    folders = list(folder_names(plans).values())
    for unfinished in folders[1:]:
        (Path(first.directory) / unfinished / "result.msgpack").unlink()
    _, told = run(tmp_path, *plans, jobs=1, resume=record(first))
    assert [one.name for one in told.results] == ["judged short", "judged long", "judged short"]
