"""The mutation command: what it changes, which tests it asks, and how it counts."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.mutation.choice import Reach, importers, sample
from lab.mutation.crew import Crew
from lab.mutation.equivalent import FILE, read_equivalents, stale, why_equivalent
from lab.mutation.operators import Mutant, mutants_of
from lab.mutation.record import Record, state_of
from lab.mutation.tally import Tried, rows, survivors
from lab.mutation.worker import queued_s
from lab.rows import ROOT, exit_status
from tests.share import some

CHECKED = "harness/checks"


def _after(source: str) -> set[str]:
    return {one.after for one in mutants_of("x.py", source.encode())}


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("def f(a, b):\n    return a < b", "return (a <= b)"),
        ("def f(a, b):\n    return a == b", "return (a != b)"),
        ("def f(a, b):\n    return a in b", "return (a not in b)"),
        ("LIMIT = 5", "LIMIT = (6)"),
        ("LIMIT = 5", "LIMIT = (4)"),
        ("def f(a, b):\n    return a and b", "return (a or b)"),
        ("def f(a, b):\n    return a and b", "return (b)"),
        ("def f(a):\n    return not a", "return (a)"),
        ("def f(a, b):\n    return min(a, b)", "return max(a, b)"),
        ("def f(a, b):\n    return min(a, b)", "return (a)"),
        ("def f(a):\n    a.clear()", "pass"),
        ("def f(a):\n    if a:\n        a.clear()", "if False:"),
        ("def f(a):\n    return [one for one in a if one]", "return [one for one in a if True]"),
        ("NAMES = {'one', 'two'}", "NAMES = {'two'}"),
        ("def f(a, b):\n    return g(a, b)", "return g(b, a)"),
        ("def f(a) -> bool:\n    return g(a)", "return True"),
        ("def f(a) -> int | None:\n    return g(a)", "return None"),
        ("def f(a):\n    return 1 if a else 2", "return (2)"),
        ("def f(a, b):\n    return a + b", "return (a - b)"),
    ],
)
def test_each_kind_of_change_is_made(source: str, after: str) -> None:
    """Comparisons, boundaries, conditions, calls, members, arguments, values: each has its mutant."""
    assert after in _after(source)


@pytest.mark.parametrize(
    "source",
    [
        "def f(a, b):\n    return zip(a, b, strict=True)",
        "def f(a, b):\n    assert a < b",
        "def f(a):\n    return g(a, a)",
    ],
)
def test_what_nobody_could_notice_is_not_changed(source: str) -> None:
    """A guard against a mistake in the code itself, and two arguments that are the same."""
    assert _after(source) <= {"return zip(b, a, strict=True)"}


def test_default_belongs_to_where_its_function_is_defined() -> None:
    """It is evaluated there, when the module is imported: whoever uses the module could notice."""
    source = b"class A:\n    def f(self, a=5):\n        return 7\n"
    scopes = {one.after: one.scope for one in mutants_of("x.py", source)}
    assert scopes["def f(self, a=(6)):"] == "A"
    assert scopes["return (8)"] == "A.f"


@pytest.mark.parametrize(
    "source",
    [
        '"""Text."""',
        "import os",
        "def f(a: int = None): ...",
        "def f(a):\n    raise ValueError(f'{a}: expected 1')",
        "WORDS = 'more than one word'",
        "from typing import cast\nX = cast('Y', Z)",
    ],
)
def test_what_is_no_decision_is_left_alone(source: str) -> None:
    """Text for people, types and imports make no mutants."""
    assert not mutants_of("x.py", source.encode())


def test_every_mutant_of_the_checks_is_valid_python() -> None:
    """One that cannot be compiled would be killed for nothing."""
    for file in some(sorted((ROOT / CHECKED).rglob("*.py"))[::4], 2):
        source = file.read_bytes()
        for mutant in mutants_of(file.name, source):
            ast.parse(mutant.applied(source))


def test_lines_of_a_mutant_are_those_of_its_statement() -> None:
    """Of a long call all lines, of an `if` its head only."""
    source = b"def f(a):\n    if a > 1:\n        g(\n            a + 2,\n        )\n"
    spans = {one.before: (one.first_line, one.last_line) for one in mutants_of("x.py", source)}
    assert spans["if a > 1:"] == (2, 2)
    assert spans["a + 2,"] == (3, 5)


def test_sample_stays_when_other_code_changes() -> None:
    """A definition that is added takes no mutant of another one out but by being drawn itself."""
    code = "".join(f"def f{n}(a, b):\n    return a < b + {n}\n" for n in range(20))
    before = mutants_of("x.py", code.encode())
    after = mutants_of("x.py", ("def g(a):\n    return a > 7\n" + code).encode())
    drawn, then = ({one.key for one in sample(those, 20, 3)} for those in (before, after))
    new = {one.key for one in after} - {one.key for one in before}
    assert len(drawn) == 20
    assert then - new <= drawn
    assert {one.key for one in sample(before, 20, 4)} != drawn


def test_only_tests_that_run_the_statement_are_asked_the_quickest_first() -> None:
    """A test that fails anyway is not asked, nor one that runs other lines."""
    (mutant, *_) = mutants_of("x.py", b"def f(a):\n    return a > 1\n")
    reach = Reach(
        lines={"x.py": {1: frozenset({"other"}), 2: frozenset({"slow", "quick", "broken"})}},
        cpu_s={"slow": 2.0, "quick": 0.1, "broken": 0.0, "other": 0.0},
        failed=frozenset({"broken"}),
    )
    assert reach.tests_for(mutant) == ["quick", "slow"]


def test_constant_is_noticed_by_whoever_uses_its_file() -> None:
    """No test runs the line of a constant: those are asked that run its file, or one that imports it."""
    sources = {"p/x.py": b"LIMIT = 5\n", "p/y.py": b"from p.x import LIMIT\n", "p/z.py": b"import os\n"}
    reach = Reach(
        lines={"p/y.py": {3: frozenset({"uses"})}, "p/z.py": {1: frozenset({"not"})}},
        cpu_s={},
        importers=importers(sources),
    )
    (mutant, *_) = mutants_of("p/x.py", sources["p/x.py"])
    assert reach.tests_for(mutant) == ["uses"]


def _mutant() -> Mutant:
    return mutants_of("x.py", b"def f(a):\n    return a > 1\n")[0]


def test_survivor_counts_against_the_bound_and_is_listed() -> None:
    """Two of three killed is too few; the third is shown with its line before and after."""
    one = _mutant()
    tried = [Tried(mutant=one, outcome=outcome) for outcome in ("killed", "timeout", "survived")]
    found = {row.name: row for row in rows(tried, ())}
    assert round(found["killed, of those that are not equivalent"].measured or 0) == 67
    assert exit_status(list(found.values())) == 1
    assert f"- {one.before}" in survivors(tried)
    assert f"+ {one.after}" in survivors(tried)
    assert not survivors(tried[:2])


def test_mutant_on_a_line_that_no_test_runs_is_not_killed() -> None:
    """What nobody runs, nobody guards."""
    found = rows([Tried(mutant=_mutant(), outcome="unreached")], ())
    assert exit_status(found) == 1


def test_equivalent_mutants_count_on_neither_side() -> None:
    """They are left out of the share, and counted."""
    tried = [Tried(mutant=_mutant(), outcome=outcome) for outcome in ("killed", "equivalent")]
    found = {row.name: row for row in rows(tried, ())}
    assert found["killed, of those that are not equivalent"].measured == 100
    assert found["equivalent"].measured == 1


def test_entry_that_fits_nothing_is_told() -> None:
    """An excuse must not outlive its line."""
    one = _mutant()
    text = f"[[equivalent]]\nfile='x.py'\nscope='f'\nbefore={one.before!r}\nafter={one.after!r}\nwhy='no reason'\n"
    (entry,) = read_equivalents(text)
    assert read_equivalents(text, "x") == (entry,)
    assert not read_equivalents(text, "y"), "of a folder that is not measured nothing is asked"
    assert why_equivalent(one, [entry]) == "no reason"
    assert not stale([entry], [one])
    assert stale([entry], []) == (entry,)
    assert exit_status(rows([Tried(mutant=one, outcome="killed")], (entry,))) == 1


def test_every_listed_equivalent_has_a_reason() -> None:
    """A word each, at least."""
    assert all(one.why.strip() for one in read_equivalents(FILE.read_text()))


def test_record_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """A note holds for the same code and tests; `--again` keeps those that were killed, and no other."""
    file = tmp_path / "notes.jsonl"
    record = Record(file, state="one", keep_killed=False)
    record.add("a", "killed", "test_a")
    record.add("b", "survived", "")
    record.close()
    with file.open("a") as out:
        out.write('{"key": "c", "sta')
    same = Record(file, state="one", keep_killed=False)
    other = Record(file, state="two", keep_killed=False)
    again = Record(file, state="two", keep_killed=True)
    known = [{key for key in "abc" if record.get(key)} for record in (same, other, again)]
    for one in (same, other, again):
        one.close()
    assert known == [{"a", "b"}, set(), {"a"}]


def test_workers_tell_killed_from_survived_and_leave_the_project_as_it_was(tmp_path: Path) -> None:
    """A change that a test notices, one that it does not, and one that never ends; all in private copies."""
    project = tmp_path / "project"
    (project / "toy").mkdir(parents=True)
    (project / "tests").mkdir()
    code = "def first(a):\n    n = 0\n    while n < len(a):\n        n += 1\n    return a[0] if n > 0 else None\n"
    (project / "toy" / "code.py").write_text(code)
    (project / "tests" / "test_code.py").write_text(
        "from toy.code import first\n\ndef test_first():\n    assert first([3, 4]) == 3\n"
    )
    before = state_of(project, ["toy", "tests"])
    mutants = {one.after: one for one in mutants_of("toy/code.py", code.encode())}
    wanted = ("return a[(1)] if n > 0 else None", "return a[0] if (n >= 0) else None", "pass")
    answers: dict[int, str] = {}
    reached: dict[str, object] = {}
    with Crew(project, 1) as crew:
        reach = {"do": "reach", "files": ["tests/test_code.py"], "sources": ["toy"], "cpu_s": 20}
        crew.work([reach], lambda _, answer: reached.update(answer))
        crew.everywhere({"do": "collect", "files": ["tests/test_code.py"]})
        jobs = [_job(mutants[after]) for after in wanted]
        crew.work(jobs, lambda n, answer: answers.update({n: answer["outcome"]}))
        copy = crew.source
        assert (copy / "toy" / "code.py").read_text() == code
    assert reached["lines"] == {
        "toy/code.py": {str(n): ["tests/test_code.py::test_first"] if n > 1 else [] for n in range(1, 6)}
    }
    assert [answers[n] for n in range(3)] == ["killed", "survived", "timeout"]
    assert state_of(project, ["toy", "tests"]) == before
    assert not copy.exists()


def test_answer_that_cannot_be_used_ends_the_measurement(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It must not end one thread and leave a result that lacks a part. Workers end without a word."""
    (tmp_path / "project").mkdir()

    def note(_: int, answer: Mapping[str, object]) -> None:
        assert answer["outcome"] == "broken"
        raise LookupError(answer["by"])

    with pytest.raises(LookupError, match="KeyError: 'sources'"), Crew(tmp_path / "project", 1) as crew:
        crew.work([{"do": "reach", "files": ["nothing.py"], "cpu_s": 20}], note)
    assert "Traceback" not in capfd.readouterr().err


WAITED_S = 0.2
"""More than a process that sleeps waits for a CPU."""


def test_time_without_a_cpu_is_told_from_waiting() -> None:
    """Of two processes on one CPU each is ready and kept waiting about half of the time; one that sleeps is not."""
    cpu = str(min(os.sched_getaffinity(0)))
    busy = ["taskset", "-c", cpu, sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as idle:
        assert idle.stdin is not None
        assert idle.stdout is not None
        idle.stdin.write(b"x")
        idle.stdin.flush()
        idle.stdout.read(1)  # it runs, and waits for the rest
        at_first = queued_s(idle.pid)
        started = [subprocess.Popen(busy, start_new_session=True) for _ in range(2)]
        try:
            deadline_s = time.monotonic() + 60
            while queued_s(started[0].pid) < WAITED_S and time.monotonic() < deadline_s:
                time.sleep(0.02)
            waited, asleep = queued_s(started[0].pid), queued_s(idle.pid) - at_first
        finally:
            for one in started:
                one.kill()
                one.wait()
            idle.stdin.close()
    assert waited >= WAITED_S
    assert asleep < WAITED_S


def _job(mutant: Mutant) -> dict[str, object]:
    return {
        "do": "mutant",
        "file": mutant.file,
        "start": mutant.start,
        "end": mutant.end,
        "replacement": mutant.replacement,
        "scope": mutant.scope,
        "tests": ["tests/test_code.py::test_first"],
        "cpu_s": 0,  # a second more is granted, and the one that never ends takes it
    }
