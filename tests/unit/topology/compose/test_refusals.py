"""What a run must not share with the user's own project, or cannot keep within itself."""

from __future__ import annotations

from typing import Any

import pytest

from harness.topology.compose.refusals import announced, leads_out, refusals


def project(service: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"services": {"redis": {"image": "redis", **(service or {})}}, **more}


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ({"network_mode": "host"}, "network_mode: host"),
        ({"network_mode": "container:abc"}, "outside the project"),
        ({"network_mode": "bridge"}, "share with containers outside"),
        ({"pid": "host"}, "pid: host"),
        ({"privileged": True}, "privileged"),
        ({"cap_add": ["CAP_SYS_ADMIN"]}, "SYS_ADMIN"),
        ({"volumes_from": ["container:abc"]}, "outside the project"),
        ({"devices": ["/dev/sda"]}, "devices"),
        ({"a_key_of_2030": 1}, "a_key_of_2030"),
        ({"volumes": [{"type": "bind", "source": "/var/run/docker.sock"}]}, "change every other container"),
        ({"volumes": [{"type": "bind", "source": "/"}]}, "cannot be copied"),
        ({"volumes": [{"type": "bind", "source": "/sys/fs/cgroup"}]}, "cannot be copied"),
        ({"volumes": [{"type": "npipe", "source": "x"}]}, "npipe"),
    ],
)
def test_a_service_that_leads_out_of_the_run_is_refused(service: dict[str, Any], reason: str) -> None:
    """One sentence, with the service and the reason."""
    (said,) = refusals(project(service))
    assert said.startswith("service redis: ")
    assert reason in said


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"networks": {"n": {"driver": "macvlan"}}}, "macvlan"),
        ({"networks": {"n": {"ipam": {"config": [{"subnet": "fd00::/64"}]}}}}, "IPv6"),
        ({"volumes": {"v": {"driver": "rexray"}}}, "rexray"),
        ({"secrets": {"s": {"external": True}}}, "outside the project"),
    ],
)
def test_a_part_that_cannot_be_the_runs_own_is_refused(part: dict[str, Any], reason: str) -> None:
    """Networks and volumes of other drivers, secrets that are kept elsewhere."""
    (said,) = refusals(project(**part))
    assert reason in said


def test_a_published_project_is_taken() -> None:
    """Restart policies, health checks, capabilities of its own namespace, sysctls: all of it is kept."""
    service = {
        "restart": "always",
        "cap_add": ["NET_ADMIN"],
        "sysctls": {"net.core.somaxconn": "511"},
        "volumes": [{"type": "bind", "source": "/home/me/redis.conf", "target": "/r"}],
        "network_mode": "service:other",
        "x-mine": 1,
        "devices": [],
    }
    assert refusals(project(service, networks={"n": {"external": True}}, volumes={"v": None})) == ()


def test_a_project_without_a_service_is_refused() -> None:
    """With the reason that is likeliest: profiles."""
    (said,) = refusals({"services": {}})
    assert "COMPOSE_PROFILES" in said


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("redis-server --replicaof prod.example.com 6379", ("prod.example.com",)),
        ('redis-server "--slaveof" "10.1.1.1" "6379"', ("10.1.1.1",)),
        ("sentinel monitor mymaster 192.168.7.7 6379 2", ("192.168.7.7",)),
        ("echo 'sentinel monitor m prod 6379 2' >> s.conf", ("prod",)),
        ("replicaof REDIS-1 6379", ()),
        ("# replicaof prod 6379", ()),
        ("--replicaof $${HOST} 6379", ()),
        ("replicaof <masterip> <masterport>", ()),
        ("sentinel monitor m 127.0.0.1 6379 1", ()),
        ("replicaof no one", ()),
    ],
)
def test_following_or_watching_somebody_else_is_noticed(text: str, hosts: tuple[str, ...]) -> None:
    """A node that follows another system would copy its data, a sentinel could fail it over."""
    assert leads_out(text, frozenset({"redis-1"})) == hosts


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("redis-server --replica-announce-ip 192.168.1.5 --replica-announce-port 6380", ("192.168.1.5",)),
        ("sentinel announce-ip shop.example.org\ncluster-announce-ip 'redis-1'\n", ("shop.example.org",)),
        ("# replica-announce-ip 192.168.1.5\nslave-announce-ip 10.0.0.2\n", ()),
        ("sh -c 'redis-server --cluster-announce-ip $HOST'", ()),
    ],
)
def test_a_node_that_announces_another_address_is_found(text: str, hosts: tuple[str, ...]) -> None:
    """Sentinels and clients of the run would go to the original there."""
    assert announced(text, frozenset({"redis-1", "10.0.0.2"})) == hosts
