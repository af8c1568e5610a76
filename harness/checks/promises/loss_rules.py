"""What each kind of fault may cost at most: an upper bound for lost acked writes, with its derivation.

Asynchronous replication loses what was acked and not copied; how long that can go on follows from
the nodes' settings, as they were at the time: faults change settings, too. `RULES` holds one rule per
fault, a function from a `Hit` to what is `Allowed`: this arithmetic is each fault's own, and does not
follow from its traits. Where nothing bounds a loss (a flush, an eviction, a restart without persistence)
a rule says so. Whether a run lost more is asked in `loss_budget`.

Trap: the bounds hold for the nodes' own timers; on a starved host these are late themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from harness.checks.facts.hits import Hit, copied_until_us
from harness.checks.facts.promotions import NOTICED, PUBLISHED, Owner
from harness.checks.facts.settings import directive_set
from harness.checks.facts.struck import full_since_us, saved_by_hand, targets_of
from harness.checks.wording import seconds_text
from harness.model.inventory import NodePlan
from harness.model.persistence import (
    HELD_BACK_S,
    LOG,
    NOTHING,
    SNAPSHOT,
    holds_back,
    persistence,
    setting,
    waits_in_memory,
)
from harness.model.times import FOREVER, NEVER
from harness.model.words import Discovery, Trait

DEMOTED_WITHIN_S = 20.0
"""A primary that was replaced behind Sentinel's back: Sentinel waits 8 s before it corrects a node
that calls itself master, and learns of it from an INFO that it sends every 10 s; measured 8-18 s."""
DEMOTED_USUALLY_S = 10.0
CLUSTER_SLACK_S = 0.3
"""A cut-off primary notices after node-timeout without an answer to a ping that went out up to half a
node-timeout late, then on its next tick. Measured 3.16-4.50 s with a node-timeout of 3 s."""
CLUSTER_SILENT_S = 2.0
"""CLUSTER_WRITABLE_DELAY: a primary that was started answers no request for so long."""
CLUSTER_USUALLY = 1.25
"""Times node-timeout."""
HANDED_OVER_USUALLY_S = 0.03
"""CLUSTER FAILOVER FORCE and TAKEOVER: the new primary tells the old one at once."""
SYNCED_S = 3.0
"""`appendfsync everysec`: one sync begins each second; writes wait for one that takes longer than 2 s."""
SYNCED_USUALLY_S = 1.0
MIN_REPLICAS_S = 2.0
"""Beyond min-replicas-max-lag: a replica's last report may be 1 s old, and lags are counted once a second."""
MIN_REPLICAS_SLACK_S = 0.7
MIN_REPLICAS_USUALLY_S = 1.0


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a rule allows: losses of what was acked within [since, until]. `bound_s` 0 without `until_us`:
    none at all; `bound_s` None: nothing bounds how much of that time, `until_us` None then: it has no end."""

    derivation: str
    bound_s: float | None = 0.0
    typical_s: float | None = None
    until_us: float | None = None
    since_us: float | None = None
    """What was acked before this moment, it allows no loss of; None: of what the successor had; `NEVER`: what
    it takes away may be of any age, whoever acked it."""
    since_timer_s: float = 0.0
    """How long the node's timer runs that `since_us` counts back by, which a late machine stretches; 0: none
    does, offsets or a moment of the run prove it."""
    until_timer_s: float = 0.0
    """The same of the timer that ends at `until_us`."""
    then: Allowed | None = None
    """What it may cost besides, later."""


def _after(start_us: float, hit: Hit, more_s: float, usual_s: float, derivation: str) -> Allowed:
    """Until so many seconds after a moment, which the derivation names; counted from the effect."""
    begun_s = (start_us - hit.event.t_us) / 1e6
    return Allowed(
        derivation=derivation,
        bound_s=max(0.0, begun_s + more_s),
        typical_s=max(0.0, begun_s + usual_s),
        until_us=start_us + more_s * 1e6,
        until_timer_s=more_s,
    )


def _of_any_age(until_us: float, derivation: str) -> Allowed:
    """Whatever was acked by then, by any node, without a bound."""
    return Allowed(derivation, bound_s=None, until_us=until_us, since_us=NEVER)


def _not_primary(hit: Hit) -> Allowed:
    return Allowed(f"{hit.node.name} was no primary; its primary has the same data")


def _behind(hit: Hit) -> Allowed:
    """A primary that is gone at once takes along what its successor had not received."""
    copied_us = copied_until_us(hit.facts, hit.node, hit.successor, hit.since_us)
    if copied_us is None:
        said = f"it is not known how far the replicas of {hit.node.name} were behind"
        return Allowed(said, bound_s=None, until_us=hit.event.t_us)
    return Allowed(
        derivation=f"how far its successor may have been behind {hit.node.name} when that stopped",
        bound_s=(hit.event.t_us - copied_us) / 1e6,
        until_us=hit.event.t_us,
    )


def _kept(hit: Hit, *, orderly: bool) -> Allowed:
    """The same node serves again with what it had stored."""
    if (otherwise := _of_another_file(hit)) is not None:
        return otherwise
    name = hit.node.name
    kept = persistence(hit.node)
    if kept == LOG:
        if Trait.FORGETS_UNSYNCED in hit.step.traits:
            return _synced(hit)
        full_us = full_since_us(name, hit.history, hit.since_us)
        if full_us is not None and waits_in_memory(hit.node):
            said = f"{name}'s volume was full: what it confirmed waits in its memory, however long that lasts"
            waiting = _last_writes(hit, HELD_BACK_S, 0.0, said)
            return replace(waiting, since_us=full_us - HELD_BACK_S * 1e6)
        if not orderly and holds_back(hit.node):
            said = f"a write to {name}'s append-only file waits for a sync that is under way"
            said = f"appendfsync everysec: {said}, {HELD_BACK_S:g} s at most"
            return _last_writes(hit, HELD_BACK_S, 0.0, said)
        return _in_file(hit)
    if kept == SNAPSHOT and orderly and "nosave" not in hit.setting("shutdown-on-sigterm", ""):
        return Allowed(f"{name} saves its data when it is stopped")
    if kept == SNAPSHOT or saved_by_hand(name, hit.history, hit.since_us):
        return _of_any_age(_gone_us(hit), f"{name} comes back with its last snapshot, which may be old")
    return _of_any_age(_gone_us(hit), f"{name} has no persistence, so it comes back empty")


def _of_another_file(hit: Hit) -> Allowed | None:
    """What a node may cost that does not read what it had stored last; None: it reads that."""
    name, stored, read = hit.node.name, persistence(hit.node), persistence(hit.reads)
    if stored == read:
        return None
    if (stored, read) == (NOTHING, SNAPSHOT):
        return _of_any_age(_gone_us(hit), f"{name} comes back with its last snapshot, which may be old")
    off_us = hit.settings.since_us(name, hit.since_us, lambda one: persistence(one) != LOG)
    if read != LOG or off_us == NEVER:
        said = f"{name} was started with another persistence: it does not read what it had stored"
        return _of_any_age(_gone_us(hit), said)
    said = f"{name}'s append-only file was switched off, so it has nothing that was confirmed since"
    return Allowed(said, bound_s=None, since_us=off_us, until_us=_gone_us(hit))


def _in_file(hit: Hit) -> Allowed:
    return Allowed(
        f"{hit.node.name}'s append-only file survives the end of the process (not the loss of a machine)"
    )


def _synced(hit: Hit) -> Allowed:
    """What stands for the append-only file under `kill` is the disk here."""
    if hit.setting(_NOT_ON_REWRITE, "no") == "yes":
        return _unsynced(hit, f"{_NOT_ON_REWRITE}: nothing is synced while a file is rewritten")
    sync = hit.setting("appendfsync", "everysec")
    if sync == "always":
        return _in_file(hit)
    if sync == "no":
        return _unsynced(hit, "appendfsync no: the kernel decides when something comes to the disk")
    said = f"{hit.node.name}'s append-only file was synced at most {SYNCED_S:g} s ago"
    return _last_writes(hit, SYNCED_S, SYNCED_USUALLY_S, f"appendfsync everysec: {said}")


_NOT_ON_REWRITE = "no-appendfsync-on-rewrite"


def _unsynced(hit: Hit, said: str) -> Allowed:
    """However old it is, unless a fault had it so: before that it was synced, as it was set."""
    since_us = hit.settings.since_us(hit.node.name, hit.since_us, _syncs_never)
    return Allowed(said, bound_s=None, since_us=since_us - SYNCED_S * 1e6, until_us=_gone_us(hit))


def _syncs_never(node: NodePlan) -> bool:
    return setting(node, _NOT_ON_REWRITE, "no") == "yes" or setting(node, "appendfsync", "everysec") == "no"


def _gone_us(hit: Hit) -> float:
    """By when its process had ended. Of several nodes that are restarted in turn, each has a moment of its
    own."""
    seen = hit.restart
    return hit.event.t_us if seen is None or seen.from_us <= hit.event.t_us else seen.by_us


def _last_writes(hit: Hit, bound_s: float, usual_s: float, derivation: str) -> Allowed:
    """Of the process that ended, what was acked in its last seconds. One that had been frozen, or that waited
    for its disk, had spent these before: they count back from its last answer."""
    awake_us = hit.since_us if hit.restart is None else hit.restart.from_us
    until_us = _gone_us(hit)
    return Allowed(
        derivation=derivation,
        bound_s=max(bound_s, (until_us - hit.event.t_us) / 1e6),
        typical_s=usual_s,
        until_us=until_us,
        since_us=awake_us - bound_s * 1e6,
        since_timer_s=bound_s,
    )


def _killed(hit: Hit) -> Allowed:
    return _gone(hit, orderly=False)


def _stopped(hit: Hit) -> Allowed:
    return _gone(hit, orderly=True)


def _gone(hit: Hit, *, orderly: bool) -> Allowed:
    if not hit.owned:
        return _not_primary(hit)
    taken, back_us = hit.successor, hit.ended_us
    if taken is not None and (back_us is None or taken.from_us <= back_us):
        return _unless_back(hit, _behind(hit), back_us)
    if back_us is None:
        said = f"no replica took the place of {hit.node.name}, and it stayed down"
        return _of_any_age(hit.event.t_us, said)
    return _unless_replaced(hit, _kept(hit, orderly=orderly), "its late failover")


def _unless_replaced(hit: Hit, kept: Allowed, what: str) -> Allowed:
    """It serves again, and another takes its place all the same."""
    taken = hit.led_to
    if taken is None or not (hit.guarded or hit.in_cluster):
        return kept
    if hit.in_cluster:
        if kept.until_us is None:
            return kept  # what costs nothing leaves the failover a budget of its own
        late = _heard_in_cluster(hit, taken, what)
    else:
        late = _demoted_after(hit, taken.by_us, f"{what} to {taken.node}")
    if kept.bound_s is None:
        return replace(kept, then=late)
    if kept.since_us is None:
        return late
    # Whoever followed it again was given what it had come back with.
    copied_us = copied_until_us(hit.facts, hit.node, taken, hit.since_us)
    if copied_us is None or copied_us < kept.since_us:
        return replace(late, since_us=copied_us)
    return replace(late, since_us=kept.since_us, since_timer_s=kept.since_timer_s)


def _restarted(hit: Hit) -> Allowed:
    if hit.owned:
        if hit.step.options.get("data", "keep") == "empty":
            kept = _of_any_age(_gone_us(hit), f"{hit.node.name} came back empty on purpose")
        elif (otherwise := _of_another_file(hit)) is not None:
            kept = otherwise
        elif hit.was_down:
            kept = Allowed(f"{hit.node.name} was down: counted with what had ended it")
        else:
            kept = _kept(hit, orderly=False)
        return _unless_replaced(hit, kept, "its failover")
    if not hit.replaced:
        return _not_primary(hit)
    if hit.in_cluster:
        return _silent(hit, hit.since_us, hit.event.t_us)
    sent_there = _sent_there(hit, hit.since_us, hit.event.t_us, "its restart")
    return sent_there or Allowed(f"clients ask the sentinels, which no longer name {hit.node.name}")


def _silent(hit: Hit, since_us: float, start_us: float) -> Allowed:
    """What a node of a cluster may cost that was replaced and started again."""
    begun_s = (start_us - hit.event.t_us) / 1e6
    return Allowed(
        f"a cluster node answers nothing for {CLUSTER_SILENT_S:g} s after its start, and learns in that "
        "time which node is primary",
        bound_s=begun_s + CLUSTER_SILENT_S,
        typical_s=begun_s,
        until_us=start_us + CLUSTER_SILENT_S * 1e6,
        since_us=since_us,
        until_timer_s=CLUSTER_SILENT_S,
    )


def _unless_back(hit: Hit, behind: Allowed, back_us: int | None) -> Allowed:
    """The end of the fault itself may bring it back when it had been replaced; a restart that is a fault has
    a rule of its own. It may have been back since the last look that missed it."""
    if back_us is None or back_us not in hit.times("healed", hit.step.number):
        return behind
    missed = [
        one.sent_us
        for one in hit.history.samples
        if one.node == hit.node.name and not one.reachable and hit.event.t_us < one.sent_us <= back_us
    ]
    since_us = max(missed, default=back_us)
    if hit.in_cluster:
        return replace(behind, then=_silent(hit, since_us, back_us))
    start_us = back_us if hit.successor is None else max(back_us, hit.successor.by_us)
    return replace(behind, then=_sent_there(hit, since_us, start_us, "it was back"))


def _sent_there(hit: Hit, since_us: int, start_us: float, event: str) -> Allowed | None:
    """What a primary may cost that was replaced and started again, where clients may have been sent to it."""
    if not hit.guarded:
        return None
    client = hit.history.plan.scenario.deployment.client
    if client.discovery not in {Discovery.ON_ERROR, Discovery.FOLLOW_EVENTS}:
        return _demoted_after(hit, start_us, event)
    late = _still_naming(hit, since_us)
    if not late:
        return None
    return _demoted_after(hit, start_us, f"{event} ({', '.join(late)} may have named it still)")


def _recreated(hit: Hit) -> Allowed:
    if hit.owned:
        said = f"{hit.node.name} was made again: what no named volume holds is gone"
        return _unless_replaced(hit, _of_any_age(_gone_us(hit), said), "its failover")
    return _restarted(hit)


def _unheard(hit: Hit) -> Allowed:
    return Allowed(f"{hit.node.name} keeps its data and its connections")


def _still_naming(hit: Hit, since_us: int) -> list[str]:
    """The sentinels that may have named this node still when it was started again. Whoever leads a failover
    names the new primary once it has seen it; the others when they publish it."""
    taken = hit.successor
    told = [
        one
        for one in hit.history.events
        if taken is not None and one.node == taken.node and one.name in {NOTICED, PUBLISHED}
    ]
    before = {one.source for one in told if one.t_us <= since_us}
    return [one.name for one in hit.history.plan.sentinels() if one.name not in before] if told else []


def _demoted_after(hit: Hit, start_us: float, event: str) -> Allowed:
    begun_s = max(0.0, (start_us - hit.event.t_us) / 1e6)
    demoted = f"until Sentinel has demoted {hit.node.name}"
    if begun_s:
        derivation = f"{seconds_text(begun_s)} until {event} + {DEMOTED_WITHIN_S:g} s {demoted}"
    else:
        derivation = f"{DEMOTED_WITHIN_S:g} s from {event} {demoted}"
    return _after(start_us, hit, DEMOTED_WITHIN_S, DEMOTED_USUALLY_S, derivation)


def _cluster_rule(hit: Hit, start_us: float, usual_s: float, before: str = "") -> Allowed:
    timeout_s = hit.node_timeout_s
    formula = f"1.5 × cluster-node-timeout {timeout_s:g} s + {CLUSTER_SLACK_S:g} s"
    return _after(start_us, hit, 1.5 * timeout_s + CLUSTER_SLACK_S, usual_s, before + formula)


def _heard_in_cluster(hit: Hit, taken: Owner, what: str = "its late failover") -> Allowed:
    """Until a node of a cluster that is there again when it is replaced hears of that."""
    replaced_s = (taken.by_us - hit.event.t_us) / 1e6
    before = f"{seconds_text(replaced_s)} until {what} to {taken.node} + "
    return _cluster_rule(hit, taken.by_us, HANDED_OVER_USUALLY_S, before)


def _min_replicas(hit: Hit) -> Allowed | None:
    """A primary that too few replicas reach refuses writes once their last report is too old. Where faults
    changed what it asks for, that counts from when it asked for them again, and by the longest lag."""
    start_us: float | None = None
    longest_s, beside = 0.0, len(_replicas_beside(hit))
    for spell in hit.settings.between(hit.node.name, hit.since_us, hit.over_us):
        lag_s = _max_lag_s(spell.node, beside)
        if lag_s is None:
            start_us = None
            continue
        start_us = max(hit.event.t_us, spell.from_us) if start_us is None else start_us
        longest_s = max(longest_s, lag_s)
    if start_us is None:
        return None
    formula = f"min-replicas-max-lag {longest_s:g} s + {MIN_REPLICAS_S:g} s + {MIN_REPLICAS_SLACK_S:g} s"
    begun_s = (start_us - hit.event.t_us) / 1e6
    before = f"{seconds_text(begun_s)} until it asked for replicas again + " if begun_s else ""
    more_s = longest_s + MIN_REPLICAS_S + MIN_REPLICAS_SLACK_S
    return _after(start_us, hit, more_s, longest_s + MIN_REPLICAS_USUALLY_S, before + formula)


def _max_lag_s(node: NodePlan, beside: int) -> float | None:
    """How old the last report of its replicas may be; None: it asks for none, or for no more than those that
    report on."""
    needed, lag_s = node.number("min-replicas-to-write", 0), node.number("min-replicas-max-lag", 10)
    return None if needed <= beside or not lag_s else lag_s


def _replicas_beside(hit: Hit) -> list[str]:
    """Those of its replicas that are on its side of the cut, as on one host: they report on."""
    apart = targets_of(hit.event, hit.history)
    members = hit.facts.shards.members(hit.shard, hit.since_us) - {hit.node.name}
    return [name for name in members if (name in apart) is (hit.node.name in apart)]


def _isolated(hit: Hit) -> Allowed:
    if not hit.owned:
        return _not_primary(hit)
    return _apart(hit, _min_replicas(hit))


def _apart(hit: Hit, guard: Allowed | None = None) -> Allowed:
    """A primary whom those that decide cannot reach goes on until it hears that it was replaced, or until
    something stops it: its guard, or in a cluster that it reaches no majority. Where it was reached again
    before it was replaced, nothing stops it from then on."""
    late, heard = hit.late, None
    stops = [guard] if guard is not None else []
    if hit.in_cluster:
        stops.append(_cluster_rule(hit, hit.event.t_us, CLUSTER_USUALLY * hit.node_timeout_s))
        if late is not None:
            heard = _heard_in_cluster(hit, late)
    elif not hit.guarded:
        return Allowed(f"no replica can take the place of {hit.node.name}")
    elif (taken := hit.led_to) is None:
        return _not_replaced(hit)
    elif hit.ended_us is not None:
        heard = _demoted_after(hit, max(hit.ended_us, taken.by_us), "the network healed")
    if not stops:
        return heard or Allowed("the partition was not healed", bound_s=None)
    stopped = min(stops, key=_end_us)
    if heard is None:
        return stopped
    if late is None or _end_us(heard) <= _end_us(stopped):
        return min(stopped, heard, key=_end_us)
    return replace(stopped, then=replace(heard, since_us=hit.over_us))


def _end_us(bound: Allowed) -> float:
    assert bound.until_us is not None  # it was made by `_after`
    return bound.until_us


def _paused(hit: Hit) -> Allowed:
    if not hit.owned:
        return _not_primary(hit)
    if not hit.in_cluster and not hit.guarded:
        return Allowed(f"no replica can take the place of {hit.node.name}, and it keeps what it had")
    ended_us, taken = hit.ended_us, hit.led_to
    if ended_us in hit.struck(Trait.STOPS_PROCESS):
        return _behind(hit)
    if taken is None and not hit.in_cluster:
        return _not_replaced(hit)
    if ended_us is None:
        return Allowed(f"{hit.node.name} was never resumed", bound_s=None)
    if taken is not None and not hit.in_cluster:
        return _demoted_after(hit, max(ended_us, taken.by_us), "it was resumed")
    if (late := hit.late) is not None:
        return _heard_in_cluster(hit, late)
    paused_s = (ended_us - hit.event.t_us) / 1e6
    return _cluster_rule(hit, ended_us, CLUSTER_SLACK_S, f"{seconds_text(paused_s)} until it was resumed + ")


def _not_replaced(hit: Hit) -> Allowed:
    return Allowed(f"it led to no failover, and {hit.node.name} keeps what it had")


def _handed_over(hit: Hit) -> Allowed:
    form = str(hit.step.options.get("form", "default"))
    if form == "coordinated":
        return Allowed("a coordinated failover waits until the replica has all data")
    if not hit.in_cluster:
        return _demoted_after(hit, hit.event.t_us, "the promotion")
    if form == "default":
        return Allowed("CLUSTER FAILOVER waits until the replica has all data")
    return _cluster_rule(hit, hit.event.t_us, HANDED_OVER_USUALLY_S)


def _by_primary(hit: Hit) -> Allowed:
    if hit.step.options.get("force"):
        return _behind(hit)
    return Allowed("FAILOVER waits until the replica has all data, and then the old primary follows it")


def _reattached(hit: Hit) -> Allowed:
    """A node that follows another one discards what it alone had; one that follows nobody divides its
    shard."""
    if hit.step.options.get("to") != "nobody" and not hit.owned:
        return _not_primary(hit)
    return _of_any_age(FOREVER, "REPLICAOF by hand replaces data without asking")


def _flushed(hit: Hit) -> Allowed:
    database = hit.topology.cache_database
    if hit.step.target == "cache" and database and hit.step.options.get("scope", "database") != "all":
        return Allowed(f"the sessions are not in database {database}")
    return _of_any_age(hit.event.t_us, "a flush removes keys of any age")


def _filled(hit: Hit) -> Allowed:
    return _evicting(hit, hit.setting("maxmemory-policy", "noeviction"))


def _evicting(hit: Hit, policy: str) -> Allowed:
    """Until the fault is over, or longer: the policy stays, and others fill the memory too. What nodes of
    another shard evict, or a cache of its own, are no sessions of this one."""
    if policy == "noeviction":
        return Allowed("under noeviction writes are refused and no key is evicted")
    evicted_us, counted, shards = hit.over_us, dict[str, int](), hit.facts.shards
    for sample in hit.history.samples:
        if sample.reachable and shards.of(sample.node, sample.done_us) == hit.shard:
            if sample.evicted_keys > counted.get(sample.node, sample.evicted_keys):
                evicted_us = max(evicted_us, sample.done_us)
            counted[sample.node] = sample.evicted_keys
    return _of_any_age(evicted_us, f"{policy} evicts sessions of any age")


def _buffered(hit: Hit) -> Allowed:
    """Replies that wait count towards the limit of memory."""
    return _filled(hit) if hit.setting("maxmemory", "0") != "0" else _cut(hit)


def _set_anew(hit: Hit) -> Allowed:
    """A limit of memory may evict at once. Other settings take nothing away: where they bound what faults may
    cost, the budgets of these faults go by what held at the time (see `facts.settings`)."""
    told = directive_set(hit.step)
    if told is None or told.name not in {"maxmemory", "maxmemory-policy"}:
        return _cut(hit)
    value = " ".join(told.arguments).lower()
    return _evicting(hit, value) if told.name == "maxmemory-policy" else _filled(hit)


def _kept_waiting(hit: Hit) -> Allowed:
    """Whom sentinels cannot ping they replace; writes alone are no ping, and a cluster has a bus of its
    own."""
    if hit.in_cluster or hit.step.options.get("commands") != "all":
        return _cut(hit)
    return _paused(hit)


def _refusing(hit: Hit) -> Allowed:
    """Where no snapshot could be written, writes are refused, and pings too: sentinels replace it. Where they
    did that for another reason, as somebody killed it, nothing had been refused."""
    taken = hit.led_to
    if hit.owned and hit.guarded and taken is not None and not hit.ended_before(taken):
        return _demoted_after(hit, max(hit.since_us, taken.by_us), "the failover")
    return _cut(hit)


def _links_cut(hit: Hit) -> Allowed:
    """By whom was lost. Without its clients or its replicas a primary stays primary."""
    if not hit.owned:
        return _not_primary(hit)
    peers, port = str(hit.step.options.get("from", "everybody")), str(hit.step.options.get("port", "all"))
    if peers in {"nodes", "everybody"} and not (hit.in_cluster and port == "data"):
        return _apart(hit, _min_replicas(hit))
    return _apart(hit) if peers == "sentinels" else _cut(hit)


def _slowed(hit: Hit) -> Allowed:
    """A primary that is slow to its replicas is behind by what the link cannot carry, which nobody bounds.
    How far they are behind later, offsets say: that counts with what replaces it."""
    if not hit.owned:
        return _not_primary(hit)
    taken, over_us = hit.successor, hit.over_us
    if taken is None or taken.from_us > over_us:
        return _cut(hit)
    hears_s = 1.5 * hit.node_timeout_s + CLUSTER_SLACK_S if hit.in_cluster else DEMOTED_WITHIN_S
    return Allowed(
        f"how far a slow link left the successor of {hit.node.name} behind has no bound",
        bound_s=None,
        until_us=max(over_us, taken.by_us) + hears_s * 1e6,
        until_timer_s=hears_s,
    )


def _cut(hit: Hit) -> Allowed:
    return Allowed(f"{hit.node.name} keeps what it has until another fault takes it away")


def _moved(hit: Hit) -> Allowed:
    """Until they are moved back, keys lie on another shard: what its primary loses meanwhile, they lose.

    No time of an ack bounds that: a key is moved with all that was ever acked of it, and nobody writes down
    when each of them was moved, so it is not known which of them the successor of that primary had."""
    ownership, over_us = hit.ownership, hit.over_us
    harmful = hit.history.plan.scenario.faults_with(*_TAKE_AWAY)
    struck = any(
        hit.since_us <= one.t_us and one.t_us - one.error_us <= over_us
        for one in hit.history.effects
        if one.fault in harmful
        and any(_leads_another(hit, name, one.t_us - one.error_us) for name in targets_of(one, hit.history))
    )
    others = (shard for shard in ownership.owners if shard != hit.shard)
    replaced = any(
        one.from_us <= over_us for shard in others for one in ownership.failovers(hit.since_us, shard)
    )
    if struck or replaced:
        return _of_any_age(
            over_us, f"keys of {hit.node.name} lay on a shard that may have lost some meanwhile"
        )
    return Allowed(f"a key leaves {hit.node.name} once the other shard's primary has it")


def _leads_another(hit: Hit, node: str, t_us: float) -> bool:
    """Whether it was the primary of another shard then."""
    shard = hit.facts.shards.of(node, t_us)
    return shard not in {None, hit.shard} and hit.ownership.owner_at(shard or 0, t_us) == node


_TAKE_AWAY = (
    Trait.CAUSES_FAILOVER,
    Trait.STOPS_PROCESS,
    Trait.STARTS_PROCESS,
    Trait.EMPTIES_DATABASE,
)
"""What faults do that may take away what a node has confirmed."""


def _at_another_time(hit: Hit) -> Allowed:
    return _of_any_age(hit.over_us, f"keys end by the clock of {hit.node.name} wherever it leads")


def _resumed(hit: Hit) -> Allowed:
    return Allowed(f"counted with the pause of {hit.node.name}, which it ends")


def _nothing(hit: Hit) -> Allowed:
    return Allowed(f"nothing was done to {hit.node.name}")


def _written_later(hit: Hit) -> Allowed:
    return Allowed(
        f"only the end of {hit.node.name} loses what it had not written, and counts with that fault"
    )


RULES: Mapping[str, Callable[[Hit], Allowed]] = {
    "kill": _killed,
    "stop": _stopped,
    "restart": _restarted,
    "lose power": _killed,
    "crash": _restarted,
    "recreate": _recreated,
    "silence dns": _unheard,
    "pause": _paused,
    "resume": _resumed,
    "isolate": _isolated,
    "cut": _links_cut,
    "cut replication": _cut,
    "lose": _killed,
    "slow": _slowed,
    "planned failover": _handed_over,
    "hand over": _by_primary,
    "reattach": _reattached,
    "reset sentinels": _cut,
    "reshard": _moved,
    "config set": _set_anew,
    "disconnect clients": _cut,
    "pause clients": _kept_waiting,
    "exhaust connections": _cut,
    "occupy": _paused,
    "monitor": _buffered,
    "slow readers": _buffered,
    "fill": _filled,
    "fill cache": _filled,
    "flush": _flushed,
    "save snapshot": _nothing,
    "fail snapshots": _refusing,
    "fill volume": _refusing,
    "hold syncs": _written_later,
    "skew clock": _at_another_time,
    "kill web server": _nothing,
    "pause web server": _nothing,
    "nothing": _nothing,
}
"""Kind of fault -> what it may cost. A test holds it against the faults that there are; of one that is
not here nobody knows, so what was lost under it is neither within a budget nor over it."""
