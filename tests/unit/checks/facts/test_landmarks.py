"""When the landmarks of a run are: the danger, the trouble, recovery, and its phases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.facts.landmarks import Moments, moments_of, shard_of
from harness.model.history import History
from harness.model.records import Event, PhaseChange
from harness.model.words import Phase
from lab.records import us
from tests.builders_metrics import AUDIT_S, END_S, FAULT_S, SETTLED_S, Sketch


def moments(sketch: Sketch) -> Moments:
    return moments_of(sketch.history())


def struck(*kinds: str, error: float = 0.25) -> Sketch:
    """Faults of these kinds take effect at 10, 11, 12 s ..., each known to this error."""
    sketch = Sketch(fault_kinds=kinds)
    for n, _ in enumerate(kinds):
        sketch.event("effect", 10.0 + n, source=f"fault {n + 1}", node="redis-1", fault=n + 1, error_s=error)
    return sketch


def test_run_counts_from_its_first_effect() -> None:
    """Danger and trouble begin at the earliest at which it may have taken effect."""
    found = moments(struck("kill"))
    assert (found.fault_us, found.fault_error_us, found.zero_us) == (us(10.0), us(0.25), us(10.0))
    assert found.danger_us == (us(9.75), us(10.0))
    assert found.trouble_us == (us(9.75), us(SETTLED_S))
    assert (found.begin_us, found.workload_ends_us) == (0, us(AUDIT_S))


def test_run_without_a_fault_has_no_danger() -> None:
    """All of its workload is looked at; what is neither is counted from the baseline."""
    found = moments(Sketch(faulty=False))
    assert (found.fault_us, found.fault_error_us, found.danger_ends_us) == (None, 0, None)
    assert found.danger_us is None
    assert (found.zero_us, found.trouble_us) == (0, (0, us(AUDIT_S)))
    assert replace(found, fault_us=us(1.0)).danger_us is None
    assert replace(found, danger_ends_us=us(1.0)).danger_us is None


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
    sketch = struck(*kinds)
    if event is not None:
        sketch.event(event, at, node="redis-2", fault=fault)
    assert moments(sketch).danger_ends_us == us(ends)


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
    sketch = struck("isolate", kind)
    sketch.events[0].t_us = us(5.0)
    sketch.events[1].t_us = us(10.0)
    sketch.sample(node, 1.0, role="primary", run_id="a")
    sketch.sample(node, born_s, role="primary", run_id="b")
    assert moments(sketch).danger_ends_us == us(ends)


def test_recovery_ends_with_the_settled_phase() -> None:
    """Without one at the last time that it was seen recovered, else with the workload."""
    history = struck("kill").history()
    assert moments_of(history).recovered_us == us(SETTLED_S)
    phases = tuple(one for one in history.phases if one.phase is not Phase.SETTLED)
    assert moments_of(replace(history, phases=phases)).recovered_us == us(AUDIT_S)
    told = (
        *history.events,
        Event(source="x", name="recovered", t_us=us(12.0)),
        Event(source="x", name="recovered", t_us=us(13.0)),
    )
    assert moments_of(replace(history, phases=phases, events=told)).recovered_us == us(13.0)


def test_phase_lasts_until_the_next_begins() -> None:
    """The last until the end of the run; the seed comes before them all."""
    found = moments(struck("kill"))
    at = [found.phase_at(t_us) for t_us in (-1, 0, us(FAULT_S) - 1, us(FAULT_S), us(END_S) - 1, us(END_S))]
    assert at == [None, Phase.BASELINE, Phase.BASELINE, Phase.FAULT, Phase.AUDIT, None]


def test_phases_are_put_in_order() -> None:
    """Whatever the order in which they were written down."""
    history = struck("kill").history()
    turned = replace(history, phases=history.phases[::-1])
    assert moments_of(turned).spans == moments_of(history).spans


def _broken_off(history: History) -> History:
    return replace(history, closing=None)


def test_run_without_a_closing_ends_with_the_last_that_is_known_of_it() -> None:
    """Whichever kind of record that is; with one it ends there, whatever came after."""
    history = struck("kill").history()
    assert moments_of(history).spans[Phase.AUDIT] == (us(AUDIT_S), us(END_S))
    assert moments_of(_broken_off(history)).spans[Phase.AUDIT] == (us(AUDIT_S), us(END_S))  # the last clock
    bare = _broken_off(replace(history, clocks=(), phases=history.phases[:-1], events=history.events))
    assert moments_of(bare).workload_ends_us == us(SETTLED_S)  # a phase
    late = replace(bare, events=(*history.events, Event(source="x", name="y", t_us=us(18.0))))
    assert moments_of(late).workload_ends_us == us(18.0)
    assert moments_of(replace(bare, clocks=history.clocks[:17])).workload_ends_us == us(16.0)
    empty = replace(bare, events=(), phases=(PhaseChange(phase=Phase.BASELINE, t_us=us(1.0)),))
    assert moments_of(empty).spans[Phase.BASELINE] == (us(1.0), us(1.0))
    assert moments_of(replace(empty, phases=())).workload_ends_us == 0


def test_run_without_phases_begins_at_nought() -> None:
    """And its workload lasts until its end."""
    found = moments_of(replace(struck("kill").history(), phases=()))
    assert (found.begin_us, found.workload_ends_us, found.recovered_us) == (0, us(END_S), us(END_S))


def test_shard_of_an_event_is_the_one_that_it_names() -> None:
    """Else that of its node then."""
    history = struck("kill").history()
    assert shard_of(history, Event(source="x", name="y", t_us=0, node="redis-1", shard=7)) == 7
    assert shard_of(history, Event(source="x", name="y", t_us=0, node="cache-1")) == 2
    assert shard_of(history, Event(source="x", name="y", t_us=0, node="sentinel-1")) is None
