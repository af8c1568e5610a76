"""What a terminal, a page or a folder's name would obey is spelled out; everything else stays as it is."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from harness.visible import as_folder_name, one_line, visible, visible_json

OBEYED = {"Cc", "Cs", "Zl", "Zp"}
TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(st.text() | st.text(st.characters(categories=["Cc", "Cf", "Cs"])))
def test_nothing_that_is_obeyed_is_left(text: str) -> None:
    """Control characters, line separators, half pairs, and those that turn text round."""
    for shown in (visible(text).replace("\n", "").replace("\t", ""), one_line(text)):
        assert not [one for one in shown if unicodedata.category(one) in OBEYED or one in TURNING]


def test_what_is_hidden_is_told() -> None:
    """By its number, as a programmer writes it."""
    assert visible("a\x1b[2Jb\u202ec\x9b\r") == r"a\x1b[2Jb\u202ec\x9b\r"
    assert one_line("two\nlines\there") == r"two\nlines\there"
    assert visible("ü × “…” 日本 → é\n\t") == "ü × “…” 日本 → é\n\t"


@given(st.dictionaries(st.text(), st.text()))
def test_line_of_json_means_the_same(value: dict[str, str]) -> None:
    """Escaped as JSON escapes, it is read back as it was."""
    shown = visible_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert visible(shown) == shown


@given(st.text())
def test_folder_name_is_one_name_right_here(text: str) -> None:
    """No path, no dots, nothing hidden, never empty."""
    name = as_folder_name(text)
    assert name
    assert not set(name) & set("./\\\0 \n")
    assert one_line(name) == name
    assert len(name) <= 100


def test_shipped_names_stay() -> None:
    """What people are used to."""
    assert as_folder_name("sentinel-01-primary-killed") == "sentinel-01-primary-killed"
    assert as_folder_name("...") == as_folder_name("..") == as_folder_name("") == "scenario"
