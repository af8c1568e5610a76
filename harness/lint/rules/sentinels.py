"""Sentinels: how many, on how many hosts, with which quorum, identity and times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.lint.rule import Hit, Proof, Rule, Severity
from harness.lint.subjects import Given, Group, Node, Setting
from harness.scenario.file_kind import FileKind

_KINDS = (FileKind.SENTINEL_CONF, FileKind.COMPOSE, FileKind.DEPLOYMENT, FileKind.SCENARIO)

SHORTEST_DOWN_AFTER_MS = 1100
"""A sentinel dials an address once a second: with less, a single lost connection is a dead primary."""

Watched = tuple[Node, Setting]


def _services(given: Given) -> Iterator[tuple[Group, str, list[Watched], int | None]]:
    """Each guarded primary, its sentinels, and how many there are; None: the files do not say."""
    for group in given.groups:
        for service, watched in group.services().items():
            yield group, service, watched, _count(group, service, watched)


def _count(group: Group, service: str, watched: Sequence[Watched]) -> int | None:
    if group.complete:
        return sum(node.copies for node, _ in watched)
    known = [_known(node, service) for node, _ in watched]
    if any(known):
        return max(len(watched), *(len(one) + 1 for one in known))
    return len(watched) if len(watched) > 1 else None


def _known(node: Node, service: str) -> list[Setting]:
    """The other sentinels that this one has written into its file."""
    return [one for one in node.all("sentinel known-sentinel") if one.arguments[0] == service]


def _quorum(line: Setting) -> int | None:
    text = line.arguments[-1]
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None


def _below_majority(given: Given) -> Iterator[Hit]:
    for _, service, watched, count in _services(given):
        for _, line in watched:
            quorum = _quorum(line)
            if quorum is None or (count is None and quorum > 1) or count == 1:
                continue
            if count is None or quorum <= count // 2:
                of = f" of {count} sentinels" if count else ""
                yield Hit(place=line.place, said=f"{service}: quorum {quorum}{of} is no majority")


def _out_of_reach(given: Given) -> Iterator[Hit]:
    for _, service, watched, count in _services(given):
        for _, line in watched:
            quorum = _quorum(line)
            if quorum is None or count is None or count < 3 or quorum < count:
                continue
            ends = "they can never agree" if quorum > count else "with one down, no primary is replaced"
            yield Hit(place=line.place, said=f"{service}: quorum {quorum} of {count} sentinels: {ends}")


def _one(given: Given) -> Iterator[Hit]:
    for _, service, watched, count in _services(given):
        if count == 1:
            yield Hit(place=watched[0][1].place, said=f"{service} has one sentinel")


def _two(given: Given) -> Iterator[Hit]:
    for _, service, watched, count in _services(given):
        if count == 2:
            yield Hit(place=watched[0][1].place, said=f"{service} has two sentinels")


def _two_hosts(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        if group.complete:
            continue
        for service, watched in group.services().items():
            for node, line in watched:
                own = node.last("sentinel announce-ip", "bind")
                hosts = {one.arguments[1] for one in _known(node, service) if len(one.arguments) > 1}
                if len(hosts) == 1 and own and len(_known(node, service)) > 1:
                    hosts.add(own.arguments[0])
                if len(hosts) == 2 and len(_known(node, service)) > 1 and own and own.arguments[0] in hosts:
                    yield Hit(place=line.place, said=f"{service}: all sentinels are on two hosts")
    for project in given.projects:
        pairs = [one for one in project.services if one.also_sentinel]
        if len(pairs) == 2:
            names = " and ".join(one.name for one in pairs)
            yield Hit(place=pairs[0].command, said=f"all sentinels are in two containers, {names}")


def _beside_data(given: Given) -> Iterator[Hit]:
    for project in given.projects:
        for service in project.services:
            if service.also_sentinel:
                yield Hit(
                    place=service.command,
                    said=f"{service.name} runs a data node and a sentinel in one container",
                )


def _shared_id(given: Given) -> Iterator[Hit]:
    first: dict[str, Setting] = {}
    for group in given.groups:
        for node in group.sentinels:
            line = node.last("sentinel myid")
            if line is None:
                continue
            other = first.setdefault(line.text, line)
            if other is not line and other.place != line.place:
                yield Hit(place=line.place, said=f"the same id as in {other.place}")
            elif node.copies > 1:
                yield Hit(place=line.place, said=f"{node.copies} sentinels are started with this id")


def _down_after(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        told = set()
        for node in group.sentinels:
            for line in node.all("sentinel down-after-milliseconds"):
                text = line.arguments[-1]
                if line.place in told or not re.fullmatch(r"[0-9]{1,9}", text):
                    continue
                if int(text) < SHORTEST_DOWN_AFTER_MS:
                    told.add(line.place)
                    yield Hit(place=line.place, said=f"a primary is called down after {text} ms of silence")


RULES = (
    Rule(
        name="quorum-without-majority",
        severity=Severity.WARNING,
        wrong="Fewer than a majority of the sentinels may call the primary down.",
        why="A sentinel that loses its own connection to a healthy primary starts a failover, which "
        "loses confirmed writes. The quorum only decides who is called down; a failover needs a "
        "majority in any case.",
        cure="Set the quorum to a majority: 2 of 3, 3 of 5.",
        kinds=_KINDS,
        look=_below_majority,
        proof=Proof("sentinel/03"),
    ),
    Rule(
        name="quorum-out-of-reach",
        severity=Severity.ERROR,
        wrong="The quorum needs every sentinel, or more than there are.",
        why="As soon as one sentinel is down, a dead primary is not replaced: the outage has no end.",
        cure="Set the quorum to a majority: 2 of 3, 3 of 5.",
        kinds=_KINDS,
        look=_out_of_reach,
        proof=Proof("sentinel/13", ("deployment.topology.sentinels=3", "deployment.topology.quorum=3")),
    ),
    Rule(
        name="one-sentinel",
        severity=Severity.ERROR,
        wrong="One sentinel alone guards the primary.",
        why="When its host fails, often together with the primary, nobody starts a failover: the "
        "outage has no end.",
        cure="Run three sentinels on three hosts, with quorum 2.",
        kinds=_KINDS,
        look=_one,
        proof=Proof("sentinel/13", ("deployment.topology.sentinels=1", "deployment.topology.quorum=1")),
    ),
    Rule(
        name="two-sentinels",
        severity=Severity.ERROR,
        wrong="Two sentinels guard the primary.",
        why="The majority of two is two. When one of them is down, nobody is elected to lead a "
        "failover, whatever the quorum: the outage has no end (-failover-abort-not-elected).",
        cure="Add a third sentinel on a third host. It needs no data node beside it.",
        kinds=_KINDS,
        look=_two,
        proof=Proof("sentinel/13"),
    ),
    Rule(
        name="two-hosts",
        severity=Severity.ERROR,
        wrong="All sentinels are on two hosts.",
        why="One of the two hosts holds the majority, or both are needed for it. When that host is "
        "lost, a dead primary is not replaced.",
        cure="Put a sentinel on a third host, for example beside an application server.",
        kinds=(FileKind.SENTINEL_CONF, FileKind.COMPOSE),
        look=_two_hosts,
        proof=Proof("sentinel/13"),
    ),
    Rule(
        name="sentinel-beside-data",
        severity=Severity.WARNING,
        wrong="A data node and a sentinel share a container.",
        why="The primary and a vote for its replacement are lost together. With two such containers "
        "there is no majority left (-failover-abort-not-elected).",
        cure="Run each sentinel in a container of its own.",
        kinds=(FileKind.COMPOSE,),
        look=_beside_data,
        proof=Proof("sentinel/13"),
    ),
    Rule(
        name="shared-id",
        severity=Severity.ERROR,
        wrong="Several sentinels have the same `sentinel myid`.",
        why="Sentinels take each other for themselves and do not count each other, so the majority is "
        "never reached. This happens when a sentinel.conf that was in use is copied.",
        cure="Remove the line: every sentinel makes an id of its own at its first start.",
        kinds=(FileKind.SENTINEL_CONF, FileKind.COMPOSE),
        look=_shared_id,
        proof=Proof("sentinel/59"),
    ),
    Rule(
        name="down-after-too-short",
        severity=Severity.WARNING,
        wrong="down-after-milliseconds is shorter than 1.1 s.",
        why="A sentinel reconnects to an address once a second, so a short pause counts as a dead "
        "primary. With 100 to 300 ms, one killed primary led to four failovers in a row and a "
        "quarter of all confirmed writes was lost.",
        cure="Use 1100 ms or more; 5000 ms is usual.",
        kinds=_KINDS,
        look=_down_after,
        proof=Proof("sentinel/01", ("deployment.topology.down_after=200ms",)),
    ),
)
