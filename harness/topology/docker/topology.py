"""A running topology of containers.

Compose creates them from the run's effective file; from then on the engine is asked directly, so what
a fault did is read off the engine's own state. Clients, faults and observers talk to container
addresses, which stay the same for the whole run, also while a container is down.

The trap: a container that was killed keeps its data but not its rules, so cuts that are in force are set
again whenever a node starts.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure
from harness.model.engine import SEPARATOR, is_named
from harness.model.fit import APPLICATION
from harness.model.inventory import KEPT_SNAPSHOT_FILE, SNAPSHOT_FILE
from harness.model.links import LinkRule
from harness.model.plan import Plan
from harness.model.seams import Address, NodeState, Secrets, Source
from harness.model.words import BackendKind
from harness.redis_wire import info
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.topology.base import certificates, full_volume, unsynced
from harness.topology.base.configuration import first_nodes_file, redact, render
from harness.topology.base.control import Controls
from harness.topology.base.cuts import listens
from harness.topology.base.keeper import Keeper
from harness.topology.base.processes import ProcessIdentity, boot_id, end, stopped, this_process
from harness.topology.base.readiness import answers, assemble
from harness.topology.docker import compose, daemon, held_record, volumes
from harness.topology.docker.addresses import (
    free_subnet,
    give_own_address,
    of_command,
    of_container,
    of_observer,
    web_addresses,
    web_ports,
)
from harness.topology.docker.daemon import in_parallel, translated
from harness.topology.docker.held_record import HeldRecord
from harness.topology.docker.image import choose_image, proxy_image
from harness.topology.docker.links import Links, is_ours
from harness.topology.docker.web_container import WebContainer

GONE_WITHIN_S = 10.0
ANSWERS_WITHIN_S = 20.0

_SUBNETS_TRIED = 12
_SNAPSHOT = f"{compose.DATA_DIRECTORY}/{SNAPSHOT_FILE}"
_KEPT = f"{compose.DATA_DIRECTORY}/{KEPT_SNAPSHOT_FILE}"
_LOG_LINES = 12
_COLLECTED_LINES = 20_000
_TAKEN = re.compile(r"overlap|conflicts with|address already in use", re.IGNORECASE)


class DockerTopology:
    """Running containers; see `harness.model.seams.Topology` for what the methods promise.

    Methods may be called from several threads, for one node from one at a time."""

    backend = BackendKind.DOCKER
    loopback = False

    def __init__(
        self,
        *,
        plan: Plan,
        run: str,
        project: str,
        directory: Path,
        secrets: Secrets,
        client: Any,
        owner: ProcessIdentity,
        keeper: Keeper | None = None,
        record: Path | None = None,
    ) -> None:
        self.plan = plan
        self.run = run
        self.project = project
        self.secrets = secrets
        self.engine = ""
        self.directory = directory
        self._client = client
        self._owner = owner
        self._keeper = keeper
        self._record = record
        self._containers: dict[str, str] = {}
        self._web: dict[str, WebContainer] = {}
        self._web_made: dict[str, str] = {}
        """Web server of a guest -> its container, once it is made."""
        self._at_the_end = contextlib.ExitStack()
        self._full: set[str] = set()
        """Nodes whose volume is full."""
        self._obstructed: set[str] = set()
        """Nodes that can write no snapshot."""
        self._beside_command = False
        """A command that somebody runs has an address of its own on the nodes' network."""

    # -- What stands where

    @property
    def held(self) -> bool:
        return self._record is not None

    @property
    def service(self) -> str:
        return self.plan.scenario.deployment.topology.service

    def address(self, node: str) -> Address:
        return self._addresses[node]

    def node_at(self, host: str, port: int) -> str | None:
        return self._names.get((host, port))

    def source(self, web_server: str) -> Source:
        return self._sources[web_server]

    def web_process(self, web_server: str) -> WebContainer:
        return self._web[web_server]

    def observer(self) -> Source:
        if self._beside_command:
            return Source(host=of_observer(self._subnet))
        # Any port that the kernel gives: its range lies above those of the web servers.
        return Source()

    def state(self, node: str) -> NodeState:
        container = self._inspected(node)
        found = container.attrs["State"]
        running, pid = bool(found["Running"]), int(found["Pid"])
        return NodeState(
            running=running,
            paused=bool(found["Paused"]),
            pid=pid if pid and is_ours(pid, container.id) else None,
            exit_code=None if running else int(found["ExitCode"]),
        )

    # -- From nothing to running, and back

    def create(self, image: str) -> None:
        """Create network and containers, without starting any. Tries other subnets if one is taken."""
        labels = daemon.labels(self.run, self._owner)
        content = compose.effective(
            self.plan,
            project=self.project,
            image=image,
            images={engine: choose_image(engine).name for engine in self.plan.inventory.engines},
            proxy_image=proxy_image() if self.plan.inventory.proxies else "",
            labels=labels,
            secrets=self.secrets,
        )
        file = compose.write(self.directory, self.plan, content)
        for attempt in range(1, _SUBNETS_TRIED + 1):
            subnet = free_subnet()
            environment = {
                **os.environ,
                "DOCKER_HOST": daemon.endpoint(),
                "SUBNET": subnet,
            }
            try:
                compose.compose(file, "create", project=self.project, environment=environment)
            except EnvironmentFailure as problem:
                if not is_taken(problem) or attempt == _SUBNETS_TRIED:
                    raise
                daemon.remove(self._client, self._label)
            else:
                break
        if self._is_beside_command():
            hosts = [where.host for where in compose.addresses_in(subnet, self.plan).values()]
            give_own_address(self._bridge(), subnet, hosts)
        self.find(subnet)
        self.secrets = certificates.naming(self.secrets, self._addresses.values())
        certificates.hand_out(self.secrets, self.directory)
        in_parallel(self._configure, [node.name for node in self.plan.nodes])

    def _configure(self, node: str) -> None:
        """Give a node its configuration, with this run's passwords, before its first start: then what the
        file says, whose passwords everybody can read by `docker inspect`, is not used."""
        text = render(
            self.plan.node(node),
            self.plan,
            addresses=self._addresses,
            secrets=self.secrets,
            directory=compose.DATA_DIRECTORY,
        )
        directory, _, name = compose.CONFIGURATION_FILE.rpartition("/")
        daemon.put_file(self._inspected(node), directory, name, f"{text}\n".encode())
        if (known := first_nodes_file(self.plan.node(node), self.plan, self.secrets)) is not None:
            daemon.put_file(self._inspected(node), directory, "nodes.conf", known.encode())
        if self.secrets.certificates is not None:
            of_this_node = certificates.files(self.secrets.certificates, self.plan.node(node).role)
            for file, content in of_this_node.items():
                where = f"{certificates.FOLDER}/{file}"
                daemon.put_file(self._inspected(node), compose.DATA_DIRECTORY, where, content.encode())

    def find(self, subnet: str) -> None:
        """Look up the containers that were created in a subnet."""
        self._subnet = subnet
        self._addresses = compose.addresses_in(subnet, self.plan)
        self._names = {(where.host, where.port): name for name, where in self._addresses.items()}
        self._sources = self._sources_in(subnet)
        self._containers = self._listed()
        self._web = self._web_containers(subnet)
        self.links = self._linked(subnet)
        self._at_the_end.callback(self.links.close)
        if self.held:
            self.engine = self._identified()

    def _listed(self) -> dict[str, str]:
        """Node -> its container."""
        with translated("listing the nodes' containers"):
            found = daemon.containers(self._client, self._label)
        return {daemon.labels_of(one)[daemon.NODE_LABEL]: one.id for one in found}

    def _linked(self, subnet: str) -> Links:
        return Links(
            self._client,
            labels={**daemon.labels(self.run, self._owner), daemon.PROJECT_LABEL: self.project},
            addresses={**self._addresses, **{name: one.address for name, one in self._web.items()}},
            sources={} if self._web else self._sources,
            more_hosts={APPLICATION: (of_container(subnet),)} if self._is_beside_command() else {},
            look=self._running,
            listening=listens(self.plan.nodes, self._addresses),
        )

    def _sources_in(self, subnet: str) -> dict[str, Source]:
        self._beside_command = self._is_beside_command() and _is_here(of_command(subnet))
        if self._beside_command:
            return {APPLICATION: Source(host=of_command(subnet))}
        if self.plan.guests:
            return {name: Source(host=one.host) for name, one in web_addresses(subnet, self.plan).items()}
        ports = web_ports(len(self.plan.web_servers))
        return {
            name: Source(host=of_observer(subnet), ports=own)
            for name, own in zip(self.plan.web_servers, ports, strict=True)
        }

    def _web_containers(self, subnet: str) -> dict[str, WebContainer]:
        """The places for the containers of a guest; each is made at its first start."""
        return {
            name: WebContainer(
                name,
                address,
                find=partial(self._web_found, name),
                make=partial(self._web_made_at, name, address),
                moved=lambda name, _: self.links.restore(name),
                secrets=lambda: self.secrets,
            )
            for name, address in web_addresses(subnet, self.plan).items()
        }

    def _web_found(self, name: str) -> Any | None:
        if name not in self._web_made:
            return None
        with translated(f"looking at {name}"):
            return self._client.containers.get(self._web_made[name])

    def _web_made_at(
        self, name: str, address: Address, command: Sequence[str], environment: Mapping[str, str]
    ) -> Any:
        guest = self.plan.scenario.deployment.guest
        assert guest is not None, "a plan with a guest"
        assert guest.container is not None, "a guest in containers"
        api = self._client.api
        labels = {**daemon.labels(self.run, self._owner), daemon.PROJECT_LABEL: self.project}
        with translated(f"making {name} of {guest.container.image}"):
            made = api.create_container(
                guest.container.image,
                command=list(command) or None,
                environment=dict(environment),
                labels=labels,
                name=f"{self.project}-{name}",
                host_config=api.create_host_config(log_config={"Type": "json-file"}),
                networking_config=api.create_networking_config(
                    {self.network: api.create_endpoint_config(ipv4_address=address.host)}
                ),
            )
        self._web_made[name] = str(made["Id"])
        return self._web_found(name)

    def _is_beside_command(self) -> bool:
        return self.plan.web_servers == (APPLICATION,)

    @property
    def network(self) -> str:
        """The name by which a container can join the nodes' network."""
        return f"{self.project}_nodes"

    @property
    def free_address(self) -> str:
        return of_container(self._subnet) if self._is_beside_command() else ""

    def join(self, guest: Any) -> None:
        """Give a container of somebody else the address that a partition treats as that of the command. It
        leaves when the network is removed."""
        with translated(f"--join {guest.name}: it joins {self.network}"):
            self._client.networks.get(self.network).connect(guest, ipv4_address=self.free_address)

    def _bridge(self) -> str:
        with translated("looking at the run's network"):
            return f"br-{self._client.networks.get(self.network).id[:12]}"

    def start_all(self) -> None:
        """Start the nodes and form the topology; sentinels come after the replicas are attached.

        Raises:
            EnvironmentFailure: a node does not start, or the topology does not become ready.
        """
        try:
            in_parallel(self.start, [node.name for node in self.plan.data_nodes()])
            assemble(self)
            self.engine = self._identified()
        except EnvironmentFailure:
            self.collect(self.directory / "nodes")
            raise

    def hold(self) -> Path:
        """Let the topology live on after this process; returns the record by which `attach` finds it.

        Its containers must have been made as its keeper's (`docker.up(..., to_hold=True)`): labels cannot be
        changed later, and go wherever the record does not.
        """
        assert self._record or self._keeper
        record = self._to_hold()
        if self._record is None:
            self._record = held_record.save_first(record)
        else:
            held_record.save(self._record, record)
        if self._keeper:  # last: killed before, this leaves a record without a keeper, which `clean` removes
            self._keeper.stay()
        return self._record

    def _to_hold(self) -> HeldRecord:
        return HeldRecord(
            run=self.run,
            project=self.project,
            directory=str(self.directory),
            boot=boot_id(),
            subnet=self._subnet,
            cuts=self.links.cuts.recorded(),
            secrets=self.secrets,
            plan=self.plan,
            keeper=None if self._owner == this_process() else self._owner,
        )

    def close(self) -> None:
        """Remove containers, volumes, network and record. Idempotent."""
        self._at_the_end.close()
        certificates.take_back(self.directory)
        daemon.remove(self._client, self._label)
        if self._record is not None:
            self._record.unlink(missing_ok=True)
        if self._keeper:
            self._keeper.end()
        if self._owner != this_process():
            end(self._owner)
        self._client.close()

    def let_go(self) -> None:
        """Leave the topology as it is."""
        self._at_the_end.close()
        self._client.close()

    # -- What faults do to a node

    def kill(self, node: str) -> None:
        container = self._inspected(node)
        with translated(f"killing {node}"):
            container.kill("SIGKILL")
        self._until(node, "to be gone after SIGKILL", lambda state: not state.running)

    def stop(self, node: str) -> None:
        # Not the engine's own `stop`, which ends with SIGKILL what takes longer than it likes.
        container = self._inspected(node)
        with translated(f"stopping {node}"):
            container.kill("SIGTERM")
        with contextlib.suppress(WaitExpired):
            wait_until(
                lambda: not self.state(node).running,
                within_s=self.plan.node(node).orderly_stop_s,
                waiting_for=f"{node} to end after SIGTERM",
                every_s=0.01,
            )

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
        if container.attrs["State"]["Running"]:
            raise EnvironmentFailure(
                f"{node}: expected it to be stopped before it is started, found it running"
            )
        obstructed = node in self._obstructed
        if obstructed:  # a full volume can be read
            self.clear(node)
        if empty:
            daemon.put_file(container, compose.DATA_DIRECTORY, "empty")
        with translated(f"starting {node}"):
            container.start()
        if node in self._full:
            self.refuse_writes(node)
        self.links.restore(node)
        self._until_it_answers(node)
        if obstructed:
            self.obstruct(node)

    def change(self, node: str, *, lines: Sequence[str] = (), engine: str | None = None) -> None:  # noqa: ARG002
        container = self._inspected(node)
        before = daemon.read_file(container, compose.CONFIGURATION_FILE)
        if before is None:
            raise EnvironmentFailure(f"{node}: expected its configuration file, found none")
        directory, _, name = compose.CONFIGURATION_FILE.rpartition("/")
        more = "".join(f"{line}\n" for line in lines).encode()
        daemon.put_file(container, directory, name, before + b"\n" + more)

    def data_files(self, node: str) -> Sequence[Path]:
        return volumes.data_files(self._inspected(node), compose.DATA_DIRECTORY)

    def why_no_power_loss(self, node: str) -> str:  # noqa: ARG002 - all volumes lie in one place
        return volumes.why_no_power_loss()

    def cut_power(self, node: str) -> None:
        state = self.state(node)
        if state.pid is None or state.paused:
            return
        pid = state.pid
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        wait_until(
            lambda: not Path(f"/proc/{pid}").exists() or stopped(pid),
            within_s=GONE_WITHIN_S,
            waiting_for=f"{node} to have all threads stopped",
            every_s=0.001,
        )

    def first_unsynced(self, file: Path) -> int | None:
        return unsynced.first_unsynced(file)

    def refuse_writes(self, node: str) -> None:
        self._full.add(node)
        if (pid := self.state(node).pid) is not None:
            full_volume.refuse(pid, node)

    def allow_writes(self, node: str) -> None:
        self._full.discard(node)
        if (pid := self.state(node).pid) is not None:
            full_volume.allow(pid, node)

    def obstruct(self, node: str) -> None:
        self._obstructed.add(node)
        self._carried_out(
            node,
            f"if [ -f {_SNAPSHOT} ]; then mv {_SNAPSHOT} {_KEPT}; fi; "
            f"mkdir -p {_SNAPSHOT} && touch {_SNAPSHOT}/full",
        )

    def clear(self, node: str) -> None:
        self._obstructed.discard(node)
        if not self.state(node).running:  # its next start does it
            daemon.put_file(self._inspected(node), compose.DATA_DIRECTORY, "clear")
            return
        self._carried_out(
            node,
            f"if [ -d {_SNAPSHOT} ]; then rm -r {_SNAPSHOT}; "
            f"if [ -f {_KEPT} ]; then mv {_KEPT} {_SNAPSHOT}; fi; fi",
        )

    def _carried_out(self, node: str, line: str) -> None:
        with translated(f"changing files of {node}"):
            done = self._inspected(node).exec_run(["sh", "-c", line], user="root")
        if done.exit_code:
            raise EnvironmentFailure(f"{node}: expected `{line}` to succeed, found {done.output[:200]!r}")

    # -- Links

    def apply(self, rule: LinkRule, *, by: int) -> str:
        try:
            return self.links.apply(rule, by=by)
        finally:
            self._note_cuts()

    def mend(self, *, by: int) -> None:
        self.links.mend(by=by)
        self._note_cuts()

    def cutting(self) -> tuple[int, ...]:
        return tuple(self.links.cuts.recorded())

    # -- What is left to read

    def logs(self, node: str, lines: int = 40) -> str:
        container = self._inspected(node)
        with translated(f"reading the log of {node}"):
            raw: bytes = container.logs(tail=lines)
        return redact(raw.decode("utf-8", errors="replace"), self.secrets)

    def collect(self, into: Path) -> None:
        try:
            into.mkdir(mode=0o700, parents=True, exist_ok=True)
            in_parallel(partial(self._collect_node, into), self._containers)
            self._collect_web(into.parent / "web")
        except OSError as error:
            raise EnvironmentFailure(f"{into}: expected to write logs there, found: {error}") from error

    def _collect_node(self, into: Path, node: str) -> None:
        (into / f"{node}.log").write_text(self.logs(node, _COLLECTED_LINES), encoding="utf-8")
        raw = daemon.read_file(self._inspected(node), compose.CONFIGURATION_FILE)
        text = "# never started\n" if raw is None else raw.decode("utf-8", errors="replace")
        (into / f"{node}.conf").write_text(redact(text, self.secrets), encoding="utf-8")

    def _collect_web(self, into: Path) -> None:
        for name in self._web:
            into.mkdir(mode=0o700, parents=True, exist_ok=True)
            (into / f"{name}.log").write_text(self._web[name].last_lines(_COLLECTED_LINES), encoding="utf-8")

    # -- Helpers, in call order

    @property
    def _label(self) -> str:
        return f"{daemon.PROJECT_LABEL}={self.project}"

    def _identified(self) -> str:
        """
        Raises:
            EnvironmentFailure: a node's own image holds another engine than the node names.
        """
        found: dict[str, str] = {}
        # Of a held topology the first node may be dead or paused.
        for node in self.plan.data_nodes():
            if found and not self.plan.inventory.engines:
                break
            with Controls(self) as controls, suppress(NoAnswer, ErrorReply):
                found[node.name] = info.engine(controls.info(node.name, "server"))
        for name, said in found.items():
            if (wanted := self.plan.node(name).engine) and not is_named(wanted, said):
                raise EnvironmentFailure(
                    f"{name}: expected {wanted}, found {said}: REDIS_IMAGE names one image for all nodes; "
                    "leave it out, or the engine of this node"
                )
        return SEPARATOR.join(dict.fromkeys(found.values())) or "no data node answers"

    def _note_cuts(self) -> None:
        if self.held:
            self.hold()

    def _running(self, node: str) -> Any | None:
        container = self._web_found(node) if node in self._web else self._inspected(node)
        if container is None:
            return None
        return container if container.attrs["State"]["Running"] else None

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
            # First whether it runs: nothing refuses a connection to the address of a dead container.
            if not self.state(node).running:
                return "dead"
            return "answers" if answers(self, node) else None

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


def is_taken(problem: EnvironmentFailure) -> bool:
    """Whether an engine refused a network because somebody has its addresses."""
    return _TAKEN.search(str(problem)) is not None


def _is_here(host: str) -> bool:
    """Whether this machine has an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
