"""Small random histories of one session: what a correct store answered, or one that does something wrong.

A correct store executes every attempt at a moment of its own. One wrong thing is done by `MISCHIEF`: an
effect is lost, the store goes back to what it held before, forgets the session, or a request is told
something else. What comes of it need not be wrong (nobody may notice): `truth` says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from harness.model.times import FOREVER
from lab.twin.store import DONE, EMPTY, NO_SESSION, Act, Fields, Reply, Request, Store, carry_out
from lab.twin.truth import Attempt

MOST = 7
"""Operations of one history."""
END = 1000.0
"""The audit; times are in arbitrary units."""
ITEM = "cart:1"


@dataclass(slots=True)
class Done:
    """One operation: its request, and its attempts with the moment of each one's execution (None: never)."""

    id: int
    request: Request
    attempts: list[Attempt]
    moments: list[float | None]


@dataclass(slots=True)
class Tale:
    session: str
    user: str
    guarded: bool
    witnesses: bool
    operations: list[Done]
    audit: list[Attempt] = field(default_factory=list)
    mischief: str = ""

    def attempts(self) -> list[Attempt]:
        return [*(one for done in self.operations for one in done.attempts), *self.audit]


def tell(dice: random.Random, first_id: int, *, guarded: bool, witnesses: bool, wrong: bool) -> Tale:
    """`first_id`: of the log-in, whose values and witness go by it; the others follow."""
    session = f"{first_id:08x}" * 4
    tale = Tale(session, f"u{first_id}", guarded, witnesses, [])
    at = 1.0
    for n in range(dice.randint(2, MOST)):
        request = _request(dice, tale, first_id + n, first=n == 0)
        tale.operations.append(_sent(dice, first_id + n, request, at))
        at += dice.choice((0.5, 3.0, 12.0, 40.0)) * dice.random() + 0.01
    mischief = dice.choice(sorted(MISCHIEF)) if wrong else ""
    tale.mischief = mischief
    MISCHIEF.get(mischief, _as_it_was)(dice, tale)
    return tale


def _request(dice: random.Random, tale: Tale, id_: int, *, first: bool) -> Request:
    witness = str(id_) if tale.witnesses else None
    if first:
        identity = {"sid": tale.session, "user_id": tale.user, "generation": str(id_)}
        values = identity | {name: f"{id_}:{name}" for name in ("ip", "agent", "theme")}
        return Request(act=Act.LOG_IN, values=tuple(sorted(values.items())), witness=witness)
    act = dice.choice((Act.READ, Act.READ, Act.WRITE, Act.WRITE, Act.ADD, Act.REMOVE, Act.TOUCH, Act.LOG_OUT))
    if act is Act.WRITE:
        names = dice.choice((("theme",), ("theme",), ("ip", "agent")))
        values_ = tuple((name, f"{id_}:{name}") for name in names)
        return Request(act=act, values=values_, guarded=tale.guarded, witness=witness)
    if act in {Act.ADD, Act.REMOVE}:
        return Request(
            act=act, item=ITEM, amount=dice.choice((1, 2, -1)), guarded=tale.guarded, witness=witness
        )
    return Request(act=act)


def _sent(dice: random.Random, id_: int, request: Request, at: float) -> Done:
    """Answered at once, sent again, or never answered."""
    took = dice.choice((0.2, 5.0, 30.0)) * (0.1 + dice.random())
    draw = dice.random()
    if draw < 0.7:
        return Done(id_, request, [_answered(request, at, took)], [at + took * dice.random()])
    closed = at + took * (0.5 + dice.random()) if dice.random() < 0.5 else FOREVER
    latest = min(closed, at + took + dice.choice((0.0, 60.0)))
    moment = at + (latest - at) * dice.random() if dice.random() < 0.6 else None
    lost = Attempt(request=request, sent=at, closed=closed)
    if draw < 0.85 or request.act is Act.ADD:
        return Done(id_, request, [lost], [moment])
    again = at + took + 0.1
    took = dice.choice((0.2, 5.0)) * (0.1 + dice.random())
    return Done(id_, request, [lost, _answered(request, again, took)], [moment, again + took * dice.random()])


def _answered(request: Request, at: float, took: float) -> Attempt:
    return Attempt(request=request, sent=at, done=at + took)


Wrong = Callable[[float, Store, Store], Store]
"""At a moment, from before and after an execution: what is left."""


def _agenda(tale: Tale) -> Iterator[tuple[float, int, int]]:
    """Executions in order: moment, place of the operation, place of the attempt."""
    found = [
        (moment, n, m)
        for n, done in enumerate(tale.operations)
        for m, moment in enumerate(done.moments)
        if moment is not None
    ]
    return iter(sorted(found))


def _execute(
    tale: Tale,
    *,
    lost: int | None = None,
    back: tuple[int, int] | None = None,
    forgets: int | None = None,
) -> None:
    """Fill in the answers and the audit.

    `lost`: this execution leaves nothing; `back`: after the second the store is as it was after the first;
    `forgets`: after this one the session is gone.
    """
    store, past = EMPTY, []
    for turn, (_, n, m) in enumerate(_agenda(tale)):
        done = tale.operations[n]
        told, after = carry_out(done.request, store)
        if turn != lost:
            store = after
        past.append(store)
        if back is not None and turn == back[1]:
            store = past[back[0]]
        if turn == forgets:
            store = Store(None, store.witnesses)
        if done.attempts[m].answered:
            done.attempts[m] = replace(done.attempts[m], told=told)
    look = Request(act=Act.READ)
    tale.audit = [Attempt(request=look, sent=END, done=END + 0.4, told=carry_out(look, store)[0])]
    if tale.witnesses:
        look = Request(act=Act.LIST)  # asked in the same breath, answered after it
        tale.audit.append(Attempt(request=look, sent=END + 0.6, done=END + 1, told=carry_out(look, store)[0]))


def _as_it_was(_dice: random.Random, tale: Tale) -> None:
    _execute(tale)


def _loses(dice: random.Random, tale: Tale) -> None:
    _execute(tale, lost=dice.randrange(_turns(tale)))


def _goes_back(dice: random.Random, tale: Tale) -> None:
    last = dice.randrange(_turns(tale))
    _execute(tale, back=(dice.randint(0, last), last))


def _forgets(dice: random.Random, tale: Tale) -> None:
    _execute(tale, forgets=dice.randrange(_turns(tale)))


def _turns(tale: Tale) -> int:
    return max(1, sum(1 for _ in _agenda(tale)))


def _tells_otherwise(dice: random.Random, tale: Tale) -> None:
    """One request is told what it might have been told at another time."""
    _execute(tale)
    places = [
        (done.attempts, n) for done in tale.operations for n, one in enumerate(done.attempts) if one.answered
    ]
    attempts, n = dice.choice([*places, (tale.audit, 0)])
    attempts[n] = replace(attempts[n], told=_otherwise(dice, tale, attempts[n]))


def _otherwise(dice: random.Random, tale: Tale, one: Attempt) -> Reply:
    act = one.request.act
    if act in {Act.TOUCH, Act.LOG_OUT}:
        assert isinstance(one.told, int)
        return 1 - one.told
    if act is Act.READ:
        if one.told is None or dice.random() < 0.3:
            return None if one.told is not None else tale.operations[0].request.values
        return _other_fields(dice, tale, dict(one.told))  # type: ignore[arg-type]
    if act is Act.ADD and isinstance(one.told, int):
        return one.told + dice.choice((1, 2, -1))
    if one.request.guarded and act is not Act.LOG_IN:
        if one.told != NO_SESSION:
            return NO_SESSION
        return one.request.amount if act is Act.ADD else DONE
    return one.told


def _other_fields(dice: random.Random, tale: Tale, fields: dict[str, str]) -> Fields | None:
    """One field as another write left it, or without it. A hash without a field is no hash: no server answers
    that, and a history cannot hold it."""
    writes = [done.request for done in tale.operations if done.request.values]
    name = dice.choice(sorted(fields.keys() - {"sid", "user_id", "generation"}))
    values = [dict(one.values)[name] for one in writes if name in dict(one.values)]
    value = dice.choice([*values, None]) if values else str(int(fields[name]) + dice.choice((1, -1)))
    if value is None:
        del fields[name]
    else:
        fields[name] = value
    return tuple(sorted(fields.items())) or None


MISCHIEF: dict[str, Callable[[random.Random, Tale], None]] = {
    "loses an effect": _loses,
    "goes back": _goes_back,
    "forgets": _forgets,
    "tells otherwise": _tells_otherwise,
}
