"""A scenario for each fault, made from what the fault declares.

`harness.explore.draw` knows what may be drawn; the first that a topology and this machine can run is taken.
A fault that acts on what an earlier one left gets that one before it; one that acts on hosts gets hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.beside import nodes_of
from harness.explore.draw import Document, Space, single_faults
from harness.model.fit import LEFT_BY
from harness.model.scenario import Declaration, Vocabulary
from harness.model.words import TopologyKind, Trait
from harness.presets import inventory_of

KINDS = (
    TopologyKind.SENTINEL,
    TopologyKind.SHARED,
    TopologyKind.SPLIT,
    TopologyKind.CLUSTER,
    TopologyKind.SINGLE,
)
"""In the order in which they are tried."""
HELD_S = 60
"""No fault is over before the kit is killed."""
_SETTINGS = {"maxclients": "200"}
"""What some faults need of the nodes."""
_OF_ONE_FAULT = {"hold syncs": {"appendonly": "yes"}}
"""What would change what others do."""
_ANOTHER_ENGINE = "valkey-9.1"
"""For what the usual one cannot have, such as a clock of its own."""
_WORKLOAD = {"mix": {"log-in": 10, "read": 60}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A fault alone, or after the one that it needs."""

    fault: str
    number: int
    """Its place in the list."""
    document: Document


def examples(fault: str, vocabulary: Vocabulary) -> Iterator[Example]:
    """Those that may be run, the most usual first. Whoever runs them refuses what does not fit."""
    declared = vocabulary.faults[fault]
    alone = Vocabulary(
        faults={fault: declared},
        behaviours=vocabulary.behaviours,
        findings=vocabulary.findings,
        metrics=vocabulary.metrics,
    )
    for kind, engine in (*((kind, None) for kind in KINDS), (KINDS[0], _ANOTHER_ENGINE)):
        inventory = inventory_of(nodes_of(kind, settings=()).deployment)
        space = Space(kind=kind, own_deployment=False, inventory=inventory, expect={}, vocabulary=alone)
        made = (document for _, _, document in single_faults(space))
        for document in (*made, *_after_another(declared, kind, vocabulary), *_on_hosts(declared, kind)):
            yield _held(fault, document, declared, engine)


def _after_another(declared: Declaration, kind: str, vocabulary: Vocabulary) -> Iterator[Document]:
    for word in declared.targets:
        leaving = next(
            (
                one
                for one in vocabulary.faults.values()
                if LEFT_BY.get(word) in one.traits and one != declared
            ),
            None,
        )
        if leaving is not None:
            faults = [{"after": "2s", leaving.name: "primary"}, {"after": "3s", declared.name: word}]
            yield {"deployment": {"topology": {"kind": str(kind)}}, "workload": _WORKLOAD, "faults": faults}


def _on_hosts(declared: Declaration, kind: str) -> Iterator[Document]:
    for word in declared.targets:
        if word.startswith("host of ") and kind == TopologyKind.SENTINEL:
            topology = {"kind": str(kind), "zones": 3}
            yield {
                "deployment": {"topology": topology},
                "workload": _WORKLOAD,
                "faults": [{"after": "1s", declared.name: word}],
            }


def _held(fault: str, document: Document, declared: Declaration, engine: str | None) -> Example:
    """As it is run here: quickly, with nodes that every fault can act upon, until it is killed."""
    faults: list[dict[str, Any]] = [dict(one) for one in document["faults"]]
    if "for" in faults[-1] or declared.least_for_s is not None:
        faults[-1]["for"] = f"{HELD_S}s"
    shown = {one.name: one.example for one in declared.options if one.example and one.name in faults[-1]}
    faults[-1] |= shown
    if len(faults) == 1:
        faults[0]["after"] = "1s"
    topology = {**document["deployment"]["topology"], "redis": _SETTINGS | _OF_ONE_FAULT.get(fault, {})}
    made = {
        "scenario": 1,
        "name": f"{fault} until SIGKILL",
        "deployment": {"topology": topology, **({"engine": engine} if engine else {})},
        "workload": {**document["workload"], "rate": "60/s", "users": 30},
        "faults": faults,
        "settle_within": f"{HELD_S}s",
    }
    return Example(fault=fault, number=len(faults), document=made)


def first_that_fits(
    fault: str, vocabulary: Vocabulary, why_not: Callable[[Document], str | None]
) -> tuple[Example | None, str]:
    """The first example that can be run here; none: the reason of the first."""
    reason = ""
    for one in examples(fault, vocabulary):
        said = why_not(one.document)
        if said is None:
            return one, ""
        reason = reason or said
    needs_guest = Trait.NEEDS_GUEST in vocabulary.faults[fault].traits
    return None, reason or ("only of a guest" if needs_guest else "nothing to act upon in any topology")
