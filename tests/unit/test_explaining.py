"""What `explain` says of shipped scenarios: who notices when, who is promoted, and why nobody is."""

from __future__ import annotations

import re
from functools import cache

import pytest

from harness.checks.promises.table import FINDINGS
from harness.faults import FAULTS
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.plan import compile as compile_plan
from harness.plan import explain
from harness.running.selection import scenario_files
from harness.running.vocabulary import shipped
from harness.scenario import load
from lab.rows import ROOT


@cache
def said(name: str, *overrides: str) -> str:
    """As one line of words."""
    (path,) = scenario_files(name)
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True, cpus=2)
    fits = {kind: fault.fits for kind, fault in FAULTS.items()}
    scenario = load(path, shipped(), overrides=overrides)
    plan = compile_plan(
        scenario, seed=1, backend=BackendKind.PROCESS, machine=machine, fits=fits, findings=FINDINGS
    )
    return re.sub(r"\s+", " ", explain(plan, shipped()))


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("sentinel/01", "~ 5.2 s sentinels suspect the primary because down_after is 1.2 s"),
        ("sentinel/01", "a replica is promoted because 2 of 3 sentinels agree"),
        ("sentinel/01", "clients find the new primary because they ask the sentinels again after an error"),
        ("sentinel/03", "an operator asked for it, so no time-out has to expire"),
        ("sentinel/03", "what it confirmed since the promotion is discarded"),
        ("sentinel/05", "the primary refuses writes because min-replicas-max-lag is 1 s"),
        ("sentinel/04", "the primary goes on confirming writes because min-replicas-to-write is 0"),
        ("sentinel/07", "the node comes back with nothing because it keeps nothing on disk"),
        ("sentinel/09", "clients do not find the new primary because their discovery is resolve-once"),
        ("sentinel/10", "clients find the new primary because sentinels announce it"),
        ("sentinel/12", "nobody is promoted because every replica has replica-priority 0"),
        ("sentinel/13", "nobody is promoted because 1 of 2 voters are left, and a majority is 2"),
        ("sentinel/20", "nobody is promoted because CONFIG has another name"),
        ("sentinel/39", "nobody is promoted because sentinels that stood still for longer than 2 s"),
        ("sentinel/59", "nobody is promoted because all sentinels have one id"),
        ("cluster/34", "nobody is promoted because the others take its replica for a primary"),
        ("cluster/36", "nobody is promoted because every replica that it had is down"),
        ("sentinel/58", "~ 14.0 s fault 1 is healed because it lasts 10 s"),
        ("cluster/33", "Move slots to another shard while clients use them"),
        ("cluster/33", "fault 1: reshard shard 1 primary, to 2, slots 40, until moved"),
        ("sentinel/62", "fault 2: restart killed, data empty, address new"),
        ("sentinel/58", "sentinels suspect the primary because down_after is"),
        ("single/04", "the node comes back with its last snapshot because it has save points"),
        ("sentinel/02", "requests to it end unanswered after 0.5 s each because socket_timeout is 0.5 s"),
        ("sentinel/04", "requests to it end unanswered after 0.5 s each because socket_timeout is 0.5 s"),
        ("clients/01", "clients can find the new primary because they ask the sentinels again after"),
        ("clients/01", "after an error, which 12 retries of the library may put off"),
        ("single/03", "compare single/02"),
        ("cluster/01", "the other nodes suspect the primary of shard 1 because node_timeout is 2 s"),
        ("cluster/01", "a replica is promoted because the majority of primaries votes for it"),
        ("cluster/30", "a replica is promoted because the majority of primaries votes for it"),
        ("cluster/31", "the other nodes suspect the primary of shard 2"),
        ("cluster/32", "a replica is promoted because the primary hands over before it ends"),
        ("sentinel/07", "its replicas copy that because they follow whoever is primary"),
        ("sentinel/44", "~ 20.0 s the node has ended by now, and refused writes meanwhile"),
        ("sentinel/48", "nobody is promoted because 0 of 3 voters are left"),
        ("single/30", "the node comes back with nothing because it is told to read an append-only file"),
        ("single/38", "the node comes back with what was on the disk because appendfsync is everysec"),
        ("single/39", "the node comes back with everything"),
        ("single/40", "the node refuses writes because nobody is there who could replace it"),
        ("sentinel/23", "nobody takes the place of the primary because sentinels reach it in time"),
        ("sentinel/24", "sentinels suspect the primary"),
        ("sentinel/36", "the old primary follows the new one because it stops writes until the replica has"),
        ("sentinel/54", "because down_after is 1.2 s, and it has said for 20 s more that it is a replica"),
        ("shared/01", "once it is full it evicts keys of both, cache and sessions"),
        ("shared/02", "once it is full it refuses writes because maxmemory-policy is noeviction"),
        ("shared/12", "once it is full it evicts sessions, and nothing of the cache"),
        ("shared/14", "once it is full it evicts the cache first"),
        ("shared/15", "once it is full it evicts sessions first"),
        ("split/01", "no session is touched because the cache has an instance of its own"),
    ],
)
def test_course_of_a_run_has_its_reason(scenario: str, expected: str) -> None:
    """From the plan and the detectors' settings alone."""
    assert expected in said(scenario)


def test_nothing_is_said_of_the_client_of_a_guest() -> None:
    """Its time-outs and how it finds a primary are its own; those of the kit's client say nothing."""
    course = said(str(ROOT / "guests/scenarios/primary-frozen.yaml"))
    assert (
        "requests that ask it wait for as long as the application lets them because it is a guest" in course
    )
    assert "the application finds the new primary, or does not because it is a guest" in course
    assert "socket_timeout" not in course
    assert "ask the sentinels" not in course


def test_settings_move_the_course() -> None:
    """A detector that waits longer notices later."""
    assert "~ 7.0 s sentinels suspect the primary because down_after is 3 s" in said(
        "sentinel/01", "deployment.topology.down_after=3s"
    )


@pytest.mark.parametrize(
    ("policy", "does"),
    [("noeviction", "refuses to count"), ("allkeys-lru", "evicts what is counted there, too")],
)
def test_full_cache_is_a_limiter_that_is_full(policy: str, does: str) -> None:
    """Where attempts are counted on its instance."""
    told = said(
        "split/03",
        "faults=[{after: 4s, fill cache: cache, to: 2.0}]",
        f"deployment.topology.cache.maxmemory-policy={policy}",
    )
    assert f"once it is full it {does}; no session is touched because maxmemory-policy is {policy}" in told


def test_pause_shorter_than_its_detection_has_no_failover() -> None:
    """Nobody is suspected who is back in time."""
    assert "suspect" not in said("sentinel/02", "faults.0.for=1s")


CUT = "faults=[{after: 4s, cut: primary, OPTIONS, for: 6s}]"


@pytest.mark.parametrize(
    ("scenario", "options", "suspected"),
    [
        ("sentinel/01", "from: clients", False),
        ("sentinel/01", "from: replicas", False),
        ("sentinel/01", "from: sentinels", True),
        ("sentinel/01", "from: nodes, way: in", True),
        ("cluster/01", "from: nodes, port: data", False),
        ("cluster/01", "from: nodes, port: bus", True),
        ("cluster/01", "from: clients", False),
    ],
)
def test_cut_is_suspected_by_those_whom_it_reaches(scenario: str, options: str, suspected: bool) -> None:
    """A cut from clients is no failover, however long it lasts."""
    told = said(scenario, CUT.replace("OPTIONS", options), "expect={}")
    assert ("suspect the primary" in told) is suspected
    assert ("nobody takes the place of the primary" in told) is not suspected
    assert ("goes on confirming writes" in told) is (
        options not in ("from: clients", "from: sentinels") and "bus" not in options
    )


def test_who_is_refused_at_once_waits_for_no_timeout() -> None:
    """Nor does who is not cut off; and a pause that is over sooner is waited out."""
    asked = "requests to it"
    assert asked not in said("sentinel/01")
    assert asked in said("sentinel/67")
    assert asked not in said("sentinel/67", "faults.0.by=reject")
    assert asked not in said("sentinel/24")
    longer = said("sentinel/02", "deployment.client.socket_timeout=1h")
    assert "requests to it wait until it answers because socket_timeout is 3600 s, and longer" in longer


def test_sentinel_that_is_cut_off_says_nothing_of_the_primary() -> None:
    """It confirms writes whether a sentinel hears it or not."""
    assert "confirming" not in said("sentinel/01", "faults=[{after: 4s, isolate: sentinel}]", "expect={}")


def test_old_primary_follows_after_somebody_was_promoted() -> None:
    """Also where it is back before that; and nobody follows where nobody is promoted."""
    hiccup = "faults=[{after: 4s, pause: primary, for: 1500ms}]"
    told = said("sentinel/02", hiccup, "expect={}")
    assert told.index("a replica is promoted") < told.index("by now the old primary follows")
    assert "by now the old primary follows" not in said("sentinel/12", hiccup, "shows=promise", "expect={}")


def test_hand_over_behind_the_back_of_sentinels_is_noticed_late() -> None:
    """They go on naming the old primary, which follows already; forced, it waits for nobody."""
    told = said("sentinel/01", "faults=[{after: 4s, hand over: primary}]", "expect={}")
    assert "~ 4.5 s clients are sent to the old primary, and their writes are refused" in told
    assert "~ 25.2 s sentinels suspect the old primary" in told
    forced = "faults=[{after: 4s, hand over: primary, to: replica, force: true}]"
    assert "whatever the replica lacks then" in said("sentinel/01", forced, "expect={}")


def test_wait_in_vain_where_too_few_replicas_are_left() -> None:
    """One of two that is frozen leaves enough for WAIT 1."""
    wait = ("deployment.client.wait_replicas=1", "expect={}")
    vain = "every write waits 0.1 s for replicas in vain because WAIT asks for 1, and 0 answer"
    for target, told in (("replica", False), ("all replicas", True)):
        fault = f"faults=[{{after: 4s, pause: {target}, for: 5s}}]"
        assert (vain in said("sentinel/01", fault, *wait)) is told
    assert vain in said("sentinel/01", "faults=[{after: 4s, cut replication: primary}]", *wait)


def test_client_that_knows_no_cluster_is_refused() -> None:
    """Whoever else explains a run of one shard of three is wrong."""
    plain = "deployment.client.discovery=fixed-address"
    assert "refused with MOVED because clients know one address" in said("cluster/01", plain)
    assert "MOVED" not in said("cluster/01")


def test_nothing_is_evicted_where_nothing_has_a_time_to_live() -> None:
    """Of keys with one, those that have it."""
    endless = (
        "shows=promise",
        "workload.idle_timeout=none",
        "workload.mix={read: 1, log-in: 1}",
        "expect={}",
    )
    assert "evicts the cache, and no session" in said("shared/13", *endless)
    assert "refuses writes because maxmemory-policy is volatile-lru, and nothing" in said(
        "shared/12", *endless
    )


def test_explanation_is_in_order() -> None:
    """Line by line, the clock goes on."""
    times = [float(one) for one in re.findall(r"~ *([0-9.]+) s", said("sentinel/06"))]
    assert times == sorted(times)
    assert len(times) > 4


@pytest.mark.parametrize(
    ("redis", "expected"),
    [
        ("{appendonly: 'no'}", "the node answers as before because it keeps no data on disk"),
        ("{appendonly: 'yes'}", "the node refuses writes, and no replica takes its place"),
        ("{appendonly: 'yes', appendfsync: always}", "a replica is promoted because the majority"),
    ],
)
def test_full_volume_replaces_who_is_missed(redis: str, expected: str) -> None:
    """A node without files loses nothing by it, and one of a cluster still answers the others."""
    fault = "faults=[{after: 3s, fill volume: primary, for: 10s}]"
    assert expected in said("cluster/01", f"deployment.topology.redis={redis}", fault, "expect={}")


def test_only_a_node_of_a_cluster_hands_over_before_it_ends() -> None:
    """Elsewhere `shutdown-on-sigterm failover` does nothing."""
    hands_over = "the primary hands over before it ends"
    assert hands_over in said("cluster/32")
    assert hands_over not in said("sentinel/44", "deployment.topology.redis.shutdown-on-sigterm=failover")
