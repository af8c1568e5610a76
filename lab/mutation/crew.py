"""The workers side by side, and their record.

Each worker has a copy of its own, so that the checkout is only ever read and may change meanwhile. What
came of a mutant is noted at once, so that a measurement that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WORKER = Path(__file__).with_name("worker.py")
LEFT_OUT = frozenset({".git", ".venv", "runs", "build", "dist", ".hypothesis"})
"""At the top of the project; caches are left out everywhere."""
CACHES = shutil.ignore_patterns("__pycache__", ".*_cache")
ENDS_WITHIN_S = 20.0


class WorkerLost(Exception):
    """A worker ended before its job."""


class Crew:
    def __init__(self, project: Path, workers: int) -> None:
        self._project = project
        self._count = workers
        self._workers: list[subprocess.Popen[str]] = []
        self._failed: Exception | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="mutation-"))
        first = self._folder / "1"
        shutil.copytree(self._project, first, symlinks=True, ignore=self._left_out)
        for number in range(1, self._count + 1):
            copy = self._folder / str(number)
            if copy != first:
                shutil.copytree(first, copy, symlinks=True)
        self._workers = [_start(self._folder / str(n)) for n in range(1, self._count + 1)]
        return self

    def _left_out(self, folder: str, names: list[str]) -> set[str]:
        at_the_top = LEFT_OUT if Path(folder) == self._project else frozenset()
        return {name for name in names if name in at_the_top} | CACHES(folder, names)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            assert worker.stdin is not None
            assert worker.stdout is not None
            if kind is not None:
                worker.terminate()
            worker.stdin.close()
            try:
                worker.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            worker.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def source(self) -> Path:
        """The copy of the first worker, before any job."""
        return self._folder / "1"

    def work(self, jobs: Sequence[Mapping[str, Any]], note: Callable[[int, Mapping[str, Any]], None]) -> None:
        """Do all jobs, as many at once as there are workers; `note` is called with the number of each.

        Raises:
            WorkerLost: a worker ended in the middle of a job.
            Exception: whatever `note` raised.
        """
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for n in range(len(jobs)):
            waiting.put(n)
        lock = threading.Lock()
        threads = [
            threading.Thread(target=self._serve, args=(worker, jobs, waiting, note, lock), daemon=True)
            for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # a thread that is joined without a limit hears no Ctrl-C
                thread.join(0.2)
        if self._failed is not None:
            raise self._failed

    def everywhere(self, job: Mapping[str, Any]) -> None:
        """Have every worker do the same job."""
        for worker in self._workers:
            assert worker.stdin is not None
            worker.stdin.write(json.dumps(job) + "\n")
            worker.stdin.flush()
        for worker in self._workers:
            assert worker.stdout is not None
            if not worker.stdout.readline():
                raise WorkerLost(f"a worker ended while it was at {job['do']}")

    def _serve(
        self,
        worker: subprocess.Popen[str],
        jobs: Sequence[Mapping[str, Any]],
        waiting: queue.SimpleQueue[int],
        note: Callable[[int, Mapping[str, Any]], None],
        lock: threading.Lock,
    ) -> None:
        assert worker.stdin is not None
        assert worker.stdout is not None
        while self._failed is None:
            try:
                n = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                worker.stdin.write(json.dumps(jobs[n]) + "\n")
                worker.stdin.flush()
                answer = json.loads(worker.stdout.readline())
            except (OSError, ValueError):
                self._failed = WorkerLost(f"a worker ended while it was at job {n}: {jobs[n]}"[:500])
                return
            with lock:
                try:
                    note(n, answer)
                except Exception as problem:  # noqa: BLE001 - a thread's own would end nothing but the thread
                    self._failed = problem
                    return


def _start(copy: Path) -> subprocess.Popen[str]:
    # One thread each: there are as many workers as cores, and a fork takes no threads along.
    environment = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
    return subprocess.Popen(
        [sys.executable, "-P", str(WORKER), str(copy)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=copy,
        env=environment,
    )
