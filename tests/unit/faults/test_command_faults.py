"""Faults that are commands, against fake nodes: what proves each, what undoes it, and when it had no effect.

What is kept open between effect and healing is closed by the healing, and after a failure at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from harness.clock import wait_until
from harness.errors import NoEffect
from harness.faults import FAULTS, fail_snapshots, hold_syncs, slow_readers
from harness.model.plan import Plan
from harness.model.scenario import Needed
from harness.model.seams import Effect, Machine
from harness.model.words import BackendKind, NodeRole, TopologyKind, Trait
from harness.redis_wire import clients
from harness.redis_wire.protocol import ErrorReply
from tests.fakes import FakeNode, FakeWorld, fake_world, make_plan, step

MACHINE = Machine(backend=BackendKind.PROCESS, network_faults=True)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWorld]:
    """A primary, two replicas and three sentinels; silence is known sooner than on a busy machine."""
    for module in ("pause", "pause_clients"):
        monkeypatch.setattr(f"harness.faults.{module}._SILENCE_S", 0.05)
    with ExitStack() as closing:
        made = fake_world(make_plan())
        closing.callback(made.topology.close)
        yield made


def inject(world: FakeWorld, kind: str, target: str = "primary", **changes: Any) -> Effect:
    return FAULTS[kind].inject(step(kind, target, **changes), world.scene)


def heal(world: FakeWorld, effect: Effect, kind: str, target: str = "primary", **changes: Any) -> str:
    said = FAULTS[kind].heal(step(kind, target, **changes), effect, world.scene)
    assert FAULTS[kind].heal(step(kind, target, **changes), effect, world.scene), "healing twice is harmless"
    return str(said)


def redis_1(world: FakeWorld) -> FakeNode:
    return world.topology.nodes["redis-1"]


# --- config set


def test_config_set_is_proved_by_the_value_and_undone(world: FakeWorld) -> None:
    """CONFIG GET before and after; the old value comes back."""
    redis_1(world).settings["maxmemory"] = "0"
    options = {"directive": "maxmemory", "value": "10mb"}
    effect = inject(world, "config set", options=options)
    assert effect.proof == "CONFIG SET maxmemory: redis-1 '0' -> '10mb'"
    assert "redis-1 '0'" in heal(world, effect, "config set", options=options)
    assert redis_1(world).settings["maxmemory"] == "0"
    assert not world.scene.kept


def test_config_set_of_what_is_so_already_has_no_effect(world: FakeWorld) -> None:
    """A setting that is as it was changes nothing."""
    redis_1(world).settings["maxmemory"] = "10mb"
    with pytest.raises(NoEffect, match="as it had before"):
        inject(world, "config set", options={"directive": "maxmemory", "value": "10mb"})
    assert not world.scene.kept


def test_config_set_undoes_the_nodes_that_it_reached(world: FakeWorld) -> None:
    """The second of two replicas refuses: the first has its old value again."""
    world.topology.nodes["redis-3"].deaf_to.add("CONFIG")
    with pytest.raises((NoEffect, AttributeError, TypeError, ValueError)):
        inject(world, "config set", "all replicas", options={"directive": "maxmemory", "value": "1"})
    assert world.topology.nodes["redis-2"].settings == {"maxmemory": ""}


def test_config_set_leaves_a_dead_node_alone(world: FakeWorld) -> None:
    """It reads its file when it starts."""
    options = {"directive": "maxmemory", "value": "10mb"}
    effect = inject(world, "config set", options=options)
    world.topology.kill("redis-1")
    assert "does not answer" in heal(world, effect, "config set", options=options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"directive": "dir", "value": "/"}, "dir"),
        ({"directive": "loadmodule", "value": "/tmp/x.so"}, "loadmodule"),
        ({"directive": "maxmemry", "value": "1"}, "did you mean 'maxmemory'"),
        ({"directive": "maxmemory", "value": "1\nloadmodule /tmp/x.so"}, "maxmemory"),
        ({"directive": "maxmemory", "value": "lots"}, "maxmemory: expected a size such as 100mb"),
        ({"directive": "save", "value": "900"}, "save: expected seconds and changes in pairs"),
        ({"directive": "save", "value": '""'}, "None"),
        ({"directive": "requirepass", "value": "new"}, "would say the password"),
        ({"directive": "masterauth", "value": "new"}, "would say the password"),
        ({"directive": "PrimaryAuth", "value": "new"}, "would say the password"),
    ],
)
def test_config_set_takes_only_what_a_deployment_may_say(options: dict[str, str], reason: str) -> None:
    """Nothing that starts a program, names a file, smuggles a second line in or has a password in its proof."""
    assert reason in str(FAULTS["config set"].declaration.wrong(options))


@pytest.mark.parametrize(
    ("kind", "most", "too_much", "reason"),
    [
        (
            "slow readers",
            {"readers": 10, "bytes": 100_000_000},
            {"bytes": 200_000_001},
            "at most 1000 MB for all readers together, found 1000 MB",
        ),
        ("occupy", {"with": "keys", "keys": 10_000_000}, {"with": "keys", "keys": 10_000_001}, "10000000"),
        ("fill", {"bytes": 1, "value": 64_000_000}, {"bytes": 1, "value": 64_000_001}, "1 B to 64 MB"),
        ("fill", {"bytes": 1, "value": 1}, {"bytes": 1, "value": 0}, "1 B to 64 MB"),
    ],
)
def test_no_fault_asks_for_all_the_memory_of_the_machine(
    kind: str, most: dict[str, Any], too_much: dict[str, Any], reason: str
) -> None:
    """What `maxmemory` does not limit has a limit of the kit's own."""
    assert FAULTS[kind].fits(step(kind, options=most), make_plan(), MACHINE) is None
    assert reason in str(FAULTS[kind].fits(step(kind, options=too_much), make_plan(), MACHINE))


# --- clients


def test_disconnect_clients_closes_what_was_listed(world: FakeWorld) -> None:
    """Those of others; the kit's own connection asks on."""
    effect = inject(world, "disconnect clients", "all replicas")
    assert effect.proof == "CLIENT KILL closed connections of clients: 2 at redis-2, 2 at redis-3"
    with pytest.raises(NoEffect, match="no connection of clients was open at redis-2"):
        inject(world, "disconnect clients", "replica")


def test_disconnect_clients_leaves_the_observer_alone(world: FakeWorld) -> None:
    """It is no subscriber of an application: where it is the only one there is nothing to close."""
    node, killed = redis_1(world), []
    names = {"7": "", "8": clients.OBSERVER}

    def answered(words: list[str], database: int) -> bytes:
        match words:
            case ["ID"]:
                return b":3\r\n"
            case ["LIST", *_]:
                lines = "".join(f"id={number} name={name}\n" for number, name in names.items())
                return f"${len(lines)}\r\n{lines}\r\n".encode()
        killed.append(words)
        names.pop(words[2])
        return b":1\r\n"

    node._client = answered  # type: ignore[method-assign]
    effect = inject(world, "disconnect clients", options={"of": "subscribers"})
    assert effect.proof == "CLIENT KILL closed connections of subscribers: 1 at redis-1"
    assert killed == [["KILL", "ID", "7"]]
    with pytest.raises(NoEffect, match="no connection of subscribers was open"):
        inject(world, "disconnect clients", options={"of": "subscribers"})


def test_disconnect_clients_that_closes_none_has_no_effect(world: FakeWorld) -> None:
    """A client that is still in the list is still connected."""
    redis_1(world)._client = lambda words, database: (  # type: ignore[method-assign] # deaf to KILL alone
        b":3\r\n" if words[0] == "ID" else b"$5\r\nid=7\n\r\n" if words[0] == "LIST" else b":0\r\n"
    )
    with pytest.raises(NoEffect, match="still has 1 of 1 connections"):
        inject(world, "disconnect clients")


def test_pause_clients_holds_writes_back_until_healed(world: FakeWorld) -> None:
    """The probe waits; after CLIENT UNPAUSE it is answered."""
    effect = inject(world, "pause clients", for_s=5.0)
    assert "no answer to writes within" in effect.proof
    assert "answering: redis-1" in heal(world, effect, "pause clients", for_s=5.0)
    assert ("CLIENT", "UNPAUSE") in redis_1(world).received


def test_pause_clients_from_everything_ends_with_its_time(world: FakeWorld) -> None:
    """Nothing can be said to such a node, so nothing but the time that it was given ends it."""
    everything: dict[str, Any] = {"for_s": 0.3, "options": {"commands": "all"}}
    effect = inject(world, "pause clients", **everything)
    assert ("CLIENT", "PAUSE", "300", "ALL") in redis_1(world).received
    assert "answering: redis-1" in heal(world, effect, "pause clients", **everything)
    assert ("CLIENT", "UNPAUSE") not in redis_1(world).received


def test_pause_clients_that_stops_nobody_has_no_effect(world: FakeWorld) -> None:
    """A write that is answered was not held back, and nothing stays paused."""
    redis_1(world).deaf_to.add("CLIENT")
    with pytest.raises(NoEffect, match="still answering"):
        inject(world, "pause clients")


def test_exhaust_connections_takes_all_and_gives_them_back(world: FakeWorld) -> None:
    """The next one is refused while it lasts, and whoever connects afterwards is accepted."""
    redis_1(world).maxclients = 12
    effect = inject(world, "exhaust connections")
    assert "refused the next: ERR max number of clients reached" in effect.proof
    with pytest.raises(ErrorReply, match="max number of clients"):
        inject(world, "flush", "sessions")
    assert "accepting again: redis-1" in str(
        _until_accepted(
            lambda: FAULTS["exhaust connections"].heal(step("exhaust connections"), effect, world.scene)
        )
    )
    assert not world.scene.kept


def _until_accepted(heals: Any) -> str:
    """A fake node notices a closed connection a moment later."""

    def tried() -> str | None:
        try:
            return str(heals())
        except ErrorReply:
            return None

    return wait_until(tried, within_s=2, waiting_for="the fake node to notice")


# --- what keeps a node busy


def test_occupy_is_proved_by_how_long_another_client_waits(world: FakeWorld) -> None:
    """A script runs, a PING of somebody else has no answer; ended, everybody is answered."""
    effect = inject(world, "occupy", for_s=5.0)
    assert "a script keeps redis-1" in effect.proof
    assert re.search(r"another client waited [\d.]+ s, and [\d.]+ ms at most just before$", effect.proof)
    assert heal(world, effect, "occupy", for_s=5.0) == "answering: redis-1"
    assert ("SCRIPT", "KILL") in redis_1(world).received


def test_occupy_that_is_refused_has_no_effect(world: FakeWorld) -> None:
    """DEBUG is not allowed by default: the node says so, and nothing waits."""
    redis_1(world).refuses["DEBUG"] = "ERR DEBUG command not allowed"
    with pytest.raises(NoEffect, match="refused to be kept busy: ERR DEBUG"):
        inject(world, "occupy", options={"with": "sleep"})
    assert not world.scene.kept


def test_occupy_that_makes_nobody_wait_has_no_effect(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KEYS over a handful of keys takes no time, also where a machine makes everybody wait a little."""
    monkeypatch.setattr("harness.faults.occupy._LOOKS", 3)
    monkeypatch.setattr("harness.faults.occupy.WAITED_LEAST_S", 30.0)
    with pytest.raises(NoEffect, match="answered another client within"):
        inject(world, "occupy", options={"with": "keys", "keys": 3})


@pytest.mark.parametrize(
    ("usual_s", "reason"), [(0.4, "within 1200.0 ms all the time"), (2.0, "lets clients wait")]
)
def test_occupy_is_not_proved_by_what_a_busy_machine_does_anyway(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch, usual_s: float, reason: str
) -> None:
    """Where everybody waits for long without a fault, 20 ms are no proof, and no wait of its length may be."""
    monkeypatch.setattr("harness.faults.occupy._LOOKS", 3)
    monkeypatch.setattr("harness.faults.occupy._longest_wait_before", lambda *_: usual_s)
    with pytest.raises(NoEffect, match=reason):
        inject(world, "occupy", options={"with": "keys", "keys": 3}, for_s=5.0)
    assert not world.scene.kept


def test_occupy_heals_without_a_node_that_died(world: FakeWorld) -> None:
    """Killed while it was busy: nothing is left to end."""
    effect = inject(world, "occupy", for_s=5.0)
    world.topology.kill("redis-1")
    assert heal(world, effect, "occupy", for_s=5.0) == "redis-1 is down"


def test_monitor_is_proved_by_what_it_sees(world: FakeWorld) -> None:
    """Each connection has been sent the commands of others."""
    effect = inject(world, "monitor", options={"readers": 3})
    assert effect.proof == "3 MONITOR connections to redis-1 see the commands of others"
    assert heal(world, effect, "monitor") == "MONITOR connections closed"
    assert not world.scene.kept


def test_slow_readers_are_proved_by_what_waits_for_them(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node lists the bytes; healed, the connections are gone."""
    monkeypatch.setattr(slow_readers, "_KERNEL_BYTES", 0)
    effect = inject(world, "slow readers", options={"readers": 2, "bytes": 100_000})
    assert "wait at redis-1 for 2 clients that do not read" in effect.proof
    assert "clients gone; redis-1 uses 0.5 MB" in heal(world, effect, "slow readers")


def test_slow_readers_that_wait_for_nothing_have_no_effect(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that drops its replies holds none back."""
    monkeypatch.setattr(slow_readers, "_KERNEL_BYTES", 0)
    monkeypatch.setattr(slow_readers, "_WITHIN_S", 0.3)
    redis_1(world).deaf_to.add("ECHO")
    with pytest.raises(NoEffect, match="bytes to wait for clients"):
        inject(world, "slow readers", options={"readers": 1, "bytes": 1000})
    assert not world.scene.kept


# --- roles


def test_hand_over_is_watched_until_the_old_primary_follows(world: FakeWorld) -> None:
    """FAILOVER to a named replica, forced after its time."""
    options = {"to": "replica", "force": True, "within": 2.0}
    effect = inject(world, "hand over", options=options)
    port = str(world.topology.nodes["redis-2"].port)
    asked = ("FAILOVER", "TO", "127.0.0.1", port, "FORCE", "TIMEOUT", "2000")
    assert asked in redis_1(world).received
    assert effect.targets == ("redis-1",)
    assert "redis-2 says master" in effect.proof
    assert redis_1(world).role is NodeRole.REPLICA


def test_hand_over_that_promotes_nobody_has_no_effect(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OK is no proof."""
    monkeypatch.setattr("harness.faults.hand_over._SLACK_S", 0.1)
    redis_1(world).deaf_to.add("FAILOVER")
    with pytest.raises(NoEffect, match="to be promoted"):
        inject(world, "hand over")


@pytest.mark.parametrize(
    ("target", "to", "said"),
    [
        ("primary", "replica", "redis-1 follows redis-2 after REPLICAOF; before it was primary"),
        ("replica", "nobody", "redis-2 is a primary after REPLICAOF"),
        ("replica", "primary", "redis-2 follows redis-1 after REPLICAOF"),
    ],
)
def test_reattach_is_proved_by_the_role(world: FakeWorld, target: str, to: str, said: str) -> None:
    """The node says whom it follows."""
    assert said in inject(world, "reattach", target, options={"to": to}).proof


def test_reattach_that_changes_nothing_has_no_effect(world: FakeWorld) -> None:
    """A node that is still what it was was not told anything new."""
    redis_1(world).deaf_to.add("REPLICAOF")
    with pytest.raises(NoEffect, match="as before"):
        inject(world, "reattach", options={"to": "replica"})


def test_reset_sentinels_is_proved_by_what_they_forgot(world: FakeWorld) -> None:
    """They knew two replicas, and know none."""
    effect = inject(world, "reset sentinels", "sentinel")
    assert "sentinel-1 knew 2 replicas and 2 other sentinels" in effect.proof
    world.topology.known_replicas = 2
    world.topology.nodes["sentinel-1"]._sentinel = lambda words, database: (  # type: ignore[method-assign] # RESET
        b":1\r\n" if words[0] == "RESET" else FakeNode._sentinel(redis_1(world), words, database)
    )
    with pytest.raises(NoEffect, match="still knows 2 replicas"):
        inject(world, "reset sentinels", "sentinel")


# --- memory and disk


def test_fill_keeps_a_primary_full_until_healed(worlds_with_limits: FakeWorld) -> None:
    """Under noeviction writes are refused, and go on being refused."""
    world = worlds_with_limits
    redis_1(world).policy = "noeviction"
    effect = inject(world, "fill", options={"to": 1.5, "value": 100_000})
    assert "OOM" in effect.proof
    seen = len(redis_1(world).received)
    wait_until(lambda: len(redis_1(world).received) > seen, within_s=2, waiting_for="more of the flood")
    assert "no more keys are written to redis-1" in heal(world, effect, "fill")
    assert not world.scene.kept


@pytest.fixture
def worlds_with_limits() -> Iterator[FakeWorld]:
    plan = make_plan()
    limited = tuple(replace(node, directives={"maxmemory": "1000000"}) for node in plan.nodes)
    made = fake_world(replace(plan, nodes=limited))
    try:
        yield made
    finally:
        made.topology.close()


def test_fill_writes_keys_that_belong_to_a_clusters_node() -> None:
    """Elsewhere they would be refused with MOVED."""
    plan = make_plan(TopologyKind.CLUSTER)
    limited = tuple(replace(node, directives={"maxmemory": "1000000"}) for node in plan.nodes)
    world = fake_world(replace(plan, nodes=limited))
    try:
        effect = inject(world, "fill", "shard 2 primary", options={"to": 1.5, "value": 100_000})
        written = [words[1] for words in world.topology.nodes["redis-2"].received if words[0] == "SET"]
        assert written
        assert all(key.startswith("cache:{") for key in written)
        heal(world, effect, "fill", "shard 2 primary")
    finally:
        world.topology.close()


def test_save_snapshot_is_proved_by_a_new_one(world: FakeWorld) -> None:
    """One more was written; a node that writes none had no effect."""
    assert "redis-1 wrote a snapshot of about 10 keys" in inject(world, "save snapshot").proof
    redis_1(world).deaf_to.add("BGSAVE")
    with pytest.raises(NoEffect, match="did not write a snapshot"):
        inject(world, "save snapshot")


def test_fail_snapshots_is_proved_by_the_one_that_failed(world: FakeWorld) -> None:
    """A folder stands in its place until the fault is healed."""
    effect = inject(world, "fail snapshots")
    assert effect.proof == "redis-1 could not write its snapshot; it answers PING with MISCONF"
    assert heal(world, effect, "fail snapshots") == "last snapshot of redis-1: ok, PING: PONG"
    assert world.topology.did == ["obstruct redis-1", "clear redis-1"]


def test_fail_snapshots_says_where_nothing_follows(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node without save points works on; nobody should take that for a promise about full volumes."""
    monkeypatch.setattr(fail_snapshots, "pinged", lambda _connection: "PONG")
    effect = inject(world, "fail snapshots")
    assert "answers PING with PONG, so nothing follows from it: it has no save point" in effect.proof
    heal(world, effect, "fail snapshots")


def test_fail_snapshots_that_lets_one_through_has_no_effect(world: FakeWorld) -> None:
    """And leaves nothing in the way."""
    world.topology.broken.add("obstruct")
    with pytest.raises(NoEffect, match="wrote its snapshot all the same"):
        inject(world, "fail snapshots")
    assert world.topology.did[-1] == "clear redis-1"


@pytest.mark.parametrize("kind", ["fail snapshots", "fill volume"])
def test_fault_that_ends_with_the_run_is_healed(world: FakeWorld, kind: str) -> None:
    """Whoever stops a run does not wait for a snapshot; that says nothing against the healing."""
    effect = inject(world, kind)
    world.scene = replace(world.scene, stopping=lambda: True)
    told = FAULTS[kind].heal(step(kind), effect, world.scene)
    assert told == "undone at redis-1, and no longer looked at: the run was stopped"
    assert not redis_1(world).obstructed
    assert not redis_1(world).full


@pytest.mark.parametrize("kind", ["fail snapshots", "fill volume"])
def test_node_has_such_a_fault_once(world: FakeWorld, kind: str) -> None:
    """The end of the first would be the end of both; afterwards it can be done again."""
    first, second = step(kind), replace(step(kind), number=2)
    scenario = replace(world.scene.plan.scenario, faults=(first, second))
    plan = replace(world.scene.plan, scenario=scenario)
    scene = replace(world.scene, plan=plan, resolved={1: ("redis-1",)})
    effect = FAULTS[kind].inject(first, scene)
    with pytest.raises(NoEffect, match=rf"fault 1 \({kind}\) is in force at redis-1 already"):
        FAULTS[kind].inject(second, scene)
    assert len(world.topology.did) == 1
    FAULTS[kind].heal(first, effect, scene)
    again = FAULTS[kind].inject(second, scene)
    FAULTS[kind].heal(second, again, scene)


def test_hold_syncs_is_proved_by_a_sync_that_waits(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that syncs is held until the fault is healed."""

    @contextmanager
    def held(thread: int, of: str) -> Iterator[None]:
        redis_1(world).sync_waits = (thread, of) == (7, "redis-1")
        yield
        redis_1(world).sync_waits = False

    monkeypatch.setattr(hold_syncs, "held", held)
    monkeypatch.setattr(hold_syncs, "thread_named", lambda _pid, name: 7 if name == "bio_aof" else None)
    effect = inject(world, "hold syncs")
    assert effect.proof.startswith("a sync of redis-1")
    assert heal(world, effect, "hold syncs") == "redis-1 syncs again"
    assert not redis_1(world).sync_waits


def test_hold_syncs_without_a_sync_has_no_effect(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where the process has no such thread, or is another machine's."""
    monkeypatch.setattr(hold_syncs, "held", lambda _thread, _of: nullcontext())
    monkeypatch.setattr(hold_syncs, "_WAITS_WITHIN_S", 0.01)
    monkeypatch.setattr(hold_syncs, "thread_named", lambda _pid, _name: 7)
    with pytest.raises(NoEffect, match="a sync of redis-1 to wait"):
        inject(world, "hold syncs")
    monkeypatch.setattr(hold_syncs, "thread_named", lambda _pid, _name: None)
    with pytest.raises(NoEffect, match="expected a thread bio_aof"):
        inject(world, "hold syncs")


def test_hold_syncs_says_that_a_sync_waits_longer(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does on a disk that is overloaded by itself."""
    monkeypatch.setattr(hold_syncs, "held", lambda _thread, _of: nullcontext())
    monkeypatch.setattr(hold_syncs, "_SYNCED_WITHIN_S", 0.01)
    monkeypatch.setattr(hold_syncs, "thread_named", lambda _pid, _name: 7)
    redis_1(world).sync_waits = True
    assert heal(world, inject(world, "hold syncs"), "hold syncs") == "a sync of redis-1 waits longer"


def test_fill_volume_is_proved_by_what_the_node_says(world: FakeWorld) -> None:
    """Neither a snapshot nor its append-only file can be written, until it is healed."""
    effect = inject(world, "fill volume")
    assert effect.proof == (
        "redis-1 can write nothing to its volume: snapshot err, append-only file err; "
        "it answers PING with MISCONF"
    )
    assert heal(world, effect, "fill volume") == "last snapshot of redis-1: ok, PING: PONG"
    assert world.topology.did == ["refuse writes redis-1", "allow writes redis-1"]


def test_fill_volume_that_lets_a_snapshot_through_has_no_effect(world: FakeWorld) -> None:
    """And nothing is refused any more."""
    world.topology.broken.add("refuse writes")
    with pytest.raises(NoEffect, match="wrote a snapshot all the same"):
        inject(world, "fill volume")
    assert world.topology.did[-1] == "allow writes redis-1"


def test_fill_volume_may_end_a_node(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has promised that every write is on the disk; healed, there is nothing to ask."""

    def ends(connection: Any, _scene: Any) -> str:
        world.topology.kill("redis-1")
        return str(connection.call("PING"))

    monkeypatch.setattr("harness.faults.fill_volume.saved", ends)
    effect = inject(world, "fill volume")
    assert effect.proof == "redis-1 could write nothing to its volume, and ended with exit code -9"
    assert heal(world, effect, "fill volume") == "the node is down"


# --- slots


@pytest.fixture
def cluster() -> Iterator[FakeWorld]:
    """Shards 1 and 2 have some slots with keys, the first of shard 1 too."""
    made = fake_world(make_plan(TopologyKind.CLUSTER))
    first, second = made.topology.nodes["redis-1"], made.topology.nodes["redis-2"]
    first.slots, second.slots = set(range(5461)), set(range(5461, 10923))
    first.slot_keys = {0: ["z"], 7: ["a", "b", "c"], 9: ["d"]}
    try:
        yield made
    finally:
        made.topology.close()


def test_reshard_moves_slots_that_hold_keys_and_brings_them_back(cluster: FakeWorld) -> None:
    """All but the first one of the shard, by which it is known."""
    first, second = cluster.topology.nodes["redis-1"], cluster.topology.nodes["redis-2"]
    effect = inject(cluster, "reshard")
    assert effect.proof.startswith("4 keys of 2 slots of redis-1 moved to redis-2 in ")
    assert {7, 9} <= second.slots
    assert (first.slot_keys[0], first.slot_keys[7], second.slot_keys[7]) == (["z"], [], ["a", "b", "c"])
    first.asked, second.slot_keys[7] = 3, ["a", "b", "new"]
    said = heal(cluster, effect, "reshard")
    assert said.startswith("2 slots with 4 keys are at redis-1 again, which has answered 3 commands with ASK")
    assert (first.slot_keys[7], second.slot_keys[7]) == (["a", "b", "new"], [])
    assert first.slots == set(range(5461))


def test_reshard_halfway_leaves_every_slot_on_the_move(cluster: FakeWorld) -> None:
    """Half of its keys are there; healed, all are back, and nothing is on the move."""
    first, second = cluster.topology.nodes["redis-1"], cluster.topology.nodes["redis-2"]
    options = {"until": "halfway", "slots": 1}
    effect = inject(cluster, "reshard", options=options)
    assert "2 keys of 1 slots of redis-1 moved to redis-2" in effect.proof
    assert (first.slot_keys[7], second.slot_keys[7]) == (["c"], ["a", "b"])
    assert (first.moving, second.moving) == ({7: "->-"}, {7: "-<-"})
    heal(cluster, effect, "reshard", options=options)
    assert (sorted(first.slot_keys[7]), first.moving, second.moving) == (["a", "b", "c"], {}, {})


def test_reshard_without_keys_has_no_effect(cluster: FakeWorld) -> None:
    """Nobody asks for what is nowhere."""
    cluster.topology.nodes["redis-1"].slot_keys = {0: ["z"]}
    with pytest.raises(NoEffect, match="no slot of redis-1 but its first one holds a key"):
        inject(cluster, "reshard")


def test_reshard_that_is_not_believed_has_no_effect(cluster: FakeWorld) -> None:
    """The other node must say that the slots are its own."""
    for node in cluster.topology.nodes.values():
        node._set_slot = lambda *_: b"+OK\r\n"  # type: ignore[method-assign] # deaf to it
    with pytest.raises(NoEffect, match="but it says that it owns 0 of them"):
        inject(cluster, "reshard")


# --- fits

VALKEY, REDIS = "valkey-9.1", "redis-7.0"


@pytest.mark.parametrize(("replicas", "reason"), [(1, "no second replica that it could follow"), (2, "None")])
def test_reattach_to_a_replica_needs_another_one(replicas: int, reason: str) -> None:
    """A replica follows no other where there is none; the primary can follow the only one."""
    plan = make_plan(replicas=replicas)
    for target, said in (("replica", reason), ("the old primary", reason), ("primary", "None")):
        asked = step("reattach", target, options={"to": "replica"})
        after = replace(
            plan, scenario=replace(plan.scenario, faults=(replace(step("kill"), number=0), asked))
        )
        assert said in str(FAULTS["reattach"].fits(asked, after, MACHINE))


@pytest.mark.parametrize(
    ("kind", "target", "options", "topology", "needed"),
    [
        ("flush", "cache", {"scope": "database"}, TopologyKind.SHARED, Needed(Trait.FILLS_MEMORY, "cache")),
        ("flush", "cache", {"scope": "all"}, TopologyKind.SHARED, None),
        ("flush", "cache", {"scope": "all"}, TopologyKind.SPLIT, Needed(Trait.FILLS_MEMORY, "cache")),
        ("flush", "sessions", {"scope": "database"}, TopologyKind.SPLIT, None),
        ("reattach", "shard 1 replica", {"to": "primary"}, TopologyKind.SENTINEL, Needed(Trait.UNASKED)),
        ("reattach", "the old primary", {"to": "primary"}, TopologyKind.SENTINEL, None),
        ("reattach", "replica", {"to": "nobody"}, TopologyKind.SENTINEL, None),
        ("restart", "replica", {"address": "new"}, TopologyKind.SENTINEL, None),
        ("restart", "replica", {"address": "abandoned"}, TopologyKind.SENTINEL, Needed(Trait.LEAVES_ADDRESS)),
    ],
)
def test_fault_says_what_has_to_come_before_it(
    kind: str, target: str, options: dict[str, str], topology: TopologyKind, needed: Needed | None
) -> None:
    """For it to find something that it changes."""
    declared, plan = FAULTS[kind].declaration, make_plan(topology, cache_database=1)
    assert declared.needs(target, options, plan.inventory) == needed


def of_engine(engine: str) -> Plan:
    plan = make_plan()
    deployment = replace(plan.scenario.deployment, engine=engine)
    return replace(plan, scenario=replace(plan.scenario, deployment=deployment))


@pytest.mark.parametrize(
    ("kind", "options", "plan", "reason"),
    [
        ("pause clients", {"commands": "all"}, make_plan(), "add `for:`"),
        ("disconnect clients", {"of": "replicas"}, make_plan(TopologyKind.SINGLE), "no replicas"),
        ("hand over", {"force": True}, make_plan(), "add `to: replica`"),
        ("hand over", {}, make_plan(TopologyKind.SINGLE), "no replica to hand over to"),
        ("reattach", {"to": "primary"}, make_plan(), "cannot follow itself"),
        ("reattach", {"to": "nobody"}, make_plan(), "follows nobody already"),
        ("occupy", {"keys": 5}, make_plan(), "only for `with: keys`"),
        ("monitor", {"readers": 0}, make_plan(), "expected 1 to 200"),
        ("slow readers", {"readers": 101}, make_plan(), "expected 1 to 100"),
        ("fill", {}, make_plan(), "no maxmemory"),
        ("planned failover", {"form": "coordinated"}, of_engine(REDIS), "Valkey 9.0 and later"),
        ("planned failover", {"form": "coordinated"}, of_engine("valkey-8.1"), "Valkey 9.0 and later"),
        ("planned failover", {"form": "coordinated"}, make_plan(TopologyKind.CLUSTER), "by default"),
    ],
)
def test_command_fits_where_it_can_be_done(
    kind: str, options: dict[str, Any], plan: Plan, reason: str
) -> None:
    """At planning, before anything starts."""
    assert reason in str(FAULTS[kind].fits(step(kind, options=options), plan, MACHINE))


def test_coordinated_failover_fits_valkey() -> None:
    """And deployments that name no engine."""
    asked = step("planned failover", options={"form": "coordinated"})
    assert FAULTS["planned failover"].fits(asked, of_engine(VALKEY), MACHINE) is None
    assert FAULTS["planned failover"].fits(asked, of_engine("valkey-10.0"), MACHINE) is None
    assert FAULTS["planned failover"].fits(asked, make_plan(), MACHINE) is None


def test_coordinated_failover_is_asked_for(world: FakeWorld) -> None:
    """In Valkey's words."""
    effect = inject(world, "planned failover", options={"form": "coordinated"})
    assert ("SENTINEL", "FAILOVER", "sessions", "COORDINATED") in world.topology.nodes["sentinel-1"].received
    assert "SENTINEL FAILOVER COORDINATED on sentinel-1" in effect.proof
