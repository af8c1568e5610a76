"""The longest time without a write that survived: windows between writes that are still there in the end.

An outage ends with the first write that is acked. After a failover a deposed primary acks on, and nothing of
that is left: no user sees an error. Here a window ends with the first write that was acked *and* whose
witness its primary still holds at the audit.

Trap: a write without a witness is proved lost only where a check says so. All others are open: the lower end
counts them as there, the upper end as lost. Without a valid audit all are open. The lower end is the outage's
then, and there is no upper end. A run without witnesses has no such windows at all: nobody could ever tell.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from harness.checks.columns.arrays import Flags, Words, known
from harness.checks.columns.traffic import KINDS, Traffic, traffic_of
from harness.checks.facts.landmarks import Landmarks
from harness.checks.facts.of_run import Facts, facts_of
from harness.checks.measures.availability import (
    LATE_AT_LEAST_US,
    Gap,
    Group,
    failures,
    grouped,
    groups_of,
    groups_of_web_servers,
    late_us,
    longest,
    longest_of,
    windows_from,
)
from harness.checks.screen.screening import screen
from harness.checks.screen.so_far import Sums, numbers_of
from harness.costly import np
from harness.model.history import History
from harness.model.judgement import Interval, Window
from harness.model.measures import ARGUMENT_MEASURES, SURVIVING_WRITE, switched_off
from harness.model.records import AuditEntry
from harness.model.table import rows_of
from harness.model.words import NodeRole, OperationKind, Phase

WRITE = OperationKind.WRITE
NEEDS = ARGUMENT_MEASURES[SURVIVING_WRITE].needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """The traffic, where an acked write that did not survive counts as refused."""

    at_least: Traffic
    """What is open survived."""
    at_most: Traffic
    """What is open did not."""

    @property
    def decided(self) -> bool:
        """Nothing is open."""
        return self.at_most is self.at_least


def survival(facts: Facts, lost: Collection[int]) -> Survival:
    """`lost`: ids of the acked writes that findings prove lost."""
    traffic = facts.traffic
    promised = traffic.succeeded & (traffic.of_kind(WRITE) | traffic.of_kind(OperationKind.LOGIN))
    gone = promised & np.isin(traffic.id, np.fromiter(lost, np.int64, len(lost)))
    undecided = promised & ~gone & ~facts.history.once(_there)
    at_least = traffic.without(gone)
    return Survival(
        at_least=at_least, at_most=traffic.without(gone | undecided) if undecided.any() else at_least
    )


def windows_without_survivor(facts: Facts, survived: Survival) -> tuple[tuple[Window, ...], Window | None]:
    """The windows as they are reported, those of 0.1 s and more, and the longest of any web server."""
    scenario = facts.history.plan.scenario
    if NEEDS & switched_off(scenario.deployment, scenario.workload):
        return (), None
    traffic, landmarks = facts.traffic, facts.landmarks
    judged = traffic.of_kind(WRITE) & ~traffic.in_phase(Phase.SEED, Phase.AUDIT)
    judged &= ~facts.history.once(_on_objects)
    if not judged.any():
        return (), None
    late = late_us(traffic.where(judged))
    if not failures(survived.at_most, judged, np.full(len(KINDS), late), landmarks).any():
        return (), None

    def windows(of: Iterable[tuple[str, Group, Group]]) -> dict[str, list[Window]]:
        return {
            where: _windows(
                sure.gaps(late=late, landmarks=landmarks),
                perhaps.gaps(late=late, landmarks=landmarks),
                where,
                landmarks,
            )
            for where, sure, perhaps in of
        }

    both = (survived.at_least, survived.at_most)
    everybody, apart = (
        windows(_paired(*(groups_of(facts, WRITE, judged, apart=one, traffic=view) for view in both)))
        for one in (False, True)
    )
    by_web_server = windows(
        (where, certain, possible)
        for (where, certain), (_, possible) in zip(
            *(groups_of_web_servers(facts, WRITE, judged, view) for view in both), strict=True
        )
    )
    long = [one for one in grouped(everybody["all"], apart) if one.duration_s.high * 1e6 >= LATE_AT_LEAST_US]
    return tuple(long), longest_of(chain.from_iterable(by_web_server.values()))


def _on_objects(history: History) -> Flags:
    """Operations of behaviours that write to what is no session: they leave no witness, and are judged by the
    object's own model. One that was never sent has no steps, and is of its behaviour all the same."""
    traffic = traffic_of(history)
    shown: Flags = np.isin(traffic.behaviour, np.unique(traffic.behaviour[traffic.on_objects]))
    return shown


def _paired(certain: Sequence[Group], possible: Sequence[Group]) -> Iterator[tuple[str, Group, Group]]:
    return ((one.name, one, other) for one, other in zip(certain, possible, strict=True))


def _windows(
    certain: Sequence[Gap], possible: Sequence[Gap], where: str, landmarks: Landmarks
) -> list[Window]:
    """The possible windows, each with as much of it as is certain: what is certain lies within one."""
    windows = list(windows_from(possible, SURVIVING_WRITE, where, landmarks))
    tried = [one for one in possible if one.proved is not None]
    sure = [(one.proved, one) for one in certain if one.proved is not None]
    begun_us = [proved[0] for proved, _ in sure]
    found = []
    for window, gap in zip(windows, tried, strict=True):
        end_us = landmarks.end_us if gap.to_us is None else gap.to_us
        inside = sure[bisect_left(begun_us, gap.from_us) : bisect_right(begun_us, end_us)]
        low_s = longest(one.duration_s for _, one in inside).low
        found.append(
            replace(
                window,
                duration_s=Interval(low=low_s, high=window.duration_s.high),
                failed=sum(one.failed for _, one in inside),
            )
        )
    return found


def _there(history: History) -> Flags:
    """The operations whose witnesses the primaries hold, all of them. Those of clean sessions are among them
    if they left one: the screen has seen every one."""
    found = np.zeros(len(history.table), np.bool_)
    for these, part in history.table.parts({"steps": ("witness",)}):
        found[these][rows_of(part.steps)[known(part.steps, "witness")]] = True
    suspects = screen(history).suspects
    if suspects is history:
        found &= ~_lacking(history)
    elif len(suspects.table):
        doubted = np.searchsorted(traffic_of(history).id, traffic_of(suspects).id)
        found[doubted[_lacking(suspects)]] = False
    return found


def _lacking(suspects: History) -> Flags:
    """Of these operations those with a witness that no primary holds."""
    behind = np.uint64((1 << 64) - 1)  # Python gives no text this one
    left = np.sort(np.append(_held_by_primaries(suspects), behind))
    found = np.zeros(len(suspects.table), np.bool_)
    for these, part in suspects.table.parts({"steps": ("witness",)}):
        witness = Words(part.steps, "witness")
        numbers = numbers_of(witness.names())
        gone = left[np.searchsorted(left[:-1], numbers)] != numbers
        lacks: Flags = witness.mapped(gone, nothing=False, dtype=np.bool_)
        found[these][rows_of(part.steps)[lacks]] = True
    return found


def _held_by_primaries(suspects: History) -> Sums:
    """The numbers of the witnesses that the valid audit read on each session's primary; of several that call
    themselves so, the one that was promoted last."""
    facts, answers = facts_of(suspects), defaultdict[str, list[AuditEntry]](list)
    for entry in suspects.valid_audit_about({*suspects.sessions()}):
        if entry.role == NodeRole.PRIMARY and entry.witnesses is not None:
            answers[entry.session].append(entry)
    return numbers_of(
        witness
        for told in answers.values()
        for one in told
        if len(told) == 1 or _owns(facts, one)
        for witness in one.witnesses or ()
    )


def _owns(facts: Facts, entry: AuditEntry) -> bool:
    shard = facts.shards.of(entry.node, entry.sent_us)
    return shard is not None and facts.ownership.owner_at(shard, entry.sent_us) == entry.node
