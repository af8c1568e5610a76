"""From a command to merged results, over the hosts of a swarm.

    image to the hosts -> a job of all shards -> results as they come -> a job of what was lost

The swarm decides which host runs which shard. It does not hand out a task of a job again whose host is gone,
so this does: in a further job, when the shards of the one before have ended. A host that vanishes gets
nothing more. Every job, configuration and container is removed at the end, whatever ends it; what a killed
command leaves, `clean --hosts` removes.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.clock import Clock, RunClock
from harness.errors import EnvironmentFailure, HostVanished
from harness.jobs import gathering, service
from harness.jobs.ledger import Ledger
from harness.jobs.task import Job
from harness.model.results import Display
from harness.topology.base import processes
from harness.topology.docker import daemon, kit_image
from harness.topology.docker.daemon import in_parallel
from harness.topology.machines import hosts as known
from harness.topology.machines import images, overlay
from harness.topology.machines.hosts import Host

TRIES = 3
"""How often a shard is handed out at most."""

_LOOK_EVERY_S = 1.0
_OWN_STATUS = frozenset({2, 4})
"""A job that ends so has understood what to do, and cannot: another host could not either."""


@dataclass(slots=True)
class Submission:
    """Hands out what is left, until nothing is, or nobody can take it."""

    ledger: Ledger
    files: bytes
    folder: Path
    hosts: Mapping[str, Host]
    display: Display
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    gone: dict[str, str] = field(default_factory=dict)
    """Host -> why it gets nothing more."""
    hopeless: dict[int, str] = field(default_factory=dict)
    """Shard -> why it is not tried again."""
    tries: Counter[int] = field(default_factory=Counter)
    """Shard -> how often this command has handed it out."""
    _nodes: dict[str, str] = field(default_factory=dict)
    """Node of the swarm -> host."""
    _clock: Clock = field(default_factory=RunClock)

    def carry_out(self) -> None:
        """
        Raises:
            EnvironmentFailure: a host, the swarm or the image is missing. What was gathered stays.
        """
        leading = known.manager(self.hosts)
        self._nodes = {known.node_of(host): name for name, host in self.hosts.items()}
        image = self._carried()
        number = 0
        while todo := self._todo():
            number += 1
            try:
                self._job(leading, f"failover-kit-{self.run}-{number}", tuple(todo), image)
            except HostVanished as problem:
                self._lose_host(self._name_of(leading), str(problem))
                leading = self._another_manager()
                self.remove()

    def _todo(self) -> list[int]:
        if not self._living():
            return []
        left = self.ledger.left(self.folder)
        for number in left:
            if self.tries[number] >= TRIES:
                self.hopeless.setdefault(number, f"{TRIES} tries: {self.ledger.shard(number).lost[-1]}")
        return [one for one in left if one not in self.hopeless]

    def _living(self) -> dict[str, Host]:
        return {name: host for name, host in self.hosts.items() if name not in self.gone}

    def _carried(self) -> str:
        """The identity of the kit's image, which every host has then."""
        own = images.carry_same(kit_image.tag(), self.hosts)
        self.display.line(f"image {kit_image.tag()} is on {len(self.hosts)} hosts")
        return own

    def _job(self, leading: Host, name: str, todo: tuple[int, ...], image: str) -> None:
        living = self._living()
        there = {node for node, host in self._nodes.items() if host in living}
        job = service.create(
            leading,
            name,
            Job(asked=self.ledger.asked, todo=todo),
            self.files,
            image=image,
            machines=len(living),
            strangers=service.members(leading) - there,
            labels=daemon.labels(self.run, processes.this_process()),
        )
        self.tries.update(todo)
        waiting, begun, said = set(todo), set[int](), dict[int, str]()
        while waiting:
            for shard, task in service.tasks(leading, job, todo).items():
                if shard in waiting:
                    if task.node and shard not in begun:
                        begun.add(shard)
                        self.ledger.shard(shard).handed_out += 1
                        self.ledger.write(self.folder)
                    self._tell(task, said)
                    if task.ended:
                        waiting.discard(shard)
                        self._end(task)
            self._look_for_the_lost(leading, job, todo, waiting)
            if waiting:
                self._clock.sleep(_LOOK_EVERY_S)

    def _tell(self, task: service.Task, said: dict[int, str]) -> None:
        host = self._nodes.get(task.node, "")
        now = f"running on host {host}" if task.state == "running" else ""
        if task.state == "pending" and task.said:
            now = f"waiting: {task.said}"
        if now and said.get(task.shard) != now:
            said[task.shard] = now
            self.display.line(f"{self.ledger.asked.name(task.shard)}: {now}")

    def _end(self, task: service.Task) -> None:
        name = self._nodes.get(task.node, "")
        host = self._living().get(name)
        if host is None:
            self._lose(task.shard, self.gone.get(name) or task.said or f"no host took it ({task.state})")
            return
        try:
            if not task.complete:
                self._failed(task, host)
                return
            gathering.gather(host, task.container, task.shard, self.ledger.place(self.folder, task.shard))
        except HostVanished as problem:
            self._lose_host(name, str(problem))
            self._lose(task.shard, str(problem))
            return
        except EnvironmentFailure as problem:
            self._lose(task.shard, str(problem))
            return
        self.ledger.shard(task.shard).host = name
        self.ledger.write(self.folder)
        self.display.line(f"{self.ledger.asked.name(task.shard)}: results from host {name}")

    def _failed(self, task: service.Task, host: Host) -> None:
        why = f"host {host.name}: {task.said or task.state}"
        if task.container and task.exit_code in _OWN_STATUS:
            words = gathering.last_words(host, task.container)
            why = f"host {host.name}: ended with status {task.exit_code}: {words or task.said}"
            self.hopeless[task.shard] = why
        self._lose(task.shard, why)

    def _look_for_the_lost(self, leading: Host, job: str, todo: tuple[int, ...], waiting: set[int]) -> None:
        for node in service.down(leading):
            if (name := self._nodes.get(node)) and name not in self.gone:
                self._lose_host(name, f"host {name}: the swarm does not hear it any more")
        if not waiting or not self.gone:
            return
        for shard, task in service.tasks(leading, job, todo).items():
            name = self._nodes.get(task.node, "")
            if shard in waiting and name in self.gone:
                waiting.discard(shard)
                self._lose(shard, self.gone[name])
        if not self._living():
            for shard in sorted(waiting):
                self._lose(shard, "no host is left")
            waiting.clear()

    def _lose(self, shard: int, why: str) -> None:
        found = self.ledger.shard(shard)
        found.lost.append(why)
        self.ledger.write(self.folder)
        again = shard not in self.hopeless and self.tries[shard] < TRIES and self._living()
        self.display.line(
            f"{self.ledger.asked.name(shard)}: no results: {why}; "
            + ("it is handed out again" if again else "it is not handed out again")
        )

    def _lose_host(self, name: str, why: str) -> None:
        self.gone[name] = why
        self.display.line(f"{why}; it gets no more shards")

    def _name_of(self, host: Host) -> str:
        return next(name for name, one in self.hosts.items() if one is host)

    def _another_manager(self) -> Host:
        """Where the swarm can be asked now that the one before is gone. What it had begun is begun anew, but
        for what was gathered."""
        try:
            return known.manager(self._living())
        except EnvironmentFailure as problem:
            lost = "; ".join(self.gone.values())
            raise HostVanished(f"{lost}; nobody else can hand out shards: {problem}") from problem

    def remove(self) -> None:
        """Everything of this run, wherever somebody answers."""
        label = f"{daemon.RUN_LABEL}={self.run}"
        with suppress(HostVanished):
            in_parallel(lambda host: overlay.remove_jobs(host, label), self._living().values())
        with suppress(HostVanished):
            overlay.remove(self._living().values(), label)
