"""What this machine can do, and what each missing piece would need: read before a first run."""

from __future__ import annotations

import os
from typing import TextIO

from harness.errors import EnvironmentFailure
from harness.model.engine import engine_name
from harness.model.seams import Machine
from harness.topology.docker import backend as docker
from harness.topology.docker import image
from harness.topology.process import backend as process
from harness.topology.process import server_programs


def examine(stream: TextIO) -> int:
    """Print a line per capability; 0 if at least one backend can run, else 4."""
    usable = [_processes(stream), _containers(stream)]
    print(f"cpus: {os.cpu_count()} (by default as many scenarios run in parallel)", file=stream)
    left = [str(one) for one in (*process.leftovers(), *docker.leftovers())]
    for one in left:
        print(f"left by a killed harness: {one}; to remove it: failover-kit clean", file=stream)
    return 0 if any(usable) else EnvironmentFailure.exit_code


def _processes(stream: TextIO) -> bool:
    try:
        engine = server_programs.find()
    except EnvironmentFailure as problem:
        print(f"process backend: no: {problem}", file=stream)
        return False
    print(f"process backend: yes: {engine.version}, {engine.found}", file=stream)
    _programs(stream)
    _network(process.machine(), stream)
    return True


def _programs(stream: TextIO) -> None:
    """Every engine that is here as a program, by the name to ask for it, and how to get the others."""
    here = server_programs.installed()
    for one in here:
        print(f"  engine {engine_name(one.version)}: {one.version}, {one.found}", file=stream)
    for name, how in server_programs.HOW_TO_GET.items():
        if name not in {engine_name(one.version) for one in here}:
            print(f"  engine {name}: not installed; to get it: {how}", file=stream)


def _containers(stream: TextIO) -> bool:
    missing = docker.available()
    if missing is not None:
        print(f"docker backend: no: {missing}", file=stream)
        return False
    print("docker backend: yes", file=stream)
    try:
        print(f"  node image: {image.survey()}", file=stream)
        for name, what in image.engines_here().items():
            print(f"  engine {name}: {what}", file=stream)
    except EnvironmentFailure as problem:
        print(f"  node image: {problem}", file=stream)
    _network(docker.machine(), stream)
    return True


def _network(machine: Machine, stream: TextIO) -> None:
    can = (
        "yes"
        if machine.network_faults
        else f"no, scenarios that need them are skipped: {machine.why_no_network_faults}"
    )
    print(f"  network faults (isolate, cut replication): {can}", file=stream)
