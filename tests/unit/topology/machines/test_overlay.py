"""What a run has on its hosts is removed, also where one of them is gone. Scripted engines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import docker.errors
import pytest
import requests.exceptions

from harness.clock import WaitExpired
from harness.errors import EnvironmentFailure, HostVanished
from harness.topology.base import processes
from harness.topology.docker import daemon
from harness.topology.machines import overlay
from harness.topology.machines.hosts import Host

LABEL = "com.docker.compose.project=mine"
LOOKS = 10
DEAD = {**daemon.labels("x", processes.this_process()), "failover-kit.started": "1"}


class Thing:
    """A container or a network. `refusals`: how often its engine says no before it goes."""

    def __init__(self, name: str, home: list[Thing], labels: dict[str, str], refusals: int = 0) -> None:
        self.name = self.id = name
        self.attrs = {"Labels": labels, "Names": [f"/{name}"], "Spec": {"Labels": labels, "Name": name}}
        self.home = home
        self.refusals = refusals
        home.append(self)

    def remove(self, **_: object) -> None:
        if self.refusals:
            self.refusals -= 1
            raise docker.errors.APIError("network is in use by task")
        self.home.remove(self)


class Engine:
    """As much of a client as removing needs."""

    def __init__(self, *, leads: bool, gone: bool = False) -> None:
        self.leads = leads
        self.gone = gone
        self.there: list[Thing] = []
        self.nets: list[Thing] = []
        self.jobs: list[Thing] = []
        self.files: list[Thing] = []
        self.containers = self.networks = self.volumes = self.services = self.configs = self
        self.asked = ""

    def __getattribute__(self, name: str) -> Any:
        if name in {"containers", "networks", "volumes", "services", "configs"}:
            get = super().__getattribute__
            return _Listed(partial(get("listed"), name))
        return super().__getattribute__(name)

    def listed(self, what: str) -> list[Thing]:
        if self.gone:
            raise requests.exceptions.ConnectionError("no answer")
        known = {
            "containers": self.there,
            "networks": self.nets,
            "services": self.jobs,
            "configs": self.files,
        }
        return list(known.get(what, []))

    def info(self) -> dict[str, Any]:
        return {"Swarm": {"ControlAvailable": self.leads}}


class _Listed:
    def __init__(self, found: Any) -> None:
        self._found = found

    def list(self, **_: object) -> Any:
        return self._found()


def host(name: str, engine: Engine) -> Host:
    return Host(name=name, where=f"unix:///{name}", client=engine)


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come at once after each other, and there are so many."""

    def looked(probe: Callable[[], object], *, waiting_for: str, **_: object) -> None:
        if not any(probe() for _ in range(LOOKS)):
            raise WaitExpired(waiting_for, 1.0, None)

    monkeypatch.setattr(overlay, "wait_until", looked)


def test_everything_goes_and_a_network_is_asked_again() -> None:
    """A swarm needs a moment to notice that its last container is gone."""
    first, second = Engine(leads=True), Engine(leads=False)
    Thing("redis-1", first.there, {})
    Thing("redis-2", second.there, {})
    Thing("net", first.nets, {}, refusals=3)
    Thing("net", second.nets, {})
    overlay.remove([host("a", first), host("b", second)], LABEL)
    assert (first.there, second.there, first.nets) == ([], [], [])
    assert len(second.nets) == 1, "a worker forgets it by itself"


def test_a_host_that_is_gone_is_named_and_the_others_are_emptied() -> None:
    """What can be reached does not stay."""
    gone, lives = Engine(leads=True, gone=True), Engine(leads=True)
    Thing("redis-2", lives.there, {})
    Thing("net", lives.nets, {})
    with pytest.raises(HostVanished, match=r"host a \(unix:///a\).*no answer"):
        overlay.remove([host("a", gone), host("b", lives)], LABEL)
    assert (lives.there, lives.nets) == ([], [])


def test_what_stays_is_an_error() -> None:
    """Nobody learns of it otherwise."""
    stuck = Engine(leads=True)
    Thing("net", stuck.nets, {}, refusals=2 * LOOKS)
    with pytest.raises(EnvironmentFailure, match="network to be gone"):
        overlay.remove([host("a", stuck)], LABEL)


def test_a_network_is_gone_when_no_host_lists_it() -> None:
    """It is listed for a moment after the swarm has removed it."""
    engine = Engine(leads=True)
    Thing("another", engine.nets, DEAD)
    net = Thing("net", engine.nets, DEAD)
    left = [one for one in overlay.leftovers(host("a", engine), ()) if one.name == "net"]
    with pytest.raises(EnvironmentFailure, match=r"host a: .*removed networks to be gone"):
        overlay.await_gone(host("a", engine), left)
    net.remove()
    overlay.await_gone(host("a", engine), left)


def test_leftovers_are_of_dead_owners_of_this_machine() -> None:
    """An engine that several machines command has containers of all of them."""
    engine = Engine(leads=False)
    Thing("dead", engine.there, DEAD)
    Thing("of another machine", engine.there, {**DEAD, "failover-kit.boot": "another"})
    Thing("living", engine.there, daemon.labels("x", processes.this_process()))
    Thing("net", engine.nets, DEAD)
    assert [one.name for one in overlay.leftovers(host("a", engine), ())] == ["dead"]
    engine.leads = True
    assert [one.name for one in overlay.leftovers(host("a", engine), ())] == ["dead", "net"]


def test_jobs_of_dead_owners_are_left_over_too() -> None:
    """On whoever leads the swarm: a job would start a container again, so it comes first; its files come next."""
    engine = Engine(leads=True)
    Thing("task", engine.there, DEAD)
    Thing("job", engine.jobs, DEAD)
    Thing("living", engine.jobs, daemon.labels("x", processes.this_process()))
    Thing("files", engine.files, DEAD)
    found = overlay.leftovers(host("a", engine), ())
    assert [(one.kind, one.name) for one in found] == [
        ("service", "job"),
        ("config", "files"),
        ("container", "task"),
    ]
    engine.leads = False
    assert [one.name for one in overlay.leftovers(host("a", engine), ())] == ["task"]


def test_a_run_takes_its_jobs_away() -> None:
    """A worker has no say in it."""
    first, second = Engine(leads=True), Engine(leads=False)
    for one in (first, second):
        Thing("job", one.jobs, {})
        Thing("files", one.files, {})
        overlay.remove_jobs(host("a", one), LABEL)
    assert (first.jobs, first.files, len(second.jobs)) == ([], [], 1)
