"""The open-loop load: operations are due at planned times, whether or not earlier ones were answered.

Latency counts from the due time, so a stall cannot hide behind a load that politely waits. Browsers
own sessions, one or more of each user; actors are their tabs: one operation in flight each, and after
an unknown outcome an actor comes back under a new identity. What is due while its actor is busy waits,
and is `not_sent` if its phase ends first. Users who are told to log in do so at once, in place of their
actor's next turn, so that getting back in can be measured.

Lives in one event loop; `set_sides`, `kill_web_server`, `start_web_server` and everything that only
reads may be called from other threads. Judges nothing. One of the two places that catch every
exception: a crash in a behaviour is our bug, recorded as an operation of unknown outcome, and counted.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from harness.application import ALL, Application, Asked, Carried, Session, Share
from harness.clock import Clock
from harness.errors import NoEffect
from harness.model.pacing import GRACE_S
from harness.model.plan import Plan
from harness.model.records import Connection, Event, Operation, Step
from harness.model.seams import Recorder, Topology
from harness.model.told import ERROR, PLEASE_LOG_IN, PUT_OUT
from harness.model.words import OperationKind, Outcome, Phase
from harness.objects.kind import KeptObject
from harness.sessions.actors import Actor, Due, User
from harness.sessions.arrivals import Turn, log_in_dice, turns
from harness.sessions.counters import Counters, Snapshot
from harness.sessions.fleet import Fleet
from harness.tasks import end

CARRIED_OUT_WITHIN_S = 10.0
"""What a fault asks of web servers."""

T = TypeVar("T")

SEEDED_AT_ONCE = 32
"""Log-ins in flight while seeding: below any pool's size, so that seeding measures nothing odd."""
SEEDED_WITHIN_S = 20.0
BREATH_EVERY = 32
"""Operations dispatched in a row, when the load is late, before the loop gets a turn."""
LONGEST_NAP_S = 0.05
"""The dispatcher looks up this often to see whether it should stop."""


class LoadEngine:
    def __init__(
        self,
        plan: Plan,
        topology: Topology,
        record: Recorder,
        clock: Clock,
        application: Application | None = None,
        *,
        share: Share = ALL,
    ) -> None:
        """`application`: what the load drives; by default the session store in this process. `share`: which
        users it drives."""
        workload = plan.scenario.workload
        self.operations = 0
        """Operations recorded so far, those never sent included."""
        self._plan = plan
        self._workload = workload
        self._record = record
        self._clock = clock
        self._now_us = clock.now_us
        self._fleet: Application = application or Fleet(plan, topology, record, clock, share)
        self._share = share
        each = workload.devices
        browsers = [User(f"u{number // each}") for number in range(workload.users * each)]
        active = self._active = workload.active_users * each
        actors = range(max(plan.actors, active))
        self._actors = [Actor(number, browsers[number % active]) for number in actors]
        idle = [Actor(number, browsers[number]) for number in range(active, len(browsers))]
        mine = [number for number in range(len(browsers)) if share.has(number // each)]
        self._users = {browsers[number] for number in mine}
        seeders = self._actors[:active] + idle
        self._seeders = [seeders[number] for number in mine]
        self._phase = Phase.SEED
        self._counters = Counters()
        self._ids = itertools.count(share.first_id)
        self._log_in = self._fleet.log_in
        self._log_in_dice = log_in_dice(share.named(str(plan.seed)))
        self._sessions: list[Session] = []
        self._objects: dict[str, KeptObject] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._busy_peak = 0
        self._waiting: set[Actor] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    # ---------------------------------------------------------------- driving

    async def seed(self) -> int:
        """Log in every user once. Returns how many are in; tries for at most `SEEDED_WITHIN_S`."""
        self._loop = asyncio.get_running_loop()
        await self._fleet.start()
        deadline_us = self._now_us() + int(SEEDED_WITHIN_S * 1e6)
        todo = iter(self._seeders)

        async def some() -> None:
            for actor in todo:
                while actor.user.session is None and self._now_us() < deadline_us:
                    due = Due(
                        self._now_us(),
                        self._log_in,
                        int(actor.identity[1:]),
                        next(self._log_in_dice),
                        Phase.SEED,
                    )
                    await self._perform(actor, due)

        await asyncio.gather(*(some() for _ in range(SEEDED_AT_ONCE)))
        return sum(actor.user.session is not None for actor in self._seeders)

    async def drive(self, stop: asyncio.Event) -> None:
        """Send what is due until `stop` is set, then let what is in flight end.

        An operation may take the client's longest wait; what takes longer is cancelled: unknown.
        """
        self._loop = asyncio.get_running_loop()
        began_us = self._now_us()
        in_a_row = 0
        for turn in self._turns():
            due_us = began_us + turn.offset_us
            while (ahead_us := due_us - self._now_us()) > 0 and not stop.is_set():
                in_a_row = 0
                await asyncio.sleep(min(ahead_us / 1e6, LONGEST_NAP_S))
            if stop.is_set():
                break
            self._dispatch(self._actors[turn.actor], self._due(turn, due_us))
            in_a_row += 1
            if in_a_row % BREATH_EVERY == 0:
                await asyncio.sleep(0)
        await self._wind_down()

    async def saturate(self, stop: asyncio.Event, actors: int) -> None:
        """As fast as `actors` can, one operation after the other: for measuring the engine itself."""
        planned = self._turns()

        async def ceaselessly(actor: Actor) -> None:
            while not stop.is_set():
                await self._turn_of(actor, self._due(next(planned), self._now_us()))

        await asyncio.gather(*(ceaselessly(actor) for actor in self._actors[:actors]))

    async def close(self) -> None:
        """End what is still in flight and close every connection."""
        await self._wind_down(within_s=0.0)
        await self._fleet.close()

    def _turns(self) -> Iterator[Turn]:
        """Those of its users; the plan is the same for every share."""
        planned = turns(
            self._workload,
            actors=len(self._actors),
            browsers=self._active,
            web_servers=len(self._plan.web_servers),
            seed=self._plan.seed,
        )
        if self._share is ALL:
            return planned
        mine = {number for number, actor in enumerate(self._actors) if actor.user in self._users}
        return (turn for turn in planned if turn.actor in mine)

    def _due(self, turn: Turn, due_us: int) -> Due:
        return Due(due_us, turn.behaviour, turn.web_server, turn.dice, self._phase)

    def _dispatch(self, actor: Actor, due: Due) -> None:
        if actor.owed:
            actor.owed -= 1
        elif actor.busy:
            actor.waiting.append(due)
            self._waiting.add(actor)
        else:
            actor.busy = True
            task = asyncio.create_task(self._work(actor, due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, actor: Actor, due: Due) -> None:
        try:
            await self._turn_of(actor, due)
            while actor.waiting:
                due = actor.waiting.popleft()
                await self._turn_of(actor, due)
        finally:
            actor.busy = False
            self._waiting.discard(actor)

    async def _turn_of(self, actor: Actor, due: Due) -> None:
        told = await self._perform(actor, due)
        if told in PUT_OUT and actor.user.session is None:
            actor.owed += 1
            again = Due(self._now_us(), self._log_in, due.web_server, next(self._log_in_dice), self._phase)
            await self._perform(actor, again)

    async def _wind_down(self, within_s: float | None = None) -> None:
        self._give_up_waiting()
        if self._tasks and within_s is None:
            await asyncio.wait(set(self._tasks), timeout=self._plan.longest_client_wait_s + GRACE_S)
        await end(self._tasks)

    # ---------------------------------------------------------------- one operation

    async def _perform(self, actor: Actor, due: Due) -> str:
        user, fleet = actor.user, self._fleet
        name = due.behaviour
        number = next(self._ids)
        session, replaced = user.session, None
        if not fleet.needs_session(name) or session is None:
            name = self._log_in
            session = fleet.new_session(user.name, number, due.dice)
        elif fleet.kind(name) is OperationKind.LOGIN:
            replaced, session = session, fleet.new_session(user.name, number, due.dice)
        kind = fleet.kind(name)
        server = fleet.serving(due.web_server)
        asked = Asked(number, name, user.name, session, due.dice, user.earlier, replaced)
        request = fleet.request(server, asked)
        side, sent_us = server.side, self._now_us()
        self._in_flight += 1
        self._busy_peak = max(self._busy_peak, self._in_flight)
        told, crash = ERROR, ""
        try:
            told = await request.carry_out()
        except Exception as error:  # noqa: BLE001 - the actor loop: our bug becomes a recorded unknown
            crash = f"{type(error).__name__}: {error}"
        finally:
            self._in_flight -= 1
            outcome = Outcome.UNKNOWN if crash else _outcome_of(request.steps)
            self._write_down(
                Operation(
                    id=number,
                    actor=actor.name,
                    web_server=server.name,
                    client_side=side,
                    behaviour=name,
                    kind=kind,
                    user=user.name,
                    session=session.id,
                    key=session.key,
                    shard=request.shard,
                    generation=0 if session.generation == number else session.generation,
                    due_us=due.at_us,
                    sent_us=sent_us,
                    done_us=self._now_us(),
                    outcome=outcome,
                    told=told,
                    phase=due.phase,
                    steps=tuple(request.steps),
                    attempts=tuple(request.attempts),
                )
            )
            if crash:
                self._crashed(server.name, number, name, crash)
            if outcome is Outcome.UNKNOWN:
                actor.reborn()
            if request.changed:
                self._keep_in_mind(request)
            self._react(user, asked, kind, outcome, told)
            await request.over()
        return told

    def _keep_in_mind(self, request: Carried) -> None:
        for kept, key in request.changed:
            if key not in self._objects and kept.questions(key):
                self._objects[key] = KeptObject(kept, key, request.shard_of(key))

    def _react(self, user: User, asked: Asked, kind: OperationKind, outcome: Outcome, told: str) -> None:
        """What the user's browser remembers afterwards."""
        session = asked.session
        if kind is OperationKind.LOGIN and told != PLEASE_LOG_IN:
            if outcome is not Outcome.REJECTED:
                self._sessions.append(session)
            if outcome is Outcome.ACKED:
                user.has(session)
        elif user.session is (asked.replaces or session) and (
            told in PUT_OUT or (kind is OperationKind.LOGOUT and outcome is Outcome.ACKED)
        ):
            user.has(None)

    def _write_down(self, operation: Operation) -> None:
        self.operations += 1
        self._record(operation)
        self._counters.count(operation.behaviour, operation.outcome, operation.done_us or operation.due_us)

    def _crashed(self, server: str, number: int, behaviour: str, crash: str) -> None:
        self._counters.crashes += 1
        detail = f"operation {number}, {behaviour}: {crash}"[:300]
        self._record(Event(source=server, name="behaviour-crashed", t_us=self._now_us(), detail=detail))

    # ---------------------------------------------------------------- phases and faults

    def set_phase(self, phase: Phase) -> None:
        """From now on operations belong to this phase; what waited in the old one was never sent."""
        if phase is not self._phase:
            self._give_up_waiting()
        self._phase = phase

    def _give_up_waiting(self) -> None:
        for actor in list(self._waiting):
            while actor.waiting:
                self._not_sent(actor, actor.waiting.popleft())
        self._waiting.clear()

    def _not_sent(self, actor: Actor, due: Due) -> None:
        session = actor.user.session
        server = self._fleet.serving(due.web_server)
        self._write_down(
            Operation(
                id=next(self._ids),
                actor=actor.name,
                web_server=server.name,
                client_side=server.side,
                behaviour=due.behaviour,
                kind=self._fleet.kind(due.behaviour),
                user=actor.user.name,
                session=session.id if session else "",
                key=session.key if session else "",
                shard=session.shard if session else 1,
                generation=session.generation if session else 0,
                due_us=due.at_us,
                outcome=Outcome.NOT_SENT,
                phase=due.phase,
            )
        )

    def set_sides(self, fault: int, sides: Mapping[str, str]) -> None:
        """On which side of a fault's partition each web server is; none: that partition is over."""
        self._fleet.set_sides(fault, sides)

    def kill_web_server(self, name: str) -> str:
        """Reset its connections and take it out of service; call from another thread."""
        return self._from_outside(self._fleet.kill(name))

    def start_web_server(self, name: str) -> None:
        self._from_outside(self._fleet.start_again(name))

    def pause_web_server(self, name: str) -> str:
        """Freeze it where it is a process; call from another thread, as the others."""
        return self._from_outside(self._fleet.pause(name))

    def resume_web_server(self, name: str) -> None:
        self._from_outside(self._fleet.resume(name))

    def _from_outside(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """
        Raises:
            NoEffect: this machine is so busy that nothing of it was carried out, or not all.
        """
        assert self._loop is not None, "seed() or drive() comes first"
        asked = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return asked.result(timeout=CARRIED_OUT_WITHIN_S)
        except TimeoutError as late:
            asked.cancel()
            raise NoEffect(
                f"expected the web servers to carry it out within {CARRIED_OUT_WITHIN_S:g} s, found them "
                "busy: this machine is too slow for the load, or for what else runs on it"
            ) from late

    async def audit(self, *, within_s: float, recovered: bool = True) -> bool:
        """Ask for every session at the front door, where an application has one. False: the nodes tell."""
        return await self._fleet.audit(self.sessions(), within_s=within_s, recovered=recovered)

    def at_back_door(self) -> list[KeptObject]:
        """The keys of an application's sessions that the nodes are asked for besides."""
        return self._fleet.at_back_door(self.sessions())

    # ---------------------------------------------------------------- what others may ask

    def acked_since(self, behaviour: str, since_us: int) -> int:
        return self._counters.acked_since(behaviour, since_us)

    def last_acked_us(self, behaviour: str) -> int | None:
        return self._counters.last_acked_us(behaviour)

    def sessions(self) -> tuple[Session, ...]:
        """Every session whose log-in was or may have been carried out."""
        return tuple(self._sessions)

    def objects(self) -> tuple[KeptObject, ...]:
        """Every other object that was or may have been changed."""
        return tuple(self._objects.values())

    def more_since(self, sessions: int, objects: int) -> tuple[list[Session], list[KeptObject]]:
        """What has come to these two after so many of each."""
        return self._sessions[sessions:], list(itertools.islice(self._objects.values(), objects, None))

    def unanswered(self) -> list[Connection]:
        """Closed connections on which something was sent and never answered."""
        return self._fleet.unanswered()

    def peaks(self) -> dict[str, int]:
        return {
            "connections_open": self._fleet.connections_peak(),
            "actors_busy": self._busy_peak,
            "not_sent": self._counters.totals[Outcome.NOT_SENT],
        }

    def snapshot(self) -> Snapshot:
        now_us, counters = self._now_us(), self._counters
        return Snapshot(
            acked_per_s=counters.last_second(now_us, Outcome.ACKED),
            rejected_per_s=counters.last_second(now_us, Outcome.REJECTED),
            unknown_per_s=counters.last_second(now_us, Outcome.UNKNOWN),
            in_flight=self._in_flight,
            waiting=sum(len(actor.waiting) for actor in list(self._waiting)),
            not_sent=counters.totals[Outcome.NOT_SENT],
            sessions=sum(actor.user.session is not None for actor in self._seeders),
            crashes=counters.crashes,
        )


def _outcome_of(carried: Sequence[Step]) -> Outcome:
    """The operation's outcome is its deciding step's; of several, the least certain one's. Without
    any, it is that of the step that kept it from deciding."""
    steps = [step for step in carried if step.deciding] or carried[-1:]
    outcomes = [step.outcome for step in steps]
    if Outcome.UNKNOWN in outcomes or not outcomes:
        return Outcome.UNKNOWN
    return Outcome.REJECTED if Outcome.REJECTED in outcomes else Outcome.ACKED
