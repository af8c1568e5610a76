"""`flush`: FLUSHDB or FLUSHALL, typed by somebody who meant another instance.

`scope: database` empties the one logical database that holds the target, `scope: all` the whole
instance. Proof is the key count in the same write to the same connection: the server runs the three
commands back to back, so nobody can write between the flush and the count.

Traps: not in MULTI. A full instance refuses everything inside it, reads too. And with ASYNC: the data set
is gone at once everywhere, but without it Redis 8 lets others write before it answers this connection.
And the kit's own traffic keeps nothing in the cache: a fault has to fill it first.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.fill_cache import cache_database
from harness.faults.moment import noted
from harness.model.inventory import Inventory
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Needed, Option, OptionType, OptionValue
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait
from harness.redis_wire import info


def _needs(target: str, options: Mapping[str, OptionValue], inventory: Inventory) -> Needed | None:
    """Keys of the cache, unless the sessions go with it."""
    node, everything = inventory.cache, options.get("scope") == "all"
    sessions_too = inventory.shares_cache and (everything or (node and not node.cache_database))
    return Needed(Trait.FILLS_MEMORY, "cache") if target == "cache" and not sessions_too else None


class Flush:
    declaration = Declaration(
        name="flush",
        help="FLUSHDB or FLUSHALL where the cache or the sessions live.",
        targets=("cache", "sessions"),
        options=(
            Option(
                name="scope",
                type=OptionType.WORD,
                help="the target's logical database (FLUSHDB), or the whole instance (FLUSHALL)",
                default="database",
                words=("database", "all"),
            ),
        ),
        least_for_s=None,
        traits=(Trait.EMPTIES_DATABASE,),
        needs=_needs,
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        database = cache_database(scene.plan) if step.target == "cache" else 0
        everything = step.options.get("scope", "database") == "all"
        with noted(scene) as moment:
            gone = {node: _flush(node, database, everything=everything, scene=scene) for node in nodes}
        what = "FLUSHALL" if everything else f"FLUSHDB in database {database}"
        if not any(gone.values()):
            raise NoEffect(f"{what} on {', '.join(nodes)} had no effect: there were no keys before")
        counts = ", ".join(f"{node} {keys} keys -> 0" for node, keys in gone.items())
        return moment.effect(nodes, f"{what}: {counts}")

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None


def _flush(node: str, database: int, *, everything: bool, scene: FaultScene) -> int:
    """Flush, and return how many keys were there.

    Raises:
        NoEffect: keys were left.
    """
    with own_nodes.connect(scene, node, database=database) as connection:
        count = ("INFO", "keyspace")
        command = "FLUSHALL" if everything else "FLUSHDB"
        before, _, after = connection.call_all([count, (command, "ASYNC"), count])
    which = None if everything else database
    if left := info.keys(info.fields(str(after)), which):
        raise NoEffect(f"{node} still holds {left} keys directly after {command}")
    return info.keys(info.fields(str(before)), which)
