"""Answers: what a sign and a place find in them."""

from __future__ import annotations

import pytest

from harness.guests import words
from harness.guests.answers import Answer, found_in, is_so
from harness.model.guest import Place, Sign

PAGE = Answer(
    status=200,
    body='{"user": {"name": "ann"}, "items": [{"id": 7}], "gone": null}',
    headers={"x-user": "ann"},
)


@pytest.mark.parametrize(
    ("sign", "so"),
    [
        (Sign(), True),
        (Sign(status=(200, 204)), True),
        (Sign(status=(204,)), False),
        (Sign(text="an+"), True),
        (Sign(text="bob"), False),
        (Sign(json="user.name"), True),
        (Sign(json="user.name", equals="ann"), True),
        (Sign(json="items.0.id", equals="7"), True),
        (Sign(json="items.1.id"), False),
        (Sign(json="gone"), False),
        (Sign(status=(200,), json="user.name", equals="bob"), False),
        (Sign(redirect="/login"), False),
    ],
)
def test_all_that_a_sign_names_must_be_so(sign: Sign, so: bool) -> None:
    """Status, redirect, text and JSON, each of them and together."""
    assert is_so(PAGE, sign) is so


def test_a_sign_without_words_is_success() -> None:
    """Any status below 400, a redirect too."""
    assert [is_so(Answer(status=one), Sign()) for one in (200, 302, 399, 400, 503)] == [True] * 3 + [
        False
    ] * 2


def test_a_redirect_is_known_by_the_path_that_it_leads_to() -> None:
    """Whatever host and query the application adds."""
    answer = Answer(status=302, location="http://localhost/login?next=%2Fme")
    assert is_so(answer, Sign(redirect="/login"))
    assert not is_so(answer, Sign(redirect="/logout"))
    assert answer.said == "302 to /login"


@pytest.mark.parametrize(
    ("place", "there"),
    [
        (Place(json="user.name"), "ann"),
        (Place(json="gone"), None),
        (Place(header="X-User"), "ann"),
        (Place(text='"name": "(.+?)"'), "ann"),
        (Place(text="an+"), "ann"),
        (Place(text="nobody"), None),
    ],
)
def test_what_is_at_a_place(place: Place, there: object) -> None:
    """None where there is nothing."""
    assert found_in(PAGE, place) == there
    assert found_in(Answer(status=200, body="<html>"), Place(json="user")) is None


def test_values_of_the_application_itself_say_nothing() -> None:
    """Only what an operation of the kit's wrote is a value, and only whole numbers are quantities."""
    assert [words.written(one) for one in ("17:dark", "light", "", None, 17)] == [
        "17:dark",
        None,
        None,
        None,
        None,
    ]
    assert words.quantities({"item3": 2, "item4": "5", "book": 1, "item5": "x"}) == {
        "cart:3": "2",
        "cart:4": "5",
    }
    assert words.quantities(None) == {}
    sent = words.words_of("u1", 17, 0x10300)
    assert (sent["value"], words.field_of(sent["item"]), sent["quantity"]) == ("17:contrast", "cart:1", "2")
    assert words.filled("{user}/{item} {x}", sent) == "u1/item1 {x}"
