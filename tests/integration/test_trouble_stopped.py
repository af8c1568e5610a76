"""Stopped by its user or killed: everything healed, closed and removed, and nothing claimed afterwards."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders_kit import KEPT, PATIENCE_S, WITHOUT_END, Kit, Running, Traces, processes_of

pytestmark = pytest.mark.process

EFFECT = "fault 1 effect"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Running]:
    """Three runs side by side, stopped in the three ways once their fault had its effect."""
    kit = Kit(tmp_path_factory.mktemp("stopped"))
    scenario = kit.write("endless.yaml", WITHOUT_END)
    runs = {name: kit.start(scenario, name) for name in ("once", "twice", "terminated")}
    for one in runs.values():
        one.await_words(EFFECT)
    runs["once"].process.send_signal(signal.SIGINT)
    runs["terminated"].process.send_signal(signal.SIGTERM)
    runs["twice"].attempt().suspend()  # stuck: it will not wind down
    runs["twice"].process.send_signal(signal.SIGINT)
    runs["twice"].await_words("interrupted: healing")
    runs["twice"].process.send_signal(signal.SIGINT)
    for one in runs.values():
        one.ended()
    return runs


def records(directory: Path) -> list[dict[str, object]]:
    """What a closed history holds, without the seal that is its last line."""
    text = gzip.decompress((directory / "history.jsonl.gz").read_bytes())
    *written, seal = (json.loads(line) for line in text.splitlines())
    assert seal["type"] == "seal"
    return written


@pytest.mark.parametrize("how", ["once", "terminated"])
def test_stopped_run_heals_closes_its_history_and_leaves_nothing(
    how: str, stopped: dict[str, Running]
) -> None:
    """Ctrl-C and SIGTERM: the fault is healed, the history is closed, status 130, all is gone."""
    run = stopped[how]
    assert run.process.returncode == 130
    written = records(run.directory)
    assert written[-1]["type"] == "closing"
    assert written[-1]["interrupted"] is True
    assert "healed" in {one["name"] for one in written if one["type"] == "event"}
    summary = json.loads((run.out / "latest" / "summary.json").read_text())
    assert (summary["exit_code"], summary["interrupted"]) == (130, True)
    assert summary["scenarios"][0]["verdict"] == "INCONCLUSIVE"
    assert "the run was interrupted" in run.said()
    assert run.said().rstrip().endswith("exit status 130: interrupted")
    assert (run.directory / "nodes" / "redis-1.log").stat().st_size > 0, "logs are kept"
    assert run.traces is not None
    assert len(run.traces.processes) >= 7, "an attempt, three nodes and three sentinels were there"
    assert run.traces.vanish()


def test_second_interrupt_ends_at_once_and_leaves_nothing(stopped: dict[str, Running]) -> None:
    """Ctrl-C twice: a stuck attempt is not waited for, and still nothing stays behind."""
    run = stopped["twice"]
    assert run.process.returncode == 130
    assert run.said().rstrip().endswith("exit status 130: interrupted")
    assert "the run was interrupted: it was killed at the second Ctrl-C" in " ".join(run.said().split())
    assert "Traceback" not in run.said()
    assert run.traces is not None
    assert run.traces.vanish()


IN_PROCESS = """
import signal
import sys
from pathlib import Path
from harness.running import selection
from harness.running.compiling import compile_all
from harness.running.ground import choose_ground
from harness.running.one_run import run_plan
from harness.running.recording import Stop

signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background inherits "ignore"
scenarios = selection.load([Path(sys.argv[1])], suite=None, overrides=(), deployment=None)
(plan,) = compile_all(scenarios, seed=1, ground=choose_ground("process"))
run_plan(
    plan,
    run="in-process",
    directory=Path(sys.argv[2]),
    image=None,
    tell=lambda progress: print(progress.phase, flush=True),
    stop=Stop(),
)
"""


def test_interrupted_run_in_somebody_elses_process_ends_at_once(tmp_path: Path) -> None:
    """Ctrl-C where nobody catches it, as in a test session: healed and gone, long before its `for:` is over."""
    scenario = tmp_path / "endless.yaml"
    scenario.write_text(WITHOUT_END.replace("for: 60s", "for: 200s"))
    command = [sys.executable, "-c", IN_PROCESS, str(scenario), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert "fault\n" in iter(child.stdout.readline, "")
        child.send_signal(signal.SIGINT)
        try:
            _, said = child.communicate(timeout=PATIENCE_S)
        finally:
            child.kill()
    assert "KeyboardInterrupt" in said
    written = records(tmp_path)
    assert "healed" in {one["name"] for one in written if one["type"] == "event"}
    assert written[-1]["interrupted"] is True
    assert list(processes_of(tmp_path)) == []


def test_recovery_is_interrupted_too(tmp_path: Path) -> None:
    """Ctrl-C while the kit waits for a recovery that will not come: it does not wait on."""
    kit = Kit(tmp_path)
    never = WITHOUT_END.replace("pause: replica, for: 60s", "kill: primary").replace("sentinel", "single")
    run = kit.start(kit.write("never.yaml", never))
    run.await_words(": recovery")
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(30) == 130, "settle_within would be 45 s"
    assert records(run.directory)[-1]["not_recovered"] == "the run was stopped before"
    assert run.traces is not None
    assert run.traces.vanish()


def test_killed_attempt_is_an_error_and_its_history_is_judged_inconclusive(tmp_path: Path) -> None:
    """SIGKILL of one scenario: the suite says so and cleans; what was written is judged, never passed."""
    kit = Kit(tmp_path)
    run = kit.start(kit.write("endless.yaml", WITHOUT_END))
    run.await_words(EFFECT)
    run.attempt().kill()
    assert run.ended() == 4
    assert "the process of this run was ended by SIGKILL and wrote no result" in run.said()
    assert run.traces is not None
    assert run.traces.vanish()
    judged = kit.run("judge", str(run.directory))
    assert judged.returncode == 3, judged.stdout + judged.stderr
    assert "the history is incomplete" in judged.stdout
    operations = (run.directory / "history.jsonl").read_text().count('"type":"operation"')
    assert operations > 30, "complete up to the moment it was killed"


def test_clean_removes_what_a_killed_harness_left_and_nothing_else(tmp_path: Path) -> None:
    """SIGKILL of suite and attempt: nodes stay, `clean` ends them, and a living run beside goes on."""
    kit = Kit(tmp_path)
    killed = kit.start(kit.write("endless.yaml", WITHOUT_END), "killed")
    living = kit.start(kit.write("kept.yaml", KEPT.replace("duration: 2s", "duration: 8s")), "living")
    killed.await_words(EFFECT)
    attempt = killed.attempt()
    attempt.suspend()  # else it would notice that its suite is gone, and wind down
    killed.process.kill()
    attempt.kill()
    killed.ended()
    living.await_words(EFFECT)
    nodes = list(processes_of(killed.out))
    assert len(nodes) == 6, "nodes outlive a killed harness"
    before = {one for one in killed.directory.rglob("*") if one.is_file() and "data" not in one.parts}
    cleaned = kit.run("clean")
    assert (cleaned.returncode, len(cleaned.stdout.splitlines())) == (0, 1), cleaned.stdout + cleaned.stderr
    assert killed.traces is not None
    assert killed.traces.vanish()
    assert before <= {path for path in killed.directory.rglob("*") if path.is_file()}, "never a result"
    assert kit.run("clean").stdout == "nothing to remove\n"
    judged = kit.run("judge", str(killed.directory.parent))
    assert judged.returncode == 3, judged.stdout + judged.stderr
    assert living.ended() == 0, living.said()
    assert living.traces is not None
    assert living.traces.vanish()


def test_attempt_winds_down_when_its_suite_is_killed(tmp_path: Path) -> None:
    """SIGKILL of the suite alone: the attempt heals, closes the history and takes everything down."""
    kit = Kit(tmp_path)
    run = kit.start(kit.write("endless.yaml", WITHOUT_END))
    run.await_words(EFFECT)
    attempt = run.attempt()
    run.process.kill()
    run.ended()
    attempt.wait(PATIENCE_S)
    assert run.traces is not None
    assert run.traces.vanish()
    closing = records(run.directory)[-1]
    assert (closing["type"], closing["reason"]) == ("closing", "the process that started this run is gone")
    judged = kit.run("judge", str(run.directory.parent))
    assert judged.returncode == 3, judged.stdout + judged.stderr
    assert "the run was interrupted" in judged.stdout
    assert Traces.of(run.out).left() == []
