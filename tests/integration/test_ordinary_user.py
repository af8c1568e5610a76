"""Without root, through the real command: nodes have networks of their own in a user namespace.

numpy and pyarrow start threads when they are imported, and a process with threads cannot enter a user
namespace: whatever changes what is imported early must still pass here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
import redis

from tests.builders_kit import one_line
from tests.builders_user import OrdinaryUser, ordinary_user

pytestmark = pytest.mark.process

CUT_OFF = """\
scenario: 1
name: a replica is cut off for a second
deployment: {topology: {kind: sentinel, replicas: 1, sentinels: 1}}
workload: {rate: 100/s, users: 20, mix: {log-in: 10, read: 60, change-field: 30}}
faults:
  - {after: 1s, isolate: replica, for: 1s}
"""


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as user:
        if not user.may_make_networks():
            pytest.skip("user namespaces are not allowed here")
        yield user


def test_doctor_says_what_an_ordinary_user_can_do(user: OrdinaryUser) -> None:
    """Processes with network faults, although this is not root."""
    said = user.kit("doctor")
    assert said.returncode == 0, said.stderr
    assert "process backend: yes" in said.stdout
    assert "network faults (isolate, cut, cut replication, lose): yes" in said.stdout


def test_scenario_with_a_network_fault_runs(user: OrdinaryUser) -> None:
    """The fault took effect, in a network of the nodes' own; results are this user's."""
    user.write("cut-off.yaml", CUT_OFF)
    ran = user.kit("run", "--backend", "process", "--scenario", "cut-off.yaml", "--seed", "1")
    assert ran.returncode in {0, 3}, ran.stdout + ran.stderr  # 3: this machine was too busy to judge
    folder = user.folder / "runs" / "latest" / "cut-off"
    known = json.loads((folder / "environment.json").read_text())
    assert known["loopback"] is False
    assert "effect: redis-2 (run " in ran.stdout
    assert (folder / "history.jsonl.gz").stat().st_uid == user.entry.pw_uid
    assert (folder / "run.log").read_text() == ""


def test_topologies_are_held_harmed_and_taken_down(user: OrdinaryUser) -> None:
    """Each verb finds its way into the network of the one that is meant; the printed way in works. What watches
    the nodes in there is called from outside."""
    user.write("cut-off.yaml", CUT_OFF)
    names = []
    for _ in range(2):
        up = user.kit("up", "--own-network", "--backend", "process", "--scenario", "cut-off.yaml")
        assert up.returncode == 0, up.stdout + up.stderr
        names.append(up.stdout.split()[2].rstrip(","))
    try:
        status = user.kit("status")
        assert status.returncode == 0, status.stderr
        assert status.stdout.count("running  primary") == 2
        way_in = next(line.rpartition(": ")[2] for line in up.stdout.splitlines() if "nsenter" in line)
        entered = user.call(*way_in.split(), "cat", "/proc/net/dev")
        assert "rfk-" in entered.stdout, entered.stderr

        cut = user.kit("inject", "--run", names[0], "{isolate: replica, for: 0.5s}")
        assert cut.returncode == 0, cut.stdout + cut.stderr
        assert "healed: cuts lifted" in cut.stdout
        killed = user.kit("inject", "--run", names[1], "kill: primary")
        assert "process gone: redis-1" in killed.stdout, killed.stderr
    finally:
        for name in names:
            assert user.kit("down", name).returncode == 0
    assert "no topology is held" in user.kit("status").stdout
    assert user.kit("clean").stdout == "nothing to remove\n"


def test_held_nodes_are_in_reach_of_the_users_shell(user: OrdinaryUser) -> None:
    """On the machine's loopback address; what that costs is said, and refused when it is asked for."""
    up = user.kit("up", "sentinel", "--backend", "process")
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        assert "isolate, cut, cut replication, slow cannot be injected: without root" in up.stdout
        assert "nsenter" not in up.stdout
        variables = json.loads(user.kit("status", "--json").stdout)[0]["environment"]
        with redis.Redis.from_url(variables["REDIS_URL"]) as shell:
            assert shell.ping()
        refused = user.kit("inject", "isolate: primary")
        assert (refused.returncode, one_line(refused.stderr)) == (2, True), refused.stderr
        assert "--own-network" in refused.stderr
    finally:
        assert user.kit("down").returncode == 0


def test_pytest_runs_a_scenario_beside_a_harness_of_the_project(user: OrdinaryUser) -> None:
    """A project's own package `harness` and the kit's do not meet; neither do its redis.py and yaml.py."""
    user.write("project/cut-off.yaml", CUT_OFF)
    user.write("project/harness/__init__.py", "OURS = True\n")
    user.write("project/test_ours.py", "def test_ours():\n    from harness import OURS\n    assert OURS\n")
    for name in ("redis.py", "yaml.py"):
        user.write(f"project/{name}", "raise SystemError('not for the kit')\n")
    plugin = ("-p", "failover_kit.pytest_plugin", "-p", "no:cacheprovider")
    tested = user.call(
        *("sh", "-c", 'cd project && exec "$0" "$@"', str(user.python), "-m", "pytest", *plugin),
        *("--rootdir", ".", "--failover-backend=process", "--failover-seed=2", "-v"),
        *(() if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD") else ("-p", "no:failover_kit")),
    )
    said = tested.stdout + tested.stderr
    assert "test_ours.py::test_ours PASSED" in said
    assert "cut-off.yaml::cut-off PASSED" in said or "INCONCLUSIVE" in said, said
    assert (user.folder / "project" / "runs" / "latest" / "junit.xml").is_file()
