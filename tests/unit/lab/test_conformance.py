"""The table of client libraries: what pytest says of each row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.libraries import LIBRARIES
from lab.conformance.__main__ import DOCUMENT, main, recorded
from lab.conformance.table import MADE, Passed, after_all, markdown, passed_in, said_of

RESULTS = b"""<testsuites><testsuite>
<testcase name="test_refused[coredis-OOM-single]"/>
<testcase name="test_refused[coredis-READONLY-single]"><failure message="assert"/></testcase>
<testcase name="test_refused[-OOM-single]"><failure message="of the kit's own client"/></testcase>
<testcase name="test_late[redis-py-threads=6.4.0]"/>
<testcase name="test_late[redis-py-threads=10.0.1]"><error message="no node"/></testcase>
<testcase name="test_late[valkey-glide]"><skipped message="not installed"/></testcase>
<testcase name="test_of_no_library"/>
</testsuite></testsuites>"""


def passed(library: str, version: str, rows: int, *others: str, on: str = "2026-01-02") -> Passed:
    return Passed(library=library, version=version, rows=rows, others=others, measured_on=on)


def test_each_row_counts_for_its_library() -> None:
    """What is skipped is no row, and the kit's own client is another measurement."""
    assert passed_in(RESULTS, "2026-01-02") == [
        passed("coredis", "", 2, "test_refused[coredis-READONLY-single]"),
        passed("redis-py-threads", "6.4.0", 1),
        passed("redis-py-threads", "10.0.1", 1, "test_late[redis-py-threads=10.0.1]"),
    ]


def test_what_was_not_measured_again_stays() -> None:
    """In the order of the libraries and of their versions as numbers."""
    before = [passed("coredis", "", 35, on="2025-01-01"), passed("redis-py-threads", "6.4.0", 30)]
    now = [passed("redis-py-threads", "10.0.1", 1), passed("redis-py-threads", "6.4.0", 35)]
    assert after_all(before, now) == [now[1], now[0], before[0]]
    assert markdown(before[:1]).splitlines()[-1] == "| `coredis` | 6.9.0 | 35 of 35 |  | 2025-01-01 |"


def test_the_table_is_that_of_the_recorded_results() -> None:
    """The document says what was measured."""
    assert MADE.of(DOCUMENT.read_text(encoding="utf-8")) == markdown(recorded())


def test_a_version_that_was_tried_has_its_row() -> None:
    """The versions that the document names for a library are those whose rows were measured."""
    named = {
        library: set(versions.split(", "))
        for library, versions in re.findall(
            r"^\| `([\w-]+)` \| ([^|]+) \| (?:yes|no)", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    measured: dict[str, set[str]] = {library: set() for library in LIBRARIES}
    for one in recorded():
        measured[one.library].add(said_of(one.library, one.version))
    assert named == measured
    for library, declared in LIBRARIES.items():
        assert {said_of(library, version) for version in declared.tested} <= measured[library]


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), ("no results", "results of pytest in XML")]
)
def test_what_is_no_result_is_said(
    content: str | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one line, with the file."""
    file = tmp_path / "results.xml"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr("sys.argv", ["lab.conformance", str(file)])
    assert main() == 2
    assert str(file) in (error := capsys.readouterr().err)
    assert said in error
