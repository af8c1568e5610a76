"""Nodes on three engines against nodes on one: how long they take to be ready, and a fault to its effect.

The three engines are on this machine (`lab.machines`), and so is the one. A fault is what a scenario does by
it: a call that returns once the effect is proved, at a node that is on another engine than the manager's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from harness.errors import EnvironmentFailure
from harness.model.deployment import TopologySpec
from harness.model.hosts import NAMED
from harness.model.links import LinkRule
from harness.model.seams import Topology
from harness.model.words import BackendKind, TopologyKind
from harness.topology import backends
from harness.topology.docker import backend as docker
from lab.bench.nodes import plan_of
from lab.machines import engines, guardian
from lab.records import fault_step
from lab.rows import Row, skipped

ENGINES = 3
READY = "topology of 6 nodes over 3 engines to ready / one engine"
READY_AT_MOST = 2.0
FAULT = "a fault on another engine, call to effect: over 1.5 x the same on one engine"
FAULT_AT_MOST_MS = 100.0
_OWN_SHARE = 1.5
_AT = "redis-2"
"""A replica: it is on the second host."""


def rows(folder: Path, *, rounds: int) -> list[Row]:
    if missing := engines.why_not() or docker.unavailable():
        return [skipped(READY, missing), skipped(FAULT, missing)]
    try:
        with _named():
            _timed(BackendKind.MACHINES, folder / "first", 1)  # hosts get their images here
            one = _timed(BackendKind.DOCKER, folder / "one", rounds)
            several = _timed(BackendKind.MACHINES, folder / "several", rounds)
    except EnvironmentFailure as problem:
        return [skipped(READY, str(problem)), skipped(FAULT, str(problem))]
    return [_ready(several.pop("ready"), one.pop("ready")), _worst(several, one)]


@contextmanager
def _named() -> Iterator[None]:
    """Hosts: those that the environment names, or new ones on this machine."""
    if NAMED in os.environ:
        yield
        return
    with guardian.guarded(ENGINES) as found:
        os.environ[NAMED] = ",".join(f"{name}={where}" for name, where in found.items())
        try:
            yield
        finally:
            del os.environ[NAMED]


def _ready(several: list[float], one: list[float]) -> Row:
    pairs = ", ".join(f"{more:.1f}/{less:.1f}" for more, less in zip(several, one, strict=True))
    return Row(
        name=READY,
        measured=median(several) / median(one),
        at_most=READY_AT_MOST,
        note=f"seconds, six nodes: {pairs}",
    )


def _worst(several: Mapping[str, list[float]], one: Mapping[str, list[float]]) -> Row:
    """The fault that is furthest behind."""
    over = {what: median(several[what]) - _OWN_SHARE * median(one[what]) for what in one}
    said = (f"{what} {1000 * median(several[what]):.0f}/{1000 * median(one[what]):.0f}" for what in one)
    return Row(
        name=FAULT,
        measured=1000 * max(over.values()),
        at_most=FAULT_AT_MOST_MS,
        unit="ms",
        note=f"the worst; ms, medians: {', '.join(said)}",
    )


def _timed(backend: BackendKind, folder: Path, rounds: int) -> dict[str, list[float]]:
    """What was done -> how many seconds it took, each time."""
    spec = TopologySpec(kind=TopologyKind.SENTINEL)
    # A run with a fault that cuts is made ready for it.
    plan = plan_of(spec, backend=backend, fault=fault_step("isolate", at=1.0))
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        place = folder / str(number)
        place.mkdir(parents=True)
        began = time.perf_counter()
        with backends.up(plan, run="bench", directory=place, backend=backend) as topology:
            found.setdefault("ready", []).append(time.perf_counter() - began)
            for what, act, undo in _faults(topology):
                began = time.perf_counter()
                act()
                found.setdefault(what, []).append(time.perf_counter() - began)
                undo()
    return found


def _faults(topology: Topology) -> Iterator[tuple[str, Callable[[], object], Callable[[], object]]]:
    apart = LinkRule([_AT], ["redis-1", "redis-3"])
    yield "cut", lambda: topology.apply(apart, by=1), lambda: topology.mend(by=1)
    yield "pause", lambda: topology.pause(_AT), lambda: topology.resume(_AT)
    yield "kill", lambda: topology.kill(_AT), lambda: topology.start(_AT)
