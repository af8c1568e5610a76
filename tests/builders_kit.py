"""The kit as its user runs it: the command line in a process of its own, on scenarios of a few seconds.

Each folder has its own records of ownership and an engine address that leads nowhere, so that nothing
here, `clean` above all, can see what else runs on this machine.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.clock import wait_until

ROOT = Path(__file__).resolve().parents[1]
NO_ENGINE = "unix:///nonexistent/docker.sock"
PATIENCE_S = 120.0
"""For what takes seconds here and may take far longer on a busy machine."""

LOST = """\
scenario: 1
name: killed without persistence
shows: promise
advice: appendonly yes keeps the sessions over a restart
deployment:
  topology: {kind: single, redis: {appendonly: "no", save: ""}}
workload: {rate: 100/s, users: 30, mix: {log-in: 10, read: 50, change-field: 20, cart: 20}}
faults:
  - {after: 1s, kill: primary}
  - {after: fault 1 + 0.3s, restart: killed, data: keep}
expect:
  outage(write): < 20s
"""
"""A promise that is broken: everybody is logged out."""

KEPT = """\
scenario: 1
name: one web server killed
deployment: {topology: {kind: single}}
workload: {rate: 100/s, users: 30, mix: {log-in: 10, read: 60, change-field: 30}}
faults:
  - {after: 1s, kill web server: web-2}
duration: 2s
"""

WITHOUT_END = """\
scenario: 1
name: paused for a minute
deployment: {topology: {kind: sentinel}}
workload: {rate: 100/s, users: 30, mix: {log-in: 10, read: 60, change-field: 30}}
faults:
  - {after: 0.5s, pause: replica, for: 60s}
"""
"""Ends in time only if it is stopped; a paused node is there to be healed."""


@dataclass(frozen=True, slots=True)
class Kit:
    """One user's folder."""

    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def latest(self) -> Path:
        return (self.runs / "latest").resolve()

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def environment(self) -> dict[str, str]:
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if name not in {"CI", "REDIS_IMAGE"}}
        return inherited | {
            "FAILOVER_KIT_STATE": str(state),
            "TMPDIR": str(state),
            "DOCKER_HOST": NO_ENGINE,
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *words],
            cwd=self.folder,
            env=self.environment() | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, scenario: str, name: str = "run") -> Running:
        """A run on the process backend; its results lie in `<name>/`, its output in `<name>.log`."""
        log = self.folder / f"{name}.log"
        run = ("run", "--backend", "process", "--seed", "1")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "harness", *run, "--scenario", scenario, "--out", name],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Running(process, self.folder / name, log)


@dataclass(slots=True)
class Running:
    process: subprocess.Popen[bytes]
    out: Path
    log: Path
    traces: Traces | None = field(default=None)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def await_words(self, words: str) -> None:
        """Wait until the output has these, and note what the run has started by then."""
        wait_until(
            lambda: words in self.said() or self.process.poll() is not None,
            within_s=PATIENCE_S,
            waiting_for=f"{words!r} in the output",
            describe=self.said,
        )
        assert words in self.said(), self.said()
        self.traces = Traces.of(self.out)

    def ended(self) -> int:
        return self.process.wait(PATIENCE_S)

    def attempt(self) -> psutil.Process:
        (found,) = psutil.Process(self.process.pid).children()
        return found

    @property
    def directory(self) -> Path:
        """Where the one scenario of the run has its results."""
        (found,) = {path.resolve().parent for path in self.out.glob("*/*/plan.json")}
        return found


@dataclass(frozen=True, slots=True)
class Traces:
    """What a run has on this machine: processes, and its link in this network namespace."""

    processes: tuple[psutil.Process, ...]
    links: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, folder: Path) -> Traces:
        processes = tuple(processes_of(folder))
        nodes = " ".join(" ".join(process.cmdline()) for process in processes)
        subnets = {address.rpartition(".")[0] for address in re.findall(r"\b(\d+\.\d+\.\d+\.\d+):\d+", nodes)}
        names = {"rfk-" + "".join(f"{int(part):02x}" for part in one.split(".")) for one in subnets}
        # With the index: another run may use the subnet, and so the name, a moment later.
        return cls(processes, tuple(link for link in socket.if_nameindex() if link[1] in names))

    def left(self) -> list[object]:
        running = [one for one in self.processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        return [*running, *(link for link in self.links if link in socket.if_nameindex())]

    def vanish(self) -> bool:
        """Whether everything is gone soon; a namespace goes with the last process that holds it."""
        return wait_until(
            lambda: not self.left(), within_s=30, waiting_for="all to be gone", describe=self.left
        )


def processes_of(folder: Path) -> Iterator[psutil.Process]:
    """Nodes and attempts whose files lie in this folder."""
    for process in psutil.process_iter():
        try:
            words, place = " ".join(process.cmdline()), process.cwd()
        except (psutil.Error, OSError):
            continue
        if f"{folder}/" in f"{place}/" or (folder.name + "/" in words and place == str(folder.parent)):
            yield process


def one_line(text: str) -> bool:
    """Whether a message is one line for a person, and no traceback."""
    return len(text.strip().splitlines()) == 1 and "Traceback" not in text
