"""Whole judgements against those that are kept: whatever a change alters, somebody has read the difference."""

from __future__ import annotations

import pytest

from tests.kept import CASES, FOLDER, kept, text
from tests.share import some

KEPT = {file: kept(file) for file in CASES}


@pytest.mark.parametrize("file", CASES)
def test_every_case_is_kept(file: str) -> None:
    """No judgement lies there that nobody compares, and none is missing."""
    assert list(KEPT[file]) == list(CASES[file])
    assert {path.stem for path in FOLDER.iterdir()} == set(CASES)


SHARES = {"random": 12, "broken": 6}
"""Of those that are random; every story and every recorded run is compared each time."""
COMPARED = [
    (file, case) for file, cases in CASES.items() for case in some(cases, SHARES.get(file, len(cases)))
]


@pytest.mark.parametrize(("file", "case"), COMPARED)
def test_judgement_is_the_one_that_is_kept(file: str, case: str) -> None:
    """Meant to change it? `python -m tests.kept` writes it anew; read the difference."""
    assert text(CASES[file][case]()).splitlines() == KEPT[file][case].splitlines()
