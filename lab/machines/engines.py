"""Docker engines side by side on one machine, as if each had a machine to itself, and a swarm over them.

Each has a network namespace with an address of its own, and its own folder of data, sockets and state; a
switch in a further namespace joins them. They share the kernel, its clock and its disk, so nothing here shows
what clocks that differ, other kernels, switches or small packets do.

The trap: `ip netns exec` gives a process a `/sys` without control groups, in which no engine starts. So they
are started in the namespace alone. And an engine that is killed leaves mounts and the minders of its
containers, which are found by the folder's name.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import docker.errors
import psutil

from harness.clock import wait_until
from harness.errors import EnvironmentFailure
from harness.topology.base.namespaces import Namespace
from harness.topology.docker.daemon import in_parallel

NAMES = ("a", "b", "c")

_ANSWERS_WITHIN_S = 90.0
_ENDS_WITHIN_S = 30.0
_SWARM_PORT = 2377
_PREFIX_LENGTH = 24


def why_not() -> str:
    """Why no engine can be started here; empty: one can."""
    if not sys.platform.startswith("linux") or os.geteuid():
        return "starting Docker engines needs root on Linux"
    missing = [name for name in ("dockerd", "containerd", "iptables") if shutil.which(name) is None]
    return (
        f"{', '.join(missing)}: not on PATH; on Debian 'make docker-engine' installs them" if missing else ""
    )


@contextmanager
def engines(folder: Path, count: int = len(NAMES)) -> Iterator[Mapping[str, str]]:
    """Name -> address of each engine, one swarm; everything of them is removed afterwards.

    Raises:
        EnvironmentFailure: one does not start.
    """
    names = NAMES[:count]
    started: list[subprocess.Popen[bytes]] = []
    try:
        with _networks(names) as networks:
            started += [_started(folder / name, networks[name]) for name in names]
            where = {name: f"unix://{folder / name / 'socket'}" for name in names}
            clients = in_parallel(lambda name: _answering(where[name], folder / name), names)
            try:
                _join(clients)
            finally:
                for client in clients:
                    client.close()
            yield where
    finally:
        end(started, folder)


def address(number: int) -> str:
    """Of an engine's host; for documentation only (RFC 5737), so nothing else has it."""
    return f"192.0.2.{number}"


@contextmanager
def _networks(names: Sequence[str]) -> Iterator[Mapping[str, Namespace]]:
    """A namespace for each, plugged into a switch."""
    made: list[Namespace] = []
    try:
        switch = Namespace.new()
        made.append(switch)
        switch.netlink.add_bridge("switch")
        bridge = switch.run(lambda: socket.if_nametoindex("switch"))
        switch.netlink.set_up(bridge)
        found = {}
        for number, name in enumerate(names, start=1):
            found[name] = own = Namespace.new()
            made.append(own)
            port = f"port{number}"
            switch.netlink.add_pair(port, "eth0", own.descriptor)
            switch.netlink.join(switch.run(lambda port=port: socket.if_nametoindex(port)), bridge)  # type: ignore[misc]
            switch.netlink.set_up(switch.run(lambda port=port: socket.if_nametoindex(port)))  # type: ignore[misc]
            own.netlink.set_up(own.run(lambda: socket.if_nametoindex("lo")))
            link = own.run(lambda: socket.if_nametoindex("eth0"))
            own.netlink.add_address(link, address(number), _PREFIX_LENGTH)
            own.netlink.set_up(link)
        yield found
    finally:
        for one in made:
            one.close()


def _started(folder: Path, network: Namespace) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    words = [
        "dockerd", "--data-root", str(folder / "data"), "--exec-root", str(folder / "state"),
        "--pidfile", str(folder / "pid"), "--host", f"unix://{folder / 'socket'}", "--log-level", "warn",
        "--config-file", str(folder / "none.json"),
    ]  # fmt: skip
    (folder / "none.json").write_text("{}", encoding="ascii")
    with (folder / "log").open("wb") as log:
        return network.run(
            lambda: subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        )


def _answering(where: str, folder: Path) -> Any:
    """A client of an engine once it answers."""
    client = docker.DockerClient(base_url=where, version="1.41", timeout=60)

    def answers() -> bool:
        with suppress(docker.errors.DockerException, OSError):
            return bool(client.ping())
        return False

    def said() -> str:
        return (folder / "log").read_text(encoding="utf-8", errors="replace")[-400:]

    wait_until(
        answers, within_s=_ANSWERS_WITHIN_S, waiting_for=f"the engine {where}", every_s=0.2, describe=said
    )
    return client


def _join(clients: Sequence[Any]) -> None:
    first, *others = clients
    try:
        first.swarm.init(advertise_addr=address(1), listen_addr=f"{address(1)}:{_SWARM_PORT}")
        first.swarm.reload()
        token = first.swarm.attrs["JoinTokens"]["Worker"]
        for number, one in enumerate(others, start=2):
            one.swarm.join(
                remote_addrs=[f"{address(1)}:{_SWARM_PORT}"],
                join_token=token,
                advertise_addr=address(number),
                listen_addr=f"{address(number)}:{_SWARM_PORT}",
            )
    except docker.errors.APIError as problem:
        raise EnvironmentFailure(f"the engines' swarm: {problem.explanation or problem}") from problem


def end(started: Sequence[subprocess.Popen[bytes]], folder: Path) -> None:
    """End these engines and whatever lives or is mounted in a folder of theirs, and remove it."""
    for one in started:
        with suppress(ProcessLookupError):
            one.send_signal(signal.SIGTERM)
    for one in started:
        with suppress(subprocess.TimeoutExpired):
            one.wait(_ENDS_WITHIN_S)
    sweep(folder)


def sweep(folder: Path) -> None:
    """End what lives in a folder of engines, by its name in their words, and remove it."""
    minders = [one for one in psutil.process_iter() if _is_of(one, folder)]
    for one in minders:
        with suppress(psutil.Error):
            for child in one.children(recursive=True):
                with suppress(psutil.Error):
                    child.kill()
            one.kill()
    psutil.wait_procs(minders, timeout=_ENDS_WITHIN_S)
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for place in sorted((one for one in mounted if one.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
    for part in folder.glob("*/"):  # what says whose it is goes last
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _is_of(process: psutil.Process, folder: Path) -> bool:
    with suppress(psutil.Error):
        words = process.cmdline()
        return process.pid != os.getpid() and any(word.startswith(f"{folder}/") for word in words[1:])
    return False


def kill(where: str) -> None:
    """SIGKILL an engine by its socket, and everything that it runs: its host is gone."""
    folder = Path(where.removeprefix("unix://")).parent
    for one in [one for one in psutil.process_iter() if _is_of(one, folder)]:
        with suppress(psutil.Error):
            for child in one.children(recursive=True):
                with suppress(psutil.Error):
                    child.kill()
            one.kill()
