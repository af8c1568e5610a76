"""Random stories in which nothing is lost: revocations, bans, one-time tokens, counters, changes of id, through a failover."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.run import run_checks
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import CUT_OFF, REVOKED, SPENT
from lab.past import Past
from tests.share import times

STORIES = times(2_000, 8)
REQUESTS, LAST_S = 60, 25.0
ALSO = {"ghost-retry", "token-burnt"}
"""A field write without an answer that lands after a later one; a token that was spent and nobody was told: both are true."""


def told(seed: int) -> Past:
    """Three users; some requests get no answer, and are carried out late or never."""
    dice, past = random.Random(f"objects {seed}"), Past()
    owned = {user: [past.log_in(user, dice.uniform(0, 1))] for user in ("ann", "bob", "cid")}
    at = 1.1
    for _ in range(REQUESTS):
        at += dice.uniform(0.01, 0.3)
        if at < LAST_S:
            _request(dice, past, owned, at)
    past.fault(12.0)
    past.fail_over("redis-2", 13.0)
    return past


def _request(dice: random.Random, past: Past, owned: dict[str, list[str]], at: float) -> None:
    user = dice.choice(list(owned))
    mine, any_of = owned[user][-1], dice.choice(owned[user])
    took = dice.choice((0.001, 0.001, 0.2))
    how: dict[str, Any] = {"took": took}
    if dice.random() < 0.15:
        how = {"outcome": "unknown", "executed": dice.choice((True, False, at + dice.random()))}
    does: list[Callable[[], object]] = [
        lambda: past.put(REVOKED, any_of, mine, at, lives=dice.choice((2.0, 900.0)), **how),
        lambda: past.put(CUT_OFF, user, mine, at, **how),
        lambda: past.put(SPENT, any_of, mine, at, **how),
        lambda: past.look(REVOKED, any_of, mine, at, **how),
        lambda: past.look(CUT_OFF, user, mine, at, **how),
        lambda: past.count(ATTEMPTS, user, mine, at, window=5.0, **how),
        lambda: past.change(mine, at, **how),
        lambda: past.read(mine, at, **how),
        lambda: owned[user].append(past.rotate(mine, at, took=took)),
    ]
    dice.choice(does)()


@pytest.mark.parametrize("screened", [True, False])
def test_nothing_is_found_where_nothing_is_lost(screened: bool) -> None:
    """Whatever overlaps, runs out, or is never answered."""
    for seed in range(STORIES):
        findings, _, _, crashed = run_checks(told(seed).history(), screened=screened)
        wrong = [one for one in findings if one.name not in ALSO]
        assert (wrong, crashed) == ([], ()), seed
