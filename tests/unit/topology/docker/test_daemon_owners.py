"""Whose is what in the engine, and which engine is used at all. No engine is needed here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from harness.clock import wait_until
from harness.errors import EnvironmentFailure
from harness.model.hosts import ALLOW_REMOTE
from harness.topology.base import processes, state_files
from harness.topology.base.keeper import Keeper
from harness.topology.docker import backend, daemon, held_record

OURS = daemon.labels("x", processes.this_process())


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///var/run/docker.sock")


def test_this_process_is_alive(here: None) -> None:
    """What this process has started is nobody's leftover."""
    assert daemon.owner_alive(OURS)


def test_an_owner_that_has_ended_is_dead(here: None) -> None:
    """Its labels name a process that is gone."""
    with subprocess.Popen(["true"]) as ended:
        pass
    marks = {**OURS, "failover-kit.pid": str(ended.pid)}
    assert not daemon.owner_alive(marks)


def test_another_process_with_the_same_pid_is_not_the_owner(here: None) -> None:
    """Process ids are used again: the start time tells."""
    assert not daemon.owner_alive({**OURS, "failover-kit.started": "1"})


def test_an_owner_before_the_boot_is_dead(here: None) -> None:
    """Nothing survives a boot; but on an engine elsewhere, another boot may be another machine."""
    marks = {**OURS, "failover-kit.boot": "another"}
    assert not daemon.owner_alive(marks)


def test_an_owner_on_another_machine_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an engine elsewhere, another boot may well be another living machine."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert daemon.owner_alive({**OURS, "failover-kit.boot": "another"})


@pytest.mark.parametrize("theirs", [{"failover-kit.machine": "another"}, {}])
def test_another_machine_may_command_this_machines_engine(here: None, theirs: dict[str, str]) -> None:
    """Its boot is another one as well, and its run may live. Without the machine's name nobody knows."""
    marks = {name: text for name, text in OURS.items() if name != "failover-kit.machine"}
    assert daemon.owner_alive({**marks, **theirs, "failover-kit.boot": "another"})


def test_clean_leaves_runs_of_another_machine_alone_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what an earlier boot of this machine left goes."""
    before = {**OURS, "failover-kit.run": "before", "failover-kit.boot": "another"}
    theirs = {**before, "failover-kit.run": "theirs", "failover-kit.machine": "another"}
    there = {name: _thing(name, marks) for name, marks in (("dead", before), ("a", theirs), ("b", theirs))}
    listed = SimpleNamespace(list=lambda **_: list(there.values()))
    nothing = SimpleNamespace(list=lambda **_: [])
    client = SimpleNamespace(
        containers=listed,
        networks=nothing,
        volumes=nothing,
        api=SimpleNamespace(remove_container=lambda name, **_: there.pop(name)),
        close=lambda: None,
    )
    monkeypatch.setenv("DOCKER_HOST", "unix:///var/run/docker.sock")
    monkeypatch.setattr(daemon, "connect", lambda: client)
    monkeypatch.setattr(processes, "end_orphans", list)
    monkeypatch.setattr(held_record, "records", dict)
    monkeypatch.setattr(held_record, "remove_stale", lambda: None)
    removed, alone = backend.clean()
    assert removed == "run before: container dead"
    assert "nothing of run theirs" in alone
    assert "--filter label=failover-kit.run=theirs" in alone
    assert sorted(there) == ["a", "b"]


def _thing(name: str, marks: dict[str, str]) -> SimpleNamespace:
    return SimpleNamespace(id=name, name=name, attrs={"Labels": marks, "Names": [f"/{name}"]})


def test_an_owner_that_cannot_be_judged_is_left_alone(here: None) -> None:
    """A harness inside another container has process ids that mean nothing here."""
    assert daemon.owner_alive({**OURS, "failover-kit.pid-namespace": "another"})


def test_an_owner_whom_nobody_may_look_at_is_left_alone(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc hides other users' processes nobody can say whether it is still the same one."""

    def hidden(_pid: int, _signal: int) -> None:
        raise PermissionError

    with subprocess.Popen(["true"]) as ended:
        pass
    marks = {**OURS, "failover-kit.pid": str(ended.pid)}
    assert not daemon.owner_alive(marks)
    monkeypatch.setattr("os.kill", hidden)
    assert daemon.owner_alive(marks)


def test_a_held_topology_belongs_to_its_keeper(here: None) -> None:
    """Its labels name the keeper, so it is alive as long as that is, wherever records lie."""
    keeper = Keeper()
    marks = daemon.labels("x", keeper.identity)
    try:
        keeper.stay()
        assert daemon.owner_alive(marks)
    finally:
        processes.end(keeper.identity)
    assert not daemon.owner_alive(marks)


def test_a_keeper_that_was_not_told_to_stay_ends_with_its_harness() -> None:
    """Killed on the way, a harness leaves no owner alive, so that `clean` finds what it began."""
    script = "import os; from harness.topology.base.keeper import Keeper; k = Keeper(); print(k.identity.pid); os._exit(9)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    pid = int(ended.stdout)
    assert wait_until(
        lambda: processes.identity(pid) is None, within_s=10, waiting_for="the keeper to end with its harness"
    )


@pytest.mark.parametrize("address", ["tcp://192.0.2.1:2375", "ssh://somebody@192.0.2.1"])
def test_a_remote_engine_is_refused_unless_asked_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent to it."""
    monkeypatch.delenv(ALLOW_REMOTE, raising=False)
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EnvironmentFailure, match=f"{address}: expected one on this machine.*ALLOW_REMOTE=1"):
        daemon.connect()


def test_a_remote_engine_that_was_asked_for_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 1 of this machine answers nothing, and that is what the message says."""
    monkeypatch.setenv(ALLOW_REMOTE, "1")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(EnvironmentFailure, match=r"expected an answer, found: .*[Rr]efused"):
        daemon.connect()


def test_a_dead_engine_is_one_line_with_its_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No traceback of three libraries: the socket, what was found, what to do."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EnvironmentFailure) as raised:
        daemon.connect()
    assert "none.sock: expected an answer, found: No such file or directory" in str(raised.value)
    assert "make docker-engine" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_engine_that_is_not_for_this_user_is_not_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs already: what is missing is the right to use it."""

    def knock(where: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(daemon, "_knock", knock)
    with pytest.raises(
        EnvironmentFailure, match=r"Permission denied\. It runs, .*usermod -aG docker"
    ) as raised:
        daemon.connect()
    assert "make docker-engine" not in str(raised.value)


def test_a_held_topology_is_found_until_the_next_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is private; one of an earlier boot names containers that no longer run."""
    from harness.model.seams import Secrets
    from tests.builders_topology import docker_plan

    monkeypatch.setenv(state_files.STATE, str(tmp_path))
    record = held_record.HeldRecord(
        run="x",
        project="failover-kit-x",
        directory=str(tmp_path),
        boot=processes.boot_id(),
        subnet="10.64.0",
        cuts={1: [("redis-1", "web-1")]},
        secrets=Secrets(redis="a", sentinel="b"),
        plan=docker_plan("split"),
    )
    path = held_record.save_first(record)
    assert held_record.records() == {path: record}
    assert path.stat().st_mode & 0o077 == 0
    record.keeper = processes.ProcessIdentity(processes.this_process().pid, "0")
    held_record.save(path, record)
    assert held_record.records() == {}
    record.keeper = None
    record.boot = "another"
    held_record.save(path, record)
    assert held_record.records() == {}
    path.unlink()
    with pytest.raises(EnvironmentFailure, match="taken down"):
        held_record.read(path)


# -- Removal


class Scripted:
    """An engine that keeps one container, or one network, or neither; everything else is removed at once."""

    def __init__(self, *, container: bool = False, network: bool = False) -> None:
        self.api = self
        self.id = "1"
        self._container, self._network = container, network
        self.containers = SimpleNamespace(list=lambda **_: [self] if self._container else [])
        self.networks = SimpleNamespace(list=lambda **_: [self] if self._network else [])
        self.volumes = SimpleNamespace(list=lambda **_: [])

    def remove(self, **_: Any) -> None:
        raise docker.errors.APIError("403", explanation="network x has active endpoints")

    def remove_network(self, _identity: str) -> None:
        self.remove()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "_REMOVED_WITHIN_S", 0.0)
    monkeypatch.setattr(daemon, "_ENDED_WITHIN_S", 0.0)


def test_network_that_the_engine_does_not_let_go_of_spoils_no_run(impatient: None) -> None:
    """Nothing runs any more, so what was measured stands."""
    daemon.remove(Scripted(network=True), "run=1")


def test_container_that_does_not_go_away_is_an_error(impatient: None) -> None:
    """Something of the run still runs."""
    with pytest.raises(EnvironmentFailure, match="run=1 did not go away"):
        daemon.remove(Scripted(container=True), "run=1")


def test_container_of_a_busy_engine_may_take_longer_than_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run was recorded whole by then; it is no error that the engine was slow to remove what is left."""
    monkeypatch.setattr(daemon, "_REMOVED_WITHIN_S", 0.0)
    engine = Scripted(container=True)
    there = iter([[engine], []])
    engine.containers = SimpleNamespace(list=lambda **_: next(there))
    daemon.remove(engine, "run=1")


def test_container_of_somebody_else_leaves_a_network_that_goes() -> None:
    """Stopped or running: it could not be started again with a network that is gone. One that left by itself
    meanwhile is no error."""
    asked: list[tuple[str, ...]] = []

    def disconnect(container: str, network: str, *, force: bool) -> None:
        asked.append(("disconnect", container, network))
        assert force
        if container == "gone":
            raise docker.errors.NotFound("404")

    def listed(*, filters: Mapping[str, str], **_: object) -> list[SimpleNamespace]:
        return [SimpleNamespace(id="gone"), SimpleNamespace(id="theirs")] if "network" in filters else []

    client = SimpleNamespace(
        containers=SimpleNamespace(list=listed),
        api=SimpleNamespace(
            disconnect_container_from_network=disconnect,
            remove_network=lambda network: asked.append(("remove", network)),
        ),
    )
    left = daemon.Leftover(kind="network", name="nodes", identity="n1", run="r")
    daemon.remove_leftovers(client, [left])
    assert asked == [("disconnect", "gone", "n1"), ("disconnect", "theirs", "n1"), ("remove", "n1")]


def test_leftover_network_that_stays_is_told(impatient: None) -> None:
    """`clean` does not claim to have removed it, and says what helps."""
    left = daemon.Leftover(kind="network", name="nodes", identity="1", run="r")
    with pytest.raises(EnvironmentFailure, match=r"network nodes did not go away .* restarted"):
        daemon.remove_leftovers(Scripted(network=True), [left])
