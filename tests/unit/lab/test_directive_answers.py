"""What a server said of a wrong value, and the form that follows. The sentences are those of real servers."""

from __future__ import annotations

import pytest

from lab.directives.answers import LOWEST, form, further_probes, unknown

ONE_OF = "argument(s) must be one of the following: "
INTEGER = "argument couldn't be parsed into an integer"
BETWEEN = "argument must be between {} and {} inclusive"


@pytest.mark.parametrize(
    ("said", "then", "follows"),
    [
        ("argument must be 'yes' or 'no'", {}, "words no yes"),
        (f"{ONE_OF}everysec, always, no", {"everysec always": f"{ONE_OF}..."}, "words always everysec no"),
        (f"{ONE_OF}default, save, now", {"default save": ""}, "flags default now save"),
        (INTEGER, {LOWEST: BETWEEN.format(0, 100)}, "number 0 100"),
        (INTEGER, {LOWEST: BETWEEN.format(-1, 5)}, "number -1 5"),
        (INTEGER, {LOWEST: "something else"}, "lines"),
        ("argument must be a memory value", {"0": "", "1": ""}, "memory 0"),
        ("argument must be a memory value", {"0": BETWEEN.format(1, 9), "1": ""}, "memory 1"),
        ("argument must be a memory or percent value", {"0": "", "1": ""}, "share 0"),
        ("", {}, "text"),
        ("Invalid save parameters", {}, "lines"),
    ],
)
def test_form_follows_from_the_answers(said: str, then: dict[str, str], follows: str) -> None:
    """And every value that the form rests on is asked for."""
    assert form(said, then) == follows
    assert set(further_probes(said)) == set(then)


def test_a_name_that_an_engine_does_not_have_is_known_by_its_answer() -> None:
    """Redis 8 takes it for a module's."""
    assert unknown("Bad directive or wrong number of arguments")
    assert unknown(
        "# Module Configuration detected without loadmodule directive or no ApplyConfig call: aborting"
    )
    assert not unknown(INTEGER)
    assert not unknown("")
