"""While a deposed primary still serves: what the two of them say of one session has that cause, and no other."""

from __future__ import annotations

import pytest

from harness.checks.run import run_checks
from harness.model.judgement import Finding
from harness.model.words import Cause
from lab.past import Past


def _two() -> Past:
    """redis-2 is promoted at 2.0 s without what came after 1.5 s; redis-1 serves on until 20 s."""
    past = Past()
    past.cut_off("redis-2", 1.5)
    past.fault(1.8, kind="planned failover")
    past.fail_over("redis-2", 2.0, follow=18.0)
    return past


def _found(past: Past) -> list[tuple[str, Cause]]:
    findings: tuple[Finding, ...] = tuple(run_checks(past.history())[0])
    return [(one.name, one.cause) for one in findings]


def test_logout_undone_is_no_escape_from_a_later_logout_everywhere() -> None:
    """Its own logout, acked by the deposed primary, took it off the list: that promise is the broken one."""
    past = _two()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.logout(other, 3.0, node="redis-1")
    past.logout_everywhere(ann, 4.0, node="redis-1")
    past.read(other, 5.0)
    assert ("resurrected-session", Cause.SPLIT_BRAIN) in _found(past)
    assert not any(name == "escaped-logout" and cause is Cause.NOT_DETERMINED for name, cause in _found(past))


def test_session_that_only_the_deposed_primary_has_outlives_its_logout() -> None:
    """The new primary has nothing to destroy, and the old one serves the session on."""
    past = _two()
    ann = past.log_in("ann", 3.0, node="redis-1")
    past.logout(ann, 4.0)
    past.read(ann, 5.0, node="redis-1")
    assert ("resurrected-session", Cause.SPLIT_BRAIN) in _found(past)


def test_session_that_comes_and_goes_between_the_two() -> None:
    """Absent at the new primary, there again at the old one: the log-in was acked by a deposed primary."""
    past = _two()
    ann = past.log_in("ann", 3.0, node="redis-1")
    past.read(ann, 4.0)
    past.read(ann, 5.0, node="redis-1")
    past.logout(ann, 6.0, node="redis-1")
    assert _found(past) == [("stale-read", Cause.SPLIT_BRAIN)]


@pytest.mark.parametrize("at", [1.7, 1.9])
def test_session_that_was_not_replicated_comes_and_goes(at: float) -> None:
    """Acked before the promotion and not replicated: missing at the new primary for that reason."""
    past = _two()
    ann = past.log_in("ann", at)
    past.read(ann, 4.0)
    past.read(ann, 5.0, node="redis-1")
    past.logout(ann, 6.0, node="redis-1")
    assert _found(past) == [("stale-read", Cause.NOT_YET_REPLICATED)]


def test_logout_everywhere_at_the_deposed_primary_misses_who_logged_in_at_the_new_one() -> None:
    """Its list is an old one: the session was entered into the other."""
    past = _two()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 3.0)
    past.logout_everywhere(ann, 4.0, node="redis-1")
    past.read(other, 5.0)
    assert ("escaped-logout", Cause.SPLIT_BRAIN) in _found(past)


def test_logout_everywhere_that_finds_nothing_at_the_deposed_primary() -> None:
    """The session that asks was made at the new one: its delete meets nothing, and the session lives on."""
    past = _two()
    ann = past.log_in("ann", 3.0)
    past.logout_everywhere(ann, 4.0, node="redis-1")
    past.read(ann, 5.0)
    assert ("escaped-logout", Cause.SPLIT_BRAIN) in _found(past)
