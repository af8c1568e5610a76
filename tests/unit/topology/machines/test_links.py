"""Rules are set where a node's network is kept; images go to hosts that lack them. Scripted engines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import msgspec
import pytest
import requests.exceptions

from harness.errors import EnvironmentFailure, HostVanished
from harness.model.guest import Container, Guest
from harness.model.links import LinkRule
from harness.model.seams import Address, Secrets, Source
from harness.model.words import TopologyKind
from harness.topology.base import first_packets
from harness.topology.base.processes import this_process
from harness.topology.docker import daemon
from harness.topology.machines import images, shell
from harness.topology.machines import links as links_module
from harness.topology.machines.hosts import Host
from harness.topology.machines.links import HostLinks
from harness.topology.machines.topology import MachinesTopology
from tests.fakes import make_plan

NODES = {"redis-1": Address("10.1.1.11", 6379), "redis-2": Address("10.1.1.12", 6379)}
TABLE = "[2:120] -A OUTPUT -d 10.1.1.12/32 -j DROP\n"


class Api:
    """Runs what it is asked to, in a container that keeps a network."""

    def __init__(self, said: bytes = TABLE.encode(), status: int = 0) -> None:
        self.said, self.status = said, status
        self.asked: list[tuple[str, str]] = []
        self.gone = False
        self.late = False
        """What rules drop is counted later than they are set."""

    def exec_create(self, container: str, command: list[str], **_: object) -> dict[str, str]:
        if self.gone:
            raise requests.exceptions.ConnectionError("no answer")
        self.asked.append((container, command[-1]))
        return {"Id": "x"}

    def exec_start(self, _: str, **__: object) -> tuple[bytes | None, bytes | None]:
        too_early = self.late and "iptables-restore" in self.asked[-1][1]
        return (None, b"no chain") if self.status else (b"" if too_early else self.said, None)

    def exec_inspect(self, _: str) -> dict[str, int]:
        return {"ExitCode": self.status}


def links(api: Api, worker: str = "") -> HostLinks:
    """`worker`: the container of what drives the web server; empty: it is here."""
    host = Host(name="b", where="unix:///b", client=SimpleNamespace(api=api))

    def container(node: str) -> Any:
        return SimpleNamespace(
            name=f"x-{node}",
            labels={daemon.NODE_LABEL: node},
            attrs={"HostConfig": {"NetworkMode": f"container:keeps-{node}"}},
        )

    return HostLinks(
        None,
        host=lambda _: host,
        driven_by=lambda _: (host, worker) if worker else None,
        beside=lambda _, keeper, words: [keeper, *words],
        addresses=NODES,
        sources={"web-1": Source(host="10.1.1.240", ports=(10000, 10999))},
        look=container,
    )


def test_rules_are_set_by_what_keeps_the_network() -> None:
    """Not by the node's container, whose image need not have a tool for it."""
    api = Api()
    proof = links(api).apply(LinkRule(["redis-1"], ["redis-2"]), by=1)
    assert proof == "packets dropped: redis-1 - redis-2 2"
    assert {container for container, _ in api.asked} == {"keeps-redis-1", "keeps-redis-2"}
    assert any("-d 10.1.1.12/32 -j DROP" in script for _, script in api.asked)


@pytest.fixture
def with_shells(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[HostLinks, Api]]:
    """Shells of this machine in the place of those in containers."""
    monkeypatch.setattr(links_module, "command_line", lambda _: ["sh", "-c", "exec bash"])
    api = Api()
    found = links(api)
    found.prepare({name: f"keeps-{name}" for name in NODES})
    yield found, api
    found.close()


def test_a_shell_that_is_there_carries_out_scripts(with_shells: tuple[HostLinks, Api]) -> None:
    """One after the other, each in a shell of its own; the engine is asked nothing."""
    found, api = with_shells
    assert found.run_at("redis-1", "cat <<'END'\none\nEND\ncd /; echo two >&2") == "one\ntwo\n"
    assert found.run_at("redis-1", "cat; exit 0; echo never") == ""
    with pytest.raises(EnvironmentFailure, match=r"rules of x-redis-1: .* found: no chain"):
        found.run_at("redis-1", "echo no chain; false; echo never")
    assert found.run_at("redis-2", "echo three") == "three\n"
    assert api.asked == []


def test_where_a_shell_is_gone_the_engine_is_asked(
    with_shells: tuple[HostLinks, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says whether the host is. So it is where a shell does not answer."""
    found, api = with_shells
    with suppress(EnvironmentFailure):
        found.run_at("redis-1", "kill -9 $$")
    assert found.run_at("redis-1", "true") == TABLE
    monkeypatch.setattr(shell, "ANSWERS_WITHIN_S", 0.02)
    assert found.run_at("redis-2", "sleep 1") == TABLE
    assert [container for container, _ in api.asked][-1] == "keeps-redis-2"


def test_a_web_server_on_a_host_sends_first_packets_from_there() -> None:
    """Its address is not one of this machine, and a rule has something to drop at once all the same."""
    api = Api(b"[2:120] -A INPUT -s 10.1.1.240/32 -p tcp -m tcp --sport 10000:10999 -j DROP\n")
    api.late = True
    proof = links(api, worker="worker-1").apply(LinkRule(["web-1"], ["redis-1"]), by=1)
    assert proof.startswith("packets dropped: redis-1 - web-1 2")
    (said,) = [words for container, words in api.asked if container == "worker-1"]
    request = msgspec.json.decode(said, type=first_packets.Request)
    assert request.source.ports == (10000, 10999)
    assert request.targets == [NODES["redis-1"]]


def test_one_question_sets_rules_and_sees_them_drop() -> None:
    """Also those about web servers: the node begins a connection to their ports, and nobody waits for it."""
    api = Api(b"[1:60] -A OUTPUT -d 10.1.1.240/32 -p tcp -m tcp --dport 10000:10999 -j DROP\n")
    assert links(api).apply(LinkRule(["web-1"], ["redis-1"]), by=1).startswith("packets dropped")
    ((container, script),) = api.asked
    assert container == "keeps-redis-1"
    assert "2, 10000, split(/[.]/, q(10.1.1.240))" in script


def test_web_servers_of_workers_on_hosts_have_the_addresses_of_these(tmp_path: Path) -> None:
    """So partitions tell them apart from those of another worker."""
    plan = make_plan(TopologyKind.SENTINEL)
    scenario = plan.scenario
    deployment = dataclasses.replace(scenario.deployment, workers=2, worker_hosts=("a", "a"))
    plan = dataclasses.replace(
        plan,
        scenario=dataclasses.replace(scenario, deployment=deployment),
        web_servers=("web-1", "web-2", "web-3"),
    )
    host = Host(name="a", where="unix:///a", client=Dead(Api(), []))
    topology = MachinesTopology(
        plan=plan, run="x", project="x", directory=tmp_path, secrets=Secrets(redis="", sentinel=""),
        hosts={"a": host}, leading=host, owner=this_process(),
    )  # fmt: skip
    topology.find("10.1.1")
    found = [topology.source(name) for name in plan.web_servers]
    assert [one.host for one in found] == ["10.1.1.242", "10.1.1.243", "10.1.1.242"]
    assert len({one.ports for one in found}) == 3


class Dead:
    """A host's client, whose containers of nodes have all ended."""

    def __init__(self, api: Api, nodes: list[str]) -> None:
        self.api = api
        self.containers = self
        self.nodes = nodes

    def list(self, **_: object) -> list[Any]:
        return [SimpleNamespace(id=node, attrs={"Labels": {daemon.NODE_LABEL: node}}) for node in self.nodes]

    def get(self, node: str) -> Any:
        attrs = {
            "State": {"Running": False},
            "HostConfig": {"NetworkMode": f"container:keeps-{node}"},
        }
        return SimpleNamespace(name=node, labels={daemon.NODE_LABEL: node}, attrs=attrs)


def test_rules_of_a_dead_node_are_lifted_too(tmp_path: Path) -> None:
    """It would come back cut off: what has them does not die with it."""
    plan = make_plan(TopologyKind.SENTINEL)
    api = Api(f"{TABLE}[2:120] -A OUTPUT -d 10.1.1.11/32 -j DROP\n".encode())
    host = Host(name="a", where="unix:///a", client=Dead(api, [node.name for node in plan.nodes]))
    topology = MachinesTopology(
        plan=plan, run="x", project="x", directory=tmp_path, secrets=Secrets(redis="", sentinel=""),
        hosts={"a": host}, leading=host, owner=this_process(),
    )  # fmt: skip
    topology.find("10.1.1")
    topology.apply(LinkRule(["redis-1"], ["redis-2"]), by=1)
    api.asked.clear()
    topology.mend(by=1)
    assert sorted(container for container, _ in api.asked) == ["keeps-redis-1", "keeps-redis-2"]
    assert not any("-j DROP" in script for _, script in api.asked)


class Maker(Dead):
    """A host's client that makes containers."""

    def __init__(self, api: Api, nodes: list[str]) -> None:
        super().__init__(api, nodes)
        self.made: list[dict[str, Any]] = []

    def create(self, image: str, **how: Any) -> Any:
        self.made.append({"image": image, **how})
        return SimpleNamespace(id=how["labels"][daemon.NODE_LABEL])


def test_a_web_server_of_a_guest_is_made_on_its_host_in_the_network_kept_for_it(tmp_path: Path) -> None:
    """With an address of its own; rules about it are set there, as for a node, from its first start on."""
    plan = make_plan(TopologyKind.SENTINEL)
    guest = Guest(name="shop", file="g.yaml", folder=".", container=Container(image="shop", hosts=("b",)))
    deployment = dataclasses.replace(plan.scenario.deployment, guest=guest)
    scenario = dataclasses.replace(plan.scenario, deployment=deployment)
    plan = dataclasses.replace(plan, scenario=scenario, web_servers=("web-1", "web-2"))
    nodes = [node.name for node in plan.nodes]
    clients = {"a": Maker(Api(), nodes), "b": Maker(Api(), [])}
    found = {name: Host(name=name, where=name, client=client) for name, client in clients.items()}
    topology = MachinesTopology(
        plan=plan, run="x", project="x", directory=tmp_path, secrets=Secrets(redis="", sentinel=""),
        hosts=found, leading=found["a"], owner=this_process(),
    )  # fmt: skip
    topology.find("10.1.1")
    assert [topology.source(name).host for name in plan.web_servers] == ["10.1.1.231", "10.1.1.232"]
    assert topology._with_rules("web-2") is None
    topology._guest_image, topology._keepers = "sha256:shop", {"web-2": "keeps-web-2"}
    topology._web_made_at("web-2", Address("10.1.1.232", 8000), [], {"REDIS_URL": "redis://x"})
    assert clients["a"].made == []
    (made,) = clients["b"].made
    assert (made["image"], made["network_mode"]) == ("sha256:shop", "container:keeps-web-2")
    assert (made["command"], made["environment"]) == (None, {"REDIS_URL": "redis://x"})
    topology.links._run(topology._with_rules("web-2"), "true")
    assert clients["b"].api.asked == [("keeps-web-2", "true")]


def test_rules_that_are_not_taken_are_no_effect() -> None:
    """What was said there is said here."""
    with pytest.raises(EnvironmentFailure, match="expected them to be taken, found: no chain"):
        links(Api(status=2)).apply(LinkRule(["redis-1"], ["redis-2"]), by=1)


def test_a_host_that_does_not_answer_any_more_has_vanished() -> None:
    """Then nothing can be said of the run."""
    api = Api()
    api.gone = True
    with pytest.raises(HostVanished, match=r"host b \(unix:///b\), setting rules of x-redis-1"):
        links(api).run_at("redis-1", "true")


class Images:
    def __init__(self, *names: str) -> None:
        self.names = set(names)

    def get(self, name: str) -> Any:
        if name not in self.names:
            raise docker.errors.ImageNotFound("no such image", explanation="no such image")
        return SimpleNamespace(save=lambda **_: [name.encode()])


def lacking(here: Images, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Host], list[bytes]]:
    """Two hosts, of which the second has nothing; what it is given."""
    own = SimpleNamespace(images=here, api=SimpleNamespace(timeout=1), close=lambda: None)
    monkeypatch.setattr(daemon, "connect", lambda: own)
    given: list[bytes] = []
    api = SimpleNamespace(timeout=1, load_image=given.extend)
    first, second = Images("node", "proxy"), Images()
    hosts = {
        name: Host(name=name, where=name, client=SimpleNamespace(images=there, api=api))
        for name, there in (("a", first), ("b", second))
    }
    return hosts, given


def test_an_image_is_carried_to_hosts_that_lack_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each, and to nobody else."""
    hosts, given = lacking(Images("node", "proxy"), monkeypatch)
    images.carry(["node", "proxy"], hosts)
    assert given == [b"node", b"proxy"]


def test_an_image_that_nobody_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the host that lacks it."""
    hosts, _ = lacking(Images(), monkeypatch)
    with pytest.raises(EnvironmentFailure, match="host b: expected image node"):
        images.carry(["node"], hosts)
