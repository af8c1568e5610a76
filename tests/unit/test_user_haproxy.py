"""A haproxy.cfg of somebody's own: their lines with the run's nodes, nothing that leads out, no password."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness import plan as planning
from harness.errors import UsageError
from harness.model.credentials import client_login, kit_login, new_secrets, sentinel_login, tokens_of
from harness.model.plan import Plan
from harness.model.proxy import ProxyShape, ProxySpec
from harness.model.seams import Address, Login, Machine, Secrets
from harness.model.words import BackendKind
from harness.scenario import load_deployment, scenario_of
from harness.topology.base.certificates import secrets_of
from harness.topology.base.configuration import redact, render
from harness.topology.base.haproxy import Surroundings
from harness.topology.base.haproxy import render as shape_file

THEIRS = r"""
global
    daemon
    stats socket /var/run/haproxy.sock level admin

defaults
    mode tcp
    timeout connect 3s
    timeout server 6s
    timeout client 6s

frontend writes
    bind *:6378
    default_backend masters

frontend reads
    bind *:6379
    default_backend slaves

backend masters
    option tcp-check
    tcp-check connect
    tcp-check send AUTH\ hunter2\r\n
    tcp-check expect string +OK
    tcp-check send info\ replication\r\n
    tcp-check expect string role:master
    default-server check inter 500ms fall 1 on-marked-down shutdown-sessions resolvers dns
    use-server R1 if { srv_is_up(R1) } { nbsrv(named_1) ge 2 }
    server R1 10.0.0.1:6380
    server R2 10.0.0.2:6380 weight 10
    server R3 ten-three:6380 backup

backend slaves
    option tcp-check
    tcp-check send info\ replication\r\n
    tcp-check expect string role:slave
    server R1 10.0.0.1:6380 check

backend named_1
    option tcp-check
    tcp-check connect
    tcp-check send SENTINEL\ get-master-addr-by-name\ mymaster\r\n
    tcp-check expect rstring \r\n\$8\r\n10\.0\.0\.1\r\n\$4\r\n6380\r\n
    server S1 10.0.0.1:26379 check
    server S2 10.0.0.2:26379 check
    server S3 10.0.0.3:26379 check
"""
SENTINEL = "sentinel monitor mymaster 10.0.0.1 6379 2\nrequirepass hunter9\n"
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
REDIS = "requirepass hunter2\nmasterauth hunter2\n"


def plan_of(folder: Path, text: str = THEIRS, topology: str = "", **files: str) -> Plan:
    given = ""
    for name, content in {"haproxy_cfg": text, **files}.items():
        (folder / name).write_text(content, encoding="utf-8")
        given += f", {name}: ./{name}"
    path = folder / "ours.yaml"
    path.write_text(f"deployment: 1\ntopology: {{kind: sentinel{topology}{given}}}\n", encoding="utf-8")
    return planning.compile(
        scenario_of(Path(load_deployment(path).file)),
        seed=1,
        backend=BackendKind.PROCESS,
        machine=Machine(backend=BackendKind.PROCESS, network_faults=True),
        fits={},
        findings={},
    )


def written(plan: Plan, secrets: Secrets | None = None, directory: str = "") -> str:
    return render(
        plan.node("proxy-1"),
        plan,
        addresses={one.name: Address(f"198.18.0.{n}", one.usual_port) for n, one in enumerate(plan.nodes, 1)},
        secrets=secrets or new_secrets(plan),
        directory=directory,
    )


def left_out(plan: Plan) -> dict[str, bool]:
    """Name -> whether it decides."""
    return {one.name: one.decides for one in plan.scenario.deployment.topology.everything_left_out}


def with_(old: str, new: str) -> str:
    assert old in THEIRS
    return THEIRS.replace(old, new)


def test_their_lines_stay_and_places_are_the_runs(tmp_path: Path) -> None:
    """Servers in the order of the file are the nodes; sentinels are expected to name those."""
    text = written(plan_of(tmp_path))
    assert "server R1 198.18.0.1:6379\n" in text
    assert "server R2 198.18.0.2:6379 weight 10" in text
    assert "server R3 198.18.0.3:6379 backup" in text
    assert "server S3 198.18.0.6:26379 check" in text
    assert "default-server check inter 500ms fall 1 on-marked-down shutdown-sessions\n" in text
    assert "use-server R1 if { srv_is_up(R1) } { nbsrv(named_1) ge 2 }" in text
    assert "bind 198.18.0.7:6379\n" in text
    assert text.count("bind ") == 1
    assert r"send SENTINEL\ get-master-addr-by-name\ sessions\r\n" in text
    assert r"expect rstring \r\n\$10\r\n198\.18\.0\.1\r\n\$4\r\n6379\r\n" in text
    assert "stats socket ipv4@198.18.0.7:9999" in text
    assert "/var/run" not in text


def test_what_is_left_out_is_listed_and_decides_only_where_clients_go(tmp_path: Path) -> None:
    """A door of its own, a name service, the way to replicas: none of them makes a verdict worse."""
    assert left_out(plan_of(tmp_path)) == {
        "daemon": False, "stats": False, "default-server resolvers": False, "frontend reads": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("    daemon\n", "    lua-load /etc/evil.lua\n", "lua-load"),
        ("    daemon\n", "    lua-load-per-thread /etc/evil.lua\n", "lua-load-per-thread"),
        ("    daemon\n", "    external-check\n", "external-check"),
        ("defaults\n", "program evil\n    command /etc/evil.sh\ndefaults\n", "program evil"),
        ("    option tcp-check\n    tcp-check connect\n    tcp-check send AUTH",
         "    option external-check\n    external-check command /etc/evil.sh\n    tcp-check send AUTH",
         "option external-check"),
        ("    use-server R1 if", "    use-server R1 if { lua.evil } ", "use-server"),
        ("    use-server R1 if", "    acl evil src -f /etc/evil\n    use-server R1 if", "acl"),
        ("    mode tcp\n", "    mode tcp\n    evil yes\n", "evil"),
        ("    mode tcp\n", '    mode tcp\n    maxconn "$evil"\n', "maxconn"),
        ("weight 10", "agent-check agent-addr evil agent-port 99", "server agent-addr"),
        ("weight 10", "source evil", "server source"),
        ("    tcp-check connect\n    tcp-check send AUTH", "    tcp-check connect socks4 evil\n    tcp-check send AUTH", "tcp-check"),
        ("AUTH\\ hunter2\\r\\n", "HELLO\\ 3\\ AUTH\\ default\\ evil\\r\\n", "tcp-check send"),
        ("AUTH\\ hunter2\\r\\n", "REPLICAOF\\ evil\\ 6379\\r\\n", "tcp-check send"),
        ("SENTINEL\\ get-master-addr-by-name\\ mymaster", "SENTINEL\\ monitor\\ evil\\ 10.9.9.9\\ 1\\ 1", "tcp-check send"),
        ("    mode tcp\n", "    mode tcp\n    http-check send hdr evil yes\n", "http-check"),
        ("    mode tcp\n", "    mode tcp\n    option httpchk GET / HTTP/1.1\\r\\nevil:\\ yes\n", "option httpchk"),
    ],
)  # fmt: skip
def test_nothing_that_runs_reads_or_leads_out_is_passed_on(
    old: str, new: str, name: str, tmp_path: Path
) -> None:
    """Wherever it is written; and a run without it cannot pass."""
    plan = plan_of(tmp_path, with_(old, new))
    assert name in left_out(plan)
    assert left_out(plan)[name] is (name != "server source")
    text = written(plan)
    assert "evil" not in text
    assert "lua" not in text


ENCRYPTED = r"""
global
    ca-base /etc/evil
    ssl-server-verify required
    ssl-default-server-options ssl-min-ver TLSv1.2
defaults
    mode tcp
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend f
    bind *:6379
    default_backend b
backend b
    option tcp-check
    tcp-check connect ssl sni evil.ours alpn redis
    tcp-check send PING\r\n
    tcp-check expect string +PONG
    tcp-check connect addr s1 port 26379 ssl
    tcp-check send SENTINEL\ get-master-addr-by-name\ mymaster\r\n
    tcp-check expect string r1
    default-server check ssl verify required ca-file evil.pem sni str(evil.ours) crl-file evil.crl
    server r1 r1:6380 crt evil.pem verifyhost evil.ours
    server r2 r2:6380
    server r3 r3:6380
"""


def test_tls_with_nodes_is_as_written_with_the_runs_certificates(tmp_path: Path) -> None:
    """Names and files of theirs are certified nowhere; their checks and conditions of TLS stay."""
    plan = plan_of(tmp_path, ENCRYPTED)
    topology = plan.scenario.deployment.topology
    assert topology.tls
    assert not topology.clients_speak_tls
    assert left_out(plan) == {"ca-base": False, "default-server crl-file": False}
    text = written(plan, directory="/data")
    assert "evil" not in text
    assert "ssl-server-verify required" in text
    assert "tcp-check connect ssl sni node.failover-kit.internal alpn redis\n" in text
    assert "tcp-check connect addr 198.18.0.4 port 26379 ssl\n" in text
    assert "check ssl verify required ca-file /data/tls/ca.crt sni str(node.failover-kit.internal)\n" in text
    shown = "crt /data/tls/proxy.pem"
    assert f"server r1 198.18.0.1:6379 {shown} verifyhost node.failover-kit.internal\n" in text
    assert f"server r2 198.18.0.2:6379 {shown}\n" in text


def test_whether_nodes_ask_for_a_certificate_is_theirs_to_say(tmp_path: Path) -> None:
    """Where their redis.conf has the port for TLS, a proxy shows what its own file has."""
    conf = "tls-port 6380\ntls-auth-clients no\n"
    text = written(plan_of(tmp_path, ENCRYPTED, redis_conf=conf), directory="/data")
    assert "server r1 198.18.0.1:6379 crt /data/tls/proxy.pem " in text
    assert "server r2 198.18.0.2:6379\n" in text


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("bind *:6379", "bind *:6379 ssl crt-list /x crt /y ca-file /z verify required",
         "bind 198.18.0.7:6379 ssl crt /data/tls/server.pem ca-file /data/tls/ca.crt verify required\n"),
        ("check ssl", "check check-ssl", "bind 198.18.0.7:6379\n"),
        ("check ssl", "check ssl no-ssl", "bind 198.18.0.7:6379\n"),
    ],
)  # fmt: skip
def test_clients_speak_with_the_proxy_as_the_file_says(old: str, new: str, line: str, tmp_path: Path) -> None:
    """It ends their TLS, adds TLS to theirs, or passes on what it does not read."""
    plan = plan_of(tmp_path, ENCRYPTED.replace(old, new))
    topology = plan.scenario.deployment.topology
    assert topology.tls
    assert topology.clients_speak_tls
    assert line in written(plan, directory="/data")


def test_proxy_may_speak_tls_before_nodes_that_do_not(tmp_path: Path) -> None:
    """Certificates are made; nodes and sentinels are asked without them."""
    plan = plan_of(tmp_path, with_("bind *:6378", "bind *:6378 ssl crt /etc/evil.pem strict-sni"))
    topology = plan.scenario.deployment.topology
    assert not topology.tls
    assert topology.needs_certificates
    assert left_out(plan)["bind strict-sni"] is False
    secrets = secrets_of(plan)
    assert client_login(plan, secrets).certificates is secrets.certificates is not None
    assert kit_login(plan, "redis-1", secrets).certificates is None
    assert sentinel_login(plan, secrets).certificates is None


@pytest.mark.parametrize(
    ("text", "topology", "line"),
    [
        (THEIRS, ", tls: true", 29),
        (ENCRYPTED.replace("connect ssl sni", "connect linger sni"), "", 23),
        (ENCRYPTED.replace("26379 ssl", "26379"), "", 19),
    ],
)
def test_check_without_tls_before_nodes_with_it_is_refused(
    text: str, topology: str, line: int, tmp_path: Path
) -> None:
    """With its line: it could only say that every node is down."""
    with pytest.raises(UsageError, match=rf"haproxy_cfg:{line}: this check speaks plain TCP"):
        plan_of(tmp_path, text, topology)


def test_mark_of_the_kit_in_a_file_is_left_out(tmp_path: Path) -> None:
    """It would be filled with what is none of theirs."""
    plan = plan_of(tmp_path, with_("weight 10", "weight 10 cookie ⟦login 9⟧"))
    assert left_out(plan)["server cookie"]
    assert "⟦" not in written(plan)


def test_password_of_a_check_is_that_of_the_node_only_if_it_was(tmp_path: Path) -> None:
    """Equal ones stay equal and different ones different; none of theirs is anywhere."""
    plan = plan_of(tmp_path, redis_conf=REDIS)
    assert b"hunter" not in msgspec.json.encode(plan)
    secrets = new_secrets(plan)
    (token,) = tokens_of(plan)
    assert rf"send AUTH\ {secrets.own[token]}\r\n" in written(plan, secrets)
    assert "hunter" not in written(plan, secrets)
    assert secrets.own[token] not in redact(written(plan, secrets), secrets)
    other = plan_of(tmp_path, with_("hunter2", "hunter3"), redis_conf=REDIS)
    secrets = new_secrets(other)
    first, second = (secrets.own[token] for token in tokens_of(other))
    assert first != second
    assert rf"send AUTH\ {second}\r\n" in written(other, secrets)
    assert first not in written(other, secrets)


def test_checks_log_in_where_only_the_run_has_passwords(tmp_path: Path) -> None:
    """The file has no AUTH for sentinels and none for replicas: their servers asked for nothing."""
    plan = plan_of(tmp_path)
    secrets = new_secrets(plan)
    text = written(plan, secrets)
    assert text.count(rf"send AUTH\ {secrets.redis}\r\n") == 2
    assert rf"send AUTH\ {secrets.sentinel}\r\n" in text
    as_written = plan_of(tmp_path, redis_conf=REDIS, sentinel_conf=SENTINEL)
    secrets = new_secrets(as_written)
    assert written(as_written, secrets).count("AUTH") == 1


def test_commands_may_be_spelt_as_clients_spell_them(tmp_path: Path) -> None:
    """With counts and lengths; a password out of the environment is not known, so the kit's is taken."""
    spelt = with_(r"send AUTH\ hunter2\r\n", r"send *2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n")
    plan = plan_of(tmp_path, spelt, redis_conf=REDIS)
    secrets = new_secrets(plan)
    assert rf"send AUTH\ {secrets.own[tokens_of(plan)[0]]}\r\n" in written(plan, secrets)
    plan = plan_of(tmp_path, with_(r"AUTH\ hunter2\r\n", r'"AUTH ${PW}\r\n"'), redis_conf=REDIS)
    secrets = new_secrets(plan)
    assert rf"send AUTH\ failover-kit\ {secrets.redis}\r\n" in written(plan, secrets)
    assert "PW" not in written(plan, secrets)


def test_server_with_a_nodes_name_is_that_node(tmp_path: Path) -> None:
    """Whatever its place in the file."""
    named = with_("R1 10.0.0.1:6380\n", "redis-3 10.0.0.1:6380\n").replace(
        "srv_is_up(R1)", "srv_is_up(redis-3)"
    )
    text = written(plan_of(tmp_path, named.replace("use-server R1", "use-server redis-3")))
    assert "server redis-3 198.18.0.3:6379" in text
    assert "server R2 198.18.0.1:6379" in text


def test_servers_that_clients_may_get_are_known_as_nodes(tmp_path: Path) -> None:
    """By backend and name; sentinels and the way to replicas are none of them."""
    proxy = plan_of(tmp_path).scenario.deployment.topology.proxy
    assert proxy is not None
    assert proxy.called == "file haproxy_cfg"
    assert proxy.node_of("masters", "R3") == "redis-3"
    assert not proxy.node_of("slaves", "R1")
    assert not proxy.node_of("named_1", "S1")


@pytest.mark.parametrize(
    ("text", "topology", "message"),
    [
        (THEIRS, ", replicas: 1", "it has 3 data nodes, and the topology has 2: say `replicas: 2` there"),
        (THEIRS, ", sentinels: 2", "it has 3 sentinels, and the topology has 2: say `sentinels: 3` there"),
        (
            with_("bind *:6378", "bind *:6378 ssl"),
            "",
            "`bind … ssl` has no certificate, so HAProxy does not start",
        ),
        (THEIRS, ", shape: fast", "the file says it: remove this, or 'haproxy_cfg'"),
        ("global\n    daemon\n", "", "expected a frontend or listen in TCP mode that leads to servers"),
        (with_("daemon", 'daemon "'), "", "haproxy_cfg:3: expected the quotes to be closed"),
        ("deployment: 1\n", "", "expected an HAProxy configuration, found a deployment file"),
    ],
)
def test_mistakes_are_refused_with_what_to_do(text: str, topology: str, message: str, tmp_path: Path) -> None:
    """The place, what was expected, what was found."""
    with pytest.raises(UsageError) as caught:
        plan_of(tmp_path, text, topology)
    assert message in str(caught.value)


def test_check_for_any_answer_logs_in_too(tmp_path: Path) -> None:
    """`option redis-check` sends PING and nothing else; a template is one server for each node."""
    text = written(plan_of(tmp_path, CHECKED, ", replicas: 2"), Secrets(redis="pw", sentinel=""))
    assert "redis-check" not in text
    assert r"tcp-check send AUTH\ pw\r\n" in text
    for number in (1, 2, 3):
        assert f"server redis-{number} 198.18.0.{number}:6379 check" in text


@pytest.mark.parametrize("shape", ProxyShape)
def test_every_shape_of_the_kit_may_be_a_file_of_theirs(shape: ProxyShape, tmp_path: Path) -> None:
    """What they copy out of a run's folder behaves as the shape does."""
    around = Surroundings(
        own="10.9.9.9",
        port=6379,
        nodes={f"n{n}": Address(f"10.0.0.{n}", 6379) for n in (1, 2, 3)},
        sentinels={f"s{n}": Address(f"10.0.1.{n}", 26379) for n in (1, 2, 3)},
        service="ours",
        login=Login(password="r"),
        sentinel_login=Login(password="s"),
    )
    text = written(
        plan_of(tmp_path, shape_file(ProxySpec(shape=shape), around)), Secrets(redis="r", sentinel="s")
    )
    assert "10.0." not in text
    assert "10.9.9.9" not in text
