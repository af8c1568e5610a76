"""One run of one plan, in a process of its own: `harness.running.one_process FOLDER RUN IMAGE [IN_TURN]`.

The suite has put `plan.json` into the folder. With IN_TURN the run waits, once its nodes are ready, for a
line on standard input before it sends traffic to them. This process runs the plan, reports progress as lines
of JSON on standard output, and leaves `result.msgpack`. It ends early, healing and tearing down first,
on SIGINT, on SIGTERM, and when its standard input ends because whoever started it is gone. Without root
it is started inside a user namespace, where network faults are possible.

Nothing here judges or prints for people; a crash of the kit itself ends up in `run.log`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from functools import partial
from pathlib import Path
from types import FrameType

import msgspec

from harness.clock import wait_until
from harness.errors import DoesNotComeUp, EnvironmentFailure, HostVanished, Interrupted, KitError
from harness.model.plan import Plan
from harness.model.redaction import redacted, without_url_passwords
from harness.model.results import IN_TURN, WAITING, Progress, ScenarioResult
from harness.model.words import Verdict
from harness.running.one_run import run_plan
from harness.running.recording import Stop

_LONGER_THAN_ANY_RUN_S = 1e6
_NICER_BY = 10
"""A tenth of the time of a CPU that somebody else wants too."""


def main(arguments: list[str]) -> int:
    directory, run, image = Path(arguments[0]), arguments[1], arguments[2]
    stop, its_turn = Stop(), threading.Event()
    _catch_signals(stop, its_turn)
    try:
        plan = msgspec.json.decode((directory / "plan.json").read_bytes(), type=Plan)
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or problem
        print(f"{directory / 'plan.json'}: the plan of this run cannot be read: {why}", flush=True)
        return EnvironmentFailure.exit_code
    try:
        result = run_plan(
            plan,
            run=run,
            directory=directory,
            image=None if image == "-" else image,
            tell=_tell,
            stop=stop,
            ready=partial(until_its_turn, plan.label, its_turn, stop) if IN_TURN in arguments[3:] else None,
            recorded=let_others_first,
        )
    except (HostVanished, Interrupted) as problem:
        result = ScenarioResult.of(plan, Verdict.INCONCLUSIVE, str(problem))
    except DoesNotComeUp as problem:
        result = ScenarioResult.never_up(plan, without_url_passwords(str(problem)))
    except KitError as problem:
        result = ScenarioResult.of(plan, Verdict.ERROR, without_url_passwords(str(problem)))
    except OSError as problem:
        traceback.print_exc()
        why = f"{problem.filename or directory}: {problem.strerror or problem}"
        result = ScenarioResult.of(plan, Verdict.ERROR, why)
    except Exception as problem:  # noqa: BLE001  a crash of the kit is a result too: ERROR, never a hang
        traceback.print_exc()
        why = redacted(f"the kit itself crashed: {type(problem).__name__}: {problem} (see run.log)")
        result = ScenarioResult.of(plan, Verdict.ERROR, why)
    _leave(result, directory)
    return 0


def until_its_turn(label: str, its_turn: threading.Event, stop: Stop) -> None:
    """Say that it waits, and wait for its turn, or until it is to stop."""
    if not its_turn.is_set():
        _tell(Progress(scenario=label, phase=WAITING))
    wait_until(
        lambda: its_turn.is_set() or stop.event.is_set(),
        within_s=_LONGER_THAN_ANY_RUN_S,
        waiting_for="its turn",
        every_s=0.02,
    )


def let_others_first() -> None:
    """Judging can wait. What other runs measure meanwhile would be late."""
    os.nice(_NICER_BY)


def _catch_signals(stop: Stop, its_turn: threading.Event) -> None:
    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        stop.set("by its user")

    for caught in (signal.SIGINT, signal.SIGTERM):
        signal.signal(caught, interrupted)
    watcher = threading.Thread(target=_watch_owner, args=(stop, its_turn), daemon=True, name="owner")
    watcher.start()


def _watch_owner(stop: Stop, its_turn: threading.Event) -> None:
    while os.read(0, 4096):
        its_turn.set()
    stop.set("the process that started this run is gone")


def _tell(progress: Progress) -> None:
    try:
        sys.stdout.buffer.write(msgspec.json.encode(progress) + b"\n")
        sys.stdout.buffer.flush()
    except (BrokenPipeError, ValueError):
        pass  # nobody reads any more; `_watch_owner` notices why


def _leave(result: ScenarioResult, directory: Path) -> None:
    """Hand the result over in a file, or, where there is no room for one, say its reason aloud."""
    path = directory / "result.msgpack"
    try:
        path.write_bytes(msgspec.msgpack.encode(result))
    except OSError as problem:
        path.unlink(missing_ok=True)
        said = f"{path}: the result cannot be written: {problem.strerror}"
        print(result.reasons[0] if result.verdict is Verdict.ERROR else said, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
