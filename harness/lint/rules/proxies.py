"""HAProxy in front of data nodes: who gets the connections after roles have changed.

For 10 to 11 s after every failover in which the old primary survives or comes back, two nodes say
`role:master`. That is what most of these rules are about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.lint.haproxy import Section, Server, seconds
from harness.lint.rule import Hit, Proof, Rule, Severity
from harness.lint.subjects import Given, Place
from harness.scenario.file_kind import FileKind

_HAPROXY = (FileKind.HAPROXY,)
SLOW_CHECKS_S = 3.0
"""A health check that needs longer is slower than the failover itself."""


def _backends(given: Given) -> Iterator[tuple[str, Section]]:
    for proxy in given.proxies:
        for section in proxy.sections:
            if section.of_redis:
                yield proxy.file, section


def _for_writes(given: Given) -> Iterator[tuple[str, Section]]:
    """Without those that look for replicas: any of these may get a reader."""
    return (one for one in _backends(given) if "role:slave" not in one[1].checks)


def _servers(section: Section) -> list[Server]:
    return [one for one in section.servers if one.checked]


def _asks_role(section: Section) -> bool:
    return "role:" in section.checks


def _no_shutdown(given: Given) -> Iterator[Hit]:
    for file, section in _for_writes(given):
        for server in _servers(section):
            if server.after("on-marked-down") != "shutdown-sessions":
                yield Hit(
                    place=Place(file, server.number),
                    said=f"{server.name}: no on-marked-down shutdown-sessions",
                )


def _not_first(given: Given) -> Iterator[Hit]:
    for file, section in _for_writes(given):
        active = [one for one in section.servers if not one.backup]
        line = section.last("balance")
        how = line.words[1] if line and len(line.words) > 1 else "roundrobin, the default,"
        if len(active) > 1 and how != "first":
            place = Place(file, line.number if line in section.lines and line else section.number)
            yield Hit(
                place=place, said=f"{section.name}: balance {how} spreads connections over two primaries"
            )


def _role_alone(given: Given) -> Iterator[Hit]:
    asking = {
        proxy.file
        for proxy in given.proxies
        if any(re.search(r"(?i)sentinel", section.checks) for section in proxy.sections)
    }
    for file, section in _for_writes(given):
        if _asks_role(section) and file not in asking:
            yield Hit(
                place=Place(file, section.number),
                said=f"{section.name}: the check asks each node for its own role, and no sentinel",
            )


def _no_role(given: Given) -> Iterator[Hit]:
    for file, section in _backends(given):
        if len(section.servers) > 1 and not _asks_role(section):
            yield Hit(
                place=Place(file, section.number),
                said=f"{section.name}: the check does not ask for role:master, so replicas get writes",
            )


def _slow(given: Given) -> Iterator[Hit]:
    for file, section in _backends(given):
        for server in _servers(section):
            if server.down_after_s > SLOW_CHECKS_S:
                yield Hit(
                    place=Place(file, server.number),
                    said=f"{server.name}: inter × fall is {server.down_after_s:g} s",
                )


def _backup(given: Given) -> Iterator[Hit]:
    for file, section in _backends(given):
        for server in section.servers:
            if server.backup:
                yield Hit(place=Place(file, server.number), said=f"{server.name} is a backup server")


def _idle(given: Given) -> Iterator[Hit]:
    for file, section in _backends(given):
        if section.last("timeout", "tunnel"):
            continue
        for side in ("server", "client"):
            line = section.last("timeout", side)
            limit_s = seconds(line.words[-1]) if line else None
            if line is not None and limit_s:
                yield Hit(
                    place=Place(file, line.number),
                    said=f"{section.name}: an idle connection is closed after {limit_s:g} s",
                )
                break


RULES = (
    Rule(
        name="proxy-keeps-sessions",
        severity=Severity.ERROR,
        wrong="Connections to a server that is marked down stay open.",
        why="A client that reconnects before the check notices stays on the demoted primary and gets "
        "READONLY to the end: 1476 errors in a measured planned failover, 185 with the option.",
        cure="Add 'on-marked-down shutdown-sessions' to default-server.",
        kinds=_HAPROXY,
        look=_no_shutdown,
        proof=Proof("proxy/03"),
    ),
    Rule(
        name="proxy-spreads-over-primaries",
        severity=Severity.WARNING,
        wrong="The backend does not use `balance first`.",
        why="For 10 s after a failover two nodes say role:master. Connections that go to both write "
        "to a node whose data is about to be thrown away. `first` sends all of them to one: the "
        "right one only if it comes first in the list.",
        cure="Use 'balance first', and a check that also asks the sentinels who is primary.",
        kinds=_HAPROXY,
        look=_not_first,
        proof=Proof("proxy/02"),
    ),
    Rule(
        name="proxy-asks-role-alone",
        severity=Severity.WARNING,
        wrong="The health check asks a node for its role and nobody else.",
        why="An old primary that comes back, is resumed or was replaced by a planned failover says "
        "role:master for 10 s more. In a planned failover, each persistent client lost about 1100 "
        "confirmed writes; with a check that also asks a sentinel, 110 to 120.",
        cure="Let a server be UP only if it says role:master and a sentinel names it "
        "(get-master-addr-by-name).",
        kinds=_HAPROXY,
        look=_role_alone,
        proof=Proof("proxy/02"),
    ),
    Rule(
        name="proxy-checks-no-role",
        severity=Severity.ERROR,
        wrong="The health check does not ask for the role.",
        why="Replicas are UP as well and get a share of the writes, which they refuse (READONLY); "
        "reads from them may be stale.",
        cure="Add 'tcp-check send INFO\\ replication\\r\\n' and 'tcp-check expect string role:master'.",
        kinds=_HAPROXY,
        look=_no_role,
        proof=Proof(
            "proxy/03",
            settings=("deployment.client.application_retries=0",),  # another try may reach the primary
            own_files=True,
        ),
    ),
    Rule(
        name="proxy-checks-slowly",
        severity=Severity.WARNING,
        wrong="A changed server is noticed later than the failover takes.",
        why="The outage is as long as the slowest part. With 5 s and fall 3, clients waited 7.6 s for "
        "a new primary that Sentinel had promoted long before; with 200 ms, 1.8 s.",
        cure="Use inter 200ms to 1s and fall 1.",
        kinds=_HAPROXY,
        look=_slow,
        proof=Proof("proxy/14"),
    ),
    Rule(
        name="proxy-backup-server",
        severity=Severity.WARNING,
        wrong="A data node is a backup server.",
        why="A backup gets connections only while no other server is UP. An old primary that says "
        "role:master again takes all of them from the promoted backup: about 1000 confirmed "
        "writes of one client were lost.",
        cure="List all data nodes without 'backup'.",
        kinds=_HAPROXY,
        look=_backup,
        proof=Proof("proxy/02", own_files=True),
    ),
    Rule(
        name="proxy-closes-idle",
        severity=Severity.NOTE,
        wrong="Idle connections are closed, and there is no `timeout tunnel`.",
        why="Subscriptions and blocking reads are closed after that time, although nothing is wrong.",
        cure="Set 'timeout tunnel' longer than any blocking command or subscription.",
        kinds=_HAPROXY,
        look=_idle,
        no_proof="no scenario subscribes through a proxy",
    ),
)
