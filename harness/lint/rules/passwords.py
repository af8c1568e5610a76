"""Credentials: what works until roles change, and then locks nodes out of each other."""

from __future__ import annotations

from collections.abc import Iterator

from harness.lint.rule import Hit, Proof, Rule, Severity
from harness.lint.subjects import Given, Group, Node, Setting
from harness.scenario.file_kind import FileKind

_DATA = (FileKind.REDIS_CONF, FileKind.COMPOSE, FileKind.DEPLOYMENT, FileKind.SCENARIO)
_CONF = (FileKind.REDIS_CONF, FileKind.SENTINEL_CONF, FileKind.COMPOSE)


def _with_passwords(given: Given) -> Iterator[Group]:
    return (one for one in given.groups if one.own_passwords)


def _theirs(given: Given) -> Iterator[Group]:
    """Without deployments, whose sentinels the kit tells what these do not say."""
    return (one for one in given.groups if not one.made_by_kit)


def _password(node: Node) -> Setting | None:
    """What it asks of its clients; `requirepass ""` asks for nothing."""
    found = node.last("requirepass")
    return found if found and found.text else None


def _masterauth(node: Node) -> Setting | None:
    found = node.last("masterauth", "primaryauth")
    return found if found and found.text else None


def _differs(one: Setting, other: str) -> bool:
    """Certainly: what a variable holds is not known."""
    return "$" not in one.text and "$" not in other and one.text != other


def _without_masterauth(given: Given) -> Iterator[Hit]:
    for group in _with_passwords(given):
        alone = group.complete and not group.replicates
        for node in group.data:
            password = _password(node)
            if alone or node.cache or not node.readable or password is None:
                continue
            if _masterauth(node) is None:
                yield Hit(
                    place=password.place,
                    said=f"{node.name}: requirepass is set and masterauth is not",
                )


def _differ(given: Given) -> Iterator[Hit]:
    for group in _with_passwords(given):
        nodes = [one for one in group.data if not one.cache]
        asked = {line.text: line for one in nodes if (line := _password(one)) and "$" not in line.text}
        for node in nodes:
            given_by, own = _masterauth(node), _password(node)
            if (
                given_by is None
                or node.value("masteruser", node.value("primaryuser", "default")) != "default"
            ):
                continue  # then masterauth is the password of that user
            if len(nodes) == 1:
                others = [own] if own else []
            else:
                others = [line for one in nodes if one is not node and (line := _password(one))]
            wrong = [one for one in others if _differs(one, given_by.text)]
            if wrong:
                yield Hit(
                    place=given_by.place,
                    said=f"{node.name}: masterauth is not the requirepass of {wrong[0].place}",
                )
        if len(asked) > 1:
            first, second = list(asked.values())[:2]
            yield Hit(
                place=second.place,
                said=f"another requirepass than in {first.place}: clients and sentinels have one password",
            )


def _of_sentinels(given: Given) -> Iterator[Hit]:
    for group in _theirs(given):
        asked = [line for one in group.data if not one.cache and (line := _password(one))]
        for node in group.sentinels:
            for line in node.all("sentinel monitor"):
                service = line.arguments[0]
                own = [one for one in node.all("sentinel auth-pass") if one.arguments[0] == service]
                if asked and not own and node.readable:
                    yield Hit(
                        place=line.place,
                        said=f"{service}: no 'sentinel auth-pass', and {asked[0].place} asks for a password",
                    )
                wrong = [one for one in asked if own and _differs(one, own[-1].arguments[-1])]
                if wrong and not node.last("sentinel auth-user"):
                    yield Hit(
                        place=own[-1].place,
                        said=f"{service}: auth-pass is not the requirepass of {wrong[0].place}",
                    )


def _among_sentinels(given: Given) -> Iterator[Hit]:
    for group in _theirs(given):
        asked = {
            line.text: line for one in group.sentinels if (line := _password(one)) and "$" not in line.text
        }
        shared = [one for one in group.sentinels if one.last("sentinel sentinel-pass")]
        if len(asked) > 1 and not shared:
            first, second = list(asked.values())[:2]
            yield Hit(place=second.place, said=f"another requirepass than the sentinel in {first.place}")


RULES = (
    Rule(
        name="requirepass-without-masterauth",
        severity=Severity.ERROR,
        wrong="A node asks for a password and has none for its own primary.",
        why="After a failover the old primary comes back as a replica and cannot log in: its link "
        "stays down, 'Unable to AUTH to MASTER'. The next failover then has nobody to promote, or "
        "promotes a node that never had the data.",
        cure="Set masterauth on every node, also on the primary, to the requirepass of all of them.",
        kinds=_DATA,
        look=_without_masterauth,
        proof=Proof("sentinel/21"),
    ),
    Rule(
        name="passwords-differ",
        severity=Severity.ERROR,
        wrong="Nodes that follow each other have different passwords.",
        why="When roles change, a replica offers a password that its new primary refuses: its link "
        "stays down, and clients that are led to the new primary are refused as well.",
        cure="Use the same requirepass and masterauth on all nodes.",
        kinds=_DATA,
        look=_differ,
        proof=Proof("sentinel/01", own_files=True),
    ),
    Rule(
        name="sentinel-cannot-log-in",
        severity=Severity.ERROR,
        wrong="A sentinel has no password, or another one than the nodes that it guards ask for.",
        why="It sees the primary as down from the start and cannot reconfigure anybody: no failover "
        "ever succeeds.",
        cure="Add 'sentinel auth-pass NAME PASSWORD' with the requirepass of the nodes.",
        kinds=_CONF,
        look=_of_sentinels,
        proof=Proof("sentinel/01", own_files=True),
    ),
    Rule(
        name="sentinels-refuse-each-other",
        severity=Severity.ERROR,
        wrong="Sentinels have different requirepass and no common sentinel-pass.",
        why="A sentinel offers its own requirepass to the others. They refuse it, so nobody collects "
        "a majority.",
        cure="Use the same requirepass on all sentinels, or set 'sentinel sentinel-pass'.",
        kinds=(FileKind.SENTINEL_CONF, FileKind.COMPOSE),
        look=_among_sentinels,
        proof=Proof("sentinel/01", own_files=True),
    ),
)
