"""The loss budget of a run: what its faults may have cost at most, and whether it lost more than that.

Budgets are intervals on the run's clock, because losses are not only counted from a fault onwards:
what a killed primary takes along was acked just *before* its end. The rules are in `loss_rules`.

Nothing can be over a budget that does not exist: a fault without a bound (a flush) leaves unjudged what was
acked on its shard while it can have taken that away; where a fault has no rule at all, what was lost is
undecided. So is a write that is over a budget by less than this machine was late. Trap: that is about this
write alone; the others of its shard, and those of other shards, are judged as if it had not been.

Trap: an ack is read when somebody comes to it, and an application of somebody's own answers a page long
after it stored something. A write was carried out at some moment between its sending and its ack, and is over
a budget only if all of these moments are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

from harness.checks.facts.causes import OR_RACE
from harness.checks.facts.hits import Hit, copied_until_us, node_timeout_s
from harness.checks.facts.host_lateness import lateness_between
from harness.checks.facts.of_run import Facts, facts_of
from harness.checks.facts.promotions import Owner
from harness.checks.facts.struck import targets_of
from harness.checks.promises.check import Counted
from harness.checks.promises.loss_rules import (
    CLUSTER_SLACK_S,
    DEMOTED_WITHIN_S,
    RULES,
    Allowed,
)
from harness.checks.wording import seconds_text
from harness.model.finding_kind import BY_SHARD, WITNESSED, FindingKind, FindingTrait, Limit
from harness.model.history import History
from harness.model.judgement import Finding, LossBudget
from harness.model.records import Event
from harness.model.scenario import FaultStep
from harness.model.times import FOREVER, NEVER
from harness.model.words import FindingSide, Trait

# One for a shard, from the write that is furthest out.
OVER_BUDGET = FindingKind(
    name="over-budget",
    side=FindingSide.CLOSED,
    sentence="more was lost than the settings of the topology allow",
    needs=WITNESSED,
    parts=BY_SHARD,
    out_of=None,
    traits=(FindingTrait.TIMED,),
    limit=Limit.LOSS_BUDGET,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOut:
    """When a lost write was carried out at the earliest and at the latest, in seconds after the first fault's
    effect, and which node acked it."""

    from_s: float
    by_s: float
    node: str | None

    @classmethod
    def of(cls, lost: Finding, facts: Facts) -> Self:
        assert lost.t_us is not None  # `_by_shard` leaves those without out
        zero_us, apart_us = facts.landmarks.zero_us, facts.history.clocks_apart_us
        sent_us = lost.t_us if lost.sent_us is None else lost.sent_us
        return cls(
            from_s=(sent_us - apart_us - zero_us) / 1e6,
            by_s=(lost.t_us + apart_us - zero_us) / 1e6,
            node=lost.node,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A lost write that no budget covers."""

    lost: Finding
    by_s: float
    """Beyond the nearest budget; infinite: no fault may have cost it at any time."""
    excuse: str = ""
    """Why it may be this machine's doing; empty: it is not."""

    @property
    def proved(self) -> bool:
        """Neither the machine nor two requests of an application may have done it."""
        return not self.excuse and OR_RACE not in self.lost.because


def loss_budgets(facts: Facts) -> tuple[LossBudget, ...]:
    """One budget for every proved effect and node, and for every failover that no fault explains."""
    return facts.history.once(_loss_budgets)


def _loss_budgets(history: History) -> tuple[LossBudget, ...]:
    if not history.effects:
        return ()
    facts = facts_of(history)
    zero_us = facts.landmarks.zero_us
    steps = {step.number: step for step in history.plan.scenario.faults}
    found: list[LossBudget] = []
    explained: set[Owner] = set()
    for event in history.effects:
        step = steps.get(event.fault or 0)
        if step is None:
            continue
        struck = (*targets_of(event, history), *_left_behind(step, event, facts))
        hits = [Hit.of(facts, step, event, name) for name in struck]
        mine = _of_fault(step, event, hits, zero_us)
        found += mine
        if Trait.CAUSES_FAILOVER in step.traits:
            # One budget for all, where there is no rule; behind those of the nodes, what may be lost later.
            pairs = zip(hits, mine, strict=False)
            explained |= {taken for hit, one in pairs if (taken := _explained(hit, one)) is not None}
    found += _unasked(facts, explained, zero_us)
    return tuple(found)


def judge_budget(facts: Facts, losses: Iterable[Finding]) -> Counted:
    """Lost writes that no fault's budget covers at the time of their ack; undecided where nobody knows what
    a fault may cost, or whether it was the fault.

    One finding per shard. The effect counts at its latest, and the write at each moment at which it may have
    been carried out, with as much more as the load engine's clock is off.
    """
    counted = Counted()
    unruled = {step.number for step in facts.history.plan.scenario.faults if step.kind not in RULES}
    for mine, over in _beyond(facts, losses):
        without_rule = any(one.fault in unruled for one in mine)
        proved = [one for one in over if one.proved]
        if proved:
            worst = max(proved, key=lambda one: one.by_s)
            counted.findings.append(_finding(worst.lost, len(proved), mine, facts))
        elif over or without_rule:
            counted.undecidable[OVER_BUDGET.name] = counted.undecidable.get(OVER_BUDGET.name, 0) + 1
    return counted


def excuses(facts: Facts, losses: Iterable[Finding]) -> tuple[str, ...]:
    """Why lost writes that no budget covers may be this machine's doing."""
    found = (one.excuse for _, over in _beyond(facts, losses) for one in over)
    return tuple(dict.fromkeys(filter(None, found)))


def _beyond(facts: Facts, losses: Iterable[Finding]) -> Iterator[tuple[list[LossBudget], list[Over]]]:
    """For each shard with lost writes: its budgets, and what they do not cover."""
    for shard, members in _by_shard(facts, losses).items():
        budgets = [one for one in loss_budgets(facts) if shard is None or one.shard in {None, shard}]
        yield budgets, _over(facts, members, budgets)


def _by_shard(facts: Facts, losses: Iterable[Finding]) -> dict[int | None, list[Finding]]:
    """Each lost write once; of several that speak of it, one that is sure of its cause."""
    if not loss_budgets(facts):
        return {}
    lost: dict[int | None, dict[tuple[int, ...], Finding]] = {}
    for one in sorted(losses, key=lambda one: OR_RACE in one.because):
        if one.t_us is not None:
            lost.setdefault(one.shard, {}).setdefault(one.operations[:1], one)
    return {shard: list(writes.values()) for shard, writes in lost.items()}


def _over(facts: Facts, losses: Iterable[Finding], budgets: Sequence[LossBudget]) -> list[Over]:
    """Those of a shard that none of its budgets covers."""
    at_all = lateness_between(facts, NEVER, FOREVER).of_nodes
    most_s = at_all.most_s  # of many writes, few are near enough to ask for more
    found = []
    for lost in losses:
        write = CarriedOut.of(lost, facts)
        by_s, _ = _nearest(write, budgets)
        if by_s > 0:
            near = budgets if by_s < most_s else ()
            excused = (_excuse(facts, write, one) for one in near)
            found.append(Over(lost=lost, by_s=by_s, excuse=next(filter(None, excused), "")))
    return found


def _excuse(facts: Facts, write: CarriedOut, budget: LossBudget) -> str:
    """A machine that is late meanwhile stretches what a timer measures. It does nothing to a moment of the
    run, to what the successor had by its offsets, or to what no fault may cost at any time."""
    by_s = _outside_s(write, budget)
    if by_s == float("inf"):
        return ""
    if budget.from_s is not None and write.by_s < budget.from_s:
        timer_s, begin_s, end_s = budget.from_timer_s, write.by_s, budget.from_s + budget.from_timer_s
    else:
        assert budget.until_s is not None  # else it would cover this write
        timer_s, begin_s, end_s = budget.until_timer_s, budget.until_s - budget.until_timer_s, write.from_s
    if not timer_s:
        return ""
    zero_us = facts.landmarks.zero_us
    machine = lateness_between(facts, zero_us + begin_s * 1e6, zero_us + end_s * 1e6).of_nodes
    late = machine.explains(by_s, timer_s + by_s)
    return machine.said_of_excess(by_s, timer_s + by_s) if late else ""


def _of_fault(step: FaultStep, event: Event, hits: Sequence[Hit], zero_us: int) -> list[LossBudget]:
    rule = RULES.get(step.kind)
    if rule is not None and hits:
        allowed = [(hit, _judged(hit, rule)) for hit in hits]
        later = [(hit, one.then) for hit, one in allowed if one.then is not None]
        return [_budget(hit, one, zero_us) for hit, one in (*allowed, *later)]
    if rule is None:
        bound_s, said = None, f"the kit has no rule for what `{step.kind}` may cost"
    else:  # a web server, which is no part of any shard
        bound_s, said = 0.0, "a web server holds no sessions: all acked writes are in Redis"
    return [
        LossBudget(fault=step.number, what=_what(step, event), shard=None, bound_s=bound_s, derivation=said)
    ]


def _left_behind(step: FaultStep, event: Event, facts: Facts) -> Iterator[str]:
    """Primaries on the other side of a cut in which one of their replicas was promoted: most of those that
    decide are there, and the primary goes on with its clients until it hears of it."""
    ways = step.options.get("from", "everybody") in {"nodes", "everybody"}
    if not ways or Trait.CUTS_LINKS not in step.traits or Trait.STOPS_PROCESS in step.traits:
        return
    since_us, apart = event.t_us - event.error_us, targets_of(event, facts.history)
    ends = (one.t_us for one in facts.history.events if (one.name, one.fault) == ("healed", step.number))
    until_us = min((t_us for t_us in ends if t_us >= event.t_us), default=FOREVER)
    for shard in dict.fromkeys(facts.shards.of(name, since_us) for name in apart):
        owner = None if shard is None else facts.ownership.owner_at(shard, since_us)
        if owner is None or owner in apart:
            continue
        taken = facts.ownership.owner_after(owner, since_us)
        if taken is not None and taken.node in apart and since_us < taken.from_us <= until_us:
            yield owner


def _explained(hit: Hit, budget: LossBudget) -> Owner | None:
    """The failover that followed from a fault. Where the fault may cost nothing it did not, or not as its
    rule has it: that failover has a budget of its own, unless it was asked for."""
    asked_for = Trait.HANDS_OVER in hit.step.traits
    taken = hit.successor if asked_for else hit.led_to
    if taken is None or taken.by_us < hit.since_us:
        return None
    return None if budget.costs_nothing and not asked_for else taken


def _judged(hit: Hit, rule: Callable[[Hit], Allowed]) -> Allowed:
    return rule(hit) if hit.holds_promises else Allowed(f"{hit.node.name} holds no sessions")


def _budget(hit: Hit, allowed: Allowed, zero_us: int) -> LossBudget:
    budget = LossBudget(
        fault=hit.step.number,
        what=_what(hit.step, hit.event),
        shard=hit.shard,
        bound_s=allowed.bound_s,
        typical_s=allowed.typical_s,
        derivation=allowed.derivation,
    )
    if allowed.bound_s is not None and allowed.until_us is None:
        return budget
    since_us = allowed.since_us
    if since_us is None:
        since_us = copied_until_us(hit.facts, hit.node, hit.successor, hit.since_us)
    whoever = allowed.since_us == NEVER or _struck_as_well(hit)
    return replace(
        budget,
        effect_s=(hit.event.t_us - zero_us) / 1e6,
        from_s=None if since_us in {None, NEVER} else (since_us - zero_us) / 1e6,
        from_timer_s=allowed.since_timer_s,
        until_s=None if allowed.until_us in {None, FOREVER} else (allowed.until_us - zero_us) / 1e6,
        until_timer_s=allowed.until_timer_s,
        **_succession(hit.facts, hit.shard, None if whoever else hit.successor, zero_us),
    )


def _struck_as_well(hit: Hit) -> bool:
    """The same fault struck its successor, perhaps after that had taken over: nodes are restarted in turn."""
    return hit.successor is not None and hit.successor.node in targets_of(hit.event, hit.history)


def _succession(facts: Facts, shard: int, successor: Owner | None, zero_us: int) -> dict[str, Any]:
    """None where it was undone, and so took along what the successor had confirmed."""
    if successor is None or facts.ownership.undone(shard, successor):
        return {}
    return {"successor": successor.node, "succeeded_s": (successor.by_us - zero_us) / 1e6}


def _what(step: FaultStep, event: Event) -> str:
    return f"{step.kind} {event.node}" if event.node else step.kind


def _unasked(facts: Facts, explained: set[Owner], zero_us: int) -> Iterable[LossBudget]:
    """A failover that no fault of the list set off deposes a primary all the same."""
    topology = facts.history.plan.scenario.deployment.topology
    for shard, owners in facts.ownership.owners.items():
        for before, owner in pairwise(owners):
            if owner in explained or owner.node == before.node:
                continue
            if facts.history.plan.inventory.clustered:
                timeout_s = node_timeout_s(facts.settings.at(before.node, owner.by_us), topology)
                more_s = 1.5 * timeout_s + CLUSTER_SLACK_S
                derivation = f"1.5 × cluster-node-timeout {timeout_s:g} s + {CLUSTER_SLACK_S:g} s"
            else:
                more_s = DEMOTED_WITHIN_S
                derivation = f"{more_s:g} s until Sentinel has demoted {before.node}"
            copied_us = copied_until_us(facts, facts.history.plan.node(before.node), owner, owner.from_us)
            yield LossBudget(
                fault=None,
                what=f"a failover to {owner.node} that no fault requested",
                shard=shard,
                bound_s=more_s,
                derivation=derivation,
                effect_s=(owner.by_us - zero_us) / 1e6,
                from_s=None if copied_us is None else (copied_us - zero_us) / 1e6,
                until_s=(owner.by_us - zero_us) / 1e6 + more_s,
                until_timer_s=more_s,
                **_succession(facts, shard, owner, zero_us),
            )


def _nearest(write: CarriedOut, budgets: Iterable[LossBudget]) -> tuple[float, LossBudget | None]:
    """How far outside of every budget a write lies, in seconds, 0: within one; and the budget that it is
    nearest to. None: there is no budget."""
    outside = ((_outside_s(write, one), one) for one in budgets)
    return min(outside, key=lambda pair: pair[0], default=(float("inf"), None))


def _outside_s(write: CarriedOut, budget: LossBudget) -> float:
    if budget.costs_nothing or _of_successor(write, budget):
        return float("inf")
    before_s = 0.0 if budget.from_s is None else budget.from_s - write.by_s
    after_s = 0.0 if budget.until_s is None else write.from_s - budget.until_s
    return max(0.0, before_s, after_s)


def _of_successor(write: CarriedOut, budget: LossBudget) -> bool:
    """Whether it was carried out by who had taken over by then."""
    if write.node is None or budget.succeeded_s is None:
        return False
    return write.node == budget.successor and write.from_s > budget.succeeded_s


def _finding(worst: Finding, count: int, budgets: Sequence[LossBudget], facts: Facts) -> Finding:
    write, t_s = CarriedOut.of(worst, facts), ((worst.t_us or 0) - facts.landmarks.zero_us) / 1e6
    when = f"{seconds_text(abs(t_s))} {'after' if t_s >= 0 else 'before'} the first fault's effect"
    _, nearest = _nearest(write, budgets)
    if nearest is None:
        allowed = "and no fault hit that shard"
    elif nearest.costs_nothing:
        allowed = f"and {_said(nearest)} may cost nothing: {nearest.derivation}"
    elif _of_successor(write, nearest):
        allowed = f"by {worst.node}, which had taken over: {_said(nearest)} cannot have cost that"
    else:
        edges = f"{_at(nearest.from_s, 'the beginning')} to {_at(nearest.until_s, 'the end')}"
        allowed = f"while {_said(nearest)} explains losses from {edges} ({nearest.derivation})"
    writes = "an acked write that is lost was" if count == 1 else f"{count} acked writes that are lost were"
    return replace(
        worst,
        name=OVER_BUDGET.name,
        side=OVER_BUDGET.side,
        sentence=(
            f"On shard {worst.shard} {writes} acked beyond the loss budget, the worst {when}, {allowed}; "
            f"measured to {seconds_text(write.by_s - write.from_s)}."
        ),
        operations=worst.operations[:1],
        observations=count,
    )


def _said(budget: LossBudget) -> str:
    return budget.what if budget.fault is None else f"fault {budget.fault} ({budget.what})"


def _at(t_s: float | None, otherwise: str) -> str:
    return otherwise if t_s is None else f"{t_s:+z.2f} s"
