"""Look at a project that runs: its containers, the processes in them, and what those say.

    containers -> processes and their ports -> PING, INFO, SENTINEL MASTERS, CLUSTER NODES -> `found`

Only containers of this run are looked at, and only processes that the kernel shows in them are talked to.
The trap: a proxy answers INFO with the words of the node behind it, so what a process is comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import docker.errors

from harness.model.seams import Address, Source
from harness.model.words import NodeRole
from harness.redis_wire import blocking, cluster, info
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import ErrorReply, NoAnswer, as_map
from harness.topology.compose.found import Member, Spoken
from harness.topology.compose.processes_seen import Listening, Program, seen_in
from harness.topology.docker.daemon import PROJECT_LABEL, containers, in_parallel, translated

SERVICE_LABEL = "com.docker.compose.service"
NUMBER_LABEL = "com.docker.compose.container-number"

_ANSWER_S = 1.0
_CONNECTIONS_THROUGH_A_PROXY = 4
"""A proxy that takes turns shows two nodes by then."""
_SETTINGS = (
    "appendonly",
    "appendfsync",
    "save",
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "replica-priority",
    "shutdown-timeout",
    "cluster-node-timeout",
    "cluster-replica-validity-factor",
    "cluster-require-full-coverage",
)
_WANTS_PASSWORD = {"NOAUTH", "WRONGPASS"}


def members(client: Any, project: str) -> tuple[Member, ...]:
    """The containers of a project, running or not, by name."""
    with translated("listing the project's containers"):
        listed = containers(client, f"{PROJECT_LABEL}={project}")
    seen = [one for one in in_parallel(lambda one: _inspected(client, one.id), listed) if one is not None]
    of_service: dict[str, int] = {}
    for one in seen:
        service = _labels(one)[SERVICE_LABEL]
        of_service[service] = of_service.get(service, 0) + 1
    found = [_member(one, several=of_service[_labels(one)[SERVICE_LABEL]] > 1) for one in seen]
    return tuple(sorted(found, key=lambda member: member.name))


def spoken(client: Any, among: Sequence[Member], passwords: Sequence[str]) -> tuple[Spoken, ...]:
    """Every node and proxy that runs in these containers and answers, by name."""
    running = [member for member in among if member.running]
    seen = in_parallel(lambda member: tuple(_of_member(client, member, passwords)), running)
    return tuple(sorted((one for some in seen for one in some), key=lambda one: one.name))


def silent(client: Any, among: Sequence[Member], heard: Sequence[Spoken]) -> tuple[str, ...]:
    """Processes that look like nodes and do not answer with any password that is known; one sentence each."""
    known = {one.pid for one in heard}
    return tuple(
        f"{member.name} runs {process.arguments.split(' ')[0]}, which gives no answer"
        for member in among
        if member.running
        for process in _processes(client, member)
        if process.program is not Program.PROXY and process.pid not in known
    )


def pid_of(container: Any, *, sentinel: bool) -> int | None:
    """The process of a container that is a node, as this machine counts; None: there is none yet."""
    try:
        listed = container.top(ps_args="-eo pid,args")
    except docker.errors.APIError:
        return None
    wanted = Program.SENTINEL if sentinel else Program.SERVER
    seen = seen_in(listed["Titles"], listed["Processes"] or ())
    return next((one.pid for one in seen if one.program is wanted), None)


def addresses_of(container: Any) -> tuple[str, ...]:
    networks = container.attrs["NetworkSettings"]["Networks"]
    return tuple(one["IPAddress"] for one in networks.values() if one.get("IPAddress"))


def _inspected(client: Any, identity: str) -> Any | None:
    try:
        return client.containers.get(identity)
    except docker.errors.NotFound:
        return None


def _labels(container: Any) -> dict[str, str]:
    return dict(container.attrs["Config"]["Labels"])


def _member(container: Any, *, several: bool) -> Member:
    labels, state = _labels(container), container.attrs["State"]
    service = labels[SERVICE_LABEL]
    networks = container.attrs["NetworkSettings"]["Networks"]
    names = {service, container.name, container.id[:12], str(container.attrs["Config"].get("Hostname") or "")}
    for network in networks.values():
        names |= set(network.get("Aliases") or ())
    return Member(
        name=f"{service}-{labels[NUMBER_LABEL]}" if several else service,
        service=service,
        container=container.id,
        addresses=addresses_of(container),
        names=frozenset(name.lower() for name in names if name) - ({service.lower()} if several else set()),
        running=bool(state["Running"]) and not state.get("Restarting"),
        exit_code=None if state["Running"] else int(state["ExitCode"]),
        restarts=int(container.attrs.get("RestartCount") or 0),
        health=str((state.get("Health") or {}).get("Status") or ""),
    )


def _processes(client: Any, member: Member) -> tuple[Listening, ...]:
    try:
        listed = client.containers.get(member.container).top(ps_args="-eo pid,args")
    except docker.errors.APIError:  # it ended just now
        return ()
    return seen_in(listed["Titles"], listed["Processes"] or ())


def _of_member(client: Any, member: Member, passwords: Sequence[str]) -> Iterator[Spoken]:
    processes = _processes(client, member)
    servers = [one for one in processes if one.program is not Program.PROXY]
    if not servers and any(one.program is Program.PROXY for one in processes):
        yield _proxy(member, [one for one in processes if one.program is Program.PROXY], passwords)
    for one in servers:
        alone = sum(other.program is one.program for other in servers) == 1
        name = member.name
        if len(servers) > 1 and one.program is Program.SENTINEL:
            name += "-sentinel"
        if not alone:
            name += f"-{one.pid}"
        for port in one.ports:
            if (answered := _asked(member, one, port, name, passwords)) is not None:
                yield answered
                break


def _proxy(member: Member, processes: Sequence[Listening], passwords: Sequence[str]) -> Spoken:
    # Its master may hold no socket, and its workers do.
    proxy = max(processes, key=lambda one: len(one.ports))
    host = next(iter(member.addresses), "")
    reached = {port: _reached(Address(host, port), member.name, passwords) for port in proxy.ports}
    return Spoken(
        name=member.name,
        member=member.name,
        pid=proxy.pid,
        role=NodeRole.PROXY,
        address=Address(host, min(proxy.ports, default=0)),
        engine=proxy.called,
        reached={port: nodes for port, nodes in reached.items() if nodes},
    )


def _reached(address: Address, who: str, passwords: Sequence[str]) -> frozenset[str]:
    """The run ids of the data nodes that answer at a proxy's port, a new connection each time."""
    found = set()
    for _ in range(_CONNECTIONS_THROUGH_A_PROXY):
        if (run_id := _run_id(address, who, passwords)) is None:
            break
        found.add(run_id)
    return frozenset(found)


def _run_id(address: Address, who: str, passwords: Sequence[str]) -> str | None:
    for secret in (None, *passwords):
        try:
            with blocking.connect(
                address, Source(), who=who, secret=secret, within_s=_ANSWER_S
            ) as connection:
                return connection.info("server").get("run_id")
        except NoAnswer:
            return None
        except ErrorReply:
            continue
    return None


def _asked(
    member: Member, process: Listening, port: int, name: str, passwords: Sequence[str]
) -> Spoken | None:
    """What answers at a port, with the first password that it takes; None: nobody."""
    for host in member.addresses:
        for secret in (None, *passwords):
            try:
                with blocking.connect(
                    Address(host, port), Source(), who=name, secret=secret, within_s=_ANSWER_S
                ) as connection:
                    said = Spoken(
                        name=name,
                        member=member.name,
                        pid=process.pid,
                        role=NodeRole.PRIMARY,
                        address=Address(host, port),
                        secret=secret,
                    )
                    return _asked_more(said, connection)
            except NoAnswer:
                break
            except ErrorReply:
                continue
    return None


def _settings(connection: Connection) -> dict[str, str]:
    """What a node says of the settings that losses and faults are judged by; nothing where it refuses."""
    try:
        known = as_map(connection.call("CONFIG", "GET", "*"))
    except ErrorReply:
        return {}
    return {name: known[name] for name in _SETTINGS if name in known}


def _asked_more(said: Spoken, connection: Connection) -> Spoken:
    server = connection.info("server")
    said = replace(
        said,
        engine=info.engine(server),
        run_id=server["run_id"],
        config_file=server.get("config_file", ""),
    )
    mode = server.get("redis_mode") or server.get("server_mode")
    if mode == "sentinel":
        watched = tuple(as_map(one) for one in connection.call("SENTINEL", "MASTERS"))
        return replace(said, role=NodeRole.SENTINEL, watched=watched)
    replication = connection.info("replication")
    said = replace(said, role=info.role(replication) or NodeRole.PRIMARY, replication=replication)
    said = replace(said, settings=_settings(connection))
    if mode == "cluster":
        rows = tuple(cluster.rows(str(connection.call("CLUSTER", "NODES"))))
        return replace(said, identity=str(connection.call("CLUSTER", "MYID")), rows=rows)
    return said
