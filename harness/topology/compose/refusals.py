"""What a Compose project may ask for that a run cannot give it, or must not.

A run starts the project a second time, on the machine where the first may be working. Whatever would be
shared between the two, or leads from one to the other, is refused here, with the service and the reason;
what can be made the run's own is changed instead (`adopted`). Pure.

The trap: a key that this list does not know is refused too. A key that were passed on unread could share
something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

_KEPT = """
    annotations attach blkio_config cap_add cap_drop cgroup command cpu_count cpu_percent cpu_period
    cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset depends_on deploy dns dns_opt
    dns_search domainname entrypoint environment expose extra_hosts group_add healthcheck hostname
    image init ipc links mac_address mem_limit mem_reservation mem_swappiness memswap_limit
    network_mode oom_kill_disable oom_score_adj pid pids_limit platform post_start pre_stop
    read_only restart runtime scale security_opt shm_size stdin_open stop_grace_period stop_signal
    storage_opt sysctls tmpfs tty ulimits user userns_mode uts volumes_from working_dir
"""
KEPT = frozenset(_KEPT.split())
CHANGED = frozenset({"networks", "volumes", "secrets", "configs", "labels", "logging", "build"})
DROPPED = frozenset(
    {"container_name", "ports", "profiles", "develop", "pull_policy", "cgroup_parent", "env_file"}
)

_POWERS = {"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "MAC_ADMIN", "MAC_OVERRIDE"}
_OF_THE_HOST = ("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup")
_ROOTS = ("/proc", "/sys", "/dev", "/run", "/var/run", "/var/lib/docker", "/var/lib/containerd")
_NETWORK_DRIVERS = {"", "bridge", "default"}


def refusals(project: Mapping[str, Any]) -> tuple[str, ...]:
    """Why this normalised project cannot be started as the run's own, one sentence each; empty: it can."""
    found: list[str] = []
    for name, service in project.get("services", {}).items():
        found += [f"service {name}: {reason}" for reason in _of_service(service)]
    for name, network in (project.get("networks") or {}).items():
        found += [f"network {name}: {reason}" for reason in _of_network(network or {})]
    for name, volume in (project.get("volumes") or {}).items():
        found += [f"volume {name}: {reason}" for reason in _of_volume(volume or {})]
    for kind in ("secrets", "configs"):
        for name, one in (project.get(kind) or {}).items():
            if (one or {}).get("external"):
                found.append(f"{kind} {name}: is kept outside the project; use a file instead")
    if not project.get("services"):
        found.append("it starts no service; services with a profile start only if COMPOSE_PROFILES names it")
    return tuple(found)


def _of_service(service: Mapping[str, Any]) -> Iterator[str]:
    unknown = sorted(
        key
        for key in service.keys() - KEPT - CHANGED - DROPPED - {"privileged"}
        if service[key] and not key.startswith("x-")
    )
    if unknown:
        yield f"the kit does not know how to keep {', '.join(unknown)} within the run"
    if service.get("privileged"):
        yield "privileged: a container that can change this machine"
    for key in _OF_THE_HOST:
        value = str(service.get(key) or "")
        if value == "host":
            yield f"{key}: host, which it would share with this machine and with every other project"
        elif value.startswith("container:"):
            yield f"{key}: {value}, a container outside the project"
        elif key == "network_mode" and value == "bridge":
            yield "network_mode: bridge, a network that it would share with containers outside the project"
    powers = sorted(_POWERS & {str(one).upper().removeprefix("CAP_") for one in service.get("cap_add") or ()})
    if powers:
        yield f"cap_add: {', '.join(powers)}: a container that can change this machine"
    for one in service.get("volumes_from") or ():
        if str(one).startswith("container:"):
            yield f"volumes_from: {one}, a container outside the project"
    for mount in service.get("volumes") or ():
        yield from _of_mount(mount)


def _of_mount(mount: Mapping[str, Any]) -> Iterator[str]:
    kind, source = mount.get("type", "volume"), str(mount.get("source") or "")
    if kind not in {"bind", "volume", "tmpfs"}:
        yield f"a mount of type {kind}"
    if kind != "bind":
        return
    if source.endswith(("docker.sock", "containerd.sock")):
        yield f"{source}: a container that holds it can change every other container of this machine"
    elif _reaches_the_machine(source):
        yield f"{source}: a part of this machine that cannot be copied"


def _reaches_the_machine(source: str) -> bool:
    path = PurePosixPath(source)
    return path == PurePosixPath("/") or any(path.is_relative_to(root) for root in _ROOTS)


def _of_network(network: Mapping[str, Any]) -> Iterator[str]:
    driver = str(network.get("driver") or "")
    if driver not in _NETWORK_DRIVERS:
        yield f"driver {driver}: only bridge networks can be the run's own, this one reaches further"
    for config in (network.get("ipam") or {}).get("config") or ():
        if ":" in str(config.get("subnet", "")):
            yield f"subnet {config['subnet']}: fixed IPv6 subnets cannot be moved out of the way"


def _of_volume(volume: Mapping[str, Any]) -> Iterator[str]:
    driver = str(volume.get("driver") or "local")
    if driver != "local":
        yield f"driver {driver}: it keeps data outside the run"


_FOLLOWS = re.compile(r"(?:replicaof|slaveof)[\s\"']+([^\s\"']+)[\s\"']+(\d+)\b", re.IGNORECASE)
_WATCHES = re.compile(r"sentinel\s+monitor\s+\S+\s+([^\s\"']+)\s+(\d+)\b", re.IGNORECASE)

_ANNOUNCES = re.compile(r"\bannounce-ip[\s\"']+([^\s\"']+)", re.IGNORECASE)


def leads_out(text: str, inside: frozenset[str]) -> tuple[str, ...]:
    """Hosts that a command or a configuration follows or watches and that are none of the project's.

    `inside`: names and addresses of its own. A host that a shell or Compose fills in is left to what the
    nodes say once they run.
    """
    return _elsewhere((_FOLLOWS, _WATCHES), text, inside)


def announced(text: str, inside: frozenset[str]) -> tuple[str, ...]:
    """Hosts as which a command or a configuration announces its node, and that are none of the project's:
    whoever asks is sent to the original there."""
    return _elsewhere((_ANNOUNCES,), text, inside)


def _elsewhere(patterns: Sequence[re.Pattern[str]], text: str, inside: frozenset[str]) -> tuple[str, ...]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    hosts = [found[1] for pattern in patterns for found in pattern.finditer(lines)]
    return tuple(
        dict.fromkeys(
            host
            for host in hosts
            if host.lower() not in inside and "$" not in host and not host.startswith(("127.", "<"))
        )
    )
