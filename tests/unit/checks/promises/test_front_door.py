"""What an application's front door shows: each finding names the user whom it happened to. No nodes."""

from __future__ import annotations

import pytest

from harness.checks.run import run_checks
from harness.checks.verdict.story import stories
from tests.unit.checks.stories import Story, guests

FORGOTTEN = (
    "web-1 (operation 2) showed a page for nobody, and deleted the cookie, in the place of session 00000001 of ann, "
    "though it was logged in before and existed again later."
)
ENDED = "web-1 ended without the kit's doing: its process ended with status 3"
SHUT = "web-1 let nobody in after Redis was well again; started anew it did"


@pytest.mark.parametrize(
    ("story", "sentence", "told"),
    [
        (guests.app_died, f"{ENDED}; the first user without an answer was ann, with read.", "web-1  read #2"),
        (guests.needs_restart, f"{SHUT}; eve tried last to log in there.", "web-1  log-in #3"),
        (guests.cookie_deleted, FORGOTTEN, "user sees 'as nobody'"),
        (guests.hung_request, "web-1 did not answer read of ann within 0.5 s.", "user sees 'no answer'"),
    ],
)
def test_a_finding_tells_what_became_of_a_user(story: Story, sentence: str, told: str) -> None:
    """Also one that is about a web server and no session: its first requests without an answer are named."""
    past = story().history()
    (finding,), *_ = run_checks(past)
    assert finding.sentence == sentence
    ((*lines,),) = stories(past, [finding])
    assert any(told in line for line in lines), lines
    assert not any("no node" in line or "(primary)" in line for line in lines), "nobody saw which node it was"


def test_a_web_server_that_nobody_asked_has_no_user_to_name() -> None:
    """The sentence ends where the evidence does."""
    past = guests.GuestPast()
    past.log_in("ann", 1.0)
    past.event("web-server-died", 2.0, source="web-1", detail="its process ended with status 3; no module")
    (finding,), *_ = run_checks(past.history())
    assert finding.sentence == f"{ENDED}."
    assert finding.operations == ()
