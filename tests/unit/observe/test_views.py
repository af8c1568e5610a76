"""What nodes and sentinels answer becomes typed, with addresses turned into names and none guessed."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model.inventory import SLOTS
from harness.model.records import NodeSample
from harness.observe import views
from harness.observe.views import ClusterNode, ClusterView, Directory
from harness.redis_wire import info

DIRECTORY = Directory(
    {
        ("10.0.0.1", 6379): "redis-1",
        ("10.0.0.2", 6379): "redis-2",
        ("10.0.0.3", 6379): "redis-3",
        ("10.0.0.4", 6379): "redis-4",
        ("10.0.0.9", 26379): "sentinel-1",
        ("fd00::5", 6379): "redis-5",
    }
)

PRIMARY = """# Replication
role:master
connected_slaves:2
slave0:ip=10.0.0.2,port=6379,state=online,offset=4000,lag=0
slave1:ip=10.0.0.77,port=6379,state=online,offset=3990,lag=1
master_failover_state:no-failover
master_replid:aaaa
master_replid2:bbbb
master_repl_offset:4014
second_repl_offset:1234
# Stats
expired_keys:7
evicted_keys:3
# Memory
used_memory:1048576
maxmemory:2097152
# Keyspace
db0:keys=12,expires=3,avg_ttl=0
db3:keys=30,expires=0,avg_ttl=0
# Persistence
loading:0
rdb_changes_since_last_save:5
"""

REPLICA = """# Replication
role:slave
master_host:10.0.0.1
master_port:6379
master_link_status:down
connected_slaves:0
master_replid:aaaa
master_replid2:0000
master_repl_offset:4000
second_repl_offset:-1
# Persistence
loading:1
"""


def sampled(text: str, node: str = "redis-1", **given: Any) -> NodeSample:
    said = info.fields(text.replace("\n", "\r\n"))
    return views.node_sample(said, node=node, run_id="r", sent_us=1, done_us=2, directory=DIRECTORY, **given)


def test_info_of_a_primary_gives_role_offsets_and_counters() -> None:
    """Every field of the sample comes from the right line; an unknown replica is left out."""
    found = sampled(PRIMARY, epoch=4)
    assert (found.role, found.replid, found.replid2) == ("primary", "aaaa", "bbbb")
    assert (found.offset, found.second_repl_offset) == (4014, 1234)
    assert found.replicas == {"redis-2": 4000}
    assert (found.evicted_keys, found.expired_keys) == (3, 7)
    assert (found.memory_bytes, found.memory_limit_bytes) == (1048576, 2097152)
    assert found.keys == 42
    assert found.epoch == 4
    assert found.link_up is None
    assert found.error is None


def test_info_of_a_replica_names_its_primary_and_its_trouble() -> None:
    """A replica tells whom it follows, that its link is down, and that it is loading."""
    found = sampled(REPLICA, node="redis-2")
    assert (found.role, found.primary, found.link_up) == ("replica", "redis-1", False)
    assert found.second_repl_offset == -1
    assert (found.error or "").startswith("LOADING")


def test_info_of_a_node_that_is_no_replica_of_ours_names_nobody() -> None:
    """An address that is no node of the run is never taken for one."""
    assert sampled(REPLICA.replace("10.0.0.1", "10.9.9.9")).primary == ""


CLUSTER = """\
id1 10.0.0.1:6379@16379 master - 0 1700000000000 1 connected 0-5460 [93-<-id2]
id2 10.0.0.2:6379@16379,host-two master,fail? - 1700000000000 1700000000000 2 connected 5461-10922 16000
id3 :6379@16379 myself,slave id1 0 0 1 connected
id4 10.0.0.4:6379@16379 slave,fail id2 1700000000000 1700000000000 2 disconnected
id5 fd00::5:6379@16379 master - 0 0 3 connected 10923-15999 16001-16383
id9 10.0.0.4:6379@16379 slave id2 0 0 2 connected
id8 10.9.9.9:6379@16379 handshake - 0 0 0 disconnected
"""


def view(text: str = CLUSTER, observer: str = "redis-3") -> ClusterView:
    return views.cluster_view(text, observer=observer, sent_us=1, done_us=2, directory=DIRECTORY)


def test_cluster_nodes_gives_roles_flags_and_slots() -> None:
    """Roles, failure flags, slots (ranges, single ones, none under migration) and epochs, by name."""
    nodes = view().nodes
    assert set(nodes) == {"redis-1", "redis-2", "redis-3", "redis-4", "redis-5"}
    assert nodes["redis-1"].ranges == ((0, 5460),)
    assert nodes["redis-2"].flags == {"fail?"}
    assert nodes["redis-2"].slots == 10922 - 5461 + 1 + 1
    assert (nodes["redis-3"].primary, nodes["redis-3"].replica_of) == (False, "redis-1")
    assert nodes["redis-3"].flags == frozenset()
    assert nodes["redis-5"].epoch == 3
    assert sum(node.slots for node in nodes.values()) == SLOTS


@pytest.mark.parametrize("reverse", [False, True])
def test_cluster_nodes_prefers_a_wiped_nodes_new_self(reverse: bool) -> None:
    """A node that came back empty is listed twice; its dead former self does not hide it."""
    lines = CLUSTER.splitlines()
    found = view("\n".join(reversed(lines) if reverse else lines)).nodes["redis-4"]
    assert found.flags == frozenset()


def slotted(**ranges: tuple[tuple[int, int], ...]) -> ClusterView:
    """A view in which these nodes have these slots, and redis-9 follows redis-1."""
    nodes = {
        name: ClusterNode(name=name, primary=True, flags=frozenset(), slots=1, ranges=had)
        for name, had in ranges.items()
    }
    nodes["redis-9"] = ClusterNode(name="redis-9", primary=False, flags=frozenset(), replica_of="redis-1")
    nodes["redis-8"] = ClusterNode(name="redis-8", primary=False, flags=frozenset(), replica_of="redis-7")
    return ClusterView(observer="x", sent_us=1, done_us=2, nodes=nodes)


def test_owner_is_who_has_the_slot() -> None:
    """Both ends of each range belong to it; of a slot that nobody has there is no owner."""
    seen = slotted(**{"redis-1": ((0, 9), (20, 20)), "redis-2": ((10, 19),)})
    owners = [seen.owner(slot) for slot in (0, 9, 10, 19, 20, 21)]
    assert owners == ["redis-1", "redis-1", "redis-2", "redis-2", "redis-1", ""]
    assert ClusterView(observer="x", sent_us=1, done_us=2).owner(0) == ""


def test_node_belongs_where_its_slots_or_its_primarys_are() -> None:
    """A replica counts where it replicates from, whoever that was planned to be."""
    seen = slotted(**{"redis-1": ((20, 29),), "redis-2": ((10, 19),), "redis-3": ()})
    assert [seen.slot_of(name) for name in ("redis-1", "redis-2", "redis-9")] == [20, 10, 20]
    assert [seen.slot_of(name) for name in ("redis-3", "redis-8", "redis-5")] == [None, None, None]


def test_slots_that_are_moved_about_change_nobodys_shard() -> None:
    """A node belongs where most of its slots are."""
    seen = slotted(**{"redis-1": ((0, 9), (15, 19)), "redis-2": ((10, 12), (30, 60))})
    assert [seen.slot_of(name) for name in ("redis-1", "redis-2")] == [0, 30]


def test_cluster_epoch_is_read_where_there_is_one() -> None:
    """CLUSTER INFO's current epoch; None for a reply without."""
    assert views.cluster_epoch("cluster_state:ok\r\ncluster_current_epoch:6\r\n") == 6
    assert views.cluster_epoch("cluster_state:ok\r\n") is None


def test_sentinel_master_gives_primary_flags_and_epoch() -> None:
    """The reply's flat list becomes a view; `master` itself is no trouble."""
    reply = [
        "name",
        "sessions",
        "ip",
        "10.0.0.2",
        "port",
        "6379",
        "flags",
        "s_down,master",
        "config-epoch",
        "3",
    ]
    found = views.sentinel_view(
        reply, observer="sentinel-1", run_id="r", sent_us=1, done_us=2, directory=DIRECTORY
    )
    assert (found.primary, found.flags, found.epoch) == ("redis-2", frozenset({"s_down"}), 3)
