"""The same tales as histories, put to the checks, and both answers side by side.

Many sessions go into one history, each of a user of its own, so that twenty thousand take minutes. A
tale that no order explains needs a finding, or a reason why by definition there is none
(`BY_DEFINITION`). One that some order explains must have none, but for what the application did to
itself (`OWN_DOING`).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from harness.checks.run import run_checks
from harness.model import records
from harness.model.attempt_results import REPLY, TIMEOUT
from harness.model.history import History
from harness.model.times import FOREVER
from harness.model.words import OperationKind, Outcome, Phase, StepKind
from harness.redis_wire.keys import session_key
from lab.past import NODES, Past
from lab.twin.store import NO_SESSION, Act, Reply
from lab.twin.tell import END, Done, Tale, tell
from lab.twin.truth import possible

AT_ONCE = 250
"""Sessions in one history."""
UNIT_US = 10_000
IDLE_S = 1e5
CONNECTION = 1

DOES = {
    Act.LOG_IN: ("log-in", OperationKind.LOGIN, StepKind.CREATE, "MULTI HSET EXPIRE RPUSH EXPIRE EXEC"),
    Act.READ: ("read", OperationKind.READ, StepKind.READ, "HGETALL"),
    Act.WRITE: ("change-field", OperationKind.WRITE, StepKind.WRITE, "EVAL (EXISTS HSET RPUSH)"),
    Act.ADD: ("cart", OperationKind.WRITE, StepKind.INCREMENT, "EVAL (EXISTS HINCRBY RPUSH)"),
    Act.REMOVE: ("cart", OperationKind.WRITE, StepKind.REMOVE_FIELD, "EVAL (EXISTS HDEL RPUSH)"),
    Act.TOUCH: ("touch", OperationKind.TOUCH, StepKind.TOUCH, "EXPIRE"),
    Act.LOG_OUT: ("logout", OperationKind.LOGOUT, StepKind.DESTROY, "DEL"),
}

OWN_DOING = frozenset({"ghost-retry", "undone-by-own-write", "partial-session"})
"""What a correct store may show of an application that sends again, gives up waiting, or does not ask."""


@dataclass(slots=True)
class Compared:
    right: int = 0
    """Tales that some order explains."""
    wrong: int = 0
    false_alarms: list[tuple[Tale, list[str]]] = field(default_factory=list)
    missed: list[Tale] = field(default_factory=list)
    undecidable: Counter[str] = field(default_factory=Counter)
    """Tales that no order explains and that have no finding, by the definition that says why."""
    unlike: int = 0
    """Histories that are judged otherwise with the screen than without."""
    named: Counter[str] = field(default_factory=Counter)


def compare(seed: int, *, right: int, wrong: int) -> Compared:
    """Until there are as many tales of both kinds."""
    dice, found, first_id = random.Random(f"twin {seed}"), Compared(), 1
    while found.right < right or found.wrong < wrong:
        guarded, witnesses = dice.random() < 0.7, dice.random() < 0.5
        tales: list[Tale] = []
        impossible: list[bool] = []
        while len(tales) < AT_ONCE and (found.right < right or found.wrong < wrong):
            mischief = found.wrong < wrong and (found.right >= right or dice.random() < 0.7)
            tale = tell(dice, first_id, guarded=guarded, witnesses=witnesses, wrong=mischief)
            broken = not possible(tale.attempts())
            if (broken and found.wrong >= wrong) or (not broken and found.right >= right):
                continue
            first_id += len(tale.operations)
            found.wrong += broken
            found.right += not broken
            tales.append(tale)
            impossible.append(broken)
        _compare(found, tales, impossible)
    return found


def _compare(found: Compared, tales: Sequence[Tale], impossible: Sequence[bool]) -> None:
    history = as_history(tales)
    judged = run_checks(history)
    found.unlike += judged != run_checks(history, screened=False)
    assert judged[3] == (), judged[3]
    names: defaultdict[str | None, list[str]] = defaultdict(list)
    for one in judged[0]:
        names[one.session].append(one.name)
    for tale, broken in zip(tales, impossible, strict=True):
        mine = names[tale.session]
        said = [one for one in mine if one not in OWN_DOING]
        if broken:
            found.named.update(mine)
            if not mine:
                reason = by_definition(tale)
                found.undecidable.update([reason] if reason else [])
                found.missed += [] if reason else [tale]
        elif said:
            found.false_alarms.append((tale, said))


def by_definition(tale: Tale) -> str:
    """Why nothing is found although no order explains it; empty: there is no reason."""
    for reason, holds in BY_DEFINITION.items():
        if holds(tale):
            return reason
    return ""


def _list_gone(tale: Tale) -> bool:
    return tale.witnesses and not {str(tale.operations[0].id)} & set(tale.audit[1].told or ())  # type: ignore[arg-type]


def _told_of_no_field(tale: Tale) -> bool:
    return not tale.guarded and any(
        done.request.act is Act.REMOVE and one.told == 0 for done in tale.operations for one in done.attempts
    )


BY_DEFINITION: dict[str, Callable[[Tale], bool]] = {
    "a list of witnesses without the log-in's own may have been evicted, and proves nothing": _list_gone,
    "HDEL 0 of a write that does not ask is no look: the field may never have been there": _told_of_no_field,
}


def as_text(tale: Tale) -> str:
    """For people: what was sent when, and what was answered."""
    how = f"{'guarded' if tale.guarded else 'naive'}, {'with' if tale.witnesses else 'without'} witnesses"
    lines = [f"  {tale.session[:8]} {tale.mischief or 'as it was'}, {how}"]
    for done in tale.operations:
        for one in done.attempts:
            end = f"answered {one.done:.2f}: {one.told!r}" if one.answered else f"over {one.closed:.2f}"
            lines.append(f"  {done.id} {one.request.act.name} sent {one.sent:.2f}, {end}")
    return "\n".join([*lines, *(f"  audit {one.request.act.name}: {one.told!r}" for one in tale.audit)])


def as_history(tales: Iterable[Tale]) -> History:
    tales = list(tales)
    past = Past(
        idle_s=IDLE_S, guarded=tales[0].guarded, witnesses=tales[0].witnesses, end_s=END * UNIT_US / 1e6
    )
    empty = past.history()
    operations = [_operation(tale, done) for tale in tales for done in tale.operations]
    connection = records.Connection(
        id=CONNECTION,
        web_server="web-1",
        node=NODES[0],
        run_id=f"{NODES[0]}-life-0",
        role="primary",
        opened_us=0,
    )
    return replace(
        empty,
        operations=tuple(operations),
        connections=(connection,),
        audit=tuple(entry for tale in tales for entry in _audit(tale)),
    )


def _us(at: float) -> int:
    return round(at * UNIT_US)


def _operation(tale: Tale, done: Done) -> records.Operation:
    behaviour, kind, _, _ = DOES[done.request.act]
    last = done.attempts[-1]
    key = session_key(tale.session)
    step = _step(tale, done, key)
    attempts = tuple(
        records.Attempt(
            n=n,
            connection=CONNECTION,
            steps=(1,),
            handed_over=True,
            sent_us=_us(one.sent),
            done_us=_us(one.done if one.answered else one.sent + 0.01),
            result=REPLY if one.answered else TIMEOUT,
            closed_us=None if one.answered or one.closed == FOREVER else _us(one.closed),
        )
        for n, one in enumerate(done.attempts, start=1)
    )
    return records.Operation(
        id=done.id,
        actor=f"a{done.id}",
        web_server="web-1",
        behaviour=behaviour,
        kind=kind,
        user=tale.user,
        session=tale.session,
        key=key,
        shard=1,
        generation=0 if done.request.act is Act.LOG_IN else tale.operations[0].id,
        due_us=_us(done.attempts[0].sent),
        sent_us=_us(done.attempts[0].sent),
        done_us=_us(last.done if last.answered else last.sent + 0.01),
        outcome=step.outcome,
        told="ok" if last.answered else "error",
        phase=Phase.BASELINE,
        steps=(step,),
        attempts=attempts,
    )


def _step(tale: Tale, done: Done, key: str) -> records.Step:
    request, last = done.request, done.attempts[-1]
    _, _, does, command = DOES[request.act]
    step = records.Step(n=1, does=does, command=command, key=key, session=tale.session, deciding=True)
    step.outcome = Outcome.ACKED if last.answered else Outcome.UNKNOWN
    step.attempts = tuple(range(1, len(done.attempts) + 1))
    step.sent_us = _us(last.sent if does is StepKind.READ else done.attempts[0].sent)
    step.done_us = _us(last.done if last.answered else last.sent + 0.01)
    step.witness = request.witness
    if does is StepKind.INCREMENT:
        step.added = {request.item: request.amount}
    elif does is StepKind.REMOVE_FIELD:
        step.removed = (request.item,)
    else:
        identity = {"sid", "user_id", "generation"}
        step.wrote = {name: value for name, value in request.values if name not in identity}
    if does in {StepKind.CREATE, StepKind.TOUCH}:
        step.ttl_ms = round(IDLE_S * 1000)
    if last.answered:
        _answer(done, step, last.told)
    return step


def _answer(done: Done, step: records.Step, told: Reply) -> None:
    """What each behaviour of the load makes of the reply."""
    act, again = done.request.act, len(done.attempts) > 1
    if act is Act.READ:
        step.saw = dict(told or ())  # type: ignore[arg-type]
    elif act is Act.LOG_IN:
        step.effective = True
    elif act is Act.TOUCH:
        step.effective = told == 1
    elif act is Act.LOG_OUT:
        step.effective = None if told == 0 and again else told == 1
    elif told == NO_SESSION:
        step.effective = False
    elif act is Act.WRITE:
        step.effective = told != 0
    elif act is Act.ADD:
        assert isinstance(told, int)
        step.effective, step.added_now = True, {done.request.item: told}
    else:
        step.effective = None if told == 0 else True


def _audit(tale: Tale) -> Iterable[records.AuditEntry]:
    fields, *witnesses = tale.audit
    saw = dict(fields.told or ())  # type: ignore[arg-type]
    for node in NODES:
        entry = records.AuditEntry(
            pass_n=1,
            session=tale.session,
            node=node,
            role="primary" if node == NODES[0] else "replica",
            run_id=f"{node}-life-0",
            sent_us=_us(fields.sent),
            done_us=_us(fields.done),
            key_type="hash" if saw else "none",
            saw=saw,
        )
        if witnesses:
            entry.witnesses = tuple(witnesses[0].told)  # type: ignore[arg-type]
        yield entry
