"""The part of a document that a measurement makes is replaced, and nothing else of it."""

from __future__ import annotations

import pytest

from lab.published import MadePart

MADE = MadePart("<!-- begin -->", "<!-- end -->")


def test_made_part_takes_the_place_of_the_one_there() -> None:
    """Twice written is once written."""
    once = MADE.into("before\n<!-- begin -->\nold\n<!-- end -->\nafter\n", "| new |\n")
    assert once == "before\n<!-- begin -->\n\n| new |\n\n<!-- end -->\nafter\n"
    assert MADE.into(once, "| new |") == once
    assert MADE.of(once) == "| new |"


@pytest.mark.parametrize("document", ["", "<!-- begin -->", "<!-- end --> <!-- begin -->"])
def test_document_without_its_marks_is_refused(document: str) -> None:
    """It says which marks were expected."""
    with pytest.raises(ValueError, match="expected <!-- begin --> and <!-- end -->, found none"):
        MADE.into(document, "new")
    with pytest.raises(ValueError, match="expected <!-- begin --> and <!-- end -->, found none"):
        MADE.of(document)
