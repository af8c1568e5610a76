"""A random scenario, as the document that a scenario file holds. Pure.

Nothing here knows a fault or a behaviour by name: what they declare is drawn from, and whoever reads the
document refuses what does not fit together. Trap: all that is random comes from the dice that are given,
in one order, so that a seed repeats a draw.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from harness.explore.promises import excused
from harness.model.fit import LEFT_BY
from harness.model.inventory import Inventory
from harness.model.scenario import Declaration, Needed, Option, OptionType, OptionValue, Vocabulary
from harness.model.words import OperationKind, Trait

Document = dict[str, Any]

_ANYBODY, _PRIMARY, _REPLICA = "anybody", " primary", " replica"

FAULTS_AT_MOST = 6
FIRST_FAULT_S = (2.0, 4.0)
BETWEEN_S = (0.2, 6.0)
LASTS_S = (1.0, 9.0)
"""Where primaries are replaced later than half of that, twice as long as it takes: else nothing would be."""
NOTICED_S = 3.0
"""The longest `down_after` and `node_timeout` of `SETTINGS`."""
ELECTION_S = 2.0
"""From then on, until another node leads in the place of one that is gone, if one can."""
COMES_BACK_S = 2.0
"""A process that starts has loaded its data and is in touch with its primary by then."""
SELDOM = 1 / 8
"""The share of the draws of a fault that are kept where it has had no effect until now."""
REDRAWN_AT_MOST = 20
RATE = "60/s"
USERS = 100
SETTLE_WITHIN_S = 60.0

WEIGHTS: Mapping[OperationKind, int] = {
    OperationKind.LOGIN: 10,
    OperationKind.READ: 30,
    OperationKind.TOUCH: 5,
    OperationKind.WRITE: 10,
    OperationKind.LOGOUT: 5,
}
"""Of the behaviour of each kind of operation that is in every mix."""

SETTINGS: Mapping[str, Sequence[str]] = {
    "topology.replicas": ("1", "2"),
    "topology.replicas_per_shard": ("1", "2"),
    "topology.down_after": ("1200ms", "2s"),
    "topology.node_timeout": ("2s", "3s"),
    "topology.redis.appendonly": ("yes", "no"),
    "topology.redis.min-replicas-to-write": ("0", "1"),
    "client.application_retries": ("0", "1", "3"),
    "client.wait_replicas": ("0", "1"),
}
"""Setting of a deployment -> the values that are tried, as far as a topology has the setting."""
_OF_REPLICAS = {"topology.redis.min-replicas-to-write", "client.wait_replicas"}
"""Where nobody has a replica, these refuse every write, or wait in vain for each."""

_MAY_COST = {Trait.CAUSES_FAILOVER, Trait.CUTS_REPLICATION, Trait.EMPTIES_DATABASE}
_OFTEN = 3
"""How many times as often something is drawn as the rest: a fault that may cost acked writes, and a primary,
which alone has writes that nobody else has yet. Otherwise most schedules would fail nobody over. Cut links
come twice as often again: to isolate one node, above all the leader, was enough for most failures of systems
by partitions (Alquraan and others, OSDI 2018)."""

_VALUES: Mapping[OptionType, Sequence[str]] = {
    OptionType.DURATION: ("20ms", "100ms", "400ms", "1s", "3s"),
    OptionType.SIZE: ("1kB", "20kB", "1MB"),
    OptionType.COUNT: ("1", "10", "100"),
    OptionType.SHARD: ("0",),
    OptionType.FACTOR: ("0.5", "1", "2"),
    OptionType.SHARE: ("5%", "20%", "60%"),
    OptionType.WEB_SERVER: ("web-1",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What an exploration draws from."""

    kind: str
    """The topology's."""
    own_deployment: bool
    """The deployment is somebody's own: its settings stay as they are."""
    inventory: Inventory
    """The nodes before a setting is drawn that changes their number."""
    expect: Mapping[str, str]
    vocabulary: Vocabulary
    targets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Fault -> the targets that it can have here; empty until somebody tried them."""
    settings: tuple[str, ...] = ()
    """Those that this topology has; empty until somebody tried them."""
    noticed_s: float = NOTICED_S
    """How long a primary is silent until somebody takes it for dead."""

    @property
    def replaced_s(self) -> float:
        return self.noticed_s + ELECTION_S

    @property
    def lasts_s(self) -> tuple[float, float]:
        """Of a fault: as often too short for a failover as long enough."""
        least_s, most_s = LASTS_S
        return least_s, max(most_s, 2 * self.replaced_s)

    @property
    def settle_within_s(self) -> float:
        return SETTLE_WITHIN_S + self.lasts_s[1] - LASTS_S[1]


Act = tuple[str, str, tuple[tuple[str, OptionValue], ...]]
"""What a fault does, whenever it comes and however much of it: its name, its target, and its options that are
words or flags."""


def acts(document: Document, vocabulary: Vocabulary) -> list[Act]:
    """Those of a schedule, in its order."""
    return [_act(fault, vocabulary) for fault in document["faults"]]


def _act(fault: Document, vocabulary: Vocabulary) -> Act:
    kind = _kind_of(fault, vocabulary)
    chosen = {one.name for one in kind.options if one.words or one.type is OptionType.FLAG}
    options = sorted((name, value) for name, value in _options_of(kind, fault).items() if name in chosen)
    return kind.name, str(fault[kind.name]), tuple(options)


def _kind_of(fault: Document, vocabulary: Vocabulary) -> Declaration:
    return next(vocabulary.faults[name] for name in fault if name in vocabulary.faults)


def always(vocabulary: Vocabulary) -> dict[str, int]:
    """The first behaviour of each kind of operation. With these in every mix, what is expected of a kind is
    decided in every run."""
    first: dict[str, int] = {}
    for kind, weight in WEIGHTS.items():
        names = (name for name, one in vocabulary.behaviours.items() if one.kind is kind)
        first |= dict.fromkeys(islice(names, 1), weight)
    return first


def without_fault(space: Space) -> Document:
    """A scenario that can be run wherever what is expected can be decided."""
    return _document("no fault", {}, always(space.vocabulary), [], space)


def single_faults(space: Space) -> Iterator[tuple[str, str, Document]]:
    """A fault, a target that may exist here, and a scenario with this fault alone, to try what can be run:
    without options, and with each of them, as some faults need at least one. Nothing is expected: reading
    that takes longer than everything else."""
    bare = replace(space, expect={})
    for kind in space.vocabulary.faults.values():
        required = tuple(one for one in kind.options if one.default is None)
        optional = (one for one in kind.options if one.default is not None and _can_draw(one))
        if not all(map(_can_draw, required)):
            continue
        with_one = [replace(kind, options=(*required, replace(one, default=None))) for one in optional]
        for target in _possible_targets(kind, space):
            for variant in (replace(kind, options=required), *with_one):
                fault = _fault(variant, target, random.Random(0), FIRST_FAULT_S[0], space)
                before = [
                    {"after": "1s", **one} for need in _needs(fault, space) for one in _leaving(need, space)
                ]
                faults = [*before, fault]
                yield kind.name, target, _document("one fault", {}, always(space.vocabulary), faults, bare)


def _needs(fault: Document, space: Space) -> list[Needed]:
    """What has to come before a fault."""
    kind = _kind_of(fault, space.vocabulary)
    target = str(fault[kind.name])
    needs = kind.needs(target, _options_of(kind, fault), space.inventory)
    return [*([Needed(LEFT_BY[target])] if target in LEFT_BY else []), *([needs] if needs else [])]


def _leaving(need: Needed, space: Space) -> list[Document]:
    """The first fault that does what has to be done before, if one does."""
    some = (
        {one.name: need.target or "primary"}
        for one in space.vocabulary.faults.values()
        if need.trait in one.traits and (need.target or "primary") in one.targets
    )
    return list(islice(some, 1))


def single_settings(space: Space) -> Iterator[tuple[str, Document]]:
    """A setting, and a scenario in which it is changed, for every value; none where settings stay."""
    for path, values in SETTINGS.items() if not space.own_deployment else ():
        for value in values if path not in _OF_REPLICAS or _with_replicas(space) else ():
            yield path, _document("one setting", {path: value}, always(space.vocabulary), [], space)


def _with_replicas(space: Space) -> bool:
    return any("replica" in target for targets in space.targets.values() for target in targets)


def draw(space: Space, dice: random.Random, name: str, seldom: Collection[Act] = ()) -> Document:
    """One scenario. It may be one that nobody can run; then the next one is drawn. `seldom`: what has had no
    effect here is drawn again as often as `SELDOM` says."""
    return _document(name, _settings(space, dice), _mix(space, dice), _faults(space, dice, seldom), space)


def _document(
    name: str, settings: Mapping[str, str], mix: Mapping[str, int], faults: list[Document], space: Space
) -> Document:
    return {
        "scenario": 1,
        "name": name,
        "shows": "promise",
        "deployment": _deployment(settings, space),
        "workload": {"rate": RATE, "users": USERS, "mix": dict(mix)},
        "faults": faults,
        "settle_within": _seconds(space.settle_within_s),
        "expect": excused(space.expect, _traits(faults, space.vocabulary)) if space.expect else {},
    }


def _traits(faults: Sequence[Document], vocabulary: Vocabulary) -> Iterator[Trait]:
    for fault in faults:
        kind = _kind_of(fault, vocabulary)
        yield from kind.traits_with(_options_of(kind, fault))


def _deployment(settings: Mapping[str, str], space: Space) -> Document:
    deployment: Document = {"topology": {"kind": str(space.kind)}}  # never as an enum: it becomes YAML
    for path, value in settings.items():
        *tables, last = path.split(".")
        table = deployment
        for name in tables:
            table = table.setdefault(name, {})
        table[last] = value
    return deployment


def _settings(space: Space, dice: random.Random) -> dict[str, str]:
    return {path: dice.choice(SETTINGS[path]) for path in space.settings if dice.random() < 0.5}


def _mix(space: Space, dice: random.Random) -> dict[str, int]:
    needed = always(space.vocabulary)
    others = sorted(space.vocabulary.behaviours.keys() - needed.keys())
    some = dice.sample(others, dice.randint(2, min(5, len(others))))
    return {**needed, **{name: dice.choice((5, 10, 20)) for name in some}}


def _faults(space: Space, dice: random.Random, seldom: Collection[Act]) -> list[Document]:
    kinds = [one for one in space.vocabulary.faults.values() if space.targets.get(one.name)]
    swarm = [one for one in kinds if dice.random() < 0.5] or [dice.choice(kinds)]
    at_s = dice.uniform(*FIRST_FAULT_S)
    found: list[Document] = []
    busy = _Busy()
    left: _Left = {}
    for _ in range(dice.randint(1, FAULTS_AT_MOST)):
        usable = [kind for kind in swarm if _there(kind, space, left)]
        some = usable or [kind for kind in kinds if _there(kind, space, left)]
        fault = _likely(some, left, dice, space, seldom)
        kind = _kind_of(fault, space.vocabulary)
        target = str(fault[kind.name])
        struck = _struck_by(target)
        there_s = max((left[one] for one in _needs(fault, space) if one in left), default=0.0)
        at_s = max(at_s, there_s, busy.until_s(kind, struck))
        found.append({**fault, "after": _seconds(at_s)})
        busy.strike(kind, fault, struck, at_s, space)
        for need, after_s in _leaves(kind, fault, struck, space).items():
            left.setdefault(need, at_s + after_s)
        at_s += dice.uniform(*BETWEEN_S)
    return found


_Left = dict[Needed, float]
"""What earlier faults of a schedule may have left behind -> from when on it is there."""


def _likely(
    kinds: Sequence[Declaration],
    left: _Left,
    dice: random.Random,
    space: Space,
    seldom: Collection[Act],
) -> Document:
    """A fault for which everything is there. After `REDRAWN_AT_MOST` others it is any that was drawn."""
    for _ in range(REDRAWN_AT_MOST):
        kind = _kind(kinds, dice)
        fault = _fault(kind, _target(_there(kind, space, left), dice), dice, 0.0, space)
        has_all = left.keys() >= set(_needs(fault, space))
        if has_all and (_act(fault, space.vocabulary) not in seldom or dice.random() < SELDOM):
            break
    return fault


def _leaves(kind: Declaration, fault: Document, struck: set[str], space: Space) -> Mapping[Needed, float]:
    """What a fault leaves behind -> so many seconds after its start. Another node leads only after a fault
    that is long enough for that."""
    target, traits = str(fault[kind.name]), kind.traits_with(_options_of(kind, fault))
    found = {need: BETWEEN_S[0] for one in traits for need in (Needed(one), Needed(one, target))}
    found.pop(Needed(Trait.CAUSES_FAILOVER), None)
    if _replaces(kind, fault, struck, space):
        found[Needed(Trait.CAUSES_FAILOVER)] = space.replaced_s
    return found


def _kind(kinds: Sequence[Declaration], dice: random.Random) -> Declaration:
    return dice.choices(kinds, [_weight(set(kind.traits)) for kind in kinds])[0]


def _weight(traits: set[Trait]) -> int:
    if not _MAY_COST & traits:
        return 1
    return 2 * _OFTEN if Trait.CUTS_LINKS in traits else _OFTEN


def _target(targets: Sequence[str], dice: random.Random) -> str:
    """First who is struck, then by which word: there are many words for a replica, and few for a primary."""
    words: dict[str, list[str]] = {}
    for target in targets:
        words.setdefault(min(_struck_by(target)).split()[-1], []).append(target)
    weights = [_OFTEN if who == _PRIMARY.strip() else 1 for who in words]
    return dice.choice(dice.choices(list(words.values()), weights)[0])


def _replaces(kind: Declaration, fault: Document, struck: set[str], space: Space) -> bool:
    """Another node leads in the place of a primary after it, as far as a schedule can say."""
    long_enough = Trait.HANDS_OVER in kind.traits or _lasts_s(fault) >= space.replaced_s
    strikes_primary = any(who.endswith(_PRIMARY) for who in struck)
    return (
        Trait.CAUSES_FAILOVER in kind.traits_with(_options_of(kind, fault))
        and strikes_primary
        and long_enough
    )


def _there(kind: Declaration, space: Space, left: _Left) -> list[str]:
    """The targets that a fault can have by now: some are only there after another fault, or find something to
    change only then. An option may need more."""
    return [one for one in space.targets[kind.name] if left.keys() >= set(_needs({kind.name: one}, space))]


def _struck_by(target: str) -> set[str]:
    """Whom a fault on this target strikes, as words that another target may mean as well. Without a shard the
    first one is meant."""
    found = re.match(r"shard (\d+) ", target)
    for role in (_REPLICA, _PRIMARY):
        if role.strip() in target and "old" not in target:
            return {f"shard {found[1] if found else 1}{role}"}
    return next(({role} for role in ("sentinel", "web") if role in target), {_ANYBODY})


@dataclass(slots=True)
class _Busy:
    """Until when a fault has nothing to act upon, as an earlier one still holds whom it would strike."""

    free_s: dict[tuple[str, str], float] = field(default_factory=dict)
    """(whom, what kind of fault, or empty for all) -> when somebody answers to that word again."""

    def until_s(self, kind: Declaration, struck: set[str]) -> float:
        return max(
            (
                free_s
                for (who, sort), free_s in self.free_s.items()
                if sort in {"", _sort(kind)} and (who == _ANYBODY or struck & {who, _ANYBODY})
            ),
            default=0.0,
        )

    def strike(self, kind: Declaration, fault: Document, struck: set[str], at_s: float, space: Space) -> None:
        held = {who for (who, sort), free_s in self.free_s.items() if not sort and free_s > at_s}
        lasts_s = dict.fromkeys(((who, _sort(kind)) for who in struck), _lasts_s(fault))
        gone_s = {(who, ""): for_s for who, for_s in _gone_for_s(kind, fault, struck, held, space).items()}
        for key, for_s in {**lasts_s, **gone_s}.items():
            self.free_s[key] = max(self.free_s.get(key, 0.0), at_s + for_s)


def _sort(kind: Declaration) -> str:
    """Faults of one sort do the same to a node: a second one changes nothing while the first one lasts."""
    return next(
        (trait for trait in (Trait.CUTS_LINKS, Trait.FILLS_VOLUME) if trait in kind.traits), kind.name
    )


def _lasts_s(fault: Document) -> float:
    return float(str(fault.get("for", "0ms")).removesuffix("ms")) / 1000


def _gone_for_s(
    kind: Declaration, fault: Document, struck: set[str], held: set[str], space: Space
) -> dict[str, float]:
    """How long nobody answers to a word: until a process that was stopped or frozen is back, or until another
    node has taken the place of the primary that was struck. Then there is a replica less until the fault is
    over. Nobody takes a primary's place while the replicas are `held`. A node that is cut off, or full, is
    there for every other fault."""
    for_s = _lasts_s(fault)
    found: dict[str, float] = {}
    if {Trait.STOPS_PROCESS, Trait.STARTS_PROCESS} & set(kind.traits):
        found = dict.fromkeys(struck, for_s + COMES_BACK_S)
    elif Trait.FREEZES_PROCESS in kind.traits:
        found = dict.fromkeys(struck, for_s)
    if not _with_replicas(space) or Trait.CAUSES_FAILOVER not in kind.traits_with(_options_of(kind, fault)):
        return found
    for primary in (who for who in struck if who.endswith(_PRIMARY)):
        replica = f"{primary.removesuffix(_PRIMARY)}{_REPLICA}"
        found[replica] = max(found.get(primary, for_s), space.replaced_s) + COMES_BACK_S
        if Trait.HANDS_OVER in kind.traits:
            found[primary] = space.replaced_s
        elif primary in found and replica not in held:
            found[primary] = min(found[primary], space.replaced_s)
    return found


def _options_of(kind: Declaration, fault: Document) -> Document:
    return {name: value for name, value in fault.items() if name not in {"after", "for", kind.name}}


def _possible_targets(kind: Declaration, space: Space) -> list[str]:
    """Those that may exist here. What was stopped or frozen comes back by itself, and is nobody's target."""
    return [
        one.replace("N", str(number))
        for one in kind.targets
        if not one.startswith(("host ", "zone ", "service "))
        and LEFT_BY.get(one) in {None, Trait.CAUSES_FAILOVER}
        for number in (range(1, space.inventory.shards + 1) if " N" in one else (1,))
    ]


def _fault(kind: Declaration, target: str, dice: random.Random, at_s: float, space: Space) -> Document:
    made: Document = {"after": _seconds(at_s), kind.name: target}
    if kind.least_for_s is not None and (Trait.LASTS in kind.traits or Trait.STOPS_PROCESS in kind.traits):
        made["for"] = _seconds(max(kind.least_for_s, dice.uniform(*space.lasts_s)))
    for option in kind.options:
        if option.default is None or (_can_draw(option) and dice.random() < _odds(option)):
            made[option.name] = _value(option, dice)
    return made


def _odds(option: Option) -> float:
    """A web server is mostly on the side of whom a fault strikes: a node without clients loses nothing."""
    return _OFTEN / (1 + _OFTEN) if option.type is OptionType.WEB_SERVER else 0.5


def _can_draw(option: Option) -> bool:
    """There are values to choose from: free text, such as a directive, has none."""
    return bool(option.words or option.example) or option.type is OptionType.FLAG or option.type in _VALUES


def _value(option: Option, dice: random.Random) -> OptionValue:
    if option.words:
        return str(dice.choice(option.words))
    if option.example:
        return option.example
    if option.type is OptionType.FLAG:
        return dice.random() < 0.5
    return dice.choice(_VALUES[option.type])


def _seconds(value: float) -> str:
    return f"{round(value * 1000)}ms"
