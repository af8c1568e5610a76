"""The store of the model: what Redis would hold of sessions, and answer, in whole milliseconds.

One dictionary. Each method is one execution of one attempt at a moment of its own; only the answered one
fills in what the step was told. By construction nothing is lost, undone or mixed up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.model.records import Attempt, Step
from harness.model.words import Outcome


@dataclass(slots=True)
class Kept:
    """What the store has of one session."""

    fields: dict[str, str] | None = None
    until_ms: float = 0.0
    traces: list[str] = field(default_factory=list)

    def left_ms(self, now_ms: int) -> int:
        """As PTTL answers for a session that is there."""
        return -1 if self.until_ms == float("inf") else int(self.until_ms - now_ms)


class Known(NamedTuple):
    """What a client knows of a session."""

    id: str
    key: str
    user: int
    generation: int
    ends_us: float = float("inf")
    """When its absolute timeout is over, by the client's clock."""


class Tried(NamedTuple):
    """How the attempts of one step went, as the client saw it, and when each was executed in truth."""

    outcome: Outcome
    sent_us: int
    """Of the answered attempt."""
    done_us: int
    executed_us: int
    """Of the answered attempt; nothing otherwise."""
    unseen_us: tuple[int, ...]
    """Executions that nobody was told of."""
    attempts: list[Attempt]


class Store:
    """`wall_ms`: what the nodes' clock shows at a moment of the run."""

    def __init__(self, users: int, wall_ms: Callable[[int], int]) -> None:
        self._wall_ms = wall_ms
        self.kept: dict[str, Kept] = {}
        self.index: list[set[str]] = [set() for _ in range(users)]
        self.failed_touches: set[str] = set()
        """Sessions a touch of which was not acked; whoever sends it says so."""
        self.put_out: set[str] = set()
        """Of those, the ones that ran out."""

    def create(self, at_us: int, session: Known, step: Step, _answered: bool) -> None:
        kept = self.kept.setdefault(session.id, Kept())
        number = str(session.generation)
        fields = {} if kept.fields is None else kept.fields
        identity = {"sid": session.id, "user_id": f"u{session.user}", "generation": number}
        kept.fields = {**fields, **identity, **step.wrote}
        kept.until_ms = self._wall_ms(at_us) + (step.ttl_ms or 0)
        kept.traces.append(number)

    def read(self, at_us: int, session: Known, step: Step) -> None:
        now_ms = self._wall_ms(at_us)
        kept = self._alive(session, now_ms)
        if kept is None or kept.fields is None:
            step.saw, step.pttl_ms = {}, -2
        else:
            step.saw, step.pttl_ms = kept.fields.copy(), kept.left_ms(now_ms)

    def slide(self, at_us: int, session: Known, step: Step, answered: bool) -> None:
        now_ms = self._wall_ms(at_us)
        kept = self._alive(session, now_ms)
        if kept is not None:
            kept.until_ms = now_ms + (step.ttl_ms or 0)
        if answered:
            step.effective = kept is not None

    def change(self, at_us: int, session: Known, step: Step, answered: bool) -> None:
        kept = self._alive(session, self._wall_ms(at_us))
        if answered:
            step.effective = kept is not None
        if kept is None or kept.fields is None:
            return
        kept.fields.update(step.wrote)
        for name, amount in step.added.items():
            total = int(kept.fields.get(name, 0)) + amount
            kept.fields[name] = str(total)
            if answered:
                step.added_now = {name: total}
        for name in step.removed:
            kept.fields.pop(name, None)
        kept.traces.append(step.witness or "")

    def destroy(self, at_us: int, session: Known, step: Step, answered: bool) -> None:
        kept = self._alive(session, self._wall_ms(at_us))
        if answered and (kept is not None or len(step.attempts) == 1):
            step.effective = kept is not None
        if kept is not None:
            kept.fields = None

    def enlist(self, _at_us: int, session: Known, step: Step, answered: bool) -> None:
        self.index[session.user].add(session.id)
        if answered:
            step.effective = True

    def unlist(self, _at_us: int, session: Known, step: Step, answered: bool) -> None:
        index = self.index[session.user]
        if answered and (session.id in index or len(step.attempts) == 1):
            step.effective = session.id in index
        index.discard(session.id)

    def unlist_all(self, _at_us: int, session: Known, step: Step, answered: bool) -> None:
        index, members = self.index[session.user], set(step.members or ())
        if answered and (index & members or len(step.attempts) == 1):
            step.effective = bool(index & members)
        index -= members

    def _alive(self, session: Known, now_ms: int) -> Kept | None:
        kept = self.kept.get(session.id)
        if kept is None or kept.fields is None:
            return None
        if now_ms > kept.until_ms:
            kept.fields = None
            if session.id in self.failed_touches:
                self.put_out.add(session.id)
            return None
        return kept
