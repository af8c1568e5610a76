"""Which settings a node had at a moment: those of the plan, what faults put in their place, and until when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.settings import REWRITTEN_S, Settings
from harness.model.inventory import NodePlan
from harness.model.times import FOREVER, NEVER
from lab.past import Past
from lab.records import us

LOGS = {"appendonly": "yes", "appendfsync": "always"}


def settings(past: Past, **has: str) -> Settings:
    """Of a run whose nodes are first started with these."""
    past.settings = {f"redis-{n}": {**has} for n in (1, 2, 3)}
    return facts_of(past.history()).settings


def changed(
    at: float,
    directive: str,
    value: str,
    *,
    past: Past | None = None,
    error: float = 0.0,
    who: str = "redis-1",
) -> Past:
    told = past or Past()
    told.fault(at, f"{who}: set", "config set", directive=directive, value=value)
    told.events[-1].error_us = us(error)
    return told


def undone(past: Past, fault: int, at: float) -> Past:
    past.event("healed", at, source=f"fault {fault}", fault=fault, node="redis-1")
    return past


def said(found: Settings, at: float, name: str = "appendfsync", node: str = "redis-1") -> str:
    return found.at(node, us(at)).setting(name, "")


def test_node_has_what_the_plan_says_until_a_fault_changes_it() -> None:
    """From the earliest moment of the effect until it is undone. A fault meets the node as it was before."""
    found = settings(undone(changed(5.0, "appendfsync", "no", error=0.5), 1, 9.0), **LOGS)
    moments = (0.0, 4.5, 4.500001, 9.0, 9.000001, 20.0)
    assert [said(found, at) for at in moments] == ["always", "always", "no", "no", "always", "always"]
    assert said(found, 6.0, "appendonly") == "yes"
    assert said(found, 6.0, node="redis-2") == "always"
    assert said(settings(Past(), **LOGS), 6.0) == "always"
    past = changed(5.0, "appendfsync", "no")
    for name in ("requested", "heal-failed"):
        past.event(name, 6.0, source="fault 1", fault=1, node="redis-1")
    assert said(settings(past, **LOGS), 7.0) == "no"


def test_effect_on_several_nodes_changes_each_of_them() -> None:
    found = settings(changed(5.0, "appendfsync", "no", who="redis-3, redis-2"), **LOGS)
    assert [said(found, 6.0, node=f"redis-{n}") for n in (1, 2, 3)] == ["always", "no", "no"]


@pytest.mark.parametrize(
    ("name", "value", "asked", "answer"),
    [
        ("MIN-SLAVES-TO-WRITE", "1", "min-replicas-to-write", "1"),
        ("save", "60 1", "save", "60 1"),
        ("save", "", "save", ""),
        ("save", "'not closed", "save", "5 1"),
    ],
)
def test_directive_is_read_as_a_node_reads_it(name: str, value: str, asked: str, answer: str) -> None:
    """In today's spelling; what no node takes is not set."""
    assert said(settings(changed(5.0, name, value), save="5 1"), 6.0, asked) == answer


def test_directive_that_the_plan_does_not_have_is_gone_when_it_is_undone() -> None:
    found = settings(undone(changed(5.0, "maxmemory", "5mb"), 1, 9.0))
    assert [found.at("redis-1", us(at)).setting("maxmemory", "none") for at in (4.0, 6.0, 10.0)] == [
        "none",
        "5mb",
        "none",
    ]


def test_undoing_sets_what_was_there_before() -> None:
    """Two faults set the same; the first one is undone first, and sets what it had found."""
    past = changed(7.0, "appendfsync", "no", past=changed(5.0, "appendfsync", "everysec"))
    found = settings(undone(undone(past, 1, 9.0), 2, 11.0), **LOGS)
    assert [said(found, at) for at in (6.0, 8.0, 10.0, 12.0)] == ["everysec", "no", "always", "everysec"]


def test_process_that_ends_takes_along_what_it_was_told() -> None:
    """The next one reads its file. The fault is undone there all the same."""
    past = changed(5.0, "appendfsync", "no")
    past.reborn.append((8.0, "redis-1", 100))
    found = settings(undone(past, 1, 12.0), **LOGS)
    assert [said(found, at) for at in (7.9, 8.1, 13.0)] == ["no", "always", "always"]
    assert said(found, 7.9, node="redis-2") == "always"
    assert found.file_at("redis-1", us(6.0)).setting("appendfsync", "") == "always"


def test_file_is_what_each_process_reads_that_starts_from_then_on() -> None:
    """The process that the restart ended had what was there before, until another one was seen."""
    past = Past()
    past.fault(
        5.0, "redis-1: again", "restart", redis="appendfsync no\nsave 60 1\nsave 300 10\nnot 'a directive"
    )
    past.events[-1].error_us = us(0.5)
    past.reborn += [(6.0, "redis-1", 100), (15.0, "redis-1", 100)]
    found = settings(past, **LOGS)
    assert [said(found, at) for at in (5.5, 6.1, 16.0)] == ["always", "no", "no"]
    assert found.at("redis-1", us(7.0)).directives["save"] == ("60 1", "300 10")
    files = [found.file_at("redis-1", us(at)) for at in (4.499999, 4.5, 20.0)]
    assert [one.setting("appendfsync", "") for one in files] == ["always", "no", "no"]
    past.fault(8.0, "redis-1: again", "restart", redis="maxmemory 5mb")
    both = settings(past, **LOGS).file_at("redis-1", us(9.0))
    assert (both.setting("appendfsync", ""), both.setting("maxmemory", "")) == ("no", "5mb")


def test_restart_that_nobody_looked_at_counts_from_its_effect() -> None:
    past = changed(4.0, "appendfsync", "no")
    past.fault(5.0, "redis-1: again", "restart", redis="maxmemory 5mb")
    found = settings(past, **LOGS)
    assert [said(found, at) for at in (5.0, 5.000001)] == ["no", "always"]
    assert [said(found, at, "maxmemory") for at in (5.0, 5.000001)] == ["", "5mb"]
    past.events[-1].error_us = us(0.5)
    found = settings(past, **LOGS)
    assert found.since_us("redis-1", us(6.0), lambda one: bool(one.setting("maxmemory", ""))) == us(4.5)


def test_restart_whose_effect_is_known_later_is_the_one_that_somebody_looked_at() -> None:
    """What the new process was told before that is not gone."""
    past = changed(5.4, "appendfsync", "no")
    past.fault(6.0, "redis-1: again", "restart")
    past.events[-1].error_us = us(0.9)
    past.reborn.append((5.1, "redis-1", 100))
    assert said(settings(past, **LOGS), 7.0) == "no"


@pytest.mark.parametrize("by", ["config set", "healing"])
def test_append_only_file_that_is_switched_on_counts_once_it_has_all(by: str) -> None:
    """Its first rewrite has to be over."""
    if by == "healing":
        past, has = undone(changed(2.0, "appendonly", "no"), 1, 4.0), {"appendonly": "yes"}
    else:
        past, has = changed(4.0, "appendonly", "yes"), {}
    found = settings(past, **has)
    assert said(found, 4.0 + REWRITTEN_S, "appendonly") != "yes"
    assert said(found, 4.000001 + REWRITTEN_S, "appendonly") == "yes"
    logs = found.since_us("redis-1", us(20.0), lambda one: one.setting("appendonly", "") == "yes")
    assert logs == us(4.0 + REWRITTEN_S)


def test_append_only_file_whose_rewrite_was_broken_off_counts_from_the_next_one() -> None:
    """It was switched off and on again meanwhile, or the process ended and the next one was told the same. What
    is set besides changes nothing."""
    past = undone(changed(5.0, "appendonly", "no", past=changed(4.0, "appendonly", "yes")), 2, 6.0)
    found = settings(changed(7.0, "maxmemory", "5mb", past=past))
    assert [said(found, at + REWRITTEN_S, "appendonly") for at in (5.9, 6.1)] == ["no", "yes"]
    assert [said(found, at, "maxmemory") for at in (6.9, 7.1, 8.0, 12.0)] == ["", "5mb", "5mb", "5mb"]
    past = changed(4.0, "appendonly", "yes")
    past.reborn.append((6.0, "redis-1", 100))
    assert said(settings(past), 20.0, "appendonly") == ""
    past.fault(5.9, "redis-1: again", "restart", redis="appendonly yes")
    assert said(settings(past), 6.1, "appendonly") == "yes"


def test_process_that_is_started_with_an_append_only_file_has_it_at_once() -> None:
    """And what is set to what it was is no change."""
    past = Past()
    past.fault(5.0, "redis-1: again", "restart", redis="appendonly yes")
    past.reborn.append((6.0, "redis-1", 100))
    found = settings(changed(8.0, "appendonly", "yes", past=past))
    assert [said(found, at, "appendonly") for at in (5.9, 6.1, 8.1)] == ["", "yes", "yes"]


def _unsynced(node: NodePlan) -> bool:
    return node.setting("appendfsync", "") != "always"


def test_since_when_something_holds() -> None:
    """However it went on; from the first moment at which it may have begun."""
    past = changed(7.0, "appendfsync", "no", past=changed(5.0, "appendfsync", "everysec", error=0.5))
    found = settings(past, **LOGS)
    assert [found.since_us("redis-1", us(at), _unsynced) for at in (6.0, 8.0)] == [us(4.5), us(4.5)]
    assert found.since_us("redis-1", us(8.0), lambda node: node.setting("appendfsync", "") == "no") == us(7.0)
    assert found.since_us("redis-1", us(8.0), lambda node: node.setting("appendonly", "") == "yes") == NEVER
    assert found.since_us("redis-2", us(8.0), lambda node: not _unsynced(node)) == NEVER
    assert found.since_us("redis-1", us(4.0), lambda node: not _unsynced(node)) == NEVER


def test_what_another_process_was_started_with_may_hold_from_the_last_look_at_the_one_before() -> None:
    past = Past()
    past.fault(5.0, "redis-1: again", "restart", redis="appendfsync no")
    past.reborn.append((6.0, "redis-1", 100))
    history = past.history()
    unseen = tuple(one for one in history.samples if not us(4.8) < one.sent_us < us(6.4))
    past.settings = {"redis-1": LOGS}
    found = facts_of(replace(past.history(), samples=unseen)).settings
    assert us(4.7) <= found.since_us("redis-1", us(9.0), _unsynced) <= us(4.8)
    assert said(found, 6.3) == "always"
    assert said(found, 6.6) == "no"


def test_what_held_meanwhile_begins_with_what_was_there() -> None:
    """And has each that came, to the last moment."""
    found = settings(undone(changed(5.0, "appendfsync", "no"), 1, 9.0), **LOGS)

    def seen(from_s: float, to_s: float) -> list[tuple[float, str]]:
        spells = found.between("redis-1", us(from_s), us(to_s) if to_s < FOREVER else FOREVER)
        return [(one.from_us, one.node.setting("appendfsync", "")) for one in spells]

    assert seen(1.0, 4.0) == [(NEVER, "always")]
    assert seen(5.0, 5.0) == [(NEVER, "always"), (us(5.0), "no")]
    assert seen(5.5, 8.0) == [(us(5.0), "no")]
    assert seen(5.5, FOREVER) == [(us(5.0), "no"), (us(9.0), "always")]
    assert seen(12.0, 1.0) == [(us(9.0), "always")]


def test_what_any_node_ever_had() -> None:
    found = settings(undone(changed(5.0, "appendfsync", "no", who="redis-2"), 1, 9.0), **LOGS)
    assert found.ever(_unsynced)
    assert not settings(Past(), **LOGS).ever(_unsynced)
