"""Persistence, memory, and replicas: what is left of the sessions afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from harness.lint.rule import Hit, Proof, Rule, Severity
from harness.lint.subjects import Given, Node
from harness.scenario.file_kind import FileKind

_CONF = (FileKind.REDIS_CONF, FileKind.COMPOSE)
_ALL = (*_CONF, FileKind.DEPLOYMENT, FileKind.SCENARIO)

_EACH_MINUTE = "1"
"""The default of lfu-decay-time. Whoever wrote another value has thought of it."""


def _nothing_on_disk(node: Node) -> bool:
    """`save ""` is written, no later snapshot, no append-only file."""
    save = node.last("save")
    return save is not None and not save.text.strip() and node.value("appendonly", "no").lower() != "yes"


def _restarts_empty(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        for node in group.data:
            if group.made_by_kit or node.cache or not node.readable or not _nothing_on_disk(node):
                continue
            if group.complete and not node.restarts:
                continue
            by = f"restart: {node.restarts} starts it again" if node.restarts else "whatever starts it again"
            yield Hit(place=node.where("save"), said=f"{node.name} keeps nothing on disk, and {by} empty")


def _evicting(given: Given) -> Iterator[Hit]:
    for node, policy in _full_with(given, lambda _, policy: policy.startswith("allkeys-")):
        yield _policy_hit(node, f"{policy} evicts sessions when the memory is full")


def _volatile(given: Given) -> Iterator[Hit]:
    for node, policy in _full_with(given, lambda _, policy: policy.startswith("volatile-")):
        yield _policy_hit(node, f"{policy} evicts only what has a time to live: the sessions")


def _forgetting(given: Given) -> Iterator[Hit]:
    def forgets(node: Node, policy: str) -> bool:
        return policy.endswith("-lfu") and node.value("lfu-decay-time", _EACH_MINUTE) == _EACH_MINUTE

    for node, policy in _full_with(given, forgets):
        yield _policy_hit(
            node,
            f"{policy} with lfu-decay-time {_EACH_MINUTE}: sessions count less with each minute in which "
            "their users do nothing",
        )


def _full_with(given: Given, evicts: Callable[[Node, str], bool]) -> Iterator[tuple[Node, str]]:
    """Nodes with sessions and a limit of memory, and their policies if they evict so; in each group of nodes
    those that share a line count once."""
    for group in given.groups:
        told = set()
        for node in group.data:
            policy, place = node.value("maxmemory-policy").lower(), node.where("maxmemory-policy")
            if node.cache or not _limited(node) or place in told or not evicts(node, policy):
                continue
            told.add(place)
            yield node, policy


def _policy_hit(node: Node, said: str) -> Hit:
    return Hit(place=node.where("maxmemory-policy"), said=f"{node.name}: {said}")


def _limited(node: Node) -> bool:
    """Whether there is a limit at which something is evicted; without one nothing ever is."""
    limit = node.value("maxmemory", "0")
    return not re.fullmatch(r"0+[a-z]*", limit.lower())


def _no_heir(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        heirs = [one for one in group.data if not one.cache and (one.replica or not group.complete)]
        if not group.complete and not group.sentinels and len(heirs) < 2:
            continue  # one file of a node that is meant to stay a replica
        if heirs and all(one.value("replica-priority", "100") == "0" for one in heirs):
            yield Hit(
                place=heirs[0].where("replica-priority"),
                said="every replica has priority 0: none may be promoted",
            )


def _needs_all(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        replicas = sum(one.copies for one in group.data if one.replica)
        if not group.complete or not replicas:
            continue
        told = set()
        for node in group.data:
            text = node.value("min-replicas-to-write", "0")
            place = node.where("min-replicas-to-write")
            if node.cache or not re.fullmatch(r"[0-9]{1,4}", text) or place in told or int(text) < replicas:
                continue
            told.add(place)
            of = f"{text} of {replicas} replicas"
            ends = (
                "more than there are" if int(text) > replicas else "one of them down, and writes are refused"
            )
            yield Hit(place=place, said=f"{node.name}: min-replicas-to-write asks for {of}: {ends}")


RULES = (
    Rule(
        name="restart-without-persistence",
        severity=Severity.ERROR,
        wrong="A node keeps nothing on disk and is started again after a crash.",
        why="It is back before any sentinel calls it down, with no data. The replicas copy the empty "
        "data set: all sessions are gone on all nodes, and no failover happens.",
        cure='Switch on appendonly, or let nothing restart a crashed node (restart: "no"), so that a '
        "replica is promoted.",
        kinds=_CONF,
        look=_restarts_empty,
        proof=Proof("sentinel/07"),
    ),
    Rule(
        name="sessions-evicted",
        severity=Severity.WARNING,
        wrong="Sessions are in an instance that evicts any key.",
        why="When the memory is full, users are logged out. In a measured flood of twice the memory, "
        "60 to 75 % of all sessions were evicted.",
        cure="Keep sessions in an instance of their own with maxmemory-policy noeviction, and watch "
        "its memory.",
        kinds=_ALL,
        look=_evicting,
        proof=Proof("shared/01"),
    ),
    Rule(
        name="volatile-evicts-sessions",
        severity=Severity.WARNING,
        wrong="A volatile-* policy evicts only keys with a time to live, and sessions have one.",
        why="Cache keys without a time to live stay, and sessions go first: in a measured flood all "
        "of them, and then log-ins were refused.",
        cure="Keep sessions in an instance of their own with noeviction. If that is impossible, use "
        "volatile-ttl, and give every cache key a time to live that is shorter than a session's.",
        kinds=_ALL,
        look=_volatile,
        proof=Proof("shared/01", ("deployment.topology.redis.maxmemory-policy=volatile-lru",)),
    ),
    Rule(
        name="idle-sessions-forgotten",
        severity=Severity.WARNING,
        wrong="A *-lfu policy forgets within minutes how often a session was used.",
        why="A user who does nothing for two minutes is then worth less than a page that was put into the "
        "cache just now. In a measured flood 395 of 452 sessions went, and with lfu-decay-time 0 none.",
        cure="Set lfu-decay-time to 0, which forgets nothing, or to more minutes than the idle timeout of "
        "sessions.",
        kinds=_ALL,
        look=_forgetting,
        proof=Proof("shared/20"),
    ),
    Rule(
        name="nobody-may-be-promoted",
        severity=Severity.ERROR,
        wrong="Every replica has replica-priority 0.",
        why="Sentinel never promotes such a replica (-failover-abort-no-good-slave): the outage has no end.",
        cure="Leave at least one replica with a priority above 0.",
        kinds=_ALL,
        look=_no_heir,
        proof=Proof("sentinel/12"),
    ),
    Rule(
        name="min-replicas-needs-all",
        severity=Severity.WARNING,
        wrong="min-replicas-to-write needs every replica.",
        why="With one replica down, every write is refused (NOREPLICAS). A planned failover with one "
        "replica and min-replicas-to-write 1 refused writes for 11 s.",
        cure="Have one replica more than min-replicas-to-write asks for.",
        kinds=(FileKind.DEPLOYMENT, FileKind.SCENARIO, FileKind.COMPOSE),
        look=_needs_all,
        proof=Proof(
            "sentinel/03",
            ("deployment.topology.replicas=1", "deployment.topology.redis.min-replicas-to-write=1"),
        ),
    ),
)
