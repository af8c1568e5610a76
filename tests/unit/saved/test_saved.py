"""Results on disk: loaded, judged again, asked about one session, thinned out."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree as ET

import msgspec
import pytest

from harness import history, saved
from harness.clock import RunClock
from harness.errors import EnvironmentFailure, UsageError
from harness.faults import FAULTS
from harness.model.history import History
from harness.model.judgement import Judgement
from harness.model.packed_audit import PackedAudit
from harness.model.records import Closing, Opening
from harness.model.results import ScenarioResult
from harness.model.seams import Secrets
from harness.model.words import Verdict
from harness.report.node_logs import LogLine
from harness.report.page import page as whole_page
from harness.report.write import PLANNED, write_record, write_suite
from harness.safe_files import is_file, is_folder
from harness.saved.folders import run_folders
from harness.saved.judging import judge_folder, read_run
from lab.past import Past, as_lines, records_of
from tests.builders_results import result, suite
from tests.scratch import new_folder
from tests.share import some, times
from tests.unit.checks import stories

pytestmark = pytest.mark.usefixtures("undrawn")


def attempt(folder: Path, story: Callable[[], Past] = stories.lost_session) -> Path:
    """A scenario's folder as a run leaves it, without its judgement."""
    past = story()
    folder.mkdir(parents=True)
    history.write_plan(folder, past.plan())
    (folder / "history.jsonl").write_text(as_lines(past.history()))
    return folder


FILES = ("plan.json", "history.jsonl.gz", "operations.parquet", "steps.parquet", "attempts.parquet")


def closed_attempt(folder: Path, story: Callable[[], Past] = stories.lost_session) -> Path:
    """The same as a run leaves it that came to its end: with columns and checksums."""
    shutil.copytree(_closed(story), folder)
    return folder


@cache
def _closed(story: Callable[[], Past]) -> Path:
    """A copy is made sooner than a run is written."""
    past = story()
    folder = new_folder("closed")
    history.write_plan(folder, past.plan())
    recorder = history.Recorder(folder, RunClock(), secrets=Secrets(redis="", sentinel=""))
    *records, closing = records_of(past.history())
    for record in records:
        if isinstance(record, Opening):
            record.format, record.plan_digest = history.FORMAT, history.digest_of_plan(folder)
        recorder.record(record)
    assert isinstance(closing, Closing)
    recorder.close(closing)
    assert recorder.failure is None
    return folder


def saved_suite(directory: Path, *results: ScenarioResult, interrupted: bool = False) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    write_suite(replace(suite(*results), directory=str(directory), interrupted=interrupted))
    return directory


def test_judging_again_keeps_what_only_the_run_knew(tmp_path: Path) -> None:
    """Verdict and findings are new; wall time, attempts and the folder stay."""
    first = judge_folder(attempt(tmp_path / "run" / "lost"))
    run = saved_suite(tmp_path / "run", replace(first, wall_s=12.5, times_run=2))
    again = saved.judge_again(run)
    (result,) = again.results
    assert (result.wall_s, result.times_run, result.run_dir) == (12.5, 2, "lost")
    assert (result.verdict, result.judgement) == (first.verdict, first.judgement)
    assert (again.verdict, again.exit_code) == (Verdict.FAIL, 1)


def test_a_folder_that_cannot_be_written_to_is_to_be_copied(tmp_path: Path) -> None:
    """A disk that is read-only, or full, is as a folder in the place of a file."""
    folder = attempt(tmp_path / "run" / "lost")
    (folder / "findings.json").mkdir()
    what_to_do = rf"Is a directory; .*: copy {folder} to where you may write and there is room"
    with pytest.raises(EnvironmentFailure, match=what_to_do):
        saved.judge_again(folder)


def test_deployment_that_did_not_come_up_stays_broken(tmp_path: Path) -> None:
    """It never had a history that could be gone; whoever looks again learns the same, on every page."""
    why = "the deployment does not come up: redis-2 cannot log in"
    never = replace(result(), judgement=None, came_up=False, reasons=(why,), why="", run_dir="never")
    run = saved_suite(tmp_path / "run", never)
    (tmp_path / "run" / "never").mkdir()
    (after,) = saved.judge_again(run).results
    assert (after.verdict, after.reasons) == (Verdict.FAIL, (why,))
    assert why in (run / "index.html").read_text()
    assert "BROKEN" in (run / "index.html").read_text()
    assert why in (run / "junit.xml").read_text()


def test_run_from_before_faults_had_traits_is_judged_as_it_was(tmp_path: Path) -> None:
    """Its plan does not say what its faults are; the faults of today do."""
    first = judge_folder(attempt(tmp_path / "run" / "over", stories.over_budget))
    plan = tmp_path / "run" / "over" / "plan.json"
    of_today = msgspec.json.decode(plan.read_bytes())
    traits = [step.pop("traits") for step in of_today["scenario"]["faults"]]
    plan.write_bytes(msgspec.json.encode(of_today))
    assert traits == [list(FAULTS["isolate"].declaration.traits)]
    (again,) = saved.judge_again(tmp_path / "run" / "over").results
    assert again.judgement == first.judgement
    assert [step.traits for step in read_run(plan.parent).plan.scenario.faults] == [
        FAULTS["isolate"].declaration.traits
    ]


def test_single_scenario_is_judged_alone(tmp_path: Path) -> None:
    """A scenario's folder is enough; its neighbours are left as they are."""
    lost, kept = attempt(tmp_path / "run" / "lost"), attempt(tmp_path / "run" / "kept", stories.kept_session)
    assert [one.run_dir for one in saved.judge_again(kept).results] == ["kept"]
    assert not (lost / "findings.json").exists()


def test_single_scenario_is_judged_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`judge .` works as well as the whole path, and names the folder that the report lies in."""
    monkeypatch.chdir(attempt(tmp_path / "run" / "lost"))
    judged = saved.judge_again(Path())
    assert [one.run_dir for one in judged.results] == ["lost"]
    assert Path(judged.directory).resolve() == tmp_path / "run"


def test_suite_of_a_killed_harness_is_judged_from_its_folders(tmp_path: Path) -> None:
    """No suite.msgpack was written; every folder with a history counts, the worst verdict wins."""
    attempt(tmp_path / "run" / "lost")
    attempt(tmp_path / "run" / "kept", stories.kept_session)
    judged = saved.judge_again(tmp_path / "run")
    assert [one.run_dir for one in judged.results] == ["kept", "lost"]
    assert judged.exit_code == 1
    assert saved.load(tmp_path / "run") == judged, "and now it is a result like any other"


def test_history_that_never_began_does_not_hide_the_others(tmp_path: Path) -> None:
    """Killed before its first record: it is inconclusive and listed; the rest is judged."""
    attempt(tmp_path / "run" / "lost")
    empty = attempt(tmp_path / "run" / "empty")
    (empty / "history.jsonl").write_text("")
    judged = saved.judge_again(tmp_path / "run")
    assert [(one.run_dir, one.verdict) for one in judged.results] == [
        ("empty", Verdict.INCONCLUSIVE),
        ("lost", Verdict.FAIL),
    ]
    shutil.rmtree(tmp_path / "run" / "lost")
    assert saved.judge_again(tmp_path / "run").exit_code == 3


def test_history_that_breaks_off_never_passes(tmp_path: Path) -> None:
    """What a SIGKILL left is judged; that it has no findings proves nothing."""
    folder = attempt(tmp_path / "run" / "kept", stories.kept_session)
    lines = (folder / "history.jsonl").read_text().splitlines(keepends=True)
    (folder / "history.jsonl").write_text("".join(lines[:-1]) + lines[-1][:20])
    (result,) = saved.judge_again(folder).results
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the history is incomplete" in result.reasons[0]


def test_suite_without_its_list_is_never_all_passed(tmp_path: Path) -> None:
    """What else belonged to it, nobody can tell any more: said in the table, the page and for machines."""
    attempt(tmp_path / "run" / "kept", stories.logged_out)
    judged = saved.judge_again(tmp_path / "run")
    assert [one.verdict for one in judged.results] == [Verdict.PASS]
    assert (judged.verdict, judged.exit_code) == (Verdict.INCONCLUSIVE, 3)
    for file, says in (("summary.json", '"incomplete": "there is no suite.msgpack'), ("index.html", MISSING)):
        assert says in (tmp_path / "run" / file).read_text()
    assert f'type="INCONCLUSIVE" message="{MISSING}' in _attributes(tmp_path / "run" / "junit.xml")
    assert saved.judge_again(tmp_path / "run").exit_code == 3, "and judging once more does not heal it"


MISSING = "scenarios may be missing"


def _attributes(junit: Path) -> str:
    error = ET.fromstring(junit.read_text()).find(".//error")
    assert error is not None
    return f'type="{error.get("type")}" message="{error.get("message")}'


Damage = Callable[[Path], object]


def cut(name: str) -> Damage:
    def half(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return half


def flip(name: str) -> Damage:
    def one_bit(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return one_bit


def other_plan(folder: Path) -> None:
    """One that is whole, and another's: it expects what this run has."""
    plan = msgspec.json.decode((folder / "plan.json").read_bytes())
    plan["scenario"]["expect"] = []
    (folder / "plan.json").write_bytes(msgspec.json.encode(plan))


def elsewhere(name: str) -> Damage:
    def linked(folder: Path) -> None:
        (folder / name).rename(folder.parent.parent / name)
        (folder / name).symlink_to(folder.parent.parent / name)

    return linked


def pipe(folder: Path) -> None:
    (folder / "history.jsonl.gz").unlink()
    os.mkfifo(folder / "history.jsonl.gz")


DAMAGES: dict[str, Damage] = {
    "folder missing": shutil.rmtree,
    "folder linked": lambda folder: folder.symlink_to(folder.rename(folder.parent.parent / "moved")),
    "no history": lambda folder: (folder / "history.jsonl.gz").unlink(),
    "no plan": lambda folder: (folder / "plan.json").unlink(),
    "another plan": other_plan,
    "no columns": lambda folder: (folder / "steps.parquet").unlink(),
    "pipe": pipe,
    **{f"{kind.__name__} {name}": kind(name) for kind in (cut, flip, elsewhere) for name in FILES},
}


@cache
def _pair(story: Callable[[], Past]) -> Path:
    """A suite of two: `whole`, and `hurt`, whose story this is."""
    run = new_folder("pair") / "run"
    whole = judge_folder(closed_attempt(run / "whole", stories.logged_out))
    hurt = judge_folder(closed_attempt(run / "hurt", story))
    return saved_suite(run, whole, hurt)


HURT = [(damage, stories.logged_out) for damage in DAMAGES] + [
    (damage, stories.lost_session) for damage in some(DAMAGES, 4)
]
"""One whose last verdict was a pass, and one that had failed."""


@pytest.mark.parametrize(("damage", "story"), HURT)
def test_damaged_scenario_is_inconclusive_and_listed(
    damage: str, story: Callable[[], Past], tmp_path: Path
) -> None:
    """It keeps neither its old verdict nor vanishes: table, page, JUnit and summary have it, status 3."""
    run = tmp_path / "run"
    shutil.copytree(_pair(story), run)
    _, hurt = saved.load(run).results
    DAMAGES[damage](run / "hurt")
    judged = saved.judge_again(run)
    assert [(one.run_dir, one.verdict) for one in judged.results] == [
        ("whole", Verdict.PASS),
        ("hurt", Verdict.INCONCLUSIVE),
    ]
    assert judged.exit_code == 3
    (reason,) = judged.results[1].reasons
    assert f"its last verdict was {hurt.verdict}" in reason
    assert str(run / "hurt") in reason
    summary = msgspec.json.decode((run / "summary.json").read_bytes())
    assert [one["verdict"] for one in summary["scenarios"]] == ["PASS", "INCONCLUSIVE"]
    assert "cannot be judged" in (run / "index.html").read_text()
    assert "cannot be judged" in _attributes(run / "junit.xml")
    if "folder" not in damage:
        assert not (run / "hurt" / "findings.json").exists()
    if is_folder(run / "hurt") and is_file(run / "hurt" / "index.html"):
        assert "cannot be judged" in (run / "hurt" / "index.html").read_text()


@pytest.fixture
def long_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is written and read like a long one: a few operations at a time, the audit packed."""
    monkeypatch.setattr("harness.history.columns.SMALL_BYTES", 0)
    monkeypatch.setattr("harness.history.columns.GROUP_OPERATIONS", 1)
    monkeypatch.setattr("harness.history.columns.OVERLAP_OPERATIONS", 1)
    monkeypatch.setattr("harness.history.reading.LONG_BYTES", 0)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("story", [stories.logged_out, stories.lost_session, stories.over_budget])
def test_long_run_is_judged_like_a_short_one(
    story: Callable[[], Past], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Columns that are read part by part, and a packed audit, say the same as files that are read at once."""
    short = closed_attempt(tmp_path / "short", story)
    judgement, past = judge_folder(short).judgement, read_run(short)
    request.getfixturevalue("long_run")
    long = Path(shutil.copytree(_closed.__wrapped__(story), tmp_path / "long"))
    assert judge_folder(long).judgement == judgement
    read = read_run(long, in_memory=False)
    assert (*read.audit,) == past.audit
    assert (len(read.audit), read.audit[0], read.audit[-2:]) == (
        len(past.audit),
        past.audit[0],
        list(past.audit[-2:]),
    )
    assert isinstance(read.audit, PackedAudit)
    parts = list(read.table.parts({"steps": ("does",)}))
    assert [(these.start, these.stop) for these, _ in parts[:2]] == [(0, 1), (1, 2)]
    assert sum(len(part) for _, part in parts) == len(past.operations)


@pytest.mark.usefixtures("long_run")
@pytest.mark.parametrize("name", ["operations", "steps", "attempts"])
def test_file_that_changes_while_a_long_run_is_read_is_damage(name: str, tmp_path: Path) -> None:
    """Its columns are read later than it is looked at."""
    folder = closed_attempt(tmp_path / "run", stories.logged_out)
    table = getattr(read_run(folder, in_memory=False).table, name)
    column = table.column_names[-1]
    (folder / f"{name}.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=f"column {column} cannot be read"):
        table[column]
    with pytest.raises(UsageError, match="a row group cannot be read"):
        next(table.parts([column]))


@pytest.mark.usefixtures("long_run")
def test_audit_that_is_not_in_order_is_put_in_order(tmp_path: Path) -> None:
    """Also where it is long; and a line that is none is named by its number."""
    folder = closed_attempt(tmp_path / "run", stories.logged_out)
    audit = [*read_run(folder).audit]
    packed = folder / "history.jsonl.gz"
    lines = gzip.decompress(packed.read_bytes()).splitlines(keepends=True)
    places = [n for n, line in enumerate(lines) if line.startswith(b'{"type":"audit"')]
    assert len(places) == len(audit) > 1
    late = lines[places[0]].replace(b'"sent_us":30000000', b'"sent_us":30000900')
    assert late != lines[places[0]]
    lines[places[0]] = late
    (folder / "history.jsonl").write_bytes(b"".join(lines[:-1]))
    packed.unlink()
    found = [*read_run(folder).audit]
    assert (found[:-1], found[-1].sent_us, found[-1].session) == (audit[1:], 30_000_900, audit[0].session)
    lines[places[1]] = b"{}\n"
    (folder / "history.jsonl").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(UsageError, match=f"line {places[1] + 1}: "):
        read_run(folder)


@pytest.mark.usefixtures("long_run")
def test_columns_of_two_runs_do_not_belong_together(tmp_path: Path) -> None:
    """Neither with more groups than operations have, nor with steps of other operations."""
    short, long = (
        read_run(
            shutil.copytree(_closed.__wrapped__(story), tmp_path / story.__name__), in_memory=False
        ).table
        for story in (stories.over_budget, stories.lost_session)
    )
    assert len(short) < len(long)
    for mixed in (replace(short, steps=long.steps), replace(long, attempts=short.attempts)):
        with pytest.raises(UsageError, match="not in the same groups"):
            list(mixed.parts({}))
    steps = mock.Mock(parts=lambda _: iter([part.steps for _, part in replace(long).parts({})][::-1]))
    mixed = replace(long, steps=steps)
    for _ in range(2):
        with pytest.raises(UsageError, match="expected rows of 1 operations"):
            list(mixed.parts({}))


@pytest.mark.usefixtures("long_run")
def test_table_that_nobody_asks_for_is_read_once(tmp_path: Path) -> None:
    """The first pass sees to it that all belong together; one that was not gone through has seen nothing."""
    table = read_run(closed_attempt(tmp_path / "run", stories.logged_out), in_memory=False).table
    next(table.parts({}))
    for _ in range(2):
        found = [part for _, part in table.parts({"operations": ("session",)})]
        columns = [(len(part.steps.column_names), len(part.attempts.column_names)) for part in found]
    assert columns == [(0, 0)] * len(found)
    assert all(part.steps.column_names == ["row", "does"] for _, part in table.parts({"steps": ("does",)}))


def test_bug_in_judging_one_scenario_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That one is inconclusive with the reason and the traceback's file, the others are judged; so does `why`."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = tmp_path / "run"
    first, second = (judge_folder(attempt(run / name)) for name in ("bad", "good"))
    saved_suite(run, first, second)
    assert second.judgement is not None
    session = second.judgement.findings[0].session

    def page(result: ScenarioResult, past: History, logs: Sequence[LogLine]) -> str:
        if result.run_dir == "bad":
            raise ZeroDivisionError("division by zero")
        return whole_page(result, past, logs)

    def judge(past: History) -> Judgement:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("harness.saved.judging.page", page)
    again = saved.judge_again(run)
    bad, good = again.results
    (file,) = tmp_path.glob("failover-kit-crash-*.log")
    assert (bad.verdict, bad.run_dir, again.exit_code) == (Verdict.INCONCLUSIVE, "bad", 1)
    assert "cannot be judged (its last verdict was FAIL)" in bad.reasons[0]
    assert "ZeroDivisionError: division by zero" in bad.reasons[0]
    assert f"the traceback is in {file}" in bad.reasons[0]
    assert "ZeroDivisionError" in (run / "bad" / "index.html").read_text()
    assert (good.verdict, good.judgement) == (second.verdict, second.judgement)
    assert saved.judge_again(run / "bad").exit_code == 3
    assert f"  {session}  lost-session" in saved.why(run)
    monkeypatch.setattr("harness.saved.telling.judge", judge)
    assert ["cannot be judged: the kit itself failed" in line for line in saved.why(run)] == [True, True]


@pytest.mark.parametrize("story", [stories.lost_session, stories.kept_session])
def test_lines_of_a_history_are_judged_again_and_never_pass(
    story: Callable[[], Past], tmp_path: Path
) -> None:
    """What `history RUN` prints, beside the plan: the same findings, and no pass, as it has no checksums."""
    original = closed_attempt(tmp_path / "original", story)
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(original / "plan.json", again / "plan.json")
    (again / "history.jsonl").write_bytes(b"".join(line + b"\n" for line in saved.lines(original)))
    first, second = (saved.judge_again(folder).results[0] for folder in (original, again))
    assert first.judgement is not None
    assert second.judgement is not None
    assert second.judgement.findings == first.judgement.findings
    assert second.verdict is (Verdict.FAIL if first.judgement.findings else Verdict.INCONCLUSIVE)
    assert any("it was never closed" in one for one in second.reasons)


def test_disk_that_refuses_ends_judging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is no result, neither of this scenario nor of the next."""
    run = saved_suite(tmp_path / "run", judge_folder(attempt(tmp_path / "run" / "lost")))

    def full(file: Path, _: bytes) -> None:
        raise EnvironmentFailure(f"{file}: No space left on device")

    monkeypatch.setattr("harness.saved.judging.write_file", full)
    with pytest.raises(EnvironmentFailure, match="No space left"):
        saved.judge_again(run)


def test_scenario_of_a_killed_suite_that_never_ran_is_listed(tmp_path: Path) -> None:
    """A suite notes what it is to run before it runs anything."""
    run = tmp_path / "run"
    result = judge_folder(closed_attempt(run / "kept", stories.logged_out))
    never = replace(result, name="never", run_dir="never", verdict=Verdict.INCONCLUSIVE, judgement=None)
    write_record(run, PLANNED, suite(result, never))
    judged = saved.judge_again(run)
    assert [one.verdict for one in judged.results] == [Verdict.PASS, Verdict.INCONCLUSIVE]
    assert judged.exit_code == 3
    assert saved.load(run).exit_code == 3


LINES = "history.jsonl.gz"


def packed_again(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Other lines in an archive that is whole: gzip makes its own checksum anew."""
    lines = gzip.decompress((folder / LINES).read_bytes()).splitlines(keepends=True)
    (folder / LINES).write_bytes(gzip.compress(b"".join(change(lines))))


def without_a_phase(lines: list[bytes]) -> list[bytes]:
    gone = next(line for line in lines if b'"type":"phase"' in line)
    return [line for line in lines if line is not gone]


def with_a_line_twice(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], *lines[1:]]


def with_another_time(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'"t_us":1', b'"t_us":2') for line in lines]


def with_less_of_a_seal(lines: list[bytes]) -> list[bytes]:
    seal = msgspec.json.decode(lines[-1])
    del seal["files"]["history.jsonl"]
    return [*lines[:-1], msgspec.json.encode(seal) + b"\n"]


@pytest.mark.parametrize(
    "change", [without_a_phase, with_a_line_twice, with_another_time, with_less_of_a_seal]
)
def test_changed_line_is_damage(change: Callable[[list[bytes]], list[bytes]], tmp_path: Path) -> None:
    """One missing line among thousands, in an archive whose own checksum is right, decides nothing any more."""
    folder = closed_attempt(tmp_path / "run" / "lost")
    assert judge_folder(folder).verdict is Verdict.FAIL
    packed_again(folder, change)
    (result,) = saved.judge_again(folder).results
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "history.jsonl.gz: damaged: " in result.why


def as_format_3(lines: list[bytes]) -> list[bytes]:
    opening = msgspec.json.decode(lines[0])
    opening["format"] = 3
    return [msgspec.json.encode(opening) + b"\n", *with_less_of_a_seal(lines)[1:]]


def test_run_from_before_lines_had_a_checksum_is_judged_and_says_so(tmp_path: Path) -> None:
    """Refusing it would lose it; what nobody can confirm stands on its page."""
    folder = closed_attempt(tmp_path / "run" / "lost")
    judged = judge_folder(folder)
    assert judged.judgement is not None
    packed_again(folder, as_format_3)
    again = judge_folder(folder)
    assert again.judgement is not None
    assert again.verdict is judged.verdict
    said = "its lines have no checksum: it was recorded by an older version of the kit (format 3)"
    assert again.judgement.evidence == (*judged.judgement.evidence, said)


@pytest.mark.parametrize("seed", some(range(4), 1))
def test_flipped_bits_are_damage_and_never_a_verdict(seed: int, tmp_path: Path) -> None:
    """In every file of a saved run: judged as the truth is, or inconclusive, or refused; never a traceback."""
    dice = random.Random(seed)
    run = tmp_path / "run"
    truth = judge_folder(closed_attempt(run / "lost"))
    saved_suite(run, truth)
    assert truth.verdict is Verdict.FAIL
    shutil.copytree(run, tmp_path / "copy")
    for file in sorted(one for one in run.rglob("*") if one.is_file()):
        for _ in range(times(4, 1)):
            content = bytearray(file.read_bytes())
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
            file.write_bytes(content)
            judged = saved.judge_again(run)
            (result,) = judged.results
            assert judged.exit_code in {1, 3}, file
            if result.verdict is Verdict.FAIL:
                assert result.judgement == truth.judgement, file
            else:
                assert result.verdict is Verdict.INCONCLUSIVE
            with suppress(UsageError):
                saved.why(run)
            shutil.rmtree(run)
            shutil.copytree(tmp_path / "copy", run)


def test_interrupted_suite_stays_interrupted(tmp_path: Path) -> None:
    """Judging again does not turn a suite that was stopped into a whole one."""
    first = judge_folder(attempt(tmp_path / "run" / "kept", stories.kept_session))
    run = saved_suite(tmp_path / "run", first, interrupted=True)
    assert saved.judge_again(run).exit_code == 130


def test_moved_results_name_the_place_where_they_lie_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths in the report are those of today, relative where they lie below."""
    run = saved_suite(tmp_path / "before", judge_folder(attempt(tmp_path / "before" / "lost")))
    run.rename(tmp_path / "after")
    assert saved.load(tmp_path / "after").directory == str(tmp_path / "after")
    monkeypatch.chdir(tmp_path)
    assert saved.load(Path("after")).directory == "after"


@pytest.mark.parametrize("verb", [saved.load, saved.judge_again])
def test_folder_without_results_is_a_usage_error(verb: Callable[[Path], object], tmp_path: Path) -> None:
    """The message names the folder and what was expected in it."""
    with pytest.raises(UsageError, match=r"expected a results folder"):
        verb(tmp_path)


def test_damaged_suite_is_a_usage_error(tmp_path: Path) -> None:
    """Not a traceback, but the file's name."""
    (tmp_path / "suite.msgpack").write_bytes(b"\x00nonsense")
    with pytest.raises(UsageError, match=r"suite\.msgpack: cannot be read"):
        saved.load(tmp_path)


def test_why_finds_a_session_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    """In one scenario's folder, and in a suite where only one has it."""
    folder = attempt(tmp_path / "run" / "lost")
    session = history.read(folder).operations[0].session
    told = saved.why(tmp_path / "run", session)
    assert told[0] == f"{folder}:"
    assert session in told[1]
    assert any("log-in" in line for line in told)
    assert saved.why(folder, session) == told


def test_why_asks_for_more_when_several_match(tmp_path: Path) -> None:
    """The same seed gives the same ids in every scenario: the message names the folders."""
    session = history.read(attempt(tmp_path / "run" / "lost")).operations[0].session
    attempt(tmp_path / "run" / "lost-second-run")
    with pytest.raises(UsageError, match=r"in lost, .* in lost-second-run; give one scenario's folder"):
        saved.why(tmp_path / "run", session)
    with pytest.raises(UsageError, match=r"; give more of its id, or one scenario's folder"):
        saved.why(tmp_path / "run", session[0])


def test_why_without_a_session_lists_the_broken_ones(tmp_path: Path) -> None:
    """By scenario, with what was broken; one that lost nothing says so, one that is damaged does not hide it."""
    run = tmp_path / "run"
    lost, kept = attempt(run / "lost"), attempt(run / "kept", stories.kept_session)
    damaged = attempt(run / "damaged")
    (damaged / "plan.json").write_text("{")
    judgement = judge_folder(lost).judgement
    assert judgement is not None
    session = judgement.findings[0].session
    assert session is not None
    told = saved.why(run)
    assert told[0].startswith(f"{damaged}: cannot be read: ")
    assert told[1:] == [
        f"{kept}: no session was broken",
        f"{lost}: 1 session was broken: 1 × lost-session",
        f"  {session}  lost-session",
        f"the whole story of one: failover-kit why {lost} {session}",
    ]
    assert saved.why(lost) == told[2:]
    assert saved.why(kept) == told[1:2]
    assert any("log-in" in line for line in saved.why(run, session, scenario="lost"))


def test_why_finds_a_session_within_the_named_scenario(tmp_path: Path) -> None:
    """By its folder's name or a part of it: a whole name goes before a part, and a wrong one is told what there is."""
    run = tmp_path / "run"
    folders = [attempt(run / name) for name in ("one-lost", "one-lost-second-run", "two")]
    session = history.read(folders[0]).operations[0].session
    assert saved.why(run, session, scenario="one-lost")[0] == f"{folders[0]}:"
    assert saved.why(run, session, scenario="second")[0] == f"{folders[1]}:"
    (first, *_) = saved.why(run, scenario="two")
    assert first == f"{folders[2]}: 1 session was broken: 1 × lost-session"
    with pytest.raises(UsageError, match=r"in one-lost, .* in one-lost-second-run; give one scenario"):
        saved.why(run, session, scenario="one")
    with pytest.raises(UsageError, match="found 'three'; there are one-lost, one-lost-second-run, two"):
        saved.why(run, session, scenario="three")


def test_why_of_nobody_is_a_usage_error(tmp_path: Path) -> None:
    """No session begins so, or there is no history at all."""
    attempt(tmp_path / "run" / "lost")
    with pytest.raises(UsageError, match="found none"):
        saved.why(tmp_path / "run", "zz")
    with pytest.raises(UsageError, match="expected a results folder with a history"):
        saved.why(tmp_path / "nowhere", "zz")


def test_a_suite_that_is_not_there_is_refused_with_what_may_be_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder above it, a name that is misspelt, a file."""
    monkeypatch.chdir(tmp_path)
    saved_suite(tmp_path / "runs" / "20260101-000000-core-000001")
    Path("file").write_text("")
    Path("empty").mkdir()
    for given, found in (
        (
            "runs",
            "runs: expected a results folder with suite.msgpack, found none; runs/20260101-000000-core-000001 is",
        ),
        ("runz", "found no such folder; did you mean 'runs'?"),
        ("file", "file: expected a results folder with suite.msgpack, found a file"),
        ("empty", "found none; `failover-kit run` makes one"),
    ):
        with pytest.raises(UsageError) as refused:
            saved.load(Path(given))
        assert found in str(refused.value)


def results(out: Path, count: int) -> list[Path]:
    return [saved_suite(out / f"2026010{number}-000000-core-{number:06x}") for number in range(1, count + 1)]


def test_prune_keeps_the_newest_and_the_latest(tmp_path: Path) -> None:
    """Old results go; what `latest` points at stays however old it is."""
    runs = results(tmp_path, 5)
    (tmp_path / "latest").symlink_to(runs[0].name)
    said = saved.prune(tmp_path, keep=2)
    assert [run for run in runs if run.exists()] == [runs[0], runs[3], runs[4]]
    assert said == [f"removed {runs[1]}", f"removed {runs[2]}"]


def test_prune_touches_nothing_that_is_no_result(tmp_path: Path) -> None:
    """Other folders, files and runs that are still going on stay."""
    results(tmp_path, 2)
    attempt(tmp_path / "20260109-000000-core-ffffff" / "still-running")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    saved.prune(tmp_path, keep=1)
    assert (tmp_path / "notes").is_dir()
    assert (tmp_path / "notes.txt").is_file()
    assert (tmp_path / "20260109-000000-core-ffffff").is_dir()
    assert saved.prune(tmp_path, keep=1) == [f"nothing to remove: 1 results in {tmp_path}, keeping 1"]


def test_prune_of_a_folder_that_is_not_there_removes_nothing(tmp_path: Path) -> None:
    """Saying so is enough."""
    assert saved.prune(tmp_path / "nowhere", keep=1)[0].startswith("nothing to remove")


def test_folder_of_results_folders_names_one(tmp_path: Path) -> None:
    """`judge runs`: what was meant is below it."""
    for name in ("20260101-smoke", "20260102-smoke"):
        run = tmp_path / name / "quiet"
        run.mkdir(parents=True)
        (run / "history.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"found none; .*20260102-smoke is one$"):
        run_folders(tmp_path)
