"""Configuration text: what a node gets, in which order, and what no scenario can make it do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.credentials import new_secrets
from harness.model.directive_table import PASSED
from harness.model.inventory import NodePlan
from harness.model.pins import Pins
from harness.model.plan import Plan
from harness.model.seams import Address, Secrets
from harness.model.words import TopologyKind
from harness.topology.base.configuration import (
    first_nodes_file,
    kit_file,
    kit_file_name,
    redact,
    render,
    sentinel_id,
)
from tests import server_grammar
from tests.builders_topology import process_plan

SECRETS = Secrets(redis="secret-of-redis", sentinel="secret-of-sentinel")


def addresses(plan: Plan) -> dict[str, Address]:
    return {node.name: Address(f"198.18.0.{number}", 6379) for number, node in enumerate(plan.nodes, start=2)}


def rendered(plan: Plan, name: str) -> list[str]:
    text = render(
        plan.node(name), plan, addresses=addresses(plan), secrets=SECRETS, directory='/run/a "b"\\c'
    )
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def last(lines: list[str], directive: str) -> str | None:
    values = [line.removeprefix(f"{directive} ") for line in lines if line.startswith(f"{directive} ")]
    return values[-1] if values else None


@pytest.mark.parametrize("kind", list(TopologyKind))
def test_every_node_has_address_and_password(kind: TopologyKind) -> None:
    """No node of any kind listens anywhere else, or to anybody without the run's password."""
    plan = process_plan(kind)
    for node in plan.nodes:
        lines = rendered(plan, node.name)
        assert last(lines, "bind") == addresses(plan)[node.name].host
        assert last(lines, "port") == "6379"
        assert last(lines, "requirepass") == SECRETS.of(node.role)


@pytest.mark.parametrize("kind", list(TopologyKind))
def test_nodes_pinned_to_no_password_ask_for_none(kind: TopologyKind) -> None:
    """Nobody is asked for one, and nobody gives one: an empty one would be refused."""
    plan = process_plan(kind)
    none = new_secrets(plan, Pins(password="", sentinel_password=""))
    for node in plan.nodes:
        text = render(node, plan, addresses=addresses(plan), secrets=none, directory="/run")
        asked = {line.rpartition(" ")[0] for line in text.splitlines() if re.search(r"pass|auth", line)}
        assert not {line for line in asked if not line.startswith("#")}


@pytest.mark.parametrize("kind", list(TopologyKind))
def test_every_line_of_the_kits_files_says_why(kind: TopologyKind) -> None:
    """Each block of directives in the files stands under a comment."""
    plan = process_plan(kind)
    for name in {kit_file_name(node) for node in plan.nodes}:
        for block in kit_file(name).read_text().strip().split("\n\n"):
            assert block.startswith("#"), f"{name}: {block}"


def test_replica_follows_its_primary() -> None:
    """Outside of a cluster a replica is told whose it is, with the password for it; a primary is not."""
    plan = process_plan("sentinel")
    assert last(rendered(plan, "redis-2"), "replicaof") == "198.18.0.2 6379"
    assert last(rendered(plan, "redis-2"), "masterauth") == SECRETS.redis
    assert last(rendered(plan, "redis-1"), "replicaof") is None
    assert last(rendered(process_plan("cluster"), "redis-4"), "replicaof") is None


def test_sentinel_guards_the_runs_primary_with_the_topologys_numbers() -> None:
    """Monitor line, passwords and timings come before nothing else of Sentinel's, in milliseconds."""
    plan = process_plan("sentinel", down_after_s=1.5, failover_timeout_s=7, parallel_syncs=2, quorum=3)
    lines = [line for line in rendered(plan, "sentinel-1") if line.startswith("sentinel ")]
    primary = "198.18.0.2"
    monitor = lines.index(f"sentinel monitor sessions {primary} 6379 3")
    assert monitor < lines.index("sentinel down-after-milliseconds sessions 1500")
    assert {
        "sentinel failover-timeout sessions 7000",
        "sentinel parallel-syncs sessions 2",
        f"sentinel auth-pass sessions {SECRETS.redis}",
        f"sentinel sentinel-pass {SECRETS.sentinel}",
        "sentinel known-replica sessions 198.18.0.3 6379",
        f"sentinel myid {sentinel_id('sentinel-1', SECRETS)}",
    } <= set(lines)


def test_ids_that_somebody_wrote_beforehand() -> None:
    """One for all sentinels; those of shards, in the file that a node of a cluster begins with."""
    plan = process_plan("sentinel", one_sentinel_id=True)
    ids = {last(rendered(plan, name), "sentinel myid") for name in ("sentinel-1", "sentinel-2")}
    assert len(ids) == 1
    own = process_plan("cluster")
    assert first_nodes_file(own.nodes[0], own, SECRETS) is None
    written = process_plan("cluster", given_shard_ids=True)
    files = [str(first_nodes_file(node, written, SECRETS)) for node in written.nodes]
    shards = [re.findall(r"shard-id=([0-9a-f]{40}) myself,master", text) for text in files]
    assert len({one for (one,) in shards}) == 3
    assert len({text[:40] for text in files}) == len(files)


def test_sentinels_of_a_split_do_not_know_the_cache() -> None:
    """The cache instance is nobody's replica."""
    plan = process_plan("split")
    cache = addresses(plan)["cache-1"].host
    assert not any(cache in line for line in rendered(plan, "sentinel-1"))


def test_cluster_gets_the_topologys_numbers() -> None:
    """Settings of the deployment come after the file's own."""
    plan = process_plan("cluster", node_timeout_s=3, validity_factor=0, require_full_coverage=True)
    lines = rendered(plan, "redis-1")
    assert last(lines, "cluster-node-timeout") == "3000"
    assert last(lines, "cluster-replica-validity-factor") == "0"
    assert last(lines, "cluster-require-full-coverage") == "yes"
    assert last(lines, "cluster-allow-reads-when-down") == "no"


def test_directives_of_the_scenario_come_last() -> None:
    """What a scenario says wins over the kit's own lines, and an empty value is written as such."""
    plan = process_plan("single", redis={"appendonly": "yes", "save": "", "maxmemory": "100mb"})
    lines = rendered(plan, "redis-1")
    assert lines[-3:] == ["appendonly yes", 'save ""', "maxmemory 100mb"]


def test_several_save_points_are_written_for_the_oldest_engine() -> None:
    """Redis 6.2 takes one pair a line."""
    plan = process_plan("single", redis={"save": "900 1 300 10"})
    assert rendered(plan, "redis-1")[-2:] == ["save 900 1", "save 300 10"]


def test_sentinel_directive_gets_the_services_name() -> None:
    """People write the option; the service's name is filled in where it belongs, once."""
    plan = process_plan(
        "sentinel",
        sentinel={
            "sentinel failover-timeout": "9000",
            "sentinel parallel-syncs": "sessions 3",
            "loglevel": "debug",
        },
    )
    assert rendered(plan, "sentinel-2")[-3:] == [
        "sentinel failover-timeout sessions 9000",
        "sentinel parallel-syncs sessions 3",
        "loglevel debug",
    ]


FOREIGN = {
    "replicaof": "192.0.2.1 6379",
    "SlaveOf": "192.0.2.1 6379",
    "sentinel  monitor": "theirs 192.0.2.1 6379 1",
    "dir": "/",
    "include": "/etc/redis/redis.conf",
    "port": "1",
    "bind": "0.0.0.0",
    "logfile": "/x",
    "daemonize": "yes",
    "pidfile": "/x",
    "unixsocket": "/x",
    "cluster-config-file": "/x",
    "cluster-announce-ip": "192.0.2.1",
    "replica-announce-ip": "192.0.2.1",
    "loadmodule": "/x.so",
    "aclfile": "/x",
    "bind-source-addr": "192.0.2.1",
    "tls-port": "1",
    "sentinel notification-script": "sessions /x.sh",
    "maxmemory 1\nreplicaof": "192.0.2.1 6379",
    "#": "",
}


def test_directives_that_lead_out_of_the_run_are_stripped_and_listed() -> None:
    """None of them reaches a node, each is listed with the nodes and a reason, values are not shown."""
    plan = process_plan("sentinel", redis=FOREIGN, sentinel=FOREIGN)
    clean = process_plan("sentinel")
    for node in plan.nodes:
        assert rendered(plan, node.name) == rendered(clean, node.name)
    listed = [str(one) for one in plan.scenario.deployment.topology.everything_left_out]
    assert len(listed) == 2 * len(FOREIGN)
    assert not any("theirs" in line or "192.0.2.1" in line for line in listed)
    assert clean.scenario.deployment.topology.everything_left_out == ()


@given(
    name=st.text(min_size=1, max_size=30)
    | st.sampled_from(["maxmemory", "save", "sentinel failover-timeout"]),
    value=st.text(max_size=60)
    | st.sampled_from(["1\nreplicaof 192.0.2.1 1", "1\r\nrequirepass x", "1\x0bdir /"]),
)
def test_no_directive_can_smuggle_in_another(name: str, value: str) -> None:
    """Whatever name and value a scenario gives, the lines added are of that one allowed directive."""
    plan = process_plan("single", redis={name: value})
    added = render(
        plan.node("redis-1"), plan, addresses=addresses(plan), secrets=SECRETS, directory="/data"
    ).partition("# The scenario.\n")[2]
    if plan.scenario.deployment.topology.everything_left_out:
        assert added == ""
    lines = server_grammar.lines_of(added.encode())
    assert all(line[0].decode() in PASSED for line in lines)
    assert len({line[0] for line in lines}) <= 1


def test_folder_with_blanks_and_quotes_is_quoted() -> None:
    """Results may lie in any folder, and no folder's name can add a line."""
    plan = process_plan("single")
    folder = '/run/a "b"\\c\nloadmodule /x'
    text = render(plan.nodes[0], plan, addresses=addresses(plan), secrets=SECRETS, directory=folder)
    lines = server_grammar.lines_of(text.encode())
    assert [line[1].decode() for line in lines if line[0] == b"dir"] == [folder]
    assert not any(line[0] == b"loadmodule" for line in lines)


def test_passwords_are_redacted() -> None:
    """Both passwords of a run are blotted out."""
    assert redact("a secret-of-redis b secret-of-sentinel", SECRETS) == "a <redacted> b <redacted>"


def test_sentinel_ids_differ_and_repeat() -> None:
    """A sentinel that is set up again has its old id; no two share one."""
    ids = {sentinel_id(f"sentinel-{number}", SECRETS) for number in range(1, 8)}
    assert len(ids) == 7
    assert all(re.fullmatch(r"[0-9a-f]{40}", identity) for identity in ids)
    assert sentinel_id("sentinel-1", SECRETS) in ids


def test_node_of_a_plan_uses_the_file_of_its_kind() -> None:
    """Sentinels, cluster nodes and all others have a file each."""
    node = NodePlan(name="x", role=process_plan("single").nodes[0].role)
    assert kit_file_name(process_plan("cluster").nodes[0]) == "cluster/redis.conf"
    assert kit_file_name(node) == "sentinel/redis.conf"
