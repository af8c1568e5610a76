"""What is judged by shard or run: refused log-ins, replicas that differ, a topology that never settled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.recovery_limit import judge_recovery
from harness.checks.promises.refused_logins import judge_refusals, refused_logins
from harness.checks.promises.replica_agreement import differs, judge_replicas
from harness.model.judgement import Finding
from harness.model.records import AuditEntry, Closing, Event
from harness.model.words import Cause
from lab.past import Past
from lab.records import us

OOM = "OOM command not allowed when used memory > 'maxmemory'."

# ---------------------------------------------------------------- refused log-ins


def _refused(*at: float, read: float | None = 2.0, error: str = OOM, **how: Any) -> Past:
    """Log-ins that were refused at these seconds, for half a second each; one read."""
    past = Past()
    ann = past.log_in("ann", 0.5)
    for second in at:
        past.log_in("bob", second, outcome="rejected", executed=False, error=error)
    if read is not None:
        past.read(ann, read, took=0.0, **how)
    return past


def _windows(past: Past) -> list[tuple[float, float, int]]:
    return [
        (one.from_us / 1e6, one.to_us / 1e6, len(one.operations))
        for one in refused_logins(Timelines(past.history()))
    ]


def test_refusals_of_two_seconds_are_one_window() -> None:
    """Each no more than two seconds after the one before it; in their order, whatever their ids."""
    assert _windows(_refused(4.0, 2.0)) == [(2.0, 4.5, 2)]
    assert _windows(_refused(4.0, 1.0, read=2.5)) == [(1.0, 1.5, 1), (4.0, 4.5, 1)]
    assert _windows(_refused(2.0, 4.0, 6.0, read=5.0)) == [(2.0, 6.5, 3)]
    assert _windows(_refused(2.0, 4.000001, read=3.0)) == [(2.0, 2.5, 1), (4.000001, 4.500001, 1)]


@pytest.mark.parametrize(
    ("read", "found"), [(7.999999, 0), (8.0, 1), (11.0, 1), (12.5, 1), (12.500001, 0), (None, 0)]
)
def test_window_is_one_while_reads_were_answered(read: float | None, found: int) -> None:
    """From two seconds before the first refusal to two seconds after the last answer to one."""
    assert len(_windows(_refused(10.0, read=read))) == found


def test_reads_that_were_not_answered_say_that_nothing_worked() -> None:
    """Nor does a write that worked, or a log-in."""
    assert _windows(_refused(2.0, outcome="unknown", executed=False)) == []
    past = _refused(2.0, read=None)
    past.log_in("eve", 2.1)
    past.change(past.log_in("ann", 2.2), 2.3)
    assert _windows(past) == []
    past.touch(past.log_in("ann", 2.4), 2.5)
    assert len(_windows(past)) == 1


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OOM, Cause.OUT_OF_MEMORY),
        ("NOREPLICAS Not enough good replicas to write.", Cause.TOO_FEW_REPLICAS),
        ("MISCONF Redis is configured to save RDB snapshots", Cause.NOT_DETERMINED),
        (f"EXECABORT Transaction discarded because of: {OOM}", Cause.OUT_OF_MEMORY),
        ("EXECABORT Transaction discarded because of previous errors.", None),
        ("READONLY You can't write against a read only replica.", None),
        ("ERR something about OOM", None),
        (None, None),
    ],
)
def test_refusal_by_the_primary_itself(error: str, cause: Cause | None) -> None:
    """It answers, and will not write; others say that it is not the one to ask, which is an outage."""
    findings = judge_refusals(Timelines(_refused(2.0, error=error).history())).findings
    assert [one.cause for one in findings] == ([] if cause is None else [cause])


def test_refusal_says_how_long_how_many_and_where() -> None:
    """The first of them stands for all."""
    past = _refused(2.0, 3.0)
    (found,) = judge_refusals(Timelines(past.history())).findings
    assert found.sentence == (
        "For 1.5 s no new user could log in on shard 1 while reads worked: 2 log-ins were refused (OOM)."
    )
    assert (found.because, found.user, found.node, found.web_server) == (OOM, "bob", "redis-1", "web-1")
    assert (found.t_us, found.seen_us, found.observations) == (us(2.0), us(2.0), 2)
    assert found.operations == (2, 3)
    assert (found.shard, found.client_side) == (1, "all")
    assert found.session == past.doings[1].sid


def test_only_refused_log_ins_are_refused_log_ins() -> None:
    """Not writes that were refused, and not log-ins whose outcome is unknown."""
    past = Past()
    ann = past.log_in("ann", 0.5)
    past.change(ann, 2.0, outcome="rejected", executed=False, error=OOM)
    past.log_in("bob", 2.0, outcome="unknown", executed=False, error=OOM)
    past.read(ann, 2.1)
    assert _windows(past) == []


# ---------------------------------------------------------------- replicas


def _entry(node: str = "redis-2", **about: Any) -> AuditEntry:
    entry = AuditEntry(
        pass_n=1,
        session="s",
        node=node,
        role="primary" if node == "redis-1" else "replica",
        sent_us=us(30.0),
        done_us=us(30.1),
        pttl_ms=60_000,
        saw={"sid": "s", "theme": "1:theme"},
        witnesses=("1", "2"),
    )
    for name, value in about.items():
        setattr(entry, name, value)
    return entry


@pytest.mark.parametrize(
    ("primary", "other", "how"),
    [
        ({}, {}, None),
        ({}, {"saw": {"sid": "s", "theme": "3:theme"}}, "theme differ"),
        ({}, {"saw": {"sid": "s"}}, "theme differ"),
        ({"saw": {"sid": "s"}}, {}, "theme differ"),
        ({"saw": {"sid": "t", "ip": "x"}}, {}, "ip, sid, theme differ"),
        ({}, {"saw": {}, "pttl_ms": -2}, "only one of them has it"),
        ({"saw": {}, "pttl_ms": -2}, {}, "only one of them has it"),
        ({"saw": {}, "pttl_ms": -2}, {"saw": {}, "pttl_ms": -2}, None),
        ({}, {"witnesses": ("1",)}, "the lists of executed writes differ"),
        ({}, {"witnesses": ("2", "1")}, "the lists of executed writes differ"),
        ({}, {"witnesses": None}, None),
        ({"witnesses": None}, {}, None),
        # So close to the end that it may have run out between the two looks.
        ({}, {"saw": {}, "pttl_ms": 1999}, None),
        ({"pttl_ms": 1999}, {"saw": {}, "pttl_ms": -2}, None),
        ({"pttl_ms": 0}, {"saw": {}, "pttl_ms": -2}, None),
        ({"pttl_ms": 2000}, {"saw": {}, "pttl_ms": -2}, "only one of them has it"),
        ({"pttl_ms": -1}, {"saw": {}, "pttl_ms": -2}, "only one of them has it"),
        ({"pttl_ms": None}, {"saw": {}, "pttl_ms": -2}, "only one of them has it"),
        # Times to live: what passed between the looks, and a second.
        ({}, {"pttl_ms": 58_900}, None),
        ({}, {"pttl_ms": 58_899}, "time to live 60000 ms and 58899 ms"),
        ({}, {"pttl_ms": 61_101}, "time to live 60000 ms and 61101 ms"),
        ({}, {"pttl_ms": 58_400, "sent_us": us(30.4), "done_us": us(30.6)}, None),
        (
            {},
            {"pttl_ms": 58_399, "sent_us": us(30.4), "done_us": us(30.6)},
            "time to live 60000 ms and 58399 ms",
        ),
        ({}, {"pttl_ms": 58_400, "sent_us": us(29.5), "done_us": us(29.6)}, None),
        ({}, {"pttl_ms": -1}, "time to live 60000 ms and -1 ms"),
        ({"pttl_ms": -1}, {}, "time to live -1 ms and 60000 ms"),
        ({"pttl_ms": -1}, {"pttl_ms": -1}, None),
        ({"pttl_ms": None}, {}, None),
        ({}, {"pttl_ms": None}, None),
    ],
)
def test_replica_differs(primary: dict[str, Any], other: dict[str, Any], how: str | None) -> None:
    """In what it holds, in its traces, or in the time to live by more than has passed."""
    assert differs(_entry("redis-1", **primary), _entry(**other)) == how


def _diverged(**how: Any) -> Past:
    past = Past(**how)
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.change(ann, 2.0)
    return past


def test_divergence_names_the_two_nodes() -> None:
    """The first replica that differs, and how many do."""
    past = _diverged()
    past.cut_off("redis-2", 1.5)
    (found,) = judge_replicas(Timelines(past.history())).findings
    sid = past.doings[0].sid[:8]
    assert found.sentence == (
        f"After recovery redis-2 and its primary redis-1 hold different data of session {sid} of ann: theme differ."
    )
    assert (found.observations, found.because, found.operations) == (2, "theme differ", (1,))


@pytest.mark.parametrize(
    ("closing", "findings", "undecidable"),
    [
        (Closing(t_us=us(31)), 1, 0),
        (Closing(t_us=us(31), interrupted=True), 0, 1),
        (Closing(t_us=us(31), not_recovered="two primaries"), 0, 1),
        (None, 0, 1),
    ],
)
def test_divergence_is_proved_once_the_topology_settled(
    closing: Closing | None, findings: int, undecidable: int
) -> None:
    """Before that nothing was promised of replicas, and what was not seen to the end proves nothing."""
    counted = judge_replicas(Timelines(replace(_diverged().history(), closing=closing)))
    assert (len(counted.findings), counted.undecidable["replica-divergence"]) == (findings, undecidable)


def test_replica_that_did_not_answer_may_differ() -> None:
    """Each of them counts; where the primary did not answer there is nothing to compare."""
    past = _diverged()
    past.silent = {"redis-2", "redis-3"}
    assert judge_replicas(Timelines(past.history())).undecidable == {"replica-divergence": 2}
    past.silent = {"redis-1"}
    counted = judge_replicas(Timelines(past.history()))
    assert (counted.findings, counted.undecidable) == ([], {"replica-divergence": 0})


@pytest.mark.parametrize(
    ("engine", "more_s", "found"),
    [
        ("Redis 7.0.15", 0.9, 0),
        ("Redis 7.0.15", 1.5, 1),
        ("Redis 6.2.14", 1.5, 0),
        ("Redis 6.2.14", 28.0, 0),
        ("Redis 6.2.14", 60.0, 1),
        ("Redis 6.2.14", -1.5, 1),
        ("Valkey 9.1.2", 1.5, 1),
    ],
)
def test_replica_that_counts_a_timeout_anew_does_not_differ(engine: str, more_s: float, found: int) -> None:
    """Before Redis 7.0 a replica counts from when it executes the touch: later than its primary, never
    earlier, and by no more than the time until it was looked at."""
    past = Past(engine=engine)
    past.log_in("ann", 1.0)
    history = past.history()
    audit = tuple(
        structs.replace(one, pttl_ms=one.pttl_ms + round(more_s * 1000))
        if one.node == "redis-2" and one.pttl_ms is not None
        else one
        for one in history.audit
    )
    assert len(judge_replicas(Timelines(replace(history, audit=audit))).findings) == found


@pytest.mark.parametrize(
    ("led", "restarted", "node", "more_s", "found"),
    [
        ([("redis-2", 5.0)], 20.0, "redis-1", 18.0, 0),  # it had acked the log-in, and followed since
        ([("redis-2", 5.0)], 20.0, "redis-1", 60.0, 1),
        ([("redis-2", 5.0)], 3.0, "redis-1", 18.0, 1),  # it was no replica before
        ([("redis-2", 5.0)], None, "redis-1", 18.0, 1),  # it goes by what it had executed itself
        ([("redis-2", 5.0), ("redis-1", 10.0)], 20.0, "redis-2", 18.0, 0),  # it followed since it led
        ([("redis-2", 5.0), ("redis-1", 10.0)], None, "redis-2", 18.0, 1),
        ([("redis-2", 5.0), ("redis-1", 10.0)], 3.0, "redis-2", 18.0, 1),  # it was promoted after that
    ],
)
def test_whoever_was_primary_counts_anew_once_it_is_started_again_as_a_replica(
    led: list[tuple[str, float]], restarted: float | None, node: str, more_s: float, found: int
) -> None:
    """It goes on from a snapshot that is older than its time as a primary."""
    assert _diverging(led, [] if restarted is None else [(restarted, node)], node, more_s) == found


@pytest.mark.parametrize(
    ("led", "reborn", "node", "more_s", "found"),
    [
        # Promoted again, it had executed the log-in by then: no later.
        (["redis-2", "redis-1", "redis-2"], [(12.0, "redis-2")], "redis-2", 14.0, 0),
        (["redis-2", "redis-1", "redis-2"], [(12.0, "redis-2")], "redis-2", 14.1, 1),
        (["redis-2", "redis-1", "redis-2"], [], "redis-2", 4.1, 1),
        (["redis-2", "redis-1", "redis-2"], [(7.0, "redis-2")], "redis-2", 4.1, 1),  # it had led until then
        (["redis-2", "redis-1", "redis-3"], [(12.0, "redis-2")], "redis-2", 18.0, 0),  # another led since
        # So had whoever acked it, and came back as a replica.
        (["redis-2", "redis-1"], [(7.0, "redis-1")], "redis-1", 9.0, 0),
        (["redis-2", "redis-1"], [(7.0, "redis-1")], "redis-1", 9.1, 1),
        (["redis-2", "redis-1"], [], "redis-1", 4.1, 1),
        # Whoever follows it got that from it.
        (["redis-2", "redis-1", "redis-2"], [(12.0, "redis-2")], "redis-1", 14.0, 0),
        (["redis-2", "redis-1", "redis-2"], [(12.0, "redis-2")], "redis-1", 14.1, 1),
        (["redis-2", "redis-1", "redis-2"], [], "redis-1", 4.1, 1),
    ],
)
def test_whoever_is_started_again_and_promoted_again_had_executed_it_by_then(
    led: list[str], reborn: list[tuple[float, str]], node: str, more_s: float, found: int
) -> None:
    """Promoted at 5 s, 10 s and 15 s. What it was before it was started again says nothing, what comes after
    does."""
    assert _diverging(list(zip(led, (5.0, 10.0, 15.0), strict=False)), reborn, node, more_s) == found


def _diverging(
    led: Sequence[tuple[str, float]], reborn: Iterable[tuple[float, str]], node: str, more_s: float
) -> int:
    """How many differ, where this node counts a timeout so much longer than was asked for at 1 s."""
    past = Past(engine="Redis 6.2.14")
    past.log_in("ann", 1.0)
    for to, at in led:
        past.fail_over(to, at)
    past.reborn += [(at, one, past.keys) for at, one in reborn]
    history = past.history()
    audit = tuple(
        structs.replace(one, pttl_ms=one.pttl_ms + round(more_s * 1000))
        if one.node == node and one.pttl_ms is not None
        else one
        for one in history.audit
    )
    return len(judge_replicas(Timelines(replace(history, audit=audit))).findings)


def test_nobody_promised_a_timeout_that_no_node_confirmed() -> None:
    """Then each may count from when it executed the command, and none is too early."""
    past = Past(engine="Redis 6.2.14")
    past.log_in("ann", 1.0, outcome="unknown", executed=1.1)
    history = past.history()
    for more_ms in (-1500, 1500):
        audit = tuple(
            structs.replace(one, pttl_ms=one.pttl_ms + more_ms)
            if one.node == "redis-2" and one.pttl_ms is not None
            else one
            for one in history.audit
        )
        assert judge_replicas(Timelines(replace(history, audit=audit))).findings == []


@pytest.mark.parametrize("pttl_ms", [-1, None])
def test_timeout_that_is_missing_was_not_counted_anew(pttl_ms: int | None) -> None:
    """A replica whose session never expires differs on every engine; one that did not say may be well."""
    past = Past(engine="Redis 6.2.14")
    past.log_in("ann", 1.0)
    history = past.history()
    audit = tuple(
        structs.replace(one, pttl_ms=pttl_ms) if one.node == "redis-2" else one for one in history.audit
    )
    found = judge_replicas(Timelines(replace(history, audit=audit))).findings
    assert len(found) == (pttl_ms is not None)


def test_contents_differ_whatever_the_engine_counts() -> None:
    """That a timeout may be counted anew says nothing about fields."""
    assert len(judge_replicas(Timelines(_diverged(engine="Redis 6.2.14").history())).findings) == 1


# ---------------------------------------------------------------- recovery


def _recovery(past: Past, closing: Closing | None) -> tuple[list[Finding], dict[str, int]]:
    counted = judge_recovery(Timelines(replace(past.history(), closing=closing)))
    return counted.findings, counted.undecidable


def test_run_that_was_broken_off_does_not_say_whether_it_recovered() -> None:
    """Where a fault had taken effect; without one there was nothing to recover from."""
    past = Past()
    past.log_in("ann", 1.0)
    interrupted = Closing(t_us=us(31), interrupted=True, not_recovered="two primaries")
    assert _recovery(past, interrupted) == ([], {"no-recovery": 0})
    assert _recovery(past, None) == ([], {"no-recovery": 0})
    past.fault(2.0)
    assert _recovery(past, interrupted) == ([], {"no-recovery": 1})
    assert _recovery(past, None) == ([], {"no-recovery": 1})
    assert _recovery(past, Closing(t_us=us(31))) == ([], {})


def test_recovery_that_never_came_is_due_since_the_effect_was_proved() -> None:
    """The moment that the seconds of a report count from, not the earliest that it may have been."""
    effect = Event(source="fault 1", name="effect", t_us=us(4.0), error_us=us(1.0), node="redis-1", fault=1)
    history = replace(Past().history(), events=(effect,), closing=Closing(t_us=us(31), not_recovered="why"))
    (found,) = judge_recovery(Timelines(history)).findings
    assert (found.t_us, found.seen_us) == (us(4.0), us(31))


def test_topology_that_never_recovered_says_since_when_and_why() -> None:
    """With the last word of those who decide, where a primary was struck and nobody took over."""
    past = Past()
    past.log_in("ann", 1.0)
    (found,), _ = _recovery(past, Closing(t_us=us(31), not_recovered="two primaries"))
    assert (found.t_us, found.seen_us) == (None, us(31))
    assert (found.cause, found.because) == (Cause.NOT_DETERMINED, "two primaries")
    assert found.sentence == "The topology did not recover within its limit: two primaries."
    past.fault(2.0)
    (found,), _ = _recovery(past, Closing(t_us=us(31), not_recovered="no primary"))
    assert (found.t_us, found.cause) == (us(2.0), Cause.NO_QUORUM)
    assert found.because == "no sentinel monitors it"
    assert found.sentence == (
        "The topology did not recover within its limit: no primary. The last report: no sentinel monitors it."
    )


@pytest.mark.parametrize(("back_s", "said"), [(2.5, False), (1.5, True)])
def test_primary_that_came_back_has_no_last_word(back_s: float, said: bool) -> None:
    """What keeps the topology from settling then is something else."""
    past = Past()
    past.log_in("ann", 1.0)
    past.fault(2.0)
    past.reborn.append((back_s, "redis-1", 100))
    (found,), _ = _recovery(past, Closing(t_us=us(31), not_recovered="no primary"))
    assert ("The last report" in found.sentence) is said


def test_shard_that_was_taken_over_has_no_last_word() -> None:
    """Somebody was promoted."""
    past = Past()
    past.log_in("ann", 1.0)
    past.fault(2.0)
    past.fail_over("redis-2", 3.0)
    (found,), _ = _recovery(past, Closing(t_us=us(31), not_recovered="no primary"))
    assert found.because == "no primary"
