"""What a rule asks about one node that was struck, and each rule's whole answer: bound, usual, end, words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from harness.checks.facts.hits import Hit
from harness.checks.facts.of_run import facts_of
from harness.checks.promises.loss_budget import loss_budgets
from harness.checks.promises.loss_rules import RULES, Allowed
from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.records import NodeSample
from harness.model.times import FOREVER, NEVER
from harness.model.words import Discovery, NodePurpose, NodeRole, TopologyKind
from lab.past import Past
from lab.records import us

CLUSTER, SENTINEL, SINGLE = TopologyKind.CLUSTER, TopologyKind.SENTINEL, TopologyKind.SINGLE


def past(
    kind: str,
    topology: TopologyKind = SENTINEL,
    *,
    over: float | None = 4.0,
    error: float = 0.0,
    detail: str = "redis-1: done",
    **options: Any,
) -> Past:
    """One fault at 2 s; redis-2 is promoted at `over`, known to ten ms."""
    told = Past(topology=topology, guarded_by_sentinels=True)
    told.log_in("ann", 1.0)
    told.fault(2.0, detail, kind, **options)
    told.events[-1].error_us = us(error)
    if over is not None:
        told.fail_over("redis-2", over)
    return told


def lost(peers: str, topology: TopologyKind = SENTINEL, **options: Any) -> Past:
    """The primary is cut from these at 2 s."""
    given: dict[str, Any] = {"from": peers, **options}
    return past("cut", topology, **given)


def healed(told: Past, at: float, fault: int = 1) -> Past:
    told.event("healed", at, source=f"fault {fault}", fault=fault, node="redis-1")
    return told


def directed(history: History, **directives: str) -> History:
    nodes = tuple(
        replace(node, directives={name.replace("_", "-"): value for name, value in directives.items()})
        for node in history.plan.nodes
    )
    return replace(history, plan=replace(history.plan, nodes=nodes))


def hit(told: Past | History, fault: int = 1, node: str = "redis-1") -> Hit:
    history = told.history() if isinstance(told, Past) else told
    event = next(one for one in history.events if one.name == "effect" and one.fault == fault)
    return Hit.of(facts_of(history), history.plan.scenario.faults[fault - 1], event, node)


def allowed(told: Past | History, fault: int = 1, node: str = "redis-1") -> Allowed:
    struck = hit(told, fault, node)
    return RULES[struck.step.kind](struck)


# ---------------------------------------------------------------- the node that was struck


def test_effect_counts_from_the_earliest_at_which_it_may_have_been() -> None:
    """Of a promotion from its request: the last one before it; of no other fault."""
    told = past("kill", error=0.3)
    told.event("requested", 1.2, source="fault 1", fault=1)
    assert hit(told).since_us == us(1.7)
    told = past("planned failover", error=0.3)
    assert hit(told).since_us == us(2.0)
    told.event("requested", 1.2, source="fault 1", fault=1)
    told.event("requested", 1.4, source="fault 1", fault=1)
    told.event("requested", 1.6, source="fault 2", fault=2)
    told.event("requested", 2.1, source="fault 1", fault=1)
    told.event("begun", 1.8, source="fault 1", fault=1)
    assert hit(told).since_us == us(1.4)
    told.event("requested", 2.0, source="fault 1", fault=1)
    assert hit(told).since_us == us(2.0)


@pytest.mark.parametrize(
    ("over", "owned", "replaced"),
    [
        (None, True, False),
        (4.0, True, False),
        (2.005, True, False),  # under way when it was struck
        (2.0, True, False),
        (1.999999, False, True),
        (1.0, False, True),
    ],
)
def test_node_owned_its_shard_until_it_was_replaced(over: float | None, owned: bool, replaced: bool) -> None:
    """A promotion that may have come after the effect was not before it."""
    struck = hit(past("kill", over=over))
    assert (struck.owned, struck.replaced) == (owned, replaced)
    replica = hit(past("kill", over=None, detail="redis-3: done"), node="redis-3")
    assert (replica.owned, replica.replaced) == (False, False)


@pytest.mark.parametrize(
    ("topology", "sentinels", "guarded", "cluster"),
    [
        (SENTINEL, True, True, False),
        (TopologyKind.SPLIT, True, True, False),
        (SENTINEL, False, False, False),
        (SINGLE, True, False, False),
        (TopologyKind.SHARED, True, False, False),
        (CLUSTER, True, False, True),
    ],
)
def test_shard_is_guarded_where_sentinels_watch_it(
    topology: TopologyKind, sentinels: bool, guarded: bool, cluster: bool
) -> None:
    """The plan says who there is: a kind of topology that may have sentinels need not have any."""
    told = past("kill", topology)
    told.guarded_by_sentinels = sentinels
    history = told.history()
    assert (hit(history).guarded, hit(history).in_cluster) == (guarded, cluster)


@pytest.mark.parametrize(
    ("role", "purpose", "counters", "holds"),
    [
        (NodeRole.PRIMARY, NodePurpose.SESSIONS, "sessions", True),
        (NodeRole.REPLICA, NodePurpose.SESSIONS, "sessions", True),
        (NodeRole.PRIMARY, NodePurpose.CACHE, "sessions", False),
        (NodeRole.PRIMARY, NodePurpose.CACHE, "cache", True),
        (NodeRole.SENTINEL, NodePurpose.SESSIONS, "sessions", False),
    ],
)
def test_node_holds_promises(role: NodeRole, purpose: NodePurpose, counters: str, holds: bool) -> None:
    """A data node with sessions; one with the cache, if the limiter counts there."""
    history = past("kill").history()
    workload = replace(
        history.plan.scenario.workload, options={"try-password": {"instance": counters}, "cart": {"items": 3}}
    )
    plan = replace(history.plan, scenario=replace(history.plan.scenario, workload=workload))
    struck = hit(replace(history, plan=plan))
    assert replace(struck, node=NodePlan(name="x", role=role, purpose=purpose)).holds_promises is holds


def test_fault_is_over_when_it_is_healed_or_undone() -> None:
    """The first of both after the effect: a pause by resuming, killing or restarting it, a kill by a start."""
    assert hit(past("pause")).ended_us is None
    assert hit(healed(healed(past("pause"), 6.0), 5.0)).ended_us == us(5.0)
    assert hit(healed(past("pause"), 2.0)).ended_us == us(2.0)
    assert hit(healed(past("pause"), 1.9)).ended_us is None
    assert hit(healed(past("pause"), 5.0, fault=2)).ended_us is None
    for kind, undoes in (("resume", True), ("kill", True), ("restart", False), ("isolate", False)):
        told = past("pause")
        told.fault(5.0, "redis-1: again", kind)
        assert (hit(told).ended_us == us(5.0)) is undoes, kind
    for kind, undoes in (("restart", True), ("resume", False), ("kill", False)):
        told = past("kill")
        told.fault(5.0, "redis-1: again", kind)
        assert (hit(told).ended_us == us(5.0)) is undoes, kind
    told = past("isolate")
    told.fault(5.0, "redis-1: again", "restart")
    assert hit(told).ended_us is None
    elsewhere = past("kill")
    elsewhere.fault(5.0, "redis-3: again", "restart")
    assert hit(elsewhere).ended_us is None


def test_node_timeout_is_the_nodes_own() -> None:
    """As its directive says, else as the deployment."""
    assert hit(past("kill", CLUSTER)).node_timeout_s == 2.0
    assert hit(directed(past("kill", CLUSTER).history(), cluster_node_timeout="3500")).node_timeout_s == 3.5
    for none in ("5kb", "1e9", "nan", "", "9" * 5000):  # what no server takes, in a file that somebody edited
        assert hit(directed(past("kill", CLUSTER).history(), cluster_node_timeout=none)).node_timeout_s == 2.0


# ---------------------------------------------------------------- rules


BEHIND = "how far its successor may have been behind redis-1 when that stopped"
KEEPS = "redis-1 keeps what it has until another fault takes it away"
SILENT = (
    "a cluster node answers nothing for 2 s after its start, and learns in that time which node is primary"
)
NOT_PRIMARY = "redis-1 was no primary; its primary has the same data"


def said(one: Allowed) -> tuple[str, float | None, float | None, float | None]:
    """Derivation, bound and usual in seconds, end in seconds of the run."""
    return (
        one.derivation,
        None if one.bound_s is None else round(one.bound_s, 6),
        None if one.typical_s is None else round(one.typical_s, 6),
        None if one.until_us is None else round(one.until_us / 1e6, 6),
    )


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        (past("kill"), (BEHIND, 0.1, None, 2.0)),
        (past("stop"), (BEHIND, 0.1, None, 2.0)),
        (past("kill", over=1.0), (NOT_PRIMARY, 0.0, None, None)),
        (past("isolate", over=1.0), (NOT_PRIMARY, 0.0, None, None)),
        (past("pause", over=1.0), (NOT_PRIMARY, 0.0, None, None)),
        (
            past("kill", over=None),
            ("no replica took the place of redis-1, and it stayed down", None, None, 2.0),
        ),
        (
            healed(past("kill", over=None), 3.0),
            ("redis-1 has no persistence, so it comes back empty", None, None, 2.0),
        ),
        (
            healed(past("kill", over=4.0), 3.99),
            (BEHIND, 0.1, None, 2.0),  # the promotion may have come at that very moment
        ),
        (
            healed(past("kill", over=4.0), 3.98),
            ("redis-1 has no persistence, so it comes back empty", None, None, 2.0),
        ),
        (
            healed(past("isolate"), 9.0),
            (
                "7.00 s until the network healed + 20 s until Sentinel has demoted redis-1",
                27.0,
                17.0,
                29.0,
            ),
        ),
        (
            healed(past("isolate", over=10.0), 9.0),
            (
                "8.00 s until the network healed + 20 s until Sentinel has demoted redis-1",
                28.0,
                18.0,
                30.0,
            ),
        ),
        (past("isolate"), ("the partition was not healed", None, None, None)),
        (past("cut", over=1.0), (NOT_PRIMARY, 0.0, None, None)),
        (past("cut"), ("the partition was not healed", None, None, None)),
        *(
            (
                healed(lost(peers), 9.0),
                (
                    "7.00 s until the network healed + 20 s until Sentinel has demoted redis-1",
                    27.0,
                    17.0,
                    29.0,
                ),
            )
            for peers in ("sentinels", "nodes", "everybody")
        ),
        *((lost(peers), (KEEPS, 0.0, None, None)) for peers in ("clients", "web-1", "replicas")),
        (past("cut", CLUSTER), ("1.5 × cluster-node-timeout 2 s + 0.3 s", 3.3, 2.5, 5.3)),
        (lost("nodes", CLUSTER, port="data"), (KEEPS, 0.0, None, None)),
        (healed(past("isolate", SINGLE), 9.0), ("no replica can take the place of redis-1", 0.0, None, None)),
        (
            past("isolate", CLUSTER),
            ("1.5 × cluster-node-timeout 2 s + 0.3 s", 3.3, 2.5, 5.3),
        ),
        (
            healed(past("pause"), 8.0),
            ("6.00 s until it was resumed + 20 s until Sentinel has demoted redis-1", 26.0, 16.0, 28.0),
        ),
        (past("pause"), ("redis-1 was never resumed", None, None, None)),
        (
            past("pause", SINGLE),
            ("no replica can take the place of redis-1, and it keeps what it had", 0.0, None, None),
        ),
        (
            healed(past("pause", CLUSTER), 8.0),
            ("6.00 s until it was resumed + 1.5 × cluster-node-timeout 2 s + 0.3 s", 9.3, 6.3, 11.3),
        ),
        (
            past("planned failover", over=2.0),
            ("20 s from the promotion until Sentinel has demoted redis-1", 20.0, 10.0, 22.0),
        ),
        (
            past("planned failover", CLUSTER, over=2.0),
            ("CLUSTER FAILOVER waits until the replica has all data", 0.0, None, None),
        ),
        (
            past("planned failover", CLUSTER, over=2.0, form="force"),
            ("1.5 × cluster-node-timeout 2 s + 0.3 s", 3.3, 0.03, 5.3),
        ),
        (past("resume"), ("counted with the pause of redis-1, which it ends", 0.0, None, None)),
        (
            past("cut replication"),
            ("redis-1 keeps what it has until another fault takes it away", 0.0, None, None),
        ),
        (past("nothing"), ("nothing was done to redis-1", 0.0, None, None)),
        (
            past("restart", data="empty"),
            ("redis-1 came back empty on purpose", None, None, 2.0),
        ),
        (
            past("flush", target="cache"),
            ("the sessions are not in database 1", 0.0, None, None),
        ),
        (
            past("flush", target="cache", scope="all"),
            ("a flush removes keys of any age", None, None, 2.0),
        ),
        (
            past("flush", target="sessions"),
            ("a flush removes keys of any age", None, None, 2.0),
        ),
    ],
)
def test_rule_says_all_of_its_answer(told: Past, answer: tuple[object, ...]) -> None:
    """The sentence, what it may cost, what it costs usually, and when no loss is to be expected any more."""
    history = told.history()
    database = history.plan.scenario.deployment.topology
    scenario = history.plan.scenario
    deployment = replace(scenario.deployment, topology=replace(database, cache_database=1))
    history = replace(history, plan=replace(history.plan, scenario=replace(scenario, deployment=deployment)))
    assert said(allowed(history)) == answer


LOG = "redis-1's append-only file survives the end of the process (not the loss of a machine)"
HELD_BACK = "appendfsync everysec: a write to redis-1's append-only file waits for a sync that is under way, 2 s at most"


@pytest.mark.parametrize(
    ("told", "directives", "answer"),
    [
        (healed(past("kill", over=None), 3.0), {"appendonly": "yes"}, (HELD_BACK, 2.0, 0.0, 2.0)),
        (
            healed(past("kill", over=None), 3.0),
            {"appendonly": "yes", "appendfsync": "always"},
            (LOG, 0.0, None, None),
        ),
        (
            healed(past("kill", over=None), 3.0),
            {"appendonly": "yes", "appendfsync": "no"},
            (LOG, 0.0, None, None),
        ),
        (healed(past("stop", over=None), 3.0), {"appendonly": "yes"}, (LOG, 0.0, None, None)),
        (
            healed(past("kill", over=None), 3.0),
            {"save": "5 1"},
            ("redis-1 comes back with its last snapshot, which may be old", None, None, 2.0),
        ),
        (
            healed(past("stop", over=None), 3.0),
            {"save": "5 1"},
            ("redis-1 saves its data when it is stopped", 0.0, None, None),
        ),
        (
            healed(past("stop", over=None), 3.0),
            {"save": "5 1", "shutdown-on-sigterm": "nosave force"},
            ("redis-1 comes back with its last snapshot, which may be old", None, None, 2.0),
        ),
        (past("restart", over=None), {"appendonly": "yes"}, (HELD_BACK, 2.0, 0.0, 2.0)),
        (
            past("restart"),
            {"appendonly": "yes"},
            (
                "2.00 s until its failover to redis-2 + 20 s until Sentinel has demoted redis-1",
                22.0,
                12.0,
                24.0,
            ),
        ),
        (past("restart", SINGLE), {"appendonly": "yes"}, (HELD_BACK, 2.0, 0.0, 2.0)),
        (
            past("restart"),
            {"save": "5 1"},
            ("redis-1 comes back with its last snapshot, which may be old", None, None, 2.0),
        ),
        (
            past("isolate"),
            {"min-replicas-to-write": "1", "min-replicas-max-lag": "3"},
            ("min-replicas-max-lag 3 s + 2 s + 0.7 s", 5.7, 4.0, 7.7),
        ),
        (
            lost("nodes"),
            {"min-replicas-to-write": "1", "min-replicas-max-lag": "3"},
            ("min-replicas-max-lag 3 s + 2 s + 0.7 s", 5.7, 4.0, 7.7),
        ),
        (
            lost("sentinels"),
            {"min-replicas-to-write": "1", "min-replicas-max-lag": "3"},
            ("the partition was not healed", None, None, None),
        ),
        (
            past("isolate"),
            {"min-slaves-to-write": "1", "min-slaves-max-lag": "3"},
            ("min-replicas-max-lag 3 s + 2 s + 0.7 s", 5.7, 4.0, 7.7),
        ),
        (
            past("isolate"),
            {"min-replicas-to-write": "1"},
            ("min-replicas-max-lag 10 s + 2 s + 0.7 s", 12.7, 11.0, 14.7),
        ),
        (
            past("isolate"),
            {"min-replicas-to-write": "1", "min-replicas-max-lag": "0"},
            ("the partition was not healed", None, None, None),
        ),
        (
            past("isolate"),
            {"min-replicas-to-write": "0", "min-replicas-max-lag": "3"},
            ("the partition was not healed", None, None, None),
        ),
        (
            healed(past("isolate"), 9.0),
            {"min-replicas-to-write": "1"},
            ("min-replicas-max-lag 10 s + 2 s + 0.7 s", 12.7, 11.0, 14.7),
        ),
        (
            past("isolate", detail="redis-1, redis-3, sentinel-1: done"),
            {"min-replicas-to-write": "1", "min-replicas-max-lag": "3"},
            ("the partition was not healed", None, None, None),
        ),
        (
            past("isolate", detail="redis-1, redis-3, sentinel-1: done"),
            {"min-replicas-to-write": "2", "min-replicas-max-lag": "3"},
            ("min-replicas-max-lag 3 s + 2 s + 0.7 s", 5.7, 4.0, 7.7),
        ),
        (
            past("isolate", detail="redis-1, sentinel-1: done"),
            {"min-replicas-to-write": "1", "min-replicas-max-lag": "3"},
            ("min-replicas-max-lag 3 s + 2 s + 0.7 s", 5.7, 4.0, 7.7),
        ),
        (
            past("isolate", CLUSTER),
            {"min-replicas-to-write": "1", "min-replicas-max-lag": "1", "cluster-node-timeout": "9000"},
            ("min-replicas-max-lag 1 s + 2 s + 0.7 s", 3.7, 2.0, 5.7),
        ),
        (
            past("isolate"),
            {"min-replicas-to-write": "1", "min-replicas-max-lag": "5kb"},
            ("min-replicas-max-lag 10 s + 2 s + 0.7 s", 12.7, 11.0, 14.7),
        ),
        (
            past("isolate"),
            {"min-replicas-to-write": "abc", "min-replicas-max-lag": "3"},
            ("the partition was not healed", None, None, None),
        ),
        (
            past("fill cache"),
            {"maxmemory-policy": "allkeys-lru"},
            ("allkeys-lru evicts sessions of any age", None, None, FOREVER / 1e6),
        ),
        (
            past("fill cache"),
            {},
            ("under noeviction writes are refused and no key is evicted", 0.0, None, None),
        ),
    ],
)
def test_rule_goes_by_the_nodes_own_settings(
    told: Past, directives: dict[str, str], answer: tuple[object, ...]
) -> None:
    """Persistence, replicas that it waits for, its policy."""
    assert said(allowed(directed(told.history(), **directives))) == answer


@pytest.mark.parametrize(
    ("noticed_s", "published_s", "late"),
    [(5.2, (5.5, 5.6), ""), (5.2, (5.5, 6.1), "sentinel-3"), (6.1, (5.5, 6.2), "sentinel-1, sentinel-3")],
)
def test_old_primary_that_is_started_again_is_met_by_those_who_ask_a_sentinel_that_does_not_know(
    noticed_s: float, published_s: tuple[float, float], late: str
) -> None:
    """Seen on a starved machine: it came back before the last sentinel had another name, and clients wrote to
    it until it was demoted. Who leads the failover knows before it publishes."""
    told = past("kill")
    told.fault(6.0, "redis-1: again", "restart")
    told.event("+promoted-slave", noticed_s, source="sentinel-1", node="redis-2", shard=1)
    for n, at in enumerate(published_s, start=2):
        told.event("published", at, source=f"sentinel-{n}", node="redis-2", shard=1)
    told.event("published", 7.5, source="sentinel-1", node="redis-2", shard=1)
    derivation, bound_s, *_ = said(allowed(told.history(), 2))
    if late:
        assert bound_s == 20.0
        assert derivation == (
            f"20 s from its restart ({late} may have named it still) until Sentinel has demoted redis-1"
        )
    else:
        assert (derivation, bound_s) == ("clients ask the sentinels, which no longer name redis-1", 0.0)


@pytest.mark.parametrize(
    ("missed_s", "published_s", "bound_s"),
    [(None, 5.9, None), (None, 6.1, 24.0), (5.8, 5.9, 24.0), (5.8, 5.7, None), (1.9, 5.9, None)],
)
def test_healing_that_brings_the_old_primary_back_is_such_a_start(
    missed_s: float | None, published_s: float, bound_s: float | None
) -> None:
    """A sentinel on the same host comes back with it, and names it until it hears of the other. It was back
    after the last look that missed it."""
    told = healed(past("lose"), 6.0)
    for n, at in enumerate((4.1, 4.2, published_s), start=1):
        told.event("published", at, source=f"sentinel-{n}", node="redis-2", shard=1)
    history = told.history()
    if missed_s is not None:
        missed = NodeSample(node="redis-1", sent_us=us(missed_s), done_us=us(9.0), reachable=False)
        history = replace(history, samples=(*history.samples, missed))
    answer = allowed(history)
    assert answer.bound_s == pytest.approx(0.1)
    assert (answer.then is None) is (bound_s is None)
    if answer.then is not None:
        derivation, found_s, *_ = said(answer.then)
        assert found_s == bound_s
        assert derivation == (
            "4.00 s until it was back (sentinel-3 may have named it still)"
            " + 20 s until Sentinel has demoted redis-1"
        )


def test_healing_brings_it_back_for_nobody_else() -> None:
    """What a later fault starts counts with that one; and of clients that never ask none needs a sentinel's
    word."""
    told = healed(past("kill"), 7.0)
    told.fault(6.0, "redis-1: again", "restart")
    told.event("published", 8.0, source="sentinel-3", node="redis-2", shard=1)
    assert allowed(told).then is None
    history = healed(past("kill"), 6.0).history()
    scenario = history.plan.scenario
    client = replace(scenario.deployment.client, discovery=Discovery.RESOLVE_ONCE)
    scenario = replace(scenario, deployment=replace(scenario.deployment, client=client))
    back = allowed(replace(history, plan=replace(history.plan, scenario=scenario))).then
    assert back is not None
    assert back.bound_s == 24.0


@pytest.mark.parametrize(("missed_s", "since_s"), [(None, 6.0), (5.8, 5.8), (1.9, 6.0)])
def test_healing_starts_a_node_of_a_cluster_as_a_restart_does(missed_s: float | None, since_s: float) -> None:
    """It has the same two seconds to learn who replaced it, from when it may have been there again."""
    history = healed(past("lose", CLUSTER), 6.0).history()
    if missed_s is not None:
        missed = NodeSample(node="redis-1", sent_us=us(missed_s), done_us=us(9.0), reachable=False)
        history = replace(history, samples=(*history.samples, missed))
    answer = allowed(history)
    assert said(answer) == (BEHIND, 0.1, None, 2.0)
    assert answer.then is not None
    assert said(answer.then) == (SILENT, 6.0, 4.0, 8.0)
    assert edges(answer.then) == (since_s, 8.0)


def test_node_of_a_cluster_that_is_resumed_starts_nothing() -> None:
    """It answers at once, and takes itself for primary until it hears of the other."""
    answer = allowed(healed(past("pause", CLUSTER), 6.0))
    assert (answer.until_us, answer.then) == (us(9.3), None)


def test_old_primary_that_is_started_again_is_met_only_by_those_who_never_ask() -> None:
    """It was replaced while it was down, and calls itself primary until Sentinel corrects it."""
    told = past("kill")
    told.fault(6.0, "redis-1: again", "restart")
    history = told.history()
    assert said(allowed(history, 2)) == (
        "clients ask the sentinels, which no longer name redis-1",
        0.0,
        None,
        None,
    )
    scenario = history.plan.scenario
    client = replace(scenario.deployment.client, discovery=Discovery.RESOLVE_ONCE)
    scenario = replace(scenario, deployment=replace(scenario.deployment, client=client))
    once = replace(history, plan=replace(history.plan, scenario=scenario))
    assert said(allowed(once, 2)) == (
        "20 s from its restart until Sentinel has demoted redis-1",
        20.0,
        10.0,
        26.0,
    )
    told = past("kill", CLUSTER)
    told.fault(6.0, "redis-1: again", "restart")
    assert said(allowed(told, 2)) == (SILENT, 2.0, 0.0, 8.0)
    assert edges(allowed(told, 2)) == (6.0, 8.0)
    told = past("restart", over=None, detail="redis-3: done")
    assert said(allowed(told, 1, "redis-3"))[0] == "redis-3 was no primary; its primary has the same data"


NOT_REPLACED = "it led to no failover, and redis-1 keeps what it had"


@pytest.mark.parametrize("kind", ["pause", "isolate", "fail snapshots"])
@pytest.mark.parametrize(
    ("over", "heard", "led"),
    [
        (4.0, [], True),  # nobody listened
        (2.4, [("suspected", 9.0, "sentinel-1")], True),  # before it was over
        (4.0, [("suspected", 3.7, "sentinel-1")], True),  # down-after of 1.2 s ends
        (4.0, [("suspected", 3.701, "sentinel-1")], False),
        (4.0, [("suspected", 2.3, "sentinel-1"), ("cleared", 2.6, "sentinel-1")], True),
        (8.0, [("suspected", 2.3, "sentinel-1"), ("suspected", 7.0, "sentinel-2")], True),
        (
            8.0,
            [
                ("suspected", 2.3, "sentinel-1"),
                ("cleared", 2.6, "sentinel-1"),
                ("suspected", 7.0, "sentinel-2"),
            ],
            False,
        ),
        (
            8.0,
            [
                ("suspected", 2.3, "sentinel-1"),
                ("cleared", 2.6, "sentinel-2"),
                ("suspected", 7.0, "sentinel-2"),
            ],
            True,
        ),
        (4.0, [("suspected", 3.9, "sentinel-1"), ("suspected", 4.5, "sentinel-2")], False),
        (None, [("suspected", 2.3, "sentinel-1")], False),
    ],
)
def test_fault_answers_for_the_failover_that_it_led_to(
    kind: str, over: float | None, heard: list[tuple[str, float, str]], led: bool
) -> None:
    """It was over at 2.5 s. Who is held for down later is so for another reason, whatever that is."""
    told = healed(past(kind, over=over), 2.5)
    for name, at, source in heard:
        told.event(name, at, source=source, node="redis-1")
        told.event(name, 2.1, source="sentinel-3", node="redis-2")
    answer = allowed(directed(told.history(), appendonly="yes", appendfsync="always"))
    if led:
        assert over is not None
        assert answer.until_us == pytest.approx(
            us(max(over, 2.5 if kind in {"pause", "isolate"} else 2.0) + 20)
        )
    else:
        assert said(answer) == (KEEPS if kind == "fail snapshots" else NOT_REPLACED, 0.0, None, None)


@pytest.mark.parametrize(
    ("struck_s", "suspected_s", "led"),
    [(3.0, 3.7, True), (3.0, 3.701, False), (2.5, 3.701, True), (9.0, 3.701, True)],
)
def test_doubt_that_nobody_took_back_says_nothing_of_what_another_fault_led_to(
    struck_s: float, suspected_s: float, led: bool
) -> None:
    """Over at 2.5 s. One sentinel began to doubt before, and fell silent; another one did after the second fault."""
    told = healed(past("pause", over=8.0), 2.5)
    told.event("suspected", 2.3, source="sentinel-1", node="redis-1")
    told.fault(struck_s, "redis-1: gone")
    told.event("suspected", suspected_s, source="sentinel-2", node="redis-1")
    assert (allowed(told).until_us is not None) is led


@pytest.mark.parametrize(
    ("by", "struck_s", "suspected_s", "led"),
    [
        ("kill", 6.0, 7.2, False),
        ("kill", 6.0, 6.0, True),  # it was doubted by then
        ("kill", 2.0, 7.2, True),  # before
        ("kill", 8.0, 8.0, True),
        ("kill", 7.0, None, True),  # nobody was heard
        ("kill", 8.1, 7.2, True),  # it had been replaced
        ("pause", 6.0, 7.2, True),  # which ends no process
    ],
)
@pytest.mark.parametrize("kind", ["fail snapshots", "fill volume"])
def test_primary_that_refused_nothing_was_replaced_because_it_was_killed(
    kind: str, by: str, struck_s: float, suspected_s: float | None, led: bool
) -> None:
    """What the kill may cost is its own; the fault that lasts to the end of the run excuses nothing."""
    told = healed(past(kind, over=8.0), 20.0)
    told.fault(struck_s, "redis-1: gone", by)
    if suspected_s is not None:
        told.event("suspected", suspected_s, source="sentinel-1", node="redis-1")
    answer = allowed(directed(told.history(), appendonly="yes"))
    assert answer.until_us == (us(28.0) if led else None)
    budgets = loss_budgets(facts_of(directed(told.history(), appendonly="yes")))
    assert None not in {one.fault for one in budgets}


@pytest.mark.parametrize(("struck_s", "led"), [(2.5, True), (3.0, False), (8.0, False), (8.1, True)])
def test_failover_of_which_no_doubt_was_heard_may_be_another_faults(struck_s: float, led: bool) -> None:
    """One that took effect after the pause, and not after the failover."""
    told = healed(past("pause", over=8.0), 2.5)
    told.fault(struck_s, "redis-1: gone")
    assert (allowed(told).until_us is not None) is led


def test_short_pause_excuses_nothing_that_a_later_kill_cannot_have_cost() -> None:
    """The sentinel that doubted during the pause was gone before it could take that back."""
    told = healed(past("pause", over=14.0), 5.0)
    told.event("suspected", 4.3, source="sentinel-1", node="redis-1")
    told.fault(12.0, "redis-1: gone")
    told.event("suspected", 13.3, source="sentinel-2", node="redis-1")
    pause, kill = loss_budgets(facts_of(told.history()))
    assert (pause.bound_s, pause.until_s) == (0.0, None)
    assert (kill.from_s, kill.until_s) == (pytest.approx(9.9), 10.0)


S1, S2, S3 = "sentinel-1", "sentinel-2", "sentinel-3"


@pytest.mark.parametrize("kind", ["isolate", "pause clients", "fail snapshots"])
@pytest.mark.parametrize(
    ("struck_s", "over", "heard", "led"),
    [
        (60.0, 62.0, [(61.2, S1), (61.3, S2)], False),
        (60.0, 62.0, [(3.2, S1), (61.3, S2)], False),  # one alone decides nothing
        (60.0, 62.0, [(61.2, S1)], False),
        (60.0, 62.0, [], False),  # nobody listened
        (60.0, 62.0, [(3.2, S1), (3.3, S2), (61.3, S3)], True),
        (60.0, 62.0, [(60.0, S1), (60.0, S2)], True),  # before the kill, for all that is known
        (60.0, 80.0, [(75.2, S1), (75.2, S2)], False),  # 2 s, down-after 1.2 s, failover-timeout 6 s twice
        (60.0, 80.0, [(75.3, S1), (75.3, S2)], True),  # too late for either: those who decide were late
        (60.0, 75.21, [], False),
        (60.0, 75.22, [], True),
        (17.21, 19.0, [(18.5, S1), (18.5, S2)], False),
        (17.2, 19.0, [(18.5, S1), (18.5, S2)], True),  # it may still have been the first fault
        (17.21, 19.0, [], False),
        (17.2, 19.0, [], True),
        (62.1, 62.0, [], True),  # it had been replaced
    ],
)
def test_fault_that_lasts_answers_for_what_it_led_to_in_its_time(
    kind: str, struck_s: float, over: float, heard: list[tuple[float, str]], led: bool
) -> None:
    """From 2 s to 100 s. Long after its effect nobody had doubted the primary; then that was killed. Of one
    that refuses what it may refuse later, the kill alone is the reason where all doubted it only then."""
    told = healed(past(kind, over=over, commands="all"), 100.0)
    told.end_s = 130.0
    told.fault(struck_s, "redis-1: gone")
    for at, source in heard:
        told.event("suspected", at, source=source, node="redis-1")
    ended_before = bool(heard) and heard[0][0] > struck_s and kind == "fail snapshots"
    answer = allowed(directed(told.history(), appendonly="yes"))
    assert (answer.until_us is not None) is (led and not ended_before)


@pytest.mark.parametrize(
    ("asked_s", "doubted_s", "led"), [(60.0, None, False), (60.0, 3.2, True), (17.0, None, True)]
)
def test_failover_that_was_asked_for_while_a_fault_lasted_is_not_that_ones(
    asked_s: float, doubted_s: float | None, led: bool
) -> None:
    """Unless enough doubted the primary before, or it may still have been the first fault."""
    told = healed(past("isolate", over=asked_s + 1.0), 100.0)
    told.end_s = 130.0
    told.fault(asked_s + 1.0, "redis-1: handed over", "planned failover")
    told.event("requested", asked_s, source="fault 2", fault=2)
    for source in (S1, S2) if doubted_s is not None else ():
        told.event("suspected", doubted_s or 0.0, source=source, node="redis-1")
    assert (allowed(told).until_us is not None) is led


@pytest.mark.parametrize(("by", "node"), [("kill", "redis-3"), ("config set", "redis-1")])
def test_what_another_fault_cannot_have_led_to_is_that_of_the_one_that_lasts(by: str, node: str) -> None:
    """It struck another node, or replaces nobody."""
    told = healed(past("isolate", over=62.0), 100.0)
    told.end_s = 130.0
    told.fault(60.0, f"{node}: done", by, directive="save")
    assert allowed(told).until_us == us(120.0)


def test_partition_that_nobody_healed_and_that_led_to_nothing_bounds_nothing() -> None:
    """Neither does a pause: what replaced it was the kill."""
    for kind in ("isolate", "pause"):
        assert said(allowed(past(kind, over=None))) == (NOT_REPLACED, 0.0, None, None)
    told = past("isolate", over=22.0)
    told.fault(20.0, "redis-1: gone")
    assert said(allowed(told)) == (NOT_REPLACED, 0.0, None, None)


@pytest.mark.parametrize(
    ("topology", "settings", "over", "led"),
    [
        (SENTINEL, {}, 17.71, True),  # 2 s, down-after 1.2 s, failover-timeout 6 s twice
        (SENTINEL, {}, 17.72, False),
        (CLUSTER, {}, 12.51, True),  # five times node-timeout 2 s
        (CLUSTER, {}, 12.52, False),
        (CLUSTER, {"cluster_node_timeout": "500"}, 6.01, True),  # votes count for 2 s at least
        (CLUSTER, {"cluster_node_timeout": "500"}, 6.02, False),
    ],
)
def test_failover_of_which_no_doubt_was_heard_comes_in_time(
    topology: TopologyKind, settings: dict[str, str], over: float, led: bool
) -> None:
    """It was over at 2.5 s."""
    struck = hit(directed(healed(past("pause", topology, over=over), 2.5).history(), **settings))
    assert (struck.led_to is not None) is led


def test_failover_of_which_a_doubt_was_heard_may_take_longer() -> None:
    """Those who decide may have been hindered."""
    told = healed(past("pause", over=17.72), 2.5)
    told.event("suspected", 3.0, source="sentinel-1", node="redis-1")
    assert hit(told).led_to is not None


@pytest.mark.parametrize(("error", "led"), [(0.2, True), (0.1, False)])
def test_doubt_counts_from_the_earliest_at_which_it_may_have_begun(error: float, led: bool) -> None:
    """Whoever noticed it was late."""
    told = healed(past("pause"), 2.5)
    told.event("suspected", 3.9, error=error, source="sentinel-1", node="redis-1")
    assert (allowed(told).until_us is not None) is led


@pytest.mark.parametrize(("suspected_s", "led"), [(3.2, True), (3.201, False)])
def test_restart_is_over_when_the_process_is_there_again(suspected_s: float, led: bool) -> None:
    """Whoever is replaced much later had come back with its file."""
    told = past("restart")
    told.event("suspected", suspected_s, source="sentinel-1", node="redis-1")
    answer = allowed(directed(told.history(), appendonly="yes", appendfsync="always"))
    assert answer.until_us == (pytest.approx(us(24.0)) if led else None)


@pytest.mark.parametrize(
    ("topology", "suspected_s", "own"),
    [(SENTINEL, 5.7, False), (SENTINEL, 5.701, True)],
)
def test_failover_that_no_budget_of_a_fault_accounts_for_has_its_own(
    topology: TopologyKind, suspected_s: float, own: bool
) -> None:
    """It was back at 4.5 s with its file, and replaced at 8 s. What the file lacked is no part of that."""
    told = healed(past("kill", topology, over=8.0), 4.5)
    told.event("suspected", suspected_s, source="sentinel-1", node="redis-1")
    budgets = loss_budgets(facts_of(directed(told.history(), appendonly="yes")))
    assert [one.fault for one in budgets] == ([1, None] if own else [1])


@pytest.mark.parametrize(("over", "bounded"), [(2.51, False), (2.52, True)])
def test_slow_link_bounds_nothing_for_those_who_are_promoted_while_it_is_slow(
    over: float, bounded: bool
) -> None:
    """It was slow until 2.5 s. A later failover has a budget of its own, by the offsets."""
    told = healed(past("slow", over=over), 2.5)
    assert said(allowed(told))[1] == (0.0 if bounded else None)
    assert (None in {one.fault for one in loss_budgets(facts_of(told.history()))}) is bounded
    assert allowed(past("slow", over=over)).bound_s is None


def test_old_primary_hears_of_it_once_the_link_is_fast_or_it_was_replaced() -> None:
    """Whichever is later, where both may be at one moment."""
    assert allowed(healed(past("slow", over=4.0), 3.995)).until_us == pytest.approx(us(24.0))
    assert allowed(healed(past("slow", over=4.0), 4.5)).until_us == us(24.5)


REATTACHED = "REPLICAOF by hand replaces data without asking"
EVICTS = "allkeys-lru evicts sessions of any age"


@pytest.mark.parametrize(
    ("kind", "node", "options", "directives", "derivation"),
    [
        ("reattach", "redis-1", {"to": "another replica"}, {}, REATTACHED),
        ("reattach", "redis-1", {"to": "nobody"}, {}, REATTACHED),
        ("reattach", "redis-3", {"to": "nobody"}, {}, REATTACHED),
        ("reattach", "redis-3", {"to": "another replica"}, {}, NOT_PRIMARY.replace("redis-1", "redis-3")),
        ("monitor", "redis-1", {}, {"maxmemory_policy": "allkeys-lru"}, KEEPS),
        ("monitor", "redis-1", {}, {"maxmemory": "0", "maxmemory_policy": "allkeys-lru"}, KEEPS),
        ("monitor", "redis-1", {}, {"maxmemory": "1mb", "maxmemory_policy": "allkeys-lru"}, EVICTS),
        (
            "config set",
            "redis-1",
            {"directive": "maxmemory", "value": "1mb"},
            {"maxmemory_policy": "allkeys-lru"},
            EVICTS,
        ),
        ("config set", "redis-1", {"directive": "maxmemory-policy", "value": "allkeys-lru"}, {}, EVICTS),
        (
            "config set",
            "redis-1",
            {"directive": "save", "value": "1 1"},
            {"maxmemory_policy": "allkeys-lru"},
            KEEPS,
        ),
    ],
)
def test_what_takes_data_of_any_age_has_no_bound(
    kind: str, node: str, options: dict[str, Any], directives: dict[str, str], derivation: str
) -> None:
    """And what takes none may cost nothing."""
    told = past(kind, over=None, detail=f"{node}: done", **options)
    answer = allowed(directed(told.history(), **directives), node=node)
    assert answer.derivation == derivation
    assert answer.bound_s == (None if derivation in {REATTACHED, EVICTS} else 0.0)


LATE = "{} until {} to redis-2 + 1.5 × cluster-node-timeout 2 s + 0.3 s"


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        (
            healed(past("kill", CLUSTER, over=8.0), 4.5),
            (LATE.format("6.00 s", "its late failover"), 9.3, 6.03, 11.3),
        ),
        (past("restart", CLUSTER, over=5.0), (LATE.format("3.00 s", "its failover"), 6.3, 3.03, 8.3)),
        (
            healed(past("pause", CLUSTER, over=8.0), 4.5),
            (LATE.format("6.00 s", "its late failover"), 9.3, 6.03, 11.3),
        ),
        (
            healed(past("isolate", CLUSTER, over=8.0), 4.5),
            ("1.5 × cluster-node-timeout 2 s + 0.3 s", 3.3, 2.5, 5.3),
        ),
        (
            healed(past("pause", CLUSTER, over=4.51), 4.5),
            ("2.50 s until it was resumed + 1.5 × cluster-node-timeout 2 s + 0.3 s", 5.8, 2.8, 7.8),
        ),
        (
            healed(past("isolate", CLUSTER, over=4.51), 4.5),
            ("1.5 × cluster-node-timeout 2 s + 0.3 s", 3.3, 2.5, 5.3),
        ),
    ],
)
def test_node_of_a_cluster_that_is_there_again_serves_until_it_hears_that_it_was_replaced(
    told: Past, answer: tuple[object, ...]
) -> None:
    """Counted from then; where it may have been replaced before, the rule is that of the fault."""
    assert said(allowed(directed(told.history(), appendonly="yes"))) == answer


@pytest.mark.parametrize(("over", "later"), [(8.0, True), (4.51, False)])
def test_cluster_primary_that_reached_no_majority_serves_again_once_it_does(over: float, later: bool) -> None:
    """It had stopped by itself meanwhile, whoever else thought of it."""
    then = allowed(healed(past("isolate", CLUSTER, over=over), 4.5)).then
    window = None if then is None else (then.since_us, then.until_us)
    assert window == ((us(4.5), us(11.3)) if later else None)


def test_late_failover_in_a_cluster_gives_back_nothing_of_what_the_file_lacked() -> None:
    """One budget has both; of a file that lacked nothing the failover has its own."""
    told = healed(past("kill", CLUSTER, over=8.0), 4.5)
    (one,) = loss_budgets(facts_of(directed(told.history(), appendonly="yes")))
    assert (one.fault, one.from_s, one.until_s) == (1, pytest.approx(-2.0), pytest.approx(9.3))
    always = directed(told.history(), appendonly="yes", appendfsync="always")
    assert [one.fault for one in loss_budgets(facts_of(always))] == [1, None]


@pytest.mark.parametrize(
    ("healed_s", "over", "windows"),
    [
        (2.5, 2.51, [(None, 5.7)]),
        (2.5, 2.52, [(None, 5.7), (2.5, 22.52)]),
        (9.0, 9.5, [(None, 5.7), (9.0, 29.5)]),
        (9.0, 8.0, [(None, 5.7)]),
    ],
)
def test_replicas_that_were_there_again_keep_a_primary_writing_until_it_is_demoted(
    healed_s: float, over: float, windows: list[tuple[float | None, float]]
) -> None:
    """Its guard stopped it while it was cut off. Once they were there again nothing did, until it heard that it
    was replaced."""
    told = healed(past("isolate", over=over), healed_s)
    told.event("suspected", 2.1, source="sentinel-1", node="redis-1")
    settings = {"min_replicas_to_write": "1", "min_replicas_max_lag": "1"}
    history = directed(told.history(), **settings)
    first = allowed(history)
    found = [first] if first.then is None else [first, first.then]
    assert [one.until_us for one in found] == [pytest.approx(us(until_s)) for _, until_s in windows]
    assert [one.since_us for one in found[1:]] == [us(since_s) for since_s, _ in windows[1:] if since_s]
    zero_us = facts_of(history).landmarks.zero_us
    budgets = [one for one in loss_budgets(facts_of(history)) if one.fault == 1]
    assert [one.until_s for one in budgets] == [
        pytest.approx(until_s - zero_us / 1e6) for _, until_s in windows
    ]
    assert [one.from_s for one in budgets[1:]] == [
        pytest.approx(since_s - zero_us / 1e6) for since_s, _ in windows[1:] if since_s
    ]


@pytest.mark.parametrize("doubted", [True, False])
def test_failover_that_was_asked_for_after_a_pause_is_not_the_pauses(doubted: bool) -> None:
    """Whether somebody had doubted it in time or not."""
    told = healed(past("pause", over=6.0), 2.5)
    if doubted:
        told.event("suspected", 2.4, source="sentinel-1", node="redis-1")
    told.fault(6.0, "redis-1: handed over", "planned failover")
    assert said(allowed(told)) == (NOT_REPLACED, 0.0, None, None)
    assert allowed(told, 2).until_us == us(26.0)


def test_restart_of_a_node_is_its_own_first_one_after_the_effect() -> None:
    """Not that of another node, and not one before."""
    told = past("restart", over=None)
    told.reborn += [
        (1.0, "redis-1", 100),
        (3.0, "redis-3", 100),
        (6.0, "redis-1", 100),
        (9.0, "redis-1", 100),
    ]
    seen = hit(told).restart
    assert seen is not None
    assert (seen.node, seen.by_us) == ("redis-1", pytest.approx(us(6.0), abs=us(0.2)))


def test_what_was_copied_is_told_by_the_stream_that_the_primary_had_last() -> None:
    """It had another one before, as after a failover before the run."""
    history = past("kill").history()
    samples = tuple(
        structs.replace(one, replid="before") if one.node == "redis-1" and one.sent_us < us(1.1) else one
        for one in history.samples
    )
    assert allowed(replace(history, samples=samples)).bound_s == pytest.approx(0.1)


def test_primary_that_was_killed_while_frozen_takes_along_what_no_replica_had() -> None:
    """Nobody took its place, so the slowest of them tells."""
    told = past("pause", over=None)
    told.fault(3.0, "redis-1: gone")
    assert allowed(told).bound_s == pytest.approx(0.1)


@pytest.mark.parametrize(("appendonly", "bound_s"), [("yes", pytest.approx(0.1)), ("no", None)])
def test_successor_that_was_started_again_before_its_promotion_has_what_its_file_had(
    appendonly: str, bound_s: float | None
) -> None:
    """Without a file nobody knows how much of what it had shown: it did not follow anybody again."""
    told = past("kill", over=4.0)
    told.reborn.append((3.95, "redis-2", told.keys))
    assert allowed(directed(told.history(), appendonly=appendonly)).bound_s == bound_s


def test_lag_that_nobody_knows_bounds_nothing() -> None:
    """No replica was looked at before the kill, or it copied another stream."""
    told = past("kill")
    history = told.history()
    unseen = replace(history, samples=tuple(one for one in history.samples if one.node == "redis-1"))
    assert said(allowed(unseen)) == (
        "it is not known how far the replicas of redis-1 were behind",
        None,
        None,
        2.0,
    )
    for sample in history.samples:
        sample.replid = "x" if sample.node == "redis-1" else "y"
    assert allowed(history).bound_s is None


# ---------------------------------------------------------------- budgets


def test_budget_is_a_stretch_of_the_runs_time() -> None:
    """From what the successor certainly had to the end of the danger, counted from the first effect."""
    told = past("cut replication", over=None)
    told.fault(5.0, "redis-1: gone")
    told.fail_over("redis-2", 7.0)
    cut, killed = loss_budgets(facts_of(told.history()))
    assert (cut.effect_s, cut.from_s, cut.until_s) == (0.0, None, None)
    assert (killed.what, killed.shard, killed.fault) == ("kill redis-1", 1, 2)
    assert (killed.effect_s, killed.from_s, killed.until_s) == (3.0, 2.9, 3.0)


def test_failover_that_nobody_asked_for_says_what_it_may_cost() -> None:
    """By the topology's own timers."""
    told = past("kill", over=4.0)
    told.fail_over("redis-3", 9.0)
    _, unasked = loss_budgets(facts_of(told.history()))
    assert unasked.what == "a failover to redis-3 that no fault requested"
    assert unasked.derivation == "20 s until Sentinel has demoted redis-2"
    assert (unasked.bound_s, unasked.effect_s, unasked.until_s) == (20.0, 7.0, 27.0)
    assert unasked.from_s == pytest.approx(6.9)
    told.topology = CLUSTER
    _, unasked = loss_budgets(facts_of(told.history()))
    assert unasked.derivation == "1.5 × cluster-node-timeout 2 s + 0.3 s"
    assert (unasked.bound_s, unasked.until_s) == (pytest.approx(3.3), pytest.approx(10.3))


def test_failover_that_came_before_the_fault_was_not_its_doing() -> None:
    """Only a fault that causes failovers explains one, and only one that came after it."""
    told = past("kill", over=1.5)
    assert [one.fault for one in loss_budgets(facts_of(told.history()))] == [1, None]
    told = past("cut replication", over=4.0)
    assert [one.fault for one in loss_budgets(facts_of(told.history()))] == [1, None]
    told = past("kill", over=4.0)
    assert [one.fault for one in loss_budgets(facts_of(told.history()))] == [1]


@pytest.mark.parametrize("kind", ["kill", "stop", "lose"])
def test_late_failover_of_a_primary_that_is_back_may_cost_until_it_is_demoted(kind: str) -> None:
    """The sentinels had agreed that it was down, and had no majority until its host came back with two of them."""
    told = healed(past(kind, over=4.0), 3.0)
    kept = directed(told.history(), appendonly="yes")
    derivation = "2.00 s until its late failover to redis-2 + 20 s until Sentinel has demoted redis-1"
    assert said(allowed(kept))[0] == derivation
    assert said(allowed(kept))[3] == pytest.approx(24.0, abs=0.02)


def test_a_failover_that_another_fault_may_have_set_off_is_that_ones() -> None:
    """What came back with its data has cost nothing."""
    told = healed(past("kill", over=None), 3.0)
    told.fault(3.5, "redis-1: done", "planned failover")
    told.fail_over("redis-2", 4.0)
    always = directed(told.history(), appendonly="yes", appendfsync="always")
    assert said(allowed(always)) == (LOG, 0.0, None, None)


# ---------------------------------------------------------------- what an append-only file lacks


def edges(one: Allowed) -> tuple[float | None, float | None]:
    """From when to when, in seconds of the run."""
    return (
        None if one.since_us is None else round(one.since_us / 1e6, 6),
        None if one.until_us is None else round(one.until_us / 1e6, 6),
    )


@pytest.mark.parametrize(
    ("kind", "appendfsync", "since_s"),
    [
        ("kill", "everysec", 0.0),
        ("kill", "always", None),
        ("kill", "no", None),
        ("lose power", "everysec", -1.0),
        ("lose power", "always", None),
        ("stop", "everysec", None),
        ("restart", "everysec", 0.0),
    ],
)
def test_whoever_followed_it_again_has_what_it_came_back_with(
    kind: str, appendfsync: str, since_s: float | None
) -> None:
    """A late failover gives back nothing of what the file lacked; else the successor had what it had copied."""
    told = past(kind) if kind == "restart" else healed(past(kind, over=4.0), 3.0)
    answer = allowed(directed(told.history(), appendonly="yes", appendfsync=appendfsync))
    assert edges(answer) == (since_s, 24.0)


@pytest.mark.parametrize(
    ("appendfsync", "mended_s", "since_s"),
    [("everysec", None, 0.0), ("no", None, 0.0), ("everysec", 6.0, 6.0), ("always", None, None)],
)
def test_what_a_full_volume_held_back_is_older_than_two_seconds(
    appendfsync: str, mended_s: float | None, since_s: float | None
) -> None:
    """Full since 2 s and killed at 8 s: nothing of what was confirmed since came to the file, unless it was
    mended before."""
    told = past("fill volume", TopologyKind.SINGLE, over=None)
    if mended_s is not None:
        healed(told, mended_s)
    told.fault(8.0, "redis-1: done", "kill")
    told.event("healed", 9.0, source="fault 2", fault=2, node="redis-1")
    answer = allowed(directed(told.history(), appendonly="yes", appendfsync=appendfsync), fault=2)
    assert edges(answer)[0] == since_s


def test_what_nobody_synced_is_gone_with_a_late_failover_too() -> None:
    """The kernel decides; a promotion afterwards does not bound that."""
    told = healed(past("lose power", over=4.0), 3.0)
    answer = allowed(directed(told.history(), appendonly="yes", appendfsync="no"))
    assert (answer.bound_s, answer.until_us) == (None, us(2.0))
    assert answer.then is not None
    assert answer.then.until_us == pytest.approx(us(24.0), abs=us(0.02))


@pytest.mark.parametrize(
    ("appendfsync", "kind", "bound_s"),
    [("everysec", "lose power", None), ("always", "lose power", None), ("everysec", "kill", 2.0)],
)
def test_what_is_not_synced_during_a_rewrite_has_no_bound(
    appendfsync: str, kind: str, bound_s: float | None
) -> None:
    """Of a loss of power, whatever appendfsync says; a kill leaves the kernel what was written."""
    settings = {
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "no-appendfsync-on-rewrite": "yes",
    }
    assert allowed(directed(healed(past(kind, over=None), 3.0).history(), **settings)).bound_s == bound_s


def test_where_nobody_knows_what_was_copied_a_late_failover_has_no_first_moment() -> None:
    """What the file lacked is no first moment then."""
    told = healed(past("kill", over=4.0), 3.0)
    history = replace(told.history(), samples=())
    assert allowed(directed(history, appendonly="yes")).since_us is None


DOWN = "redis-1 was down: counted with what had ended it"


@pytest.mark.parametrize(("by", "answer"), [("kill", HELD_BACK), ("stop", LOG)])
def test_start_of_a_node_that_was_down_costs_nothing_itself(by: str, answer: str) -> None:
    """What ended its process is what may have cost something: an orderly stop did not."""
    told = past(by, over=None)
    told.fault(2.5, "redis-1: again", "restart", target="killed")
    history = directed(told.history(), appendonly="yes")
    assert said(allowed(history, fault=2)) == (DOWN, 0.0, None, None)
    assert allowed(history).derivation == answer


@pytest.mark.parametrize(("again", "down"), [(2.0, False), (2.000001, True)])
def test_node_was_down_if_it_was_ended_before(again: float, down: bool) -> None:
    """Of two faults at one moment nobody knows which came first."""
    told = past("stop", over=None)
    told.fault(again, "redis-1: again", "restart")
    assert hit(told, fault=2).was_down is down


@pytest.mark.parametrize("again", ["healed", "restart"])
def test_start_of_a_node_that_is_up_again_ends_a_process(again: str) -> None:
    """Whoever healed it or started it before: it was up."""
    told = past("stop", over=None)
    if again == "healed":
        healed(told, 2.5)
    else:
        told.fault(2.5, "redis-1: again", "restart", target="killed")
    told.fault(6.0, "redis-1: again", "restart")
    answer = allowed(directed(told.history(), appendonly="yes"), fault=len(told.faults))
    assert (said(answer), edges(answer)) == ((HELD_BACK, 2.0, 0.0, 6.0), (4.0, 6.0))


def reborn_at(told: Past, last_s: float, first_s: float) -> History:
    """redis-1 is seen for the last time, and then as another process."""
    told.reborn.append((first_s, "redis-1", 100))
    history = directed(told.history(), appendonly="yes")
    unseen = (us(last_s), us(first_s))
    samples = (
        one for one in history.samples if one.node != "redis-1" or not unseen[0] < one.sent_us < unseen[1]
    )
    return replace(history, samples=tuple(samples))


def test_what_a_frozen_process_held_back_counts_from_its_last_answer() -> None:
    """It was frozen at 2 s and killed at 8 s: what it held back is as old as the freezing."""
    told = past("pause", over=None)
    told.fault(8.0, "redis-1: gone", "kill", target="paused")
    answer = allowed(healed(told, 9.0, fault=2) and reborn_at(told, 2.0, 9.0), fault=2)
    since_s, until_s = edges(answer)
    assert (answer.derivation, until_s) == (HELD_BACK, 8.0)
    assert since_s is not None
    assert -0.1 < since_s <= 0.0


def test_each_node_that_is_restarted_in_turn_has_its_own_moment() -> None:
    """The effect is that of the first of them, at 2 s; redis-1 had its turn at 6 s."""
    told = past("restart", over=None, detail="redis-2, redis-1: done")
    answer = allowed(reborn_at(told, 6.0, 6.5))
    since_s, until_s = edges(answer)
    assert since_s is not None
    assert until_s is not None
    assert 3.9 < since_s <= 4.0
    assert 6.0 < until_s < 6.7
    assert answer.bound_s == pytest.approx(until_s - 2.0)


def setting(
    at: float, directive: str, value: str, *, until: float | None = None, told: Past | None = None
) -> Past:
    """Somebody changes a setting of redis-1 while it runs."""
    told = told or Past(topology=SENTINEL, guarded_by_sentinels=True)
    told.fault(at, "redis-1: set", "config set", directive=directive, value=value)
    return told if until is None else healed(told, until, fault=len(told.faults))


@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("appendonly", "no"),
        ("appendfsync", "no"),
        ("min-replicas-to-write", "0"),
        ("cluster-node-timeout", "20000"),
        ("save", "60 1"),
        ("no'directive", "1"),
    ],
)
def test_setting_takes_nothing_away(directive: str, value: str) -> None:
    """Other faults do, and what they may cost goes by it."""
    answer = ("redis-1 keeps what it has until another fault takes it away", 0.0, None, None)
    assert said(allowed(setting(2.0, directive, value))) == answer


def test_fault_meets_the_node_as_it_was_before() -> None:
    """At the earliest moment at which it may have taken effect."""
    told = setting(2.0, "appendfsync", "no")
    told.events[-1].error_us = us(0.25)
    assert hit(told).setting("appendfsync", "") == ""


@pytest.mark.parametrize(
    ("directive", "value", "policy", "bounded"),
    [
        ("maxmemory", "5mb", "noeviction", True),
        ("maxmemory", "5mb", "allkeys-lru", False),
        ("MAXMEMORY-policy", "Allkeys-LRU", "noeviction", False),
        ("maxmemory-policy", "noeviction", "allkeys-lru", True),
    ],
)
def test_limit_of_memory_evicts_by_the_policy_that_holds_then(
    directive: str, value: str, policy: str, bounded: bool
) -> None:
    """Also by one that another fault has set before."""
    told = setting(2.0, directive, value)
    assert (allowed(directed(told.history(), maxmemory_policy=policy)).bound_s is not None) is bounded
    told = setting(4.0, directive, value, told=setting(2.0, "maxmemory-policy", policy))
    assert (allowed(told, fault=2).bound_s is not None) is bounded


NO_GUARD = "the partition was not healed"
GUARD = "min-replicas-max-lag 3 s + 2 s + 0.7 s"


@pytest.mark.parametrize(
    ("directive", "value", "from_s", "to_s", "answer"),
    [
        ("min-replicas-to-write", "0", 1.0, 1.5, (GUARD, 5.7, 4.0, 7.7)),
        ("min-replicas-to-write", "0", 1.0, None, (NO_GUARD, None, None, None)),
        ("min-replicas-to-write", "0", 4.0, None, (NO_GUARD, None, None, None)),
        (
            "min-replicas-to-write",
            "0",
            1.0,
            6.0,
            (f"4.00 s until it asked for replicas again + {GUARD}", 9.7, 8.0, 11.7),
        ),
        (
            "min-replicas-max-lag",
            "0",
            4.0,
            6.0,
            (f"4.00 s until it asked for replicas again + {GUARD}", 9.7, 8.0, 11.7),
        ),
        ("min-replicas-max-lag", "5", 1.0, None, ("min-replicas-max-lag 5 s + 2 s + 0.7 s", 7.7, 6.0, 9.7)),
        ("min-replicas-max-lag", "5", 4.0, 6.0, ("min-replicas-max-lag 5 s + 2 s + 0.7 s", 7.7, 6.0, 9.7)),
        ("min-replicas-to-write", "2", 1.0, None, (GUARD, 5.7, 4.0, 7.7)),
        ("maxmemory", "0", 1.0, None, (GUARD, 5.7, 4.0, 7.7)),
    ],
)
def test_guard_counts_as_it_was_while_the_primary_was_cut_off(
    directive: str, value: str, from_s: float, to_s: float | None, answer: tuple[object, ...]
) -> None:
    """Cut off at 2 s. What somebody switched off stops nobody; what was switched on again does from then on."""
    told = past("isolate")
    setting(from_s, directive, value, until=to_s, told=told)
    found = allowed(directed(told.history(), min_replicas_to_write="1", min_replicas_max_lag="3"))
    assert said(found) == answer


def test_guard_that_was_switched_off_leaves_the_time_until_it_is_demoted() -> None:
    """A promise that is weakened is not none."""
    told = healed(past("isolate"), 9.0)
    setting(1.0, "min-replicas-to-write", "0", told=told)
    answer = allowed(directed(told.history(), min_replicas_to_write="1"))
    assert (answer.bound_s, answer.until_us) == (27.0, us(29.0))


@pytest.mark.parametrize(
    ("at", "to_s", "until_s"),
    [
        (1.0, None, 14.3),
        (1.0, 1.5, 5.3),
        (3.0, None, 14.3),
        (3.0, 3.5, 14.3),
        (5.0, 5.5, 14.3),
        (20.0, None, 5.3),
    ],
)
def test_node_of_a_cluster_goes_on_for_the_longest_timeout_that_it_had_meanwhile(
    at: float, to_s: float | None, until_s: float
) -> None:
    """Cut off at 2 s, there again at 9 s."""
    told = healed(past("isolate", CLUSTER), 9.0)
    setting(at, "cluster-node-timeout", "8000", until=to_s, told=told)
    assert allowed(told).until_us == us(until_s)


@pytest.mark.parametrize(("at", "more_s"), [(3.5, 12.3), (4.5, 3.3)])
def test_node_that_is_replaced_late_goes_by_the_timeout_that_it_had_until_then(
    at: float, more_s: float
) -> None:
    """It was resumed at 3 s, and replaced at 4 s."""
    told = healed(past("pause", CLUSTER), 3.0)
    told.event("suspected", 2.5, source="redis-3", node="redis-1")
    setting(at, "cluster-node-timeout", "8000", told=told)
    assert allowed(told).until_us == pytest.approx(us(4.0 + more_s), abs=us(0.02))


def test_failover_that_nobody_asked_for_goes_by_the_timeout_of_the_node_that_was_replaced() -> None:
    told = setting(2.0, "cluster-node-timeout", "8000", told=Past(topology=CLUSTER))
    told.fail_over("redis-2", 4.0)
    _, found = loss_budgets(facts_of(told.history()))
    assert (found.bound_s, found.derivation) == (12.3, "1.5 × cluster-node-timeout 8 s + 0.3 s")


def ended(by: str, *told_before: tuple[float, str, str], **has: str) -> Allowed:
    """redis-1 is told these, and is gone at 8 s; it comes back with its file at 9 s."""
    told = Past(topology=SINGLE)
    for at, directive, value in told_before:
        setting(at, directive, value, told=told)
    told.fault(8.0, "redis-1: gone", by)
    number = len(told.faults)
    history = directed(healed(told, 9.0, fault=number).history(), **has)
    return allowed(history, fault=number)


OFF = "redis-1's append-only file was switched off, so it has nothing that was confirmed since"
OTHERWISE = "redis-1 was started with another persistence: it does not read what it had stored"


@pytest.mark.parametrize("by", ["kill", "stop", "restart", "lose power"])
def test_append_only_file_that_was_switched_off_has_what_was_confirmed_before(by: str) -> None:
    """Whatever ended the process, and whatever snapshots there are: the next one reads that file."""
    for save in ("", "60 1"):
        answer = ended(by, (5.0, "appendonly", "no"), appendonly="yes", save=save)
        assert (answer.derivation, answer.bound_s, edges(answer)) == (OFF, None, (5.0, 8.0))


@pytest.mark.parametrize(
    ("told_before", "has", "answer"),
    [
        (
            [(1.0, "appendonly", "no"), (2.0, "appendonly", "yes")],
            {"appendonly": "yes"},
            (HELD_BACK, 6.0, 8.0),
        ),
        ([(1.0, "appendonly", "no"), (4.0, "appendonly", "yes")], {"appendonly": "yes"}, (OFF, 1.0, 8.0)),
        ([(1.0, "appendonly", "yes")], {}, (OTHERWISE, NEVER, 8.0)),
        (
            [(1.0, "appendfsync", "everysec")],
            {"appendonly": "yes", "appendfsync": "always"},
            (HELD_BACK, 6.0, 8.0),
        ),
        ([(1.0, "appendfsync", "always")], {"appendonly": "yes"}, (LOG, None, None)),
    ],
)
def test_kill_goes_by_what_the_process_was_told(
    told_before: list[tuple[float, str, str]],
    has: dict[str, str],
    answer: tuple[str, float | None, float | None],
) -> None:
    found = ended("kill", *told_before, **has)
    since_s, until_s = (None if one is None else one / 1e6 for one in (found.since_us, found.until_us))
    assert (found.derivation, since_s, until_s) == answer


def test_node_that_was_told_to_save_nothing_does_not_save_when_it_is_stopped() -> None:
    """It comes back with the snapshot that was there before."""
    assert ended("stop", save="5 1").bound_s == 0.0
    found = ended("stop", (5.0, "save", ""), save="5 1")
    assert edges(found) == (NEVER / 1e6, 8.0)
    assert found.derivation == "redis-1 comes back with its last snapshot, which may be old"


@pytest.mark.parametrize(
    ("told_before", "since_s"),
    [
        ([(5.0, "appendfsync", "no")], 2.0),
        ([(5.0, "no-appendfsync-on-rewrite", "yes")], 2.0),
        ([(5.0, "appendfsync", "no"), (7.0, "no-appendfsync-on-rewrite", "yes")], 2.0),
        ([(5.0, "no-appendfsync-on-rewrite", "yes"), (7.0, "no-appendfsync-on-rewrite", "no")], None),
    ],
)
def test_what_was_synced_before_somebody_ended_that_is_on_the_disk(
    told_before: list[tuple[float, str, str]], since_s: float | None
) -> None:
    """A sync took three seconds at most."""
    answer = ended("lose power", *told_before, appendonly="yes", appendfsync="always")
    assert edges(answer) == (since_s, None if since_s is None else 8.0)
    assert answer.bound_s == (0.0 if since_s is None else None)


@pytest.mark.parametrize(
    ("has", "started", "bounded"),
    [
        ({"appendonly": "yes"}, 'appendonly "no"', False),
        ({"appendonly": "yes"}, "maxmemory 5mb", True),
        ({"appendonly": "yes"}, "", True),
        ({"save": "60 1"}, "appendonly yes\nmaxmemory 5mb", False),
    ],
)
@pytest.mark.parametrize("down", [False, True])
def test_node_that_is_started_with_another_persistence_does_not_read_what_it_had_stored(
    has: dict[str, str], started: str, bounded: bool, down: bool
) -> None:
    told = past("stop" if down else "nothing", SINGLE, over=None)
    setting(3.0, "maxmemory", "5mb", told=told)
    told.fault(4.0, "redis-1: again", "restart", redis=started)
    answer = allowed(directed(told.history(), **has, appendfsync="always"), fault=3)
    assert (answer.since_us == NEVER) is not bounded
    assert (answer.derivation == OTHERWISE) is not bounded


def test_kill_goes_by_what_the_next_process_was_started_with() -> None:
    """By whichever fault that was."""
    told = past("kill", SINGLE, over=None)
    told.fault(4.0, "redis-1: again", "restart", target="killed", redis='appendonly "no"')
    answer = allowed(directed(told.history(), appendonly="yes", appendfsync="always"))
    assert (answer.derivation, answer.since_us, answer.until_us) == (OTHERWISE, NEVER, us(2.0))


def test_later_fault_meets_the_node_as_it_was_started() -> None:
    """With the directives that another fault gave its file, in addition to its own."""
    told = past("restart", SINGLE, over=None, redis="appendfsync everysec\nnot 'a directive")
    told.fault(6.0, "redis-1: gone")
    healed(told, 7.0, fault=2)
    history = directed(told.history(), appendonly="yes", appendfsync="always")
    first, second = loss_budgets(facts_of(history))
    assert (first.bound_s, first.derivation) == (0.0, LOG)
    assert (second.bound_s, second.derivation) == (2.0, HELD_BACK)


def _of_two_shards(told: Past) -> History:
    """redis-3 is the primary of the second."""
    history = told.history()
    nodes = tuple(
        replace(one, shard=2, role=NodeRole.PRIMARY, replica_of=None) if one.name == "redis-3" else one
        for one in history.plan.nodes
    )
    return replace(history, plan=replace(history.plan, nodes=nodes))


@pytest.mark.parametrize(
    ("kind", "node", "at", "bounded"),
    [
        ("kill", "redis-3", 4.0, False),
        ("restart", "redis-3", 4.0, False),
        ("flush", "redis-3", 4.0, False),
        ("kill", "redis-3", 1.5, True),
        ("kill", "redis-3", 6.5, True),
        ("kill", "redis-1", 4.0, True),  # its own budget says what that costs
        ("disconnect clients", "redis-3", 4.0, True),
    ],
)
def test_what_was_moved_to_another_shard_is_lost_with_what_that_one_loses(
    kind: str, node: str, at: float, bounded: bool
) -> None:
    """From 2 s to 6 s keys of redis-1 lay there."""
    told = healed(past("reshard", CLUSTER, over=None), 6.0)
    told.fault(at, f"{node}: done", kind)
    answer = allowed(_of_two_shards(told))
    assert (answer.bound_s, answer.since_us) == ((0.0, None) if bounded else (None, NEVER))
    assert answer.until_us == (None if bounded else us(6.0))


@pytest.mark.parametrize("kind", ["kill", "restart"])
def test_replica_of_the_other_shard_takes_nothing_away(kind: str) -> None:
    """Its primary has what was moved there."""
    told = healed(past("reshard", CLUSTER, over=None), 6.0)
    told.fault(4.0, "redis-2: done", kind)
    history = _of_two_shards(told)
    nodes = tuple(replace(one, shard=2) if one.name == "redis-2" else one for one in history.plan.nodes)
    assert allowed(replace(history, plan=replace(history.plan, nodes=nodes))).bound_s == 0.0


@pytest.mark.parametrize(("shard", "bounded"), [(1, True), (2, False)])
def test_failover_of_the_other_shard_may_lose_what_was_moved_there(shard: int, bounded: bool) -> None:
    """Whatever it came from."""
    told = healed(past("reshard", CLUSTER, over=4.0), 6.0)
    history = _of_two_shards(told)
    nodes = tuple(
        replace(one, shard={"redis-1": 1, "redis-2": shard}.get(one.name, 2)) for one in history.plan.nodes
    )
    answer = allowed(replace(history, plan=replace(history.plan, nodes=nodes)))
    assert (answer.bound_s is not None) is bounded


@pytest.mark.parametrize(
    ("struck", "kind", "options", "heal", "until_s"),
    [
        ("redis-2, sentinel-2, sentinel-3", "isolate", {}, 40.0, 60.0),
        ("redis-2, sentinel-2, sentinel-3", "isolate", {}, None, None),
        ("redis-2, sentinel-2, sentinel-3", "cut", {"from": "nodes"}, 40.0, 60.0),
        ("sentinel-2, redis-2", "cut", {}, 40.0, 60.0),
        ("redis-2", "cut", {"from": "clients"}, 40.0, 24.0),
        ("redis-3, sentinel-2, sentinel-3", "isolate", {}, 40.0, 24.0),
        ("sentinel-2, sentinel-3", "isolate", {}, 40.0, 24.0),
        ("redis-2, sentinel-2, sentinel-3", "isolate", {}, 3.0, 24.0),
        ("redis-2, redis-3, sentinel-3", "lose", {}, 40.0, 24.0),
    ],
)
def test_primary_that_was_left_behind_goes_on(
    struck: str, kind: str, options: dict[str, Any], heal: float | None, until_s: float | None
) -> None:
    """Its replica and most sentinels were cut off from it, and it learns of the promotion only later. Where
    the promotion was not on the other side of a cut, no fault requested it."""
    told = past(kind, detail=f"{struck}: done", **options)
    if heal is not None:
        healed(told, heal)
    (longest,) = (one for one in loss_budgets(facts_of(told.history())) if not one.costs_nothing)
    assert (longest.fault is None) is (until_s == 24.0)
    ends_s = None if longest.until_s is None else longest.until_s + 2.0
    assert ends_s == pytest.approx(until_s, abs=0.1)


@pytest.mark.parametrize(
    ("struck", "bound_s"),
    [("redis-2, redis-3, sentinel-3", 5.7), ("redis-2, sentinel-2, sentinel-3", 58.0)],
)
def test_primary_that_was_left_behind_keeps_its_guard(struck: str, bound_s: float) -> None:
    """It has no replica on its side any more, or has one."""
    told = healed(past("isolate", detail=f"{struck}: done"), 40.0)
    guarded = directed(told.history(), **{"min-replicas-to-write": "1", "min-replicas-max-lag": "3"})
    (longest,) = (one for one in loss_budgets(facts_of(guarded)) if not one.costs_nothing)
    assert (longest.bound_s, longest.fault) == (pytest.approx(bound_s), 1)


def test_snapshot_that_somebody_saved_is_what_comes_back() -> None:
    """Though the node has no save points; with them an orderly stop saves anew."""
    told = past("stop", SINGLE, over=None)
    told.fault(1.5, "redis-1: saved", "save snapshot")
    healed(told, 3.0)
    old = ("redis-1 comes back with its last snapshot, which may be old", None, None, 2.0)
    assert said(allowed(told)) == old
    assert allowed(directed(told.history(), save="5 1")).bound_s == 0.0
    assert allowed(directed(told.history(), appendonly="yes")).bound_s == 0.0
    late = past("stop", SINGLE, over=None)
    late.fault(2.5, "redis-1: saved", "save snapshot")
    assert "comes back empty" in allowed(healed(late, 3.0)).derivation
