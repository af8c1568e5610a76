"""The checks against brute force, on small sessions: what no order explains is found, and nothing else."""

from __future__ import annotations

import random

import pytest

from harness.checks.run import run_checks
from lab.past import Past
from lab.twin.compare import BY_DEFINITION, as_history, as_text, compare
from lab.twin.store import Act, Request
from lab.twin.tell import MOST, tell
from lab.twin.truth import Attempt, possible
from tests.share import times

TALES = times(1500, 200)


def test_checks_agree_with_brute_force() -> None:
    """Of as many contradictory histories each has a finding, or a definition that says why not; of the
    correct ones none has, and the screen changes nothing."""
    found = compare(7, right=TALES, wrong=TALES)
    assert [as_text(tale) for tale, _ in found.false_alarms] == []
    assert [as_text(tale) for tale in found.missed] == []
    assert (found.right, found.wrong, found.unlike) == (TALES, TALES, 0)
    assert found.undecidable.keys() <= BY_DEFINITION.keys()
    assert found.undecidable.total() < TALES / 50


LOG_IN = Request(act=Act.LOG_IN, values=(("sid", "a"),))
LOG_OUT, READ = Request(act=Act.LOG_OUT), Request(act=Act.READ)


@pytest.mark.parametrize(
    ("attempts", "right"),
    [
        ([Attempt(request=LOG_IN, sent=1, done=2, told="done")], True),
        ([Attempt(request=LOG_OUT, sent=1, done=2, told=1)], False),
        ([Attempt(request=READ, sent=1, done=2), Attempt(request=LOG_IN, sent=1, done=3, told="done")], True),
        ([Attempt(request=LOG_IN, sent=1, done=2, told="done"), Attempt(request=READ, sent=2, done=3)], True),
        (
            [Attempt(request=LOG_IN, sent=1, done=2, told="done"), Attempt(request=READ, sent=2.1, done=3)],
            False,
        ),
        (
            [
                Attempt(request=LOG_IN, sent=1, done=2, told="done"),
                Attempt(request=LOG_OUT, sent=3, closed=4),
                Attempt(request=READ, sent=4, done=5),
            ],
            True,
        ),
        (
            [
                Attempt(request=LOG_IN, sent=1, done=2, told="done"),
                Attempt(request=LOG_OUT, sent=3, closed=4),
                Attempt(request=READ, sent=4.1, done=5, told=(("sid", "a"),)),
                Attempt(request=READ, sent=6, done=7),
            ],
            False,
        ),
    ],
)
def test_brute_force_knows_its_boundaries(attempts: list[Attempt], right: bool) -> None:
    """Answered at the moment when the other is sent: no order. Closed before another is sent: none after."""
    assert possible(attempts) is right


def test_tales_are_small_and_repeat() -> None:
    """The same seed tells the same, with seven operations at most."""
    one, two = (tell(random.Random(5), 1, guarded=True, witnesses=True, wrong=True) for _ in range(2))
    assert as_text(one) == as_text(two)
    assert len(one.operations) <= MOST
    assert len(as_history([one]).operations) == len(one.operations)


def deleted_twice(again: float) -> Past:
    """Two logouts of one session, both told that they deleted it; the second is sent at this moment."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, took=0.5)
    past.logout(ann, again, took=0.5, forge=lambda step: setattr(step, "effective", True))
    return past


def test_no_tale_is_told_what_no_server_answers() -> None:
    """A hash without a field is none: such an answer looks like absence in a history, and brute force would
    call it impossible."""
    dice = random.Random(4)
    for n in range(times(3000, 300)):
        tale = tell(dice, 1 + 10 * n, guarded=False, witnesses=n % 2 == 0, wrong=True)
        answers = [one.told for one in tale.attempts() if one.answered and one.request.act is Act.READ]
        assert () not in answers


@pytest.mark.parametrize(("again", "name"), [(2.4, "unexplained"), (2.6, "resurrected-session")])
def test_session_that_was_deleted_twice_is_found(again: float, name: str) -> None:
    """One after the other it was undone; at the same time nobody can tell, but right it is not."""
    (found,) = run_checks(deleted_twice(again).history())[0]
    assert found.name == name


def test_undecided_is_counted_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many orders to try: nothing is claimed, and nothing is ruled out."""
    history = deleted_twice(2.4).history()
    monkeypatch.setattr("harness.checks.promises.whole_session.MOST_CONFIGURATIONS", 0)
    findings, counts, _, _ = run_checks(history)
    assert findings == []
    assert counts["unexplained"].high == 1
