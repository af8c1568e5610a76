"""A user's own redis.conf, sentinel.conf and users.acl: what nodes are given, and how everybody logs in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from harness import plan as planning
from harness.errors import UsageError
from harness.model.credentials import (
    KIT_USER,
    client_login,
    guard_password,
    kit_login,
    new_secrets,
    sentinel_login,
    tokens_of,
)
from harness.model.deployment import Deployment
from harness.model.pins import Pins
from harness.model.plan import Plan
from harness.model.seams import Address, Login, Machine, Secrets
from harness.model.words import BackendKind
from harness.scenario import load_deployment, scenario_of
from harness.topology.base.configuration import redact, render
from tests.builders_topology import process_plan

REDIS = """\
bind 10.0.0.1
replicaof 10.0.0.9 6379
requirepass hunter2
masterauth hunter2
maxmemory 100mb
save 900 1
save 300 10
rename-command CONFIG ADMINCONFIG
rename-command FLUSHALL ""
"""
SENTINEL = """\
port 26379
sentinel monitor mymaster redis-1.ours 6380 3
sentinel auth-pass mymaster hunter2
sentinel down-after-milliseconds mymaster 1500
sentinel failover-timeout mymaster 9000
sentinel parallel-syncs mymaster 2
sentinel known-replica mymaster 10.0.0.2 6380
"""
USERS = f"""\
user default off
user app on >hunter5 ~* &* +@all -@dangerous
user copier on #{hashlib.sha256(b"hunter2").hexdigest()} +psync +replconf +ping
"""


def deployment(
    tmp_path: Path, topology: str = "kind: sentinel", client: str = "{}", **files: str
) -> Deployment:
    names = {"redis": "redis_conf", "sentinel": "sentinel_conf", "users": "users_acl"}
    given = "".join(f", {names[name]}: ./{name}.txt" for name in files)
    for name, text in files.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    path = tmp_path / "ours.yaml"
    path.write_text(f"deployment: 1\ntopology: {{{topology}{given}}}\nclient: {client}\n", encoding="utf-8")
    return load_deployment(path)


def planned(given: Deployment) -> Plan:
    return planning.compile(
        scenario_of(Path(given.file)),
        seed=1,
        backend=BackendKind.PROCESS,
        machine=Machine(backend=BackendKind.PROCESS, network_faults=True),
        fits={},
        findings={},
    )


def lines(plan: Plan, node: str, secrets: Secrets) -> list[str]:
    addresses = {one.name: Address(f"198.18.0.{n}", 6379) for n, one in enumerate(plan.nodes, 2)}
    text = render(plan.node(node), plan, addresses=addresses, secrets=secrets, directory="/data")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def said(found: list[str], *names: str) -> list[str]:
    return [line for line in found if line.split()[0] in names or " ".join(line.split()[:2]) in names]


def test_redis_conf_is_given_to_every_data_node(tmp_path: Path) -> None:
    """Lines that add up all, the others by their last one; what the deployment says itself wins."""
    given = deployment(
        tmp_path, "kind: sentinel, redis: {maxmemory: 5mb}", redis=REDIS + "maxmemory 7mb\ntimeout 3\n"
    )
    topology = given.topology
    assert topology.redis["maxmemory"] == "5mb"
    assert topology.redis["timeout"] == "3"
    assert topology.redis["save"] == ("900 1", "300 10")
    plan = planned(given)
    secrets = new_secrets(plan)
    for node in ("redis-1", "redis-3"):
        assert said(lines(plan, node, secrets), "save") == ['save ""', "save 900 1", "save 300 10"]


def test_no_password_of_a_file_goes_anywhere(tmp_path: Path) -> None:
    """Neither into the plan nor into a node: each is a random one per run, and none in what is shown."""
    plan = planned(deployment(tmp_path, redis=REDIS, sentinel=SENTINEL, users=USERS))
    assert b"hunter" not in msgspec.json.encode(plan)
    secrets = new_secrets(plan)
    assert set(secrets.own) == set(tokens_of(plan))
    assert len(set(secrets.all)) == len(secrets.all)
    for node in plan.nodes:
        told = "\n".join(lines(plan, node.name, secrets))
        assert "hunter" not in told
        assert "own-secret" not in told
        assert not any(secret in redact(told, secrets) for secret in secrets.all)
    assert new_secrets(plan) != secrets


def test_equal_passwords_stay_equal_and_others_different(tmp_path: Path) -> None:
    """In clear or hashed, in all three files."""
    plan = planned(deployment(tmp_path, redis=REDIS, sentinel=SENTINEL, users=USERS))
    secrets = new_secrets(plan)
    data, guard = lines(plan, "redis-1", secrets), lines(plan, "sentinel-1", secrets)
    password = said(data, "requirepass")[0].split()[1]
    assert said(data, "masterauth") == [f"masterauth {password}"]
    assert said(guard, "sentinel auth-pass") == [f"sentinel auth-pass mymaster {password}"]
    users = said(data, "user")
    assert any(line.startswith("user copier") and password in line for line in users)
    assert any(line.startswith("user app") and password not in line for line in users)


def test_what_is_missing_in_the_files_is_missing_in_the_run(tmp_path: Path) -> None:
    """No masterauth there, none here; no auth-pass in a sentinel.conf, none here."""
    given = deployment(
        tmp_path,
        redis="requirepass x\n",
        sentinel=SENTINEL.replace("sentinel auth-pass mymaster hunter2\n", ""),
    )
    plan = planned(given)
    secrets = new_secrets(plan)
    assert said(lines(plan, "redis-2", secrets), "masterauth") == []
    assert said(lines(plan, "sentinel-1", secrets), "sentinel auth-pass") == []


def test_sentinels_of_the_kit_log_in_with_the_users_password(tmp_path: Path) -> None:
    """Without a sentinel.conf they are configured to work."""
    plan = planned(deployment(tmp_path, redis="requirepass x\nmasterauth x\n"))
    secrets = new_secrets(plan)
    password = said(lines(plan, "redis-1", secrets), "requirepass")[0].split()[1]
    assert guard_password(plan, secrets) == password
    assert f"sentinel auth-pass sessions {password}" in lines(plan, "sentinel-1", secrets)


def test_a_sentinel_conf_alone_leaves_data_nodes_to_the_kit(tmp_path: Path) -> None:
    """Its auth-pass is that of nodes that are not here."""
    plan = planned(deployment(tmp_path, sentinel=SENTINEL))
    secrets = new_secrets(plan)
    assert said(lines(plan, "redis-1", secrets), "requirepass") == [f"requirepass {secrets.redis}"]
    assert said(lines(plan, "sentinel-1", secrets), "sentinel auth-pass") == [
        f"sentinel auth-pass mymaster {secrets.redis}"
    ]


def test_sentinel_conf_becomes_the_topologys_own_keys(tmp_path: Path) -> None:
    """So that bounds refer to them; a key of the deployment wins."""
    topology = deployment(
        tmp_path, "kind: sentinel, sentinels: 5, down_after: 2s", sentinel=SENTINEL
    ).topology
    assert (topology.service, topology.quorum, topology.down_after_s) == ("mymaster", 3, 2.0)
    assert (topology.failover_timeout_s, topology.parallel_syncs) == (9.0, 2)
    left = {one.name: one.decides for one in topology.left_out}
    assert left == {"port": False, "sentinel monitor": False, "sentinel known-replica": False}


def test_without_save_lines_the_servers_default_counts(tmp_path: Path) -> None:
    """As on the user's machine; the kit's own `save ""` is for deployments that say nothing."""
    assert deployment(tmp_path, redis="timeout 1\n").topology.redis["save"] == "3600 1 300 100 60 10000"
    assert deployment(tmp_path, redis='save ""\n').topology.redis["save"] == '""'
    assert "save" not in deployment(tmp_path, users="user a on nopass +@all\n").topology.redis


def test_kit_logs_in_as_a_user_of_its_own(tmp_path: Path) -> None:
    """Where nodes have credentials of somebody's; elsewhere with the run's password, as ever."""
    plan = planned(deployment(tmp_path, redis=REDIS))
    secrets = new_secrets(plan)
    login = kit_login(plan, "redis-1", secrets)
    assert login.auth() == ("AUTH", KIT_USER, secrets.redis)
    assert f"user {KIT_USER} on >{secrets.redis} ~* &* +@all" in lines(plan, "redis-1", secrets)
    assert kit_login(plan, "sentinel-1", secrets) == Login(password=secrets.sentinel)
    assert kit_login(process_plan("sentinel"), "redis-1", secrets).auth() == ("AUTH", secrets.redis)


def test_kit_knows_commands_by_their_new_names(tmp_path: Path) -> None:
    """Also one that is switched off: it has a name that nobody else knows."""
    plan = planned(deployment(tmp_path, redis=REDIS))
    secrets = new_secrets(plan)
    renamed = kit_login(plan, "redis-1", secrets).renamed
    assert renamed["CONFIG"] == "ADMINCONFIG"
    assert said(lines(plan, "redis-1", secrets), "rename-command") == [
        "rename-command CONFIG ADMINCONFIG",
        f"rename-command FLUSHALL {renamed['FLUSHALL']}",
    ]
    assert renamed["FLUSHALL"] in secrets.own.values()


def test_client_logs_in_as_the_application_does(tmp_path: Path) -> None:
    """As its ACL user, or as the default user with what the first primary wants of it."""
    as_app = planned(deployment(tmp_path, client="{user: app}", redis=REDIS, users=USERS))
    secrets = new_secrets(as_app)
    login = client_login(as_app, secrets)
    assert login.user == "app"
    assert any(f">{login.password}" in line for line in said(lines(as_app, "redis-1", secrets), "user"))
    by_default = planned(deployment(tmp_path, redis=REDIS))
    secrets = new_secrets(by_default)
    login = client_login(by_default, secrets)
    assert login.user is None
    assert said(lines(by_default, "redis-1", secrets), "requirepass") == [f"requirepass {login.password}"]
    assert sentinel_login(by_default, secrets).password == secrets.sentinel
    open_ones = planned(deployment(tmp_path, users="user default on nopass ~* +@all\n"))
    assert client_login(open_ones, new_secrets(open_ones)).password == ""


def test_pinned_password_is_refused_where_files_have_their_own(tmp_path: Path) -> None:
    """Those of the files are random in each run; what the files say nothing of can be pinned."""
    plan = planned(deployment(tmp_path, redis=REDIS))
    with pytest.raises(UsageError, match="credentials in the deployment's own files"):
        new_secrets(plan, Pins(password="secret"))
    assert new_secrets(plan, Pins(sentinel_password="")).sentinel == ""


def test_sentinels_own_password_is_the_applications_too(tmp_path: Path) -> None:
    """A requirepass in sentinel.conf."""
    plan = planned(deployment(tmp_path, sentinel=SENTINEL + "requirepass other\n"))
    secrets = new_secrets(plan)
    password = sentinel_login(plan, secrets).password
    found = lines(plan, "sentinel-1", secrets)
    assert said(found, "requirepass") == [f"requirepass {password}"]
    assert said(found, "sentinel sentinel-pass") == []
    assert kit_login(plan, "sentinel-1", secrets).user == KIT_USER


REFUSED = {
    "no file": (
        {"redis": ""},
        "kind: sentinel, users_acl: ./none.acl",
        r"users_acl: .*none\.acl: cannot be read",
    ),
    "another kind": (
        {"redis": SENTINEL},
        "kind: sentinel",
        r"redis_conf: expected a redis\.conf, found a sentinel\.conf",
    ),
    "a project": (
        {"sentinel": "services:\n  a: {}\n"},
        "kind: sentinel",
        r"sentinel_conf: expected a sentinel\.conf, found a Compose project",
    ),
    "unknown directive": (
        {"redis": "timeout 1\nmaxmemroy 1\n"},
        "kind: sentinel",
        r"redis\.txt:2: maxmemroy: .*did you mean",
    ),
    "impossible value": (
        {"redis": "appendfsync sometimes\n"},
        "kind: sentinel",
        r"redis\.txt:1: appendfsync: expected",
    ),
    "no line": ({"redis": "requirepass 'open\n"}, "kind: sentinel", r"redis\.txt:1: quotes are not closed"),
    "two services": (
        {"sentinel": SENTINEL + "sentinel monitor other 1.2.3.4 1 2\n"},
        "kind: sentinel",
        r"sentinel\.txt:8: sentinel monitor: expected one guarded primary",
    ),
    "quorum that is out of reach": (
        {"sentinel": SENTINEL},
        "kind: sentinel, sentinels: 2",
        "can never agree",
    ),
    "sentinels of a single node": ({"sentinel": SENTINEL}, "kind: single", "does not apply to single"),
    "half a rename": (
        {"redis": "rename-command CONFIG\n"},
        "kind: single",
        r"redis\.txt:1: rename-command: expected",
    ),
    "two passwords": (
        {"redis": "requirepass hunter2 x\n"},
        "kind: single",
        r"redis\.txt:1: requirepass: expected one",
    ),
}


@pytest.mark.parametrize(("files", "topology", "said"), REFUSED.values(), ids=REFUSED)
def test_mistakes_have_their_place_in_the_users_file(
    files: dict[str, str], topology: str, said: str, tmp_path: Path
) -> None:
    """File and line, what was expected; a password is never quoted."""
    with pytest.raises(UsageError, match=said) as raised:
        deployment(tmp_path, topology, **files)
    assert "hunter" not in str(raised.value)


def test_user_of_a_client_must_be_defined(tmp_path: Path) -> None:
    """Else every request would be refused, and nobody would know why."""
    with pytest.raises(
        UsageError, match=r"client\.user: expected a user of 'users_acl', found 'ap'; there: app, copier"
    ):
        deployment(tmp_path, client="{user: ap}", users=USERS)


@pytest.mark.parametrize(
    ("lines", "decide"),
    [
        ("tls-port 0\ntls-replication no\ntls-cluster no\ntls-cert-file /etc/x.crt\ntls-ca-cert-dir /etc/ssl\n", []),
        ('replica-announced yes\ncluster-announce-hostname ""\ncluster-preferred-endpoint-type ip\n', []),
        ("tls-replication yes\nreplica-announced no\ncluster-preferred-endpoint-type hostname\n",
         ["tls-replication", "replica-announced", "cluster-preferred-endpoint-type"]),
    ],
)  # fmt: skip
def test_line_that_says_the_servers_default_decides_nothing(
    lines: str, decide: list[str], tmp_path: Path
) -> None:
    """A run is like that, though no node is given the line; certificates are nothing without a port for TLS."""
    spec = deployment(tmp_path, redis=lines).topology
    assert len(spec.everything_left_out) == lines.count("\n")
    assert [one.name for one in spec.everything_left_out if one.decides] == decide


def test_what_cannot_be_honoured_is_listed_and_decides(tmp_path: Path) -> None:
    """Modules, includes, announced hostnames, and commands that clients send under their own names."""
    text = (
        "include /etc/x.conf\nloadmodule x.so\nreplica-announce-ip db-1\nrename-command SET x\naclfile /x\n"
    )
    left = deployment(tmp_path, redis=text).topology.left_out
    assert [one.name for one in left] == [
        "include", "loadmodule", "replica-announce-ip", "rename-command", "aclfile",
    ]  # fmt: skip
    assert all(one.decides and one.table == "redis_conf" for one in left)
    assert "aclfile" not in [
        one.name for one in deployment(tmp_path, redis=text, users=USERS).topology.left_out
    ]


@pytest.mark.parametrize(
    ("line", "decides"),
    [
        ("replica-announce-ip 10.0.0.7", False),
        ("replica-announce-ip fd00::7", False),
        ('replica-announce-ip ""', False),
        ("slave-announce-port 7000", False),
        ("cluster-announce-bus-port 17000", False),
        ("replica-announce-ip db-1.internal", True),
        ("cluster-announce-hostname db-1.internal", True),
        ("replica-announced no", True),
    ],
)
def test_node_announces_its_own_address_as_on_their_machines(
    tmp_path: Path, line: str, decides: bool
) -> None:
    """Which is another one in each run. A name would have to be resolved, which is a part of what is asked."""
    (one,) = deployment(tmp_path, redis=f"{line}\n").topology.left_out
    assert one.decides is decides
    assert ("announces its own address" in one.why) is not decides


@pytest.mark.parametrize(
    ("line", "decides"),
    [
        ("sentinel announce-ip 10.0.0.7", False),
        ("sentinel announce-port 26380", False),
        ("sentinel resolve-hostnames no", False),
        ("sentinel resolve-hostnames yes", True),
        ("sentinel announce-hostnames yes", True),
    ],
)
def test_sentinel_announces_its_own_address_as_on_their_machines(
    tmp_path: Path, line: str, decides: bool
) -> None:
    """The same."""
    (one,) = deployment(tmp_path, sentinel=f"{line}\n").topology.left_out
    assert one.decides is decides


@pytest.mark.parametrize(
    ("text", "timing", "down_after_s", "failover_timeout_s"),
    [
        ("sentinel monitor m 1.2.3.4 6379 2\n", "", 30.0, 180.0),
        ("sentinel monitor m 1.2.3.4 6379 2\nsentinel failover-timeout m 9000\n", "", 30.0, 9.0),
        ("sentinel monitor m 1.2.3.4 6379 2\nsentinel failover-timeout m 9000\n", "fast", 1.2, 9.0),
        ("sentinel monitor m 1.2.3.4 6379 2\n", "production", 5.0, 60.0),
    ],
)
def test_a_sentinel_conf_that_is_silent_has_the_servers_times(
    tmp_path: Path, text: str, timing: str, down_after_s: float, failover_timeout_s: float
) -> None:
    """As on the user's machine, unless the deployment names a profile."""
    (tmp_path / "s.conf").write_text(text)
    named = f"timing: {timing}\n" if timing else ""
    file = tmp_path / "ours.yaml"
    file.write_text(f"deployment: 1\n{named}topology: {{kind: sentinel, sentinel_conf: s.conf}}\n")
    topology = load_deployment(file).topology
    assert (topology.down_after_s, topology.failover_timeout_s) == (down_after_s, failover_timeout_s)


@pytest.mark.parametrize(("kind", "node_timeout_s"), [("cluster", 15.0), ("sentinel", 2.0)])
def test_a_redis_conf_of_a_cluster_has_the_servers_times(
    tmp_path: Path, kind: str, node_timeout_s: float
) -> None:
    """And its slots must all be covered, as they must on the user's machine."""
    given = deployment(tmp_path, f"kind: {kind}", redis="appendonly yes\n").topology
    assert given.node_timeout_s == node_timeout_s
    assert given.require_full_coverage is (kind == "cluster")
