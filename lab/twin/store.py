"""One session as a store keeps it, and what it answers: as plain as it can be said.

Shares nothing with the checks. A store is its fields (None: no such key) and its list of witnesses;
`carry_out` is one execution of one request: the answer, as far as a history keeps it, and the store
afterwards. Nothing times out here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

Fields = tuple[tuple[str, str], ...]
Reply = int | str | Fields | tuple[str, ...] | None


class Act(Enum):
    LOG_IN = auto()
    READ = auto()
    WRITE = auto()
    ADD = auto()
    REMOVE = auto()
    TOUCH = auto()
    LOG_OUT = auto()
    LIST = auto()
    """Read the witnesses."""


@dataclass(frozen=True, slots=True)
class Store:
    fields: Fields | None = None
    witnesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    act: Act
    values: Fields = ()
    """Log-in and write: what is set."""
    item: str = ""
    amount: int = 0
    guarded: bool = True
    witness: str | None = None


NO_SESSION, DONE = "no session", "done"
EMPTY = Store()


def carry_out(request: Request, store: Store) -> tuple[Reply, Store]:
    act, fields = request.act, store.fields
    if act is Act.LIST:
        return store.witnesses, store
    if act is Act.READ:
        return fields, store
    if act is Act.TOUCH:
        return int(fields is not None), store
    if act is Act.LOG_OUT:
        return int(fields is not None), Store(None, store.witnesses)
    if fields is None and request.guarded and act is not Act.LOG_IN:
        return NO_SESSION, store
    before = dict(fields or ())
    after = dict(before)
    reply: Reply
    if act is Act.ADD:
        reply = int(before.get(request.item, "0")) + request.amount
        after[request.item] = str(reply)
    elif act is Act.REMOVE:
        found = after.pop(request.item, None) is not None
        reply = DONE if request.guarded else int(found)
    else:
        after |= dict(request.values)
        reply = DONE
        if act is Act.WRITE and not request.guarded:
            reply = int(len(after) - len(before) < len(request.values))
    left = store.witnesses if request.witness is None else (*store.witnesses, request.witness)
    return reply, Store(tuple(sorted(after.items())) or None, left)
