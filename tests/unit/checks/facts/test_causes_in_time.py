"""Why something is gone, at the edges: what was before and after the ack, elsewhere, or not known at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.checks.facts import causes
from harness.checks.facts.causes import Acker, Why, acker, discarded, of_loss, of_old_answer, watcher
from harness.checks.facts.ownership import Loss, Standing
from harness.checks.facts.step_effects import Sight, StepEffect
from harness.checks.facts.timelines import Timelines
from harness.model.history import History
from harness.model.records import Connection, ForensicEntry, ForensicReading, Operation
from harness.model.times import FOREVER
from harness.model.words import Cause, Outcome
from lab.past import Past
from lab.records import us


def written(
    past: Past, at: float = 3.0, read: float | None = 9.0, **how: Any
) -> tuple[Timelines, StepEffect, Sight]:
    """A change in [at, at + 0.001] s, and the look of [read, read + 0.001] s or the audit's."""
    ann = past.log_in("ann", 1.0)
    past.change(ann, at, **how)
    if read is not None:
        past.read(ann, read)
    return timelines_of(past.history())


def timelines_of(history: History) -> tuple[Timelines, StepEffect, Sight]:
    timelines = Timelines(history)
    (timeline,) = timelines.sessions.values()
    looks = [one for one in timeline.sights if one.shows and one.sent_us > timeline.writes[0].sent_us]
    return timelines, timeline.writes[0], looks[0]


def why(past: Past, **how: Any) -> Why:
    timelines, effect, seen = written(past, **how)
    return of_loss(timelines, effect, seen, 1)


NOBODY = "redis-1 acked it as primary, and no other node was promoted since"


# ---------------------------------------------------------------- flushed, or back without data


@pytest.mark.parametrize(
    ("at", "error", "flushed"),
    [
        (2.999999, 0.0, False),
        (3.0, 0.0, True),
        (9.001, 0.0, True),
        (9.001001, 0.0, False),
        (9.1, 0.099, True),
        (9.1, 0.098, False),
    ],
)
def test_flush_between_the_write_and_the_look(at: float, error: float, flushed: bool) -> None:
    """It may have come after the write was sent, and before the look was answered."""
    past = Past()
    past.fault(at, "redis-1: FLUSHDB", kind="flush", target="sessions", scope="database")
    past.events[-1].error_us = us(error)
    found = why(past)
    assert (found.cause is Cause.FLUSHED) is flushed
    assert found.because == ("fault 1: redis-1: FLUSHDB" if flushed else NOBODY)


def test_flush_of_another_shard_took_nothing() -> None:
    """The shard is that of the node that acked it."""
    timelines, effect, seen = written(Past())
    flush = Loss(2, us(5.0), us(5.0), "x")
    timelines.ownership.flushes.append(flush)
    assert of_loss(timelines, effect, seen, 1).cause is Cause.NOT_DETERMINED
    assert of_loss(timelines, effect, seen, 2).cause is Cause.NOT_DETERMINED  # redis-1 is of shard 1
    timelines.ownership.flushes[:] = [replace(flush, shard=1)]
    assert of_loss(timelines, effect, seen, 2).cause is Cause.FLUSHED


@pytest.mark.parametrize(
    ("from_s", "by_s", "shard", "reborn"),
    [
        (4.0, 4.1, 1, True),
        (2.9, 2.999999, 1, False),
        (2.9, 3.0, 1, True),
        (9.001, 9.1, 1, True),
        (9.001001, 9.1, 1, False),
        (4.0, 4.1, 2, False),
    ],
)
def test_process_that_came_back_without_it(from_s: float, by_s: float, shard: int, reborn: bool) -> None:
    """Of the same shard, after the write was sent and before the look was answered."""
    timelines, effect, seen = written(Past())
    timelines.ownership.reborn.append(Loss(shard, us(from_s), us(by_s), "came back", Cause.RESTARTED_EMPTY))
    assert (of_loss(timelines, effect, seen, 1).cause is Cause.RESTARTED_EMPTY) is reborn


def test_old_answer_of_the_process_that_came_back_without_it() -> None:
    """The same node, but not the process that acked it: it says rightly what it has."""
    past = Past()
    past.reborn.append((4.0, "redis-1", 100))
    timelines, effect, seen = written(past)
    timelines.ownership.reborn[:] = [Loss(1, us(4.0), us(4.1), "came back", Cause.NOT_ON_DISK, us(2.9))]
    assert of_old_answer(timelines, seen, effect) == Why(cause=Cause.NOT_ON_DISK, because="came back")
    timelines, effect, seen = written(Past())
    assert of_old_answer(timelines, seen, effect) == Why(because="redis-1 answered as primary")


@pytest.mark.parametrize(("since_s", "explained"), [(2.9, True), (3.001, True), (3.001001, False)])
def test_process_that_came_back_without_the_last_writes(since_s: float, explained: bool) -> None:
    """What was acked before they could be lost was there."""
    timelines, effect, seen = written(Past())
    loss = Loss(1, us(4.0), us(4.1), "came back", Cause.NOT_ON_DISK, us(since_s))
    timelines.ownership.reborn.append(loss)
    assert (of_loss(timelines, effect, seen, 1).cause is Cause.NOT_ON_DISK) is explained


@pytest.mark.parametrize(
    ("from_s", "cause"), [(4.99, Cause.RESTARTED_EMPTY), (4.990001, Cause.NOT_YET_REPLICATED)]
)
def test_process_that_came_back_after_another_took_over_lost_nothing(from_s: float, cause: Cause) -> None:
    """By then its data were no longer the shard's."""
    past = Past()
    past.cut_off("redis-2", 2.0)
    past.fail_over("redis-2", 5.0)  # known to ten ms
    timelines, effect, seen = written(past)
    timelines.ownership.reborn.append(Loss(1, us(from_s), us(6.0), "came back", Cause.RESTARTED_EMPTY))
    assert of_loss(timelines, effect, seen, 1).cause is cause


def test_ack_of_nobody_known_has_no_cause() -> None:
    """Without its connection nobody knows which node it was."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 3.0)
    timelines, effect, seen = timelines_of(replace(past.history(), connections=()))
    assert of_loss(timelines, effect, seen, 1) == Why(because="no connection was recorded for the ack")
    by = acker(timelines, effect)
    assert (by.node, by.role, by.run_id, by.standing) == (None, "", "", Standing.UNKNOWN)


# ---------------------------------------------------------------- promotions


@pytest.mark.parametrize(
    ("at", "took", "cause", "because"),
    [
        (
            3.0,
            0.5,
            Cause.NOT_YET_REPLICATED,
            "redis-1 acked it 1.49 s before redis-2, which did not have it, was promoted",
        ),
        (
            4.98,
            0.009999,
            Cause.NOT_YET_REPLICATED,
            "redis-1 acked it 0.00 s before redis-2, which did not have it, was promoted",
        ),
        (4.98, 0.01, Cause.AT_PROMOTION, "redis-1 acked it while redis-2 was being promoted"),
        (5.0, 0.01, Cause.AT_PROMOTION, "redis-1 acked it while redis-2 was being promoted"),
        (
            5.000001,
            0.01,
            Cause.SPLIT_BRAIN,
            "redis-1 acked it 0.00 s or more after redis-2 had been promoted",
        ),
        (6.5, 0.01, Cause.SPLIT_BRAIN, "redis-1 acked it 1.50 s or more after redis-2 had been promoted"),
    ],
)
def test_side_of_the_promotion_that_it_was_acked_on(
    at: float, took: float, cause: Cause, because: str
) -> None:
    """The promotion lies in [4.99, 5.0] s."""
    past = Past()
    past.cut_off("redis-1", 2.0)
    past.fail_over("redis-2", 5.0, follow=20.0)
    found = why(past, at=at, took=took, node="redis-1")
    assert (found.cause, found.because) == (cause, because)


def test_what_nobody_acked_was_lost_as_what_was_acked_then() -> None:
    """The node had answered, and the application did not confirm it, as too few replicas had it. It was over by
    that answer, so a promotion that comes later did not meet it half-way."""
    past = Past()
    past.fail_over("redis-2", 5.0)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 3.0, took=0.5)
    past.read(ann, 9.0)
    history = past.history()
    operations = [msgspec.convert(msgspec.to_builtins(one), Operation) for one in history.operations]
    operations[1].outcome = operations[1].steps[-1].outcome = Outcome.UNKNOWN
    timelines, effect, seen = timelines_of(replace(history, operations=tuple(operations)))
    assert (effect.certain, effect.done_us, effect.until_us) == (False, FOREVER, us(3.5))
    assert of_loss(timelines, effect, seen, 1) == Why(
        cause=Cause.NOT_YET_REPLICATED,
        because="redis-1 acked it 1.49 s before redis-2, which did not have it, was promoted",
    )
    still_open = replace(effect, until_us=FOREVER)
    assert of_loss(timelines, still_open, seen, 1).cause is Cause.AT_PROMOTION


def test_promotion_that_is_hardly_known_is_no_moment() -> None:
    """Something that was acked while it lasted has no certain cause."""
    past = Past()
    past.cut_off("redis-1", 2.0)
    past.fail_over("redis-2", 5.0, follow=20.0)
    past.events[-1].error_us = us(0.3)
    past.samples_per_s = 2
    found = why(past, at=4.9, took=0.01, node="redis-1")
    assert (found.cause, found.because) == (
        Cause.NOT_DETERMINED,
        "redis-1 acked it while redis-2 was being promoted",
    )


@pytest.mark.parametrize(("read", "promoted"), [(4.989, True), (4.988999, False)])
def test_promotion_after_the_look_explains_nothing(read: float, promoted: bool) -> None:
    """It was answered before anybody can have been promoted."""
    past = Past()
    past.cut_off("redis-2", 2.0)
    past.fail_over("redis-2", 5.0)
    found = why(past, read=read)
    assert (found.cause is Cause.NOT_YET_REPLICATED) is promoted
    if not promoted:
        assert found.because == NOBODY


def test_replica_that_lacked_it_says_nothing_of_when() -> None:
    """What was promoted after that look may be why."""
    past = Past()
    past.cut_off("redis-2", 2.0)
    past.cut_off("redis-3", 2.0)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 3.0)
    past.read(ann, 4.0, node="redis-3")
    past.fail_over("redis-2", 5.0)
    timelines, effect, seen = timelines_of(past.history())
    assert watcher(timelines, seen).standing is Standing.REPLICA
    assert of_loss(timelines, effect, seen, 1).cause is Cause.NOT_YET_REPLICATED
    assert of_loss(timelines, effect, None, 1).cause is Cause.NOT_YET_REPLICATED


def test_replica_acked_it() -> None:
    """It was not primary in any sample, and its own promotion later explains nothing."""
    past = Past()
    found = why(past, node="redis-3")
    assert found == Why(because="redis-3 acked it as replica, and no other node was promoted since")


# ---------------------------------------------------------------- what the node held at last


def _last_look(
    held: bool, *, sent: float = 8.0, run_id: str = "redis-1-life-0", node: str = "redis-1"
) -> Why:
    past = Past()
    past.cut_off("redis-2", 2.0)
    past.fail_over("redis-2", 5.0, follow=2.0)
    ann = past.log_in("ann", 1.0)
    write = past.change(ann, 3.0)
    past.read(ann, 9.0)
    entry = ForensicEntry(
        reading=1,
        session=ann,
        node=node,
        run_id=run_id,
        sent_us=us(sent),
        done_us=us(sent + 0.001),
        witnesses=(str(write.id),) if held else (),
    )
    reading = ForensicReading(n=1, node=node, moment="demoted", sent_us=us(sent), done_us=us(sent + 0.1))
    timelines, effect, seen = timelines_of(replace(past.history(), forensics=(entry,), readings=(reading,)))
    return of_loss(timelines, effect, seen, 1)


BEFORE = "redis-1 acked it 1.99 s before redis-2, which did not have it, was promoted"


def test_node_that_still_held_it_confirms_that_the_promotion_lost_it() -> None:
    """And one that did not refutes it."""
    assert _last_look(True) == Why(
        cause=Cause.NOT_YET_REPLICATED,
        because=f"{BEFORE}; redis-1 still had it when it was read (demoted)",
    )
    assert _last_look(False) == Why(
        because="redis-1 acked it, but did not have it when it was read (demoted)"
    )


def test_look_at_another_process_or_from_before_the_ack_says_nothing() -> None:
    """Only of the process that acked it, and absence only once it was acked."""
    plain = Why(cause=Cause.NOT_YET_REPLICATED, because=BEFORE)
    assert _last_look(False, run_id="another") == plain
    assert _last_look(False, node="redis-3") == plain
    assert _last_look(True, run_id="another") == plain
    assert _last_look(False, sent=3.0009) == plain
    assert _last_look(False, sent=3.001) != plain


# ---------------------------------------------------------------- old answers


def old_answer(node: str, at: float = 9.0, *, took: float = 0.001, close: bool = True) -> Why:
    """Ann's change is acked by the new primary of 5.0 s; somebody asks `node`."""
    past = Past()
    past.cut_off("redis-1", 2.0)
    past.cut_off("redis-3", 2.0)
    past.fail_over("redis-2", 5.0, follow=20.0)
    if not close:
        past.events[-1].error_us = us(0.3)
        past.samples_per_s = 2
    ann = past.log_in("ann", 1.0)
    past.change(ann, 4.995 if at < 6 else 6.0, node="redis-2")
    past.read(ann, at, took=took, node=node)
    timelines, effect, seen = timelines_of(past.history())
    return of_old_answer(timelines, seen, effect)


def test_old_answer_says_what_the_node_was() -> None:
    """A deposed primary, one that was being deposed, a replica."""
    assert old_answer("redis-1") == Why(
        cause=Cause.SPLIT_BRAIN, because="redis-1 answered after redis-2 had been promoted"
    )
    assert old_answer("redis-1", 4.9951, took=0.01) == Why(
        cause=Cause.AT_PROMOTION, because="redis-1 answered while another node was being promoted"
    )
    assert old_answer("redis-1", 4.9951, took=0.01, close=False).cause is Cause.NOT_DETERMINED
    assert old_answer("redis-3") == Why(
        cause=Cause.NOT_YET_REPLICATED, because="redis-3, a replica, answered"
    )
    assert old_answer("redis-2") == Why(because="redis-2 answered as primary")


def test_primary_that_never_had_what_another_node_acked_lost_it() -> None:
    """It answered rightly: why it has not, the loss says."""
    past = Past()
    past.cut_off("redis-2", 2.0)
    past.fail_over("redis-2", 5.0)
    timelines, effect, seen = written(past)
    assert of_old_answer(timelines, seen, effect) == of_loss(timelines, effect, seen, 1)
    assert of_old_answer(timelines, seen, effect).cause is Cause.NOT_YET_REPLICATED
    assert of_old_answer(timelines, seen, None) == Why(because="redis-2 answered as primary")


def test_answer_of_nobody_known_has_no_cause() -> None:
    """Without its connection nobody knows which node it was."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 3.0)
    past.read(ann, 4.0)
    timelines, effect, seen = timelines_of(replace(past.history(), connections=()))
    assert of_old_answer(timelines, seen, effect) == Why()
    assert watcher(timelines, seen).node is None
    assert watcher(timelines, replace(seen, operation=None)).node is None
    assert watcher(timelines, replace(seen, step=None)).node is None


def test_deposed_primary_alone_is_discarded() -> None:
    """What it shows is thrown away; what the audit saw counts, whatever its node was."""
    past = Past()
    past.cut_off("redis-1", 2.0)
    past.fail_over("redis-2", 5.0, follow=20.0)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 3.0)
    past.read(ann, 6.0, node="redis-1")
    past.read(ann, 7.0, node="redis-3")
    past.read(ann, 8.0)
    timelines = Timelines(past.history())
    looks = [one for one in timelines.sessions[ann].sights if one.shows]
    assert [discarded(timelines, one) for one in looks] == [True, False, False, False]
    audited = looks[-1]
    assert audited.entry is not None
    audited.entry.node = "redis-1"
    assert not discarded(timelines, audited)
    by = watcher(timelines, audited)
    assert (by.node, by.role, by.standing) == ("redis-1", audited.entry.role, Standing.PRIMARY)


def nameless(history: History) -> History:
    """Its connections do not say which process they led to."""
    led = tuple(
        Connection(id=one.id, web_server=one.web_server, node=one.node, opened_us=0)
        for one in history.connections
    )
    return replace(history, connections=led)


def test_process_that_the_connection_does_not_name_is_known_by_the_samples() -> None:
    """If there is only one that it can have been."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 3.0)
    timelines, effect, _ = timelines_of(nameless(past.history()))
    assert (acker(timelines, effect).run_id, acker(timelines, effect).replaced) == ("redis-1-life-0", False)


def acked_while_it_came_back() -> History:
    """redis-1 acks a change in the tenth of a second in which it became another process, with all its data. redis-2,
    which did not follow it, is promoted later."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.0)
    past.reborn.append((3.05, "redis-1", past.keys))
    past.change(ann, 3.02)
    past.fail_over("redis-2", 5.0)
    past.read(ann, 9.0)
    return past.history()


def test_loss_is_not_determined_if_nobody_knows_which_process_acked() -> None:
    """The one that ended may have taken it along: nothing is said of the failover, nor of a process by its name."""
    named = timelines_of(acked_while_it_came_back())
    assert of_loss(*named, 1).cause is Cause.NOT_YET_REPLICATED
    timelines, effect, seen = timelines_of(nameless(acked_while_it_came_back()))
    by = acker(timelines, effect)
    assert (by.node, by.run_id, by.replaced) == ("redis-1", "", True)
    assert of_loss(timelines, effect, seen, 1) == Why(
        because="redis-1 acked it when it came back as another process, and which of the two did is not recorded"
    )


def test_old_answer_of_a_replica_is_not_determined_if_nobody_knows_which_process_gave_it() -> None:
    """A replica that came back may have lost what it had followed."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 2.0)
    past.change(ann, 2.5)
    past.reborn.append((3.05, "redis-3", past.keys))
    past.read(ann, 3.02, node="redis-3")
    for history, cause in (
        (past.history(), Cause.NOT_YET_REPLICATED),
        (nameless(past.history()), Cause.NOT_DETERMINED),
    ):
        timelines, effect, seen = timelines_of(history)
        found = of_old_answer(timelines, seen, effect)
        assert (found.cause, "redis-3, a replica, answered" in found.because) == (cause, True)


@pytest.mark.parametrize(
    ("looked", "back", "explained"),
    [(3.0, 4.0, True), (5.0, 4.0, False), (4.1, 4.1, True), (4.100001, 4.1, False), (7.0, 4.0, False)],
)
def test_restart_after_which_the_session_was_shown_did_not_take_it(
    looked: float, back: float, explained: bool
) -> None:
    """Whoever had the right to show it did; it went for another reason later."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, looked)
    past.lose(ann, 8.0)
    past.read(ann, 9.0)
    timelines = Timelines(past.history())
    (timeline,) = timelines.sessions.values()
    seen = next(one for one in timeline.sights if one.sent_us == us(9.0))
    timelines.ownership.reborn[:] = [Loss(1, us(back - 0.1), us(back), "came back", Cause.NOT_ON_DISK)]
    assert timeline.created is not None
    assert (of_loss(timelines, timeline.created, seen, 1).cause is Cause.NOT_ON_DISK) is explained


@pytest.mark.parametrize(
    ("standing", "answered", "explained"),
    [
        (Standing.PRIMARY, 8.0, False),
        (Standing.DEPOSED, 8.0, True),
        (Standing.REPLICA, 8.0, True),
        (Standing.UNKNOWN, 8.0, True),
        (Standing.PRIMARY, 4.9, True),
    ],
)
def test_who_may_show_the_past_says_nothing_of_a_restart(
    standing: Standing, answered: float, explained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a look that was answered after the one that missed it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 5.0)
    timelines = Timelines(past.history())
    (timeline,) = timelines.sessions.values()
    seen = next(one for one in timeline.sights if one.sent_us == us(5.0))
    timeline.sights[:] = [seen]
    timelines.ownership.reborn[:] = [Loss(1, us(3.9), us(4.0), "came back", Cause.NOT_ON_DISK)]
    monkeypatch.setattr(causes, "watcher", lambda *_: Acker(standing=standing))
    assert timeline.created is not None
    found = of_loss(timelines, timeline.created, replace(seen, done_us=us(answered)), 1)
    assert (found.cause is Cause.NOT_ON_DISK) is explained
