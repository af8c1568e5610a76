"""An attempt that does what its scenario's name says, for the scheduler's tests."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.model.judgement import Judgement
from harness.model.plan import Plan
from harness.model.results import Progress, ScenarioResult
from harness.model.words import Verdict

READY = "ready"
"""The file that says: from now on an interrupt is heard, or not, as the scenario's name has it."""


def main() -> None:
    directory = Path(sys.argv[1])
    plan = msgspec.json.decode((directory / "plan.json").read_bytes(), type=Plan)
    name = plan.scenario.name
    began = time.time()
    print(msgspec.json.encode(Progress(scenario=plan.label, phase="baseline")).decode(), flush=True)
    if "quotes" in name:
        print(
            "Traceback\n  requirepass hunter2\nValueError: redis://:hunter2@192.0.2.1",
            file=sys.stderr,
            flush=True,
        )
        print("cannot go on: masterauth hunter2", flush=True)
    if "killed" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    verdict = Verdict.PASS
    if "waits" in name:
        heard: list[int] = []
        signal.signal(signal.SIGINT, lambda *_: heard.append(1))
        (directory / READY).touch()
        while not heard:
            time.sleep(0.05)
        verdict = Verdict.INCONCLUSIVE
    elif "deaf" in name:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        (directory / READY).touch()
        while True:
            signal.pause()
    elif "unsure once" in name and not directory.name.endswith("second-run"):
        verdict = Verdict.INCONCLUSIVE
    elif "fails" in name:
        verdict = Verdict.FAIL
    if "slow" in name:
        time.sleep(0.4)
    (directory / "times").write_text(f"{began} {time.time()}")
    result = ScenarioResult.of(plan, verdict, "scripted")
    if "in vain" in name:
        result = replace(result, verdict=Verdict.INCONCLUSIVE, start_that_never_came="fault 2 waited")
    if "judged" in name and "waits" not in name:
        result = replace(result, judgement=Judgement(verdict=verdict, reasons=(), shows=plan.scenario.shows))
    (directory / "result.msgpack").write_bytes(msgspec.msgpack.encode(result))


if __name__ == "__main__":
    main()
