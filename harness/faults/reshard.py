"""`reshard`: slots of a shard move to another one while clients use them, as when a cluster grows.

Key by key, as `redis-cli --cluster reshard` does it: until a slot is whole at its new place, its old owner
answers with ASK for each key that it does not have any more, and commands on several keys of that slot may
get TRYAGAIN. `until: halfway` stops in the middle, and every slot stays so until the fault is healed.

Effect: keys were moved, and the nodes themselves say whose the slots are. Healing brings all of them back.
Trap: a key moves to the primary of the other shard alone; its replica gets it later, as it gets every write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.moment import noted
from harness.model.credentials import kit_login
from harness.model.fit import no_other_shard
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait
from harness.redis_wire import cluster
from harness.redis_wire.blocking import Connection
from harness.redis_wire.cluster import ClusterRow

_LEAST_S = 0.2
_HALFWAY = "halfway"
_SLOTS = 50
_KEYS_AT_ONCE = 100
_MOVED_WITHIN_S = 10.0
"""For keys that are moved at once: a node takes a millisecond, a big value or a busy machine longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """A primary that slots move from or to."""

    node: str
    connection: Connection
    row: ClusterRow
    """How it sees itself."""

    def set_slot(self, slot: int, *words: str) -> None:
        self.connection.call("CLUSTER", "SETSLOT", str(slot), *words)

    def count(self, slot: int) -> int:
        return int(self.connection.call("CLUSTER", "COUNTKEYSINSLOT", str(slot)))


class Reshard:
    declaration = Declaration(
        name="reshard",
        help="Move slots to another shard while clients use them, and back when it is healed.",
        targets=targets.PRIMARIES,
        options=(
            Option(
                name="to", type=OptionType.SHARD, help="the shard that gets them; the next one", default=0
            ),
            Option(
                name="slots",
                type=OptionType.COUNT,
                help="how many, of those that hold keys",
                default=_SLOTS,
                least=1,
            ),
            Option(
                name="until",
                type=OptionType.WORD,
                help="moved: all keys of them; halfway: half of the keys of each, until it is healed",
                default="moved",
                words=("moved", _HALFWAY),
            ),
        ),
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS,),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if misfit := targets.fits(step, plan):
            return misfit
        if not plan.inventory.clustered:
            return "only a cluster has slots"
        source, target = _shards(step, plan)
        if refused := no_other_shard(source, target, plan.inventory):
            return f"to: {refused}"
        if step not in plan.scenario.faults:
            return (
                "if the kit died, a cluster that is held would keep half-moved slots; a scenario can have it"
            )
        return None

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        source_shard, target_shard = _shards(step, scene.plan)
        with ExitStack() as closing:
            source, target = _ends(source_shard, target_shard, scene, closing)
            slots = _with_keys(source, source_shard, int(step.options.get("slots", _SLOTS)), scene)
            half = step.options.get("until") == _HALFWAY
            with noted(scene) as moment:
                moved = sum(_move(slot, source, target, scene, half=half) for slot in slots)
            took_s = moment.error_us / 1e6
            said = f"{moved} keys of {len(slots)} slots of {source.node} moved to {target.node}"
            if not moved:
                raise NoEffect(f"{said}: expected at least one")
            whole = len(_owned(_itself(target.connection)).intersection(slots))
            if not half and whole < len(slots):
                raise NoEffect(f"{said}, but it says that it owns {whole} of them")
            proof = f"{said} in {took_s:.2f} s, which owns {whole} of these slots"
            return moment.effect((source.node,), proof)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        source_shard, target_shard = _shards(step, scene.plan)
        with ExitStack() as closing:
            source, target = _ends(source_shard, target_shard, scene, closing)
            first, last = scene.plan.inventory.slot_range(source_shard)
            there = _owned(target.row)
            elsewhere = there.union(target.row.moving, source.row.moving)
            away = sorted(elsewhere.intersection(range(first, last + 1)))
            for slot in away:
                if slot not in there:  # half of it is there: bring it there first, then back
                    _move(slot, source, target, scene, half=False)
            back = sum(_move(slot, target, source, scene, half=False) for slot in away)
            return (
                f"{len(away)} slots with {back} keys are at {source.node} again, which has answered "
                f"{_redirected(source)} commands with ASK; {target.node} {_redirected(target)}"
            )

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return bool(targets.running(effect.targets, scene))


def _shards(step: FaultStep, plan: Plan) -> tuple[int, int]:
    source = targets.parse(step.target).shard
    return source, int(step.options.get("to", 0)) or source % plan.inventory.shards + 1


def _ends(source: int, target: int, scene: FaultScene, closing: ExitStack) -> tuple[_End, _End]:
    """Whoever is primary of these two shards now."""

    def end(shard: int) -> _End:
        (node,) = targets.resolve(f"shard {shard} primary", scene)
        connection = closing.enter_context(own_nodes.connect(scene, node, within_s=_MOVED_WITHIN_S))
        return _End(node=node, connection=connection, row=_itself(connection))

    return end(source), end(target)


def _itself(connection: Connection) -> ClusterRow:
    rows = cluster.rows(str(connection.call("CLUSTER", "NODES")))
    return next(row for row in rows if row.itself)


def _owned(row: ClusterRow) -> set[int]:
    return {slot for first, last in row.slots for slot in range(first, last + 1)}


def _with_keys(source: _End, shard: int, most: int, scene: FaultScene) -> list[int]:
    """Slots of a shard that hold keys, but not its first one: by that one observers know who leads."""
    first, last = scene.plan.inventory.slot_range(shard)
    found = list(islice(filter(source.count, range(first + 1, last + 1)), most))
    if not found:
        raise NoEffect(f"no slot of {source.node} but its first one holds a key")
    return found


def _move(slot: int, source: _End, target: _End, scene: FaultScene, *, half: bool) -> int:
    """Move the keys of one slot; returns how many. Not all of them: the slot stays on the move."""
    target.set_slot(slot, "IMPORTING", source.row.identity)
    source.set_slot(slot, "MIGRATING", target.row.identity)
    keys, moved = source.count(slot), 0
    for some in _keys(slot, source, (keys + 1) // 2 if half else None):
        _migrate(some, source, target, scene)
        moved += len(some)
    if not half:
        target.set_slot(slot, "NODE", target.row.identity)  # first: with both saying no, nobody would have it
        source.set_slot(slot, "NODE", target.row.identity)
    return moved


def _keys(slot: int, source: _End, most: int | None) -> Iterator[list[str]]:
    """The keys that are still there, some at a time: those that were returned before are gone by then."""
    left = most
    while left is None or left > 0:
        count = _KEYS_AT_ONCE if left is None else min(left, _KEYS_AT_ONCE)
        some = [str(key) for key in source.connection.call("CLUSTER", "GETKEYSINSLOT", str(slot), str(count))]
        if not some:
            return
        yield some
        left = None if left is None else left - len(some)


def _migrate(keys: list[str], source: _End, target: _End, scene: FaultScene) -> None:
    login = kit_login(scene.plan, target.node, scene.topology.secrets)
    if login.user:
        log_in: tuple[str, ...] = ("AUTH2", login.user, login.password)
    else:
        log_in = ("AUTH", login.password) if login.password else ()
    source.connection.call(
        "MIGRATE",
        target.row.host,
        str(target.row.port),
        "",
        "0",
        str(round(_MOVED_WITHIN_S * 1000)),
        "REPLACE",
        *log_in,
        "KEYS",
        *keys,
    )


def _redirected(end: _End) -> int:
    """How many commands it has answered with ASK since it started; engines count errors since Redis 6.2."""
    return int(end.connection.info("errorstats").get("errorstat_ASK", "count=0").removeprefix("count="))
