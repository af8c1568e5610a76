"""What leads out of a project, in its Compose file and in what it mounts."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.model.deployment import Project
from harness.topology.compose import reading, starting


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads a project whose normalised form is given; what warnings Compose printed may be."""

    def read_one(project: dict[str, Any], warned: str = "") -> Any:
        def run(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess(words, 0, stdout=json.dumps(project), stderr=warned)

        monkeypatch.setattr(subprocess, "run", run)
        file = tmp_path / "docker-compose.yml"
        file.touch()
        return reading.read(file)

    return read_one


def service(command: str, **more: Any) -> dict[str, Any]:
    return {"services": {"redis": {"image": "redis", "command": command, **more}}}


def test_an_announced_address_must_be_the_projects_own(read: Any, tmp_path: Path) -> None:
    """In a command or in a file; an address of its network, and its own name, are."""
    inside = {"networks": {"back": {"ipam": {"config": [{"subnet": "172.30.0.0/24"}]}}}}
    for host in ("172.30.0.9", "redis"):
        assert read({**service(f"redis-server --replica-announce-ip {host}"), **inside})
    with pytest.raises(UsageError, match=r"service redis: announces its node as 10\.1\.2\.3"):
        read(service("redis-server --replica-announce-ip 10.1.2.3"))
    conf = tmp_path / "redis.conf"
    conf.write_text("cluster-announce-ip shop.example.org\n")
    mount = {"type": "bind", "source": str(conf), "target": "/redis.conf"}
    with pytest.raises(UsageError, match=f"{re.escape(str(conf))}: announces its node as shop"):
        read(service("redis-server /redis.conf", volumes=[mount]))


def test_a_primary_outside_is_refused(read: Any) -> None:
    """Its data would be another system's."""
    with pytest.raises(UsageError, match=r"follows or watches db\.example\.org"):
        read(service("redis-server --replicaof db.example.org 6379"))


def test_a_variable_without_a_value_is_refused(read: Any) -> None:
    """Compose would put an empty password in its place."""
    said = 'level=warning msg="The \\"REDIS_PASSWORD\\" variable is not set. Defaulting to a blank string."'
    with pytest.raises(UsageError, match="found none for REDIS_PASSWORD"):
        read(service("redis-server"), said)


def test_sessions_are_in_a_service_of_the_project() -> None:
    """Said before anything starts."""
    project: dict[str, Any] = {"services": {"redis": {}, "app": {}}}
    for named in ("", "redis", "redis-2"):
        starting.check_sessions(Project(file="c.yml", sessions=named), project)
    with pytest.raises(UsageError, match=r"expected a service of the project \(app, redis\), found 'cache'"):
        starting.check_sessions(Project(file="c.yml", sessions="cache"), project)
