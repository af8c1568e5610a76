"""An image of this machine's engine, carried to the hosts that do not have it. No registry is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import closing

import docker.errors

from harness.errors import EnvironmentFailure
from harness.topology.docker import daemon
from harness.topology.docker.daemon import in_parallel, translated
from harness.topology.machines.hosts import Host

CARRIED_WITHIN_S = 600
"""Of 130 MB, a second; through a slow line, minutes."""


def carry(names: Collection[str], hosts: Mapping[str, Host]) -> None:
    """See to it that every host has these images.

    Raises:
        EnvironmentFailure: one has not, and this machine's engine cannot give it.
    """
    missing = {host.name: [name for name in names if not _has(host, name)] for host in hosts.values()}
    if not any(missing.values()):
        return
    with closing(daemon.connect()) as own:
        own.api.timeout = CARRIED_WITHIN_S
        in_parallel(lambda one: _carried(own, hosts[one[0]], one[1]), missing.items())


def carry_same(name: str, hosts: Mapping[str, Host]) -> str:
    """See to it that every host has just the image that this machine's engine has by a name; returns its
    identity, which is the same everywhere.

    Raises:
        EnvironmentFailure: this machine's engine has none, or a host cannot take it.
    """
    with closing(daemon.connect()) as own:
        own.api.timeout = CARRIED_WITHIN_S
        with translated(f"looking for image {name}"):
            same = str(own.images.get(name).id)
        missing = [host for host in hosts.values() if not _has(host, same)]
        in_parallel(lambda host: _carried(own, host, [name]), missing)
    return same


def _has(host: Host, name: str) -> bool:
    with host.asked(f"looking for image {name}"):
        try:
            host.client.images.get(name)
        except docker.errors.ImageNotFound:
            return False
    return True


def _carried(own: object, host: Host, names: Iterable[str]) -> None:
    for name in names:
        try:
            with translated(f"reading image {name}"):
                packed = own.images.get(name).save(named=name)  # type: ignore[attr-defined]
        except EnvironmentFailure as problem:
            raise EnvironmentFailure(
                f"host {host.name}: expected image {name} there or in this machine's engine, found: {problem}"
            ) from problem
        host.client.api.timeout = CARRIED_WITHIN_S
        try:
            with host.asked(f"taking image {name}"):
                host.client.api.load_image(packed)
        finally:
            host.client.api.timeout = daemon.ANSWER_S
