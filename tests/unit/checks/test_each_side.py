"""Small decisions that a whole judgement hides: which finding comes first, who counts as put out, which look counts."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from harness.checks.columns.arrays import in_order_of
from harness.checks.facts.hits import copied_until_us
from harness.checks.facts.of_run import facts_of
from harness.checks.facts.promotions import Owner
from harness.checks.facts.timelines import Timelines
from harness.checks.linearizability.foreign_history import _digits, read_foreign
from harness.checks.measures.session_counts import _put_out
from harness.checks.run import run_checks
from harness.checks.screen.contents import _escaped
from harness.checks.verdict.evidence import Affects, Evidence, Gap
from harness.checks.verdict.expectations import ANY_SHARE, ANYTHING, _widened_loss, _widened_traffic
from harness.errors import UsageError
from harness.model.history import History
from harness.model.judgement import Finding, Interval, in_order
from harness.model.records import NodeSample, Step
from harness.model.words import FindingSide
from lab.past import Past
from lab.records import us


def _finding(name: str = "lost-session", **about: Any) -> Finding:
    known = {"side": FindingSide.CLOSED, "sentence": "s", "session": "x", **about}
    return Finding(name=name, **known)


def test_findings_come_by_side_then_by_the_time_of_their_promise() -> None:
    """What fails open first; the promise's time counts, the sight's where there is none, and none is 0."""
    inside = _finding(side=FindingSide.OPEN, t_us=9)
    never, first, second, third = (
        _finding(),
        _finding(t_us=1),
        _finding(seen_us=2),
        _finding(t_us=3, seen_us=0),
    )
    assert in_order([third, second, first, never, inside]) == [inside, never, first, second, third]
    assert in_order([_finding("lost-write"), never]) == [never, _finding("lost-write")]


@pytest.mark.parametrize("seen", [(5, 9), (9, 5)])
def test_user_is_put_out_at_the_first_closed_door(seen: tuple[int, int]) -> None:
    """Whatever order the findings are in; one without a time says nothing."""
    timelines = Timelines(Past().history())
    findings = [_finding(seen_us=one) for one in seen]
    assert _put_out(timelines, findings) == {"x": 5}
    assert _put_out(timelines, [_finding(seen_us=None)]) == {}
    assert _put_out(timelines, [_finding("lost-write", seen_us=3)]) == {}


def _sampled(*samples: tuple[float, str, int, str]) -> History:
    """Second, node, offset and process of each."""
    history = Past().history()
    return replace(
        history,
        samples=tuple(
            NodeSample(
                node=node,
                sent_us=us(at),
                done_us=us(at + 0.001),
                run_id=run_id,
                role="primary" if node == "redis-1" else "replica",
                offset=offset,
                replid="stream",
            )
            for at, node, offset, run_id in samples
        ),
    )


def _copied_until(history: History, before_s: float = 9.0) -> int | None:
    return copied_until_us(facts_of(history), history.plan.node("redis-1"), None, us(before_s))


def test_copied_is_what_the_slowest_replica_had_reached() -> None:
    """The last look at which the primary was no further than that replica showed last."""
    looks = [(1.0, "redis-1", 10, "a"), (2.0, "redis-1", 20, "a"), (3.0, "redis-1", 30, "a")]
    replicas = [(3.1, "redis-2", 30, "b"), (3.2, "redis-3", 20, "c")]
    assert _copied_until(_sampled(*looks, *replicas)) == us(2.0)
    assert _copied_until(_sampled(*looks, (3.1, "redis-2", 30, "b"))) == us(3.0)
    assert _copied_until(_sampled(*looks, (3.1, "redis-2", 5, "b"))) is None
    assert _copied_until(_sampled(*looks)) is None


def test_copied_counts_only_looks_at_the_process_that_went() -> None:
    """An offset of the process before says nothing of this one's writes."""
    looks = [(1.0, "redis-1", 10, "before"), (2.0, "redis-1", 90, "now")]
    assert _copied_until(_sampled(*looks, (3.0, "redis-2", 50, "b"))) is None


def test_copied_counts_only_what_was_seen_before() -> None:
    """A look that was answered after the moment may show what came later."""
    looks = [(1.0, "redis-1", 10, "a"), (2.0, "redis-1", 20, "a")]
    history = _sampled(*looks, (1.5, "redis-2", 15, "b"), (2.5, "redis-2", 20, "b"))
    assert _copied_until(history, 2.4) == us(1.0)
    assert _copied_until(history, 2.6) == us(2.0)


SUCCESSOR = Owner("redis-2", us(9.0), us(9.1))


def _copied_to(
    process: tuple[float, str, int, str], stored: dict[str, str], stream: str = "stream"
) -> int | None:
    """What the successor had at 9.1 s of what it showed at 3.1 s; `process`: a look at it that came later."""
    looks = [(1.0, "redis-1", 10, "a"), (3.0, "redis-1", 30, "a"), (3.1, "redis-2", 30, "b")]
    history = _sampled(*looks, process)
    nodes = tuple(replace(one, directives=stored) for one in history.plan.nodes)
    samples = (*history.samples[:-1], msgspec.structs.replace(history.samples[-1], replid=stream))
    history = replace(history, plan=replace(history.plan, nodes=nodes), samples=samples)
    return copied_until_us(facts_of(history), history.plan.node("redis-1"), SUCCESSOR, us(5.0))


STORES = {"appendonly": "yes", "appendfsync": "always"}


def test_successor_that_came_back_as_another_process_has_what_it_had_stored() -> None:
    """Its process that had followed so far was gone, and so is what it had, if nothing stored it."""
    assert _copied_to((8.0, "redis-2", 30, "b"), {}, "own") == us(3.0)
    assert _copied_to((8.0, "redis-2", 0, "c"), {}, "own") is None
    assert _copied_to((8.0, "redis-2", 0, "c"), STORES, "own") == us(3.0)
    assert _copied_to((9.2, "redis-2", 0, "c"), {}, "own") is None
    assert _copied_to((8.0, "redis-3", 0, "c"), {}, "own") == us(3.0)


def test_successor_that_followed_as_far_again_has_it() -> None:
    """Another process of the node, which its primary had given all of that."""
    assert _copied_to((8.0, "redis-2", 30, "c"), {}) == us(3.0)
    assert _copied_to((8.0, "redis-2", 29, "c"), {}) is None
    assert _copied_to((9.2, "redis-2", 30, "c"), {}) is None


def test_sort_by_code_goes_by_every_digit() -> None:
    """A code as large as a whole digit of the sort is not taken for none."""
    codes = np.array([65536, 0, 1, 65535, 65537, 0])
    assert in_order_of(codes).tolist() == [1, 5, 2, 3, 0, 4]


def test_texts_with_a_backslash_are_told_one_by_one() -> None:
    """They are cut in another way than all others."""
    texts = pa.array(["plain", 'quoted \\" mark', ""])
    assert _escaped(texts).tolist() == [False, True, False]
    assert _escaped(texts.slice(2)).tolist() == [False]


def _names(past: Past) -> list[str]:
    return [one.name for one in run_checks(past.history())[0]]


def _without_cart(step: Step) -> None:
    assert step.saw is not None
    step.saw = {name: value for name, value in step.saw.items() if name != "cart:1"}


@pytest.mark.parametrize("removed", [False, True])
def test_total_that_was_reset_meanwhile_proves_nothing_about_an_earlier_look(removed: bool) -> None:
    """Seen whole again later, the first look was an old answer; after a removal nobody can say that."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 1.5, 2)
    past.read(ann, 2.0, forge=_without_cart)
    if removed:
        past.remove(ann, 2.5)
        past.add(ann, 3.0, 1)
    past.read(ann, 4.0)
    past.logout(ann, 5.0)
    assert _names(past) == (["lost-update"] if removed else ["stale-read"])


@pytest.mark.parametrize("again", [False, True])
def test_time_that_is_whole_again_was_never_taken_away(again: bool) -> None:
    """A later look with the promised time, and no touch in between: the first answer was an old one."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, forge=lambda step: setattr(step, "pttl_ms", 1000))
    if again:
        past.read(ann, 3.0)
    past.logout(ann, 3.5)
    assert _names(past) == (["stale-read"] if again else ["expired-early"])


def _gap(affects: Affects) -> Evidence:
    return Evidence(gaps=(Gap(affects=affects, sentence="why"),))


TEN = Interval(low=10.0, high=20.0)


@pytest.mark.parametrize("affects", [Affects.ALL, Affects.UPPER])
def test_share_of_unknown_traffic_is_any_share_and_a_window_any_time(affects: Affects) -> None:
    """Nothing bounds either: a share between none and all, a time from none on."""
    assert _widened_loss("share", "lost-write", TEN, _gap(affects)) == (ANY_SHARE, "why")
    assert _widened_loss("loss window", None, TEN, _gap(affects)) == (ANYTHING, "why")
    assert _widened_loss("share", "lost-write", TEN, Evidence()) == (TEN, "")


def test_share_of_what_a_deadline_decides_needs_times_to_live() -> None:
    """Of any other finding it does not."""
    assert _widened_loss("share", "expired-early", TEN, _gap(Affects.TTL)) == (ANY_SHARE, "why")
    assert _widened_loss("share", "lost-write", TEN, _gap(Affects.TTL)) == (TEN, "")


def test_counts_of_traffic_are_open_upwards_where_some_is_unknown() -> None:
    """A latency may as well be less: what is missing may have been quick."""
    more = Interval(low=10.0, high=float("inf"))
    assert _widened_traffic("operations", TEN, _gap(Affects.UPPER)) == (more, "why")
    assert _widened_traffic("latency", TEN, _gap(Affects.UPPER)) == (ANYTHING, "why")
    assert _widened_traffic("operations", TEN, _gap(Affects.ALL)) == (ANYTHING, "why")
    assert _widened_traffic("latency", TEN, Evidence()) == (TEN, "")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        ("0.00", "0"),
        ("7", "7"),
        ("70", "70"),
        ("7.50", "75e-1"),
        ("-12.5", "-125e-1"),
        ("1e3", "1000"),
        ("12e1", "120"),
        ("1e40", "1" + "0" * 40),
        ("1e41", "1e41"),
        ("0.001", "1e-3"),
    ],
)
def test_equal_numbers_have_one_spelling(number: str, text: str) -> None:
    """However they were written; zeros are written out as long as they are few."""
    assert _digits(Decimal(number)) == text


@pytest.mark.parametrize("outcome", ["rejected", "unknown"])
def test_swap_without_an_answer_shows_nothing(outcome: str) -> None:
    """What it claims to have seen cannot be: the line is refused."""
    line = {"actor": "a", "op": "cas", "key": "k", "sent": 1, "done": 2, "expected": 1, "value": 2}
    read_foreign(f"{json.dumps({**line, 'outcome': outcome})}\n".encode(), "h.jsonl")
    with pytest.raises(UsageError, match=f"seen: a cas whose outcome is {outcome} shows none"):
        read_foreign(f"{json.dumps({**line, 'outcome': outcome, 'seen': 1})}\n".encode(), "h.jsonl")
