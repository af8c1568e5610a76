"""`traffic`: a realistic mix in one word, made of what the behaviours declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.scenario import Workload
from harness.running.vocabulary import shipped
from harness.scenario import load
from tests.builders_docs import section_of, table_rows

GUIDE = (Path(__file__).parents[2] / "docs" / "writing-scenarios.md").read_text(encoding="utf-8")
WORDS = {"shop", "bank", "token-api", "admin"}


def workload(folder: Path, text: str) -> Workload:
    path = folder / "s.yaml"
    path.write_text(
        f"scenario: 1\nname: traffic\ndeployment: {{topology: {{kind: single}}}}\nworkload: {{{text}}}\n"
    )
    return load(path, shipped()).workload


def test_word_becomes_what_behaviours_declare(tmp_path: Path) -> None:
    """In percent, whoever logs in among them; options and kinds go by the whole."""
    usual = shipped().traffic()
    assert set(usual) == WORDS
    for word, mix in usual.items():
        read = workload(tmp_path, f"traffic: {word}")
        assert (read.traffic, read.mix, sum(mix.values())) == (word, mix, 100)
        assert "log-in" in mix
        assert read.kinds.keys() == mix.keys() == read.options.keys()
        assert read.beyond == shipped().beyond(mix)


def test_mix_adds_changes_and_leaves_out(tmp_path: Path) -> None:
    """Whatever it says goes before the word; options are read of what was added, too."""
    text = "traffic: shop, mix: {lock: 7, logout: 9, try-password: 0}, options: {lock: {tries: 2}}"
    read = workload(tmp_path, text)
    usual = shipped().traffic()["shop"]
    assert read.mix == {
        **{name: one for name, one in usual.items() if name != "try-password"},
        "lock": 7.0,
        "logout": 9.0,
    }
    assert read.options["lock"]["tries"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("traffic: shopp", "did you mean 'shop'"),
        ("rate: 5/s", "a weight above zero, here or by a word in `traffic`"),
    ],
)
def test_word_that_nobody_knows_is_refused(text: str, message: str, tmp_path: Path) -> None:
    """With what was meant; and some mix there must be."""
    with pytest.raises(UsageError, match=message):
        workload(tmp_path, text)


def test_guide_says_what_each_word_stands_for() -> None:
    """The table is that of the declarations, a dash where a behaviour has no share."""
    head, *rows = table_rows(section_of(GUIDE, "Traffic"))
    words = [cell.strip("`") for cell in head[1:]]
    told = {
        word: {cells[0].strip("`"): float(cells[n]) for cells in rows if cells[n] != "–"}
        for n, word in enumerate(words, start=1)
    }
    assert told == shipped().traffic()
