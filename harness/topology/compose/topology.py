"""A user's project as a running topology: what faults, observers and clients do to any other.

A node is a process in one of its containers; a container is found by its id, and keeps it until it is made
anew. Kill, pause and cut are those of containers. What a Redis of the kit's own has and this one may not
(an address for ever, a password, a configuration file in a known place) is looked up each time.

The trap: a container that is started again may run other processes, and may have another address.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections import ChainMap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect, UsageError
from harness.model.plan import Plan
from harness.model.seams import Address, NodeState, Secrets, Source
from harness.model.words import BackendKind, NodeRole
from harness.topology.base.configuration import redact
from harness.topology.base.cuts import listens
from harness.topology.base.processes import ProcessIdentity
from harness.topology.compose import discovery
from harness.topology.compose.found import Found, Spoken
from harness.topology.compose.starting import Request, log_of, start
from harness.topology.docker import compose, daemon
from harness.topology.docker.addresses import web_ports
from harness.topology.docker.daemon import translated
from harness.topology.docker.links import Links
from harness.topology.docker.topology import DockerTopology
from harness.topology.docker.web_container import WebContainer

_COLLECTED_LINES = 20_000
_GONE_WITHIN_S = 10.0
_DROPS_WITHIN_S = 5.0

# In a table of its own: cuts replace the whole filter table, and Docker's own rules for names are in `nat`.
_RULE = "OUTPUT -d 127.0.0.11/32 -j DROP"
_SILENCE = f"iptables -t raw -C {_RULE} 2>/dev/null || iptables -t raw -A {_RULE}"
_ANSWER = f"while iptables -t raw -D {_RULE} 2>/dev/null; do :; done"
_ASK_AND_COUNT = (
    "(echo >/dev/udp/127.0.0.11/53) 2>/dev/null || true\niptables-save -c -t raw | grep -- '-d 127.0.0.11/32'"
)
_ALONG = {NodeRole.PROXY, NodeRole.OTHER}


class ProjectTopology(DockerTopology):
    """Running containers of a user's project; see `harness.model.seams.Topology`."""

    backend = BackendKind.COMPOSE

    def __init__(
        self, *, plan: Plan, run: str, project: str, directory: Path, client: Any, owner: ProcessIdentity
    ) -> None:
        nobody = Secrets(redis="", sentinel="")
        super().__init__(
            plan=plan,
            run=run,
            project=project,
            directory=directory,
            secrets=nobody,
            client=client,
            owner=owner,
        )
        self._found: Found
        self._web_addresses: dict[str, Address] = {}
        self._pids: dict[str, tuple[str, int | None]] = {}
        """Node -> when its container started, and its own process then."""

    def begin(self) -> None:
        """Start the project, and see that it is the one that was planned for.

        Raises:
            DoesNotComeUp, UsageError: see `starting.start`.
            EnvironmentFailure: other nodes than before answer.
        """
        own = self.plan.scenario.deployment.project
        assert own is not None, "a plan for a project"
        labels = daemon.labels(self.run, self._owner)
        request = Request(project=own, name=self.project, labels=labels, directory=self.directory)
        found = start(self._client, request)
        self._found = found
        self._check(found)
        seen = {f"seen-{number}": one for number, one in enumerate(found.passwords, start=1)}
        self.secrets = replace(secrets_of(found), own=seen)
        self._take(found)
        self.engine = next(one.engine for one in found.spoken if one.role.holds_data)

    def _check(self, found: Found) -> None:
        # What runs along may have done its work by now.
        planned = {(node.name, node.role) for node in self.plan.nodes if node.role not in _ALONG}
        there = {(node.name, node.role) for node in found.nodes if node.role not in _ALONG}
        if planned != there:
            changed = ", ".join(sorted(f"{name} ({role})" for name, role in planned ^ there))
            raise EnvironmentFailure(
                "the project came up with other nodes or roles than when it was planned for; "
                f"expected the same, found a difference in {changed}"
            )

    def _take(self, found: Found) -> None:
        spoken = {one.name: one for one in found.spoken}
        self._containers = {node.name: found.member_of(node.name).container for node in self.plan.nodes}
        self._addresses = {node.name: _address(found, spoken, node.name) for node in self.plan.nodes}
        self._web = self._web_of(found)
        self._web_addresses = {name: one.address for name, one in self._web.items()}
        self._sources = self._sources_of_web()
        self.links = Links(
            self._client,
            labels={**daemon.labels(self.run, self._owner), daemon.PROJECT_LABEL: self.project},
            addresses=ChainMap(self._addresses, self._web_addresses),
            sources={} if self._web else self._sources,
            look=self._running,
            listening=listens(self.plan.nodes, self._addresses),
        )
        self._at_the_end.callback(self.links.close)

    def _web_of(self, found: Found) -> dict[str, WebContainer]:
        """The web servers of a guest that is a service of the project: its containers, by their numbers.

        Raises:
            EnvironmentFailure: there are fewer now than when the project was looked at.
        """
        guest = self.plan.scenario.deployment.guest
        if guest is None or guest.service is None:
            return {}
        members = found.of_service(guest.service.name)
        if len(members) < len(self.plan.guests):
            raise EnvironmentFailure(
                f"{guest.file}: expected {len(self.plan.guests)} containers of the service "
                f"{guest.service.name}, found {len(members)}"
            )
        self._web_made = {
            name: member.container for name, member in zip(self.plan.guests, members, strict=False)
        }
        return {
            name: WebContainer(
                name,
                Address(member.addresses[0] if member.addresses else "", guest.service.port),
                find=partial(self._web_found, name),
                make=None,
                moved=self._web_moved,
                secrets=lambda: self.secrets,
            )
            for name, member in zip(self.plan.guests, members, strict=False)
        }

    def _web_moved(self, name: str, address: Address) -> None:
        moved = self._web_addresses[name] != address
        self._web_addresses[name] = address
        self.links.restore(name, moved=moved)

    def _sources_of_web(self) -> dict[str, Source]:
        if self._web:
            return {name: Source(host=one.host) for name, one in self._web_addresses.items()}
        gateway = self._gateway()
        ports = web_ports(len(self.plan.web_servers))
        return {
            name: Source(host=gateway, ports=own)
            for name, own in zip(self.plan.web_servers, ports, strict=True)
        }

    def _gateway(self) -> str:
        """Where the web servers are: the address of this machine on the network of the first node."""
        first = next(node for node in self.plan.data_nodes())
        networks: Mapping[str, Any] = self._inspected(first.name).attrs["NetworkSettings"]["Networks"]
        host = self._addresses[first.name].host
        return next(str(one["Gateway"]) for one in networks.values() if one.get("IPAddress") == host)

    # -- What stands where

    def node_at(self, host: str, port: int) -> str | None:
        return self._found.node_at(host, port)

    def named(self, node: str) -> Address:
        member, at = self._found.member_of(node), self._addresses[node]
        return replace(at, host=member.service) if member.service in member.names else at

    def state(self, node: str) -> NodeState:
        container = self._inspected(node)
        found = container.attrs["State"]
        running = bool(found["Running"]) and not found.get("Restarting")
        here = discovery.addresses_of(container)
        if running and here and self._addresses[node].host not in here:  # its restart policy started it
            self._note_where_it_is(node)
        return NodeState(
            running=running,
            paused=bool(found["Paused"]),
            pid=self._pid(node, container) if running else None,
            exit_code=None if running else int(found["ExitCode"]),
        )

    def _pid(self, node: str, container: Any) -> int | None:
        """The node's own process, which need not be the first of its container."""
        started = str(container.attrs["State"]["StartedAt"])
        known = self._pids.get(node)
        if known is None or known[0] != started or known[1] is None:
            role = self.plan.node(node).role
            self._pids[node] = (started, discovery.pid_of(container, sentinel=role is NodeRole.SENTINEL))
        pid = self._pids[node][1]
        return pid or int(container.attrs["State"]["Pid"]) or None

    # -- What faults do to a node

    def start(self, node: str, *, empty: bool = False) -> None:
        if empty:
            raise EnvironmentFailure(
                f"{node}: the kit does not know where a project keeps its data, so it cannot start it empty"
            )
        container = self._inspected(node)
        if container.attrs["State"]["Running"]:
            raise EnvironmentFailure(
                f"{node}: expected it to be stopped before it is started, found it running"
            )
        with translated(f"starting {node}"):
            container.start()
        self._returned(node)

    def _returned(self, node: str) -> None:
        """A container that runs again, perhaps elsewhere: cut off as it was before, and answering."""
        before = self._addresses[node]
        self._note_where_it_is(node)
        self.links.restore(node, moved=self._addresses[node] != before)
        if self.plan.node(node).role in _ALONG:
            return
        self._until_it_answers(node)

    def _note_where_it_is(self, node: str) -> None:
        """Only a static address is one for ever."""
        gone = self._found.member_of(node)
        here = next(one for one in discovery.members(self._client, self.project) if one.name == gone.name)
        self._found = self._found.with_member(here)
        for name in self._addresses:
            if self._found.member_of(name) is here:
                self._containers[name] = here.container
                host, port = self._addresses[name].host, self._addresses[name].port
                if here.addresses and host not in here.addresses:
                    self._addresses[name] = Address(here.addresses[0], port)

    # -- What only a user's own containers can have done to them

    def restarts(self, node: str) -> bool:
        policy = self._inspected(node).attrs["HostConfig"].get("RestartPolicy") or {}
        return str(policy.get("Name") or "no") != "no"

    def crash(self, node: str) -> None:
        before = self.state(node).pid
        if before is None:
            raise EnvironmentFailure(f"{node}: expected a process to kill, found none")
        os.kill(before, signal.SIGKILL)
        try:
            wait_until(
                lambda: not Path(f"/proc/{before}").exists() or self.state(node).pid != before,
                within_s=_GONE_WITHIN_S,
                waiting_for=f"{node} to be gone after SIGKILL",
                every_s=0.005,
            )
        except WaitExpired as error:
            raise EnvironmentFailure(str(error)) from error

    def remove(self, node: str) -> None:
        container = self._inspected(node)
        with translated(f"removing {node}"):
            container.remove(v=True, force=True)

    def make_again(self, node: str) -> None:
        member = self._found.member_of(node)
        file = self.directory / "compose.yaml"
        environment = {**os.environ, "DOCKER_HOST": daemon.endpoint()}
        compose.compose(
            file, "up", "--detach", "--no-build", "--no-deps", "--no-recreate", member.service,
            project=self.project, environment=environment,
        )  # fmt: skip
        self._returned(node)

    def silence_names(self, nodes: Sequence[str]) -> str:
        counted = {node: self._silenced(node) for node in nodes}
        return "questions dropped: " + ", ".join(f"{node} {number}" for node, number in counted.items())

    def _silenced(self, node: str) -> int:
        self.links.run_at(node, _SILENCE)
        dropped: list[int] = [0]

        def dropping() -> bool:
            # A question of the kit's own, so that there is something to drop.
            said = self.links.run_at(node, _ASK_AND_COUNT)
            dropped[0] = sum(int(number) for number in re.findall(r"^\[(\d+):", said, flags=re.MULTILINE))
            return dropped[0] > 0

        try:
            wait_until(dropping, within_s=_DROPS_WITHIN_S, waiting_for=f"a question of {node} to be dropped")
        except WaitExpired as error:
            raise NoEffect(str(error)) from error
        return dropped[0]

    def answer_names(self, nodes: Sequence[str]) -> str:
        for node in nodes:
            if self.state(node).running:  # the rule is gone with the namespace of one that ended
                self.links.run_at(node, _ANSWER)
        return f"names are answered again: {', '.join(nodes)}"

    # -- What is left to read

    def logs(self, node: str, lines: int = 40) -> str:
        return redact(log_of(self._client, self._containers[node], lines), self.secrets)

    def collect(self, into: Path) -> None:
        try:
            into.mkdir(mode=0o700, parents=True, exist_ok=True)
            for member in discovery.members(self._client, self.project):
                text = redact(log_of(self._client, member.container, _COLLECTED_LINES), self.secrets)
                (into / f"{member.name}.log").write_text(text, encoding="utf-8")
            for one in self._found.spoken:
                (into / f"{one.name}.conf").write_text(self._configuration(one), encoding="utf-8")
        except OSError as error:
            raise EnvironmentFailure(f"{into}: expected to write logs there, found: {error}") from error

    def _configuration(self, of: Spoken) -> str:
        if of.name not in self._containers or not of.config_file:
            return "# it has no configuration file\n"
        raw = daemon.read_file(self._inspected(of.name), of.config_file)
        text = "# its configuration file is gone\n" if raw is None else raw.decode("utf-8", errors="replace")
        return redact(text, self.secrets)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.directory / "mounts", ignore_errors=True)  # the user's files, as they are
        with suppress(OSError):  # with the user's passwords in it
            (self.directory / "compose.yaml").write_text(
                redact((self.directory / "compose.yaml").read_text(encoding="utf-8"), self.secrets),
                encoding="utf-8",
            )


def _address(found: Found, spoken: Mapping[str, Spoken], node: str) -> Address:
    if node in spoken:
        return spoken[node].address
    addresses = found.member_of(node).addresses
    return Address(addresses[0] if addresses else "", 0)


def secrets_of(found: Found) -> Secrets:
    """The passwords of data nodes and of sentinels.

    Raises:
        UsageError: nodes of one kind have different ones.
    """
    of = {node.name: node.role for node in found.nodes}

    def common(kind: str, *roles: NodeRole) -> str:
        secrets = {one.secret or "" for one in found.spoken if of.get(one.name) in roles}
        if len(secrets) > 1:
            raise UsageError(
                f"expected all {kind} to have the same password, found {len(secrets)} different ones"
            )
        return secrets.pop() if secrets else ""

    return Secrets(
        redis=common("data nodes", NodeRole.PRIMARY, NodeRole.REPLICA),
        sentinel=common("sentinels", NodeRole.SENTINEL),
    )
