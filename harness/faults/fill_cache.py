"""`fill cache` and `fill`: a flood of keys into an instance, past its limit.

`fill cache` strikes whoever holds the cache: in `split` an instance of its own, in `shared` the one that
also holds the sessions (the cache has its own logical database there, which does not help: a memory limit is
per instance). `fill` strikes any data node, guarded by sentinels or a member of a cluster, and with `for:`
keeps it full: what expires or is deleted meanwhile makes room for new keys of the flood, not for sessions.

Effect: memory at its limit and keys evicted since, or writes refused for want of memory. A flood that
was meant to stay below the limit (`bytes`, or `to` below 1) is proved by the keys that are there. It
is over when everything was offered, refused or not; with `rate` that can be made to last.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

from harness.errors import Interrupted, NoEffect
from harness.faults import own_nodes, targets
from harness.faults.filler import Load, Written, fill
from harness.faults.kept import going_on, keeping, let_go
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.records import MEMORY_FULL_SHARE
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import NodePurpose, Trait
from harness.redis_wire.blocking import Connection
from harness.redis_wire.keys import slot
from harness.redis_wire.protocol import ErrorReply, NoAnswer

_KEY_BYTES = len("cache:100000")
_LOOK_EVERY_US = 20_000
_LONGEST_US = 120_000_000
_STALL_S = 10.0
_LEAST_S = 0.2
_KEEPING_PER_S = 500
_VALUE_MOST_BYTES = 64_000_000
"""The kit holds some of them at a time, and a node refuses one of more than 512 MB."""
_WITHOUT_END = 1_000_000_000
"""Keys that keep a node full are others than those that filled it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    used_bytes: int
    limit_bytes: int
    policy: str
    evicted: int
    keys: int
    t_us: int

    def __str__(self) -> str:
        limit = f"{self.limit_bytes / 1e6:.1f} MB" if self.limit_bytes else "no limit"
        return f"{self.used_bytes / 1e6:.1f} MB of {limit} under {self.policy}"


_AMOUNT = (
    Option(
        name="to",
        type=OptionType.FACTOR,
        help="how much to write, in multiples of maxmemory",
        default=2.0,
        unless="bytes",
    ),
    Option(name="bytes", type=OptionType.SIZE, help="how much to write; 0: `to` decides", default=0),
    Option(name="value", type=OptionType.SIZE, help="size of one value", default=1024),
    Option(name="ttl", type=OptionType.DURATION, help="of the keys; 0: none", default=0.0),
    Option(name="rate", type=OptionType.COUNT, help="keys per second; 0: as fast as it goes", default=0),
)


class FillCache:
    declaration = Declaration(
        name="fill cache",
        help="Write cache keys, as fast as the instance takes them, past its memory limit.",
        targets=("cache",),
        least_for_s=None,
        traits=(Trait.FILLS_MEMORY,),
        options=_AMOUNT,
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        node = plan.inventory.cache
        return "the deployment has no cache" if node is None else _why_never_full(step, node)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (node,) = targets.resolve("cache", scene)
        return _fill(node, step, scene, database=cache_database(scene.plan))

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None


class Fill:
    declaration = Declaration(
        name="fill",
        help="Write keys into any primary, past its memory limit; `for:` keeps it full.",
        targets=(*targets.PRIMARIES, "cache"),
        least_for_s=_LEAST_S,
        options=_AMOUNT,
        traits=(Trait.LASTS, Trait.FILLS_MEMORY),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        nodes = [node for node in plan.data_nodes() if step.target != "cache" or node == plan.inventory.cache]
        reasons = [_why_never_full(step, node) for node in nodes]
        return targets.fits(step, plan) or next(filter(None, reasons), None)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        tags = {node: _own_tag(node, scene) for node in nodes}
        database = _database(step, scene)
        filled = [_fill(node, step, scene, database=database, tag=tags[node]) for node in nodes]
        with keeping(step, scene) as kept:
            for node in nodes:
                kept.enter_context(going_on(partial(_keep_full, node, tags[node], step, scene)))
        first = min(filled, key=lambda one: one.at_us)
        return replace(first, targets=nodes, proof="; ".join(one.proof for one in filled))

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        let_go(step, scene)
        return f"no more keys are written to {', '.join(effect.targets)}; those that are there stay"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return bool(targets.running(effect.targets, scene))


def _why_never_full(step: FaultStep, node: NodePlan) -> str | None:
    if not 1 <= int(step.options.get("value", 1024)) <= _VALUE_MOST_BYTES:
        return f"value: expected 1 B to {_VALUE_MOST_BYTES / 1e6:.0f} MB, found {step.options['value']} B"
    limited = node.setting("maxmemory", "unknown" if node.purpose is NodePurpose.CACHE else "0") != "0"
    if limited or step.options.get("bytes"):
        return None
    return f"{node.name} has no maxmemory, so it can never be full"


def _fill(node: str, step: FaultStep, scene: FaultScene, *, database: int = 0, tag: str = "") -> Effect:
    with (
        own_nodes.connect(scene, node, database=database) as asking,
        own_nodes.connect(scene, node, database=database, within_s=_STALL_S) as writing,
    ):
        before = _memory(asking, scene)
        load = replace(_load(step, before), tag=tag)
        watch = _Watch(asking, before, scene)
        written = fill(writing.socket, load, watch.go_on)
        after = _memory(asking, scene)
    watch.look(after, written)
    return watch.effect(node, load, written, after)


def _keep_full(node: str, tag: str, step: FaultStep, scene: FaultScene, over: threading.Event) -> None:
    """Until it is healed, or the node goes down: keys without an end, at a rate that leaves others their
    turn."""
    with (
        suppress(NoAnswer, ErrorReply),
        own_nodes.connect(scene, node, database=_database(step, scene), within_s=_STALL_S) as writing,
    ):
        load = Load(
            keys=_WITHOUT_END,
            value_bytes=int(step.options.get("value", 1024)),
            ttl_s=float(step.options.get("ttl", 0.0)),
            rate_per_s=_KEEPING_PER_S,
            first=_WITHOUT_END,
            tag=tag,
        )
        fill(writing.socket, load, lambda _: not over.is_set())


def _own_tag(node: str, scene: FaultScene) -> str:
    """What keys need in braces to belong to a cluster's node; elsewhere every key does."""
    if not scene.plan.inventory.clustered:
        return ""
    views = scene.observed.views()
    shard = views[node].shard if node in views else scene.plan.node(node).shard
    first, last = scene.plan.inventory.slot_range(shard)
    return next(f"{{{n}}}" for n in count() if first <= slot(str(n)) <= last)


def _database(step: FaultStep, scene: FaultScene) -> int:
    """Keys for the cache lie where the cache lies."""
    return cache_database(scene.plan) if step.target == "cache" else 0


def cache_database(plan: Plan) -> int:
    holder = plan.inventory.cache
    return (holder.cache_database if holder else None) or 0


def _load(step: FaultStep, memory: _Memory) -> Load:
    value_bytes = int(step.options.get("value", 1024))
    total_bytes = int(step.options.get("bytes", 0))
    if not total_bytes:
        if not memory.limit_bytes:
            raise NoEffect(f"the cache instance has no maxmemory to fill: {memory}")
        total_bytes = int(float(step.options.get("to", 2.0)) * memory.limit_bytes)
    return Load(
        keys=max(1, total_bytes // (value_bytes + _KEY_BYTES)),
        value_bytes=value_bytes,
        ttl_s=float(step.options.get("ttl", 0.0)),
        rate_per_s=int(step.options.get("rate", 0)),
        first=memory.keys,
    )


class _Watch:
    """Looks at the instance while the writer writes, and notes when it was first seen full."""

    def __init__(self, asking: Connection, before: _Memory, scene: FaultScene) -> None:
        self._asking = asking
        self._before = before
        self._scene = scene
        self._looked_us = before.t_us
        self._full: tuple[int, int] | None = None
        """When it was first seen full, and when it was last looked at before."""

    def go_on(self, written: Written) -> bool:
        now_us = self._scene.observed.now_us()
        if self._scene.stopping():
            raise Interrupted(f"stopped while filling the cache, after {written.answered} keys")
        if now_us - self._looked_us >= _LOOK_EVERY_US or (written.refused and self._full is None):
            self.look(_memory(self._asking, self._scene), written)
        return now_us - self._before.t_us < _LONGEST_US

    def look(self, memory: _Memory, written: Written) -> None:
        at_limit = memory.limit_bytes and memory.used_bytes >= MEMORY_FULL_SHARE * memory.limit_bytes
        evicting = at_limit and memory.evicted > self._before.evicted
        refusing = written.first_refusal.startswith("OOM")
        if self._full is None and (evicting or refusing):
            self._full = (memory.t_us, self._looked_us)
        self._looked_us = memory.t_us

    def effect(self, node: str, load: Load, written: Written, after: _Memory) -> Effect:
        offered_bytes = load.keys * (load.value_bytes + _KEY_BYTES)
        took_s = max(1, after.t_us - self._before.t_us) / 1e6
        proof = (
            f"{written.accepted} keys accepted, {written.refused} refused"
            f"{f' ({written.first_refusal})' if written.refused else ''} in {took_s:.2f} s; {after}; "
            f"{after.evicted - self._before.evicted} keys evicted meanwhile"
        )
        if self._full is not None:
            at_us, looked_us = self._full
            return Effect(targets=(node,), proof=proof, at_us=at_us, error_us=at_us - looked_us)
        below = not after.limit_bytes or offered_bytes < after.limit_bytes
        if below and after.keys > self._before.keys:
            proof += f"; keys {self._before.keys} -> {after.keys}"
            return Effect(
                targets=(node,), proof=proof, at_us=after.t_us, error_us=after.t_us - self._before.t_us
            )
        raise NoEffect(f"{node} was not filled: {proof}")


def _memory(connection: Connection, scene: FaultScene) -> _Memory:
    memory = connection.info("memory")
    return _Memory(
        used_bytes=int(memory["used_memory"]),
        limit_bytes=int(memory["maxmemory"]),
        policy=memory["maxmemory_policy"],
        evicted=int(connection.info("stats")["evicted_keys"]),
        keys=int(connection.call("DBSIZE")),
        t_us=scene.observed.now_us(),
    )
