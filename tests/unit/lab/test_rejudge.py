"""Judging again and comparing: the same is the same, and a change is named with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.rejudge.__main__ import differing, main
from tests.unit.checks import stories
from tests.unit.saved.test_saved import closed_attempt


def test_judgements_are_kept_and_are_the_same_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs at any depth, each once although a link leads to it as well; nothing is written into them."""
    runs, kept = tmp_path / "runs", tmp_path / "kept"
    closed_attempt(runs / "suite" / "lost")
    closed_attempt(runs / "suite" / "kept", stories.kept_session)
    (runs / "latest").symlink_to("suite")
    before = sorted(runs.rglob("*"))
    assert main(["--keep", str(kept), str(runs)]) == 0
    assert sorted(one.name for one in kept.iterdir()) == ["suite--kept.json", "suite--lost.json"]
    assert main(["--against", str(kept), str(runs)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 2 judgements are the same"
    assert sorted(runs.rglob("*")) == before


def test_what_differs_is_named_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A verdict, a number deep inside, a run that is gone: each a line, and status 1."""
    runs, kept = tmp_path / "runs", tmp_path / "kept"
    closed_attempt(runs / "suite" / "lost")
    assert main(["--keep", str(kept), str(runs)]) == 0
    file = kept / "suite--lost.json"
    text = json.loads(file.read_text())
    text["verdict"], text["findings"][0]["observations"] = "PASS", 77
    file.write_text(json.dumps(text))
    (kept / "suite--gone.json").write_text("{}")
    assert main(["--against", str(kept), str(runs)]) == 1
    said = capsys.readouterr().out
    assert 'suite--lost.json: verdict: "PASS" -> "FAIL"' in said
    assert "suite--lost.json: findings[0].observations: 77 -> " in said
    assert "suite--gone.json: only before" in said
    assert "0 of 2 judgements are the same" in said


def test_damage_is_a_judgement_too(tmp_path: Path) -> None:
    """A run that cannot be read compares by its reason."""
    runs, kept = tmp_path / "runs", tmp_path / "kept"
    run = closed_attempt(runs / "suite" / "lost")
    assert main(["--keep", str(kept), str(runs)]) == 0
    (run / "plan.json").write_text("{")
    assert main(["--against", str(kept), str(runs)]) == 1


def test_no_run_is_a_usage_error(tmp_path: Path) -> None:
    """Nothing compared is no success."""
    assert main(["--keep", str(tmp_path / "kept"), str(tmp_path)]) == 2


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ([{"a": {"b": None}}], [{"a": {"b": 0}}], ["[0].a.b"]),
    ],
)
def test_every_place_that_differs_is_found(before: object, after: object, found: list[str]) -> None:
    """Members, entries, lengths."""
    assert [where for where, _, _ in differing(before, after)] == found
