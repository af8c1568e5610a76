"""Shards over the hosts of a swarm that is scripted: each comes back once, whatever becomes of a host."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import requests.exceptions

from harness.errors import HostVanished
from harness.jobs import ledger, task
from harness.jobs.ledger import Ledger
from harness.jobs.shards import Asked
from harness.jobs.swarm import TRIES, Submission
from harness.jobs.task import Job
from harness.model.results import Progress, ScenarioResult
from harness.topology.machines import images
from harness.topology.machines.hosts import Host
from tests.fake_clock import FakeClock

ASKED = Asked(words=("m.yaml",), seed=7, shards=4, runs=8)


class Lines:
    """A display that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def line(self, text: str) -> None:
        self.said.append(text)

    def begin(self, header: str, names: object) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def finished(self, result: ScenarioResult) -> None: ...
    def close(self) -> None: ...


class Swarm:
    """Hosts that take one task each. A task ends at the second look after it began."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.job: Job | None = None
        self.tasks: list[dict[str, Any]] = []
        self.jobs: list[tuple[int, ...]] = []
        self.strangers: list[list[str]] = []
        self.dead: set[str] = set()
        """Hosts that do not answer and that the swarm does not hear."""
        self.dies: dict[str, int] = {}
        """Host -> the shard in whose middle it dies."""
        self.ends_with: dict[int, int] = {}
        """Shard -> exit status."""
        self.configs: dict[str, bytes] = {}
        self.managers = {names[0]}

    def step(self) -> None:
        """Time passes: tasks end, the next begin."""
        for one in self.tasks:
            if one["NodeID"] in self.dead or one["Status"]["State"] != "running":
                continue
            shard = self.shard(one)
            if self.dies.get(one["NodeID"]) == shard:
                self.dead.add(one["NodeID"])
                continue
            code = self.ends_with.get(shard, 0)
            one["Status"]["State"] = "failed" if code else "complete"
            one["Status"]["ContainerStatus"]["ExitCode"] = code
            one["Status"]["Err"] = f"task: non-zero exit ({code})" if code else ""
        busy = {one["NodeID"] for one in self.tasks if one["Status"]["State"] == "running"}
        for one in self.tasks:
            free = [name for name in self.names if name not in busy | self.dead | set(self.strangers[-1])]
            if one["Status"]["State"] == "pending" and free:
                one["NodeID"] = free[0]
                one["Status"] = {
                    "State": "running",
                    "ContainerStatus": {"ContainerID": f"c{self.shard(one)}"},
                }
                busy.add(free[0])

    def shard(self, one: Mapping[str, Any]) -> int:
        assert self.job is not None
        return self.job.todo[one.get("Slot", 0)]

    def submit(self, template: Any, **about: Any) -> dict[str, str]:
        self.job = msgspec.json.decode(self.configs[task.TASK], type=Job)
        self.jobs.append(self.job.todo)
        self.strangers.append(
            [one.removeprefix("node.id!=") for one in template["Placement"].get("Constraints") or []]
        )
        self.tasks = [
            {
                "CreatedAt": "",
                "NodeID": "",
                "Status": {"State": "pending"},
                **({"Slot": slot} if slot else {}),
            }
            for slot in range(len(self.job.todo))
        ]
        return {"ID": "service"}

    def host(self, name: str) -> Host:
        def answers(value: Any) -> Any:
            def answer(*words: Any, **more: Any) -> Any:
                if name in self.dead:
                    raise requests.exceptions.ConnectionError("refused")
                return value(*words, **more) if callable(value) else value

            return answer

        def listed() -> list[Any]:
            return [SimpleNamespace(id=one) for one in self.names]

        def nodes() -> list[dict[str, Any]]:
            return [
                {"ID": one, "Status": {"State": "down" if one in self.dead else "ready"}}
                for one in self.names
            ]

        def newest(name: str, content: bytes, **about: Any) -> dict[str, str]:
            self.configs[name.rpartition("-")[2]] = content
            return {"ID": name}

        def info() -> dict[str, Any]:
            leads = name in self.managers
            return {"Swarm": {"LocalNodeState": "active", "ControlAvailable": leads, "NodeID": name}}

        api = SimpleNamespace(
            create_config=answers(newest),
            create_service=answers(self.submit),
            tasks=answers(lambda **_: self.tasks),
            nodes=answers(nodes),
            get_archive=answers(lambda container, path: (archive(container), {})),
            logs=answers(b"failover-kit: m.yaml: it is gone\n"),
        )
        nothing = SimpleNamespace(list=answers(lambda **_: []))
        client = SimpleNamespace(
            api=api,
            info=answers(info),
            nodes=SimpleNamespace(list=answers(listed)),
            services=nothing,
            configs=nothing,
            containers=nothing,
            networks=nothing,
        )
        return Host(name=name, where=f"unix:///{name}", client=client)


def archive(container: str) -> Iterator[bytes]:
    """What a container has in its folder of results, in pieces."""
    shard = container.removeprefix("c")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for name in ("suite.msgpack", "single-01/history.jsonl", "../../../out"):
            member = tarfile.TarInfo(f"{shard}/20261129-matrix-{shard}/{name}")
            member.size = len(content := f"{name} of {shard}".encode())
            made.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo(f"{shard}/20261129-matrix-{shard}/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    content = packed.getvalue()
    return (content[at : at + 1000] for at in range(0, len(content), 1000))


class Steps(FakeClock):
    def __init__(self, swarm: Swarm) -> None:
        super().__init__()
        self._swarm = swarm

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._swarm.step()
        assert self.now_s < 100, "nothing happens any more"


@pytest.fixture(autouse=True)
def _image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "carry_same", lambda name, hosts: "sha256:one")


def submission(swarm: Swarm, folder: Path, asked: Asked = ASKED) -> tuple[Submission, Lines]:
    lines = Lines()
    found = Ledger.of(asked, kit="k", files="f")
    found.write(folder)
    made = Submission(
        ledger=found,
        files=b"",
        folder=folder,
        hosts={name: swarm.host(name) for name in swarm.names},
        display=lines,
        _clock=Steps(swarm),
    )
    return made, lines


def test_every_shard_comes_back_from_some_host(tmp_path: Path) -> None:
    """Each in a folder of its own, with plain files alone, and none outside of it."""
    swarm = Swarm("a", "b")
    made, lines = submission(swarm, tmp_path / "runs")
    made.carry_out()
    assert made.ledger.left(tmp_path / "runs") == []
    files = [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert [str(one) for one in files if "2-of-4" in one.parts] == [
        "runs/shards/2-of-4/single-01/history.jsonl",
        "runs/shards/2-of-4/suite.msgpack",
    ]
    assert not (tmp_path / "out").exists()
    assert (swarm.jobs, swarm.strangers, made.ledger.repeated) == ([(1, 2, 3, 4)], [[]], [])
    assert {one.host for one in made.ledger.shards} == {"a", "b"}
    assert "shard 3/4: results from host a" in lines.said


def test_a_shard_whose_host_died_is_handed_out_again(tmp_path: Path) -> None:
    """In a further job, which that host gets no part of; what had come back stays."""
    swarm = Swarm("a", "b", "c")
    swarm.dies = {"c": 3}
    made, lines = submission(swarm, tmp_path)
    made.carry_out()
    assert made.ledger.left(tmp_path) == []
    assert (swarm.jobs, swarm.strangers[1]) == ([(1, 2, 3, 4), (3,)], ["c"])
    (again,) = made.ledger.repeated
    assert (again.number, again.handed_out) == (3, 2)
    assert again.lost == ["host c: the swarm does not hear it any more"]
    said = made.ledger.said_of(again)
    assert said == "shard 3/4 handed out 2 times: host c: the swarm does not hear it any more"
    assert any("it is handed out again" in line for line in lines.said)
    written = msgspec.json.decode((tmp_path / ledger.SUBMITTED).read_bytes(), type=Ledger)
    assert written == made.ledger


def test_results_that_died_with_their_host_are_made_again(tmp_path: Path) -> None:
    """A shard that is complete, on a host that does not answer any more."""
    swarm = Swarm("a", "b")
    made, _ = submission(swarm, tmp_path)
    there = swarm.host("b")
    ends = {"b": False}

    def gone(container: str, path: str) -> Any:
        ends["b"] = True
        swarm.dead.add("b")
        raise requests.exceptions.ConnectionError("refused")

    there.client.api.get_archive = gone
    made.hosts = {**made.hosts, "b": there}
    made.carry_out()
    assert ends["b"]
    assert made.ledger.left(tmp_path) == []
    assert {one.host for one in made.ledger.shards} == {"a"}


def test_a_job_that_was_killed_is_tried_three_times(tmp_path: Path) -> None:
    """By memory that ran out, say; then it is left, and the others have their results."""
    swarm = Swarm("a", "b")
    swarm.ends_with = {2: 137}
    made, lines = submission(swarm, tmp_path)
    made.carry_out()
    assert made.ledger.left(tmp_path) == [2]
    assert made.ledger.shard(2).handed_out == TRIES
    assert "non-zero exit (137)" in made.hopeless[2]
    assert lines.said[-1].endswith("it is not handed out again")


def test_a_job_that_cannot_do_it_is_not_repeated(tmp_path: Path) -> None:
    """The kit itself has said why, and would say the same elsewhere."""
    swarm = Swarm("a", "b")
    swarm.ends_with = {1: 2}
    made, _ = submission(swarm, tmp_path)
    made.carry_out()
    assert (made.ledger.left(tmp_path), swarm.jobs) == ([1], [(1, 2, 3, 4)])
    assert made.hopeless[1].endswith("ended with status 2: failover-kit: m.yaml: it is gone")


def test_another_manager_goes_on(tmp_path: Path) -> None:
    """Where the swarm has one; what had come back is not run again."""
    swarm = Swarm("a", "b", "c")
    swarm.managers = {"a", "b"}
    swarm.dies = {"a": 4}
    made, _ = submission(swarm, tmp_path)
    made.carry_out()
    assert made.ledger.left(tmp_path) == []
    assert swarm.jobs[1] == (4,)
    assert swarm.strangers[1] == ["a"]


def test_the_last_manager_ends_it(tmp_path: Path) -> None:
    """Nobody else can hand out shards; those that came back stay."""
    swarm = Swarm("a", "b")
    swarm.dies = {"a": 3}
    made, _ = submission(swarm, tmp_path)
    with pytest.raises(HostVanished, match="nobody else can hand out shards"):
        made.carry_out()
    assert made.ledger.gathered(tmp_path) == [1, 2]
