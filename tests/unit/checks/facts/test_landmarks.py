"""When the landmarks of a run are: the danger, the trouble, recovery, and its phases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.facts.landmarks import Landmarks
from harness.checks.facts.of_run import facts_of
from harness.model.history import History
from harness.model.records import ClockPair, Closing, Event, PhaseChange
from harness.model.words import OperationKind, Phase
from lab.past import Past
from lab.records import us
from tests.builders_metrics import AUDIT_S, END_S, FAULT_S, SETTLED_S, outline


def landmarks(past: Past) -> Landmarks:
    return facts_of(past.history()).landmarks


def danger_ends_us(past: Past) -> int:
    danger_us = landmarks(past).danger_us
    assert danger_us is not None
    return danger_us[1]


def struck(*kinds: str, error: float = 0.25) -> Past:
    """Faults of these kinds take effect at 10, 11, 12 s ..., each known to this error."""
    past = outline(fault_kinds=kinds)
    for n, _ in enumerate(kinds):
        past.event("effect", 10.0 + n, source=f"fault {n + 1}", node="redis-1", fault=n + 1, error=error)
    return past


def test_run_counts_from_its_first_effect() -> None:
    """Danger and trouble begin at the earliest at which it may have taken effect."""
    found = landmarks(struck("kill"))
    assert (found.fault_us, found.fault_error_us, found.zero_us) == (us(10.0), us(0.25), us(10.0))
    assert found.danger_us == (us(9.75), us(10.0))
    assert found.trouble_us == (us(9.75), us(SETTLED_S))
    assert (found.begin_us, found.workload_ends_us) == (0, us(AUDIT_S))


def test_run_without_a_fault_has_no_danger() -> None:
    """All of its workload is looked at; what is neither is counted from the baseline."""
    found = landmarks(outline(fault_kinds=()))
    assert (found.fault_us, found.fault_error_us, found.danger_us) == (None, 0, None)
    assert (found.zero_us, found.trouble_us) == (0, (0, us(AUDIT_S)))


@pytest.mark.parametrize(
    ("kinds", "event", "at", "fault", "ends"),
    [
        (("kill",), None, 0.0, None, 10.0),
        (("kill", "kill"), None, 0.0, None, 11.0),
        (("kill",), "promoted", 13.0, None, 13.0),
        (("kill",), "demoted", 13.0, None, 13.0),
        (("kill",), "promoted", 9.0, None, 10.0),
        (("kill",), "published", 13.0, None, 10.0),
        (("isolate",), "healed", 13.0, 1, 13.0),
        (("isolate",), "healed", 13.0, 2, 10.0),
        (("isolate",), "healed", 13.0, None, 10.0),
    ],
)
def test_danger_ends_with_the_last_change(
    kinds: tuple[str, ...], event: str | None, at: float, fault: int | None, ends: float
) -> None:
    """An effect, a promotion, a demotion, the healing of what lasts; nothing else."""
    past = struck(*kinds)
    if event is not None:
        past.event(event, at, node="redis-2", fault=fault)
    assert danger_ends_us(past) == us(ends)


@pytest.mark.parametrize(
    ("kind", "node", "born_s", "ends"),
    [
        ("restart", "redis-1", 9.9, 9.9),
        ("restart", "redis-1", 9.75, 9.75),
        ("restart", "redis-1", 9.749, 10.0),
        ("restart", "redis-1", 10.0, 10.0),
        ("restart", "redis-1", 10.1, 10.0),
        ("restart", "redis-2", 9.9, 10.0),
        ("kill", "redis-1", 9.9, 10.0),
    ],
)
def test_restart_ends_with_the_first_answer_of_its_process(
    kind: str, node: str, born_s: float, ends: float
) -> None:
    """Told later by whoever started it; another node's, or one outside of the error, is another one."""
    past = struck("isolate", kind)
    past.events[0].t_us = us(5.0)
    past.events[1].t_us = us(10.0)
    past.sample(node, 1.0, role="primary", run_id="a")
    past.sample(node, born_s, role="primary", run_id="b")
    assert danger_ends_us(past) == us(ends)


def recovering(
    *told: tuple[str, float], phases: tuple[tuple[Phase, float], ...] = (), **closing: str
) -> float:
    """When a run in which these events were recorded had recovered, in seconds; its audit began at 20 s."""
    history = outline(fault_kinds=("isolate", "kill")).history()
    events = tuple(
        Event(
            source="x",
            name=name,
            t_us=us(at),
            error_us=us(0.1),
            fault=1 if name in {"effect", "healed"} else None,
        )
        for name, at in told
    )
    changes = tuple(PhaseChange(phase=phase, t_us=us(at)) for phase, at in (*phases, (Phase.AUDIT, AUDIT_S)))
    closed = Closing(t_us=us(END_S), not_recovered=closing.get("not_recovered", ""))
    found = replace(history, events=events, phases=changes, closing=closed)
    return facts_of(found).landmarks.recovered_us / 1e6


SETTLED = ((Phase.SETTLED, 16.0),)
GIVEN_UP = ((Phase.RECOVERY, 8.0), (Phase.SETTLED, 16.0))


def test_recovery_ends_when_everybody_agreed_after_the_last_effect() -> None:
    """The first time; not a second later, when it had held and the settled phase began."""
    assert recovering(("effect", 4.0), ("recovered", 5.0), phases=SETTLED) == 5.0
    assert recovering(("effect", 4.0), ("recovered", 5.0), ("recovered", 7.0), phases=SETTLED) == 5.0
    assert recovering(("effect", 4.0), ("recovered", 5.0), ("effect", 6.0), ("recovered", 7.0)) == 7.0
    assert recovering(("effect", 4.0), ("recovered", 4.0), phases=SETTLED) == 4.0


@pytest.mark.parametrize("change", ["promoted", "demoted", "healed"])
def test_recovery_does_not_end_before_the_danger_is_over(change: str) -> None:
    """Whoever agreed at 5 s agreed on what a promotion, a demotion or a healing at 14 s changed."""
    story = (("effect", 4.0), ("recovered", 5.0), (change, 14.0))
    assert recovering(*story, ("recovered", 15.0), phases=SETTLED) == 15.0
    assert recovering(*story, phases=SETTLED) == 16.0


def test_recovery_that_nobody_wrote_down_ended_before_the_settled_phase() -> None:
    """Without that phase it is not known to have ended before the workload."""
    assert recovering(("effect", 6.0), ("recovered", 5.9), phases=SETTLED) == 16.0
    assert recovering(("recovered", 5.9), phases=SETTLED) == 16.0
    assert recovering(("effect", 6.0)) == AUDIT_S


def test_recovery_that_was_given_up_ended_when_it_came_all_the_same() -> None:
    """Else with the workload: that nobody waited any longer does not make a topology settled."""
    never = "shard 1: expected one primary, found none"
    assert recovering(("effect", 4.0), phases=GIVEN_UP, not_recovered=never) == AUDIT_S
    late = (("effect", 4.0), ("recovered", 18.0))
    assert recovering(*late, phases=GIVEN_UP, not_recovered=never) == 18.0
    undone = (("effect", 4.0), ("recovered", 5.0))
    assert recovering(*undone, phases=GIVEN_UP, not_recovered=never) == AUDIT_S
    assert recovering(*undone, ("recovered", 18.0), phases=GIVEN_UP, not_recovered=never) == 18.0


def test_danger_begins_with_the_earliest_that_any_fault_may_have_taken_effect() -> None:
    """Each effect has its own error; seconds count from the first that was proved."""
    past = outline(fault_kinds=("kill", "kill"))
    past.event("effect", 5.0, source="fault 1", node="redis-1", fault=1, error=0.1)
    past.event("effect", 5.1, source="fault 2", node="redis-1", fault=2, error=0.5)
    found = landmarks(past)
    assert (found.danger_us, found.zero_us) == ((us(4.6), us(5.1)), us(5.0))
    assert (found.fault_us, found.fault_error_us, found.trouble_us[0]) == (us(5.0), us(0.1), us(4.6))


@pytest.mark.parametrize("kind", ["closing", "event", "clock", "sample", "phase", "operation"])
def test_end_is_the_last_moment_that_anything_is_known_of(kind: str) -> None:
    """Whichever record has it, and wherever in the history; the closing line has the last word."""
    past = struck("kill")
    past.sample("redis-1", 40.0 if kind == "sample" else 1.0)
    past.sample("redis-1", 2.0)
    past.event("x", 40.0 if kind == "event" else 1.0)
    past.do(OperationKind.READ, 3.0, 37.0 if kind == "operation" else 0.1)
    for _ in range(300):
        past.do(OperationKind.READ, 4.0, 0.1)
    history = replace(past.history(), closing=Closing(t_us=us(30.0)) if kind == "closing" else None)
    if kind == "clock":
        history = replace(history, clocks=(ClockPair(t_us=us(40.0), wall_us=0), *history.clocks))
    elif kind == "phase":
        history = replace(history, phases=(*history.phases, PhaseChange(phase=Phase.AUDIT, t_us=us(40.0))))
    assert facts_of(history).landmarks.end_us == us(30.0 if kind == "closing" else 40.0)


def test_phase_lasts_until_the_next_begins() -> None:
    """The last until the end of the run; the seed comes before them all."""
    found = landmarks(struck("kill"))
    at = [found.phase_at(t_us) for t_us in (-1, 0, us(FAULT_S) - 1, us(FAULT_S), us(END_S) - 1, us(END_S))]
    assert at == [None, Phase.BASELINE, Phase.BASELINE, Phase.FAULT, Phase.AUDIT, None]


def test_phases_are_put_in_order() -> None:
    """Whatever the order in which they were written down."""
    history = struck("kill").history()
    turned = replace(history, phases=history.phases[::-1])
    assert facts_of(turned).landmarks.spans == facts_of(history).landmarks.spans


def _broken_off(history: History) -> History:
    return replace(history, closing=None)


def test_run_without_a_closing_ends_with_the_last_that_is_known_of_it() -> None:
    """Whichever kind of record that is; with one it ends there, whatever came after."""
    history = struck("kill").history()
    assert facts_of(history).landmarks.spans[Phase.AUDIT] == (us(AUDIT_S), us(END_S))
    last = ClockPair(t_us=us(END_S), wall_us=0)
    clocked = _broken_off(replace(history, clocks=(*history.clocks, last)))
    assert facts_of(clocked).landmarks.spans[Phase.AUDIT] == (us(AUDIT_S), us(END_S))
    bare = _broken_off(replace(history, clocks=(), phases=history.phases[:-1], events=history.events))
    assert facts_of(bare).landmarks.workload_ends_us == us(SETTLED_S)  # a phase
    late = replace(bare, events=(*history.events, Event(source="x", name="y", t_us=us(18.0))))
    assert facts_of(late).landmarks.workload_ends_us == us(18.0)
    assert facts_of(replace(bare, clocks=history.clocks[:17])).landmarks.workload_ends_us == us(16.0)
    empty = replace(bare, events=(), samples=(), phases=(PhaseChange(phase=Phase.BASELINE, t_us=us(1.0)),))
    assert facts_of(empty).landmarks.spans[Phase.BASELINE] == (us(1.0), us(1.0))
    assert facts_of(replace(empty, phases=())).landmarks.workload_ends_us == 0


def test_run_without_phases_begins_at_nought() -> None:
    """And its workload lasts until its end."""
    found = facts_of(replace(struck("kill").history(), phases=())).landmarks
    assert (found.begin_us, found.workload_ends_us, found.recovered_us) == (0, us(END_S), us(END_S))
