"""What a Compose project does to its nodes: mounts, volumes, commands, networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from harness.lint.rule import Hit, Rule, Severity
from harness.lint.subjects import Given, Mount, Project, Service
from harness.scenario.file_kind import FileKind

_COMPOSE = (FileKind.COMPOSE,)


def _services(given: Given) -> Iterator[tuple[Project, Service]]:
    for project in given.projects:
        for service in project.services:
            yield project, service


def _conf_mounts(service: Service) -> Iterator[Mount]:
    return (
        one for one in service.mounts if one.one_file and PurePosixPath(one.target).suffix in {".conf", ""}
    )


def _one_file(given: Given) -> Iterator[Hit]:
    for _, service in _services(given):
        for mount in _conf_mounts(service):
            yield Hit(place=mount.place, said=f"{service.name}: {mount.target} is mounted as a single file")


def _shared_conf(given: Given) -> Iterator[Hit]:
    for project in given.projects:
        first: dict[str, Service] = {}
        for service in project.services:
            if not service.node.sentinel:
                continue
            for mount in _conf_mounts(service):
                other = first.setdefault(mount.source, service)
                if other is not service:
                    yield Hit(
                        place=mount.place,
                        said=f"{service.name} and {other.name} write the same file, {mount.source}",
                    )


def _shared_volume(given: Given) -> Iterator[Hit]:
    for project in given.projects:
        first: dict[tuple[str, str], Service] = {}
        for service in project.services:
            if service.node.sentinel:
                continue
            for mount in service.mounts:
                if mount.one_file or not mount.source:
                    continue
                other = first.setdefault((mount.source, mount.target), service)
                if other is not service:
                    yield Hit(
                        place=mount.place,
                        said=f"{service.name} and {other.name} keep their data in {mount.source}",
                    )


def _replica_again(given: Given) -> Iterator[Hit]:
    for project, service in _services(given):
        if not any(one.node.sentinel or one.also_sentinel for one in project.services):
            continue
        line = service.node.last("replicaof")
        if line is not None and line.place.file == project.file:
            yield Hit(place=line.place, said=f"{service.name} is started with replicaof in its command")


def _internal_names(given: Given) -> Iterator[Hit]:
    for project, service in _services(given):
        networks = set(service.networks)
        if not service.node.sentinel or not networks or not networks <= project.internal:
            continue
        named = [one for one in service.node.all("sentinel monitor") if one.arguments[1] in project.names]
        if named:
            yield Hit(
                place=service.place,
                said=f"{service.name} resolves {named[0].arguments[1]} on an internal network",
            )


def _only_there(does: str) -> str:
    """Why the kit's own nodes cannot show it, and what can."""
    return (
        "each of the kit's nodes has a directory of its own, and a start command of the kit's; only a run of "
        f"your project shows it, with a scenario that {does}: failover-kit run YOURS.yaml --compose FILE"
    )


RULES = (
    Rule(
        name="single-file-mount",
        severity=Severity.ERROR,
        wrong="A configuration is mounted as a single file.",
        why="Sentinel, and Redis at a failover, rewrite their configuration by renaming a new file "
        "over it. On a mount of one file this fails ('Device or resource busy'), so after a "
        "restart the node has its roles of long ago: the old primary is named by all, and clients "
        "that connect anew get READONLY.",
        cure="Mount a directory of its own for every node, and copy the file into it at the first start.",
        kinds=_COMPOSE,
        look=_one_file,
        no_proof=_only_there("restarts the sentinels after a failover"),
    ),
    Rule(
        name="shared-sentinel-conf",
        severity=Severity.ERROR,
        wrong="Several sentinels are given the same file to write into.",
        why="Each writes its own id, epoch and peers into it. After a restart they share an id, or "
        "none of them knows the others.",
        cure="Give every sentinel a file of its own, in a directory of its own.",
        kinds=_COMPOSE,
        look=_shared_conf,
        no_proof=_only_there("restarts the sentinels and then kills the primary"),
    ),
    Rule(
        name="shared-data-volume",
        severity=Severity.ERROR,
        wrong="Two instances keep their data in the same volume.",
        why="Each writes the same dump.rdb. After a restart the cache comes back holding the "
        "sessions, or the other way round.",
        cure="Give every instance a volume of its own.",
        kinds=_COMPOSE,
        look=_shared_volume,
        no_proof=_only_there("restarts both instances"),
    ),
    Rule(
        name="replica-by-command",
        severity=Severity.WARNING,
        wrong="The command of a container makes it a replica at every start.",
        why="A node that was promoted and is restarted follows its old primary again, whatever its "
        "own file says. With a volume, writes were refused (READONLY) for 26 s.",
        cure="Write replicaof into a file that the node itself may rewrite, and start the server from "
        "that file.",
        kinds=_COMPOSE,
        look=_replica_again,
        no_proof=_only_there("restarts the node that was promoted"),
    ),
    Rule(
        name="names-on-internal-network",
        severity=Severity.ERROR,
        wrong="Sentinels guard a hostname on a network with internal: true.",
        why="The name of a dead container takes 20 s to fail there. Sentinels wait for it and go into "
        "TILT: no failover in 46 s, where an ordinary network has one in 5 s.",
        cure="Use static addresses, or a network that is not internal.",
        kinds=_COMPOSE,
        look=_internal_names,
        no_proof="the kit's nodes are known by address",
    ),
)
