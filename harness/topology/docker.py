"""The Docker backend: a plan's nodes as containers on a network of the run's own.

Compose creates them from the run's effective file; from then on the engine is asked directly, so what
a fault did is read off the engine's own state. Clients, faults and observers talk to container
addresses, which stay the same for the whole run, also while a container is down.

`docker_engine` knows how the engine is reached and what belongs to whom, `docker_network` how links
are cut, `compose` what is started. The trap: a container that was killed keeps its data but not its
rules, so cuts that are in force are set again whenever a node starts.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker.errors

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.model.plan import Plan
from harness.model.seams import Address, Machine, NodeState, Secrets, Source
from harness.model.words import BackendKind
from harness.topology import compose, docker_engine
from harness.topology.configuration import SERVICE, redact
from harness.topology.control import Controls
from harness.topology.control import engine as engine_of
from harness.topology.docker_engine import Leftover, in_parallel, translated
from harness.topology.docker_network import Links, Peer, free_subnet, probe_from, web_ports, why_no_cuts
from harness.topology.image import choose_image
from harness.topology.readiness import answers, assemble

GONE_WITHIN_S = 10.0
ANSWERS_WITHIN_S = 20.0
DROPS_WITHIN_S = 3.0
ORDERLY_STOP_S = 10
"""What the engine gives a node to shut down before it kills it; Redis needs its time to save."""

_SUBNETS_TRIED = 12
_LOG_LINES = 12
_COLLECTED_LINES = 20_000
_TAKEN = re.compile(r"overlap|conflicts with|address already in use", re.IGNORECASE)


def available() -> str | None:
    """Why this backend cannot work on this machine; None: it can. Asks the engine, starts nothing."""
    return docker_engine.unavailable()


def machine() -> Machine:
    """What can be done here with containers."""
    why_not = why_no_cuts()
    return Machine(
        backend=BackendKind.DOCKER,
        network_faults=not why_not,
        why_no_network_faults=why_not,
        cpus=os.cpu_count() or 1,
    )


@contextmanager
def up(plan: Plan, *, run: str, directory: Path, image: str | None = None) -> Iterator[DockerTopology]:
    """Start a plan's nodes, form the topology, and yield it ready. Everything is removed afterwards,
    however it ends, unless the topology was `release`d.

    `directory` is the run's folder; the effective Compose file goes there. `image` None: `choose_image`.

    Raises:
        EnvironmentFailure: no engine, no image, no free subnet, a node that does not start, or a topology
            that does not become ready. Nodes' logs are then in `directory`/nodes.
    """
    client = docker_engine.connect()
    with closing(client):
        topology = DockerTopology(plan, run=run, directory=directory, client=client)
        try:
            topology.create(image or choose_image().name)
            topology.start_data_nodes()
            assemble(topology)
        except BaseException:
            with suppress(EnvironmentFailure):
                topology.collect(directory / "nodes")
            topology.remove()
            raise
        try:
            yield topology
        finally:
            if not topology.released:
                topology.remove()


def leftovers() -> tuple[Leftover, ...]:
    """What runs whose owner is dead left in the engine. Empty also where there is no engine."""
    try:
        client = docker_engine.connect()
    except EnvironmentFailure:
        return ()
    with closing(client):
        return docker_engine.leftovers(client)


def clean() -> tuple[Leftover, ...]:
    """Remove what `leftovers` lists, and return it. What a living process owns is never touched."""
    try:
        client = docker_engine.connect()
    except EnvironmentFailure:
        return ()
    with closing(client):
        found = docker_engine.leftovers(client)
        docker_engine.remove_leftovers(client, found)
        return found


class DockerTopology:
    """Running containers; `harness.model.seams.Topology`. Methods may be called from several threads,
    for one node from one at a time."""

    backend = BackendKind.DOCKER
    loopback = False
    service = SERVICE

    def __init__(self, plan: Plan, *, run: str, directory: Path, client: Any) -> None:
        self.plan = plan
        self.run = run
        self.released = False
        # Several scenarios of one run may be up at the same time, each as a project of its own.
        self.project = re.sub(r"[^a-z0-9_-]", "-", f"failover-kit-{run}-{secrets.token_hex(3)}".lower())
        self.secrets = Secrets(redis=secrets.token_hex(16), sentinel=secrets.token_hex(16))
        self._client = client
        self._directory = directory
        self._labels = docker_engine.labels(run, docker_engine.Owner.this_process())
        self._links = Links(client, {**self._labels, docker_engine.PROJECT_LABEL: self.project})
        self._containers: dict[str, str] = {}
        self._cuts: set[frozenset[str]] = set()
        self._cutting = threading.RLock()
        self._engine = ""
        ports = web_ports(len(plan.web_servers))
        self._ports = dict(zip(plan.web_servers, ports, strict=True))
        self._settle_in("0.0.0")

    # -- What stands where

    @property
    def engine(self) -> str:
        if not self._engine:
            with Controls(self) as controls:
                self._engine = engine_of(controls.info(self.plan.data_nodes()[0].name, "server"))
        return self._engine

    def address(self, node: str) -> Address:
        return self._addresses[node]

    def node_at(self, host: str, port: int) -> str | None:
        return self._names.get((host, port))

    def source(self, web_server: str) -> Source:
        return Source(host=self._gateway, ports=self._ports[web_server])

    def observer(self) -> Source:
        # Any port that the kernel gives: its range lies above those of the web servers.
        return Source()

    def state(self, node: str) -> NodeState:
        found = self._inspected(node).attrs["State"]
        running = bool(found["Running"])
        return NodeState(
            running=running,
            paused=bool(found["Paused"]),
            pid=int(found["Pid"]) or None,
            exit_code=None if running else int(found["ExitCode"]),
        )

    # -- From nothing to running, and back

    def create(self, image: str) -> None:
        """Create network and containers, without starting any. Tries other subnets if one is taken."""
        content = compose.effective(self.plan, project=self.project, image=image, labels=self._labels)
        file = compose.write(self._directory, self.plan, content)
        for attempt in range(1, _SUBNETS_TRIED + 1):
            subnet = free_subnet()
            environment = {
                **os.environ,
                "DOCKER_HOST": docker_engine.endpoint(),
                "SUBNET": subnet,
                "REDIS_PASSWORD": self.secrets.redis,
                "SENTINEL_PASSWORD": self.secrets.sentinel,
            }
            try:
                compose.compose(file, "create", environment=environment)
            except EnvironmentFailure as problem:
                if not _TAKEN.search(str(problem)) or attempt == _SUBNETS_TRIED:
                    raise
                self.remove()
            else:
                self._settle_in(subnet)
                break
        with translated("listing the nodes' containers"):
            label = f"{docker_engine.PROJECT_LABEL}={self.project}"
            found = self._client.containers.list(all=True, sparse=True, filters={"label": label})
        self._containers = {one.attrs["Labels"][docker_engine.NODE_LABEL]: one.id for one in found}

    def start_data_nodes(self) -> None:
        """Start all but the sentinels; `assemble` starts those once the replicas are attached."""
        in_parallel(self.start, [node.name for node in self.plan.data_nodes()])

    def remove(self) -> None:
        """Remove containers, volumes and network of this project."""
        docker_engine.remove(self._client, f"{docker_engine.PROJECT_LABEL}={self.project}")

    # -- What faults do to a node

    def kill(self, node: str) -> None:
        container = self._inspected(node)
        with translated(f"killing {node}"):
            container.kill("SIGKILL")
        self._until(node, "to be gone after SIGKILL", lambda state: not state.running)

    def stop(self, node: str) -> None:
        container = self._inspected(node)
        with translated(f"stopping {node}"):
            container.stop(timeout=ORDERLY_STOP_S)
        self._until(node, "to be gone after SIGTERM", lambda state: not state.running)

    def pause(self, node: str) -> None:
        container = self._inspected(node)
        with translated(f"pausing {node}"):
            # The cgroup's freezer stops every thread at once; the engine answers when it has.
            container.pause()
        self._until(node, "to be frozen", lambda state: state.paused)

    def resume(self, node: str) -> None:
        container = self._inspected(node)
        if container.attrs["State"]["Paused"]:
            with translated(f"resuming {node}"):
                container.unpause()
        self._until(node, "to run again", lambda state: state.running and not state.paused)

    def start(self, node: str, *, empty: bool = False) -> None:
        container = self._inspected(node)
        with translated(f"starting {node}"):
            if empty:
                container.put_archive(compose.DATA_DIRECTORY, _archive_with("empty"))
            container.start()
        with self._cutting:
            if any(node in pair for pair in self._cuts):
                self._apply(node)
        self._until_it_answers(node)

    # -- Links

    def cut(self, left: Sequence[str], right: Sequence[str]) -> str:
        pairs = self._pairs(left, right)
        with self._cutting, ExitStack() as probes:
            self._cuts |= pairs
            live = self._live({node for pair in pairs for node in pair})
            in_parallel(self._apply, live)
            for pair in pairs:
                self._probe(pair, live, probes)
            return self._proof(pairs, live)

    def mend(self, left: Sequence[str], right: Sequence[str]) -> None:
        pairs = self._pairs(left, right)
        with self._cutting:
            self._cuts -= pairs
            in_parallel(self._apply, self._live({node for pair in pairs for node in pair}))

    # -- What is left to read

    def logs(self, node: str, lines: int = 40) -> str:
        container = self._inspected(node)
        with translated(f"reading the log of {node}"):
            raw: bytes = container.logs(tail=lines)
        return redact(raw.decode("utf-8", errors="replace"), self.secrets)

    def collect(self, into: Path) -> None:
        try:
            into.mkdir(parents=True, exist_ok=True)
            for node in self._containers:
                (into / f"{node}.log").write_text(self.logs(node, _COLLECTED_LINES), encoding="utf-8")
                configuration = redact(self._configuration(node), self.secrets)
                (into / f"{node}.conf").write_text(configuration, encoding="utf-8")
        except OSError as error:
            raise EnvironmentFailure(f"{into}: expected to write logs there, found: {error}") from error

    # -- Helpers, in call order

    def _settle_in(self, subnet: str) -> None:
        self._gateway = f"{subnet}.1"
        self._addresses = compose.addresses_in(subnet, self.plan)
        self._names = {(where.host, where.port): name for name, where in self._addresses.items()}

    def _inspected(self, node: str) -> Any:
        try:
            with translated(f"looking at {node}"):
                return self._client.containers.get(self._containers[node])
        except KeyError as error:
            raise EnvironmentFailure(f"{node}: expected a container of this run, found none") from error

    def _until(self, node: str, what: str, holds: Callable[[NodeState], bool]) -> None:
        try:
            wait_until(
                lambda: holds(self.state(node)),
                within_s=GONE_WITHIN_S,
                waiting_for=f"{node} {what}",
                every_s=0.01,
                describe=lambda: self.state(node),
            )
        except WaitExpired as error:
            raise EnvironmentFailure(str(error)) from error

    def _until_it_answers(self, node: str) -> None:
        def answers_or_is_dead() -> str | None:
            if answers(self, node):
                return "answers"
            return None if self.state(node).running else "dead"

        try:
            seen = wait_until(
                answers_or_is_dead, within_s=ANSWERS_WITHIN_S, waiting_for=f"{node} to answer", every_s=0.02
            )
        except WaitExpired as error:
            raise EnvironmentFailure(f"{error}. Its log ends:\n{self.logs(node, _LOG_LINES)}") from error
        if seen == "dead":
            raise EnvironmentFailure(
                f"{node}: expected to start, ended with exit code {self.state(node).exit_code}. "
                f"Its log ends:\n{self.logs(node, _LOG_LINES)}"
            )

    def _pairs(self, left: Sequence[str], right: Sequence[str]) -> set[frozenset[str]]:
        # Web servers do not talk to each other: only pairs with a node in them are links.
        pairs = {frozenset((one, other)) for one in left for other in right if one != other}
        return {pair for pair in pairs if any(name in self._addresses for name in pair)}

    def _live(self, names: set[str]) -> list[str]:
        return sorted(name for name in names if name in self._addresses and self.state(name).running)

    def _peers(self, node: str, pairs: set[frozenset[str]]) -> list[Peer]:
        others = sorted(name for pair in pairs if node in pair for name in pair - {node})
        return [
            Peer(name=name, host=self._addresses[name].host)
            if name in self._addresses
            else Peer(name=name, host=self._gateway, ports=self._ports[name])
            for name in others
        ]

    def _apply(self, node: str) -> None:
        self._links.set_rules(self._inspected(node), self._peers(node, self._cuts))

    def _probe(self, pair: frozenset[str], live: list[str], probes: ExitStack) -> None:
        for web_server in pair & self._ports.keys():
            targets = [self._addresses[name] for name in pair if name in live]
            probes.enter_context(probe_from(self._gateway, self._ports[web_server], targets))

    def _proof(self, pairs: set[frozenset[str]], live: list[str]) -> str:
        dropped: dict[frozenset[str], int] = {}
        wanted = {pair for pair in pairs if any(name in live for name in pair)}

        def every_link_dropped_something() -> bool:
            dropped.clear()
            for node, counts in zip(
                live, in_parallel(lambda name: self._dropped(name, pairs), live), strict=True
            ):
                for peer, packets in counts.items():
                    pair = frozenset((node, peer))
                    dropped[pair] = dropped.get(pair, 0) + packets
            return all(dropped.get(pair) for pair in wanted)

        try:
            wait_until(
                every_link_dropped_something,
                within_s=DROPS_WITHIN_S,
                waiting_for="every cut link to drop a packet",
                describe=lambda: [" - ".join(sorted(pair)) for pair in wanted if not dropped.get(pair)],
            )
        except WaitExpired as error:
            raise NoEffect(f"cut: {error}") from error
        counted = sorted((" - ".join(sorted(pair)), packets) for pair, packets in dropped.items())
        return "packets dropped: " + ", ".join(f"{link} {packets}" for link, packets in counted)

    def _dropped(self, node: str, pairs: set[frozenset[str]]) -> dict[str, int]:
        return self._links.dropped(self._inspected(node), self._peers(node, pairs))

    def _configuration(self, node: str) -> str:
        container = self._inspected(node)
        try:
            with translated(f"reading the configuration of {node}"):
                stream, _ = container.get_archive(compose.CONFIGURATION_FILE)
                packed = io.BytesIO(b"".join(stream))
        except EnvironmentFailure as problem:
            if isinstance(problem.__cause__, docker.errors.NotFound):
                return f"# {node} was never started\n"
            raise
        with tarfile.open(fileobj=packed) as archive:
            member = archive.extractfile(archive.getmembers()[0])
            return member.read().decode("utf-8", errors="replace") if member else ""


def _archive_with(name: str) -> bytes:
    """A tar file that holds one empty file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return packed.getvalue()
