"""One scenario file, run for somebody else's test session: what the pytest plug-in asks for.

`harness.for_pytest FILE SEED BACKEND ENGINE RESULTS` runs in a process of its own, as that session
may have a package `harness` of its own. `-` says nothing of a seed or an engine. It prints one object of
JSON: the result, or the problem that left none. Like a run of a suite it ends, with everything taken down,
on SIGINT and when its standard input ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import Interrupted, KitError, UsageError
from harness.model.command_words import seed_of
from harness.model.engine import is_engine_name, meant_engine
from harness.model.results import Progress, ScenarioResult
from harness.model.words import Verdict
from harness.output import told_of_crash
from harness.report.explain import explain
from harness.run import RunRequest, run
from harness.running.selection import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class OneResult:
    verdict: Verdict
    reasons: tuple[str, ...]
    text: str
    """The whole explanation, as the terminal would show it."""


def run_one(
    path: Path, *, seed: int | None, backend: str, results: Path, engine: str | None = None
) -> OneResult:
    """Run one scenario as a suite of its own, quietly.

    Raises:
        UsageError: the file is no valid scenario.
        EnvironmentFailure: the backend cannot work here.
    """
    if engine is not None and not is_engine_name(engine):
        raise UsageError(
            f"expected an engine such as redis-7.0 or valkey-9.1, found {engine[:40]!r}; "
            f"{meant_engine(engine[:40])}"
        )
    asked = RunRequest(
        choice=Choice(files=(path,), engines=(engine,) if engine else ()),
        name="pytest",
        backend=backend,
        seed=seed,
        jobs=1,
        out=results,
    )
    suite = run(asked, _Quiet(), warn=lambda _: None)
    if suite.interrupted:
        raise KeyboardInterrupt
    result = suite.results[0]
    return OneResult(
        verdict=result.verdict,
        reasons=result.reasons,
        text="\n".join(explain(result, suite.directory)),
    )


def main(arguments: list[str]) -> int:
    path, seed, backend, engine, results = (None if word == "-" else word for word in arguments)
    assert path is not None
    assert backend is not None
    assert results is not None
    for caught in (signal.SIGINT, signal.SIGTERM):  # a session in the background inherits "ignore"
        signal.signal(caught, signal.default_int_handler)
    threading.Thread(target=_watch_owner, daemon=True, name="owner").start()
    try:
        chosen = None if seed is None else seed_of(seed)
        said = asdict(run_one(Path(path), seed=chosen, backend=backend, results=Path(results), engine=engine))
    except KitError as problem:  # its message is for people; a traceback would be a bug of the kit
        said = {"problem": str(problem)}
    except OSError as problem:
        said = {"problem": f"{problem.filename or results}: {problem.strerror or problem}"}
    except KeyboardInterrupt:
        return Interrupted.exit_code
    except Exception as problem:  # noqa: BLE001 - the session is told what a person would be told
        said = {"problem": told_of_crash(problem)}
    print(json.dumps(said))
    return 0


def _watch_owner() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)


class _Quiet:
    def begin(self, header: str, names: Sequence[str]) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def line(self, text: str) -> None: ...
    def finished(self, result: ScenarioResult) -> None: ...
    def close(self) -> None: ...


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
