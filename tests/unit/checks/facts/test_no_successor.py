"""An outage without end has a cause: the last word of those who gave the failover up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.checks.facts.no_successor import LastWord, last_word, refused_login
from harness.checks.facts.of_run import facts_of
from harness.checks.run import run_checks
from harness.model.judgement import Finding
from harness.model.words import Cause, TopologyKind
from lab.past import Past
from lab.records import us
from tests import builders_observe as a
from tests.builders_metrics import outline


def word(
    *told: tuple[float, str, str],
    kind: TopologyKind = TopologyKind.SENTINEL,
    until_s: float = 99.0,
    data: Mapping[str, str] = {},
    sentinels: Mapping[str, str] = {},
) -> LastWord:
    """(second, who, what) about redis-1, whose process is gone at 10 s."""
    past = outline()
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1)
    for at, source, text in told:
        name, _, detail = text.partition(": ")
        past.event(name, at, source=source, node=None if "tilt" in name else "redis-1", detail=detail)
    nodes = a.cluster_nodes() if kind is TopologyKind.CLUSTER else a.sentinel_nodes()
    nodes = tuple(replace(one, directives=sentinels if one.role == "sentinel" else data) for one in nodes)
    history = replace(past.history(), plan=a.plan(kind, nodes))
    return last_word(facts_of(history), 1, us(10.0), us(until_s))


@pytest.mark.parametrize(
    ("why", "cause", "text"),
    [
        ("no-good-slave", Cause.NO_GOOD_REPLICA, "no good replica"),
        ("not-elected", Cause.NOT_ELECTED, "no sentinel got the votes of a majority"),
        ("slave-timeout", Cause.NOT_PROMOTED_IN_TIME, "the chosen replica did not become primary in time"),
        ("x-y", Cause.NOT_DETERMINED, "x y"),
    ],
)
def test_sentinel_says_why_it_gave_up(why: str, cause: Cause, text: str) -> None:
    """Each of its own words, and one that is not known, as it spells it."""
    said = word((11.0, "sentinel-1", "agreed"), (12.0, "sentinel-1", f"-failover-abort-{why}"))
    assert (said.cause, said.text) == (cause, text)
    assert said.told == f"{text} (sentinel-1: -failover-abort-{why})"


def test_last_word_counts() -> None:
    """It tries again and again: what stopped it first may be over."""
    said = word(
        (12.0, "sentinel-1", "-failover-abort-not-elected"),
        (14.0, "sentinel-2", "-failover-abort-no-good-slave"),
    )
    assert said.cause is Cause.NO_GOOD_REPLICA


def test_word_of_another_time_is_not_about_this_outage() -> None:
    """Before the fault, or after the next one's effect."""
    told = (
        (9.9, "sentinel-1", "-failover-abort-not-elected"),
        (10.0, "sentinel-1", "-failover-abort-no-good-slave"),
        (15.0, "sentinel-1", "-failover-abort-slave-timeout"),
    )
    assert word(*told, until_s=15.0).cause is Cause.NO_GOOD_REPLICA
    assert word(*told, until_s=15.1).cause is Cause.NOT_PROMOTED_IN_TIME


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        (((11.0, "sentinel-1", "+tilt"),), Cause.TILT),
        (((11.0, "sentinel-1", "+tilt"), (20.0, "sentinel-1", "-tilt")), Cause.NO_QUORUM),
        (((11.0, "sentinel-1", "+tilt"), (20.0, "sentinel-2", "-tilt")), Cause.TILT),
        (
            ((11.0, "sentinel-1", "+tilt"), (12.0, "sentinel-2", "-failover-abort-no-good-slave")),
            Cause.NO_GOOD_REPLICA,
        ),
        (
            ((11.0, "sentinel-2", "-failover-abort-no-good-slave"), (12.0, "sentinel-1", "+tilt")),
            Cause.TILT,
        ),
    ],
)
def test_sentinels_that_stand_still(told: tuple[tuple[float, str, str], ...], cause: Cause) -> None:
    """In TILT mode they act on nothing, until they say that it is over."""
    assert word(*told).cause is cause


def test_quorum_that_is_never_reached() -> None:
    """Nobody announces it: it shows in who took the primary for dead at the end."""
    said = word(
        (11.0, "sentinel-1", "suspected"), (11.1, "sentinel-2", "suspected"), (11.2, "sentinel-2", "cleared")
    )
    assert said.cause is Cause.NO_QUORUM
    assert said.told == "1 of 3 sentinels considered redis-1 down, the quorum is 2"
    assert word().text.startswith("0 of 3 sentinels")


def test_agreed_and_not_elected_so_far() -> None:
    """Its time ran out before Sentinel said that it was not elected."""
    tried = word((11.0, "sentinel-1", "agreed"), (11.1, "sentinel-1", "+try-failover"))
    assert (tried.cause, tried.text) == (Cause.NOT_ELECTED, "no sentinel is elected yet")
    assert tried.told.endswith("(sentinel-1: +try-failover)")
    elected = word(
        (11.0, "sentinel-1", "agreed"),
        (11.1, "sentinel-1", "+try-failover"),
        (11.2, "sentinel-1", "elected"),
    )
    assert (elected.cause, elected.text) == (
        Cause.NOT_DETERMINED,
        "a sentinel is elected, and the failover is not finished yet",
    )
    assert (
        word((11.0, "sentinel-1", "agreed")).text
        == "redis-1 was agreed to be down, and no sentinel started a failover"
    )


@pytest.mark.parametrize(
    ("line", "cause", "text"),
    [
        (
            "Currently unable to failover: Disconnected from master for longer than allowed. Please check",
            Cause.CUT_OFF_TOO_LONG,
            "disconnected from its primary for longer than allowed",
        ),
        (
            "Currently unable to failover: Waiting for votes, but majority still not reached.",
            Cause.NO_MAJORITY,
            "no majority of the primaries voted",
        ),
        (
            "Currently unable to failover: something new.",
            Cause.NOT_DETERMINED,
            "Currently unable to failover: something new.",
        ),
    ],
)
def test_cluster_replica_says_why_in_its_log(line: str, cause: Cause, text: str) -> None:
    """The line that the observers found there last."""
    said = word(
        (11.0, "redis-2", "agreed"),
        (12.0, "redis-4", "cannot-fail-over: Waiting the delay before I can start a new failover."),
        (13.0, "redis-4", f"cannot-fail-over: {line}"),
        kind=TopologyKind.CLUSTER,
    )
    assert (said.cause, said.text) == (cause, text)


def test_cluster_without_a_majority_agrees_on_nothing() -> None:
    """PFAIL of few is no FAIL."""
    said = word((11.0, "redis-2", "suspected"), kind=TopologyKind.CLUSTER)
    assert said.cause is Cause.NO_MAJORITY
    assert said.text == "1 nodes considered redis-1 down, and no majority of the 3 primaries agreed"
    silent = word((11.0, "redis-2", "agreed"), kind=TopologyKind.CLUSTER)
    assert (silent.cause, silent.text) == (
        Cause.NOT_DETERMINED,
        "redis-1 was agreed to be down, and no replica reported why it did not take over",
    )


@pytest.mark.parametrize(("replicas", "cause"), [(0, Cause.NO_REPLICA), (1, Cause.NO_QUORUM)])
def test_shard_without_a_replica_has_nobody_to_promote(replicas: int, cause: Cause) -> None:
    """Nobody can take over where there is nobody."""
    history = replace(outline().history(), plan=a.plan(nodes=a.sentinel_nodes(replicas=replicas)))
    assert last_word(facts_of(history), 1, us(10.0), us(99.0)).cause is cause


def test_replicas_without_sentinels_are_promoted_by_nobody() -> None:
    """Nobody watches."""
    history = replace(outline().history(), plan=a.plan(nodes=a.sentinel_nodes(sentinels=0)))
    assert last_word(facts_of(history), 1, us(10.0), us(99.0)).text == "no sentinel monitors it"


# ---------------------------------------------------------------- no-recovery


def not_recovered(past: Past) -> Finding:
    past.not_recovered = "shard 1: expected one primary, found none"
    (found,) = (one for one in run_checks(past.history())[0] if one.name == "no-recovery")
    return found


def test_outage_without_end_has_the_last_word_for_its_cause() -> None:
    """With who said it, in the finding's sentence."""
    past = Past()
    past.fault(2.0)
    past.event("-failover-abort-no-good-slave", 5.0, source="sentinel-1", node="redis-1", shard=1)
    found = not_recovered(past)
    assert found.cause is Cause.NO_GOOD_REPLICA
    assert found.because == "no good replica (sentinel-1: -failover-abort-no-good-slave)"
    assert "found none. The last report: no good replica" in found.sentence


def test_recovery_that_fails_after_a_promotion_is_not_explained_by_the_detour() -> None:
    """Somebody took over: that Sentinel had given up once before says nothing."""
    past = Past()
    past.fault(2.0)
    past.event("-failover-abort-no-good-slave", 5.0, source="sentinel-1", node="redis-1", shard=1)
    past.fail_over("redis-2", 6.0)
    found = not_recovered(past)
    assert found.cause is Cause.NOT_DETERMINED
    assert found.because == "shard 1: expected one primary, found none"


def test_replica_that_cannot_log_in_is_why_nothing_recovers() -> None:
    """After a promotion too: the old primary is back, and its new primary lets nobody in for it."""
    past = Past()
    past.fault(2.0)
    past.fail_over("redis-2", 6.0)
    past.event("cannot-log-in", 40.0, source="redis-1", node="redis-1", shard=1, detail="NOAUTH Auth.")
    found = not_recovered(past)
    assert found.cause is Cause.CANNOT_LOG_IN
    assert found.because.startswith(
        "redis-1 cannot log in at its primary: its masterauth or masteruser is refused"
    )
    for line, why in (("requirepass", "it has no masterauth"), ("masterauth", "is refused")):
        history = past.history()
        nodes = tuple(
            replace(one, directives={line: "own-secret-1"}) if one.name == "redis-1" else one
            for one in history.plan.nodes
        )
        word = refused_login(facts_of(replace(history, plan=replace(history.plan, nodes=nodes))))
        assert word is not None
        assert why in word.text
        assert word.text.endswith(": NOAUTH Auth.")


@pytest.mark.parametrize(("at", "why"), [(39.0, "is refused"), (41.0, "it has no masterauth")])
def test_replica_logs_in_with_what_it_had_then(at: float, why: str) -> None:
    """A fault may have started it with a masterauth, before or after."""
    past = Past()
    past.settings = {"redis-1": {"requirepass": "own-secret-1"}}
    past.fault(at, "redis-1: again", "restart", redis="masterauth own-secret-1")
    past.event("cannot-log-in", 40.0, source="redis-1", node="redis-1", shard=1, detail="NOAUTH Auth.")
    word = refused_login(facts_of(past.history()))
    assert word is not None
    assert why in word.text


def test_primary_that_came_back_itself_needed_no_successor() -> None:
    """Whatever is still missing, it is not a failover."""
    past = Past()
    past.fault(2.0)
    past.event("-failover-abort-no-good-slave", 5.0, source="sentinel-1", node="redis-1", shard=1)
    past.reborn.append((6.0, "redis-1", past.keys))
    assert not_recovered(past).cause is Cause.NOT_DETERMINED


GIVEN_UP = ((11.0, "sentinel-1", "agreed"), (12.0, "sentinel-1", "-failover-abort-slave-timeout"))


@pytest.mark.parametrize(
    ("data", "sentinels", "renamed"),
    [
        ("CONFIG ADMINCONFIG", None, "CONFIG"),
        ("config own-secret-3", None, "CONFIG"),
        ("SLAVEOF x", None, "SLAVEOF"),
        ("CONFIG ADMINCONFIG", "sessions CONFIG OTHER", "CONFIG"),
        ("CONFIG ADMINCONFIG", "sessions CONFIG ADMINCONFIG", None),
        ("CONFIG ADMINCONFIG", "config ADMINCONFIG", None),
        ("FLUSHALL x", None, None),
    ],
)
def test_command_that_sentinels_send_and_nodes_do_not_know(
    data: str, sentinels: str | None, renamed: str | None
) -> None:
    """By that name, unless the sentinels were told the new one; other commands stop no failover."""
    theirs = {"sentinel rename-command": sentinels} if sentinels else {}
    said = word(*GIVEN_UP, data={"rename-command": data}, sentinels=theirs)
    if renamed is None:
        assert said.cause is Cause.NOT_PROMOTED_IN_TIME
        return
    assert said.cause is Cause.COMMAND_RENAMED
    assert said.text.startswith(f"the chosen replica does not know {renamed}, which is renamed there")


def test_renamed_command_is_no_cause_where_sentinel_says_another() -> None:
    """It may have been renamed for years; what stopped this failover is what Sentinel said."""
    said = word((12.0, "sentinel-1", "-failover-abort-no-good-slave"), data={"rename-command": "CONFIG x"})
    assert said.cause is Cause.NO_GOOD_REPLICA
