"""Causes are said where the recorded evidence decides them, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.facts.causes import carried_over
from harness.checks.facts.ownership import Standing
from harness.checks.facts.timelines import Timelines
from harness.checks.judge import judge
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import Attempt, ForensicEntry, ForensicReading, Step
from harness.model.words import FROM_MEMORY, Cause
from lab.past import Past
from lab.records import us
from tests.unit.checks import stories


def _split() -> tuple[Past, str]:
    """redis-2 has been cut off at 2 s and promoted at 4 s; redis-1 goes on as a zombie until 10 s."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.0)
    past.fault(2.0)
    past.fail_over("redis-2", 4.0, follow=6.0)
    return past, ann


def _found(past: Past, name: str) -> Finding:
    return next(one for one in run_checks(past.history())[0] if one.name == name)


def test_write_acked_before_promotion_was_not_yet_replicated() -> None:
    """Acked by the primary, gone with the promotion."""
    past, ann = _split()
    past.change(ann, 3.0)
    found = _found(past, "lost-write")
    assert (found.cause, found.node, found.node_role) == (Cause.NOT_YET_REPLICATED, "redis-1", "primary")
    assert "before redis-2, which did not have it" in found.because


def test_write_acked_after_promotion_was_acked_by_a_deposed_primary() -> None:
    """The node is deposed from the promotion on, whether it knows or not."""
    past, ann = _split()
    past.change(ann, 5.0, node="redis-1", side="with-primary")
    found = _found(past, "lost-write")
    assert (found.cause, found.node_role) == (Cause.SPLIT_BRAIN, "deposed primary")
    assert found.client_side == "with-primary"


def test_write_acked_during_promotion_is_at_promotion() -> None:
    """Neither before nor after: the promotion happened while it was under way."""
    past, ann = _split()
    past.change(ann, 3.9, node="redis-1", attempts=[(3.9, 3.95, 4.05)])
    assert _found(past, "lost-write").cause is Cause.AT_PROMOTION


def _followed(past: Past, cut_s: float, heir: str = "redis-2", stream: str = "first") -> History:
    """The history with streams in its samples: `heir` had followed the first primary's up to `cut_s`
    (the story's offsets are its microseconds)."""
    history = past.history()
    for sample in history.samples:
        sample.replid = stream
        if sample.node == "redis-1" and sample.done_us < us(10.0):
            sample.role = "primary"  # a zombie does not know
        if sample.node == heir and sample.role == "primary":
            sample.replid, sample.replid2, sample.second_repl_offset = "second", "first", us(cut_s) + 1
    return history


def _why(history: History, name: str = "lost-write") -> Finding:
    return next(one for one in run_checks(history)[0] if one.name == name)


def test_write_above_the_cut_was_not_replicated() -> None:
    """The new primary says itself that it had not followed so far."""
    past, ann = _split()
    past.change(ann, 3.0)
    found = _why(_followed(past, 2.0))
    assert found.cause is Cause.NOT_YET_REPLICATED
    assert "redis-2 had replicated to offset 2000000" in found.because


def test_zombies_write_above_the_cut_was_acked_by_a_deposed_primary() -> None:
    """The offset says that the new primary never had it, the time that it could not have."""
    past, ann = _split()
    past.change(ann, 5.0, node="redis-1")
    found = _why(_followed(past, 2.0))
    assert found.cause is Cause.SPLIT_BRAIN
    assert "lies above" in found.because


def test_write_below_the_cut_was_not_lost_by_the_promotion() -> None:
    """The new primary had it when it was promoted: something else took it, and nothing is guessed."""
    past, ann = _split()
    past.change(ann, 3.0)
    found = _why(_followed(past, 3.9))
    assert found.cause is Cause.NOT_DETERMINED
    assert "which includes this write" in found.because


def test_write_around_the_cut_is_judged_by_time() -> None:
    """The samples around it lie on both sides of the cut: offsets say nothing against the time."""
    past, ann = _split()
    past.change(ann, 3.0)
    assert _why(_followed(past, 3.0)).cause is Cause.NOT_YET_REPLICATED


def test_offsets_of_another_stream_say_nothing() -> None:
    """A copy made from somewhere else has offsets that look alike and mean nothing."""
    past, ann = _split()
    past.change(ann, 3.0)
    found = _why(_followed(past, 3.9, stream="another"))
    assert found.cause is Cause.NOT_YET_REPLICATED
    assert "offset" not in found.because


def test_second_promotion_lost_what_the_first_one_kept() -> None:
    """redis-2 had followed far enough when it was promoted; redis-3, promoted later, had not."""
    past, ann = _split()
    past.change(ann, 3.0)
    past.cut_off("redis-3", 2.5)
    past.fail_over("redis-3", 8.0)
    history = _followed(past, 3.9)
    for sample in history.samples:
        if sample.node == "redis-3" and sample.role == "primary":
            sample.replid, sample.replid2, sample.second_repl_offset = "third", "second", us(2.5) + 1
    found = _why(history)
    assert found.cause is Cause.NOT_YET_REPLICATED
    assert "redis-2 had it; redis-3 had replicated to offset 2500000" in found.because


FORGOT = Cause.NEW_PRIMARY_RESTARTED
LAGGED = Cause.NOT_YET_REPLICATED


@pytest.mark.parametrize(
    ("acked_s", "reborn_s", "back", "cause"),
    [
        (1.5, 3.0, ({}, 0, False), FORGOT),
        (1.5, 3.0, ({}, 100, False), FORGOT),  # nothing kept it, whatever else is there
        (1.5, 3.0, ({"save": "60 1"}, 90, False), FORGOT),
        (1.5, 3.0, ({"appendonly": "yes", "appendfsync": "always"}, 100, False), LAGGED),
        (1.5, 3.0, ({"appendonly": "yes"}, 100, False), FORGOT),
        (1.5, 3.9, ({"appendonly": "yes"}, 100, False), LAGGED),  # it was in the file by then
        (1.5, 1.8, ({}, 0, True), LAGGED),  # its primary had given it all of that again
        (2.5, 3.0, ({}, 0, False), LAGGED),  # it had never had it
        (1.5, 1.2, ({}, 0, False), LAGGED),  # the write came later
        (1.5, 6.0, ({}, 0, False), LAGGED),  # so did the promotion
    ],
)
@pytest.mark.parametrize("stream", ["first", "its own"])
def test_replica_that_lost_what_it_had_in_a_restart_and_is_promoted(
    acked_s: float, reborn_s: float, back: tuple[dict[str, str], int, bool], cause: Cause, stream: str
) -> None:
    """It had replicated it, by its offset; its next process had not. The promotion says where that one stood, or
    nothing. `back`: its settings, the keys with which it came back, and whether it followed as far again."""
    has, keys, again = back
    past, ann = _split()
    past.settings = {"redis-2": has}
    past.change(ann, acked_s, lost=True)
    past.fault(reborn_s, "redis-2: again", "restart", target="redis-2")
    past.reborn.append((reborn_s, "redis-2", keys))
    history = _followed(past, 0.5)
    for sample in history.samples:
        if sample.node == "redis-2" and sample.run_id.endswith("1") and not again:
            sample.offset, sample.replid = 0, "its own"
            sample.replid2 = stream if sample.role == "primary" else ""
    found = _why(history)
    assert found.cause is cause
    assert (found.because.startswith("redis-1 acked it, and redis-2 had it; then redis-2 came back")) is (
        cause is FORGOT
    )


@pytest.mark.parametrize(
    ("has", "told", "carried"),
    [
        ({"appendonly": "yes", "appendfsync": "always"}, "maxmemory", True),
        ({"appendonly": "yes", "appendfsync": "always"}, "appendonly", False),
        ({}, "maxmemory", False),
        ({"save": "60 1"}, "maxmemory", False),
    ],
)
def test_restart_carries_over_what_the_append_only_file_has(
    has: dict[str, str], told: str, carried: bool
) -> None:
    """Unless somebody had switched it off meanwhile."""
    past = Past()
    past.settings = {"redis-1": has}
    ann = past.log_in("ann", 3.0)
    past.fault(2.0, "redis-1: set", "config set", directive=told, value="no")
    past.fault(5.0, "redis-1: again", "restart")
    past.reborn.append((5.2, "redis-1", 100))
    timelines = Timelines(past.history())
    (entered,) = timelines.sessions[ann].creations
    assert carried_over(timelines, entered, 1) is carried


@pytest.mark.parametrize(("reborn_s", "cause"), [(5.0, FORGOT), (2.0, LAGGED)])
def test_second_promotion_of_a_replica_that_had_been_restarted(reborn_s: float, cause: Cause) -> None:
    """redis-2 had what redis-1 acked; redis-3 had it from redis-2."""
    past, ann = _split()
    past.change(ann, 3.0, lost=True)
    past.fault(reborn_s, "redis-3: again", "restart", target="redis-3")
    past.reborn.append((reborn_s, "redis-3", 0))
    past.fail_over("redis-3", 8.0)
    history = _followed(past, 3.9)
    for sample in history.samples:
        if sample.node == "redis-3" and us(4.5) < sample.done_us < us(reborn_s):
            sample.replid = "second"
        elif sample.node == "redis-3" and sample.run_id.endswith("1"):
            sample.replid, sample.offset = "its own", 0
    found = _why(history)
    assert found.cause is cause


@pytest.mark.parametrize(
    ("reached_s", "cause"), [(1.5, Cause.NOT_YET_REPLICATED), (9.0, Cause.NOT_DETERMINED)]
)
def test_replica_that_had_the_write_is_not_excused_by_its_lag(reached_s: float, cause: Cause) -> None:
    """An old answer is lag, unless the replica said before that it had followed past the write."""
    past = stories.stale_read()
    past.behind["redis-3"] = reached_s
    history = past.history()
    for sample in history.samples:
        sample.replid = "first"
    found = _why(history, "stale-read")
    assert found.cause is cause
    assert ("had replicated to offset" in found.because) is (cause is Cause.NOT_DETERMINED)


@pytest.mark.parametrize("says_its_session", [True, False])
@pytest.mark.parametrize(("held", "cause"), [(True, Cause.NOT_YET_REPLICATED), (False, Cause.NOT_DETERMINED)])
def test_node_that_was_read_before_it_lost_its_data_confirms_or_refutes(
    held: bool, cause: Cause, says_its_session: bool
) -> None:
    """The write still lived on the node that acked it: the promotion lost it. Else something else did. A step
    that names no session is about its operation's."""
    past, ann = _split()
    write = past.change(
        ann, 3.0, forge=lambda step: setattr(step, "session", ann if says_its_session else None)
    )
    entry = ForensicEntry(
        reading=1,
        session=ann,
        node="redis-1",
        run_id="redis-1-life-0",
        sent_us=us(9.0),
        done_us=us(9.001),
        witnesses=(str(write.id),) if held else (),
    )
    reading = ForensicReading(n=1, node="redis-1", moment="demoted", sent_us=us(9.0), done_us=us(9.1))
    found = _why(replace(past.history(), forensics=(entry,), readings=(reading,)))
    assert found.cause is cause
    assert "it was read (demoted)" in found.because


def test_promotion_that_is_hardly_known_makes_no_cause() -> None:
    """Half a second between the samples: before or after cannot be told, and "at" would say nothing."""
    past, ann = _split()
    past.events = [one for one in past.events if one.name != "promoted"]
    past.samples_per_s = 2
    past.change(ann, 3.8, node="redis-1", took=0.01)
    assert _found(past, "lost-write").cause is Cause.NOT_DETERMINED


@pytest.mark.parametrize(
    ("cut_s", "cause"), [(2.0, Cause.AT_PROMOTION), (3.85, Cause.NOT_DETERMINED), (4.1, Cause.NOT_DETERMINED)]
)
def test_write_that_the_new_primary_never_had_was_lost_at_its_promotion(cut_s: float, cause: Cause) -> None:
    """Half a second in which redis-2 was promoted, and an ack within it: before or after, its offset says that
    it had not followed so far. Where the offset does not say that, nothing is."""
    past, ann = _split()
    past.events = [one for one in past.events if one.name != "promoted"]
    past.samples_per_s = 2
    past.change(ann, 3.8, node="redis-1", took=0.01)
    found = _why(_followed(past, cut_s))
    assert found.cause is cause
    if cause is Cause.AT_PROMOTION:
        assert "while redis-2 was being promoted; redis-2 had replicated to offset 2000000" in found.because


def test_sentinel_tells_when_it_ordered_the_promotion() -> None:
    """What was acked before the order was acked before the promotion, however rare samples are."""
    past, ann = _split()
    past.events = [one for one in past.events if one.name != "promoted"]
    past.event("+failover-state-wait-promotion", 4.0, error=0.02, source="sentinel-1", node="redis-2")
    past.samples_per_s = 2
    past.change(ann, 3.8, node="redis-1", took=0.01)
    assert _found(past, "lost-write").cause is Cause.NOT_YET_REPLICATED


def test_logout_answered_by_a_deposed_primary_names_it() -> None:
    """A logout that found nothing, because the node had been deposed and had never seen the log-in."""
    past, _ = _split()
    bob = past.log_in("bob", 5.0, web="web-2")
    past.logout(bob, 6.0, node="redis-1")
    past.read(bob, 7.0, web="web-2")
    found = _found(past, "resurrected-session")
    assert found.cause is Cause.SPLIT_BRAIN
    assert "found no session to delete" in found.because


def test_loss_without_any_change_is_not_determined() -> None:
    """Nothing was promoted, restarted or flushed: no cause is invented."""
    assert _found(stories.lost_session_met_by_logout(), "lost-session").cause is Cause.NOT_DETERMINED


def test_primary_that_comes_back_empty_is_the_cause() -> None:
    """All is lost without a failover: a new process with no keys is still the primary."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.come_back_empty(5.0)
    past.read(ann, 6.0)
    findings = run_checks(past.history())[0]
    assert {(one.name, one.cause) for one in findings} == {
        ("lost-session", Cause.RESTARTED_EMPTY),
        ("lost-write", Cause.RESTARTED_EMPTY),
    }


def _flushed(target: str, scope: str) -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.fault(2.0, "redis-1: FLUSHDB", kind="flush", target=target, scope=scope)
    past.read(ann, 3.0)
    return past


def test_flush_is_the_cause() -> None:
    """The flush took effect between the log-in and the look."""
    assert _found(_flushed("sessions", "database"), "lost-session").cause is Cause.FLUSHED


@pytest.mark.parametrize(
    ("story", "name", "cause"),
    [
        (stories.evicted, "evicted-session", Cause.EVICTED),
        (stories.evicted_by_count, "evicted-session", Cause.EVICTED),
        (stories.doubled_update, "doubled-update", Cause.CLIENT_RETRY),
        (stories.doubled_by_value, "doubled-update", Cause.NOT_DETERMINED),
        (stories.ghost_retry, "ghost-retry", Cause.CLIENT_RETRY),
        (stories.undone_by_own_write, "undone-by-own-write", Cause.CLIENT_RETRY),
        (stories.partial_session, "partial-session", Cause.APPLICATION_RACE),
        (stories.refused_login, "refused-login", Cause.OUT_OF_MEMORY),
        (stories.outage, "logged-out-by-outage", Cause.EXPIRED),
        (stories.reply_mixed_up, "reply-mixed-up", Cause.MIXED_REPLIES),
        (stories.expired_early, "expired-early", Cause.NOT_YET_REPLICATED),
        (stories.escaped_undone, "escaped-logout", Cause.NOT_YET_REPLICATED),
        (stories.zombie_reader, "stale-read", Cause.SPLIT_BRAIN),
        (stories.stale_read, "stale-read", Cause.NOT_YET_REPLICATED),
        (stories.lost_write, "lost-write", Cause.NOT_DETERMINED),
    ],
)
def test_story_has_its_cause(story: stories.Story, name: str, cause: Cause) -> None:
    """Each cause that evidence decides is named."""
    assert _found(story(), name).cause is cause


def test_refusal_for_want_of_replicas_is_named() -> None:
    """The setting min-replicas-to-write refused, not a full memory."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    error = "NOREPLICAS Not enough good replicas to write."
    past.log_in("bob", 2.0, outcome="rejected", error=error)
    past.read(ann, 2.1)
    assert _found(past, "refused-login").cause is Cause.TOO_FEW_REPLICAS


def test_escape_says_how() -> None:
    """Not listed, undone, or never sent: three different things to fix."""
    assert "not in the user's list" in _found(stories.escaped_not_listed(), "escaped-logout").because
    assert "undone" in _found(stories.escaped_undone(), "escaped-logout").because


def test_node_is_deposed_from_the_promotion_on() -> None:
    """Before: primary. After: deposed. The other one: replica, then primary."""
    nodes = Timelines(_split()[0].history()).ownership
    assert nodes.standing("redis-1", 3.0e6, 3.1e6) is Standing.PRIMARY
    assert nodes.standing("redis-1", 3.9e6, 4.1e6) is Standing.CHANGING
    assert nodes.standing("redis-1", 5.0e6, 5.1e6) is Standing.DEPOSED
    assert nodes.standing("redis-2", 3.0e6, 3.1e6) is Standing.REPLICA
    assert nodes.standing("redis-2", 5.0e6, 5.1e6) is Standing.PRIMARY


def test_promotion_is_known_from_samples_alone() -> None:
    """Nobody told of the promotion: the samples bracket it."""
    past, ann = _split()
    past.change(ann, 5.0, node="redis-1")
    past.events = [one for one in past.events if one.name != "promoted"]
    assert _found(past, "lost-write").cause is Cause.SPLIT_BRAIN


def test_attempt_is_over_when_its_process_is_gone() -> None:
    """An unanswered logout died with its server: it cannot explain a later absence any more."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.reborn.append((3.0, "redis-1", 100))
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    destroy = Timelines(past.history()).sessions[ann].destroys[0]
    assert 3.0e6 <= destroy.until_us <= 3.2e6
    assert destroy.extra == 1


def test_attempt_is_over_when_a_kill_is_proved() -> None:
    """The process that it was sent to need not come back for that to be known."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.fault(2.2)
    assert Timelines(past.history()).sessions[ann].destroys[0].until_us == 2.2e6


def test_increment_applied_twice_is_no_retry_because_its_cart_was_read_back() -> None:
    """Only what carried the increment itself was a try of it; reading the cart back was another step."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    added = past.add(ann, 2.0)
    past.act(2.5, lambda: past.stores["redis-1"].witnesses[ann].append(str(added.id)))
    history = past.history()
    operation = history.operations[added.id - 1]
    read_back = Attempt(
        n=2, steps=(2,), handed_over=True, sent_us=2_100_000, done_us=2_101_000, result="reply"
    )
    operation.attempts = (*operation.attempts, read_back)
    found = next(one for one in run_checks(history)[0] if one.name == "doubled-update")
    assert found.cause is Cause.NOT_DETERMINED


def test_replica_that_lacked_it_says_nothing_of_when_it_was_lost() -> None:
    """redis-3 was cut off with redis-2, and was asked before redis-2 was promoted: the failover lost it."""
    past = Past()
    past.cut_off("redis-2", 1.0)
    past.cut_off("redis-3", 1.0)
    ann = past.log_in("ann", 1.5)
    past.read(ann, 1.8, node="redis-3")
    past.fault(2.0)
    past.fail_over("redis-2", 4.0)
    past.read(ann, 6.0)
    assert _found(past, "lost-session").cause is Cause.NOT_YET_REPLICATED


def test_copy_in_a_web_servers_own_memory_is_the_applications_doing() -> None:
    """Nobody was asked, so no node answered wrongly."""

    def from_memory(step: Step) -> None:
        step.command, step.attempts, step.pttl_ms = FROM_MEMORY, (), None

    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.read(ann, 3.0, executed=1.5, forge=from_memory)
    past.read(ann, 4.0)
    (found,) = judge(past.history()).findings
    assert (found.name, found.cause) == ("stale-read", Cause.APPLICATION_RACE)
    assert found.because == "web-1 looked at a copy in its own memory"
