"""Which settings and targets a topology has: shared by the scenario reader and by the planner.

Both ask the same questions: the reader about a file's own deployment, where a misfit is a mistake
with a line number, and the planner about a deployment that somebody put in its place, where a
misfit is a reason to skip. Says nothing about the machine or the backend; faults know that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.model.deployment import Deployment
from harness.model.guest import RunAs
from harness.model.inventory import Inventory
from harness.model.scenario import FaultStep, Workload
from harness.model.words import Trait

APPLICATION = "app"
"""The name of a command of somebody's own, where others have web servers."""

BOUND_SETTINGS = (
    "down_after", "failover_timeout", "node_timeout", "idle_timeout", "socket_timeout",
)  # fmt: skip
LOSS_BUDGET = "loss budget"
"""In the bound of a loss window: what the faults may cost. It hangs on when they healed and what was
promoted, so its number is known only when the run is judged."""
LEFT_BY = {
    "killed": Trait.STOPS_PROCESS,
    "one of killed": Trait.STOPS_PROCESS,
    "paused": Trait.FREEZES_PROCESS,
    "the old primary": Trait.CAUSES_FAILOVER,
    "sentinel leader": Trait.CAUSES_FAILOVER,
}
"""Targets that an earlier fault must have left behind -> what kind of fault does."""


def web_server_names(workload: Workload) -> tuple[str, ...]:
    if workload.application:
        return (APPLICATION,)
    return tuple(f"web-{n}" for n in range(1, workload.web_servers + 1))


def settings_s(deployment: Deployment, inventory: Inventory, workload: Workload) -> Mapping[str, float]:
    """The settings that this deployment has and a bound may name, in seconds."""
    topology = deployment.topology
    values = {"socket_timeout": deployment.client.socket_timeout_s}
    if workload.idle_timeout_s is not None:
        values["idle_timeout"] = workload.idle_timeout_s
    if inventory.sentinels:
        values["down_after"] = topology.down_after_s
        values["failover_timeout"] = topology.failover_timeout_s
    if inventory.clustered:
        values["node_timeout"] = topology.node_timeout_s
    return values


def misfit(step: FaultStep, inventory: Inventory) -> str | None:
    """Why this fault has nothing to act upon among these nodes; None: it has."""
    called = inventory.called
    if Trait.NEEDS_REPLICA in step.traits and not inventory.replicas_of_a_shard:
        return f"{step.kind} needs a replica, and this {called} topology has none"
    if "replica" in step.target and not inventory.replicas_of_a_shard:
        return f"there is no replica in this {called} topology"
    if "sentinel" in step.target and not inventory.sentinels:
        return f"there is no sentinel in this {called} topology"
    if step.target == "cache" and inventory.cache is None:
        return f"there is no cache in a {called} topology; split and shared have one"
    return missing_host(step.target, inventory) or missing_shard(step.target, inventory)


def workload_misfit(workload: Workload, inventory: Inventory) -> str | None:
    """Why its objects cannot lie where it says; None: they can."""
    cache = inventory.cache
    if not workload.kept_with_cache or (cache is not None and not inventory.shares_cache):
        return None
    return (
        f"{workload.kept_with_cache[0]} keeps its keys with the cache, and a {inventory.called} topology "
        "has no instance for it; split has one"
    )


def application_misfit(step: FaultStep, deployment: Deployment, workload: Workload) -> str | None:
    """Why this fault has nothing to act upon in this application; None: it has."""
    if workload.application:
        return None
    if Trait.NEEDS_GUEST in step.traits and deployment.guest is None:
        return f"{step.kind} needs a guest, whose web servers are processes; the deployment names none"
    guest = deployment.guest
    if guest is not None and guest.run_as is RunAs.ADDRESS and (named := _web_server_named(step)):
        return f"{step.kind} acts upon {named}, which you run: the kit can neither end nor cut it off"
    if Trait.NEEDS_OTHER_WEB_SERVER in step.traits and workload.web_servers < 2:
        return "there is only one web server, so no other could serve the users"
    if Trait.NEEDS_OTHER_WEB_SERVER in step.traits and deployment.workers:
        return _alone_at_its_worker(_web_server_named(step), deployment.workers, workload.web_servers)
    if deployment.worker_hosts and re.match(r"host |zone ", step.target):
        return (
            f"{step.target}: a load worker is on a host, and would have to share its fate; keep them on this "
            f"machine with `workers: {deployment.workers}`"
        )
    return None


def _alone_at_its_worker(name: str, workers: int, web_servers: int) -> str | None:
    """Users stay with their load worker, so its other web servers must be able to serve them."""
    if not name:
        return None
    nth = int(name.removeprefix("web-")) - 1
    if len(range(nth % workers, web_servers, workers)) > 1:
        return None
    return (
        f"{name} is the only web server of its load worker, so no other could serve the users there: "
        f"each of {workers} workers has two with web_servers: {2 * workers}"
    )


def _web_server_named(step: FaultStep) -> str:
    """The web server that a fault names, as its target or in an option; empty: none."""
    words = (step.target, *(one for one in step.options.values() if isinstance(one, str)))
    return next((one for one in words if re.fullmatch(r"web-\d+", one)), "")


def missing_host(target: str, inventory: Inventory) -> str | None:
    """Why there is no such host; None: there is, or the target names none."""
    match = re.match(r"(host|zone) (\S+)", target)
    if match is None:
        return None
    if not inventory.hosts:
        return "the deployment does not say which nodes share a host; add `hosts` or `zones` to its topology"
    if match[2] == "of" or match[2] in inventory.hosts:
        return None
    return f"there is no {match[1]} {match[2]}, only {', '.join(inventory.hosts)}"


def missing_shard(words: str, inventory: Inventory) -> str | None:
    """Why `shard N` does not exist; None: it does, or none is named."""
    match = re.search(r"\bshard (\d+)\b", words)
    shards = inventory.shards
    if match is None or 1 <= int(match[1]) <= shards:
        return None
    only = "only shard 1" if shards == 1 else f"shards 1 to {shards}"
    return f"there is no shard {match[1]}; this {inventory.called} topology has {only}"


def no_other_shard(source: int, wanted: int, inventory: Inventory) -> str | None:
    """Why nothing can move there from this shard; None: it can."""
    others = [shard for shard in range(1, inventory.shards + 1) if shard != source]
    if wanted in others:
        return None
    legal = ", ".join(map(str, others)) or "none"
    return f"expected another shard than {source}, one of {legal}, found {wanted}"


def shard_of_target(target: str) -> int:
    """Of `shard 2 primary`; whoever names none means the first."""
    match = re.search(r"\bshard (\d+)\b", target)
    return int(match[1]) if match else 1


def missing_web_server(words: str, workload: Workload) -> str | None:
    """Why a web server does not exist that is named there; None: it does, or none is named."""
    names = web_server_names(workload)
    named = re.search(r"\bweb-\d+\b", words)
    wanted = named[0] if named else APPLICATION if words == APPLICATION else names[0]
    if wanted in names:
        return None
    if workload.application:
        return f"there is no {wanted}; the command is called {APPLICATION}"
    return f"there is no {wanted}; the workload has {', '.join(names)}"


def client_misfit(deployment: Deployment, inventory: Inventory) -> str | None:
    """Why the client of a deployment can never do with these nodes what it is set to; None: it can."""
    client, replicas = deployment.client, inventory.replicas_of_a_shard
    if client.read_from_replicas and not replicas:
        return "read_from_replicas: there is no replica to read from"
    if client.wait_replicas > replicas:
        return f"wait_replicas: WAIT for {client.wait_replicas} of {replicas} replicas never succeeds"
    return None
