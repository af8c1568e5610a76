"""HAProxy before Sentinel with real nodes, through the real command: which node answered, what the proxy said."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import history
from harness.errors import ExitStatus
from harness.model.history import History
from harness.model.seams import Address
from harness.model.words import NodeRole
from harness.scenario import scenario_of
from harness.topology.base.certificates import FOLDER, files, secrets_of
from harness.topology.base.configuration import render
from harness.topology.process import network, proxy_program
from tests.builders_kit import Kit
from tests.builders_scenario import plan_of

WHY_NOT = proxy_program.missing() or network.trial()
pytestmark = [pytest.mark.process, pytest.mark.skipif(bool(WHY_NOT), reason=str(WHY_NOT))]

KILLED = """\
scenario: 1
name: primary killed behind a proxy
deployment:
  topology: {kind: sentinel, proxy: haproxy, proxies: 2, shape: fast}
  client: {connect_per_request: 33%}
workload: {rate: 60/s, users: 40, mix: {log-in: 1, read: 2, change-field: 4}}
faults:
  - {after: 1s, kill: proxy, for: 2s}
  - {after: 4s, kill: primary}
expect:
  failovers: 1
"""
THEIRS = r"""
global
    daemon
    lua-load /etc/haproxy/never.lua
defaults
    mode tcp
    timeout connect 2s
    timeout server 30s
    timeout client 30s
frontend redis_in
    bind *:6378
    default_backend redis_out
backend redis_out
    option tcp-check
    tcp-check connect
    tcp-check send AUTH\ hunter2\r\n
    tcp-check expect string +OK
    tcp-check send info\ replication\r\n
    tcp-check send QUIT\r\n
    tcp-check expect string role:master
    default-server check inter 300ms fall 1 rise 1 on-marked-down shutdown-sessions
    server R1 10.0.0.1:6380
    server R2 10.0.0.2:6380
    server R3 10.0.0.3:6380
"""
ENCRYPTED = r"""
global
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode tcp
    timeout connect 2s
    timeout server 30s
    timeout client 30s
frontend redis_in
    bind *:6378 ssl crt /etc/ours.pem ca-file /etc/ours.crt verify required
    default_backend redis_out
backend redis_out
    option tcp-check
    tcp-check connect ssl
    tcp-check send info\ replication\r\n
    tcp-check send QUIT\r\n
    tcp-check expect string role:master
    tcp-check connect addr 10.0.1.1 port 26379 ssl
    tcp-check send SENTINEL\ ckquorum\ mymaster\r\n
    tcp-check send QUIT\r\n
    tcp-check expect string +OK
    default-server check inter 300ms ssl verify required ca-file /etc/ours.pem verifyhost redis.ours
    server R1 10.0.0.1:6380
    server R2 10.0.0.2:6380
    server R3 10.0.0.3:6380
"""
CHECKED = """
defaults
    mode tcp
    option redis-check
    timeout connect 1s
    timeout client 1s
    timeout server 1s
listen redis
    bind *:6379
    server-template redis- 3 _redis._tcp.ours:6379 check
"""
OURS = """\
deployment: 1
topology: {kind: sentinel, redis_conf: ./redis.conf, haproxy_cfg: ./haproxy.cfg}
"""


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    made = Kit(tmp_path)
    made.write("killed.yaml", KILLED)
    return made


def ran(kit: Kit, *words: str) -> tuple[History, Path, dict[str, Any]]:
    done = kit.run("run", "--backend", "process", "--scenario", "killed.yaml", "--seed", "3", *words)
    assert done.returncode in {ExitStatus.PASSED, ExitStatus.INCONCLUSIVE}, done.stdout + done.stderr
    (folder,) = (one for one in kit.latest.iterdir() if one.is_dir())
    (said,) = json.loads((kit.latest / "summary.json").read_text(encoding="utf-8"))["scenarios"]
    return history.read(folder), folder, said


def test_every_write_names_its_node_behind_the_proxy(kit: Kit) -> None:
    """The node before the failover and the one after it; the proxy's view changes with them."""
    past, folder, _ = ran(kit)
    nodes = {one.node for one in past.connections}
    assert "redis-1" in nodes
    assert len(nodes) >= 2
    assert nodes <= {"redis-1", "redis-2", "redis-3"}
    said = {(one.source, one.detail) for one in past.events if one.name == "proxy-says"}
    assert ("proxy-2", "redis-1 UP, redis-2 DOWN, redis-3 DOWN") in said
    assert ("proxy-1", "no answer") in said
    assert {source for source, _ in said} == {"proxy-1", "proxy-2"}
    without_pool = [one for one in past.connections if one.web_server == "web-3" and one.closed_us]
    with_pool = [one for one in past.connections if one.web_server == "web-1"]
    assert len(without_pool) > 3 * len(with_pool)
    written = (folder / "nodes" / "proxy-1.conf").read_text(encoding="utf-8")
    assert "on-marked-down shutdown-sessions" in written
    assert "<redacted>" in written


def test_file_of_theirs_works_with_their_passwords_and_bounds_the_verdict(kit: Kit) -> None:
    """Its servers follow the failover under their own names; the script that it loads is never started, and a
    run without it cannot pass."""
    kit.write("redis.conf", "requirepass hunter2\nmasterauth hunter2\n")
    kit.write("haproxy.cfg", THEIRS)
    kit.write("ours.yaml", OURS)
    past, folder, said = ran(kit, "--deployment", "ours.yaml", "--set", "faults.0.kill=replica")
    assert said["verdict"] == "INCONCLUSIVE"
    assert {"directive": "lua-load", "decides": True}.items() <= _left_out(said, "lua-load").items()
    views = [one.detail for one in past.events if one.name == "proxy-says"]
    assert views[0] == "redis-1 UP, redis-2 DOWN, redis-3 DOWN"
    assert views[-1] in {"redis-1 DOWN, redis-2 UP, redis-3 DOWN", "redis-1 DOWN, redis-2 DOWN, redis-3 UP"}
    assert {one.node for one in past.connections} - {"redis-1"}
    for file in folder.rglob("*"):
        assert not file.is_file() or b"hunter" not in file.read_bytes()
    assert "server R2 " in (folder / "nodes" / "proxy-1.conf").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["haproxy.cfg", "checked.cfg", "encrypted.cfg"])
def test_haproxy_itself_takes_what_is_made_of_a_file(file: str, kit: Kit) -> None:
    """No line of ours breaks one of theirs, also where `option redis-check` gets a login."""
    kit.write("haproxy.cfg", THEIRS)
    kit.write("checked.cfg", CHECKED)
    kit.write("encrypted.cfg", ENCRYPTED)
    path = kit.folder / "ours.yaml"
    path.write_text(f"deployment: 1\ntopology: {{kind: sentinel, haproxy_cfg: ./{file}}}\n", encoding="utf-8")
    plan = plan_of(scenario_of(path))
    at = {one.name: Address(f"198.18.0.{n}", one.usual_port) for n, one in enumerate(plan.nodes, 1)}
    secrets = secrets_of(plan)
    folder = kit.folder / "with a space"
    (folder / FOLDER).mkdir(parents=True)
    for name, text in files(secrets.certificates, NodeRole.PROXY).items() if secrets.certificates else ():
        (folder / FOLDER / name).write_text(text, encoding="ascii")
    made = kit.folder / "made.cfg"
    made.write_text(
        render(plan.node("proxy-1"), plan, addresses=at, secrets=secrets, directory=str(folder)),
        encoding="utf-8",
    )
    said = subprocess.run(
        [str(proxy_program.path()), "-c", "-f", str(made)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "WARNING" not in said.stderr


def _left_out(said: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one for one in said["left_out"] if one["directive"] == name)
    return dict(found)
