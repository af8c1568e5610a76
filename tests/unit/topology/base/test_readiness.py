"""When a topology counts as ready, judged from what scripted nodes say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from harness.errors import DoesNotComeUp, EnvironmentFailure
from harness.model.inventory import SLOTS
from harness.model.plan import Plan
from harness.model.seams import Address, Topology
from harness.redis_wire import info
from harness.redis_wire.keys import slot
from harness.redis_wire.protocol import NoAnswer
from harness.topology.base import readiness
from harness.topology.base.control import Controls
from tests.builders_topology import process_plan

PRIMARY = "role:master\nconnected_slaves:2\nmaster_repl_offset:{offset}\n"
REPLICA = "role:slave\nmaster_link_status:{link}\nslave_repl_offset:{offset}\n"


class FakeTopology:
    """Addresses only; node n of the plan is 198.18.0.n."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.hosts = {node.name: f"198.18.0.{number}" for number, node in enumerate(plan.nodes, start=1)}

    def address(self, node: str) -> Address:
        return Address(self.hosts[node], 6379)

    def node_at(self, host: str, port: int) -> str | None:
        return next((name for name, at in self.hosts.items() if (at, 6379) == (host, port)), None)


class FakeControls:
    """Nodes that answer from a table; a list of answers is used up one by one, the last stays."""

    def __init__(self, replies: dict[tuple[str, ...], Any]) -> None:
        self.replies = replies

    def call(self, node: str, *words: str | int) -> Any:
        reply = self.replies[(node, *map(str, words))]
        if isinstance(reply, list):
            return reply.pop(0) if len(reply) > 1 else reply[0]
        return reply

    def call_all(self, node: str, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        return [self.replies[(node, *map(str, words))] for words in commands]

    def info(self, node: str, section: str) -> dict[str, str]:
        return info.fields(self.call(node, "INFO", section).replace("\n", "\r\n"))


def replication(plan: Plan, **changed: Any) -> list[str]:
    told = {
        "redis_1": PRIMARY.format(offset=100),
        "redis_2": REPLICA.format(link="up", offset=100),
        "redis_3": REPLICA.format(link="up", offset=100),
    } | changed
    replies = {(name.replace("_", "-"), "INFO", "replication"): text for name, text in told.items()}
    return list(readiness._replication(cast("Controls", FakeControls(replies)), plan))  # type: ignore[arg-type]


def test_attached_replicas_at_the_same_offset_are_ready() -> None:
    """Link up and offsets equal: nothing is missing."""
    assert replication(process_plan("sentinel")) == []


def test_offset_may_move_while_it_is_read() -> None:
    """A replica between two readings of its primary is level with it; one before the first is not."""
    moving = [PRIMARY.format(offset=100), PRIMARY.format(offset=300)]
    plan = process_plan("sentinel")
    level = replication(plan, redis_1=list(moving), redis_2=REPLICA.format(link="up", offset=250))
    assert level == []
    (behind,) = replication(plan, redis_1=list(moving), redis_2=REPLICA.format(link="up", offset=99))
    assert behind == "redis-2 is at offset 99, redis-1 at 300"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"redis_3": REPLICA.format(link="down", offset=100)}, "redis-3 is not attached to redis-1"),
        ({"redis_3": PRIMARY.format(offset=100)}, "redis-3 is not attached to redis-1"),
        ({"redis_1": REPLICA.format(link="up", offset=100)}, "redis-1 is no primary"),
        ({"redis_1": PRIMARY.format(offset=100).replace(":2", ":1")}, "redis-1 has 1 of 2 replicas"),
    ],
)
def test_what_is_missing_is_said(changed: dict[str, str], said: str) -> None:
    """Each reason is one sentence with the nodes' names."""
    assert replication(process_plan("sentinel"), **changed) == [said]


class Fed:
    """Primaries that tell, one question after the other, how many replicas have what was written."""

    def __init__(self, *received: int) -> None:
        self.received = list(received)
        self.asked: list[tuple[str, list[tuple[str | int, ...]]]] = []

    def call_all(self, node: str, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        self.asked.append((node, [tuple(words) for words in commands]))
        return ["OK", 1, self.received.pop(0)]


def unfed(plan: Plan, fed: Fed) -> list[str]:
    return list(readiness._unfed(cast("Controls", fed), plan))


def test_replica_that_has_received_nothing_yet_is_not_ready() -> None:
    """Attached is not fed: something is written, and every replica must have it."""
    fed = Fed(1, 2)
    plan = process_plan("sentinel")
    assert unfed(plan, fed) == ["1 of 2 replicas of redis-1 have received what was written to it"]
    assert unfed(plan, fed) == []
    (node, (written, taken_back, waited)) = fed.asked[0]
    assert node == "redis-1"
    assert (written[0], taken_back[0], waited[:2]) == ("SET", "DEL", ("WAIT", 2))
    assert written[1] == taken_back[1], "nothing is left behind"


def test_every_shard_is_asked_with_a_key_of_its_own() -> None:
    """A primary of a cluster takes only the keys of its slots."""
    plan, fed = process_plan("cluster", shards=3), Fed(1, 1, 1)
    assert unfed(plan, fed) == []
    shards = [plan.inventory.shard_of_slot(slot(str(commands[0][1]))) for _, commands in fed.asked]
    assert shards == [1, 2, 3]
    assert [node for node, _ in fed.asked] == ["redis-1", "redis-2", "redis-3"]


@pytest.mark.parametrize("kind", ["single", "shared"])
def test_node_without_replicas_is_not_written_to(kind: str) -> None:
    """There is nobody to feed."""
    assert unfed(process_plan(kind), Fed()) == []


def flat(**fields: str) -> list[str]:
    return [text for name, value in fields.items() for text in (name.replace("_", "-"), value)]


def sentinel_view(**changed: Any) -> list[str]:
    plan = process_plan("sentinel")
    topology = FakeTopology(plan)
    hosts = topology.hosts

    def seen(name: str, flags: str, **more: str) -> list[str]:
        return flat(ip=hosts[name], port="6379", flags=flags, **more)

    told: dict[str, Any] = {
        "MASTER": seen("redis-1", "master"),
        "REPLICAS": [
            seen("redis-2", "slave", master_link_status="ok"),
            seen("redis-3", "slave", master_link_status="ok"),
        ],
        "SENTINELS": [seen("sentinel-2", "sentinel"), seen("sentinel-3", "sentinel")],
    }
    told |= {what: change(told[what], seen) for what, change in changed.items()}
    replies = {("sentinel-1", "SENTINEL", what, "sessions"): reply for what, reply in told.items()}
    return list(
        readiness._sentinel_view(
            cast("Controls", FakeControls(replies)),  # type: ignore[arg-type]
            cast("Topology", topology),
            plan.node("sentinel-1"),
        )
    )


def test_sentinel_that_knows_everybody_is_ready() -> None:
    """The primary, both replicas linked, both other sentinels, none of them doubted."""
    assert sentinel_view() == []


@pytest.mark.parametrize(
    ("what", "change", "said"),
    [
        ("MASTER", lambda _, seen: seen("redis-2", "master"), "sees the primary as 198.18.0.2:6379 master"),
        ("MASTER", lambda _, seen: seen("redis-1", "s_down,master"), "s_down,master"),
        ("REPLICAS", lambda rows, _: rows[:1], "sentinel-1 does not know redis-3"),
        (
            "REPLICAS",
            lambda rows, seen: [rows[0], seen("redis-3", "slave", master_link_status="err")],
            "sees redis-3 with its link to the primary down",
        ),
        ("SENTINELS", lambda _, __: [], "does not know sentinel-2"),
        (
            "SENTINELS",
            lambda rows, seen: [rows[0], seen("sentinel-3", "sentinel,disconnected")],
            "sees sentinel-3 as sentinel,disconnected",
        ),
    ],
)
def test_sentinel_with_an_incomplete_view_is_not_ready(what: str, change: Any, said: str) -> None:
    """Each gap in what a sentinel knows is named."""
    assert any(said in line for line in sentinel_view(**{what: change}))


def cluster(states: dict[str, str] | None = None, rows: dict[str, str] | None = None) -> list[str]:
    plan = process_plan("cluster", shards=2)
    names = [node.name for node in plan.nodes]
    ids = {name: f"{number:040d}" for number, name in enumerate(names)}
    table = {
        "redis-1": f"{ids['redis-1']} h:1@1 master - 0 0 1 connected 0-8191",
        "redis-2": f"{ids['redis-2']} h:1@1 master - 0 0 2 connected 8192-16383",
        "redis-3": f"{ids['redis-3']} h:1@1 slave {ids['redis-1']} 0 0 1 connected",
        "redis-4": f"{ids['redis-4']} h:1@1 slave {ids['redis-2']} 0 0 2 connected",
    } | (rows or {})
    replies: dict[tuple[str, ...], Any] = {}
    for name in names:
        state = (states or {}).get(name, "cluster_state:ok\r\ncluster_slots_ok:16384")
        own = table[name].replace(" master ", " myself,master ").replace(" slave ", " myself,slave ")
        replies[(name, "CLUSTER", "MYID")] = ids[name]
        replies[(name, "CLUSTER", "INFO")] = state
        replies[(name, "CLUSTER", "NODES")] = "\n".join({**table, name: own}.values())
    topology = cast("Topology", FakeTopology(plan))
    return list(readiness._cluster_views(cast("Controls", FakeControls(replies)), topology))


def test_cluster_is_ready_when_every_node_sees_it_whole() -> None:
    """Roles, links and slots as planned, in every node's view."""
    assert cluster() == []


def test_cluster_with_one_doubting_node_is_not_ready() -> None:
    """One node that does not serve, or sees fewer slots, or a link down, is enough."""
    assert len(cluster(states={"redis-3": "cluster_state:fail\r\ncluster_slots_ok:16384"})) == 1
    assert len(cluster(states={"redis-3": "cluster_state:ok\r\ncluster_slots_ok:16383"})) == 1
    lost = f"{1:040d} h:1@1 master - 0 0 2 disconnected 8192-16383"
    assert len(cluster(rows={"redis-2": lost})) == 4, "all four nodes see it so"


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 7])
def test_slots_are_shared_out_without_gap_or_overlap(shards: int) -> None:
    """All 16384 slots have exactly one owner."""
    plan = process_plan("cluster", shards=shards)
    ranges = [plan.inventory.slot_range(shard) for shard in range(1, shards + 1)]
    covered = [slot for first, last in ranges for slot in range(first, last + 1)]
    assert covered == list(range(SLOTS))


def test_silent_node_is_missing_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking what is missing while a node is dead names that node's address."""

    def refuse(*_: Any, **__: Any) -> None:
        raise NoAnswer("198.18.0.1:6379: refused")

    monkeypatch.setattr(readiness.Controls, "call", refuse)  # type: ignore[attr-defined]
    assert readiness.missing(cast("Topology", FakeTopology(process_plan("sentinel")))) == (
        "198.18.0.1:6379: refused",
    )


class Logged(FakeTopology):
    """Nodes with logs."""

    def __init__(self, plan: Plan, said: dict[str, str]) -> None:
        super().__init__(plan)
        self.said = said

    def logs(self, node: str, lines: int = 40) -> str:
        return self.said.get(node, "")


def test_replica_that_its_primary_refuses_is_named_before_the_logs() -> None:
    """Passwords that do not fit together are the commonest reason, and the line is deep in a log."""
    said = {"redis-2": "7:S # Unexpected reply to PSYNC from master: -NOAUTH Authentication required."}
    topology = cast("Topology", Logged(process_plan("sentinel"), said))
    with pytest.raises(EnvironmentFailure) as raised:
        readiness._await(topology, 0.0, "the replicas to attach", lambda: iter(["redis-2 is not attached"]))
    first = str(raised.value).splitlines()[0]
    assert first.endswith(
        "still missing: redis-2 is not attached; "
        "redis-2 cannot log in at its primary: NOAUTH Authentication required."
    )


@pytest.mark.parametrize("own", [False, True])
def test_sentinels_without_the_password_of_the_nodes_are_named_first(own: bool) -> None:
    """No log says it: a sentinel that is refused takes the primary for dead."""
    directives = {"requirepass": "own-secret-1"} if own else {}
    topology = cast("Topology", Logged(process_plan("sentinel", redis=directives), {}))
    said = "sentinel-1 sees the primary as 198.18.0.2:6379 s_down,master,disconnected"
    with pytest.raises(DoesNotComeUp if own else EnvironmentFailure) as raised:
        readiness._await(topology, 0.0, "the topology to be ready", lambda: iter([said]))
    assert ("expected `sentinel auth-pass`" in str(raised.value)) is own


@pytest.mark.parametrize(
    ("own", "log", "missing", "error"),
    [
        (
            True,
            "7:S # Unable to AUTH to MASTER: -WRONGPASS invalid",
            "redis-2 is not attached",
            DoesNotComeUp,
        ),
        (
            False,
            "7:S # Unable to AUTH to MASTER: -WRONGPASS invalid",
            "redis-2 is not attached",
            EnvironmentFailure,
        ),
        (True, "", "redis-2 is not attached", EnvironmentFailure),
        (False, "", "proxy-1 has no way to redis-1: each server is DOWN", DoesNotComeUp),
        (False, "", "", EnvironmentFailure),
    ],
)
def test_what_never_comes_up_by_files_of_ones_own_is_no_failure_of_the_machine(
    own: bool, log: str, missing: str, error: type[Exception]
) -> None:
    """Only where it is certain that waiting longer helps nobody."""
    directives = {"requirepass": "own-secret-1"} if own else {}
    topology = cast("Topology", Logged(process_plan("sentinel", redis=directives), {"redis-2": log}))
    with pytest.raises(error):
        readiness._await(topology, 0.0, "the topology", lambda: iter([missing] if missing else ["?"]))
