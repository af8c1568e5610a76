"""SIGKILL in the middle of every fault: which scenarios are run, and what the table says."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.faults import FAULTS
from harness.running.vocabulary import shipped
from lab.sigkill.example import examples, first_that_fits
from lab.sigkill.kept import keep, kept
from lab.sigkill.table import markdown, planned, rows
from lab.sigkill.trial import Outcome


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_an_example(fault: str) -> None:
    """A new one by itself; it is the last of the list, and is held until the kit is killed."""
    example = next(examples(fault, shipped()))
    last = example.document["faults"][-1]
    assert fault in last
    assert example.number == len(example.document["faults"])
    assert last.get("for", "60s") == "60s"


def test_first_example_that_can_be_run_is_taken() -> None:
    """Where none can be, the reason is that of the first that somebody could have written."""
    found, reason = first_that_fits(
        "fill cache", shipped(), lambda one: None if "split" in str(one) else "no cache"
    )
    assert found is not None
    assert found.document["deployment"]["topology"]["kind"] == "split"
    assert reason == ""
    said = iter(["", "no room", "too old"])
    assert first_that_fits("kill", shipped(), lambda _: next(said, "")) == (None, "no room")


def test_what_was_tried_is_kept(tmp_path: Path) -> None:
    """One that was broken off has written nothing, so it is tried again."""
    done = Outcome(fault="kill", backend="docker", proof="gone", left=["process 7"])
    (tmp_path / "kill-docker").mkdir()
    (tmp_path / "slow-docker").mkdir()
    keep(done, tmp_path / "kill-docker")
    assert list(kept(tmp_path)) == [done]


def test_what_is_left_and_no_effect_miss_the_bound() -> None:
    """What cannot be done here is not measured, and says why."""
    found = [
        Outcome(fault="kill", backend="process", proof="gone"),
        Outcome(fault="kill", backend="docker", proof="gone", left=["process 7"]),
        Outcome(fault="slow", backend="process", failure="nobody waited"),
        Outcome(fault="slow", backend="docker", skipped="needs root"),
    ]
    measured = rows(found)
    assert [one.met for one in measured] == [True, False, False, None]
    assert measured[1].note == "left: process 7; gone"
    assert measured[3].note == "needs root"
    assert markdown(found).splitlines() == [
        "| fault | process | docker |",
        "| --- | --- | --- |",
        "| `kill` | works; nothing left | works; LEFT: process 7 |",
        "| `slow` | no effect; nothing left | skipped: needs root |",
    ]


def test_plan_says_where_a_fault_can_be_had_and_why_not() -> None:
    """A line for each fault, a column for each backend; the reason without the number of the fault."""
    why = "fault 1 (skew clock): clocks of nodes: containers share the clock of this machine"
    table = planned({("kill", "process"): "", ("kill", "docker"): "", ("skew clock", "docker"): why})
    assert table.splitlines() == [
        "| fault | process | docker |",
        "| --- | --- | --- |",
        "| `kill` | yes | yes |",
        "| `skew clock` |  | no: clocks of nodes: containers share the clock of this machine |",
    ]
