"""The haproxy.cfg of each shape: who is asked what, how often, and what happens to connections."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.model.proxy import Balance, ProxyShape, ProxySpec
from harness.model.seams import Address, Login
from harness.topology.base.haproxy import Surroundings, in_order, render, settings_of, voted_on
from harness.topology.process import proxy_program

NODES = {f"redis-{n}": Address(f"198.18.0.{n}", 6379) for n in (1, 2, 3)}
SENTINELS = {f"sentinel-{n}": Address(f"198.18.0.1{n}", 26379) for n in (1, 2, 3)}


def text(spec: ProxySpec, *, login: Login = Login(password="pw")) -> str:  # noqa: B008 - it is frozen
    return render(
        spec,
        Surroundings(
            own="198.18.0.9",
            port=6379,
            nodes=in_order(NODES, spec.order),
            sentinels=SENTINELS,
            service="sessions",
            login=login,
            sentinel_login=Login(password="other"),
        ),
    )


def servers(written: str) -> list[str]:
    """The lines of data nodes."""
    return [line.strip() for line in written.splitlines() if line.strip().startswith("server redis-")]


def test_role_is_the_check_of_the_blog() -> None:
    """Once a second, three failures, and nobody's connection is ended."""
    written = text(ProxySpec())
    assert servers(written)[0] == "server redis-1 198.18.0.1:6379 check inter 1000ms fall 3 rise 2"
    assert "balance roundrobin" in written
    assert "shutdown-sessions" not in written
    asked = [line.strip() for line in written.splitlines() if "tcp-check" in line]
    assert asked == [
        "option tcp-check",
        "tcp-check connect",
        "tcp-check send AUTH\\ pw\\r\\n",
        "tcp-check expect string +OK",
        "tcp-check send PING\\r\\n",
        "tcp-check expect string +PONG",
        "tcp-check send info\\ replication\\r\\n",
        "tcp-check expect string role:master",
        "tcp-check send QUIT\\r\\n",
        "tcp-check expect string +OK",
    ]


def test_fast_ends_connections_and_does_not_wait_for_a_text_that_never_comes() -> None:
    """QUIT before the expectation: a replica's answer is over at once."""
    written = text(ProxySpec(shape=ProxyShape.FAST))
    assert servers(written)[2] == (
        "server redis-3 198.18.0.3:6379 check inter 200ms fall 1 rise 1 on-marked-down shutdown-sessions"
    )
    assert written.index("QUIT") < written.index("role:master")


def test_settings_of_a_deployment_win_over_the_shape() -> None:
    """Each by itself; what is not said stays as the shape has it."""
    spec = ProxySpec(check_every_s=5.0, shutdown_sessions=True, balance=Balance.FIRST, order=("redis-3",))
    assert settings_of(spec).fall == 3
    written = text(spec)
    assert "balance first" in written
    assert [line.split()[1] for line in servers(written)] == ["redis-3", "redis-1", "redis-2"]
    assert all(
        "inter 5000ms fall 3 rise 2 on-marked-down shutdown-sessions" in line for line in servers(written)
    )


def test_votes_route_by_sentinels_and_fall_back_to_the_role() -> None:
    """Two of three name it; no vote: whoever says role:master."""
    written = text(ProxySpec(shape=ProxyShape.VOTES))
    assert "use-server redis-2 if { srv_is_up(redis-2) } { nbsrv(named-redis-2-by) ge 2 }" in written
    assert "default_backend redis\n" in written
    assert written.count("server sentinel-") == 9
    assert "expect rstring \\r\\n198.18.0.2\\r\\n.[0-9]+\\r\\n6379\\r\\n" in written


def test_role_and_sentinel_asks_one_sentinel_in_the_check_itself() -> None:
    """A backend for each node, so that each check asks for its own node."""
    written = text(ProxySpec(shape=ProxyShape.ROLE_AND_SENTINEL))
    assert written.count("tcp-check connect addr 198.18.0.11 port 26379") == 3
    assert "use_backend redis-redis-3 if { nbsrv(redis-redis-3) ge 1 }" in written
    assert "default_backend" not in written


def test_role_and_majority_asks_its_own_votes() -> None:
    """So the server itself goes DOWN with them, and its connections end."""
    written = text(ProxySpec(shape=ProxyShape.ROLE_AND_MAJORITY))
    assert "monitor fail if { nbsrv(named-redis-1-by) lt 2 }" in written
    assert "tcp-check connect addr 198.18.0.9 port 9102" in written
    assert all(line.endswith("on-marked-down shutdown-sessions") for line in servers(written))


def test_checks_log_in_as_the_kit_does() -> None:
    """With a user of its own where the nodes have users, and by the command's name there."""
    written = text(ProxySpec(), login=Login(password="pw", user="failover-kit", renamed={"INFO": "inf"}))
    assert "AUTH\\ failover-kit\\ pw\\r\\n" in written
    assert "send inf\\ replication" in written


def test_backend_of_votes_names_its_node() -> None:
    """Other backends name none."""
    assert voted_on("named-redis-2-by") == "redis-2"
    assert voted_on("redis-redis-2") is None


@pytest.mark.skipif(proxy_program.path() is None, reason=proxy_program.HOW_TO_GET)
@pytest.mark.parametrize("shape", ProxyShape)
def test_haproxy_itself_takes_every_shape(shape: ProxyShape, tmp_path: Path) -> None:
    """`haproxy -c` finds nothing to complain about."""
    file = tmp_path / "haproxy.cfg"
    file.write_text(text(ProxySpec(shape=shape, redispatch=True, retries=1)), encoding="utf-8")
    said = subprocess.run(
        [str(proxy_program.path()), "-c", "-f", str(file)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "WARNING" not in said.stderr
