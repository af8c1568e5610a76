"""One worker: a private copy of the project, in which one line after the other is changed and tested.

Started as `python -P worker.py COPY`; it reads jobs from its standard input and answers each by one line
of JSON. Everything is imported and all tests are collected once; each job runs in a fork of that. A
change in the body of a function is made in the fork by giving the function its new code. Any other
change (a constant, a default, a class) is made in the copy's file, and the fork imports everything anew
from a second server that has imported nothing of the project. A fork has a limit of CPU time, of memory
and of time, and a session of its own, so that whatever it started ends with it. When the input ends,
also because the measurement was killed, the copy is removed.

This file imports nothing of the project: `tests`, `lab` and `harness` must come from the copy.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.main import pytest_runtestloop as default_loop

FOREIGN = (
    *("numpy", "pyarrow", "pyarrow.compute", "pyarrow.ipc", "msgspec", "redis", "redis.asyncio", "yaml"),
    *("rich.console", "rich.table", "jinja2", "docker", "psutil", "hypothesis.strategies", "coverage"),
)
PYTEST = (
    *("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *("-p", "no:faulthandler"),
)
MEMORY_BYTES = 8 << 30
WALL_PER_CPU = 6.0
"""A fork that waits for something that never comes uses no CPU: it ends by the clock. For how long
others kept it from running does not count."""
SURVIVED, KILLED, TIMEOUT, BROKEN = "survived", "killed", "timeout", "broken"

Job = Mapping[str, Any]
Change = tuple[Any, CodeType]
"""A function, and its new code."""


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends in a `finally`
    copy = Path(sys.argv[1]).resolve()
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    os.environ["PYTHONPATH"] = str(copy)  # for what tests start
    os.environ["TESTS"] = "all"  # not only the share of `make check`
    for name in FOREIGN:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    collected: _Collected | None = None
    try:
        for line in sys.stdin:
            job = json.loads(line)
            if job["do"] == "collect":
                collected = _Collected(job["files"])
                answer: Mapping[str, Any] = {}
            elif job["do"] == "reach":
                answer = _reach(job)
            else:
                answer = (collected.ask(job) if collected else None) or _mutant(copy, job)
            print(json.dumps(answer), flush=True)
    finally:
        for again in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C is for all of a terminal's processes, and
            signal.signal(again, signal.SIG_IGN)  # whoever started this one ends it, too
        if collected is not None:
            collected.close()
        shutil.rmtree(copy, ignore_errors=True)
    return 0


class _Collected:
    """A process that has imported everything and collected all tests, and forks from there."""

    def __init__(self, files: Sequence[str]) -> None:
        asks, self._asks = os.pipe()
        self._answers, answers = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._asks)
            os.close(self._answers)
            _serve_collected(files, asks, answers)
        os.close(asks)
        os.close(answers)
        self._reader = os.fdopen(self._answers, "rb")

    def ask(self, job: Job) -> Mapping[str, Any] | None:
        """None: the change is not one in the body of a function."""
        try:
            left = (json.dumps(job) + "\n").encode()
            while left:
                left = left[os.write(self._asks, left) :]
            answer = json.loads(self._reader.readline())
        except (OSError, ValueError):
            return None
        return answer or None

    def close(self) -> None:
        os.close(self._asks)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._reader.close()


def _serve_collected(files: Sequence[str], asks: int, answers: int) -> None:
    status = 1
    try:
        out = os.fdopen(answers, "w")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        _make_repeatable()
        server = _Server(os.fdopen(asks, "r"), out)
        pytest.main([*PYTEST, "-x", *files], plugins=[server])
        status = 0
    finally:
        os._exit(status)


class _Server:
    """Takes the place of pytest's own loop over the tests: a fork for each job, which runs that loop."""

    def __init__(self, asks: Any, answers: Any) -> None:
        self._asks = asks
        self._answers = answers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        for line in self._asks:
            job = json.loads(line)
            wanted = [items[test] for test in job["tests"] if test in items]
            answer: Mapping[str, Any] = {}
            if len(wanted) == len(job["tests"]) and (change := _new_code(job)) is not None:
                answer = _forked(
                    lambda tell, change=change, wanted=wanted: _loop_in_fork(session, wanted, change, tell),
                    cpu_s=job["cpu_s"],
                )
            self._answers.write(json.dumps(answer) + "\n")
            self._answers.flush()
        return True


def _loop_in_fork(session: pytest.Session, wanted: list[pytest.Item], change: Change, tell: Any) -> None:
    function, code = change
    function.__code__ = code
    session.items = wanted
    watch = _Watch(None)
    session.config.pluginmanager.register(watch)
    with contextlib.suppress(session.Failed, session.Interrupted):
        default_loop(session)
    tell({"outcome": KILLED, "by": watch.first_failed} if watch.first_failed else {"outcome": SURVIVED})


def _new_code(job: Job) -> Change | None:
    """The function that a change is in, and its code with the change; None: it is in no function's body."""
    file = Path(job["file"])
    module = sys.modules.get(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
    source = file.read_bytes()
    changed = source[: job["start"]] + job["replacement"].encode() + source[job["end"] :]
    if module is None:
        return None
    codes = [_codes(compile(text, str(file.resolve()), "exec")) for text in (source, changed)]
    name, function = _function(module, job["scope"])
    old, new = codes[0].get(name), codes[1].get(name)
    if function is None or old is None or new is None or old == new:
        return None
    if new.co_freevars != function.__code__.co_freevars:
        return None
    return function, new


def _codes(code: CodeType) -> dict[str, CodeType]:
    """Of every function at the top of a module or of a class, by its qualified name."""
    found: dict[str, CodeType] = {}
    for one in code.co_consts:
        if isinstance(one, CodeType):
            found[one.co_qualname] = one
            if "<locals>" not in one.co_qualname:
                found |= {name: inner for name, inner in _codes(one).items() if name not in found}
    return found


def _function(module: ModuleType, scope: str) -> tuple[str, Any]:
    """The outermost function of a scope, without what decorators put around it."""
    found: Any = module
    name = ""
    for part in scope.split("."):
        found = vars(found).get(part)
        name = f"{name}.{part}".removeprefix(".")
        for inner in ("fget", "__func__", "func", "__wrapped__"):
            found = getattr(found, inner, found) if not isinstance(found, type) else found
        if isinstance(found, FunctionType):
            return name, found
        if not isinstance(found, type):
            break
    return name, None


def _reach(job: Job) -> Mapping[str, Any]:
    """Which lines each test of these files runs, and how long it takes."""
    return _forked(lambda tell: _reach_in_fork(job, tell), cpu_s=job["cpu_s"])


def _mutant(copy: Path, job: Job) -> Mapping[str, Any]:
    file = copy / job["file"]
    with _changed(file, job["start"], job["end"], job["replacement"]):
        return _forked(lambda tell: _tests_in_fork(job["tests"], tell), cpu_s=job["cpu_s"])


@contextlib.contextmanager
def _changed(file: Path, start: int, end: int, replacement: str) -> Iterator[None]:
    """The change in the copy, as long as it is needed.

    Compiled files go by size and second, so they are removed.
    """
    was = file.read_bytes()
    compiled = Path(importlib.util.cache_from_source(str(file)))
    file.write_bytes(was[:start] + replacement.encode() + was[end:])
    compiled.unlink(missing_ok=True)
    try:
        yield
    finally:
        file.write_bytes(was)
        compiled.unlink(missing_ok=True)


# ---------------------------------------------------------------- forks


def _forked(work: Any, *, cpu_s: float) -> Mapping[str, Any]:
    """What the work tells, from a fork of its own; how it ended if it never came to that."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_a_fork(work, writing, cpu_s)
    os.close(writing)
    os.set_blocking(reading, False)
    said = bytearray()
    most_s = WALL_PER_CPU * cpu_s + 10
    began_s = time.monotonic()
    ended = 0
    try:
        while not ended:
            said += _read(reading)
            ended, _ = os.waitpid(pid, os.WNOHANG)
            time.sleep(0.005)
            passed_s = time.monotonic() - began_s
            if passed_s > most_s and passed_s > (most_s := WALL_PER_CPU * cpu_s + 10 + queued_s(pid)):
                break
    finally:
        _end(pid, reap=not ended)
    said += _read(reading)
    os.close(reading)
    last = said.splitlines()[-1:] if said.endswith(b"\n") else []
    return json.loads(last[0]) if last else {"outcome": TIMEOUT}


def queued_s(session: int) -> float:
    """For how long the processes of a session have been ready to run while others had the CPU."""
    waited_ns = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # After the name, which may hold anything: state, parent, group, session.
            if int((process / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                waited_ns += int((process / "schedstat").read_text().split()[1])
    return waited_ns / 1e9


def _end(pid: int, *, reap: bool) -> None:
    """The fork and whatever it started."""
    for kill in (os.killpg, os.kill) if reap else (os.killpg,):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
    if reap:
        os.waitpid(pid, 0)


def _read(descriptor: int) -> bytes:
    found = bytearray()
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(descriptor, 1 << 16):
            found += piece
    return bytes(found)


def _be_a_fork(work: Any, writing: int, cpu_s: float) -> None:
    status = 1
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s) + 1, int(cpu_s) + 2))
        _make_repeatable()

        def tell(answer: Mapping[str, Any]) -> None:
            left = (json.dumps(answer) + "\n").encode()
            while left:
                left = left[os.write(writing, left) :]

        try:
            work(tell)
            status = 0
        except Exception as problem:  # noqa: BLE001 - nobody reads a fork's standard error
            tell({"outcome": BROKEN, "by": f"{type(problem).__name__}: {problem}"})
    finally:
        os._exit(status)


def _make_repeatable() -> None:
    """The same examples each time, none remembered, and none made smaller: one failure is enough."""
    try:
        from hypothesis import Phase, settings  # noqa: PLC0415 - not everywhere
    except ImportError:
        return
    settings.register_profile(
        "mutation", derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
    )
    settings.load_profile("mutation")


# ---------------------------------------------------------------- in a fork


def _tests_in_fork(tests: Sequence[str], tell: Any) -> None:
    """Until the first that fails."""
    watch = _Watch(tests)
    status = pytest.main([*PYTEST, "-x", *_files(tests)], plugins=[watch])
    if watch.first_failed:
        tell({"outcome": KILLED, "by": watch.first_failed})
    elif status == pytest.ExitCode.OK and watch.ran == len(tests):
        tell({"outcome": SURVIVED})
    elif status == pytest.ExitCode.OK:
        tell({"outcome": BROKEN, "by": f"{watch.ran} of {len(tests)} tests ran"})
    else:
        tell({"outcome": KILLED, "by": "import"})


def _reach_in_fork(job: Job, tell: Any) -> None:
    from coverage import Coverage  # noqa: PLC0415 - it slows down what is not measured

    folders = [str(Path.cwd() / name / "*") for name in job["sources"]]
    measured = Coverage(data_file=None, include=folders, config_file=False, messages=False)
    measured.start()
    watch = _Watch(None, switch=measured.switch_context)
    pytest.main([*PYTEST, *job["files"]], plugins=[watch])
    measured.stop()
    data = measured.get_data()
    lines = {
        os.path.relpath(file): {
            line: [one for one in tests if one] for line, tests in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    tell({"lines": lines, "cpu_s": watch.cpu_s, "failed": watch.failed})


def _files(tests: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(test.partition("::")[0] for test in tests))


class _Watch:
    """Runs only the tests that are wanted, in the order wanted; notes which failed and how long each took."""

    def __init__(self, wanted: Sequence[str] | None, switch: Any = None) -> None:
        self._order = None if wanted is None else {test: n for n, test in enumerate(wanted)}
        self._switch = switch
        self.ran = 0
        self.failed: list[str] = []
        self.cpu_s: dict[str, float] = {}

    @property
    def first_failed(self) -> str:
        return self.failed[0] if self.failed else ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._order is not None:
            items[:] = [item for item in items if item.nodeid in self._order]
            items.sort(key=lambda item: self._order[item.nodeid])  # type: ignore[index]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if self._switch is not None:
            self._switch(item.nodeid)
        began_s = time.process_time()
        yield
        self.cpu_s[item.nodeid] = time.process_time() - began_s
        self.ran += 1
        if self._switch is not None:
            self._switch("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # whoever started it says what became of the measurement
        sys.exit(130)
