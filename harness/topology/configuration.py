"""Configuration text of a node: the kit's own file, then the run, the topology, the scenario.

Pure text, used by both backends, so a node is configured alike as a process and as a container. The
files are sentinel/redis.conf, sentinel/sentinel.conf and cluster/redis.conf; in Redis the last line
of a directive wins, so what a scenario says comes last.

The trap: a directive of a user may lead out of the run (`replicaof` of a production primary, `dir`,
`include`, `loadmodule`). Those are never rendered; `stripped` lists them so that people are told.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from harness.kit_files import kit_file as kit_file  # noqa: PLC0414 - the files of this package's other modules
from harness.model.plan import NodePlan, Plan
from harness.model.seams import Address, Secrets, shard_primary
from harness.model.words import NodePurpose, NodeRole, TopologyKind

SERVICE = "sessions"
"""The name under which sentinels know the primary."""

REDIS_PORT = 6379
SENTINEL_PORT = 26379

# Pattern of a directive -> why the kit decides it. Both spellings that Redis and Valkey know.
_DECIDED_BY_THE_KIT: Mapping[str, str] = {
    "replicaof": "who replicates whom follows from the topology",
    "slaveof": "who replicates whom follows from the topology",
    "sentinel monitor": "sentinels guard only the run's own primary",
    "sentinel known-*": "sentinels know only the run's own nodes",
    "sentinel myid": "the kit gives every sentinel its id",
    "sentinel auth-*": "passwords are random for every run",
    "sentinel sentinel-*": "passwords are random for every run",
    "sentinel announce-*": "nodes are announced under their own address",
    "sentinel notification-script": "nodes run nothing outside the run",
    "sentinel client-reconfig-script": "nodes run nothing outside the run",
    "sentinel rename-command": "the kit needs the commands under their own names",
    "sentinel *-epoch": "epochs are Sentinel's own notes",
    "dir": "a node writes only inside the run's folder",
    "include": "a node reads only what the run wrote",
    "loadmodule*": "nodes run nothing outside the run",
    "rename-command": "the kit needs the commands under their own names",
    "logfile": "logs are collected from the output of the process",
    "syslog-*": "logs are collected from the output of the process",
    "pidfile": "a node writes only inside the run's folder",
    "daemonize": "the kit watches the process that it started",
    "supervised": "the kit watches the process that it started",
    "port": "addresses are chosen for every run",
    "bind*": "addresses are chosen for every run",
    "protected-mode": "addresses are chosen for every run",
    "unixsocket*": "clients reach nodes over the network that faults act upon",
    "tls-*": "the kit speaks plain TCP inside the run's own network",
    "requirepass": "passwords are random for every run",
    "masterauth": "passwords are random for every run",
    "masteruser": "passwords are random for every run",
    "primaryauth": "passwords are random for every run",
    "primaryuser": "passwords are random for every run",
    "user": "passwords are random for every run",
    "aclfile": "passwords are random for every run",
    "cluster-enabled": "the kind of topology decides it",
    "cluster-config-file": "a node writes only inside the run's folder",
    "cluster-port": "addresses are chosen for every run",
    "cluster-announce-*": "nodes are announced under their own address",
    "replica-announce-*": "nodes are announced under their own address",
    "slave-announce-*": "nodes are announced under their own address",
}

_DIRECTIVE_NAME = re.compile(r"(sentinel )?[a-z][a-z0-9-]*")

# Options of a sentinel that are kept per guarded primary: the service's name goes before the value.
_SENTINEL_PER_SERVICE = frozenset(
    {"down-after-milliseconds", "failover-timeout", "parallel-syncs", "master-reboot-down-after-period"}
)


def render(
    node: NodePlan,
    plan: Plan,
    *,
    addresses: Mapping[str, Address],
    secrets: Secrets,
    directory: str,
) -> str:
    """The whole configuration file with which a node is first started.

    `directory` is where the node keeps its data, as the node sees it. The server rewrites the file
    by renaming, so it must lie in a directory that the server may write to.
    """
    kit = kit_file(kit_file_name(node, plan)).read_text(encoding="utf-8").rstrip()
    run = "\n".join(_of_the_run(node, plan, addresses, secrets, directory))
    topology = "\n".join(_of_the_topology(node, plan, addresses, secrets))
    scenario = "\n".join(_of_the_scenario(node))
    parts = (kit, f"# This run.\n{run}", f"# The topology.\n{topology}", f"# The scenario.\n{scenario}")
    return "\n\n".join(part for part in parts if not part.endswith(".\n")) + "\n"


def kit_file_name(node: NodePlan, plan: Plan) -> str:
    """Which of the kit's files a node starts from."""
    if node.role is NodeRole.SENTINEL:
        return "sentinel/sentinel.conf"
    if _kind(plan) is TopologyKind.CLUSTER:
        return "cluster/redis.conf"
    return "sentinel/redis.conf"


def default_port(node: NodePlan) -> int:
    """The port of a node that has an address of its own."""
    return SENTINEL_PORT if node.role is NodeRole.SENTINEL else REDIS_PORT


def password(node: NodePlan, secrets: Secrets) -> str:
    """The password of this node's clients."""
    return secrets.sentinel if node.role is NodeRole.SENTINEL else secrets.redis


def sentinel_id(name: str, secrets: Secrets) -> str:
    """The run id of a sentinel: 40 hex digits, chosen beforehand so that others can be told of it."""
    return hashlib.sha1(f"{secrets.sentinel}/{name}".encode(), usedforsecurity=False).hexdigest()


def stripped(plan: Plan) -> tuple[str, ...]:
    """Directives of the scenario that are not used, each with its nodes and the reason, as text.

    Values are left out: they may be passwords.
    """
    nodes: dict[tuple[str, str], list[str]] = {}
    for node in plan.nodes:
        for name in node.directives:
            reason = _why_not(name)
            if reason:
                nodes.setdefault((name.strip(), reason), []).append(node.name)
    return tuple(f"{name!r} ({', '.join(names)}): {reason}" for (name, reason), names in nodes.items())


def redact(text: str, secrets: Secrets) -> str:
    """The text without the run's passwords."""
    for secret in (secrets.redis, secrets.sentinel):
        text = text.replace(secret, "<redacted>")
    return text


def _kind(plan: Plan) -> TopologyKind:
    return plan.scenario.deployment.topology.kind


def _of_the_run(
    node: NodePlan, plan: Plan, addresses: Mapping[str, Address], secrets: Secrets, directory: str
) -> Iterator[str]:
    own = addresses[node.name]
    yield f"bind {own.host}"
    yield f"port {own.port}"
    yield f"dir {_quoted(directory)}"
    yield f"requirepass {password(node, secrets)}"
    if node.role is NodeRole.SENTINEL:
        return
    yield f"masterauth {secrets.redis}"
    if node.replica_of and _kind(plan) is not TopologyKind.CLUSTER:
        primary = addresses[node.replica_of]
        yield f"replicaof {primary.host} {primary.port}"


def _of_the_topology(
    node: NodePlan, plan: Plan, addresses: Mapping[str, Address], secrets: Secrets
) -> Iterator[str]:
    spec = plan.scenario.deployment.topology
    if node.role is NodeRole.SENTINEL:
        yield from _sentinel_lines(node, plan, addresses, secrets)
    elif spec.kind is TopologyKind.CLUSTER:
        yield f"cluster-node-timeout {_milliseconds(spec.node_timeout_s)}"
        yield f"cluster-replica-validity-factor {spec.validity_factor}"
        yield f"cluster-require-full-coverage {_yes_no(spec.require_full_coverage)}"
        yield f"cluster-allow-reads-when-down {_yes_no(spec.allow_reads_when_down)}"


def _sentinel_lines(
    node: NodePlan, plan: Plan, addresses: Mapping[str, Address], secrets: Secrets
) -> Iterator[str]:
    spec = plan.scenario.deployment.topology
    primary = addresses[shard_primary(plan, 1).name]
    yield f"sentinel myid {sentinel_id(node.name, secrets)}"
    yield f"sentinel monitor {SERVICE} {primary.host} {primary.port} {spec.effective_quorum}"
    yield f"sentinel auth-pass {SERVICE} {secrets.redis}"
    yield f"sentinel sentinel-pass {secrets.sentinel}"
    yield f"sentinel down-after-milliseconds {SERVICE} {_milliseconds(spec.down_after_s)}"
    yield f"sentinel failover-timeout {SERVICE} {_milliseconds(spec.failover_timeout_s)}"
    yield f"sentinel parallel-syncs {SERVICE} {spec.parallel_syncs}"
    for other in plan.nodes:
        address = addresses[other.name]
        if other.role is NodeRole.REPLICA and other.purpose is NodePurpose.SESSIONS:
            yield f"sentinel known-replica {SERVICE} {address.host} {address.port}"


def _of_the_scenario(node: NodePlan) -> Iterator[str]:
    for name, value in node.directives.items():
        if _why_not(name) is None:
            yield from _directive_lines(" ".join(name.lower().split()), value)


def _directive_lines(name: str, value: str) -> Iterator[str]:
    # Each line of a value becomes a line of this directive: no value can smuggle in another directive.
    for line in value.splitlines() or [""]:
        text = line.strip() or '""'
        option = name.removeprefix("sentinel ")
        if name != option and option in _SENTINEL_PER_SERVICE and not text.startswith(f"{SERVICE} "):
            text = f"{SERVICE} {text}"
        if name == "save":
            yield from _save_lines(text)
        else:
            yield f"{name} {text}"


def _save_lines(text: str) -> Iterator[str]:
    # Redis 6.2 takes one pair of numbers a line, later versions several.
    numbers = text.split()
    if len(numbers) % 2:
        yield f"save {text}"
        return
    for first in range(0, len(numbers), 2):
        yield f"save {numbers[first]} {numbers[first + 1]}"


def _why_not(name: str) -> str | None:
    plain = " ".join(name.lower().split())
    if not _DIRECTIVE_NAME.fullmatch(plain):
        return "not the name of a directive"
    reasons = (why for pattern, why in _DECIDED_BY_THE_KIT.items() if fnmatchcase(plain, pattern))
    return next(reasons, None)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"
