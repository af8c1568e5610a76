"""Hostnames and announced addresses: how nodes are known to each other after roles have changed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from harness.lint.rule import Hit, Rule, Severity
from harness.lint.subjects import Given, Group, Node, Setting
from harness.scenario.file_kind import FileKind

_CONF = (FileKind.REDIS_CONF, FileKind.SENTINEL_CONF, FileKind.COMPOSE)


def _theirs(given: Given) -> Iterator[Group]:
    return (one for one in given.groups if not one.made_by_kit)


def _is_loopback(host: str) -> bool:
    """`-::1` is an address that need not be there."""
    host = host.removeprefix("-").strip("[]").lower()
    return host in {"localhost", "::1"} or host.startswith("127.")


def _heard_by_nobody(given: Given) -> Iterator[Hit]:
    for group in _theirs(given):
        named = [(line, line.arguments[1]) for one in group.sentinels for line in one.all("sentinel monitor")]
        named += [(line, line.arguments[0]) for one in group.data for line in one.all("replicaof")]
        afar = [(line, host) for line, host in named if not _is_loopback(host)]
        for node in group.data:
            line = node.last("bind")
            if line is None or not afar or node.cache or not all(map(_is_loopback, line.arguments)):
                continue
            other, host = afar[0]
            yield Hit(
                place=line.place,
                said=f"{node.name} listens on {line.text} only, and {other.place} names {host}",
            )


def _is_name(host: str) -> bool:
    if "$" in host:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def _resolves(node: Node) -> bool:
    return node.value("sentinel resolve-hostnames", "no").lower() == "yes"


def _unresolved(given: Given) -> Iterator[Hit]:
    for group in _theirs(given):
        for node in group.sentinels:
            if _resolves(node) or not node.readable:
                continue
            for line in node.all("sentinel monitor"):
                if len(line.arguments) == 4 and _is_name(line.arguments[1]):
                    yield Hit(
                        place=line.place,
                        said=f"{node.name}: {line.arguments[1]} is a hostname; resolve-hostnames is not on",
                    )


def _announced_name(given: Given) -> Iterator[Hit]:
    """Sentinels learn this address of a replica from its INFO, and cannot use it."""
    for group in _theirs(given):
        deaf = [one for one in group.sentinels if one.readable and not _resolves(one)]
        if not deaf:
            continue
        for node in group.data:
            line = node.last("replica-announce-ip")
            if line is not None and _is_name(line.text):
                yield Hit(
                    place=line.place,
                    said=f"{node.name} announces a hostname, and {deaf[0].name} does not resolve hostnames",
                )


def _mixed(given: Given) -> Iterator[Hit]:
    for group in _theirs(given):
        data = [one for one in group.data if not one.cache and one.readable]
        announced = [(one, line) for one in data if (line := one.last("replica-announce-ip"))]
        silent = [one for one in data if not one.last("replica-announce-ip")]
        if announced and silent:
            yield Hit(
                place=announced[0][1].place,
                said=f"{announced[0][0].name} announces an address, and {silent[0].name} does not",
            )
        names = [one for one in announced if _is_name(one[1].text)]
        if names and len(names) < len(announced):
            yield Hit(place=names[0][1].place, said="some nodes announce a hostname, others an address")
        yield from _sentinels_mixed(group, announced)


def _sentinels_mixed(group: Group, announced: list[tuple[Node, Setting]]) -> Iterator[Hit]:
    told = [(one, line) for one in group.sentinels if (line := one.last("sentinel announce-ip"))]
    untold = [one for one in group.sentinels if one.readable and not one.last("sentinel announce-ip")]
    if told and untold:
        yield Hit(
            place=told[0][1].place,
            said=f"{told[0][0].name} announces an address, and the sentinel of {untold[0].name} does not",
        )
    elif told and group.data and not announced and all(one.readable for one in group.data):
        yield Hit(
            place=told[0][1].place, said="sentinels announce an address, and the nodes that they guard do not"
        )


def _same_announced(given: Given) -> Iterator[Hit]:
    for group in _theirs(given):
        for name, port_name in (
            ("replica-announce-ip", "replica-announce-port"),
            ("sentinel announce-ip", "sentinel announce-port"),
        ):
            first: dict[tuple[str, str], Setting] = {}
            for node in group.nodes:
                line = node.last(name)
                if line is None or "$" in line.text:
                    continue
                key = (line.text, node.value(port_name, node.value("port")))
                other = first.setdefault(key, line)
                if other is not line and other.place != line.place:
                    yield Hit(
                        place=line.place, said=f"{node.name} announces the same address as {other.place}"
                    )


RULES = (
    Rule(
        name="bound-to-loopback",
        severity=Severity.ERROR,
        wrong="A node listens on its own host only, and others are to reach it.",
        why="The line is Redis' own default. Sentinels and replicas on other hosts get no answer: the "
        "primary is called down although it works, and a replica that listens so is never promoted.",
        cure="Add the address of the node to its bind line, and set a password.",
        kinds=_CONF,
        look=_heard_by_nobody,
        no_proof="the kit's nodes listen on their own address",
    ),
    Rule(
        name="hostname-not-resolved",
        severity=Severity.ERROR,
        wrong="A sentinel guards a hostname and does not resolve hostnames.",
        why="It ends at its start: 'Can't resolve instance hostname'. Nobody notices until a primary "
        "dies and is not replaced.",
        cure="Add 'sentinel resolve-hostnames yes' and 'sentinel announce-hostnames yes', or write an "
        "address.",
        kinds=(FileKind.SENTINEL_CONF, FileKind.COMPOSE),
        look=_unresolved,
        no_proof="the sentinel does not start",
    ),
    Rule(
        name="announced-hostname-not-resolved",
        severity=Severity.ERROR,
        wrong="A node announces a hostname, and its sentinels do not resolve hostnames.",
        why="Sentinels cannot use the replica: 'Failed to resolve hostname'. With no usable replica, "
        "nobody is promoted.",
        cure="Add 'sentinel resolve-hostnames yes' to every sentinel, or announce addresses.",
        kinds=_CONF,
        look=_announced_name,
        no_proof="the kit's nodes are known by address",
    ),
    Rule(
        name="mixed-announce",
        severity=Severity.WARNING,
        wrong="Some nodes announce another address than their own, and others do not.",
        why="Sentinels and clients get addresses of two kinds. After a role change they may be led to "
        "one that they cannot reach, or take one node for two.",
        cure="Announce addresses on all data nodes and sentinels in the same way, or on none.",
        kinds=_CONF,
        look=_mixed,
        no_proof="the kit's nodes are announced under their own address",
    ),
    Rule(
        name="same-address-announced",
        severity=Severity.ERROR,
        wrong="Two nodes announce the same address and port.",
        why="Sentinels take them for one node: one of the two is never promoted, and never seen to be down.",
        cure="Give every node its own replica-announce-ip, or another replica-announce-port.",
        kinds=_CONF,
        look=_same_announced,
        no_proof="the kit's nodes are announced under their own address",
    ),
)
