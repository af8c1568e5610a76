"""From a scenario to a plan: names, bounds, actors, what does not fit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.errors import UsageError
from harness.model.inventory import NodePlan
from harness.model.pacing import AUDIT_WITHIN_S, audit_within_s
from harness.model.plan import Plan
from harness.model.scenario import Expectation, Term
from harness.model.words import NodePurpose, NodeRole
from harness.plan import describe
from harness.plan.load import ACTORS_MAX
from harness.plan.timeline import latest_end_s
from harness.plan.warnings import warnings
from harness.presets import inventory_of
from harness.running.vocabulary import shipped
from harness.scenario.reading import load
from tests.builders_scenario import GOOD, VOCABULARY, plan_of, read


def _with(text: str, **changes: str) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def test_sentinel_nodes_have_stable_names(tmp_path: Path) -> None:
    """One primary, its replicas, the sentinels; directives merged, the role's own winning."""
    text = GOOD.replace(
        "{kind: sentinel}",
        "{kind: sentinel, redis: {save: '', hz: 10}, replica: {hz: 50}, sentinel: {loglevel: notice}}",
    )
    plan = plan_of(read(tmp_path, text))
    assert [node.name for node in plan.nodes] == [
        "redis-1", "redis-2", "redis-3", "sentinel-1", "sentinel-2", "sentinel-3",
    ]  # fmt: skip
    assert plan.node("redis-1").directives == {"save": "", "hz": "10"}
    assert plan.node("redis-2").directives == {"save": "", "hz": "50"}
    assert plan.node("redis-2").replica_of == "redis-1"
    assert plan.node("sentinel-1").directives == {"loglevel": "notice"}
    assert plan.web_servers == ("web-1", "web-2", "web-3")


def test_cluster_primaries_come_before_their_replicas(tmp_path: Path) -> None:
    """redis-1..n are the primaries of shard 1..n; replica k of a shard follows all first ones."""
    text = _with(GOOD, **{"kind: sentinel": "kind: cluster, replicas_per_shard: 2", "down_after + 4s": "9s"})
    plan = plan_of(read(tmp_path, text))
    assert [(node.name, node.shard, node.replica_of) for node in plan.nodes] == [
        ("redis-1", 1, None),
        ("redis-2", 2, None),
        ("redis-3", 3, None),
        ("redis-4", 1, "redis-1"),
        ("redis-5", 2, "redis-2"),
        ("redis-6", 3, "redis-3"),
        ("redis-7", 1, "redis-1"),
        ("redis-8", 2, "redis-2"),
        ("redis-9", 3, "redis-3"),
    ]


def test_split_has_a_cache_of_its_own(tmp_path: Path) -> None:
    """The cache instance is the last shard and takes its own directives; by default sessions are one node."""
    split = "kind: split, primary: {maxmemory: 64mb}, cache: {maxmemory: 16mb}"
    plan = plan_of(read(tmp_path, _with(GOOD, **{"kind: sentinel": split, "down_after + 4s": "9s"})))
    assert [(node.name, node.purpose, node.shard) for node in plan.nodes] == [
        ("redis-1", NodePurpose.SESSIONS, 1),
        ("cache-1", NodePurpose.CACHE, 2),
    ]
    assert plan.node("cache-1").directives == {"maxmemory": "16mb"}
    guarded = f"{split}, sentinels: 3, replicas: 1"
    plan = plan_of(read(tmp_path, GOOD.replace("kind: sentinel", guarded)))
    assert [node.role for node in plan.nodes].count(NodeRole.SENTINEL) == 3


@pytest.mark.parametrize("kind", ["single", "shared"])
def test_one_node_is_one_node(kind: str, tmp_path: Path) -> None:
    """No replica and no sentinel is planned where the topology has none."""
    text = _with(GOOD, **{"kind: sentinel": f"kind: {kind}", "down_after + 4s": "9s"})
    assert [node.name for node in plan_of(read(tmp_path, text)).nodes] == ["redis-1"]


def test_bounds_are_resolved_from_settings(tmp_path: Path) -> None:
    """1.5 * node_timeout + 0.3s is a number once the deployment is known."""
    text = _with(
        GOOD,
        **{
            "kind: sentinel": "kind: cluster, node_timeout: 3s",
            "< down_after + 4s": "< 1.5 * node_timeout + 0.3s - socket_timeout",
        },
    )
    (bound,) = plan_of(read(tmp_path, text)).bounds
    assert bound.value == pytest.approx(1.5 * 3 + 0.3 - 0.5)


def test_actors_cover_the_longest_wait(tmp_path: Path) -> None:
    """Open load: there is an actor for every operation that can be waiting at once."""
    client = "application_retries: 2, library_retries: 1, socket_timeout: 1s, retry_backoff: 100ms"
    text = GOOD.replace(
        "{kind: sentinel}", f"{{kind: sentinel}}\n  client: {{{client}, sentinel_timeout: 200ms}}"
    )
    plan = plan_of(read(tmp_path, text))
    assert plan.longest_client_wait_s == pytest.approx(3 * (1.0 + 2 * 1.0 + 3 * 0.2 + 0.1) + 0.1 + 0.2)
    assert plan.actors >= 100 * plan.longest_client_wait_s


def test_actors_cover_sentinels_that_are_asked_again(tmp_path: Path) -> None:
    """Each of three sentinels three times, with pauses of 10 and 20 ms between."""
    client = "application_retries: 0, socket_timeout: 1s, sentinel_timeout: 200ms, sentinel_retries: 2"
    text = GOOD.replace("{kind: sentinel}", f"{{kind: sentinel}}\n  client: {{{client}}}")
    waits_s = plan_of(read(tmp_path, text)).longest_client_wait_s
    assert waits_s == pytest.approx(1.0 + 1.0 + 3 * (3 * 0.2 + 0.03))


def test_actors_cover_the_users(tmp_path: Path) -> None:
    """A slow load with many users still has an actor for each of them."""
    assert plan_of(read(tmp_path, overrides=["workload.rate=1/s", "workload.users=900"])).actors == 900


def test_actors_are_capped_and_the_plan_says_so(tmp_path: Path) -> None:
    """The cap is no secret: what is due beyond it is recorded as not sent."""
    plan = plan_of(read(tmp_path, overrides=["workload.rate=9000/s"]))
    assert plan.actors == ACTORS_MAX
    assert f"capped at {ACTORS_MAX}" in describe(plan, VOCABULARY)


def test_idle_timeout_that_could_run_out_is_refused(tmp_path: Path) -> None:
    """A session that may have expired by the audit can be neither lost nor intact."""
    scenario = read(tmp_path, overrides=["workload.idle_timeout=30s"])
    with pytest.raises(UsageError, match=r"workload\.idle_timeout: expected at least \d+s, found 30s"):
        plan_of(scenario)
    assert plan_of(read(tmp_path, overrides=["workload.idle_timeout=30s", "audit_expiry=true"])).skip is None


def test_absolute_timeout_that_could_run_out_is_refused(tmp_path: Path) -> None:
    """The shorter of the two decides, and the plan says both."""
    with pytest.raises(UsageError, match=r"workload\.absolute_timeout: expected at least \d+s, found 20s"):
        plan_of(read(tmp_path, overrides=["workload.absolute_timeout=20s"]))
    both = ["workload.idle_timeout=30s", "workload.absolute_timeout=20s"]
    with pytest.raises(UsageError, match=r"workload\.absolute_timeout: expected at least \d+s, found 20s"):
        plan_of(read(tmp_path, overrides=both))
    plan = plan_of(read(tmp_path, overrides=["workload.absolute_timeout=8h"]))
    assert "idle timeout 300 s, absolute timeout 28800 s" in describe(plan, VOCABULARY)


def test_think_time_that_the_rate_leaves_no_room_for_is_refused(tmp_path: Path) -> None:
    """200 users of two devices can send 400 requests in a think time, and no more."""
    load = ["workload.rate=100/s", "workload.users=200", "workload.devices=2"]
    plan = plan_of(read(tmp_path, overrides=[*load, "workload.think_time=4s"]))
    assert "200 users with 2 devices each who think for 4 s" in describe(plan, VOCABULARY)
    with pytest.raises(
        UsageError, match=r"workload\.think_time: expected at most 4s, found 5s: 400 browsers"
    ):
        plan_of(read(tmp_path, overrides=[*load, "workload.think_time=5s"]))


def test_settle_within_counts_towards_the_idle_timeout(tmp_path: Path) -> None:
    """Not the typical but the latest end of the run decides."""
    assert plan_of(read(tmp_path, overrides=["workload.idle_timeout=100s"])).skip is None
    with pytest.raises(UsageError, match="idle_timeout"):
        plan_of(read(tmp_path, overrides=["workload.idle_timeout=100s", "settle_within=2min"]))


def test_an_audit_takes_no_longer_than_the_plan_counts_with(tmp_path: Path) -> None:
    """Where an idle timeout just passes the plan, the latest audit ends before a session can expire. Only where
    sessions live longer anyway may it take longer."""
    scenario = read(tmp_path)
    latest_s = latest_end_s(scenario, inventory_of(scenario.deployment))
    begins_s = latest_s - AUDIT_WITHIN_S
    assert audit_within_s(lives_s=latest_s, elapsed_s=begins_s) == pytest.approx(AUDIT_WITHIN_S)
    assert audit_within_s(lives_s=4.0, elapsed_s=begins_s) == AUDIT_WITHIN_S
    assert audit_within_s(lives_s=latest_s + 60, elapsed_s=begins_s) == pytest.approx(AUDIT_WITHIN_S + 60)


def test_fault_that_does_not_fit_the_machine_is_a_reason_to_skip(tmp_path: Path) -> None:
    """What this machine cannot do is skipped with the reason, never an error."""
    plan = plan_of(read(tmp_path), refuse="a partition needs network faults: not root")
    assert plan.skip == "fault 1 (kill): a partition needs network faults: not root"
    assert "SKIPPED: fault 1" in describe(plan, VOCABULARY)


@pytest.mark.parametrize(
    ("deployment", "reason"),
    [
        ("{kind: single}", "made for sentinel, cluster; the deployment is single"),
        ("{kind: cluster}", "'outage(read): < down_after + 4s': a cluster topology has no down_after"),
        ("{kind: sentinel, replicas: 0}", "planned failover needs a replica"),
    ],
)
def test_deployment_that_does_not_fit_is_a_reason_to_skip(
    deployment: str, reason: str, tmp_path: Path
) -> None:
    """--deployment over a suite skips what makes no sense there and says why."""
    other = tmp_path / "d.yaml"
    other.write_text(f"deployment: 1\ntopology: {deployment}\n")
    text = GOOD.replace("kill: primary", "planned failover: primary") + "fits: [cluster]\n"
    skip = plan_of(read(tmp_path, text, deployment=other)).skip
    assert skip is not None
    assert reason in skip


def test_deployment_that_cannot_decide_an_expectation_is_a_reason_to_skip(tmp_path: Path) -> None:
    """On an instance of their own the cache's evictions are counted; on a shared one nobody can tell."""
    text = (
        GOOD.replace("{kind: sentinel}", "{kind: split}")
        .replace("workload:", "fits: [shared]\nworkload:")
        .replace("outage(read): < down_after + 4s", "evicted keys on cache: 0")
    )
    other = tmp_path / "other.yaml"
    other.write_text("deployment: 1\ntopology: {kind: shared}\n", encoding="utf-8")
    assert plan_of(read(tmp_path, text)).skip is None
    skip = plan_of(read(tmp_path, text, deployment=other)).skip
    assert skip is not None
    assert skip.startswith("'evicted keys on cache: 0': sessions and cache share an instance")


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        (["workload.witnesses=false"], "lost-write: 0", "lost-write needs witnesses"),
        ([], "failovers in fault: 0", "failovers is not counted per phase; remove `in fault`"),
        ([], "outage(read) on rest: < 1s", "no fault of the scenario leaves a web server on the side 'rest'"),
        (["faults=[]"], "rejected(read) in fault: 0", "the scenario has no fault, and so no phase fault"),
    ],
)
def test_expectation_that_can_never_be_decided_is_refused_with_its_line(
    changes: list[str], expected: str, reason: str, tmp_path: Path
) -> None:
    """Where, what, why, and what to do; also where `--set` took the evidence away."""
    text = GOOD.replace("outage(read): < down_after + 4s", expected)
    with pytest.raises(UsageError) as refused:
        read(tmp_path, text, overrides=changes)
    assert f"s.yaml:11: expect.{expected.partition(':')[0]}: can never be decided: {reason}" in str(
        refused.value
    )


def test_deployment_without_the_instance_that_counts_is_a_reason_to_skip(tmp_path: Path) -> None:
    """The limiter is meant to lie with the cache."""
    mix = "mix: {read: 1, try-password: 1}\n  options:\n    try-password: {instance: cache}"
    split = re.sub(r"mix: .*", mix, GOOD.replace("kind: sentinel", "kind: split") + "fits: [single]\n")
    other = tmp_path / "d.yaml"
    other.write_text("deployment: 1\ntopology: {kind: single}\n")
    path = tmp_path / "s.yaml"
    path.write_text(split.replace("down_after + 4s", "9s"))
    assert plan_of(load(path, shipped())).skip is None
    skip = plan_of(load(path, shipped(), deployment=other)).skip
    assert skip is not None
    assert skip.startswith("try-password keeps its keys with the cache, and a single topology has no")


def test_deployment_that_fits_is_planned(tmp_path: Path) -> None:
    """The same scenario against another deployment, bounds following its settings."""
    other = tmp_path / "d.yaml"
    other.write_text("deployment: 1\ntiming: production\ntopology: {kind: sentinel}\n")
    plan = plan_of(read(tmp_path, deployment=other))
    assert plan.skip is None
    assert plan.bounds[0].value == 9.0


def test_expected_time_follows_holds_and_events(tmp_path: Path) -> None:
    """The scheduler starts long scenarios first, so a hold and a late demotion must count."""
    short = plan_of(read(tmp_path, GOOD.replace("kill: primary", "storm: true")))
    held = plan_of(read(tmp_path, GOOD.replace("kill: primary", "isolate: primary, for: 12s")))
    assert held.expected_s > short.expected_s + 12
    assert plan_of(read(tmp_path, GOOD + "duration: 60s\n")).expected_s > 60


def test_plan_survives_its_file(tmp_path: Path) -> None:
    """plan.json beside a history is the whole plan: reading it back gives the same."""
    plan = plan_of(read(tmp_path))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_description_tells_the_story(tmp_path: Path) -> None:
    """Nodes, timeline with estimates, bounds as numbers, actors: all of it, as text."""
    text = GOOD.replace(
        "  - {after: 5s, kill: primary}",
        "  - {after: 5s, isolate: primary, with: web-1, for: 12s}\n"
        "  - {after: promoted + 2s, kill: primary}\n"
        "  - {when: {acked: read, times: 2, unreplicated: true}, kill: replica}\n"
        "  - {when: {replica_lag: 1kB}, kill: replica}",
    )
    told = describe(plan_of(read(tmp_path, text)), VOCABULARY)
    for line in (
        "redis-2      replica of redis-1 for sessions",
        "~  5.0 s   1. isolate primary, with web-1, for 12 s (after 5 s)",
        "2. kill primary (after promoted + 2 s)",
        "3. kill replica (when 2 x read acked, not yet replicated)",
        "4. kill replica (when a replica lags by more than 1000 bytes)",
        "outage(read): < down_after + 4s  (5.2 s)",
        "log-in 20%, read 80%",
        "every other finding: 0",
    ):
        assert line in told


@pytest.mark.parametrize(
    ("target", "node"), [("host of primary", "redis-1"), ("host of shard 2 primary", "redis-2")]
)
def test_warning_names_the_primary_on_a_host(tmp_path: Path, target: str, node: str) -> None:
    """A host is struck with the primary that is on it; of another shard's nothing is said."""
    text = (
        GOOD.replace("kind: sentinel", "kind: cluster, zones: 3")
        .replace("kill: primary", f"kill: {target}, for: 200ms")
        .replace("down_after", "node_timeout")
    )
    told = describe(plan_of(read(tmp_path, text)), VOCABULARY)
    assert f"fault 1 restarts {node} without persistence" in told


def test_warning_says_what_else_is_lost_under_another_name(tmp_path: Path) -> None:
    """Where the expectations allow lost writes, and no expectation allows those of another behaviour."""
    plan, allows = plan_of(read(tmp_path)), expectation_of("lost-write", ">=")
    makers = {
        "lost-write": ("change-field",),
        "lost-update": ("change-field",),
        "save-lost": ("save-session",),
    }
    workload = replace(plan.scenario.workload, leads_to=makers)

    def warned(*expect: Expectation) -> list[str]:
        scenario = replace(plan.scenario, workload=workload, faults=(), expect=expect)
        return list(warnings(replace(plan, scenario=scenario), shipped()))

    (one,) = warned(allows)
    assert one.startswith("lost-write may happen, and save-lost may not, as no expectation names it")
    assert "a write of save-session" in one
    assert not warned(allows, expectation_of("save-lost", ">="))
    assert not warned(expectation_of("lost-write", "=="))
    assert not warned()


LIMITED = """\
scenario: 1
name: a limiter
deployment: {topology: {kind: single}}
workload:
  rate: 100/s
  users: 100
  mix: {read: 1, try-password: 4}
"""


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ("asked: before-session", True),
        ("asked: before-session, window: 100ms", False),
        ("asked: before-session, limit: 1000000", False),
        ("asked: after-session", False),
    ],
)
def test_warning_says_whom_a_limiter_before_the_session_refuses(
    tmp_path: Path, options: str, warned: bool
) -> None:
    """Its limit is meant for passwords, and pages reach it within seconds."""
    path = tmp_path / "s.yaml"
    path.write_text(f"{LIMITED}  options: {{try-password: {{{options}}}}}\n")
    told = describe(plan_of(load(path, shipped())), shipped())
    assert ("the limit is 5, so users who are logged in will be refused" in told) is warned


def expectation_of(finding: str, comparison: str) -> Expectation:
    return Expectation(text=finding, metric=finding, comparison=comparison, bound=(Term(factor=0),))


def test_description_says_which_node_runs_another_engine(tmp_path: Path) -> None:
    """Beside its role; the others run that of the deployment."""
    text = GOOD.replace("kind: sentinel", "kind: sentinel, nodes: {redis-3: {engine: valkey-9.1}}")
    told = describe(plan_of(read(tmp_path, text)), VOCABULARY)
    assert [line for line in told.splitlines() if "valkey" in line] == [
        "    redis-3      replica of redis-1 for sessions, runs valkey-9.1"
    ]


def test_description_says_what_to_do_where_nothing_can_pass(tmp_path: Path) -> None:
    """Only where what is left out can decide the outcome."""
    advice = "remove its line"
    for directive, advised in (("include: /etc/x", True), ("bind: 0.0.0.0", False)):
        text = GOOD.replace("kind: sentinel", f"kind: sentinel, redis: {{{directive}}}")
        told = describe(plan_of(read(tmp_path, text)), VOCABULARY)
        assert "left out" in told
        assert (advice in told) is advised


@pytest.mark.parametrize(
    ("directives", "expected_s"),
    [
        ({}, 20.0),
        ({"shutdown-timeout": "25"}, 35.0),
        ({"shutdown-timeout": "0"}, 10.0),
        ({"shutdown-timeout": "9" * 5000}, 20.0),
        ({"hz": "25"}, 20.0),
    ],
)
def test_orderly_stop_may_take_as_long_as_the_node_is_set_to_wait(
    directives: dict[str, str], expected_s: float
) -> None:
    """For replicas that are behind, and then to save."""
    node = NodePlan(name="redis-1", role=NodeRole.PRIMARY, directives=directives)
    assert node.orderly_stop_s == expected_s
