"""Which error means what: the words of a server, and the page that explains them."""

from __future__ import annotations

import re

import pytest

from harness.redis_wire.refusals import IN_SCRIPT, REFUSALS, cannot_write, code_of, is_elsewhere, may_have_run
from lab.rows import ROOT


@pytest.mark.parametrize(
    ("text", "code", "ran"),
    [
        ("READONLY You can't write against a read only replica.", "READONLY", False),
        ("EXECABORT Transaction discarded because of previous errors.", "EXECABORT", False),
        ("ERR max number of clients reached", "max-clients", False),
        ("ERR max number of clients + cluster connections reached", "max-clients", False),
        ("ERR unknown command 'X'", "ERR", True),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", "WRONGTYPE", True),
        ("", "", True),
    ],
)
def test_codes_say_whether_a_command_may_have_run(text: str, code: str, ran: bool) -> None:
    """Only a listed code proves that nothing was executed."""
    assert code_of(text) == code
    assert may_have_run(code) is ran


def test_error_from_inside_a_script_proves_nothing() -> None:
    """What it wrote before stays."""
    assert may_have_run(IN_SCRIPT)
    assert not is_elsewhere(IN_SCRIPT)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
        ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS"),
        (
            "EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to write.",
            "NOREPLICAS",
        ),
        ("EXECABORT Transaction discarded because of previous errors.", None),
        ("READONLY You can't write against a read only replica.", None),
        ("ERR OOM is mentioned", None),
        ("", None),
    ],
)
def test_a_primary_that_refuses_to_write_says_why(text: str, code: str | None) -> None:
    """Also through the transaction that was discarded for it; "not here" and "not yet" are no such refusals."""
    assert cannot_write(text) == code


def test_what_passes_is_no_refusal_of_the_primary_itself() -> None:
    """A refusal sends a client elsewhere, or it says that this node cannot write: never both."""
    assert not [code for code, one in REFUSALS.items() if one.elsewhere and one.cannot_write]


def test_page_of_foreign_histories_has_the_same_table() -> None:
    """Whoever records a history elsewhere goes by it."""
    page = (ROOT / "docs" / "foreign-histories.md").read_text()
    table = page.partition("### Errors that prove a rejection")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", table, re.MULTILINE)
    named = {"max-clients": "ERR max number of clients"}
    assert rows == [(named.get(code, code), one.when) for code, one in REFUSALS.items()]
