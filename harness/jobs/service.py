"""A replicated job of a swarm, as its API takes it: one task for each shard, at most one on a host at a time.

What is to be run goes to the hosts as configurations of the swarm. Everything carries the labels of its owner
here, so that `clean --hosts` knows what a killed command left.

The traps: the first task has no number in what the engine says. An image by its name would be looked up in
a registry first; by its identity it is taken as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docker.types

from harness.jobs import task
from harness.topology.machines.hosts import Host

_STOPS_WITHIN_S = 60
_SECOND = 1_000_000_000

ENDED_BADLY = frozenset({"failed", "rejected", "orphaned", "shutdown", "remove"})
CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN")
"""What gives each node a network of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the swarm says about one shard."""

    shard: int
    state: str
    node: str = ""
    """Identity of the swarm's node; empty: none has it yet."""
    container: str = ""
    exit_code: int | None = None
    said: str = ""
    """Why it is as it is, in the swarm's words."""

    @property
    def complete(self) -> bool:
        return self.state == "complete"

    @property
    def ended(self) -> bool:
        return self.complete or self.state in ENDED_BADLY


def create(
    leading: Host,
    name: str,
    job: task.Job,
    files: bytes,
    *,
    image: str,
    machines: int,
    strangers: Collection[str],
    labels: Mapping[str, str],
) -> str:
    """Hand out the shards of a job; returns the identity of its service. `machines`: how many hosts take
    part; `strangers`: nodes of the swarm that do not."""
    with leading.asked(f"handing out job {name}"):
        api = leading.client.api
        given = {task.TASK: task.written(job), task.FILES: files}
        made = [
            (api.create_config(f"{name}-{file}", content, labels=dict(labels))["ID"], file)
            for file, content in given.items()
        ]
        found = api.create_service(
            _template(name, made, image, strangers, labels),
            name=name,
            labels=dict(labels),
            mode=docker.types.ServiceMode(
                "replicated-job", replicas=len(job.todo), concurrency=min(machines, len(job.todo))
            ),
        )
    return str(found["ID"])


def _template(
    name: str,
    configs: Iterable[tuple[str, str]],
    image: str,
    strangers: Collection[str],
    labels: Mapping[str, str],
) -> Any:
    container = docker.types.ContainerSpec(
        image,
        command=list(task.COMMAND),
        env=[f"{task.INDEX}={{{{.Task.Slot}}}}"],
        labels=dict(labels),
        stop_grace_period=_STOPS_WITHIN_S * _SECOND,
        configs=[
            docker.types.ConfigReference(identity, f"{name}-{file}", filename=f"{task.PLACE}/{file}")
            for identity, file in configs
        ],
        init=True,
        cap_add=list(CAPABILITIES),
    )
    return docker.types.TaskTemplate(
        container,
        # Whether a shard is handed out again is decided here, where it is known what became of it.
        restart_policy=docker.types.RestartPolicy(condition="none"),
        placement=docker.types.Placement(
            constraints=[f"node.id!={one}" for one in sorted(strangers)], maxreplicas=1
        ),
    )


def tasks(leading: Host, service: str, todo: Sequence[int]) -> dict[int, Task]:
    """Shard -> what the swarm says. A shard that it has not begun with is missing."""
    with leading.asked("asking how far a job is"):
        said = leading.client.api.tasks(filters={"service": service})
    newest = sorted(said, key=lambda one: one["CreatedAt"])
    found = (_task(one, todo) for one in newest)
    return {one.shard: one for one in found}


def _task(said: Mapping[str, Any], todo: Sequence[int]) -> Task:
    status = said["Status"]
    container = status.get("ContainerStatus") or {}
    return Task(
        shard=todo[said.get("Slot", 0)],
        state=status["State"],
        node=said.get("NodeID", ""),
        container=container.get("ContainerID", ""),
        exit_code=container.get("ExitCode"),
        said=status.get("Err") or "",
    )


def down(leading: Host) -> set[str]:
    """The nodes that the swarm does not hear any more."""
    with leading.asked("asking which nodes are there"):
        said = leading.client.api.nodes()
    return {one["ID"] for one in said if one["Status"]["State"] == "down"}


def members(leading: Host) -> set[str]:
    with leading.asked("listing the swarm"):
        return {one["ID"] for one in leading.client.api.nodes()}
