"""Which engines there are, and which of them may be used. No engine is needed here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from harness.errors import EnvironmentFailure, UsageError
from harness.model.hosts import ALLOW_REMOTE, NAMED
from harness.topology.docker import daemon
from harness.topology.machines import hosts
from harness.topology.machines.hosts import Host

SWARM = {"LocalNodeState": "active", "ControlAvailable": True, "NodeID": "one"}


def host(name: str, swarm: Mapping[str, Any], members: tuple[str, ...] = ("one", "two")) -> Host:
    listed = [SimpleNamespace(id=one) for one in members]
    client = SimpleNamespace(info=lambda: {"Swarm": swarm}, nodes=SimpleNamespace(list=lambda: listed))
    return Host(name=name, where=f"unix:///{name}", client=client)


def test_the_environment_names_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its engine, in the order in which they are written."""
    monkeypatch.setenv(NAMED, "b=ssh://ops@b, a=context:rack=a,")
    assert list(hosts.named().items()) == [("b", "ssh://ops@b"), ("a", "context:rack=a")]


def test_no_hosts_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the backend says what to do."""
    monkeypatch.setenv(NAMED, " ")
    assert hosts.named() == {}


@pytest.mark.parametrize(
    "text", ["a", "a=", "=unix:///x", "A=unix:///x", "a=http://x", "a=unix:///x,a=unix:///y"]
)
def test_hosts_that_cannot_be_read_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the pair that is wrong."""
    monkeypatch.setenv(NAMED, text)
    with pytest.raises(UsageError, match=r"expected NAME=ENGINE|found 'a' twice"):
        hosts.named()


@pytest.mark.parametrize("engine", ["tcp://192.0.2.1:2375", "ssh://ops@192.0.2.1"])
def test_an_engine_elsewhere_needs_a_permission(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario kills and fills; nothing is asked of an engine before somebody has allowed it."""
    monkeypatch.delenv(ALLOW_REMOTE, raising=False)
    with (
        pytest.raises(EnvironmentFailure, match=r"host a: .*--allow-remote-engine"),
        hosts.connected({"a": engine}),
    ):
        pass


def test_hosts_that_answer_are_used_where_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be reached is cleaned."""

    def connect_to(where: str) -> Any:
        if where == "unix:///gone":
            raise EnvironmentFailure("no answer")
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(daemon, "connect_to", connect_to)
    opened, found, problems = hosts.reachable({"a": "unix:///gone", "b": "unix:///there"})
    assert isinstance(opened, ExitStack)
    assert (list(found), problems) == (["b"], ["host a: no answer"])


def test_a_manager_makes_the_network() -> None:
    """Whichever of them it is."""
    worker = {**SWARM, "ControlAvailable": False, "NodeID": "two"}
    assert hosts.manager({"a": host("a", worker), "b": host("b", SWARM)}).name == "b"


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"LocalNodeState": "inactive"}, r"host b: expected its engine in a swarm, found 'inactive'"),
        (
            {**SWARM, "ControlAvailable": False, "NodeID": "three"},
            r"host b: its engine is in another swarm than a",
        ),
    ],
)
def test_hosts_that_are_no_swarm_are_refused(second: Mapping[str, Any], said: str) -> None:
    """Before anything is made."""
    with pytest.raises(EnvironmentFailure, match=said):
        hosts.manager({"a": host("a", SWARM), "b": host("b", second)})


def test_workers_alone_cannot_make_a_network() -> None:
    """Only a manager's engine can."""
    worker = {**SWARM, "ControlAvailable": False}
    with pytest.raises(EnvironmentFailure, match="expected a manager"):
        hosts.manager({"a": host("a", worker)})


def test_more_hosts_than_addresses_are_refused() -> None:
    """The swarm takes an address for each."""
    many = {f"h{number}": host(f"h{number}", SWARM) for number in range(hosts.MOST + 1)}
    with pytest.raises(EnvironmentFailure, match="8 at most, found 9"):
        hosts.manager(many)


def test_what_an_engine_says_comes_with_its_host() -> None:
    """Somebody has to go there."""
    with (
        pytest.raises(EnvironmentFailure, match=r"host a \(unix:///a\), making a network: no"),
        host("a", SWARM).asked("making a network"),
    ):
        raise docker.errors.APIError("x", explanation="no")


@pytest.mark.parametrize(
    ("engine", "advice"),
    [
        ("ssh://ops@192.0.2.1", "need the Python package paramiko"),
        ("tcp://192.0.2.1", "found: an address without a port; it is tcp://HOST:PORT"),
        ("tcp://192.0.2.1:99999", "found: an address without a port"),
        ("tcp://127.0.0.1:1", "Start it there, and let it listen at that address"),
        ("unix:///nobody", "run 'make docker-engine' as root"),
    ],
)
def test_engine_that_is_not_reached_says_what_helps_there(
    engine: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What helps on this machine helps nobody whose engine is on another one."""
    monkeypatch.setenv(ALLOW_REMOTE, "1")
    with pytest.raises(EnvironmentFailure) as refused, hosts.connected({"a": engine}):
        pass
    assert advice in str(refused.value)
