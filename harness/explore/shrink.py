"""Parts of a document that may be left out: smaller schedules that may break the same promise. Pure.

Trap: one that breaks now and then may be kept although it needs a part no more, or lose it a run later. So
what is tried is a group of parts, and whoever runs the rest tries every group several times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

from harness.explore.draw import Document

_NEEDED = frozenset({"kind"})
"""Keys of a topology that stay."""
_AFTER_TARGET = 2
"""Where the options begin among the keys of a fault: behind its start and its target."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a document can do without."""

    table: str
    """`faults`, `options`, `client`, `topology` or `mix`."""
    key: str = ""
    """In that table; of a fault its start, as no two begin at once."""
    option: str = ""
    """Of a fault."""


Group = tuple[Part, ...]
"""Parts that are left out together."""


def groups(document: Document, needed: Collection[str]) -> Iterator[Group]:
    """What may be left out, in the order in which it is tried: each fault, the last first; then all that is
    left, as mostly nothing of it matters; then all of a table; then each part. Behaviours that are `needed`
    stay, and so does a fault."""
    faults = [Part("faults", fault["after"]) for fault in reversed(document["faults"])]
    yield from ((one,) for one in faults if len(faults) > 1)
    rest = list(_rest(document, needed))
    tables = [tuple(some) for _, some in groupby(rest, key=lambda part: part.table)]
    found = [tuple(rest), *(some for some in tables if len(tables) > 1), *((one,) for one in rest)]
    yield from dict.fromkeys(some for some in found if some)


def without(document: Document, group: Group) -> Document | None:
    """The document without these parts, as far as it still has them; None: it has none of them, or no fault
    would be left."""
    there = {*(Part("faults", fault["after"]) for fault in document["faults"]), *_rest(document, ())}
    faults = [
        _less(fault, group) for fault in document["faults"] if Part("faults", fault["after"]) not in group
    ]
    if not faults or there.isdisjoint(group):
        return None
    topology, mix = document["deployment"]["topology"], document["workload"]["mix"]
    deployment = {
        **document["deployment"],
        "topology": {key: value for key, value in topology.items() if Part("topology", key) not in group},
    }
    if Part("client") in group:
        deployment.pop("client", None)
    kept = {name: weight for name, weight in mix.items() if Part("mix", name) not in group}
    return {
        **document,
        "deployment": deployment,
        "workload": {**document["workload"], "mix": kept},
        "faults": faults,
    }


def _rest(document: Document, needed: Collection[str]) -> Iterator[Part]:
    """All but the faults, table by table."""
    for fault in document["faults"]:
        options = (option for option in list(fault)[_AFTER_TARGET:] if option != "for")
        yield from (Part("options", fault["after"], option) for option in options)
    if "client" in document["deployment"]:
        yield Part("client")
    topology, mix = document["deployment"]["topology"], document["workload"]["mix"]
    yield from (Part("topology", key) for key in topology if key not in _NEEDED)
    yield from (Part("mix", name) for name in mix if name not in needed)


def _less(fault: Document, group: Group) -> Document:
    return {
        option: value
        for option, value in fault.items()
        if Part("options", fault["after"], option) not in group
    }
