"""What nodes had to bear: memory, connections of web servers, new ones within a second, and how long one
said that its cluster is down.

Memory and `cluster_state` are what a node says when it is sampled, so between two samples nothing is known.
A node that was silent for long while its process lived leaves the upper end open, and one that was never
sampled everything. Connections are those that the web servers recorded themselves, so the kit's own are not
among them; of an application of somebody else nobody records them.

Trap: a connection that was open before a phase began is open in it, but it is not a new one there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby, pairwise
from typing import NamedTuple, TypeVar

from harness.checks.facts.struck import ENDING, targets_of
from harness.checks.measures.availability import longest
from harness.checks.promises.open_connections import most_at_once, until_us
from harness.model.history import History
from harness.model.judgement import INFINITE, Interval, NodeUse
from harness.model.records import Connection, NodeSample
from harness.model.times import FOREVER, NEVER

SILENT_US = 1_000_000
"""Data nodes are asked twenty times a second, and are silent after half a second without an answer."""
WITHIN_US = 1_000_000
"""New connections are counted within any second."""

Of = TypeVar("Of", Connection, NodeSample)
Span = tuple[float, float]
ALL_THE_TIME: Span = (NEVER, FOREVER)


class Known(NamedTuple):
    interval: Interval | None
    """None: nothing is known."""
    why: str = ""
    """Why it is no single number, or not known."""


def uses_of_nodes(history: History) -> tuple[NodeUse, ...]:
    """Of each data node, in the order of the plan."""
    return tuple(
        NodeUse(
            node=node.name,
            memory_bytes=_count(_memory(history, node.name, ALL_THE_TIME)),
            connections=_count(connections(history, node.name)),
            new_connections=_count(new_connections(history, node.name)),
            cluster_down_s=_down(history, node.name).interval,
        )
        for node in history.plan.data_nodes()
    )


def _count(known: Known) -> int | None:
    return None if known.interval is None else int(known.interval.low)


def memory(history: History, purpose: str | None = None, span: Span = ALL_THE_TIME) -> Known:
    """Bytes of the data node, of those with a purpose, that used the most, at its highest sample."""
    nodes = [one.name for one in history.plan.data_nodes() if purpose in {None, str(one.purpose)}]
    return _worst([_memory(history, node, span) for node in nodes])


def _memory(history: History, node: str, span: Span) -> Known:
    answers = [one for one in _samples(history, node, ALL_THE_TIME) if one.reachable and one.memory_bytes]
    said = [one for one in answers if span[0] <= one.sent_us < span[1]]
    if not said and _was_gone(history, node, answers, span):
        return Known(Interval(low=0, high=0))
    if not said:
        return Known(None, f"{node} was never asked for its memory there")
    most = max(one.memory_bytes for one in said)
    silences = [*_silences(answers), *_silent_since(history, node, answers)]
    silent_us = max((min(span[1], end) - max(span[0], begin) for begin, end in silences), default=0)
    if silent_us <= SILENT_US:
        return Known(Interval(low=most, high=most))
    return Known(
        Interval(low=most, high=INFINITE), f"{node} said nothing of its memory for {silent_us / 1e6:.1f} s"
    )


def connections(
    history: History, node: str | None = None, web_server: str | None = None, span: Span = ALL_THE_TIME
) -> Known:
    """The most that were open to one node at the same time: of all web servers, or of one."""
    return _of_connections(history, node, web_server, span, _most_open)


def new_connections(
    history: History, node: str | None = None, web_server: str | None = None, span: Span = ALL_THE_TIME
) -> Known:
    """The most that were opened to one node within a second."""
    return _of_connections(history, node, web_server, span, _most_opened)


def _of_connections(
    history: History,
    node: str | None,
    web_server: str | None,
    span: Span,
    most_of: Callable[[Sequence[Connection], Span], int],
) -> Known:
    if history.plan.scenario.deployment.guest is not None:
        return Known(None, "nobody records the connections of an application of your own")
    if not history.connections:
        return Known(None, "no connection was recorded")
    opened = history.once(_connections_of_nodes)
    nodes = opened.values() if node is None else [opened.get(node, [])]
    mine = ([one for one in some if web_server in {None, one.web_server}] for some in nodes)
    most = max((most_of(some, span) for some in mine), default=0)
    return Known(Interval(low=most, high=most))


def _connections_of_nodes(history: History) -> dict[str, list[Connection]]:
    return _by_node(history.connections)


def _most_open(mine: Sequence[Connection], span: Span) -> int:
    begin_us, end_us = span
    there = [one for one in mine if one.opened_us < end_us and until_us(one) > begin_us]
    return most_at_once((max(begin_us, one.opened_us), until_us(one)) for one in there)[0]


def _most_opened(mine: Sequence[Connection], span: Span) -> int:
    opened = sorted(one.opened_us for one in mine if span[0] <= one.opened_us < span[1])
    return max((bisect_left(opened, at_us + WITHIN_US) - n for n, at_us in enumerate(opened)), default=0)


def cluster_down(history: History, shard: int | None = None) -> Known:
    """The longest time for which one node, of those planned for a shard, said that its cluster is down."""
    nodes = [one.name for one in history.plan.data_nodes() if shard in {None, one.shard}]
    return _worst([_down(history, node) for node in nodes])


def _down(history: History, node: str) -> Known:
    """Between two samples of one process it is down at most as long as they are apart, unless both say that
    it is not and hardly any time lies between; and all the time, if hardly any does and both say it is."""
    said = [one for one in _samples(history, node, ALL_THE_TIME) if one.cluster_ok is not None]
    if not said:
        return Known(None, f"{node} was never asked for its cluster_state")
    low_us = high_us = 0.0
    for process in _by_process(said):
        for ok, group in groupby(enumerate(process), key=lambda each: each[1].cluster_ok):
            places = [place for place, _ in group]
            first, last = places[0], places[-1]
            silent = [one for one in _silences(process[first : last + 1]) if one[1] - one[0] > SILENT_US]
            if ok:
                high_us = max([high_us, *(end - begin for begin, end in silent)])
                continue
            edges = [process[first].done_us, *chain.from_iterable(silent), process[last].sent_us]
            said_so = zip(edges[::2], edges[1::2], strict=True)
            low_us = max([low_us, *(end - begin for begin, end in said_so)])
            begin_us = process[max(0, first - 1)].sent_us
            last_of_all = process[last] is said[-1]
            end_us = FOREVER if last_of_all else process[min(last + 1, len(process) - 1)].done_us
            high_us = max(high_us, end_us - begin_us)
    if any(end - begin > SILENT_US for begin, end in _silent_since(history, node, said)):
        high_us = FOREVER
    return Known(
        Interval(low=max(0, low_us) / 1e6, high=high_us / 1e6),
        f"{node} does not say all the time how its cluster is",
    )


def _by_process(said: Sequence[NodeSample]) -> list[list[NodeSample]]:
    return [list(group) for _, group in groupby(said, key=lambda one: one.run_id)]


def _samples(history: History, node: str, span: Span) -> list[NodeSample]:
    mine = history.once(_samples_of_nodes).get(node, [])
    return [one for one in mine if span[0] <= one.sent_us < span[1]]


def _samples_of_nodes(history: History) -> dict[str, list[NodeSample]]:
    return _by_node(history.samples)


def _by_node(records: Iterable[Of]) -> dict[str, list[Of]]:
    found: dict[str, list[Of]] = defaultdict(list)
    for one in records:
        found[one.node].append(one)
    return dict(found)


def _silences(said: Sequence[NodeSample]) -> list[Span]:
    """From each answer to the next one of the same process."""
    return [
        (before.done_us, after.sent_us) for before, after in pairwise(said) if before.run_id == after.run_id
    ]


def _silent_since(history: History, node: str, said: Sequence[NodeSample]) -> list[Span]:
    """From its last answer to when it was last asked, or until a fault ended its process."""
    if not said:
        return []
    asked_us = _samples(history, node, ALL_THE_TIME)[-1].done_us
    return [(said[-1].done_us, min([asked_us, *_ended_us(history, node, said[-1])]))]


def _was_gone(history: History, node: str, answers: Sequence[NodeSample], span: Span) -> bool:
    """Whether a fault had ended its process before a span in which it is asked in vain, or as that began."""
    before = [one for one in answers if one.sent_us < span[0]]
    after = answers[len(before) :]
    if not before or (after and after[0].run_id == before[-1].run_id) or not _samples(history, node, span):
        return False
    return any(at_us <= span[0] + SILENT_US for at_us in _ended_us(history, node, before[-1]))


def _ended_us(history: History, node: str, last: NodeSample) -> list[int]:
    """When faults ended processes of a node, after one's last answer."""
    ending = history.plan.scenario.faults_with(*ENDING)
    return [
        one.t_us
        for one in history.effects
        if one.fault in ending and one.t_us >= last.sent_us and node in targets_of(one, history)
    ]


def _worst(nodes: Sequence[Known]) -> Known:
    """Of the node that had the most to bear. Of one that nothing is known of it may be anything."""
    known = [one.interval for one in nodes if one.interval is not None]
    if not known:
        return Known(None, nodes[0].why if nodes else "there is no such node")
    worst = longest(known)
    if len(known) < len(nodes):
        why = next(one.why for one in nodes if one.interval is None)
        return Known(Interval(low=worst.low, high=INFINITE), why)
    return Known(worst, next((one.why for one in nodes if one.interval and not one.interval.exact), ""))
