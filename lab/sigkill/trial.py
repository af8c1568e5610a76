"""One fault: run by the kit's own command, killed while it is in effect, cleaned up by the kit's own command.

The harness and the process of its attempt get SIGKILL at once, as from somebody who has enough of it; nodes
and helpers have sessions of their own and live on. The first `clean` gets SIGKILL in its middle as well.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from harness.clock import WaitExpired, wait_until
from harness.model.words import BackendKind
from harness.topology.base.state_files import STATE
from lab.rows import ROOT
from lab.sigkill import traces
from lab.sigkill.example import Example

EFFECT_WITHIN_S = 150.0
_ATTEMPT = "harness.running.one_process"
"""Its words are its folder, its label, and an image."""
_GONE_WITHIN_S = 30.0
_CLEAN_WITHIN_S = 180.0
_LOOK_EVERY_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    fault: str
    backend: str
    skipped: str = ""
    """Why it cannot be done here; empty: it was tried."""
    proof: str = ""
    """Of its effect; empty: it had none."""
    failure: str = ""
    """Why there was no effect to kill in."""
    left: Sequence[str] = field(default=())
    """What `clean` did not remove."""

    @property
    def works(self) -> bool:
        return bool(self.proof)


def tried(example: Example, backend: str, words: Sequence[str], folder: Path) -> Outcome:
    """`words`: more of the command, such as the project that is to be started."""
    state = folder / "state"
    state.mkdir(parents=True)
    (folder / "killed.yaml").write_text(yaml.safe_dump(example.document, sort_keys=False), encoding="utf-8")
    environment = {**os.environ, STATE: str(state), "PYTHONPATH": str(ROOT)}
    kit = [sys.executable, "-m", "harness"]
    command = [*kit, "run", "killed.yaml", "--backend", backend, "--seed", "1", "--out", "runs", *words]
    log = folder / "run.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as harness,
    ):
        proof, failure = _effect(example.number, harness, log)
        running = traces.processes(state)
        links, run = traces.links(running), _run_of(running, backend)
        _kill(harness)

    def found() -> list[str]:
        return traces.left(folder, state, links, run)

    clean = [*kit, "clean"]
    _kill_in_its_middle(clean, folder, environment, found)
    cleaned = subprocess.run(
        clean,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_CLEAN_WITHIN_S,
        check=False,
    )
    (folder / "clean.log").write_text(cleaned.stdout + cleaned.stderr, encoding="utf-8")
    try:
        wait_until(lambda: not found(), within_s=_GONE_WITHIN_S, waiting_for="all to be gone")
        left = []
    except WaitExpired:
        left = found()
    if cleaned.returncode:
        left.append(f"clean ended with {cleaned.returncode}")
    return Outcome(fault=example.fault, backend=backend, proof=proof, failure=failure, left=left)


def _kill_in_its_middle(
    clean: Sequence[str], folder: Path, environment: Mapping[str, str], found: Callable[[], list[str]]
) -> None:
    """SIGKILL for `clean` as well, as soon as it has removed something."""
    before = len(found())
    quiet = subprocess.DEVNULL
    with subprocess.Popen(clean, cwd=folder, env=environment, stdout=quiet, stderr=quiet) as first:
        with suppress(WaitExpired):
            wait_until(
                lambda: len(found()) < before or first.poll() is not None,
                within_s=_CLEAN_WITHIN_S,
                waiting_for="clean to have removed something",
                every_s=_LOOK_EVERY_S,
            )
        first.kill()


def _effect(number: int, harness: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    """The proof of the fault's effect, or why there is none."""
    seen = re.compile(rf": fault {number} (effect|no-effect): (.*)")

    def said() -> re.Match[str] | None:
        return seen.search(log.read_text(encoding="utf-8", errors="replace"))

    try:
        wait_until(
            lambda: said() or harness.poll() is not None, within_s=EFFECT_WITHIN_S, waiting_for="the effect"
        )
    except WaitExpired as expired:
        return "", str(expired)
    found = said()
    if found is None:
        return "", log.read_text(encoding="utf-8", errors="replace")[-400:]
    return (found[2], "") if found[1] == "effect" else ("", found[2])


def _kill(harness: subprocess.Popen[bytes]) -> None:
    try:
        ours = psutil.Process(harness.pid)
        attempts = [one for one in ours.children() if one.name().startswith("python")]
    except psutil.Error:
        return
    for one in (ours, *attempts):
        one.kill()
    deadline_s = time.monotonic() + _GONE_WITHIN_S
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in attempts):
        if time.monotonic() > deadline_s:
            return
        time.sleep(0.02)


def _run_of(running: Sequence[psutil.Process], backend: str) -> str:
    """The label of a run in containers, which its attempt was told; empty: it has none."""
    if backend == BackendKind.PROCESS:
        return ""
    for one in running:
        with suppress(psutil.Error):
            said = one.cmdline()
            if _ATTEMPT in said:
                return str(said[said.index(_ATTEMPT) + 2])
    return ""
