"""What this machine can do, and what each missing piece would need: read before a first run."""

from __future__ import annotations

import os
from typing import TextIO

from harness.errors import EnvironmentFailure
from harness.model.seams import Backend, Machine
from harness.topology.backends import every_backend


def examine(stream: TextIO) -> int:
    """Print a line per capability; 0 if at least one backend can run, else 4."""
    usable = [_examined(backend, stream) for backend in every_backend()]
    print(f"cpus: {os.cpu_count()} (by default as many scenarios run in parallel)", file=stream)
    for one in dict.fromkeys(str(left) for backend in every_backend() for left in backend.leftovers()):
        print(f"left by a killed harness: {one}; to remove it: failover-kit clean", file=stream)
    return 0 if any(usable) else EnvironmentFailure.exit_code


def _examined(backend: Backend, stream: TextIO) -> bool:
    survey = backend.survey()
    print(*survey.lines, sep="\n", file=stream)
    if survey.usable:
        _network(backend.machine(), stream)
    return survey.usable


def _network(machine: Machine, stream: TextIO) -> None:
    can = (
        "yes"
        if machine.network_faults
        else f"no, scenarios that need them are skipped: {machine.why_no_network_faults}"
    )
    print(f"  network faults (isolate, cut, cut replication, lose): {can}", file=stream)
    slow = f"no, scenarios that need them are skipped: {machine.why_no_slow_links}"
    if not machine.why_no_slow_links:
        slow = "yes, by a process of the kit in the node's network namespace"
    print(f"  slow and refusing links (slow, cut by reject): {slow}", file=stream)
    clocks = machine.why_no_own_clocks
    said = f"no: {clocks}" if clocks else "yes, of engines that start with libfaketime"
    print(f"  clocks of nodes (skew clock): {said}", file=stream)
    power = machine.why_no_power_loss
    print(f"  what is not on the disk (lose power): {f'no: {power}' if power else 'yes'}", file=stream)
    full = machine.why_no_full_volume
    print(f"  full volumes (fill volume): {f'no: {full}' if full else 'yes'}", file=stream)
    held = machine.why_no_held_threads
    print(f"  syncs that take long (hold syncs): {f'no: {held}' if held else 'yes'}", file=stream)
