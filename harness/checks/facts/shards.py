"""Which shard each node belonged to, at every moment: as its own samples say, never the plan alone.

A shard is its slots. A node belongs to it while it has them, or follows the node that has them: a
cluster moves a replica of one shard to a primary of another that lost all of its own ("Migrating to
orphaned master"), and it may be the one that is promoted next. Elsewhere nodes stay where they began.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from harness.checks.columns.arrays import NO_CODE, Codes, Integers
from harness.costly import np
from harness.model.history import History
from harness.model.records import Event


class Shards:
    """Ask `facts_of(history).shards`: there is one for each history."""

    def __init__(self, history: History) -> None:
        self._began = {node.name: node.shard for node in history.plan.data_nodes()}
        self._moved_us: dict[str, list[float]] = {name: [] for name in self._began}
        self._moved_to: dict[str, list[int]] = {name: [number] for name, number in self._began.items()}
        """One longer: where the node was before its first move comes first."""
        for sample in history.samples:
            told = sample.shard if sample.reachable and sample.node in self._began else None
            if told is not None and told != self._moved_to[sample.node][-1]:
                self._moved_us[sample.node].append(sample.done_us)
                self._moved_to[sample.node].append(told)

    def of(self, node: str | None, t_us: float) -> int | None:
        """The node's shard then; None: it is no data node of this run."""
        if node not in self._began:
            return None
        return self._moved_to[node][bisect_right(self._moved_us[node], t_us)]

    def of_each(self, nodes: Sequence[str], t_us: Integers) -> Codes:
        """The same of many at once; `NO_CODE`: it is no data node of this run."""
        place = {name: n for n, name in enumerate(self._began)}
        found, codes = np.full(len(nodes), NO_CODE), np.array([place.get(one, NO_CODE) for one in nodes])
        for name, n in place.items():
            mine = np.flatnonzero(codes == n)
            moves = np.searchsorted(self._moved_us[name], t_us[mine], side="right")
            found[mine] = np.array(self._moved_to[name])[moves]
        return found.astype(np.int32)

    def of_event(self, event: Event) -> int | None:
        """The shard that an event concerns: its node's then; of one without a data node, what it names."""
        return self.of(event.node, event.t_us) or event.shard

    def members(self, shard: int, t_us: float) -> frozenset[str]:
        """The nodes that belonged to the shard then."""
        return frozenset(node for node in self._began if self.of(node, t_us) == shard)
