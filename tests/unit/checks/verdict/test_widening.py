"""What each kind of gap leaves of a measurement: gap by measure, and where a finding belongs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.facts.host_lateness import Lateness
from harness.checks.facts.of_run import facts_of
from harness.checks.measures.scope import Membership, Scope, scope_of
from harness.checks.promises.table import FINDINGS, having
from harness.checks.verdict.evidence import Affects, Evidence, Gap
from harness.checks.verdict.expectations import (
    ANY_SHARE,
    ANYTHING,
    finding_named,
    widened,
    widened_count,
)
from harness.model.finding_kind import FindingTrait, Limit, Need
from harness.model.judgement import INFINITE, Finding, Interval
from harness.model.words import FindingSide, Phase
from lab.records import us
from tests.builders_metrics import expect, outline

TWO = Interval(low=2, high=2)
OPEN = Interval(low=2, high=INFINITE)
SHARE_OPEN = Interval(low=2, high=100)


def gap(*affects: Affects) -> Evidence:
    return Evidence(gaps=tuple(Gap(one, f"because of {one.name}") for one in affects))


LOST = expect("lost-write: 0", 0)[0]
STALE = expect("stale-read: 0", 0)[0]
REFUSED = expect("refused-login: 0", 0)[0]
EARLY = expect("expired-early: 0", 0)[0]
LATE = expect("outlived-timeout: 0", 0)[0]
SHARE = expect("share(lost-write): > 1", 1, unit="%", arguments=("lost-write",))[0]
SHARE_EARLY = expect("share(expired-early): > 1", 1, unit="%", arguments=("expired-early",))[0]
WINDOW = expect("loss window: < 1s", 1, unit="s")[0]
POINT = expect("recovery point: < 1s", 1, unit="s")[0]
OUTAGE = expect("outage(login): < 1s", 1, unit="s", arguments=("login",))[0]
LATENCY = expect("latency(login, p99): < 1s", 1, unit="s", arguments=("login", "p99"))[0]
FAILOVERS = expect("failovers: 1", 1)[0]


@pytest.mark.parametrize(
    ("expectation", "affects", "left"),
    [
        (LOST, Affects.ALL, OPEN),
        (LOST, Affects.UPPER, OPEN),
        (LOST, Affects.AUDIT, OPEN),
        (LOST, Affects.RECOVERY, OPEN),
        (LOST, Affects.LOSS, OPEN),
        (LOST, Affects.TTL, TWO),
        (LOST, Affects.TIMING, TWO),
        (LOST, Affects.PASS, TWO),
        (STALE, Affects.LOSS, TWO),
        (STALE, Affects.UPPER, OPEN),
        (REFUSED, Affects.ALL, ANYTHING),
        (REFUSED, Affects.UPPER, OPEN),
        (REFUSED, Affects.AUDIT, TWO),
        (REFUSED, Affects.RECOVERY, TWO),
        (EARLY, Affects.TTL, ANYTHING),
        (EARLY, Affects.LOSS, OPEN),
        (LATE, Affects.TTL, ANYTHING),
        (LATE, Affects.LOSS, TWO),
        (SHARE, Affects.ALL, ANY_SHARE),
        (SHARE, Affects.UPPER, ANY_SHARE),
        (SHARE, Affects.AUDIT, SHARE_OPEN),
        (SHARE, Affects.LOSS, SHARE_OPEN),
        (SHARE, Affects.TTL, TWO),
        (SHARE_EARLY, Affects.TTL, ANY_SHARE),
        (WINDOW, Affects.ALL, ANYTHING),
        (WINDOW, Affects.UPPER, ANYTHING),
        (WINDOW, Affects.AUDIT, OPEN),
        (WINDOW, Affects.LOSS, OPEN),
        (WINDOW, Affects.TTL, TWO),
        (POINT, Affects.ALL, ANYTHING),
        (POINT, Affects.LOSS, OPEN),
        (OUTAGE, Affects.ALL, ANYTHING),
        (OUTAGE, Affects.UPPER, OPEN),
        (OUTAGE, Affects.AUDIT, TWO),
        (OUTAGE, Affects.LOSS, TWO),
        (LATENCY, Affects.UPPER, ANYTHING),
        (LATENCY, Affects.ALL, ANYTHING),
        (FAILOVERS, Affects.UPPER, OPEN),
        (FAILOVERS, Affects.AUDIT, TWO),
    ],
)
def test_gap_widens_what_it_is_about(expectation: object, affects: Affects, left: Interval) -> None:
    """A proved number stays; what may be more is open; what means nothing may be anything."""
    interval, why = widened(expectation, TWO, gap(affects))  # type: ignore[arg-type]
    assert interval == left
    assert why == ("" if left == TWO else f"because of {affects.name}")


def test_first_gap_that_matters_is_said() -> None:
    """What voids a measurement comes before what widens it."""
    assert widened(LOST, TWO, gap(Affects.LOSS, Affects.AUDIT))[1] == "because of AUDIT"
    assert widened(REFUSED, TWO, gap(Affects.UPPER, Affects.ALL))[1] == "because of ALL"
    assert widened(LATENCY, TWO, gap(Affects.UPPER, Affects.ALL))[1] == "because of ALL"
    assert widened(SHARE, TWO, gap(Affects.AUDIT, Affects.UPPER))[1] == "because of UPPER"
    assert widened(LOST, TWO, Evidence()) == (TWO, "")


def test_evidence_that_was_not_recorded_leaves_its_measures_open() -> None:
    """Each says what it needs."""
    without = Evidence(without={Need.WITNESSES: "no witnesses", Need.EVICTION_EVENTS: "no events"})
    assert widened(LOST, TWO, without) == (OPEN, "no witnesses")
    assert widened(expect("evicted-session: 0", 0)[0], TWO, without) == (OPEN, "no events")
    assert widened(STALE, TWO, without) == (TWO, "")
    assert widened(SHARE, TWO, without) == (SHARE_OPEN, "no witnesses")


@pytest.mark.parametrize("name", sorted(having(FindingTrait.TIMED)))
def test_late_machine_leaves_undecided_what_it_may_have_caused(name: str) -> None:
    """None was found: then it caused none. What is about no time is as it is."""
    late = Evidence(lateness=Lateness(delays_s=(9.0,)), excused={Limit.LOSS_BUDGET: ("late for one",)})
    if FINDINGS[name].limit is Limit.LOSS_BUDGET:  # which each write is held against by itself
        assert widened_count(name, TWO, late) == (TWO, "")
        some = Interval(low=1, high=2)
        assert widened_count(name, some, late) == (some, "late for one")
    else:
        said = "delayed by 9000 ms, which is too much to judge a limit of 1 s"
        assert widened_count(name, TWO, late) == (Interval(low=0, high=2), said)
    assert widened_count(name, Interval(low=0, high=0), late) == (Interval(low=0, high=0), "")
    assert widened_count("lost-write", TWO, late) == (TWO, "")
    assert widened_count(name, TWO, gap(Affects.TIMING)) == (Interval(low=0, high=2), "because of TIMING")


def test_finding_that_an_expectation_is_about() -> None:
    """The one that it counts, or whose share it is."""
    assert [finding_named(one) for one in (LOST, SHARE, WINDOW, OUTAGE, FAILOVERS)] == [
        "lost-write",
        "lost-write",
        None,
        None,
        None,
    ]


# ---------------------------------------------------------------- where a finding belongs

MOMENTS = facts_of(outline().history()).landmarks
LOST_IN_FAULT = Finding(
    name="lost-write",
    side=FindingSide.CLOSED,
    t_us=us(11.0),
    seen_us=us(16.0),
    shard=1,
    web_server="web-1",
    client_side="rest",
)
IN, OUT, UNKNOWN = Membership.IN, Membership.OUT, Membership.UNKNOWN


@pytest.mark.parametrize(
    ("scope", "about", "membership"),
    [
        (Scope(), {}, IN),
        (Scope(phase=Phase.FAULT), {}, IN),
        (Scope(phase=Phase.SETTLED), {}, OUT),
        (Scope(phase=Phase.SETTLED), {"t_us": None}, IN),
        (Scope(phase=Phase.FAULT), {"t_us": None, "seen_us": None}, UNKNOWN),
        (Scope(on="sessions"), {"shard": None, "web_server": None}, IN),
        (Scope(on="shard 1"), {}, IN),
        (Scope(on="shard 2"), {}, OUT),
        (Scope(on="shard 1"), {"shard": None}, UNKNOWN),
        (Scope(on="web-1"), {}, IN),
        (Scope(on="web-2"), {}, OUT),
        (Scope(on="web-1"), {"web_server": None}, UNKNOWN),
        (Scope(on="rest"), {}, IN),
        (Scope(on="with-primary"), {}, OUT),
        (Scope(on="with-primary"), {"web_server": None}, UNKNOWN),
        (Scope(phase=Phase.FAULT, on="web-2"), {}, OUT),
        (Scope(phase=Phase.FAULT, on="web-1"), {"web_server": None}, UNKNOWN),
        (Scope(phase=Phase.SETTLED, on="web-1"), {"web_server": None}, OUT),
        # One that stands for several is known by its first alone.
        (Scope(on="web-2"), {"name": "stale-read", "observations": 2}, UNKNOWN),
        (Scope(on="web-2"), {"name": "stale-read", "observations": 1}, OUT),
        (Scope(on="web-2"), {"name": "lost-write", "observations": 2}, OUT),
        (Scope(on="web-1"), {"name": "stale-read", "observations": 2}, IN),
    ],
)
def test_finding_lies_in_a_scope(scope: Scope, about: dict[str, object], membership: Membership) -> None:
    """By the time of its promise, its shard, its web server or its side; else nobody knows."""
    assert scope.finding(replace(LOST_IN_FAULT, **about), MOMENTS) is membership  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("on", "shard", "everything"),
    [
        (None, None, True),
        ("sessions", None, True),
        ("cache", None, False),
        ("shard 3", 3, False),
        ("web-1", None, False),
    ],
)
def test_group_names_a_shard_or_not(on: str | None, shard: int | None, everything: bool) -> None:
    """All sessions are everything, unless a phase is named."""
    scope = scope_of(expect("lost-write: 0", 0, on=on)[0])
    assert (scope.shard, scope.everything) == (shard, everything)
    assert not scope_of(expect("lost-write: 0", 0, on=on, phase=Phase.FAULT)[0]).everything
