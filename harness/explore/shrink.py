"""A document with something left out: smaller schedules that may break the same promise. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from copy import deepcopy

from harness.explore.draw import Document

_NEEDED = frozenset({"kind"})
"""Keys of a topology that stay."""


def smaller(document: Document, needed: Collection[str]) -> Iterator[Document]:
    """Each differs in one thing, those that leave out most come first: faults, their options, settings,
    behaviours but the `needed` ones."""
    faults = document["faults"]
    if len(faults) > 1:
        for n in reversed(range(len(faults))):
            yield _with(document, "faults", faults[:n] + faults[n + 1 :])
    for n, fault in enumerate(faults):
        for option in list(fault)[2:]:  # after its start and its target
            if option != "for":
                fewer = {key: value for key, value in fault.items() if key != option}
                yield _with(document, "faults", [*faults[:n], fewer, *faults[n + 1 :]])
    yield from _without_settings(document)
    mix = document["workload"]["mix"]
    for behaviour in [name for name in mix if name not in needed]:
        rest = {name: weight for name, weight in mix.items() if name != behaviour}
        yield _with(document, "workload", {**document["workload"], "mix": rest})


def _without_settings(document: Document) -> Iterator[Document]:
    deployment = document["deployment"]
    if "client" in deployment:
        yield _with(document, "deployment", {"topology": deployment["topology"]})
    for key in [key for key in deployment["topology"] if key not in _NEEDED]:
        rest = {name: value for name, value in deployment["topology"].items() if name != key}
        yield _with(document, "deployment", {**deployment, "topology": rest})


def _with(document: Document, key: str, value: object) -> Document:
    return {**deepcopy(document), key: deepcopy(value)}
