"""Which nodes a command gets beside it, from one word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness import scenario as reading
from harness.errors import UsageError
from harness.model.scenario import Scenario, Workload
from harness.model.words import TopologyKind
from harness.running import selection


def is_kind(word: str) -> bool:
    """Whether a word names a topology as it is by default, and no file."""
    return word in set(TopologyKind) and not Path(word).is_file()


def nodes_of(word: str, *, settings: Sequence[str], engine: str | None = None) -> Scenario:
    """The deployment that a word names, without load and faults: a kind of topology as it is by default, a
    deployment file, or that of a scenario.

    Raises:
        UsageError: it names none, or several, or the file is wrong.
    """
    if is_kind(word):
        return reading.scenario_of_kind(TopologyKind(word), overrides=settings, engine=engine)
    if reading.first_key(Path(word)) == "deployment":
        return reading.scenario_of(Path(word), overrides=settings, engine=engine)
    try:
        files = selection.scenario_files(word)
    except UsageError as problem:
        raise UsageError(f"{problem}; a topology by its name: {', '.join(TopologyKind)}") from problem
    if len(files) != 1:
        raise UsageError(f"{word}: expected one scenario, found {len(files)}")
    (found,) = selection.load(files, suite=None, overrides=settings, engine=engine)
    return without_load(found)


def without_load(scenario: Scenario) -> Scenario:
    """Its nodes alone, for something of the user's that talks to them."""
    alone = Workload(mix={"read": 1.0}, web_servers=1, application=True)
    return replace(scenario, faults=(), expect=(), workload=alone)
