"""Which settings a node had at a moment: whoever judges by a setting asks here.

The plan says what a node is first started with. Two kinds of fault change that during a run. `restart` with
directives changes the node's file: what each of its processes reads that is started from then on. `config
set` changes the process that runs, until it is undone or the process ends; the file stays as it was.

Traps: what a fault sets may hold from the earliest moment at which it may have taken effect. And an
append-only file that is switched on while the node runs lacks what was there before until its first rewrite
is over, of which nobody tells: it counts as off for `REWRITTEN_S` more.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.checks.facts.struck import targets_of
from harness.model.directives import Directive, Lines, Malformed, of_line, parsed, quoted
from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.persistence import LOG, persistence
from harness.model.records import NodeSample
from harness.model.scenario import FaultStep
from harness.model.times import FOREVER, NEVER
from harness.model.words import Trait

REWRITTEN_S = 5.0
"""A rewrite of what a run stores takes less than a second; it waits for a snapshot that is being written."""


@dataclass(frozen=True, slots=True)
class Spell:
    """What a node's settings were from a moment on, until the next spell."""

    from_us: float
    earliest_us: float
    """They may have been so from here on."""
    node: NodePlan


class Settings:
    """Ask `facts_of(history).settings`: there is one for each history."""

    def __init__(self, history: History, samples: Mapping[str, Sequence[NodeSample]]) -> None:
        """`samples`: each node's answers, in order."""
        self._files = {one.name: _files(one, history) for one in history.plan.nodes}
        self._spells = {
            name: _spells(files, history, samples.get(name, ())) for name, files in self._files.items()
        }

    def at(self, node: str, t_us: float) -> NodePlan:
        """The node with the settings of the process that ran just before this moment, or last before it."""
        return self._spells[node][self._before(node, t_us)].node

    def file_at(self, node: str, t_us: float) -> NodePlan:
        """The node with what a process reads that is started then."""
        return _latest(self._files[node], t_us)

    def since_us(self, node: str, t_us: float, holds: Callable[[NodePlan], bool]) -> float:
        """Since when this may have held of its settings, which it does just before this moment; `NEVER`: it
        always has."""
        spells = self._spells[node]
        place = self._before(node, t_us)
        while place and holds(spells[place - 1].node):
            place -= 1
        return spells[place].earliest_us

    def between(self, node: str, from_us: float, to_us: float) -> Sequence[Spell]:
        """What its settings were meanwhile, in order: those of just before, and each that came."""
        spells = self._spells[node]
        first = self._before(node, from_us)
        return spells[first : max(first + 1, bisect_right(spells, to_us, key=lambda one: one.from_us))]

    def ever(self, holds: Callable[[NodePlan], bool]) -> bool:
        """Whether it held of any node's settings at any time."""
        return any(holds(one.node) for spells in self._spells.values() for one in spells)

    def _before(self, node: str, t_us: float) -> int:
        return max(0, bisect_left(self._spells[node], t_us, key=lambda one: one.from_us) - 1)


def directive_set(step: FaultStep) -> Directive | None:
    """The directive that a fault sets on a node that runs, and to what; None: it sets none."""
    if "directive" not in step.options:
        return None
    try:
        return parsed(str(step.options["directive"]), str(step.options.get("value", "")))
    except Malformed:
        return None


def _files(node: NodePlan, history: History) -> list[Spell]:
    """What its file says, as it was first, and as each fault left it."""
    steps = {one.number: one for one in history.plan.scenario.faults if one.options.get("redis")}
    found = [Spell(NEVER, NEVER, node)]
    for one in history.effects:
        if one.fault in steps and node.name in targets_of(one, history):
            added = _with(found[-1].node, _lines(steps[one.fault]))
            found.append(Spell(one.t_us, one.t_us - one.error_us, added))
    return found


def _lines(step: FaultStep) -> Iterator[Directive]:
    for line in str(step.options.get("redis", "")).splitlines():
        try:
            yield of_line(line)
        except Malformed:
            continue


def _with(node: NodePlan, added: Iterable[Directive]) -> NodePlan:
    """The node with these in the place of what it says of the same directives."""
    lines: dict[str, tuple[str, ...]] = {}
    for one in added:
        lines[one.name] = (*lines.get(one.name, ()), " ".join(map(quoted, one.arguments)))
    return replace(node, directives={**node.directives, **lines})


def _spells(files: Sequence[Spell], history: History, samples: Sequence[NodeSample]) -> list[Spell]:
    """What became of one node's settings, one thing after the other."""
    node = files[0].node
    found, rewritten_us = [Spell(NEVER, NEVER, node)], [NEVER]
    undo: dict[int, tuple[str, Lines | None]] = {}
    for turn in sorted(_turns(node.name, history, samples), key=lambda one: one.at_us):
        before, written_us = node, rewritten_us[-1]
        if turn.fault is None:
            node, written_us = _latest(files, turn.at_us), NEVER
        elif turn.said is not None:
            undo[turn.fault] = turn.said.name, node.directives.get(turn.said.name)
            node = _with(node, [turn.said])
        elif turn.fault in undo:
            name, lines = undo.pop(turn.fault)
            others = {one: said for one, said in node.directives.items() if one != name}
            node = replace(node, directives=others if lines is None else {**others, name: lines})
        if turn.fault is not None and persistence(node) == LOG != persistence(before):
            written_us = turn.at_us + REWRITTEN_S * 1e6
        found.append(Spell(turn.at_us, turn.earliest_us, node))
        rewritten_us.append(written_us)
    return list(_once_rewritten(found, rewritten_us))


def _once_rewritten(spells: Sequence[Spell], rewritten_us: Sequence[float]) -> Iterator[Spell]:
    """With an append-only file from when it has all that there is."""
    ends = [*(one.from_us for one in spells[1:]), FOREVER]
    for spell, until_us, written_us in zip(spells, ends, rewritten_us, strict=True):
        if persistence(spell.node) != LOG or written_us <= spell.from_us:
            yield spell
            continue
        yield replace(spell, node=_with(spell.node, [_SWITCHED_OFF]))
        if written_us < until_us:
            yield Spell(written_us, written_us, spell.node)


_SWITCHED_OFF = Directive(name="appendonly", arguments=("no",))


def _latest(files: Sequence[Spell], t_us: float) -> NodePlan:
    return files[bisect_right(files, t_us, key=lambda one: one.earliest_us) - 1].node


@dataclass(frozen=True, slots=True)
class _Turn:
    """A moment at which a node's settings may become others."""

    at_us: float
    earliest_us: float
    fault: int | None = None
    """The one that sets something, or that is undone; None: another process is there."""
    said: Directive | None = None


def _turns(node: str, history: History, samples: Sequence[NodeSample]) -> Iterator[_Turn]:
    """Of a restart, the first look at the new process; where nobody looked, the effect."""
    seen = [
        (later.done_us, earlier.sent_us)
        for earlier, later in pairwise(samples)
        if earlier.run_id != later.run_id
    ]
    for at_us, earliest_us in seen:
        yield _Turn(at_us, earliest_us)
    starting = history.plan.scenario.faults_with(Trait.STARTS_PROCESS)
    setting = {
        one.number: said for one in history.plan.scenario.faults if (said := directive_set(one)) is not None
    }
    for one in history.events:
        begun_us = one.t_us - one.error_us
        if one.name == "healed" and one.fault in setting:
            yield _Turn(one.t_us, one.t_us, one.fault)
        elif one.name == "effect" and node in targets_of(one, history):
            if one.fault in setting:
                yield _Turn(begun_us, begun_us, one.fault, setting[one.fault])
            elif one.fault in starting and not any(begun_us <= at_us for at_us, _ in seen):
                yield _Turn(one.t_us, begun_us)
