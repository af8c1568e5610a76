"""Why a primary that was struck had no successor: the last word of those who decide.

Sentinel announces every failover that it gives up, and why; what it never announces (a quorum that is
not reached) shows in who took the primary for dead. A cluster's replica writes into its log why it
cannot stand for election; `observe` records the line. The last word counts: sentinels try again and
again, and what stopped them at first may be over.

Trap: a word is an answer only while nobody took over. Where somebody did, the same messages are the
story of a detour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.checks.facts.of_run import Facts
from harness.checks.facts.promotions import CLEARED, SUSPECTED
from harness.model.credentials import has_own
from harness.model.directives import used
from harness.model.history import History
from harness.model.records import Event
from harness.model.words import Cause

ABORTED = "-failover-abort-"
ABORTS: Mapping[str, tuple[Cause, str]] = {
    "no-good-slave": (Cause.NO_GOOD_REPLICA, "no good replica"),
    "not-elected": (Cause.NOT_ELECTED, "no sentinel got the votes of a majority"),
    "slave-timeout": (Cause.NOT_PROMOTED_IN_TIME, "the chosen replica did not become primary in time"),
}
_NOT_ELECTED = f"{ABORTED}not-elected"
TILT, TILT_OVER = "+tilt", "-tilt"
TRIED = "+try-failover"
REFUSED = "cannot-fail-over"
"""Event: a cluster's replica, asked by its log, says why it does not stand for election."""
REFUSALS: Mapping[str, tuple[Cause, str]] = {
    "Disconnected from master for longer than allowed": (
        Cause.CUT_OFF_TOO_LONG,
        "disconnected from its primary for longer than allowed",
    ),
    "majority still not reached": (Cause.NO_MAJORITY, "no majority of the primaries voted"),
}


REFUSED_LOGIN = "cannot-log-in"
"""Event: a replica, asked by its log, says what its primary answered."""
SENT_BY_SENTINELS = frozenset({"config", "slaveof", "replicaof"})
"""What makes a replica a primary, and may have another name at a node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWord:
    cause: Cause
    text: str
    event: Event | None = None
    """Who said it and when; None: it follows from what nobody said."""

    @property
    def told(self) -> str:
        """With who said it, as they spell it."""
        if self.event is None:
            return self.text
        return f"{self.text} ({self.event.source}: {self.event.name})"


def aborted(events: Iterable[Event], facts: Facts) -> LastWord | None:
    """The last of these at which Sentinel gave a failover up, or stood still."""
    word = _given_up(events)
    if word is None or word.event is None or word.cause is not Cause.NOT_PROMOTED_IN_TIME:
        return word
    if not (renamed := renamed_for_sentinels(facts, word.event.t_us)):
        return word
    names = " and ".join(renamed)
    text = f"the chosen replica does not know {names}, which is renamed there"
    return replace(word, cause=Cause.COMMAND_RENAMED, text=text)


def renamed_for_sentinels(facts: Facts, t_us: float) -> list[str]:
    """Commands that sentinels sent then under a name that data nodes did not know, by their configuration."""
    plan = facts.history.plan
    told = {
        one.arguments[-2].lower(): one.arguments[-1]
        for sentinel in plan.sentinels()
        for one in used(sentinel.directives)
        if one.name == "sentinel rename-command" and len(one.arguments) > 1
    }
    return sorted(
        {
            one.arguments[0].upper()
            for node in plan.data_nodes()
            for one in used(facts.settings.at(node.name, t_us).directives)
            if one.name == "rename-command"
            and one.arguments[0].lower() in SENT_BY_SENTINELS
            and told.get(one.arguments[0].lower()) != one.arguments[-1]
        }
    )


def refused_login(facts: Facts) -> LastWord | None:
    """A replica that its primary lets nobody in for: it is there, and stays empty or old."""
    plan = facts.history.plan
    said = [event for event in facts.history.events if event.name == REFUSED_LOGIN and event.node]
    if not said:
        return None
    event = said[-1]
    node = facts.settings.at(event.node or "", event.t_us)
    missing = has_own(plan.data_nodes()) and not any(
        one.name in {"masterauth", "primaryauth"} for one in used(node.directives)
    )
    why = "it has no masterauth" if missing else "its masterauth or masteruser is refused"
    text = f"{node.name} cannot log in at its primary: {why}: {event.detail}"
    return LastWord(cause=Cause.CANNOT_LOG_IN, text=text, event=event)


def election_failed(facts: Facts) -> Event | None:
    """The first time, after a fault, that a sentinel got too few votes."""
    since_us, _ = facts.landmarks.trouble_us
    return next(
        (one for one in facts.history.events if one.name == _NOT_ELECTED and one.t_us >= since_us), None
    )


def _given_up(events: Iterable[Event]) -> LastWord | None:
    word: LastWord | None = None
    still: dict[str, Event] = {}
    for event in events:
        if event.name.startswith(ABORTED):
            why = event.name.removeprefix(ABORTED)
            cause, text = ABORTS.get(why, (Cause.NOT_DETERMINED, why.replace("-", " ")))
            word, still = LastWord(cause=cause, text=text, event=event), {}
        elif event.name == TILT:
            still[event.source] = event
        elif event.name == TILT_OVER:
            still.pop(event.source, None)
    if not still:
        return word
    frozen = max(still.values(), key=lambda one: one.t_us)
    return LastWord(cause=Cause.TILT, text="in TILT mode, in which a sentinel takes no action", event=frozen)


def last_word(facts: Facts, shard: int, begin_us: float, until_us: float) -> LastWord:
    """Why nobody took the shard over in [begin, until), though its primary was struck."""
    history, shards = facts.history, facts.shards
    heard = [
        event
        for event in history.events
        if begin_us <= event.t_us < until_us and shards.of_event(event) in {None, shard}
    ]
    if len(shards.members(shard, begin_us)) < 2:
        return LastWord(cause=Cause.NO_REPLICA, text=f"shard {shard} has no replica that could take over")
    node = facts.ownership.owner_at(shard, begin_us)
    suspecting = _suspecting(heard, node)
    agreed = any(event.name == "agreed" and event.node == node for event in heard)
    if history.plan.inventory.clustered:
        return _of_cluster(history, heard, suspecting, agreed=agreed, node=node)
    return _of_sentinels(facts, heard, suspecting, agreed=agreed, node=node)


def _of_sentinels(
    facts: Facts, heard: list[Event], suspecting: set[str], *, agreed: bool, node: str | None
) -> LastWord:
    if (word := aborted(heard, facts)) is not None:
        return word
    history = facts.history
    quorum, voters = history.plan.scenario.deployment.topology.effective_quorum, history.plan.sentinels()
    if not voters:
        return LastWord(cause=Cause.NO_QUORUM, text="no sentinel monitors it")
    if not agreed:
        text = f"{len(suspecting)} of {len(voters)} sentinels considered {node} down, the quorum is {quorum}"
        return LastWord(cause=Cause.NO_QUORUM, text=text)
    tried = [event for event in heard if event.name in {TRIED, "elected"}]
    if not tried:
        return LastWord(
            cause=Cause.NOT_DETERMINED,
            text=f"{node} was agreed to be down, and no sentinel started a failover",
        )
    if tried[-1].name == TRIED:
        return LastWord(cause=Cause.NOT_ELECTED, text="no sentinel is elected yet", event=tried[-1])
    return LastWord(
        cause=Cause.NOT_DETERMINED,
        text="a sentinel is elected, and the failover is not finished yet",
        event=tried[-1],
    )


def _of_cluster(
    history: History, heard: list[Event], suspecting: set[str], *, agreed: bool, node: str | None
) -> LastWord:
    for event in reversed(heard):
        if event.name == REFUSED:
            known = (said for line, said in REFUSALS.items() if line in event.detail)
            cause, text = next(known, (Cause.NOT_DETERMINED, event.detail))
            return LastWord(cause=cause, text=text, event=event)
    if not agreed:
        shards = history.plan.scenario.deployment.topology.shards
        text = (
            f"{len(suspecting)} nodes considered {node} down,"
            f" and no majority of the {shards} primaries agreed"
        )
        return LastWord(cause=Cause.NO_MAJORITY, text=text)
    return LastWord(
        cause=Cause.NOT_DETERMINED,
        text=f"{node} was agreed to be down, and no replica reported why it did not take over",
    )


def _suspecting(heard: Iterable[Event], node: str | None) -> set[str]:
    """Who took the node for dead at the end."""
    found: set[str] = set()
    for event in heard:
        if event.node == node and event.name == SUSPECTED:
            found.add(event.source)
        elif event.node == node and event.name == CLEARED:
            found.discard(event.source)
    return found
