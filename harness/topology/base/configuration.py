"""Configuration text of a node: the kit's own file, then the run, the topology, the scenario.

Pure text, used by both backends, so a node is configured alike as a process and as a container. The
files are sentinel/redis.conf, sentinel/sentinel.conf and cluster/redis.conf; in Redis the last line
of a directive wins, so what a scenario says comes last.

The trap: a directive of a user may lead out of the run (`replicaof` of a production primary, `dir`,
`include`, `loadmodule`). Only what is known to be harmless is rendered, see `harness.model.directives`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from harness.kit_files import kit_file as kit_file  # noqa: PLC0414 - the files of this package's other modules
from harness.model.credentials import KIT_USER, alike, filled, guard_password, has_own
from harness.model.directive_table import OF_THE_GUARDED, PER_SERVICE
from harness.model.directives import Directive, Malformed, for_service, quoted, used
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.redaction import redacted
from harness.model.seams import Address, Secrets, shard_primary
from harness.model.words import NodePurpose, NodeRole
from harness.topology.base import certificates, proxies

ONE_FOR_ALL = "all sentinels"
_AT_THE_GUARDED = frozenset({"sentinel auth-pass", "sentinel auth-user"})


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
    if node.role is NodeRole.PROXY:
        return proxies.configuration(node, plan, addresses=addresses, secrets=secrets, directory=directory)
    kit = kit_file(kit_file_name(node)).read_text(encoding="utf-8").rstrip()
    run = "\n".join(_of_the_run(node, plan, addresses, secrets, directory))
    topology = "\n".join(_of_the_topology(node, plan, addresses, secrets))
    scenario = filled("\n".join(_of_the_scenario(node, plan)), secrets)
    parts = (kit, f"# This run.\n{run}", f"# The topology.\n{topology}", f"# The scenario.\n{scenario}")
    return "\n\n".join(part for part in parts if not part.endswith(".\n")) + "\n"


def kit_file_name(node: NodePlan) -> str:
    """Which of the kit's files a node starts from."""
    if node.role is NodeRole.SENTINEL:
        return "sentinel/sentinel.conf"
    if node.cluster:
        return "cluster/redis.conf"
    return "sentinel/redis.conf"


def sentinel_id(name: str, secrets: Secrets) -> str:
    """The run id of a sentinel: 40 hex digits, chosen beforehand so that others can be told of it. Ids of a
    cluster's nodes and shards are made alike, where they are given."""
    return hashlib.sha1(f"{secrets.sentinel}/{name}".encode(), usedforsecurity=False).hexdigest()


def first_nodes_file(node: NodePlan, plan: Plan, secrets: Secrets) -> str | None:
    """The nodes.conf with which a member of a cluster begins; None: it writes its own."""
    if not (node.cluster and plan.scenario.deployment.topology.given_shard_ids):
        return None
    identity, shard = sentinel_id(node.name, secrets), sentinel_id(f"shard {node.shard}", secrets)
    known = f"{identity} :0@0,,tls-port=0,shard-id={shard} myself,master - 0 0 0 connected"
    return f"{known}\nvars currentEpoch 0 lastVoteEpoch 0\n"


def redact(text: str, secrets: Secrets) -> str:
    """The text without the run's passwords, and without what a node made of them (hashes of its users)."""
    for secret in filter(None, secrets.all):
        text = text.replace(secret, "<redacted>")
    return redacted(text)


def _of_the_run(
    node: NodePlan, plan: Plan, addresses: Mapping[str, Address], secrets: Secrets, directory: str
) -> Iterator[str]:
    own = addresses[node.name]
    yield f"bind {own.host}"
    if plan.scenario.deployment.topology.tls:
        yield from _of_tls(node, own, directory)
    else:
        yield f"port {own.port}"
    yield f"dir {quoted(directory)}"
    yield from _of_access(node, plan, secrets)
    if node.role is NodeRole.SENTINEL:
        return
    if node.replica_of and not node.cluster:
        primary = addresses[node.replica_of]
        yield f"replicaof {primary.host} {primary.port}"


def _of_tls(node: NodePlan, own: Address, directory: str) -> Iterator[str]:
    """Everybody who talks to it speaks TLS: clients, replicas, sentinels, other members of a cluster."""
    yield "port 0"
    yield f"tls-port {own.port}"
    for name, value in certificates.directives(directory).items():
        yield f"{name} {quoted(value)}"
    yield "tls-replication yes"
    if node.cluster:
        yield "tls-cluster yes"


def _of_access(node: NodePlan, plan: Plan, secrets: Secrets) -> Iterator[str]:
    """Who may log in. Credentials of the user's own come with the scenario's directives, and all others'
    places stay empty then: what is missing in the user's files is missing here."""
    if has_own(alike(plan, node)):
        yield f"user {KIT_USER} on >{secrets.of(node.role)} ~* &* +@all"
        return
    password = secrets.of(node.role)
    if not password:
        return
    yield f"requirepass {password}"
    if node.role is not NodeRole.SENTINEL:
        yield f"masterauth {password}"


def _of_the_topology(
    node: NodePlan, plan: Plan, addresses: Mapping[str, Address], secrets: Secrets
) -> Iterator[str]:
    spec = plan.scenario.deployment.topology
    if node.role is NodeRole.SENTINEL:
        yield from _sentinel_lines(node, plan, addresses, secrets)
    elif node.cluster:
        yield f"cluster-node-timeout {_milliseconds(spec.node_timeout_s)}"
        yield f"cluster-replica-validity-factor {spec.validity_factor}"
        yield f"cluster-require-full-coverage {_yes_no(spec.require_full_coverage)}"
        yield f"cluster-allow-reads-when-down {_yes_no(spec.allow_reads_when_down)}"


def _sentinel_lines(
    node: NodePlan, plan: Plan, addresses: Mapping[str, Address], secrets: Secrets
) -> Iterator[str]:
    spec = plan.scenario.deployment.topology
    primary = addresses[shard_primary(plan, 1).name]
    yield f"sentinel myid {sentinel_id(ONE_FOR_ALL if spec.one_sentinel_id else node.name, secrets)}"
    service = spec.service
    yield f"sentinel monitor {service} {primary.host} {primary.port} {spec.effective_quorum}"
    yield from _logins_of_a_sentinel(node, plan, secrets)
    yield f"sentinel down-after-milliseconds {service} {_milliseconds(spec.down_after_s)}"
    yield f"sentinel failover-timeout {service} {_milliseconds(spec.failover_timeout_s)}"
    yield f"sentinel parallel-syncs {service} {spec.parallel_syncs}"
    for other in plan.nodes:
        address = addresses[other.name]
        if other.role is NodeRole.REPLICA and other.purpose is NodePurpose.SESSIONS:
            yield f"sentinel known-replica {service} {address.host} {address.port}"


def _logins_of_a_sentinel(node: NodePlan, plan: Plan, secrets: Secrets) -> Iterator[str]:
    """At the nodes that it guards, and at the other sentinels."""
    spec = plan.scenario.deployment.topology
    written = spec.sentinels_as_written or any(one.name in _AT_THE_GUARDED for one in used(node.directives))
    password = "" if written and has_own(plan.data_nodes()) else guard_password(plan, secrets)
    if password:
        yield f"sentinel auth-pass {spec.service} {password}"
    if not has_own(plan.sentinels()) and secrets.sentinel:
        yield f"sentinel sentinel-pass {secrets.sentinel}"


def _of_the_scenario(node: NodePlan, plan: Plan) -> Iterator[str]:
    """Taken apart and written again, so that no value can add a line; names from the table of harmless ones
    only, whatever the plan holds."""
    for directive in used(node.directives):
        if directive.name in PER_SERVICE | OF_THE_GUARDED.keys() and node.role is not NodeRole.SENTINEL:
            continue
        if directive.name in _AT_THE_GUARDED and not has_own(plan.data_nodes()):
            continue  # they have the run's own passwords
        if directive.name.startswith("tls-") and not plan.scenario.deployment.topology.tls:
            continue  # an engine built without TLS does not know it
        with suppress(Malformed):
            yield from _lines(for_service(directive, plan.scenario.deployment.topology.service))


def _lines(directive: Directive) -> Iterator[str]:
    # Redis 6.2 takes one pair of numbers a line, later versions several.
    if directive.name == "save" and len(directive.arguments) % 2 == 0:
        for first in range(0, len(directive.arguments), 2):
            yield str(replace(directive, arguments=directive.arguments[first : first + 2]))
    else:
        yield str(directive)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"
