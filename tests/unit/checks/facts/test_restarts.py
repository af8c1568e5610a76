"""What came back with a new process, when, and which cause of loss that is."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.restarts import Restart
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.records import Connection, Event
from harness.model.words import Cause
from lab.past import Past
from lab.records import fault_step, us
from tests.builders_metrics import outline

SAVES = {"save": "5 1"}
LOGS = {"appendonly": "yes"}
ALWAYS = LOGS | {"appendfsync": "always"}


def reborn(
    keys: int,
    *,
    read: int | None = None,
    loading: bool = False,
    settings: dict[str, str] | None = None,
    by: str = "kill",
    at: float = 10.0,
    error: float = 0.0,
    detail: str = "",
) -> History:
    """redis-1 holds 100 keys, is gone between 10.0 and 10.2 s, and comes back as another process."""
    past = outline(fault_kinds=(by, "restart"))
    for fault, effect_s in ((1, at), (2, at + 0.1)):
        past.events.append(
            Event(
                source=f"fault {fault}",
                name="effect",
                t_us=us(effect_s),
                error_us=us(error),
                node="redis-1",
                shard=1,
                fault=fault,
                detail=detail,
            )
        )
    past.sample("redis-1", 9.9, role="primary", run_id="old", keys=99)
    past.sample("redis-1", 10.0, role="primary", run_id="old", keys=100)
    if loading:
        past.sample("redis-1", 10.15, role="primary", run_id="new", keys=1, error="LOADING: x")
    past.sample("redis-1", 10.2, role="primary", run_id="new", keys=keys, keys_read=read)
    past.sample("redis-1", 10.3, role="primary", run_id="new", keys=keys + 77, keys_read=read)
    history = past.history()
    first, *others = history.plan.nodes
    nodes = (replace(first, directives=settings or {}), *others)
    return replace(history, plan=replace(history.plan, nodes=nodes))


def restart(history: History) -> Restart:
    (found,) = facts_of(history).ownership.restarts
    return found


def test_restart_lies_between_the_last_of_the_old_and_the_first_of_the_new() -> None:
    """With what each held."""
    found = restart(reborn(40))
    assert (found.node, found.run_id, found.had, found.has) == ("redis-1", "new", 100, 40)
    assert (found.from_us, found.by_us) == (us(10.0) - 500, us(10.2))
    assert found.why == "redis-1 came back with 40 of 100 keys"


@pytest.mark.parametrize(
    ("opened_s", "by_s"),
    [(9.9, 10.2), (10.0, 10.2), (10.001, 10.001), (10.05, 10.05), (10.2, 10.2), (11, 10.2)],
)
def test_first_answer_to_anybody_is_the_moment(opened_s: float, by_s: float) -> None:
    """A client's connection to the new process, if it came before the observers' first look, after the old
    process's last answer."""
    history = reborn(40)
    connection = Connection(id=1, web_server="web-1", node="redis-1", run_id="new", opened_us=us(opened_s))
    later = Connection(id=2, web_server="web-1", node="redis-1", run_id="new", opened_us=us(12.0))
    other = Connection(id=3, web_server="web-1", node="redis-1", run_id="", opened_us=us(10.01))
    assert restart(replace(history, connections=(connection, later, other))).by_us == us(by_s)


@pytest.mark.parametrize(
    ("keys", "read", "settings", "cause"),
    [
        (0, None, {}, Cause.RESTARTED_EMPTY),
        (49, None, {}, Cause.RESTARTED_EMPTY),
        (50, None, {}, None),
        (49, None, SAVES, Cause.RESTARTED_EMPTY),
        (50, None, SAVES, Cause.OLDER_SNAPSHOT),
        (49, None, LOGS, Cause.RESTARTED_EMPTY),
        (50, None, LOGS, Cause.NOT_ON_DISK),
        (50, None, ALWAYS, None),
        (50, None, LOGS | {"appendfsync": "no"}, None),
        (60, 0, {}, Cause.RESTARTED_EMPTY),
        (60, 0, SAVES, Cause.RESTARTED_EMPTY),
        (12, 10, SAVES, Cause.OLDER_SNAPSHOT),
        (12, 1, {}, Cause.OLDER_SNAPSHOT),
        (90, 0, ALWAYS, None),
        (40, 0, LOGS, Cause.RESTARTED_EMPTY),
    ],
)
def test_what_a_restart_explains(keys: int, read: int | None, settings: dict[str, str], cause: Cause) -> None:
    """By what it read from its snapshot, else by its keys; an append-only file is no snapshot."""
    assert restart(reborn(keys, read=read, settings=settings)).cause is cause


@pytest.mark.parametrize(
    ("keys", "read", "at", "node", "cause"),
    [
        (50, None, 4.0, "redis-1", Cause.OLDER_SNAPSHOT),
        (49, None, 4.0, "redis-1", Cause.RESTARTED_EMPTY),
        (50, 0, 4.0, "redis-1", Cause.RESTARTED_EMPTY),
        (50, None, 4.0, "redis-2", None),
        (50, None, 10.1, "redis-1", None),
    ],
)
def test_snapshot_that_somebody_saved_is_read(
    keys: int, read: int | None, at: float, node: str, cause: Cause | None
) -> None:
    """Though the node has no save points, and where it does not say what it read. A log is read before it."""

    def saved(history: History) -> History:
        event = Event(source="fault 3", name="effect", t_us=us(at), node=node, shard=1, fault=3)
        scenario = history.plan.scenario
        scenario = replace(scenario, faults=(*scenario.faults, fault_step("save snapshot", at=at, number=3)))
        return replace(
            history, plan=replace(history.plan, scenario=scenario), events=(*history.events, event)
        )

    assert restart(saved(reborn(keys, read=read))).cause is cause
    assert restart(saved(reborn(50, settings=ALWAYS))).cause is None


def test_only_what_may_have_been_held_back_is_explained() -> None:
    """With everysec a server answers for two seconds, at most, without writing."""
    assert restart(reborn(50, settings=LOGS)).since_us == us(8.0) - 500
    assert restart(reborn(0, settings=LOGS)).since_us == float("-inf")
    assert restart(reborn(50, settings=SAVES)).since_us == float("-inf")


def test_what_a_full_volume_held_back_is_explained_however_old_it_is() -> None:
    """Full since 6 s: whatever ended the process, with or without a warning. With `always` the server ends."""
    found = restart(reborn(50, settings=LOGS, by="fill volume", at=6.0))
    assert (found.cause, found.since_us) == (Cause.NOT_ON_DISK, us(4.0))
    assert restart(reborn(50, settings=ALWAYS, by="fill volume", at=6.0)).cause is None
    assert restart(reborn(50, by="fill volume", at=6.0)).cause is None
    assert restart(reborn(0, settings=LOGS, by="fill volume", at=6.0)).cause is Cause.RESTARTED_EMPTY


@pytest.mark.parametrize(
    ("by", "at", "explained"),
    [
        ("kill", 10.0, True),
        ("kill", 9.8, False),
        ("kill", 10.2, True),
        ("kill", 10.200001, False),
        ("stop", 10.0, False),
    ],
)
def test_who_was_warned_has_written_all(by: str, at: float, explained: bool) -> None:
    """An orderly stop writes what was held back; and it is the first fault meanwhile that ended the process."""
    assert (restart(reborn(50, settings=LOGS, by=by, at=at)).cause is Cause.NOT_ON_DISK) is explained


@pytest.mark.parametrize(("at", "explained"), [(10.2, True), (10.7, True), (10.700001, False)])
def test_effect_that_is_not_known_to_a_moment_may_have_come_before(at: float, explained: bool) -> None:
    """It is half a second wide, and the new process was seen at 10.2 s."""
    found = restart(reborn(50, settings=LOGS, by="kill", at=at, error=0.5))
    assert (found.cause is Cause.NOT_ON_DISK) is explained


@pytest.mark.parametrize(
    ("by", "detail", "at", "explained"),
    [
        ("restart", "redis-2, redis-1: done", 6.0, True),
        ("restart", "redis-2, redis-1: done", 10.2, True),
        ("restart", "redis-2, redis-1: done", 10.200001, False),
        ("restart", "redis-1: done", 6.0, False),
        ("kill", "redis-2, redis-1: done", 6.0, False),
        ("restart", "redis-2, redis-3: done", 6.0, False),
    ],
)
def test_nodes_that_are_restarted_in_turn(by: str, detail: str, at: float, explained: bool) -> None:
    """The effect has the moment of the first of them; those that are killed are killed at once."""
    history = reborn(50, settings=LOGS, by=by, at=at, detail=detail)
    alone = replace(history, events=tuple(one for one in history.events if one.fault != 2))
    assert (restart(alone).cause is Cause.NOT_ON_DISK) is explained


@pytest.mark.parametrize(
    ("at", "causes"), [(6.0, (True, False)), (10.2, (True, False)), (10.25, (False, True))]
)
def test_restart_in_turn_explains_one_restart_of_each_node(at: float, causes: tuple[bool, bool]) -> None:
    """The first of which the new process was seen after the effect. Whatever ended the process after that or
    before, this did not."""
    history = reborn(50, settings=LOGS, by="restart", at=at, detail="redis-2, redis-1: done")
    (last,) = (one for one in history.samples if one.node == "redis-1" and one.done_us == us(10.3))
    again = msgspec.structs.replace(last, run_id="third", sent_us=us(12.0), done_us=us(12.1), keys=120)
    alone = tuple(one for one in history.events if one.fault != 2)
    history = replace(history, events=alone, samples=(*history.samples, again))
    found = tuple(one.cause is Cause.NOT_ON_DISK for one in facts_of(history).ownership.restarts)
    assert found == causes


def test_without_power_all_that_was_not_synced_may_be_gone() -> None:
    """However long ago it was confirmed, and whatever Redis held back; without a fault nothing is explained."""
    for settings in (LOGS, ALWAYS):
        found = restart(reborn(50, settings=settings, by="lose power"))
        assert (found.cause, found.since_us) == (Cause.NOT_ON_DISK, float("-inf"))
    assert restart(reborn(50, settings=ALWAYS)).cause is None


def told(
    *before: tuple[float, str], has: dict[str, str], keys: int, read: int | None = None, **how: str
) -> Restart:
    """redis-1 is told of its append-only file at these moments, and is restarted at 10 s."""
    past = Past()
    past.settings = {"redis-1": has}
    for at, value in before:
        past.fault(at, "redis-1: set", "config set", directive="appendonly", value=value)
    past.fault(10.0, "redis-1: again", "restart", **how)
    past.reborn.append((10.05, "redis-1", keys))
    history = past.history()
    samples = (
        msgspec.structs.replace(one, keys_read=read if one.run_id.endswith("1") else None)
        for one in history.samples
    )
    return restart(replace(history, samples=tuple(samples)))


@pytest.mark.parametrize(
    ("before", "has", "started", "found", "answer"),
    [
        # The file as it was when it was switched off, however few keys that are, and with whatever snapshots.
        ([(5.0, "no")], ALWAYS, "", (80, None), (Cause.NOT_ON_DISK, 5.0, 80)),
        ([(5.0, "no")], ALWAYS | SAVES, "", (20, 0), (Cause.NOT_ON_DISK, 5.0, 20)),
        ([(5.0, "no")], LOGS, "", (0, None), (Cause.RESTARTED_EMPTY, None, 0)),
        # Switched on again, and rewritten, or not yet.
        ([(2.0, "no"), (4.0, "yes")], ALWAYS, "", (80, None), (None, None, 80)),
        ([(2.0, "no"), (4.0, "yes")], LOGS, "", (80, None), (Cause.NOT_ON_DISK, 8.0, 80)),
        ([(2.0, "no"), (6.0, "yes")], ALWAYS, "", (80, None), (Cause.NOT_ON_DISK, 2.0, 80)),
        # There is no such file, although the node looks for one; or there is one, and it looks for none.
        ([], SAVES, "appendonly yes", (90, 0), (Cause.RESTARTED_EMPTY, None, 0)),
        ([], SAVES, "appendonly yes", (90, None), (Cause.RESTARTED_EMPTY, None, 90)),
        ([], LOGS | SAVES, "appendonly no", (90, 40), (Cause.OLDER_SNAPSHOT, None, 40)),
        ([], LOGS | SAVES, "appendonly no", (90, None), (Cause.OLDER_SNAPSHOT, None, 90)),
        ([], LOGS, "appendonly no", (90, 0), (Cause.RESTARTED_EMPTY, None, 0)),
        ([], LOGS, "appendonly no", (90, None), (None, None, 90)),
        ([(5.0, "yes")], SAVES, "", (90, 40), (Cause.OLDER_SNAPSHOT, None, 40)),
        # Switched on in time, and in the file too: nothing is missing.
        ([(4.0, "yes")], SAVES | {"appendfsync": "always"}, "appendonly yes", (90, 0), (None, None, 90)),
        ([(4.0, "yes")], SAVES, "appendonly yes", (90, 0), (Cause.NOT_ON_DISK, 8.0, 90)),
    ],
)
def test_process_reads_what_its_file_says_and_finds_what_the_one_before_it_stored(
    before: list[tuple[float, str]],
    has: dict[str, str],
    started: str,
    found: tuple[int, int | None],
    answer: tuple[Cause | None, float | None, int],
) -> None:
    """Which are two things, where somebody changed the setting of the process that ran, or the file."""
    cause, since_s, back = answer
    keys, read = found
    one = told(*before, has=has, keys=keys, read=read, redis=started)
    assert (one.cause, one.has) == (cause, back)
    assert one.since_us == (float("-inf") if since_s is None else pytest.approx(us(since_s), abs=us(0.11)))


def test_what_a_full_volume_held_back_is_no_loss_of_who_reads_no_append_only_file() -> None:
    """What a process without any had not stored is said by what it came back with."""
    past = Past()
    past.settings = {"redis-1": LOGS}
    past.fault(6.0, "redis-1: full", "fill volume")
    past.fault(10.0, "redis-1: again", "restart", redis="appendonly no")
    past.reborn.append((10.05, "redis-1", 90))
    assert restart(past.history()).cause is None


def test_old_append_only_file_is_read_again() -> None:
    """Two restarts: the first one is told to keep none, and the second one to keep one, which is there still."""
    past = Past()
    past.settings = {"redis-1": ALWAYS}
    past.fault(5.0, "redis-1: again", "restart", redis="appendonly no\nsave 5 1")
    past.fault(10.0, "redis-1: again", "restart", redis="appendonly yes")
    past.reborn += [(5.2, "redis-1", 100), (10.2, "redis-1", 90)]
    first, second = facts_of(past.history()).ownership.restarts
    assert (first.cause, first.from_log) == (Cause.OLDER_SNAPSHOT, False)
    assert (second.cause, second.from_log) == (Cause.NOT_ON_DISK, True)
    assert second.since_us == first.from_us


def test_loss_of_what_was_confirmed_while_the_file_was_switched_off_is_named() -> None:
    """And nothing is said of what was confirmed before."""
    past = Past()
    past.settings = {"redis-1": ALWAYS}
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.5)
    past.change(ann, 3.0, lost=True)
    past.fault(5.0, "redis-1: set", "config set", directive="appendonly", value="no")
    past.change(bob, 7.0)
    past.fault(10.0, "redis-1: again", "restart")
    past.come_back_as_of(5.0, 10.2)
    found = {one.session: one for one in run_checks(past.history())[0] if one.name == "lost-write"}
    assert found[bob].cause is Cause.NOT_ON_DISK
    assert found[bob].because == "redis-1 came back with 100 of 100 keys"
    assert found[ann].cause is Cause.NOT_DETERMINED


def test_process_without_a_name_is_not_that_of_a_connection_without_a_name() -> None:
    """A node that loads may not say its run id, and a connection may not know it: they have nothing in common."""
    past = outline()
    past.sample("redis-1", 10.0, role="primary", run_id="old", keys=100)
    past.sample("redis-1", 10.2, role="primary", run_id="", keys=40)
    nameless = Connection(id=1, web_server="web-1", node="redis-1", run_id="", opened_us=us(10.1))
    assert restart(replace(past.history(), connections=(nameless,))).by_us == us(10.2)


def test_first_connection_to_the_new_process_counts() -> None:
    """Connections are not in the order of their opening."""
    ways = [
        Connection(id=n, web_server="web-1", node="redis-1", run_id="new", opened_us=us(at))
        for n, at in enumerate((10.05, 10.1), 1)
    ]
    assert restart(replace(reborn(40), connections=tuple(ways))).by_us == us(10.05)


def test_restarts_are_told_in_their_order() -> None:
    """Whichever node comes first in the samples."""
    past = outline()
    for node, at in (("redis-1", 5.0), ("redis-2", 3.0)):
        past.sample(node, 1.0, role="replica", run_id="a", keys=1)
        past.sample(node, at, role="replica", run_id="b", keys=1)
    assert [one.node for one in facts_of(past.history()).ownership.restarts] == ["redis-2", "redis-1"]


def test_number_is_what_was_read_and_not_what_users_added_since() -> None:
    """Log-ins that came before the first look are not what came back."""
    assert restart(reborn(40, read=0)).has == 0
    assert restart(reborn(90, read=0, settings=LOGS)).has == 90


def test_half_loaded_data_is_not_what_came_back() -> None:
    """It counts from the first look at which everything was loaded; the moment is the first answer's."""
    found = restart(reborn(95, loading=True, settings=SAVES))
    assert (found.has, found.by_us) == (95, us(10.15))


def test_process_that_is_asked_twice_is_no_restart() -> None:
    """And two restarts are two."""
    past = outline()
    for at, run_id in ((1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")):
        past.sample("redis-1", at, role="primary", run_id=run_id, keys=10)
    assert [(one.run_id, one.by_us) for one in facts_of(past.history()).ownership.restarts] == [
        ("b", us(3)),
        ("c", us(5)),
    ]


def test_only_the_shards_owner_loses_data_by_a_restart() -> None:
    """A replica that comes back empty copies its primary; a deposed primary's data were lost before."""
    past = outline()
    for node, role in (("redis-1", "primary"), ("redis-2", "replica")):
        past.sample(node, 10.0, role=role, run_id="old", keys=100)
        past.sample(node, 10.2, role=role, run_id="new", keys=0)
    (loss,) = facts_of(past.history()).ownership.reborn
    assert (loss.shard, loss.from_us, loss.by_us) == (1, us(10.0) - 500, us(10.2))
    assert (loss.cause, loss.why) == (Cause.RESTARTED_EMPTY, "redis-1 came back with 0 of 100 keys")
    past.event("promoted", 10.1, node="redis-3")
    assert facts_of(past.history()).ownership.reborn == []


def from_snapshot(taken: float) -> tuple[Past, str, str]:
    """redis-1 has saved its data at `taken`, and comes back with them at 10 s: ann logged in at 1 s, bob
    at 6 s; ann changed her theme at 6 s."""
    past = Past()
    past.settings = {"redis-1": SAVES}
    ann = past.log_in("ann", 1.0)
    past.change(ann, 6.0)
    bob = past.log_in("bob", 6.5)
    past.fault(10.0, kind="restart")
    past.come_back_as_of(taken, 10.0)
    past.read(ann, 12.0)
    past.read(bob, 12.0)
    return past, ann, bob


def test_older_snapshot_is_the_cause_by_that_name() -> None:
    """Part of the keys is there, and the new process is the same owner."""
    past, ann, bob = from_snapshot(5.0)
    found = {(one.name, one.session): one for one in run_checks(past.history())[0]}
    assert {name for name, _ in found} == {"lost-session", "lost-write", "lost-update"}
    lost = found["lost-session", bob]
    assert lost.cause is Cause.OLDER_SNAPSHOT
    assert lost.cause == "primary came back with an older snapshot"
    assert lost.because == "redis-1 came back with 100 of 100 keys"
    assert found["lost-write", ann].cause is Cause.OLDER_SNAPSHOT


def test_nothing_is_lost_with_a_fresh_snapshot() -> None:
    """A restart from a snapshot that has everything loses nothing."""
    past, _, _ = from_snapshot(9.0)
    assert run_checks(past.history())[0] == []


def test_loss_after_the_restart_has_another_cause() -> None:
    """What was acked by the new process was not taken away by the restart."""
    past, ann, _ = from_snapshot(9.0)
    past.change(ann, 13.0, lost=True)
    past.read(ann, 14.0)
    found = next(one for one in run_checks(past.history())[0] if one.name == "lost-write")
    assert found.cause is Cause.NOT_DETERMINED
