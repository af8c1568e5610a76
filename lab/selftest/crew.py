"""Workers side by side: each gets one job at a time and says what came of it.

Leaving the crew, however it happens, ends the workers' input; each finishes the job it is at, takes its
nodes down and ends. Whoever is stopped by SIGKILL ends their input as well.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec

from lab.selftest.worker import Done, Job

ROOT = Path(__file__).resolve().parents[2]
ENDS_WITHIN_S = 60.0


class WorkerLost(Exception):
    """A worker ended before its job."""


class Ledger(Protocol):
    """Where jobs come from and results go; asked by one worker's thread at a time."""

    def next_job(self) -> Job | None: ...
    def note(self, done: Done) -> None: ...


class Crew:
    def __init__(self, directory: Path, workers: int, engine: str | None = None) -> None:
        self._directory = directory
        self._engine = engine
        self._count = workers
        self._workers: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self._stopping = False
        self._lost = ""

    def __enter__(self) -> Self:
        for number in range(self._count):
            folder = self._directory / f"worker-{number + 1}"
            folder.mkdir()
            command = [sys.executable, "-m", "lab.selftest.worker", str(folder)]
            command += [self._engine] if self._engine else []
            self._workers.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.stdin.close()  # type: ignore[union-attr]
        for worker in self._workers:
            try:
                worker.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                worker.terminate()
                worker.wait()
            worker.stdout.close()  # type: ignore[union-attr]

    def work(self, ledger: Ledger) -> None:
        """Until there is no job left.

        Raises:
            WorkerLost: a worker ended in the middle of a job.
        """
        threads = [
            threading.Thread(target=self._serve, args=(worker, ledger), daemon=True)
            for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # a thread that is joined without a limit hears no Ctrl-C
                thread.join(0.2)
        if self._lost:
            raise WorkerLost(self._lost)

    def _serve(self, worker: subprocess.Popen[str], ledger: Ledger) -> None:
        assert worker.stdin is not None
        assert worker.stdout is not None
        while not self._stopping and not self._lost:
            with self._lock:
                job = ledger.next_job()
            if job is None:
                return
            try:
                worker.stdin.write(msgspec.json.encode(job).decode() + "\n")
                worker.stdin.flush()
                line = worker.stdout.readline()
            except (OSError, ValueError):
                line = ""
            if not line:
                self._lost = f"a worker ended while it was at {job}"
                return
            with self._lock:
                ledger.note(msgspec.json.decode(line, type=Done))
