"""A user's own redis.conf, sentinel.conf and users.acl on real nodes, through the real command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ExitStatus
from tests.builders_kit import Kit

pytestmark = pytest.mark.process

REDIS = """\
bind 10.1.2.3
requirepass hunter2
masterauth hunter3
masteruser copier
save 3600 1
maxmemory 100mb
maxmemory-policy noeviction
rename-command FLUSHALL ""
rename-command DEBUG ""
"""
SENTINEL = """\
sentinel monitor mymaster 10.1.2.3 6379 2
sentinel auth-pass mymaster hunter4
sentinel auth-user mymaster watcher
sentinel down-after-milliseconds mymaster 1300
sentinel failover-timeout mymaster 6000
requirepass hunter5
"""
USERS = """\
user app on >hunter6 ~* &* +@all -@dangerous
user copier on >hunter3 +psync +replconf +ping
user watcher on >hunter4 allchannels +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish \
+info +client|setname +client|kill +script|kill
"""
ALLOWED = "".join(
    f'  {name}: ">= 0"\n'
    for name in (
        "no-recovery", "replica-divergence", "lost-session", "lost-write", "lost-update", "expired-early",
        "resurrected-session",
    )
)  # fmt: skip
"""What is not the question here, and may be open on a busy machine."""

KILLED = f"""\
scenario: 1
name: primary killed
deployment: {{topology: {{kind: sentinel}}}}
workload: {{rate: 60/s, users: 40, mix: {{log-in: 10, read: 60, cart: 20, logout: 10}}}}
faults:
  - {{after: 1s, kill: primary}}
settle_within: 12s
expect:
  failovers: 0
{ALLOWED}"""
BACK = (
    KILLED.replace("settle_within", "  - {after: promoted + 1s, restart: killed}\nsettle_within")
    .replace("12s", "25s")
    .replace("failovers: 0", "failovers: 1")
)


def deployment(topology: str, client: str = "{}") -> str:
    return f"deployment: 1\ntopology: {{kind: sentinel, {topology}}}\nclient: {client}\n"


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    made = Kit(tmp_path)
    made.write("redis.conf", REDIS)
    made.write("sentinel.conf", SENTINEL)
    made.write("users.acl", USERS)
    made.write("killed.yaml", KILLED)
    made.write("back.yaml", BACK)
    return made


def run(kit: Kit, scenario: str, *deployments: str) -> None:
    ran = kit.run("run", scenario, *deployments, "--backend", "process", "--seed", "3")
    assert ran.returncode in {ExitStatus.PASSED, ExitStatus.INCONCLUSIVE}, ran.stdout + ran.stderr
    assert "NOT MET" not in ran.stdout, ran.stdout


def folder(kit: Kit) -> Path:
    """Of the scenario; of its second run, if there was one."""
    found = (path for path in kit.latest.iterdir() if path.is_dir())
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def findings(where: Path) -> dict[str, Any]:
    found = json.loads((where / "findings.json").read_text(encoding="utf-8"))
    return {one["name"]: one for one in (found["findings"] if isinstance(found, dict) else found)}


def test_failover_with_passwords_users_and_a_service_of_ones_own(kit: Kit) -> None:
    """The application, replicas and sentinels each log in as a user of their own; the old primary comes back."""
    files = "redis_conf: ./redis.conf, sentinel_conf: ./sentinel.conf, users_acl: ./users.acl"
    kit.write("ours.yaml", deployment(files, "{user: app}"))
    run(kit, "back.yaml", "ours.yaml")
    where = folder(kit)
    assert "no-recovery" not in findings(where)
    sentinel = (where / "nodes" / "sentinel-1.conf").read_text(encoding="utf-8")
    assert "sentinel monitor mymaster " in sentinel
    for path in where.rglob("*"):
        if path.is_file():
            assert b"hunter" not in path.read_bytes(), path


def test_renamed_config_is_why_nobody_is_promoted(kit: Kit) -> None:
    """By that name: Sentinel sends CONFIG REWRITE, and the chosen replica knows no such command."""
    kit.write("redis.conf", "requirepass hunter2\nmasterauth hunter2\nrename-command CONFIG ADMINCONFIG\n")
    kit.write("ours.yaml", deployment("failover_timeout: 2s, redis_conf: ./redis.conf"))
    run(kit, "killed.yaml", "ours.yaml")
    found = findings(folder(kit))["no-recovery"]
    assert found["cause"] == "command renamed", found
    assert "the chosen replica does not know CONFIG, which is renamed there" in found["because"]


def test_sentinels_that_know_the_new_name_promote_somebody(kit: Kit) -> None:
    """With its line in sentinel.conf the same redis.conf fails over."""
    kit.write("redis.conf", "requirepass hunter2\nmasterauth hunter2\nrename-command CONFIG ADMINCONFIG\n")
    kit.write(
        "sentinel.conf",
        "sentinel monitor mymaster 10.1.2.3 6379 2\nsentinel auth-pass mymaster hunter2\n"
        "sentinel down-after-milliseconds mymaster 1300\nsentinel failover-timeout mymaster 6000\n"
        "sentinel rename-command mymaster CONFIG ADMINCONFIG\n",
    )
    kit.write("ours.yaml", deployment("redis_conf: ./redis.conf, sentinel_conf: ./sentinel.conf"))
    run(kit, "back.yaml", "ours.yaml")
    assert "no-recovery" not in findings(folder(kit))


def test_old_primary_without_masterauth_never_comes_back(kit: Kit) -> None:
    """By that name: its new primary asks for a password that it has not."""
    roles = "primary: {requirepass: hunter2}, replica: {requirepass: hunter2, masterauth: hunter2}"
    kit.write("ours.yaml", deployment(roles))
    run(kit, "back.yaml", "ours.yaml")
    found = findings(folder(kit))["no-recovery"]
    assert found["cause"] == "replica cannot log in", found
    assert "redis-1 cannot log in at its primary: it has no masterauth: NOAUTH" in found["because"]
