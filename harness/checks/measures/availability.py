"""Windows in which a kind of operation got nothing through, per shard and side of a partition.

A window exists only if an operation was due in it and failed, or waited too long. That proves it from
when the first of these was due until the last was over. It may be longer, back to the last success before
and up to the first one after: where nothing was due, nobody knows. So its length is an interval. A success
is an acked, effective operation of any phase. A stretch without any operation is no window, and no proof
that all was well either: `unprobed` has those.

Traps. A dead shard or a client pinned to a deposed primary hides behind the others' successes, so
groups are judged apart; a web server belongs to its side of a partition for the whole run, or its
group would end, censored, when the partition heals. What the end of the run cut off did not fail:
such an operation counts by how long it had waited by then. What a web server that was out of service did
not do is no outage: its users were sent to the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.checks.columns.arrays import NONE, Codes, Flags, Integers, percentile, picked
from harness.checks.columns.traffic import KINDS, PHASES, Traffic, traffic_of
from harness.checks.facts.landmarks import Landmarks
from harness.checks.facts.of_run import Facts, facts_of
from harness.checks.measures.latency import acked_waits_us
from harness.costly import np
from harness.model.history import History
from harness.model.judgement import INFINITE, Interval, Window
from harness.model.words import OperationKind, Outcome, Phase, Trait

LATE_AT_LEAST_US = 100_000
"""Nobody notices less; and a busy machine alone can delay a request by tens of milliseconds."""
LATE_FACTOR = 10
"""Times the baseline's 99th percentile: late against what this machine does on a good day."""
LATE_AT_MOST_US = 250_000
"""Half of the shortest outage that shipped scenarios speak of. One slow answer among the forty of a short
baseline would hide an outage of nearly a second otherwise, in which every request waited and was
answered. A window is no longer for being let in: it ends with the first success."""

_OVERLOOKED = ("all", "rest", "with-primary")
"""Sides of a partition; of several that a web server was on, the last one here counts."""


PROVED_BY: Mapping[OperationKind, frozenset[OperationKind]] = {
    OperationKind.READ: frozenset(OperationKind),
    OperationKind.LOGIN: frozenset({OperationKind.LOGIN, OperationKind.WRITE}),
    OperationKind.WRITE: frozenset({OperationKind.LOGIN, OperationKind.WRITE}),
    OperationKind.TOUCH: frozenset({OperationKind.TOUCH, OperationKind.LOGIN, OperationKind.WRITE}),
    OperationKind.LOGOUT: frozenset({OperationKind.LOGOUT, OperationKind.LOGIN, OperationKind.WRITE}),
}
"""Kind -> kinds whose success proves that it, too, would have succeeded then: who takes new data at its
memory limit takes changes and deletions, and who takes changes answers. Only for when a window begins
and ends: a window of one kind is not cut in two by a success of another."""

Span = tuple[int, int]
"""From, to, in microseconds on the run's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A window on the run's clock."""

    from_us: int
    """The last success before it."""
    to_us: int | None
    """The first success after it; None: still open at the end."""
    proved: Span | None
    """From when the first operation in it was due that failed or waited, until the last was over; None:
    nobody tried."""
    failed: int
    apart_us: int = 0
    """How far off these moments may be: those of operations span more than the truth, at both ends."""

    def within(self, start_us: int, end_us: int, last_us: int) -> Gap | None:
        """The part of it in a span; None: there is none. Only what is open at the run's end, `last_us`,
        stays open."""
        from_us, to_us = max(self.from_us, start_us), last_us if self.to_us is None else self.to_us
        if from_us >= min(to_us, end_us):
            return None
        proved = self.proved
        if proved is not None:
            first_us, until_us = max(proved[0], start_us), min(proved[1], end_us)
            proved = (first_us, until_us) if first_us < until_us else None
        is_open = self.to_us is None and end_us >= last_us
        to = None if is_open else min(to_us, end_us)
        return replace(self, from_us=from_us, to_us=to, proved=proved)

    def proved_within_s(self, spans: Iterable[Span]) -> float:
        """How much of what is proved of it lies in these spans, which do not overlap."""
        if self.proved is None:
            return 0.0
        first_us, last_us = self.proved
        return sum(max(0, min(last_us, end) - max(first_us, start)) for start, end in spans) / 1e6

    @property
    def duration_s(self) -> Interval:
        low_us = 0 if self.proved is None else max(0, self.proved[1] - self.proved[0] - 2 * self.apart_us)
        high = INFINITE if self.to_us is None else (self.to_us - self.from_us + self.apart_us) / 1e6
        return Interval(low=low_us / 1e6, high=high)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """The operations of one kind in one shard and on one side."""

    name: str
    judged: Traffic
    known_us: Integers
    """When something succeeded that proves that the kind would have, ascending."""
    service: tuple[Span, ...]
    """When at least one of its web servers was in service."""

    def gaps(self, *, late: int, landmarks: Landmarks) -> list[Gap]:
        """Its windows."""
        found = gaps(self.judged, self.known_us, late=late, landmarks=landmarks)
        return _in_service(found, self.service, landmarks)

    def unprobed(self, found: Sequence[Gap], span: Span, *, late: int, landmarks: Landmarks) -> list[Gap]:
        """Its stretches within a span that nobody tried in, longer than what counts as late, and outside
        of the windows found."""
        return _in_service(unprobed(self.known_us, found, span, late=late), self.service, landmarks)


def outages(facts: Facts) -> tuple[Window, ...]:
    """Every kind's windows: of `all` (nobody got through), of each group, and once more the
    `worst` group's. A kind with a single group has only `all` and `worst`."""
    judged = ~facts.traffic.in_phase(Phase.SEED, Phase.AUDIT)
    found: list[Window] = []
    for kind in facts.history.once(_with_failures):
        found += _of_kind(facts, judged, kind)
    return tuple(found)


def _with_failures(history: History) -> list[OperationKind]:
    """The kinds that have a window at all: told for all at once, as in long runs few do."""
    facts = facts_of(history)
    traffic = facts.traffic
    baseline = traffic.where(traffic.in_phase(Phase.BASELINE))
    late = np.array([late_us(baseline.where(baseline.of_kind(kind))) for kind in KINDS])
    judged = ~traffic.in_phase(Phase.SEED, Phase.AUDIT)
    counted = failures(traffic, judged, late, facts.landmarks)
    return [kind for kind in OperationKind if counted[KINDS.index(kind)]]


def failures(traffic: Traffic, judged: Flags, late: Integers, landmarks: Landmarks) -> Integers:
    """How many of the judged operations of each of `KINDS` failed, or waited longer than is `late` for it."""
    counted, begin = np.zeros(len(KINDS), np.int64), 0
    for part in traffic.pieces():
        hit = failed_or_late(part, late=late[part.kind], landmarks=landmarks)
        hit &= judged[begin : begin + len(part)]
        counted += np.bincount(part.kind[hit], minlength=len(KINDS))
        begin += len(part)
    return counted


def _of_kind(facts: Facts, judged: Flags, kind: OperationKind) -> list[Window]:
    traffic, landmarks = facts.traffic, facts.landmarks
    mine = judged & traffic.of_kind(kind)
    late = late_us(traffic.where(mine))
    everybody = groups_of(facts, kind, mine, apart=False)
    apart = groups_of(facts, kind, mine)
    found = windows_from(everybody[0].gaps(late=late, landmarks=landmarks), kind, "all", landmarks)
    by_group = {
        one.name: windows_from(one.gaps(late=late, landmarks=landmarks), kind, one.name, landmarks)
        for one in apart
    }
    return grouped(found, by_group)


def grouped(everybody: Sequence[Window], by_group: Mapping[str, Sequence[Window]]) -> list[Window]:
    """The windows of a kind as they are reported: everybody's, each group's if there are several, and the
    worst group's."""
    named = [window for windows in by_group.values() for window in windows] if len(by_group) > 1 else []
    return [*everybody, *named, *(replace(window, group="worst") for window in worst_of(by_group))]


def worst_for_users(facts: Facts) -> Window | None:
    """The longest window of any kind of operation and any web server; None: there was none."""
    traffic, landmarks = facts.traffic, facts.landmarks
    judged = ~traffic.in_phase(Phase.SEED, Phase.AUDIT)
    found: list[Window] = []
    for kind in facts.history.once(_with_failures):
        of_kind = judged & traffic.of_kind(kind)
        late = late_us(traffic.where(of_kind))
        for where, group in groups_of_web_servers(facts, kind, of_kind):
            found += windows_from(group.gaps(late=late, landmarks=landmarks), kind, where, landmarks)
    return longest_of(found)


def longest_of(windows: Iterable[Window]) -> Window | None:
    """None: there is none."""
    return max(windows, key=lambda one: (one.duration_s.low, one.duration_s.high), default=None)


def groups_of_web_servers(
    facts: Facts, kind: str, chosen: Flags, traffic: Traffic | None = None
) -> Iterator[tuple[str, Group]]:
    """The same groups of each web server alone, with their names for a reader: `web-2`, `web-2, shard 3`."""
    judged = facts.traffic if traffic is None else traffic
    for web_server in judged.web_servers:
        mine = chosen & judged.by_web_server(web_server)
        for group in groups_of(facts, kind, mine, traffic=traffic) if mine.any() else ():
            yield web_server if group.name == "all" else f"{web_server}, {group.name}", group


def groups_of(
    facts: Facts, kind: str, chosen: Flags, *, apart: bool = True, traffic: Traffic | None = None
) -> list[Group]:
    """The chosen operations of a kind by shard and side, or (`apart` False) as one group. What succeeded in
    other phases, and of other kinds, counts as far as the same web servers and shards did it.

    `traffic`: where something else than the run's own answers counts as success.
    """
    traffic = facts.traffic if traffic is None else traffic
    side_of = facts.history.once(sides)
    names = sorted({*side_of.values(), "all"})
    places = np.array([*(names.index(side_of.get(web, "all")) for web in traffic.web_servers), 0])
    judged = traffic.where(chosen)
    proofs = _proofs(facts, kind, judged, traffic)
    if not apart:
        return [_group("all", judged, proofs.done_us, facts)]
    group, proved = (
        one.shard.astype(np.int32) * len(names) + places[one.web_server] for one in (judged, proofs)
    )
    numbers = np.flatnonzero(np.bincount(group)).tolist()
    shards = len({number // len(names) for number in numbers})
    found = []
    for number in numbers:
        shard, side = divmod(number, len(names))
        name = _name(shard if shards > 1 else None, names[side])
        mine = judged.where(group == number) if len(numbers) > 1 else judged
        found.append(_group(name, mine, proofs.done_us[proved == number], facts))
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proofs:
    """Parallel columns of what succeeded: of millions, only what is asked here."""

    done_us: Integers
    shard: Codes
    web_server: Codes


def _proofs(facts: Facts, kind: str, judged: Traffic, traffic: Traffic) -> Proofs:
    """What succeeded, by the web servers that the judged operations went through."""
    kinds = PROVED_BY[OperationKind(kind)]
    if kind == OperationKind.READ and facts.history.plan.scenario.deployment.client.read_from_replicas:
        kinds = frozenset({OperationKind.READ})  # whoever takes changes is not who answers
    by_kind = picked(np.array([one in kinds for one in KINDS]), traffic.kind)
    there = np.zeros(max(1, len(traffic.web_servers)), np.bool_)
    there[judged.web_server] = True
    proofs = traffic.where(traffic.succeeded & by_kind & there[traffic.web_server])
    return Proofs(done_us=proofs.ended_us, shard=proofs.shard, web_server=proofs.web_server)


def _group(name: str, judged: Traffic, known_us: Integers, facts: Facts) -> Group:
    names = [judged.web_servers[code] for code in np.flatnonzero(np.bincount(judged.web_server)).tolist()]
    return Group(
        name=name,
        judged=judged,
        known_us=np.sort(known_us),
        service=in_service(facts, names),
    )


def in_service(facts: Facts, web_servers: Collection[str]) -> tuple[Span, ...]:
    """When at least one of these web servers was in service: until a fault took it out, and from when that
    fault was healed."""
    ends_us = facts.landmarks.workload_ends_us
    away = [_away(facts.history, one, ends_us) for one in web_servers]
    edges = sorted(
        {
            NONE,
            ends_us,
            *(edge for spans in away for span in spans for edge in span),
        }
    )
    return tuple(
        (start, end)
        for start, end in pairwise(edges)
        if not away or any(not any(out <= start and end <= back for out, back in spans) for spans in away)
    )


def _away(history: History, web_server: str, ends_us: int) -> list[Span]:
    """When it took no requests. One that is paused takes them, and does not answer."""
    lasting = history.plan.scenario.faults_with(Trait.LASTS)
    found = []
    for event in history.events:
        if event.name != "effect" or event.node != web_server or event.fault in lasting:
            continue
        back = (
            one.t_us
            for one in history.events
            if one.name == "healed" and one.fault == event.fault and one.t_us >= event.t_us
        )
        found.append((min(event.t_us, ends_us), min(next(back, ends_us), ends_us)))
    return found


def _in_service(found: Iterable[Gap], service: Sequence[Span], landmarks: Landmarks) -> list[Gap]:
    """What of these windows lies in times of service."""
    parts = (one.within(*span, landmarks.workload_ends_us) for one in found for span in service)
    return [part for part in parts if part is not None]


def gaps(judged: Traffic, known_us: Integers, *, late: int, landmarks: Landmarks) -> list[Gap]:
    """The windows of one group. `known_us`: when it is known to have worked, ascending."""
    done = np.sort(judged.ended_us[judged.succeeded])
    hit = failed_or_late(judged, late=late, landmarks=landmarks)
    due_us, over_us = judged.due_us[hit], _over_us(judged, landmarks)[hit]
    places = np.searchsorted(done, due_us, side="right")
    order = np.argsort(places, kind="stable")
    windows, begins, failed = np.unique(places[order], return_index=True, return_counts=True)
    if not len(windows):
        return []
    first_us = np.minimum.reduceat(due_us[order], begins)
    last_us = np.maximum(first_us, np.maximum.reduceat(over_us[order], begins))
    return [
        _gap((done, known_us), place, (first, last), count, landmarks.clocks_apart_us)
        for place, first, last, count in zip(
            windows.tolist(), first_us.tolist(), last_us.tolist(), failed.tolist(), strict=True
        )
    ]


def _gap(worked: tuple[Integers, Integers], place: int, tried: Span, failed: int, apart_us: int) -> Gap:
    """The window before the success at this place; behind all of them it is still open. `worked`: when the
    kind did, and when it is known that it would have."""
    (done_us, known_us), (first_us, last_us) = worked, tried
    closed_us = int(done_us[place]) if place < len(done_us) else None
    if closed_us is not None:
        last_us = min(last_us, closed_us)
    before = int(np.searchsorted(known_us, first_us, side="right"))
    after = int(np.searchsorted(known_us, last_us, side="left"))
    return Gap(
        from_us=int(known_us[before - 1]) if before else 0,
        to_us=None if closed_us is None else min(closed_us, int(known_us[after])),
        proved=(first_us, last_us),
        failed=failed,
        apart_us=apart_us,
    )


def unprobed(known_us: Integers, found: Sequence[Gap], span: Span, *, late: int) -> list[Gap]:
    """Stretches of a span, longer than `late`, in which nothing is known to have worked, and that are part
    of no window."""
    start_us, end_us = span
    inside = known_us[(known_us > start_us) & (known_us < end_us)]
    edges = np.concatenate(([start_us], inside, [end_us]))
    stretches = []
    for n in np.flatnonzero(np.diff(edges) > late).tolist():
        begin, end = int(edges[n]), int(edges[n + 1])
        if not any(one.from_us <= begin and (one.to_us is None or end <= one.to_us) for one in found):
            stretches.append(Gap(from_us=begin, to_us=end, proved=None, failed=0))
    return stretches


def failed_or_late(traffic: Traffic, *, late: int | Integers, landmarks: Landmarks) -> Flags:
    """What was due and failed or waited too long. What the end of the run cut off (not what timed out
    or got an error) counts by how long it had waited by then."""
    not_sent = traffic.with_outcome(Outcome.NOT_SENT)
    cut_off = ~traffic.done | (traffic.cancelled & (traffic.ended_us >= landmarks.workload_ends_us))
    excused = not_sent | traffic.with_outcome(Outcome.ACKED) | cut_off
    found: Flags = ~excused | (_over_us(traffic, landmarks) - traffic.due_us > late)
    return found


def _over_us(traffic: Traffic, landmarks: Landmarks) -> Integers:
    """Until when an operation waited: its end, that of its phase if it was never sent, or the workload's."""
    ends = [landmarks.spans.get(phase, (0, landmarks.workload_ends_us))[1] for phase in PHASES]
    over_us: Integers = np.where(traffic.done, traffic.ended_us, landmarks.workload_ends_us)
    not_sent = traffic.with_outcome(Outcome.NOT_SENT)
    return np.where(not_sent, np.array(ends, np.int64)[traffic.phase], over_us)


def late_us(traffic: Traffic) -> int:
    """From which wait on an operation of this kind counts as late."""
    waits = acked_waits_us(traffic, traffic.in_phase(Phase.BASELINE))
    usual = LATE_FACTOR * percentile(waits, 0.99) if len(waits) else LATE_AT_LEAST_US
    return min(max(usual, LATE_AT_LEAST_US), LATE_AT_MOST_US)


def sides(history: History) -> dict[str, str]:
    """Web server -> its side of the run's partition, for the whole run. One that was ever cut off
    together with a primary counts there: that side is the one that gets overlooked."""
    traffic = traffic_of(history)
    count = len(traffic.client_sides)
    found: dict[str, str] = {}
    for pair in np.flatnonzero(
        np.bincount(traffic.web_server.astype(np.int32) * count + traffic.client_side)
    ).tolist():
        web_server, side = traffic.web_servers[pair // count], traffic.client_sides[pair % count]
        found[web_server] = max(found.get(web_server, side), side, key=_OVERLOOKED.index)
    return found


def windows_from(found: Iterable[Gap], kind: str, group: str, landmarks: Landmarks) -> tuple[Window, ...]:
    """As they are reported: those in which something was due."""
    return tuple(
        Window(
            kind=kind,
            group=group,
            start_s=(gap.from_us - landmarks.zero_us) / 1e6,
            duration_s=gap.duration_s,
            failed=gap.failed,
        )
        for gap in found
        if gap.proved is not None
    )


def longest(durations: Iterable[Interval]) -> Interval:
    """Seconds of the longest; zero where there is none."""
    durations = list(durations)
    return Interval(
        low=max((one.low for one in durations), default=0.0),
        high=max((one.high for one in durations), default=0.0),
    )


def total(durations: Iterable[Interval]) -> Interval:
    """Seconds of all together."""
    durations = list(durations)
    return Interval(low=sum(one.low for one in durations), high=sum(one.high for one in durations))


def worst_of(groups: Mapping[str, Sequence[Window]]) -> Sequence[Window]:
    """The windows of the group with the longest single window."""

    def badness(windows: Sequence[Window]) -> tuple[float, float]:
        durations = [window.duration_s for window in windows]
        return longest(durations).low, total(durations).low

    return max(groups.values(), key=badness, default=())


def _name(shard: int | None, side: str) -> str:
    words = [f"shard {shard}"] if shard is not None else []
    if side != "all":
        words.append(side)
    return ", ".join(words) or "all"
