"""Who was turned away by a guard without an answer while the session could be read, on each side of every line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.timelines import Timelines
from harness.checks.promises.check import Counted
from harness.checks.promises.refused_sessions import judge_turned_away
from harness.model.told import TURNED_AWAY
from harness.model.words import Cause
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import CUT_OFF, REVOKED, Flag
from harness.objects.kind import ObjectKind
from lab.past import Past
from lab.past.store import Hash
from lab.records import us
from tests.unit.checks.stories.objects import FULL

ANN = "00000001" * 4
NOT_YET = "LOADING Redis is loading the dataset in memory"
TOO_FEW = "NOREPLICAS Not enough good replicas to write."
NO_SNAPSHOT = "MISCONF Redis is configured to save RDB snapshots"


def judged(*at: float, error: str = FULL, also: Callable[[Past, str], object] = lambda *_: None) -> Counted:
    """Ann logs in, and is turned away at these moments; each look takes a millisecond."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    for n, second in enumerate(at):
        past.turned_away(ATTEMPTS, "ann", ann, second, error=error, web=f"web-{n + 1}")
    also(past, ann)
    return judge_turned_away(Timelines(past.history()))


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (
            (3.0,),
            "web-1 turned away a request of ann at +3.00 s: Redis did not answer EVAL (INCR PEXPIRE) (OOM",
        ),
        ((3.0, 4.5), "web-1 turned away 2 requests of ann from +3.00 s to +4.50 s: Redis did not answer"),
    ],
)
def test_requests_of_one_session_are_one_finding(at: tuple[float, ...], says: str) -> None:
    """The first one names the web server and the error; the last one ends the time."""
    (found,) = judged(*at).findings
    assert found.sentence.startswith(says)
    assert found.sentence.endswith("and the session could be read.")
    assert (found.observations, len(found.operations)) == (len(at), len(at))
    assert (found.user, found.session) == ("ann", ANN)


@pytest.mark.parametrize(
    ("error", "cause", "because"),
    [
        (FULL, Cause.OUT_OF_MEMORY, FULL),
        (TOO_FEW, Cause.TOO_FEW_REPLICAS, TOO_FEW),
        (NO_SNAPSHOT, Cause.NOT_DETERMINED, NO_SNAPSHOT),
        (NOT_YET, Cause.NOT_DETERMINED, ""),
    ],
)
def test_cause_is_why_the_guard_could_not_write(error: str, cause: Cause, because: str) -> None:
    """As of log-ins that are refused. A node that is away gives no reason."""
    (found,) = judged(3.0, error=error).findings
    assert (found.cause, found.because) == (cause, because)


@pytest.mark.parametrize(
    ("at", "outcome", "found", "undecided"),
    [
        (2.0, "acked", 0, 0),
        (2.999, "acked", 0, 1),  # answered at the moment at which the look was sent
        (3.0005, "acked", 0, 1),
        (3.001, "acked", 0, 1),  # sent at the moment at which the look was answered
        (3.002, "acked", 1, 0),
        (2.0, "unknown", 0, 1),
        (2.0, "rejected", 1, 0),
    ],
)
def test_session_must_have_worked(at: float, outcome: str, found: int, undecided: int) -> None:
    """After a logout nobody is refused wrongly, whatever an old answer shows. While one may be under way nobody
    can tell. A later one, and one that was refused, change nothing."""

    def logged_out(past: Past, ann: str) -> None:
        held: list[Hash] = []
        past.act(at, lambda: held.append(past.stores["redis-1"].sessions[ann]))
        past.logout(ann, at, outcome=outcome, executed=at + 0.0005 if outcome == "acked" else False)
        past.act(at + 0.00051, lambda: past.stores["redis-1"].sessions.update({ann: held[0]}))

    counted = judged(3.0, also=logged_out)
    assert (len(counted.findings), counted.undecidable.get("refused-session", 0)) == (found, undecided)


def test_look_counts_from_when_its_answered_attempt_was_sent() -> None:
    """Whatever ended while the request was still waiting was over by then."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    tries = [(2.0, None, None), (3.0, 3.0005, 3.001)]
    past.turned_away(ATTEMPTS, "ann", ann, 2.0, attempts=tries)
    held: list[Hash] = []
    past.act(2.1, lambda: held.append(past.stores["redis-1"].sessions[ann]))
    past.logout(ann, 2.5)
    past.act(2.6, lambda: past.stores["redis-1"].sessions.update({ann: held[0]}))
    assert judge_turned_away(Timelines(past.history())) == Counted()


def test_session_that_could_not_be_read_was_no_reason_to_let_in() -> None:
    """Refused, or not looked at; also of whom a denylist would have refused."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(CUT_OFF, "ann", ann, 2.0)
    past.turned_away(REVOKED, ann, ann, 3.0, outcome="rejected")
    past.look(REVOKED, ann, ann, 4.0, outcome="rejected", told=TURNED_AWAY)
    assert judge_turned_away(Timelines(past.history())) == Counted()


def test_session_that_is_beyond_doubt_was_not_logged_out() -> None:
    """The screen leaves only suspects; who was turned away is asked of the whole run."""
    past = Past()
    past.turned_away(ATTEMPTS, "ann", past.log_in("ann", 1.0), 3.0)
    history = past.history()
    suspects = replace(history, operations=(), audit=())
    assert len(judge_turned_away(Timelines(suspects, facts_of(history))).findings) == 1


def test_guard_that_is_named_is_the_one_that_did_not_answer() -> None:
    """The denylist had answered; the ban was asked in vain."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.look(REVOKED, ann, ann, 2.0)
    past.turned_away(CUT_OFF, "ann", ann, 3.0, error=FULL)
    history = past.history()
    log_in, look, request = history.operations
    request = structs.replace(request, steps=(*look.steps, *request.steps))
    (found,) = judge_turned_away(Timelines(replace(history, operations=(log_in, request)))).findings
    assert "Redis did not answer EVAL (INCR PEXPIRE) (OOM" in found.sentence


def test_what_is_sure_of_a_session_is_not_in_doubt_as_well() -> None:
    """Turned away twice: long before the logout, and during it."""
    counted = judged(2.0, 3.0, also=lambda past, ann: past.logout(ann, 2.9995, executed=3.1, took=0.2))
    assert [one.observations for one in counted.findings] == [1]
    assert not counted.undecidable


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, 1),
        ({"ends": f"1:{us(3.001) + 1}"}, 1),
        ({"ends": f"1:{us(3.001)}"}, 0),
        ({"user_id": ""}, 0),
        ({"user_id": "bob"}, 0),
    ],
)
def test_what_was_read_must_be_a_session_of_this_user(fields: dict[str, str], found: int) -> None:
    """One that is not over by its age when it is read, whole, and nobody else's."""
    counted = judged(3.0, also=lambda past, ann: past.edit(ann, 2.0, lambda one: one.fields.update(fields)))
    assert len(counted.findings) == found
    assert not counted.undecidable


@pytest.mark.parametrize(
    ("kept", "of_user", "at", "outcome", "guard", "found", "undecided"),
    [
        (CUT_OFF, True, 2.0, "acked", REVOKED, 0, 0),
        (CUT_OFF, True, 2.0, "acked", ATTEMPTS, 1, 0),  # a limiter asks for no ban
        (CUT_OFF, True, 2.0, "unknown", REVOKED, 0, 1),
        (CUT_OFF, True, 2.0, "rejected", REVOKED, 1, 0),
        (CUT_OFF, True, 2.999, "acked", REVOKED, 0, 1),  # answered at the moment at which the look was sent
        (CUT_OFF, True, 3.0, "acked", REVOKED, 0, 1),
        (CUT_OFF, True, 3.001, "acked", REVOKED, 0, 1),  # sent at the moment at which the look was answered
        (CUT_OFF, True, 3.002, "acked", REVOKED, 1, 0),
        (REVOKED, False, 2.0, "acked", REVOKED, 0, 0),
        (REVOKED, False, 2.0, "unknown", REVOKED, 0, 1),
        (REVOKED, False, 2.0, "acked", CUT_OFF, 0, 0),
        (REVOKED, True, 2.0, "acked", REVOKED, 1, 0),  # another token
    ],
)
def test_whom_the_denylist_would_have_refused_it_turned_away_rightly(
    *, kept: Flag, of_user: bool, at: float, outcome: str, guard: ObjectKind, found: int, undecided: int
) -> None:
    """Revoked or banned before, had it answered."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    executed = at + 0.0005 if outcome == "acked" else False
    past.put(kept, "ann" if of_user else ann, ann, at, outcome=outcome, executed=executed)
    past.turned_away(guard, ann if guard is REVOKED else "ann", ann, 3.0)
    counted = judge_turned_away(Timelines(past.history()))
    assert (len(counted.findings), counted.undecidable.get("refused-session", 0)) == (found, undecided)


def test_ban_of_what_was_issued_before_is_none_of_a_later_log_in() -> None:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(CUT_OFF, "ann", ann, 2.0)
    later = past.log_in("ann", 2.5)
    past.turned_away(REVOKED, later, later, 3.0)
    assert len(judge_turned_away(Timelines(past.history())).findings) == 1
