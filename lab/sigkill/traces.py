"""What there is of one run on this machine: processes, links, mounts, files of the kit, things of the engine.

Everything that a run starts inherits the folder for the kit's records, which is this trial's alone. Trap: a
container inherits nothing; the labels of a run name it.
"""

from __future__ import annotations

import re
import socket
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil

from harness.topology.base.state_files import STATE
from harness.topology.docker import daemon
from harness.topology.machines import hosts as known

_ADDRESS = re.compile(r"\b(\d+\.\d+\.\d+)\.\d+:\d+")
_MOUNTS = Path("/proc/self/mountinfo")


def processes(state: Path) -> list[psutil.Process]:
    """Those that run with this folder for records, but for the caller's own."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(STATE) == str(state):
                found.append(process)
    return found


def links(running: list[psutil.Process]) -> set[tuple[int, str]]:
    """The ends in this network namespace of the networks that these nodes are in, with their index: another
    run may use the name a moment later."""
    said = []
    for one in running:
        with suppress(psutil.Error):
            said += one.cmdline()
    subnets = {found[1] for found in _ADDRESS.finditer(" ".join(said))}
    names = {"rfk-" + "".join(f"{int(part):02x}" for part in subnet.split(".")) for subnet in subnets}
    return {link for link in socket.if_nameindex() if link[1] in names}


def in_the_engines(run: str) -> list[str]:
    """Containers, networks and volumes with the label of a run, of this machine's engine and on its hosts."""
    opened, hosts, _ = known.reachable(known.named())
    with opened, closing(daemon.connect()) as own:
        found = [f"{one} on host {name}" for name, host in hosts.items() for one in _in(host.client, run)]
        return _in(own, run) + found


def _in(client: Any, run: str) -> list[str]:
    marked = {"label": f"{daemon.RUN_LABEL}={run}"}
    found: list[Any] = [
        *daemon.containers(client, f"{daemon.RUN_LABEL}={run}"),
        *client.networks.list(filters=marked),
        *client.volumes.list(filters=marked),
    ]
    return [str(one.name) for one in found]


def left(folder: Path, state: Path, before: set[tuple[int, str]], run: str) -> list[str]:
    """What is still there of a run that was cleaned up; its results, in `folder`, stay on purpose."""
    found = [f"process {one.pid}" for one in processes(state)]
    found += [f"link {name}" for index, name in before & set(socket.if_nameindex())]
    found += [line.split()[4] for line in _MOUNTS.read_text().splitlines() if str(folder) in line]
    found += [f"record {path.name}" for path in state.glob("redis-failover-kit-*/*")]
    found += [f"data in {path}" for path in folder.glob("runs/*/*/nodes/*/data")]
    return found + (in_the_engines(run) if run else [])
