"""A user's project, changed as data: what it is stays, what would be shared goes."""

from __future__ import annotations

from copy import deepcopy
from ipaddress import IPv4Network
from typing import Any

import pytest

from harness.topology.compose.adopted import (
    Change,
    adopt,
    changes,
    image_of,
    mounted,
    own_names,
    restarts,
    subnets,
    with_moved_addresses,
)

MARKS = {"failover-kit.run": "r1"}
PROJECT: dict[str, Any] = {
    "name": "shop",
    "services": {
        "redis-master": {
            "image": "redis:7-alpine",
            "container_name": "the-master",
            "hostname": "mhost",
            "command": ["redis-server", "--requirepass", "a$$b", "--replica-announce-ip", "172.28.0.10"],
            "restart": "always",
            "healthcheck": {"test": ["CMD", "redis-cli", "ping"], "interval": "1s"},
            "labels": {"traefik.enable": "true"},
            "logging": {"driver": "syslog"},
            "ports": [{"target": 6379, "published": "6379"}],
            "networks": {"back": {"ipv4_address": "172.28.0.10", "aliases": ["db"]}},
            "volumes": [
                {"type": "bind", "source": "/home/me/redis.conf", "target": "/redis.conf", "read_only": True},
                {"type": "volume", "source": "data", "target": "/data", "volume": {}},
                {"type": "volume", "source": "disk", "target": "/disk", "volume": {}},
            ],
        },
        "app": {"image": "shop/app", "build": {"context": "."}, "networks": {"back": None, "front": None}},
    },
    "networks": {
        "back": {"name": "fixed", "ipam": {"config": [{"subnet": "172.28.0.0/16"}]}},
        "front": {"name": "company", "external": True},
    },
    "volumes": {
        "data": {"name": "shop-data", "external": True},
        "disk": {"name": "d", "driver_opts": {"type": "none", "o": "bind", "device": "/srv/redis"}},
    },
    "secrets": {"pw": {"name": "shop_pw", "file": "/home/me/pw.txt"}},
}
COPIES = {
    "/home/me/redis.conf": "/run/1/redis.conf",
    "/srv/redis": "/run/2/redis",
    "/home/me/pw.txt": "/run/3",
}


def adopted(**of: Any) -> dict[str, Any]:
    before = deepcopy(PROJECT)
    made = adopt(PROJECT, Change(name="failover-kit-r1", labels=MARKS, copies=COPIES, **of))
    assert before == PROJECT, "the user's own project is changed nowhere"
    return made


def test_what_the_project_is_stays_as_it_is() -> None:
    """Command, escapes, health check, restart policy, host name, static address: the bugs live there."""
    master = adopted()["services"]["redis-master"]
    for key in ("command", "restart", "healthcheck", "hostname"):
        assert master[key] == PROJECT["services"]["redis-master"][key]
    assert master["networks"]["back"]["ipv4_address"] == "172.28.0.10"


def test_nothing_of_the_users_is_shared() -> None:
    """No fixed name, port, volume, directory or collector of theirs is in what starts."""
    made = adopted()
    master = made["services"]["redis-master"]
    assert made["name"] == "failover-kit-r1"
    assert not {"container_name", "ports", "build"} & master.keys()
    assert made["volumes"] == {"data": {"labels": MARKS}, "disk": {"labels": MARKS}}
    assert made["networks"]["front"] == {"labels": MARKS}
    assert "name" not in made["networks"]["back"]
    assert master["labels"] == MARKS
    assert master["logging"] == {"driver": "json-file"}
    text = repr(made)
    for theirs in ("shop-data", "'fixed'", "company", "/home/me", "/srv/redis'", "external", "syslog"):
        assert theirs not in text


def test_mounts_are_copies_and_stay_what_they_were() -> None:
    """A file stays a file, read-only stays read-only, a volume that is a host directory becomes a copy."""
    made = adopted()
    file, volume, directory = made["services"]["redis-master"]["volumes"]
    assert file == {"type": "bind", "source": "/run/1/redis.conf", "target": "/redis.conf", "read_only": True}
    assert volume["source"] == "data"
    assert (directory["type"], directory["source"]) == ("bind", "/run/2/redis")
    assert made["secrets"] == {"pw": {"file": "/run/3"}}
    assert set(mounted(PROJECT)) == COPIES.keys()


def test_old_names_are_aliases() -> None:
    """What others call a container by is found on the run's network."""
    aliases = adopted()["services"]["redis-master"]["networks"]["back"]["aliases"]
    assert aliases == ["db", "the-master", "mhost", "shop-redis-master-1", "shop_redis-master_1"]
    assert {"redis-master", "the-master", "mhost", "db", "172.28.0.10"} <= own_names(PROJECT)


def test_images_are_replaced_by_service_or_by_name() -> None:
    """A service's own replacement comes before that of the image that it names; nothing is pulled by Compose."""
    images = {"redis:7-alpine": "kit:1", "app": "kit:2"}
    made = adopted(images=images)["services"]
    assert (made["redis-master"]["image"], made["app"]["image"]) == ("kit:1", "kit:2")
    assert made["app"]["pull_policy"] == "never"
    assert image_of(PROJECT, "redis-master", {"redis-master": "x", "redis:7-alpine": "y"}) == "x"


def test_a_subnet_that_moves_takes_its_addresses_along() -> None:
    """Wherever an address of it is written; others, and what only looks like one, stay."""
    moved = {"back": IPv4Network("10.70.0.0/16")}
    made = adopted(moved=moved)
    assert made["networks"]["back"]["ipam"] == {"config": [{"subnet": "10.70.0.0/16"}]}
    master = made["services"]["redis-master"]
    assert master["networks"]["back"]["ipv4_address"] == "10.70.0.10"
    assert master["command"][-1] == "10.70.0.10"
    conf = "sentinel monitor m 172.28.0.10 6379 2\n# 172.29.0.1 and 1.172.28.0.1 and 172.28.0.999\n"
    assert with_moved_addresses(conf, PROJECT, moved) == conf.replace("m 172.28.0.10", "m 10.70.0.10")
    assert subnets(PROJECT) == {"back": IPv4Network("172.28.0.0/16")}


def test_people_are_told_what_is_different() -> None:
    """Every kind of change is said, with the names that it concerns."""
    images = {"redis:7-alpine": "kit:1"}
    moved = {"back": IPv4Network("10.70.0.0/16")}
    said = "\n".join(changes(PROJECT, Change(name="", labels={}, images=images, moved=moved)))
    for words in ("redis-master", "the-master", "kit:1", "front", "data", "10.70.0.0/16"):
        assert words in said


@pytest.mark.parametrize(
    ("service", "again"),
    [
        ({}, False),
        ({"restart": "no"}, False),
        ({"restart": "always"}, True),
        ({"restart": "on-failure:3"}, True),
        ({"deploy": {"restart_policy": {"condition": "none"}}}, False),
        ({"deploy": {"restart_policy": {"condition": "any"}}}, True),
    ],
)
def test_restart_policies_in_both_spellings(service: dict[str, Any], again: bool) -> None:
    """`restart:` and `deploy.restart_policy` both make Docker start a service again."""
    assert restarts(service) is again
