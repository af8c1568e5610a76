"""A running topology of containers on several hosts.

What is done to a node is what one engine does to it, by the client of its host. What differs is where things
are: the network leads over all hosts, what keeps a node's address and rules is a container of its own, and
this machine reaches the nodes through a relay.

The trap: everything is asked of engines that may be far away, and one may be gone. Then the machine failed
and not the topology: the run says which host, and what can still be reached is removed.
"""

from __future__ import annotations

import secrets as random_secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import structs

from harness.application import Share
from harness.errors import EnvironmentFailure
from harness.model.guest import Container
from harness.model.plan import Plan
from harness.model.seams import Address, NodeState, Secrets, Source
from harness.model.words import BackendKind, Trait
from harness.presets.placing import over
from harness.topology.base import certificates
from harness.topology.base.cuts import listens
from harness.topology.base.keeper import Keeper
from harness.topology.base.processes import ProcessIdentity, end, this_process
from harness.topology.base.slow_line import TUN
from harness.topology.docker import compose, daemon, kit_image
from harness.topology.docker.addresses import free_subnet, web_addresses, web_ports
from harness.topology.docker.daemon import in_parallel
from harness.topology.docker.image import DEBIAN_IMAGES, any_debian_image, choose_image, proxy_image
from harness.topology.docker.topology import DockerTopology, is_taken
from harness.topology.machines import far_line, images, overlay, taken, tunnel
from harness.topology.machines.hosts import Host, command_line
from harness.topology.machines.links import HostLinks
from harness.topology.machines.overlay import Ground
from harness.topology.machines.record import Record

NO_FILES = "a node's files are on another machine, which alone knows what is on its disk"

_SUBNETS_TRIED = 12
_FIRST_WORKER, _OF_CONTROLLER, _SPARE = 242, 251, 252
"""Above the nodes, and the last two above the web servers of a guest, which takes no load workers."""
_PARTS = "/results"
_CUTS = {Trait.CUTS_LINKS, Trait.CUTS_REPLICATION}
SLOW = "slow"
"""The fault that needs the kit on hosts."""


class MachinesTopology(DockerTopology):
    """Running containers on several hosts; see `harness.model.seams.Topology`."""

    backend = BackendKind.MACHINES
    links: HostLinks

    def __init__(
        self,
        *,
        plan: Plan,
        run: str,
        project: str,
        directory: Path,
        secrets: Secrets,
        hosts: Mapping[str, Host],
        leading: Host,
        owner: ProcessIdentity,
        keeper: Keeper | None = None,
        record: Path | None = None,
    ) -> None:
        """`leading`: the host whose engine can make networks."""
        super().__init__(
            plan=plan,
            run=run,
            project=project,
            directory=directory,
            secrets=secrets,
            client=leading.client,
            owner=owner,
            keeper=keeper,
            record=record,
        )
        self._hosts = hosts
        self._leading = leading
        places = {**over(plan.nodes, tuple(hosts)), **web_servers_over(plan, tuple(hosts))}
        self._on = {name: hosts[host] for name, host in places.items()}
        """Node or web server of a guest -> where it is."""
        held = keeper is not None or record is not None  # these have no load
        self._worker_hosts = () if held else plan.scenario.deployment.worker_hosts
        self._guests = () if held else plan.guests
        self._guest_image = ""
        self._keepers: dict[str, str] = {}
        """Node or web server of a guest -> what keeps its network."""
        self._workers: dict[int, str] = {}
        """Number of a load worker on a host -> its container."""
        self._kit_image = ""
        self._carrying = threading.Lock()
        self.way: ProcessIdentity | None = None
        """The process through which this machine reaches the nodes."""

    # -- From nothing to running, and back

    def create(self, image: str) -> None:
        """Network, relay and containers, and the way to them; no node is started."""
        waiting = _with_tools(image)
        labels = {**daemon.labels(self.run, self._owner), daemon.PROJECT_LABEL: self.project}
        services = compose.effective(
            self.plan,
            project=self.project,
            image=image,
            images={engine: choose_image(engine).name for engine in self.plan.inventory.engines},
            proxy_image=proxy_image() if self.plan.inventory.proxies else "",
            labels=labels,
            secrets=self.secrets,
        )["services"]
        images.carry({waiting, *(str(one["image"]) for one in services.values())}, self._hosts)
        if self._worker_hosts or any(one.kind == SLOW for one in self.plan.scenario.faults):
            self._kit()  # now, and not in the middle of the run
        if self._guests:
            there = {self._on[name].name: self._on[name] for name in self._guests}
            self._guest_image = images.carry_same(self._container.image, there)
        self.directory.mkdir(parents=True, exist_ok=True)
        subnet = self._networked(labels)
        ground = Ground(
            network=self.network, image=waiting, labels=labels, controller=f"{subnet}.{_OF_CONTROLLER}"
        )
        self._populate(ground, subnet, services)
        self.find(subnet)
        if any(_CUTS & {*one.traits} for one in self.plan.scenario.faults):
            self.links.prepare(self._keepers)
        self.secrets = certificates.naming(self.secrets, self._addresses.values())
        certificates.hand_out(self.secrets, self.directory)
        in_parallel(self._configure, [node.name for node in self.plan.nodes])

    def _networked(self, labels: Mapping[str, str]) -> str:
        """Make the network; returns its subnet."""
        for attempt in range(1, _SUBNETS_TRIED + 1):
            subnet = free_subnet()
            try:
                overlay.make_network(self._leading, self.network, subnet, labels)
            except EnvironmentFailure as problem:
                if not is_taken(problem) or attempt == _SUBNETS_TRIED:
                    raise
            else:
                break
        return subnet

    def _populate(self, ground: Ground, subnet: str, services: Mapping[str, Any]) -> None:
        addresses = compose.addresses_in(subnet, self.plan)
        of_guests = web_addresses(subnet, self.plan)

        def made(node: str) -> None:
            host = self._on[node]
            keeper = overlay.keep_network(host, ground, node, addresses[node].host)
            overlay.make_node(host, node, keeper, services[node], ground.labels)
            self._keepers[node] = keeper

        def connected(_: str) -> None:
            relay = overlay.make_relay(self._leading, ground)
            request = tunnel.Request(
                device=f"kit{random_secrets.token_hex(5)}",
                own=ground.controller,
                spare=f"{subnet}.{_SPARE}",
                engine=self._leading.where,
                relay=relay,
                nodes=[at.host for at in (*addresses.values(), *of_guests.values())],
                owner=self._owner,
            )
            self.way = tunnel.start(request, self.directory)

        def lodged(name: str) -> None:
            at = of_guests[name].host
            self._keepers[name] = overlay.keep_network(self._on[name], ground, name, at)

        def employed(worker: str) -> None:
            number = int(worker)
            name, at = f"worker-{number}", _address_of(number, subnet)
            host = self._hosts[self._worker_hosts[number - 1]]
            self._workers[number] = overlay.make_worker(host, ground, name, at, self._kit())

        # The relay starts with the others: each takes seconds to join the network.
        workers = range(1, len(self._worker_hosts) + 1)
        tasks = [
            (connected, ""),
            *((made, node) for node in services),
            *((lodged, name) for name in self._guests),
            *((employed, str(number)) for number in workers),
        ]
        in_parallel(lambda task: task[0](task[1]), tasks)

    def _sources_in(self, subnet: str) -> dict[str, Source]:
        if self.plan.guests:
            return {name: Source(host=at.host) for name, at in web_addresses(subnet, self.plan).items()}
        ports = web_ports(len(self.plan.web_servers))
        own = f"{subnet}.{_OF_CONTROLLER}"
        sources = {
            name: Source(host=own, ports=own_ports)
            for name, own_ports in zip(self.plan.web_servers, ports, strict=True)
        }
        return sources | {
            name: replace(sources[name], host=_address_of(number, subnet))
            for name, number in self._sent_by.items()
        }

    @property
    def _sent_by(self) -> Mapping[str, int]:
        """Web server -> the worker on a host that drives it."""
        workers = len(self._worker_hosts)
        shares = [Share(number=number, of=workers) for number in range(1, workers + 1)]
        return {name: one.number for one in shares for name in one.part(self.plan.web_servers)}

    def _listed(self) -> dict[str, str]:
        listed: dict[str, str] = {}
        for host in self._hosts.values():
            with host.asked("listing the nodes' containers"):
                found = daemon.containers(host.client, self._label)
            marks = ((daemon.labels_of(one), one.id) for one in found)
            listed |= {of[daemon.NODE_LABEL]: one for of, one in marks if daemon.NODE_LABEL in of}
        return listed

    def _linked(self, subnet: str) -> HostLinks:  # noqa: ARG002 - a command has no address of its own here
        return HostLinks(
            self._client,
            host=self._on.__getitem__,
            driven_by=self._driven_by,
            beside=self._beside,
            addresses={**self._addresses, **{name: one.address for name, one in self._web.items()}},
            sources={} if self._web else self._sources,
            look=self._with_rules,
            listening=listens(self.plan.nodes, self._addresses),
        )

    def _to_hold(self) -> Record:
        assert self.way is not None, "nodes that can be reached"
        return Record(
            **structs.asdict(super()._to_hold()),
            engines={name: host.where for name, host in self._hosts.items()},
            tunnel=self.way,
        )

    def let_go(self) -> None:
        self._at_the_end.close()
        for host in self._hosts.values():
            host.client.close()

    def close(self) -> None:
        """Remove what is on any host that answers, and the way there. Idempotent.

        Raises:
            EnvironmentFailure: a host did not answer, or something stays.
        """
        with ExitStack() as at_last:
            at_last.callback(self.let_go)
            if self._owner != this_process():
                at_last.callback(end, self._owner)
            if self._keeper:
                at_last.callback(self._keeper.end)
            if self._record is not None:
                at_last.callback(self._record.unlink, missing_ok=True)
            if self.way is not None:
                at_last.callback(end, self.way)
            certificates.take_back(self.directory)
            overlay.remove(self._hosts.values(), self._label)

    # -- Web servers of a guest on hosts

    @property
    def _container(self) -> Container:
        guest = self.plan.scenario.deployment.guest
        assert guest is not None, "a plan with a guest"
        assert guest.container is not None, "a guest in containers"
        return guest.container

    def _web_found(self, name: str) -> Any | None:
        if name not in self._web_made:
            return None
        host = self._on[name]
        with host.asked(f"looking at {name}"):
            return host.client.containers.get(self._web_made[name])

    def _web_made_at(
        self,
        name: str,
        address: Address,  # noqa: ARG002 - that of the network which is kept for it
        command: Sequence[str],
        environment: Mapping[str, str],
    ) -> Any:
        labels = {**daemon.labels(self.run, self._owner), daemon.PROJECT_LABEL: self.project}
        service = {"image": self._guest_image, "command": command, "environment": environment}
        self._web_made[name] = overlay.make_web_server(
            self._on[name], name, self._keepers[name], service, labels
        )
        return self._web_found(name)

    # -- Load workers on hosts, as of `harness.model.seams.WorkersElsewhere`

    def worker_command(self, number: int, module: str, environment: Mapping[str, str]) -> Sequence[str]:
        variables = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        return self.in_worker(number, "--interactive", *variables, words=kit_image.command(module))

    def worker_folder(self, number: int) -> str:
        return f"{_PARTS}/worker-{number}"

    def take_part(self, number: int, into: Path) -> None:
        host, folder = self._host_of_worker(number), self.worker_folder(number)
        taken.folder(host, self._workers[number], folder, into)

    def in_worker(self, number: int, *options: str, words: Sequence[str]) -> list[str]:
        """A command in the container of a worker, as one of this machine. `options`: of `docker exec`."""
        docker = command_line(self._host_of_worker(number))
        return [*docker, "exec", *options, self._workers[number], *words]

    def _kit(self) -> str:
        """The image of the kit, which every host has then."""
        with self._carrying:
            if not self._kit_image:
                kit_image.checked()
                self._kit_image = images.carry_same(kit_image.tag(), self._hosts)
        return self._kit_image

    def _beside(self, host: Host, keeper: str, words: Sequence[str]) -> list[str]:
        """A command of the kit's image in the network that a container keeps, as one of this machine."""
        marks = {**daemon.labels(self.run, self._owner), daemon.PROJECT_LABEL: self.project}
        options = [
            "--rm", "--interactive", "--network", f"container:{keeper}", "--device", str(TUN),
            "--security-opt", "systempaths=unconfined", "--entrypoint", words[0],
            *(word for name in far_line.CAPABILITIES for word in ("--cap-add", name)),
            *(word for name, value in marks.items() for word in ("--label", f"{name}={value}")),
        ]  # fmt: skip
        return [*command_line(host), "run", *options, self._kit(), *words[1:]]

    def _driven_by(self, web_server: str) -> tuple[Host, str] | None:
        number = self._sent_by.get(web_server)
        return None if number is None else (self._host_of_worker(number), self._workers[number])

    def _host_of_worker(self, number: int) -> Host:
        return self._hosts[self._worker_hosts[number - 1]]

    # -- What stands where

    def state(self, node: str) -> NodeState:
        found = self._inspected(node).attrs["State"]
        running = bool(found["Running"])
        return NodeState(
            running=running,
            paused=bool(found["Paused"]),
            exit_code=None if running else int(found["ExitCode"]),
        )

    def host_of(self, node: str) -> str:
        """The name of the host that a node is on."""
        return self._on[node].name

    @property
    def free_address(self) -> str:
        """A container of somebody else's would have to be on one of the hosts."""
        return ""

    # -- What nobody can say of files elsewhere

    def data_files(self, node: str) -> Sequence[Path]:  # noqa: ARG002 - the protocol's
        return ()

    def why_no_power_loss(self, node: str) -> str:  # noqa: ARG002 - the protocol's
        return NO_FILES

    # -- Helpers

    def _with_rules(self, name: str) -> Any | None:
        """What has the rules of a dead node lives on. None: a web server that was never started."""
        return self._web_found(name) if name in self._web else self._inspected(name)

    def _inspected(self, node: str) -> Any:
        host = self._on[node]
        try:
            with host.asked(f"looking at {node}"):
                return host.client.containers.get(self._containers[node])
        except KeyError as error:
            raise EnvironmentFailure(f"{node}: expected a container of this run, found none") from error

    def collect(self, into: Path) -> None:
        """Of the hosts that answer."""
        for node in list(self._containers):
            try:
                self.state(node)
            except EnvironmentFailure:
                with suppress(KeyError):
                    del self._containers[node]
        for name in list(self._web_made):
            try:
                self._web_found(name)
            except EnvironmentFailure:
                del self._web_made[name]
        super().collect(into)


def web_servers_over(plan: Plan, hosts: Sequence[str]) -> Mapping[str, str]:
    """Web server of a guest -> which of these hosts it is on."""
    guest = plan.scenario.deployment.guest
    there = (guest.hosts if guest is not None else ()) or hosts
    return {name: there[number % len(there)] for number, name in enumerate(plan.guests)}


def _address_of(worker: int, subnet: str) -> str:
    return f"{subnet}.{_FIRST_WORKER + worker - 1}"


def _with_tools(image: str) -> str:
    """An image with iptables and perl: the nodes' own if it is one, so that hosts need no other."""
    if image in {one.tag for one in DEBIAN_IMAGES.values()}:
        return image
    found = any_debian_image()
    if found is None:
        raise EnvironmentFailure(
            "what keeps a node's network needs an image with iptables and perl: 'make image' builds one"
        )
    return found
