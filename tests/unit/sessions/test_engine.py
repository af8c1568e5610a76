"""The open-loop engine against a scripted server: what is due, what waits, who comes back as whom."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.application import IDS_EACH, Share
from harness.errors import NoEffect
from harness.model.deployment import ClientProfile
from harness.model.scenario import Workload
from harness.model.words import Arrivals, Outcome, Phase
from harness.redis_wire.scripted import Answer, ScriptedServer, array
from harness.sessions import BEHAVIOURS, engine
from harness.sessions.engine import LoadEngine
from tests.builders_sessions import Local, Node, Written, drive_for, engine_for, plan_for
from tests.fake_clock import in_fake_time, the_clock

LOAD = Workload(web_servers=1, users=4, rate_per_s=100, mix={"read": 1.0}, arrivals=Arrivals.CONSTANT)
CLIENT = ClientProfile(socket_timeout_s=0.2, connect_timeout_s=0.2, application_retries=0)


class Store:
    """A Redis that knows one thing: who logged in. `mute` makes it stop answering reads."""

    def __init__(self) -> None:
        self.users: dict[str, str] = {}
        self.mute = False

    def __call__(self, command: list[str]) -> Answer:
        name = command[0]
        if name == "HSET":
            fields = dict(zip(command[2::2], command[3::2], strict=True))
            self.users[command[1]] = fields["user_id"]
        if name in ("MULTI", "HSET", "EXPIRE", "RPUSH"):
            return b"+QUEUED\r\n" if name != "MULTI" else b"+OK\r\n"
        if name == "EXEC":
            return b"*4\r\n:7\r\n:1\r\n:1\r\n:1\r\n"
        if name == "HGETALL":
            if self.mute:
                return "silence"
            return array("user_id", self.users[command[1]]) if command[1] in self.users else b"*0\r\n"
        return b":1\r\n"


def engine_on(redis: ScriptedServer, written: Written, *, actors: int = 4, **load: Any) -> LoadEngine:
    local = Local(nodes={"redis-1": Node("redis-1", redis.port, None)})  # type: ignore[arg-type]
    plan = plan_for(local, workload=replace(LOAD, **load), client=CLIENT, actors=actors)
    return engine_for(local, plan, written, the_clock())


def run(scenario: Callable[[ScriptedServer, Store, Written], Awaitable[None]]) -> Written:
    written = Written()

    async def main() -> None:
        store = Store()
        async with ScriptedServer(store) as redis:
            await scenario(redis, store, written)

    in_fake_time(asyncio.wait_for(main(), 20))
    return written


def test_seed_logs_every_user_in_once() -> None:
    """Actors beyond the users share their sessions; seeding makes one per user."""

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written, actors=12)
        assert await engine.seed() == 4
        assert sorted(store.users.values()) == ["u0", "u1", "u2", "u3"]
        assert {session.user for session in engine.sessions()} == {"u0", "u1", "u2", "u3"}
        await engine.close()

    written = run(scenario)
    assert {(o.behaviour, o.phase, o.outcome) for o in written.operations} == {
        ("log-in", Phase.SEED, Outcome.ACKED)
    }


def test_load_is_due_at_planned_times_whatever_the_server_does() -> None:
    """A server that stops answering does not slow down what is due."""

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written)
        await engine.seed()
        engine.set_phase(Phase.BASELINE)
        store.mute = True
        await drive_for(engine, 1.0)
        await engine.close()

    due = sorted(o.due_us for o in run(scenario).operations if o.phase is Phase.BASELINE)
    assert 90 <= len(due) <= 101
    assert max(b - a for a, b in itertools.pairwise(due)) < 11_000


def test_operation_due_while_its_actor_is_busy_is_not_sent_when_the_phase_ends() -> None:
    """It keeps the phase in which it was due and has neither attempts nor a sent time."""

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written)
        await engine.seed()
        engine.set_phase(Phase.FAULT)
        store.mute = True
        driving = asyncio.create_task(drive_for(engine, 0.6))
        await asyncio.sleep(0.3)
        assert engine.snapshot().waiting > 0
        engine.set_phase(Phase.RECOVERY)
        assert engine.snapshot().waiting == 0
        await driving
        await engine.close()

    written = run(scenario)
    not_sent = [o for o in written.operations if o.outcome is Outcome.NOT_SENT]
    assert {o.phase for o in not_sent} == {Phase.FAULT, Phase.RECOVERY}
    assert all(o.sent_us is None and o.done_us is None and not o.attempts and not o.steps for o in not_sent)


def test_actor_comes_back_under_a_new_identity_after_an_unknown_outcome() -> None:
    """An operation without an end must not overlap with the next one of the same actor."""

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written, users=1, actors=1)
        await engine.seed()
        engine.set_phase(Phase.FAULT)
        store.mute = True
        await drive_for(engine, 0.7)
        await engine.close()

    reads = [o for o in run(scenario).operations if o.behaviour == "read" and o.sent_us is not None]
    assert [o.actor for o in reads[:3]] == ["a0", "a0.2", "a0.3"]
    assert {o.outcome for o in reads} == {Outcome.UNKNOWN}


def test_stop_lets_what_is_in_flight_end_and_cancels_what_does_not() -> None:
    """Nothing is left without an outcome when the engine returns."""

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written)
        await engine.seed()
        store.mute = True
        finished = asyncio.Event()
        driving = asyncio.create_task(engine.drive(finished))
        await asyncio.sleep(0.1)
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        assert engine.snapshot().in_flight > 0
        await engine.close()
        assert engine.snapshot().in_flight == 0

    reads = [o for o in run(scenario).operations if o.behaviour == "read" and o.attempts]
    assert reads
    assert {o.outcome for o in reads} == {Outcome.UNKNOWN}
    assert {o.attempts[-1].result for o in reads} <= {"cancelled", "timeout"}


class Broken:
    declaration = BEHAVIOURS["read"].declaration
    kind = BEHAVIOURS["read"].kind
    needs_session = True

    async def carry_out(self, _: object) -> str:
        raise KeyError("a bug of ours")


def test_crash_in_a_behaviour_is_recorded_as_unknown_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own bug neither stops the load nor passes for something that Redis did."""
    monkeypatch.setitem(BEHAVIOURS, "read", Broken())

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written)
        await engine.seed()
        await drive_for(engine, 0.2)
        assert engine.snapshot().crashes > 5
        await engine.close()

    written = run(scenario)
    assert {o.outcome for o in written.operations if o.behaviour == "read"} == {Outcome.UNKNOWN}
    crashed = [event for event in written.events if event.name == "behaviour-crashed"]
    assert crashed
    assert "KeyError: 'a bug of ours'" in crashed[0].detail


def test_conditions_see_what_was_acked_and_when() -> None:
    """`acked_since` and `last_acked_us` speak the run's clock."""

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written)
        await engine.seed()
        assert engine.acked_since("read", 0) == 0
        assert engine.last_acked_us("read") is None
        middle_us = engine._now_us()
        await drive_for(engine, 0.3)
        assert engine.acked_since("read", middle_us) == len(
            [o for o in written.operations if o.behaviour == "read"]
        )
        assert engine.last_acked_us("read") == max(o.done_us or 0 for o in written.operations)
        await engine.close()

    run(scenario)


def test_side_of_a_web_server_is_written_into_its_operations() -> None:
    """A partition is told to the engine; what is sent from then on carries it."""

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written)
        await engine.seed()
        engine.set_sides(1, {"web-1": "with-primary"})
        await drive_for(engine, 0.2)
        await engine.close()

    sides = {(o.behaviour, o.client_side) for o in run(scenario).operations}
    assert sides == {("log-in", "all"), ("read", "with-primary")}


def test_end_of_one_partition_leaves_the_other() -> None:
    """Overlapping partitions: the newest counts, and each ends by itself."""
    sides = []

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written)
        for fault, told in [(1, "with-primary"), (2, "rest"), (1, None), (1, None), (2, None)]:
            engine.set_sides(fault, {"web-1": told} if told else {})
            sides.append(engine._fleet.serving(0).side)
        await engine.close()

    run(scenario)
    assert sides == ["with-primary", "rest", "rest", "rest", "all"]


def test_session_that_gets_a_new_id_takes_the_place_of_the_old_one() -> None:
    """The operation is about the new session; the next one starts from it, and nobody logs in again."""

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written, mix={"rotate-session": 1.0}, actors=1, users=1)
        await engine.seed()
        engine.set_phase(Phase.BASELINE)
        await drive_for(engine, 0.3)
        known = [session.id for session in engine.sessions()]
        assert known == [one.session for one in written.operations]
        await engine.close()

    first, *rotations = run(scenario).operations
    assert len(rotations) > 10
    assert {one.behaviour for one in rotations} == {"rotate-session"}
    for before, one in itertools.pairwise((first, *rotations)):
        _, created, destroyed, *_ = one.steps
        assert (one.generation, one.key, one.outcome) == (0, created.key, Outcome.ACKED)
        assert (created.session, destroyed.session) == (one.session, before.session)


def test_objects_that_were_changed_are_known_to_the_audit() -> None:
    """Each once, with its shard; what was only looked at is not among them."""

    async def scenario(redis: ScriptedServer, store: Store, written: Written) -> None:
        engine = engine_on(redis, written, mix={"try-password": 1.0, "token-request": 1.0}, users=2)
        await engine.seed()
        engine.set_phase(Phase.BASELINE)
        await drive_for(engine, 0.5)
        assert sorted((one.key, one.shard) for one in engine.objects()) == [
            ("attempts:{u0}", 1),
            ("attempts:{u1}", 1),
        ]
        await engine.close()

    written = run(scenario)
    assert {o.behaviour for o in written.operations} == {"log-in", "try-password", "token-request"}


def test_web_servers_that_are_too_busy_carry_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that asks them has no effect, and its run decides nothing; the kit does not fail."""
    monkeypatch.setattr(engine, "CARRIED_OUT_WITHIN_S", 0.0)
    busy = asyncio.new_event_loop()  # nobody runs it
    asked = object.__new__(LoadEngine)
    asked._loop = busy

    async def never() -> str:
        return "gone"

    with pytest.raises(NoEffect, match="found them busy: this machine is too slow"):
        asked._from_outside(waiting := never())
    waiting.close()
    busy.close()


def test_shares_divide_users_and_web_servers_and_leave_nothing_out() -> None:
    """Two workers log in all users between them, each through web servers of its own, and number what they do
    apart; the turns of both are those of the plan."""
    shares = [Share(number=1, of=2), Share(number=2, of=2)]

    async def drive(redis: ScriptedServer, _: Store, __: Written) -> None:
        local = Local(nodes={"redis-1": Node("redis-1", redis.port, None)})  # type: ignore[arg-type]
        plan = plan_for(local, workload=replace(LOAD, web_servers=2), client=CLIENT, actors=4)
        for share, written in zip(shares, each, strict=True):
            engine = LoadEngine(plan, local, written, the_clock(), share=share)  # type: ignore[arg-type]
            await engine.seed()
            await drive_for(engine, 0.2)
            await engine.close()

    each = [Written(), Written()]
    run(drive)
    ids = [{one.id // IDS_EACH for one in written.operations} for written in each]
    assert ids == [{1}, {2}]
    users = [{one.user for one in written.operations} for written in each]
    assert users == [{"u0", "u2"}, {"u1", "u3"}]
    assert [{one.web_server for one in written.operations} for written in each] == [{"web-1"}, {"web-2"}]
    connections = [{one.id for one in written.connections} for written in each]
    assert connections[0].isdisjoint(connections[1])
    reads = [[one for one in written.operations if one.behaviour == "read"] for written in each]
    assert 15 <= sum(map(len, reads)) <= 21
    assert len({one.session for written in each for one in written.operations}) == 4


def test_each_device_of_a_user_has_a_session_of_its_own() -> None:
    """Who logs out at one of them is still in at the other; both belong to the same worker."""

    async def drive(redis: ScriptedServer, _: Store, __: Written) -> None:
        local = Local(nodes={"redis-1": Node("redis-1", redis.port, None)})  # type: ignore[arg-type]
        plan = plan_for(local, workload=replace(LOAD, web_servers=2, devices=2), client=CLIENT, actors=8)
        for share, written in zip((Share(number=1, of=2), Share(number=2, of=2)), each, strict=True):
            engine = LoadEngine(plan, local, written, the_clock(), share=share)  # type: ignore[arg-type]
            assert await engine.seed() == 4
            await engine.close()

    each = [Written(), Written()]
    run(drive)
    people = [sorted(one.user for one in written.operations) for written in each]
    assert people == [["u0", "u0", "u2", "u2"], ["u1", "u1", "u3", "u3"]]
    assert len({one.session for written in each for one in written.operations}) == 8
