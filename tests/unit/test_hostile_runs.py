"""Run folders that somebody made to do harm: judged, shown and asked about without harm, status 2 or 3."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import cli, saved
from harness.errors import UsageError
from harness.model.words import Verdict
from harness.report.write import SUITE, write_record
from harness.saved.judging import judge_folder
from tests.builders_results import suite
from tests.share import some
from tests.unit.checks import stories
from tests.unit.saved.test_saved import closed_attempt, saved_suite

pytestmark = pytest.mark.usefixtures("undrawn")

EVIL = "ev\x1b]0;gotcha\x07il\u202e\x9b31m<script>alert(1)</script>\nline"
OBEYED = ("\x1b", "\x07", "\x9b", "\u202e", "<script>")


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite with one scenario that lost a session; not to be changed."""
    run = tmp_path_factory.mktemp("lost") / "run"
    return saved_suite(run, judge_folder(closed_attempt(run / "lost")))


@pytest.fixture
def run(lost: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(lost, tmp_path / "run"))


def test_links_in_place_of_results_are_not_written_through(run: Path, tmp_path: Path) -> None:
    """Every file that judging writes may be a link to something precious."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    named = ("suite.msgpack", "summary.json", "junit.xml", "index.html")
    for file in (*(run / one for one in named[1:]), *(run / "lost" / f"{one}.json" for one in DATA)):
        file.unlink()
        file.symlink_to(precious)
    assert saved.judge_again(run).exit_code == 1
    assert precious.read_text() == "mine"
    assert not [file for file in run.rglob("*") if file.is_symlink()]


DATA = ("findings", "metrics")


def test_link_as_a_folder_of_results_leads_to_a_neighbour_only(run: Path, tmp_path: Path) -> None:
    """`latest` does; a link to elsewhere is refused, and nothing is written there."""
    (tmp_path / "latest").symlink_to("run")
    assert saved.judge_again(tmp_path / "latest").exit_code == 1
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "lost").symlink_to(run / "lost")
    with pytest.raises(UsageError, match="found a link"):
        saved.judge_again(tmp_path / "foreign" / "lost")


@pytest.mark.parametrize("name", ["javascript:alert(1)//x", "../lost", "/etc", "..", ".", '"><b>', "lost/"])
def test_links_and_folders_are_made_and_never_taken(name: str, run: Path) -> None:
    """What the record says of another folder is no link on the page, and nothing there is judged or written."""
    (before,) = saved.load(run).results
    saved_suite(run, replace(before, run_dir=name))
    judged = saved.judge_again(run)
    assert [one.verdict for one in judged.results] == [Verdict.INCONCLUSIVE]
    page = (run / "index.html").read_text()
    assert "href" not in page.replace('href="summary.json"', "").replace('href="junit.xml"', "")
    assert saved.load(run).exit_code == 3


def test_record_cannot_choose_its_status(run: Path) -> None:
    """The verdict of a suite follows from its results, whatever else the record says."""
    (before,) = saved.load(run).results
    write_record(run, SUITE, replace(suite(before), verdict=Verdict.PASS, exit_code=0))
    assert saved.load(run).exit_code == 1


def test_nothing_is_shown_that_a_terminal_or_a_page_obeys(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In no field of a record: not on the terminal, in HTML, in JUnit."""
    (before,) = saved.load(run).results
    told = dict.fromkeys(("name", "file", "topology", "backend", "engine", "client", "advice"), EVIL)
    evil = replace(
        before,
        **told,  # type: ignore[arg-type]
        why=EVIL,
        reasons=(EVIL, EVIL),
        run_dir="",
        changed=(EVIL,),
        stories=tuple(replace(one, session=EVIL, finding=EVIL, lines=(EVIL,)) for one in before.stories),
    )
    saved_suite(run, evil, replace(evil, verdict=Verdict.SKIPPED, judgement=None))
    for words in (("show", str(run)), ("judge", str(run))):
        cli.main(words)
        printed = capsys.readouterr().out
        assert not [one for one in OBEYED[:-1] if one in printed]
    for file in (run / "index.html", run / "junit.xml"):
        assert not [one for one in OBEYED if one in file.read_text()], file


def test_history_of_anybody_is_shown_safely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names and values in it are anybody's as well: the page, a story, and the lines for jq."""
    folder = closed_attempt(tmp_path / "x")
    cli.main(("history", str(folder)))
    lines = capsys.readouterr().out.replace("redis-1", "redis\\u001b]0;x\\u0007\\u202e\\u009b<script>")
    for one in folder.iterdir():
        if one.name != "plan.json":
            one.unlink()
    (folder / "history.jsonl").write_text(lines)
    assert cli.main(("judge", str(folder))) in {1, 3}
    assert cli.main(("why", str(folder))) == 0
    said = capsys.readouterr().out.splitlines()
    session = next(line.split()[0] for line in said if line.startswith("  ") and line.endswith("-session"))
    assert cli.main(("why", str(folder), session)) == 0
    assert cli.main(("history", str(folder))) == 0
    printed = capsys.readouterr().out
    assert "redis" in printed
    assert not [one for one in OBEYED[:-1] if one in printed]
    assert not [one for one in OBEYED if one in (folder / "index.html").read_text()]


def bomb(folder: Path) -> None:
    with gzip.open(folder / "history.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(b" " * (1 << 20))


def many_rows(folder: Path) -> None:
    old = pq.read_table(folder / "operations.parquet")
    rows = pa.array([7] * 3_000_000, pa.int64())
    columns = {
        field.name: rows if field.name == "id" else pa.nulls(3_000_000, field.type) for field in old.schema
    }
    pq.write_table(pa.table(columns, schema=old.schema), folder / "operations.parquet", compression="zstd")


def no_dictionary(folder: Path) -> None:
    old = pq.read_table(folder / "steps.parquet")
    place = old.schema.get_field_index("command")
    pq.write_table(
        old.set_column(place, "command", pa.nulls(len(old), pa.string())), folder / "steps.parquet"
    )


def long_list(folder: Path) -> None:
    """One row, and a few bytes that stand for twenty million equal numbers in it."""
    old = pq.read_table(folder / "steps.parquet")
    place = old.schema.get_field_index("attempts")
    numbers = pa.array(np.zeros(20_000_000, np.int32))
    ends = pa.array([0, *[len(numbers)] * len(old)], pa.int32())
    changed = old.set_column(place, old.schema.field(place), pa.ListArray.from_arrays(ends, numbers))
    pq.write_table(changed, folder / "steps.parquet", compression="zstd")


def long_text(folder: Path) -> None:
    """A text of 80 MB, of which the footer says that it is a short one."""
    file = folder / "operations.parquet"
    old = pq.read_table(file)
    place = old.schema.get_field_index("session")
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * len(old), pa.int32()), ["x" * 80_000_000])
    pq.write_table(old.set_column(place, old.schema.field(place), texts), file, compression="zstd")
    group = pq.read_metadata(file).row_group(0)
    sizes = (
        varint(2 * size) for size in (group.total_byte_size, group.column(place).total_uncompressed_size)
    )
    lied_about(file, [(size, b"\xc0" + b"\x80" * (len(size) - 2) + b"\0") for size in sizes])


def far_time(folder: Path, **options: bool) -> None:
    file = folder / "operations.parquet"
    old = pq.read_table(file)
    place = old.schema.get_field_index("done_us")
    times = pa.array([1 << 60] * len(old), pa.int64())
    pq.write_table(old.set_column(place, old.schema.field(place), times), file, **options)


def far_time_lied_about(folder: Path) -> None:
    far_time(folder)
    file = folder / "operations.parquet"
    lied_about(file, [((1 << 60).to_bytes(8, "little"), (1 << 10).to_bytes(8, "little"))])


def far_time_without_statistics(folder: Path) -> None:
    far_time(folder, write_statistics=False)


def lied_about(file: Path, numbers: Iterable[tuple[bytes, bytes]]) -> None:
    """In the footer these numbers are others, of the same length."""
    content = file.read_bytes()
    begin = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    footer = content[begin:]
    for truth, lie in numbers:
        assert truth in footer
        footer = footer.replace(truth, lie)
    file.write_bytes(content[:begin] + footer)


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def replaced(name: str, content: bytes) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return put


def without_seal(folder: Path) -> None:
    """As a history of an earlier format, which has no checksums."""
    *lines, _seal = gzip.decompress((folder / "history.jsonl.gz").read_bytes()).splitlines(keepends=True)
    opening = msgspec.json.decode(lines[0])
    opening["format"] = 2
    del opening["plan_digest"]
    lines[0] = msgspec.json.encode(opening) + b"\n"
    (folder / "history.jsonl.gz").write_bytes(gzip.compress(b"".join(lines)))


def everlasting(folder: Path) -> None:
    (folder / "history.jsonl.gz").unlink()
    (folder / "history.jsonl").symlink_to("/dev/zero")


def sparse(folder: Path) -> None:
    (folder / "history.jsonl.gz").unlink()
    (folder / "history.jsonl").touch()
    os.truncate(folder / "history.jsonl", 1 << 42)


TRAPS: dict[str, Callable[[Path], None]] = {
    "gzip bomb": bomb,
    "rows without end": many_rows,
    "columns of another type": no_dictionary,
    "list without end": long_list,
    "text without end, and a footer that lies": long_text,
    "time that no run has, and a footer that lies": far_time_lied_about,
    "time that no run has, and a footer that is silent": far_time_without_statistics,
    "nested plan": replaced("plan.json", b"[" * 200_000),
    "nested plan, unknown key": replaced("plan.json", b'{"x":' + b"[" * 200_000),
    "device": everlasting,
    "sparse file": sparse,
}


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is judged well; not to be changed."""
    folder = closed_attempt(tmp_path_factory.mktemp("unsealed") / "run" / "lost", stories.logged_out)
    without_seal(folder)
    assert saved.judge_again(folder).exit_code == 0, "before the trap"
    return folder


@pytest.mark.parametrize("trap", some(TRAPS, 4))
def test_unpacking_has_a_limit(trap: str, unsealed: Path, tmp_path: Path) -> None:
    """What would fill the memory or never end is inconclusive, within a second or so, and little memory."""
    folder = Path(shutil.copytree(unsealed, tmp_path / "run" / "lost"))
    TRAPS[trap](folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    judged = saved.judge_again(folder)
    assert judged.exit_code == 3
    assert "crash" not in judged.results[0].why, "it was seen before anything was made of it"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000


@pytest.mark.parametrize(
    "content",
    [
        b"\x91" * 200_000,
        b"\xdd\xff\xff\xff\xff",
        b"\x81\xa1x" + b"\x91" * 200_000,
        b"\x82\xa6digest\xa1x\xa5suite\xc6\xff\xff\xff\xff",
    ],
)
def test_record_made_to_crash_is_refused(content: bytes, run: Path) -> None:
    """Nested without end, or of a size that it has not: `show` says so, `judge` looks at the folders."""
    (run / SUITE).write_bytes(content)
    with pytest.raises(UsageError, match=r"suite\.msgpack: cannot be read"):
        saved.load(run)
    judged = saved.judge_again(run)
    assert judged.incomplete
    assert judged.exit_code == 1


@pytest.mark.parametrize("verb", ["judge", "show", "history", "why"])
def test_empty_argument_is_no_folder(
    verb: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`judge "$RUN"` with nothing in RUN must not mean the folder that somebody is in."""
    monkeypatch.chdir(run)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    with pytest.raises(SystemExit, match="2"):
        cli.main((verb, ""))
    assert "expected a path, found nothing" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--out", ""),
        ("run", "--scenario", ""),
        ("plan", "--deployment", " "),
        ("judge", "--history", ""),
        ("prune", "--out", ""),
        ("up", "--out", ""),
        ("list", "--scenario", ""),
        ("judge", "a\x1b[2Jb"),
    ],
    ids=repr,
)
def test_every_path_is_asked_for(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever a verb takes one."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    said = capsys.readouterr().err
    assert "expected a path" in said
    assert "\x1b" not in said
