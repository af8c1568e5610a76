"""What a history means: findings, measurements, expectations met or not, one verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.model.words import Cause, FindingSide, Shows, Verdict

INFINITE = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measurement that evidence bounds from both sides. `high` may be infinite (censored)."""

    low: float
    high: float

    @property
    def exact(self) -> bool:
        return self.low == self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken promise, with its evidence."""

    name: str
    side: FindingSide
    session: str | None = None
    user: str | None = None
    cause: Cause = Cause.NOT_DETERMINED
    because: str = ""
    """The evidence that decided the cause, one clause."""
    sentence: str = ""
    """What happened, for a person, one sentence."""
    operations: tuple[int, ...] = ()
    """Ids, in the order of the story: the promise, what broke it, what saw it."""
    node: str | None = None
    """The node that acknowledged the promise."""
    node_role: str = ""
    """Its role then: primary, deposed primary, replica."""
    run_id: str = ""
    web_server: str | None = None
    client_side: str = "all"
    shard: int | None = None
    t_us: int | None = None
    """When the promise was made (the lost write was acked, the undone logout was acked, ...)."""
    sent_us: int | None = None
    """When the attempt that was acked had been sent: what was promised was carried out between the two."""
    seen_us: int | None = None
    """When it was first observed broken."""
    observations: int = 1
    waited: bool | None = None
    """Whether WAIT had counted enough replicas for the promise; None: nobody asked for any."""


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The order in which findings are kept and shown: by which somebody gets in who must not come first,
    then by when the promise was made, or else by when it was seen broken."""
    return sorted(findings, key=_place)


def _place(one: Finding) -> tuple[bool, int, str]:
    when = one.seen_us if one.t_us is None else one.t_us
    return one.side is not FindingSide.OPEN, 0 if when is None else when, one.name


def by_name(findings: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    """Findings of one name together, for lists of names: those with somebody who gets in come first, then
    the most frequent."""
    names: dict[str, list[Finding]] = {}
    for finding in findings:
        names.setdefault(finding.name, []).append(finding)
    return sorted(names.items(), key=lambda item: (not lets_in(item[1]), -len(item[1]), item[0]))


def lets_in(findings: Iterable[Finding]) -> bool:
    """Whether by any of them somebody gets in, or stays in, who must not."""
    return any(one.side is FindingSide.OPEN for one in findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """An unavailability window of one kind of operation. `duration_s` is an interval: from how long something
    was due and failed or waited, to how long nothing succeeded; one still open at the end is [so far,
    infinite)."""

    kind: str
    group: str
    """`all`, `shard 2`, `with-primary`, ...; `worst` windows repeat the worst group's."""
    start_s: float
    """When it began at the earliest, in seconds after the first fault's effect (negative: before it)."""
    duration_s: Interval
    failed: int
    """Due operations in it that failed or waited too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRow:
    """Milliseconds from the due time, acked operations."""

    kind: str
    phase: str
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FailoverStep:
    """One stage of a failover; `t_s` None with the reason it is not known."""

    step: str
    shard: int
    t_s: float | None
    """Seconds after the proved effect of the fault that caused this failover."""
    error_s: float = 0.0
    source: str = ""
    reason: str = ""
    """Why it is not known, or what went before it: attempts that were aborted."""
    failover: int = 1
    """Which of its shard's, in order; one that never came about is the last."""
    fault: int | None = None
    """The number of the fault that it is counted from."""

    @property
    def which(self) -> str:
        """Of which failover, for people."""
        counted = "" if self.fault is None else f", from fault {self.fault}"
        return f"{self.failover} of shard {self.shard}{counted}"

    @property
    def said(self) -> str:
        """Who tells of it, and what else there is to say."""
        return "; ".join(part for part in (self.source, self.reason) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCounts:
    """Sessions after recovery. `at_risk`: those that the fault could have hurt, and those that were."""

    total: int = 0
    at_risk: int = 0
    intact: int = 0
    broken: int = 0
    undecidable: int = 0
    logged_out: int = 0
    """Sessions whose user was put out without asking for it."""
    maybe_logged_out: int = 0
    """More of the undecidable ones, whose user may have been."""
    got_back_in: int = 0
    """Of those, how many users logged in again later in the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossBudget:
    """What a fault may cost at most: acked writes that lie within [from, until] may be lost."""

    fault: int | None
    """Its number; None: a failover that no fault of the list set off."""
    what: str
    """`isolate redis-1`."""
    shard: int | None
    """None: the fault is about no shard."""
    bound_s: float | None
    """How long the loss may go on, from the fault's effect; for a primary that is gone at once, until
    it. 0: nothing may be lost. None: nothing bounds it, and `derivation` is the reason: how much is lost of
    what was acked within these times is not judged."""
    derivation: str
    """`1.5 × cluster-node-timeout 3 s + 0.3 s`."""
    typical_s: float | None = None
    effect_s: float = 0.0
    """The fault's effect, in seconds after the first fault's, like the two that follow."""
    from_s: float | None = None
    """None, where something may be lost: how far back is not known."""
    from_timer_s: float = 0.0
    """How long the node's timer runs that `from_s` counts back by, which a late machine stretches; 0: none
    does, offsets or a moment of the run prove it."""
    until_s: float | None = None
    """None: nothing may be lost, or, without a bound, to the end of the run."""
    until_timer_s: float = 0.0
    """The same of the timer that ends at `until_s`."""
    successor: str | None = None
    """Who took the place of the node that was struck: what it acked from `succeeded_s` on, the fault cannot
    have cost."""
    succeeded_s: float | None = None

    @property
    def costs_nothing(self) -> bool:
        return self.bound_s is not None and self.until_s is None

    @property
    def window_s(self) -> float | None:
        """The same bound for a loss window, which counts from the first fault's effect."""
        if self.bound_s is None or self.until_s is None:
            return self.bound_s
        return max(self.bound_s, self.until_s)


def governing(budgets: Iterable[LossBudget], shard: int | None = None) -> LossBudget | None:
    """The budget that bounds the loss window: one without a bound, else the one that ends last."""
    mine = [one for one in budgets if shard is None or one.shard in {None, shard}]
    unbounded = (one for one in mine if one.bound_s is None)
    return next(unbounded, None) or max(mine, key=lambda one: one.window_s or 0.0, default=None)


def percent(part: int, whole: int) -> str:
    """A share that is neither none nor all is never shown as 0 % or 100 %."""
    rounded = round(100 * part / whole)
    if rounded == 0 and part:
        return "< 1 %"
    return "> 99 %" if rounded == 100 and part < whole else f"{rounded} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUse:
    """What one data node had to bear during the run; None: nobody recorded it."""

    node: str
    memory_bytes: int | None = None
    """At its highest sample."""
    connections: int | None = None
    """Of web servers, the most that were open at the same time."""
    new_connections: int | None = None
    """Of web servers, the most that were opened within a second."""
    cluster_down_s: Interval | None = None
    """The longest time for which it said `cluster_state:fail`; None also where there is no cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    outages: tuple[Window, ...] = ()
    worst_outage: Window | None = None
    """The longest of any kind of operation and web server, which is its group; None: there was none."""
    without_survivor: Window | None = None
    """The longest time of any web server without a write that survived; None: there was none. Its upper end
    is not known where `losses_unknown` says so."""
    logouts_failed: int = 0
    """Sessions whose user asked for a logout and was never told that it was done."""
    let_in: Interval | None = None
    """Findings by which somebody gets in, or stays in, who must not: proved, and possible. None: a run
    that was judged before this was counted."""
    latency: tuple[LatencyRow, ...] = ()
    failover_steps: tuple[FailoverStep, ...] = ()
    sessions: SessionCounts = field(default_factory=SessionCounts)
    operations: dict[str, int] = field(default_factory=dict)
    """acked, rejected, unknown, not_sent."""
    by_behaviour: dict[str, dict[str, int]] = field(default_factory=dict)
    by_second: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """outcome -> count per second of done (not_sent: due) time from the run's start."""
    lag_at_fault_bytes: int | None = None
    """Slowest replica of the target's shard in the last sample before the first fault's effect."""
    loss_window_s: Interval | None = None
    lost_before_s: float = 0.0
    """How long before the first fault's effect the earliest lost write was acked."""
    loss_budgets: tuple[LossBudget, ...] = ()
    """Per proved effect and node, in the order of the faults."""
    writes_acked_after_fault: int = 0
    writes_lost: int = 0
    failovers: int = 0
    evicted_keys: dict[str, int] = field(default_factory=dict)
    """Purpose (sessions, cache) -> keys evicted during the run."""
    memory_bytes: int | None = None
    """What all data nodes used together, each at its highest sample; None: no sample says."""
    nodes: tuple[NodeUse, ...] = ()
    """In the order of the plan; empty: a run that was judged before this was measured."""
    refused_login_s: float = 0.0
    starved: str = ""
    """By how much this machine was late, where that is too much for the tightest bound; empty: it is not."""
    lateness_known: bool = True
    """False: nothing says how this machine was doing."""
    losses_unknown: str = ""
    """Why more acked writes may be lost than were found; empty: what was found is all."""
    sessions_unknown: str = ""
    """The same for sessions."""
    measured: dict[str, Interval] = field(default_factory=dict)
    """Expectation text -> measured interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationResult:
    text: str
    measured: str
    """As shown to people, with its unit."""
    low: float
    high: float
    met: bool | None
    """None: undecided, or left aside."""
    why: str = ""
    aside: bool = False
    """It is about another engine than this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    verdict: Verdict
    reasons: tuple[str, ...]
    """Sentences, the deciding one first."""
    shows: Shows
    findings: tuple[Finding, ...] = ()
    """Open ones first, then by time."""
    counts: dict[str, Interval] = field(default_factory=dict)
    """Finding name -> [proved, proved + undecidable]."""
    expectations: tuple[ExpectationResult, ...] = ()
    metrics: Metrics = field(default_factory=Metrics)
    evidence: tuple[str, ...] = ()
    """What is missing from the evidence; each makes something undecided."""
