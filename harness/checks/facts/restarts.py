"""Which nodes came back as another process, when, and with how much of what they had held.

A restart's moment is the new process's first answer to anybody: to the observers, or to a client, which
may be served before whoever started the node is told that it runs. How much came back is one number for
everybody: what the process says that it read from its snapshot (from Redis 7.0 on), else the keys of the
first look at which it had loaded everything.

Trap: an append-only file that is synced each second lacks what was confirmed while a sync was under way.

Trap: a process reads what its file says, which is not always what the one before it had stored last: somebody
may have switched its append-only file off while it ran, or changed the file since.

Trap: at that look users may have logged in again already, and a process that is still loading shows
fewer keys than it will have. Neither says what came back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from harness.checks.facts.promotions import BEFORE
from harness.checks.facts.settings import Settings
from harness.checks.facts.struck import ENDING, full_since_us, saved_by_hand, targets_of
from harness.model.history import History
from harness.model.persistence import (
    HELD_BACK_S,
    LOG,
    NOTHING,
    SNAPSHOT,
    holds_back,
    keys_back,
    persistence,
    waits_in_memory,
)
from harness.model.records import NodeSample
from harness.model.times import FOREVER
from harness.model.words import Cause, Trait

EMPTIED = 0.5
"""A process that comes back with fewer than this share of its keys came back empty, where only the first
look tells: it may already count some new log-ins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Somewhere within [from_us, by_us] a node's new process began to answer in place of the old one."""

    node: str
    run_id: str
    from_us: float
    by_us: float
    """Its first answer to anybody."""
    had: int
    """The old process's keys when it was last asked."""
    has: int
    """What the new one came back with."""
    cause: Cause | None
    """What of the old data's loss this restart explains; None: nothing."""
    since_us: float = BEFORE
    """What was confirmed before this moment, it explains no loss of."""
    was: str
    """The old process."""
    from_log: bool = False
    """It read an append-only file: but for what `cause` explains, it has what the old process had."""

    @property
    def why(self) -> str:
        return f"{self.node} came back with {self.has} of {self.had} keys"


def find_restarts(
    history: History, samples: Mapping[str, Sequence[NodeSample]], settings: Settings
) -> tuple[Restart, ...]:
    """Of data nodes, in their order."""
    answered = {(one.node, one.run_id): one.opened_us for one in reversed(history.connections) if one.run_id}
    found: list[Restart] = []
    for node, mine in samples.items():
        changes = list(_changes(mine))
        struck = _Struck.of(node, history, changes)
        found += [_restart(before, lives, answered, struck, settings) for before, lives in changes]
    return tuple(sorted(found, key=lambda one: one.by_us))


def _changes(samples: Sequence[NodeSample]) -> Iterator[tuple[NodeSample, list[NodeSample]]]:
    """The last look at each process that was replaced, and all looks at the one that replaced it."""
    before: NodeSample | None = None
    lives: list[NodeSample] = []
    for sample in samples:
        if lives and sample.run_id != lives[-1].run_id:
            if before is not None:
                yield before, lives
            before, lives = lives[-1], []
        lives.append(sample)
    if before is not None:
        yield before, lives


def _restart(
    before: NodeSample,
    lives: Sequence[NodeSample],
    answered: Mapping[tuple[str, str], int],
    struck: _Struck,
    settings: Settings,
) -> Restart:
    node, first = before.node, lives[0]
    first_us = answered.get((node, first.run_id), first.done_us)
    loaded = next((one for one in lives if one.error is None), lives[-1])
    old, reads = settings.at(node, first.done_us), persistence(settings.file_at(node, first.done_us))
    logged_us = _logged_until_us(node, first.done_us, settings)
    from_log = reads == LOG and logged_us > BEFORE
    read = None if from_log else loaded.keys_read
    has = keys_back(loaded.keys, loaded.keys_read, from_log=from_log)
    cause: Cause | None
    since_us = BEFORE
    if from_log and logged_us < FOREVER and has:
        cause, since_us = Cause.NOT_ON_DISK, logged_us
    elif reads == LOG and not from_log:
        cause = Cause.RESTARTED_EMPTY
    else:
        saved = reads == NOTHING and saved_by_hand(node, struck.history, before.done_us)
        cause = _cause(SNAPSHOT if saved else reads, read, has, before.keys)
    full_us = struck.full_since_us(before)
    if cause is None and struck.powerless(before, first):
        cause = Cause.NOT_ON_DISK
    elif cause is None and from_log and holds_back(old) and struck.unwarned(before, first):
        cause, since_us = Cause.NOT_ON_DISK, before.sent_us - HELD_BACK_S * 1e6
    if full_us is not None and from_log and waits_in_memory(old) and (cause is None or since_us > BEFORE):
        cause, since_us = Cause.NOT_ON_DISK, min(before.sent_us, full_us) - HELD_BACK_S * 1e6
    return Restart(
        node=node,
        run_id=first.run_id,
        was=before.run_id,
        from_us=before.sent_us,
        by_us=first_us if before.done_us < first_us < first.done_us else first.done_us,
        had=before.keys,
        has=has,
        cause=cause,
        since_us=since_us,
        from_log=from_log,
    )


def _logged_until_us(node: str, t_us: float, settings: Settings) -> float:
    """Until when the process that ran just before this moment, or one before it, wrote an append-only file;
    `FOREVER`: to its end; `BEFORE`: none did."""
    if persistence(settings.at(node, t_us)) == LOG:
        return FOREVER
    return settings.since_us(node, t_us, lambda one: persistence(one) != LOG)


@dataclass(frozen=True, slots=True)
class _Struck:
    """When faults ended a process of one node, in order, and what each of them was."""

    ends: tuple[tuple[float, float, tuple[Trait, ...]], ...]
    """Not before, not after, and what it does."""
    node: str
    history: History

    @classmethod
    def of(
        cls, node: str, history: History, changes: Sequence[tuple[NodeSample, Sequence[NodeSample]]]
    ) -> Self:
        """Trap: an effect on several nodes that are restarted in turn has the moment of the first of them."""
        faults = history.plan.scenario.faults_with(*ENDING)
        ends: list[tuple[float, float, tuple[Trait, ...]]] = []
        for one in history.effects:
            targets = targets_of(one, history)
            if one.fault not in faults or node not in targets:
                continue
            from_us, by_us = one.t_us - one.error_us, float(one.t_us)
            if len(targets) > 1 and Trait.STARTS_PROCESS in faults[one.fault].traits:
                mine = next((before for before, lives in changes if lives[0].done_us >= from_us), None)
                by_us = max(by_us, by_us if mine is None else mine.sent_us)
            ends.append((from_us, by_us, faults[one.fault].traits))
        return cls(tuple(ends), node, history)

    def full_since_us(self, before: NodeSample) -> float | None:
        """Since when the process that ended could not write to its files; None: it could."""
        return full_since_us(self.node, self.history, before.done_us)

    def powerless(self, before: NodeSample, first: NodeSample) -> bool:
        """Meanwhile a fault took away what the disk did not have."""
        return any(Trait.FORGETS_UNSYNCED in traits for traits in self._between(before, first))

    def unwarned(self, before: NodeSample, first: NodeSample) -> bool:
        """What ended the process gave it no time to write what it held back."""
        return Trait.ENDS_UNWARNED in next(self._between(before, first), ())

    def _between(self, before: NodeSample, first: NodeSample) -> Iterator[tuple[Trait, ...]]:
        return (
            traits
            for from_us, by_us, traits in self.ends
            if from_us <= first.done_us and before.sent_us <= by_us
        )


def _cause(reads: str, read: int | None, has: int, had: int) -> Cause | None:
    empty = has < EMPTIED * had if read is None else read == 0
    if empty:
        return Cause.RESTARTED_EMPTY
    return Cause.OLDER_SNAPSHOT if read is not None or reads == SNAPSHOT else None
