"""By how much this machine was late itself, and which times that widens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.checks.facts.host_lateness import (
    LAG_AT_LEAST_S,
    USUAL_BOUND_S,
    Lateness,
    Waits,
    judged_clocks,
    lateness,
    lateness_between,
    unwatched_s,
)
from harness.checks.facts.of_run import facts_of
from harness.model.history import History
from harness.model.records import ClockPair, Closing
from harness.model.times import FOREVER
from harness.model.words import OperationKind, Outcome
from lab.past import Past
from lab.records import us
from tests.builders_metrics import AUDIT_S, END_S, FAULT_S, SETTLED_S, outline

LOGIN = OperationKind.LOGIN


def late(history: History) -> Lateness:
    return lateness(facts_of(history))


def clock(
    second: float,
    *,
    loop: float = 0.0,
    canary: float = 0.0,
    pressure: float | None = 0.0,
    behind: float | None = None,
    nodes: tuple[float, float] | None = None,
) -> ClockPair:
    """`nodes`: the most that one of them waited at once, and all together."""
    return ClockPair(
        t_us=us(second),
        wall_us=us(second),
        loop_lag_us=us(loop),
        canary_lag_us=us(canary),
        cpu_pressure=pressure,
        loop_behind_us=None if behind is None else us(behind),
        node_wait_us=None if nodes is None else us(nodes[0]),
        nodes_waited_us=None if nodes is None else us(nodes[1]),
    )


def with_clocks(*clocks: ClockPair, fault_kinds: tuple[str, ...] = ("kill",)) -> History:
    return replace(outline(fault_kinds=fault_kinds).history(), clocks=clocks)


def test_part_of_a_run_is_told_by_the_records_that_speak_for_some_of_it() -> None:
    """One speaks for the second before it, and for as much more as it was late; a microsecond decides."""
    facts = facts_of(with_clocks(clock(5.0, loop=0.3), clock(7.0)))
    spans = [(5.0, 6.0), (5.000001, 6.0), (2.0, 3.7), (2.0, 3.699999)]
    found = [len(lateness_between(facts, us(since), us(until)).delays_s) for since, until in spans]
    assert found == [2, 1, 1, 0]


def test_nothing_was_late_where_nothing_had_to_wait() -> None:
    """A machine without a single delay hides nothing and lengthens nothing."""
    calm = Lateness()
    assert (calm.hides_s, calm.within_s(5.0), calm.starved) == (0.0, 0.0, "")
    assert not calm.counts_within(5.0)
    assert calm.bound_s == USUAL_BOUND_S


@pytest.mark.parametrize(
    ("delays_s", "bound_s", "sum_s"),
    [
        ((0.0, 0.3, 0.0), 1.0, 0.3),
        ((0.3, 0.4), 1.0, 0.7),  # a second and a half touches two records
        ((0.3, 0.0, 0.4), 1.0, 0.7),  # ... and what was lengthened touches a third
        ((0.3, 0.0, 0.0, 0.4), 1.0, 0.4),
        ((0.3, 0.0, 0.0, 0.4), 2.0, 0.7),
        ((1.5, 0.0, 0.0, 0.4), 1.0, 1.9),
        ((0.2,) * 9, 2.0, 0.8),
        ((), 2.0, 0.0),
    ],
)
def test_delays_of_as_many_seconds_as_it_took_add_up(
    delays_s: tuple[float, ...], bound_s: float, sum_s: float
) -> None:
    """Of the worst stretch of that length; what is lengthened holds more delays."""
    assert Lateness(delays_s=delays_s).within_s(bound_s) == pytest.approx(sum_s)


def test_worst_of_the_three_ways_counts() -> None:
    """Delays of the loop, waiting for a CPU, and slow answers: they are the same lateness seen three times."""
    half, tenth = Waits(worst_s=0.5, most_s=0.5), Waits(worst_s=0.1, most_s=0.1)
    assert Lateness(delays_s=(0.3,), waits=(half,), answers_s=0.2).within_s(1.0) == 0.5
    assert Lateness(delays_s=(0.3,), waits=(tenth,), answers_s=0.4).within_s(1.0) == 0.4
    assert Lateness(delays_s=(0.6,), waits=(half,), answers_s=0.4).within_s(1.0) == 0.6
    # Two seconds of waiting touch a bound of one second, and no third one.
    assert Lateness(waits=(half, Waits(0.4, 0.4), Waits(0.3, 0.3))).within_s(1.0) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("waits", "bound_s", "late_s"),
    [
        ([Waits(0.05, 1.0)], 1.0, 0.6),  # twelve hand-overs
        ([Waits(0.05, 0.5)], 1.0, 0.5),  # ... that together waited no longer than somebody did
        ([Waits(0.3, 1.0)] * 20, 8.0, 3.6),  # however long it takes, there are twelve
        ([Waits(0.3, 1.0)] * 20, 2.0, 3.0),  # three seconds hold ten
        ([Waits(0.1, 1.0), Waits(0.5, 1.0), Waits(0.05, 1.0)], 2.0, 2.0),  # the worst first: 2 + 10
        ([Waits(0.0, 1.0)] * 20, 8.0, 0.0),  # nobody noticed
        ([Waits(2.0, 1.0)], 1.0, 1.0),
    ],
)
def test_waiting_for_a_processor_delays_each_hand_over(
    waits: list[Waits], bound_s: float, late_s: float
) -> None:
    """A machine that is busy for eight seconds does not make a failover eight seconds longer."""
    assert Lateness(waits=tuple(waits)).within_s(bound_s) == pytest.approx(late_s)


def test_loop_that_is_behind_all_the_time_delays_by_all_of_it() -> None:
    """No tick was later than 200 ms, and what passes through the loop ten times was late ten times. How much a
    success may have been noticed late is still the longest single delay."""
    crowded = Lateness(delays_s=(0.2,) * 9, behind_s=(0.9,) * 9)
    assert crowded.within_s(2.0) == pytest.approx(8.1)
    assert crowded.hides_s == 0.2
    assert Lateness(delays_s=(0.2,) * 9, behind_s=(0.0, 0.9) + (0.0,) * 7).within_s(2.0) == 0.9


def test_loop_that_is_behind_holds_up_nothing_among_nodes() -> None:
    """Sentinels do not pass through it: they are seen later by its delays."""
    crowded = Lateness(delays_s=(0.2,) * 9, behind_s=(0.9,) * 9, node_waits=(Waits(0.1, 0.3),))
    assert crowded.of_nodes.within_s(2.0) == pytest.approx(0.8 + 0.3)
    assert crowded.of_nodes.hides_s == crowded.hides_s


def test_waiting_of_nodes_comes_on_top_of_the_loops() -> None:
    """They elect first, and then the clients come; a stretch that the loop made longer holds more of it."""
    nodes = (Waits(0.1, 0.3), Waits(), Waits(0.2, 0.2), Waits(0.1, 0.1))
    assert Lateness(node_waits=nodes).within_s(1.0) == pytest.approx(0.3)
    assert Lateness(node_waits=nodes).within_s(2.0) == pytest.approx(0.5)
    assert Lateness(delays_s=(0.5,), node_waits=nodes).within_s(2.0) == pytest.approx(0.5 + 0.6)
    assert Lateness(node_waits=(Waits(0.2, 1.0),) * 20).within_s(9.0) == pytest.approx(12 * 0.2)


def test_window_is_hidden_by_the_longest_single_delay() -> None:
    """A success that is noticed late seems to be later by that, and by no sum."""
    assert Lateness(delays_s=(0.3, 0.5, 0.4), waits=(Waits(0.9, 0.9),)).hides_s == 0.5


@pytest.mark.parametrize(
    ("delay_s", "bound_s", "starved"),
    [(0.25, 1.0, False), (0.26, 1.0, True), (0.1, 0.2, False), (0.11, 0.2, True)],
)
def test_machine_is_too_late_beyond_a_quarter_of_the_bound(
    delay_s: float, bound_s: float, starved: bool
) -> None:
    """And never for less than occurs everywhere."""
    late = Lateness(delays_s=(delay_s,), bound_s=bound_s)
    assert bool(late.starved) is starved
    if starved:
        assert (
            late.starved
            == f"delayed by {1000 * delay_s:.0f} ms, which is too much to judge a limit of {bound_s:g} s"
        )


@pytest.mark.parametrize(("limit_s", "counts"), [(4.0, False), (3.9, True)])
def test_delay_of_an_eighth_of_a_limit_may_have_put_a_user_out(limit_s: float, counts: bool) -> None:
    """Half a second in four is just no reason."""
    assert Lateness(delays_s=(0.5,)).counts_within(limit_s) is counts


@pytest.mark.parametrize(
    ("lasted_s", "counts"),
    [(None, True), (8.0, True), (11.0, True), (11.9, True), (12.1, False), (27.0, False)],
)
def test_delay_that_lasted_beyond_its_limit_would_have_to_owe_all_of_it(
    lasted_s: float | None, counts: bool
) -> None:
    """A loop that was 300 ms late in every second owes four seconds in twelve, and no more in the limit's eight:
    what lasted longer than both is nobody's lateness."""
    machine = Lateness(delays_s=(0.3,) * 12)
    assert machine.within_s(8.0) == pytest.approx(3.6)
    longer = Lateness(delays_s=(0.3333,) * 12)
    assert longer.counts_within(8.0, lasted_s) is counts
    assert longer.said(8.0, 27.0) == "delayed by 4000 ms, which is too much to judge a limit of 8 s"


def test_nothing_is_too_late_for_a_limit_that_is_none() -> None:
    """Of sessions without an idle timeout, also where a check crashed and anything may have been found."""
    assert not Lateness(delays_s=(9.0,) * 3).counts_within(FOREVER)


def test_delay_is_the_worse_of_loop_and_canary() -> None:
    """Below a tenth of a second nobody notices, and it counts as none."""
    history = with_clocks(
        clock(11, loop=0.2, canary=0.3), clock(12, loop=0.4, canary=0.1), clock(13, loop=LAG_AT_LEAST_S)
    )
    assert late(history).delays_s == (0.3, 0.4, 0.0)


@pytest.mark.parametrize(
    ("canary", "pressure", "waits"),
    [
        (0.05, 0.95, Waits(0.05, 0.95)),
        (0.05, 0.94, Waits()),
        (0.049, 0.95, Waits()),
        (0.05, None, Waits()),
        (0.2, 0.5, Waits(0.2, 0.5)),
        (0.2, None, Waits(0.2, 0.0)),
    ],
)
def test_waiting_for_a_processor_counts_where_it_shows(
    canary: float, pressure: float | None, waits: Waits
) -> None:
    """Nearly all of a second, and the canary was late as well; or the delay was noticed anyway."""
    assert late(with_clocks(clock(11, canary=canary, pressure=pressure))).waits == (waits,)


@pytest.mark.parametrize(
    ("loop", "behind", "behind_s"),
    [(0.05, 0.11, 0.11), (0.05, 0.1, 0.0), (0.3, 0.2, 0.3), (0.3, None, 0.3), (0.02, 0.9, 0.9)],
)
def test_loop_was_behind_for_all_its_late_ticks(loop: float, behind: float | None, behind_s: float) -> None:
    """And for no less than its worst. A tenth of a second in one is nothing; an older record has the worst only."""
    found = late(with_clocks(clock(11, loop=loop, behind=behind)))
    assert found.behind_s == (behind_s,)
    assert found.delays_s == (loop if loop > LAG_AT_LEAST_S else 0.0,)


@pytest.mark.parametrize(
    ("nodes", "node_waits"),
    [
        ((0.05, 0.4), Waits(0.05, 0.4)),
        ((0.0499, 0.4), Waits()),
        ((0.0, 0.0), Waits()),
        ((0.3, 0.3), Waits(0.3, 0.3)),
    ],
)
def test_what_nodes_waited_is_what_the_kernel_counted(nodes: tuple[float, float], node_waits: Waits) -> None:
    """Then nobody needs to guess it from what others waited, and short waits are none."""
    found = late(with_clocks(clock(11, canary=0.3, pressure=1.0, nodes=nodes)))
    assert found.node_waits == (node_waits,)
    assert found.waits == (Waits(),)
    assert found.delays_s == (0.3,)
    unseen = late(with_clocks(clock(11, canary=0.3, pressure=1.0)))
    assert (unseen.node_waits, unseen.waits) == ((Waits(),), (Waits(0.3, 1.0),))


@pytest.mark.parametrize(
    ("second", "judged"),
    [
        (FAULT_S - 1.000001, False),
        (FAULT_S - 1, True),
        (SETTLED_S + 2, True),
        (SETTLED_S + 2.000001, False),
    ],
)
def test_clock_records_of_fault_and_recovery_are_judged(second: float, judged: bool) -> None:
    """With one second before and after; each record speaks for the second before it."""
    history = with_clocks(clock(second))
    assert bool(judged_clocks(facts_of(history))) is judged


def test_outage_that_never_ended_is_judged_to_its_end() -> None:
    """Where recovery was given up, whatever came after belongs to the wait for it."""
    never = Closing(t_us=us(END_S), not_recovered="shard 1 has no primary")
    history = replace(with_clocks(clock(AUDIT_S + 2)), closing=never)
    assert judged_clocks(facts_of(history))
    assert not judged_clocks(facts_of(replace(history, closing=Closing(t_us=us(END_S)))))
    assert unwatched_s(facts_of(history)) == pytest.approx(AUDIT_S - FAULT_S)


@pytest.mark.parametrize(
    ("second", "judged"), [(-0.000001, False), (0, True), (21, True), (21.000001, False)]
)
def test_without_a_fault_all_of_the_workload_is_judged(second: float, judged: bool) -> None:
    """From the baseline to the audit, and the second that the last record speaks for."""
    history = with_clocks(clock(second), fault_kinds=())
    assert bool(judged_clocks(facts_of(history))) is judged


@pytest.mark.parametrize(
    ("clocks", "blind_s"),
    [
        ([clock(second) for second in range(int(END_S) + 1)], 0.0),
        ([clock(second / 2) for second in range(2 * int(END_S))], 0.0),
        ([], 5.0),
        ([clock(11), clock(14), clock(15)], 2.0),
        ([clock(11), clock(14, canary=0.5), clock(15)], 1.5),
        ([clock(11), clock(14, loop=0.75, canary=0.5), clock(15)], 1.25),
        ([clock(11), clock(12)], 3.0),
        ([clock(14), clock(15)], 3.0),
        ([clock(11), clock(12), clock(13), clock(14), clock(17)], 1.0),
    ],
)
def test_stretch_that_no_clock_record_speaks_for(clocks: list[ClockPair], blind_s: float) -> None:
    """From 10 s to 15 s: a record speaks for the second before it, and for as long as it was late."""
    history = with_clocks(*clocks)
    assert unwatched_s(facts_of(history)) == blind_s


def test_stretch_that_nothing_speaks_for_in_a_run_without_a_fault() -> None:
    """All of the workload: 20 s."""
    history = with_clocks(clock(5), fault_kinds=())
    assert unwatched_s(facts_of(history)) == 15.0


def answered(took_s: float, **how: Any) -> Past:
    """A hundred log-ins once nothing is wrong any more, of which two take this long."""
    past = outline()
    for n in range(98):
        past.do(LOGIN, 16.0 + n / 100)
    for n in range(2):
        past.do(LOGIN, 17.0 + n / 100, took_s, **how)
    return past


def test_slow_answers_in_calm_times_are_the_machines() -> None:
    """The slowest hundredth; what was refused, timed out or happened before recovery says nothing."""
    assert late(answered(0.3).history()).answers_s == pytest.approx(0.3)
    assert late(answered(0.1).history()).answers_s == 0.0
    assert late(answered(0.3, result="timeout").history()).answers_s == 0.0
    assert late(answered(0.3, outcome=Outcome.REJECTED, result="reply").history()).answers_s == 0.0
    early = outline()
    early.do(LOGIN, 14.0, 0.3)
    early.do(LOGIN, 16.0, 0.002)
    assert late(early.history()).answers_s == 0.0
    one_of_many = answered(0.002)
    one_of_many.do(LOGIN, 18.0, 0.3)
    assert late(one_of_many.history()).answers_s == 0.0


def only(**changes: Any) -> float:
    """What one log-in in calm times says that took a second, with changes to it: `step_…` to its step."""
    past = outline()
    past.do(LOGIN, 16.0, 1.0)
    (operation,) = past.operations
    of_step = {name.removeprefix("step_"): changes.pop(name) for name in list(changes) if "step_" in name}
    steps = tuple(msgspec.structs.replace(step, **of_step) for step in operation.steps)
    past.operations[:] = [msgspec.structs.replace(operation, steps=steps, **changes)]
    return late(past.history()).answers_s


def test_what_an_operation_does_itself_is_not_the_machines_lateness() -> None:
    """The work under a lock, standing behind another one of the same tab, `WAIT` for a replica that is gone."""
    assert only() == pytest.approx(1.0)
    assert only(done_us=us(19.0)) == pytest.approx(1.0)
    assert only(due_us=us(15.95)) == pytest.approx(1.05)
    assert only(due_us=us(11.0)) == pytest.approx(1.1)  # a loop that is later than that says so itself
    assert only(step_wait_needed=1, step_wait_got=1) == pytest.approx(1.0)
    assert only(step_wait_needed=2, step_wait_got=1) == 0.0
    assert only(step_wait_needed=1, step_wait_got=None) == 0.0
