"""A deployment of the files that were given: a proof on it runs with the settings that were read, and not
with some like them.

A Compose project, a deployment and a scenario are deployments already. Files for single nodes become one with
sentinels. Trap: a deployment names one redis.conf and one sentinel.conf for all; what the other files say is
taken over as far as it is about who may log in, since that is what the rules with such a proof are about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.lint.subjects import Given, Group, Node, Place

NAME = "the files given to lint"
LOGINS = ("requirepass", "masterauth", "masteruser", "sentinel sentinel-pass", "sentinel sentinel-user")
"""What the files of single nodes may say in different ways."""
_PASSWORDS = ("requirepass", "masterauth", "sentinel sentinel-pass")
_REPLICAS, _SENTINELS = 2, 3
"""Where the files do not say how many there are."""


def is_a_deployment(given: Given, place: Place) -> bool:
    """Whether the file of a finding is one by itself, or a scenario, which has one."""
    return place.file in {one.file for one in given.projects} | {one.file for one in given.kit_files}


def deployment_of(given: Given) -> str:
    """The text of a deployment file. Its paths are absolute, so that it may lie anywhere."""
    nodes = [
        node for group in given.groups if not group.made_by_kit and not group.complete for node in group.nodes
    ]
    data = sorted((one for one in nodes if not one.sentinel), key=lambda one: one.replica)
    sentinels = [one for one in nodes if one.sentinel]
    topology: dict[str, Any] = {"kind": "sentinel"}
    topology |= _file("redis_conf", [one.place.file for one in data])
    topology |= _file("sentinel_conf", [one.place.file for one in sentinels])
    topology |= _file("users_acl", _users(given)) | _file("haproxy_cfg", [one.file for one in given.proxies])
    topology["replicas"] = _replicas(given, data)
    topology["sentinels"] = len(sentinels) if len(sentinels) > 1 else _SENTINELS
    differing = {**_differing("redis", data), **_differing("sentinel", sentinels)}
    topology |= {"nodes": differing} if differing else {}
    whole: dict[str, Any] = {"deployment": 1, "name": NAME, "topology": topology}
    user = _user_of_clients(given)
    whole |= {"client": {"user": user}} if user else {}
    return yaml.safe_dump(whole, sort_keys=False)


def _file(key: str, files: Sequence[str]) -> dict[str, str]:
    """The first of them: a deployment names one of a kind."""
    return {key: str(Path(files[0]).resolve())} if files else {}


def _users(given: Given) -> list[str]:
    return [user.file for group in _plain(given) for user in group.users]


def _plain(given: Given) -> Iterator[Group]:
    return (one for one in given.groups if not one.made_by_kit)


def _replicas(given: Given, data: Sequence[Node]) -> int:
    """As many as the files are for, or as the proxy has servers besides the primary."""
    servers = [
        len(section.servers) for proxy in given.proxies for section in proxy.sections if section.of_redis
    ]
    return max([0, len(data) - 1, *(one - 1 for one in servers)]) or _REPLICAS


def _differing(called: str, nodes: Sequence[Node]) -> dict[str, dict[str, str]]:
    """Node -> what it says of log-ins in another way than the first one. A password that the first one lacks
    has another name there: what matters is which of them are alike."""
    found = {}
    first = {nodes[0].value(name) for name in LOGINS} if nodes else set()
    own_words = (node.value(name) for node in nodes for name in _PASSWORDS)
    others = dict.fromkeys(value for value in own_words if value not in first)
    called_so = {value: f"other-{number}" for number, value in enumerate(others, 1)}
    for number, node in enumerate(nodes[1:], 2):
        own = {
            name: called_so.get(value, value) or '""'
            for name in LOGINS
            if (value := node.value(name)) != nodes[0].value(name)
        }
        if own:
            found[f"{called}-{number}"] = own
    return found


def _user_of_clients(given: Given) -> str:
    """Whose name an application logs in with where the default user is off."""
    users = [user for group in _plain(given) for user in group.users]
    off = any(one.name == "default" and not one.enabled for one in users)
    others = [one for one in users if one.name != "default" and one.enabled and one.passwords]
    theirs = {
        line.arguments[-1]
        for group in _plain(given)
        for node in group.nodes
        for line in node.all("masteruser", "primaryuser", "sentinel auth-user")
    }
    chosen = [one.name for one in others if one.name not in theirs] or [one.name for one in others]
    return chosen[0] if off and chosen else ""
