"""Long histories of a run in which nothing went wrong, made at once and written by the kit's Recorder.

    python -m lab.bench.long_run FOLDER OPERATIONS SESSIONS [BROKEN_PER_SESSION [TRAFFIC]]

A primary and two replicas, users at random, operations carried out one after the other on a model of
the sessions, so that every read, counter, TTL, witness and audit entry is what Redis would have
answered. Of a hundred operations about 55 read, 20 touch, 12 change a field and 5 change the cart;
log-ins and logouts are as many as the wanted number of sessions takes. Optionally a share of the
sessions is broken: lost while in use, one acked write lost, or brought back after its logout.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import history
from harness.checks.promises.table import FINDINGS
from harness.clock import RunClock
from harness.faults import FAULTS
from harness.model.deployment import TopologySpec
from harness.model.plan import Plan
from harness.model.records import (
    AuditEntry,
    AuditSummary,
    Bracket,
    ClockPair,
    Closing,
    Connection,
    Event,
    NodeSample,
    ObjectEntry,
    Operation,
    PhaseChange,
    Record,
)
from harness.model.scenario import Workload
from harness.model.seams import Machine, Secrets
from harness.model.words import (
    BackendKind,
    Phase,
    TopologyKind,
)
from harness.plan import compile as compile_plan
from harness.running.vocabulary import shipped
from lab.bench.application import (
    CONNECTIONS_PER_WEB_SERVER,
    IDLE_TIMEOUT_S,
    MIX,
    WEB_SERVERS,
    Application,
    Live,
)
from lab.past import NODES
from lab.plans import scenario_of
from lab.records import fault_step, opening

MOST_USERS = 5_000
"""One load engine sends fewer operations than that in a second (`lab.bench.loading` says how many)."""
SAMPLES_EVERY_US = 100_000
STARTED_WALL_US = 1_700_000_000_000_000
_REPLID, _NO_REPLID = "a" * 40, "0" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    operations: int
    sessions: int
    broken_share: float = 0.0
    seed: int = 1
    traffic: str = ""
    """`SHOP`, or nothing for the usual mix."""
    audited: bool = True
    """False: operations only, and nothing is remembered of sessions that ended."""

    @property
    def mix(self) -> dict[str, float]:
        """What users do while they are logged in."""
        return (
            {**MIX}
            if not self.traffic
            else {
                name: float(weight)
                for name, weight in shipped().traffic()[self.traffic].items()
                if name not in {"log-in", "logout"}
            }
        )

    @property
    def users(self) -> int:
        """Half of the sessions begin with the run, the others follow on a logout; in a long history more of
        them do. It is longer than a short one, not more crowded: nobody sends faster than a load engine."""
        return min(max(1, self.sessions // 2), MOST_USERS)

    @property
    def apart_us(self) -> int:
        """Each user does about one thing a second, however many there are."""
        return max(1, 1_000_000 // self.users)


@dataclass(slots=True)
class RunMaker:
    """Makes the records of one run, in their order. Use it once."""

    wanted: Wanted
    _app: Application = field(init=False)
    _users: list[Live] = field(default_factory=list)
    _ended: list[Live] = field(default_factory=list)
    _to_revive: list[int] = field(default_factory=list)
    """Users whose next logout is to be undone."""

    def __post_init__(self) -> None:
        self._app = Application(
            random.Random(f"past {self.wanted.seed}"),
            self.wanted.apart_us,
            self.wanted.broken_share,
            mix=self.wanted.mix,
        )

    @property
    def broken(self) -> set[str]:
        """Sessions with which something went wrong."""
        return self._app.broken

    # ---------------------------------------------------------------- the run, phase by phase

    def records(self) -> Iterator[Record]:
        yield opening(
            "bench",
            format=history.FORMAT,
            run="bench",
            seed=self.wanted.seed,
            client="redis-py 8.1.0 asyncio, on-error",
            started_wall_us=STARTED_WALL_US,
        )
        yield from _connections()
        yield self._enter(Phase.SEED)
        for number in range(self.wanted.users):
            yield self._log_in(number, Phase.SEED)
        yield from self._traffic()
        if self.wanted.audited:
            yield from self._audit()

    def operations(self) -> Iterator[Operation]:
        return (record for record in self.records() if isinstance(record, Operation))

    def closing(self) -> Closing:
        return Closing(t_us=self._app.now_us, operations=self._app.operations)

    def _traffic(self) -> Iterator[Record]:
        left = self.wanted.operations - self.wanted.users
        phases = [
            (0, Phase.BASELINE),
            (left // 10, Phase.FAULT),
            (left // 9, Phase.RECOVERY),
            (left // 8, Phase.SETTLED),
        ]
        sample_us = clock_us = self._app.now_us
        done, relogin_every = 0, max(2, left // max(1, self.wanted.sessions - self.wanted.users))
        phase = Phase.BASELINE
        while done < left:
            if phases and done >= phases[0][0]:
                _, phase = phases.pop(0)
                yield self._enter(phase)
                yield from self._events(phase)
            if self._app.now_us >= sample_us:
                sample_us += SAMPLES_EVERY_US
                yield from self._samples()
            if self._app.now_us >= clock_us:
                clock_us += 1_000_000
                yield ClockPair(
                    t_us=self._app.now_us, wall_us=STARTED_WALL_US + self._app.now_us, loop_lag_us=2000
                )
            if done % relogin_every == 0 and done:
                yield from self._come_and_go(phase)
                done += 2
                continue
            for operation in self._one(self._any_user(), phase):
                done += 1
                yield operation

    def _enter(self, phase: Phase) -> PhaseChange:
        return PhaseChange(phase=phase, t_us=self._app.now_us)

    def _events(self, phase: Phase) -> Iterator[Event]:
        if phase is Phase.FAULT:
            yield Event(
                source="fault 1", name="requested", t_us=self._app.now_us, fault=1, detail="nothing: primary"
            )
            yield Event(
                source="fault 1", name="effect", t_us=self._app.now_us, fault=1, node="redis-1", shard=1
            )
        if phase is Phase.SETTLED:
            yield Event(source="harness", name="recovered", t_us=self._app.now_us, error_us=100_000)

    def _samples(self) -> Iterator[NodeSample]:
        for node in NODES:
            primary = node == "redis-1"
            yield NodeSample(
                node=node,
                sent_us=self._app.now_us,
                done_us=self._app.now_us + 1000,
                run_id=_run_id(node),
                role="primary" if primary else "replica",
                replid=_REPLID,
                replid2=_NO_REPLID,
                offset=self._app.now_us,
                replicas={"redis-2": self._app.now_us, "redis-3": self._app.now_us} if primary else {},
                link_up=None if primary else True,
                primary="" if primary else "redis-1",
                memory_bytes=50_000_000,
                keys=len(self._users),
            )

    # ---------------------------------------------------------------- users

    def _log_in(self, user: int, phase: Phase) -> Operation:
        live, operation = self._app.log_in(f"u{user}", phase)
        if live.breaks == "revived":
            self._to_revive.append(user)
        if user < len(self._users):
            self._users[user] = live
        else:
            self._users.append(live)
        return operation

    def _one(self, user: int, phase: Phase) -> Iterator[Operation]:
        """Something that a user does; who finds the session gone logs in again."""
        live = self._users[user]
        yield self._app.do_something(live, phase)
        if not live.fields:
            self._end(live)
            yield self._log_in(user, phase)

    def _come_and_go(self, phase: Phase) -> Iterator[Operation]:
        user = self._to_revive.pop() if self._to_revive else self._any_user()
        live = self._users[user]
        yield self._app.logout(live, phase)
        self._end(live)
        yield self._log_in(user, phase)

    def _any_user(self) -> int:
        return int(self._app.dice.random() * len(self._users))

    def _end(self, live: Live) -> None:
        if self.wanted.audited:
            self._ended.append(live)

    # ---------------------------------------------------------------- the audit

    def _audit(self) -> Iterator[Record]:
        self._app.now_us += 1_000_000
        yield self._enter(Phase.AUDIT)
        yield self._bracket("before")
        for live in (*self._ended, *self._app.ended, *self._users):
            self._app.now_us += 30
            for node in NODES:
                yield AuditEntry(
                    pass_n=1,
                    session=live.sid,
                    node=node,
                    role="primary" if node == "redis-1" else "replica",
                    run_id=_run_id(node),
                    sent_us=self._app.now_us,
                    done_us=self._app.now_us + 500,
                    key_type="hash" if live.fields else "none",
                    pttl_ms=(live.ends_us - self._app.now_us) // 1000 if live.fields else -2,
                    saw=live.fields,
                    witnesses=tuple(live.witnesses),
                    indexed=live.indexed,
                )
        yield from self._audit_of_objects()
        self._app.now_us += 1000
        yield self._bracket("after")
        yield AuditSummary(passes=1, valid_pass=1)

    def _audit_of_objects(self) -> Iterator[Record]:
        for key, (name, value, ends_us) in self._app.objects.items():
            self._app.now_us += 30
            there = ends_us > self._app.now_us
            for node in NODES:
                yield ObjectEntry(
                    pass_n=1,
                    key=key,
                    node=node,
                    role="primary" if node == "redis-1" else "replica",
                    run_id=_run_id(node),
                    sent_us=self._app.now_us,
                    done_us=self._app.now_us + 500,
                    saw={name: value} if there else {},
                    pttl_ms=(ends_us - self._app.now_us) // 1000 if there else -2,
                )

    def _bracket(self, moment: str) -> Bracket:
        nodes: dict[str, dict[str, str | int]] = {
            node: {
                "run_id": _run_id(node),
                "role": "primary" if node == "redis-1" else "replica",
                "replid": _REPLID,
                "offset": 1,
            }
            for node in NODES
        }
        return Bracket(pass_n=1, moment=moment, t_us=self._app.now_us, nodes=nodes)


def _run_id(node: str) -> str:
    return f"{node[-1]}" * 40


def _connections() -> Iterator[Connection]:
    number = 0
    for web_server in WEB_SERVERS:
        for _ in range(CONNECTIONS_PER_WEB_SERVER):
            number += 1
            yield Connection(
                id=number,
                web_server=web_server,
                node="redis-1",
                local_port=30_000 + number,
                run_id=_run_id("redis-1"),
                role="primary",
                opened_us=0,
            )


def plan_of(wanted: Wanted) -> Plan:
    scenario = scenario_of(
        TopologySpec(kind=TopologyKind.SENTINEL),
        file="bench.yaml",
        name="bench",
        workload=Workload(
            users=wanted.users,
            rate_per_s=1e6 / wanted.apart_us,
            idle_timeout_s=IDLE_TIMEOUT_S,
            mix={**wanted.mix, "logout": 1.0},
            options={},
        ),
        faults=(fault_step("nothing", at=1.0),),
    )
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True, cpus=2)
    fits = {name: fault.fits for name, fault in FAULTS.items()}
    return compile_plan(
        scenario, seed=wanted.seed, backend=BackendKind.PROCESS, machine=machine, fits=fits, findings=FINDINGS
    )


def write(wanted: Wanted, directory: Path) -> RunMaker:
    """Leave a closed history, with its plan, in a folder; returns what is true of it."""
    directory.mkdir(parents=True, exist_ok=True)
    history.write_plan(directory, plan_of(wanted))
    made = RunMaker(wanted)
    recorder = history.Recorder(directory, RunClock(), secrets=Secrets(redis="", sentinel=""))
    for record in made.records():
        recorder.record(record)
    recorder.close(made.closing())
    if recorder.failure is not None:
        raise recorder.failure
    return made


def closed_bytes(directory: Path) -> int:
    """Of a closed history that nobody judged yet, without its plan."""
    return sum(path.stat().st_size for path in directory.iterdir() if path.name != "plan.json")


def main(arguments: Sequence[str]) -> None:
    folder, operations, sessions, *more = arguments
    share, traffic = (*more, *("0", "")[len(more) :])
    wanted = Wanted(
        operations=int(operations), sessions=int(sessions), broken_share=float(share), traffic=traffic
    )
    made = write(wanted, Path(folder))
    print(json.dumps({"broken": len(made.broken), "closed_bytes": closed_bytes(Path(folder))}))


if __name__ == "__main__":
    main(sys.argv[1:])
