"""A saved run, run once more: the same plan, with the same arrivals, users and choices.

As with a suite that is gone on with, the plan is never taken from the folder, which may come from anybody: it
is compiled anew from what the result says, and must be the one that the folder has. Trap: nodes and the
kernel keep no time, so the same plan may come to another verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import UsageError
from harness.model.plan import Plan
from harness.model.results import ScenarioResult
from harness.running.resuming import as_kept
from harness.safe_files import is_file, read_file

_OPTIONS = {"--set", "--engine", "--deployment", "--compose", "--image"}
"""What a result may add to the command that repeats it."""
_OF_ITS_SUITE = {"variant", "repeated", "varied", "changed"}
"""Parts of a plan that say what else ran beside it."""
_SHOWN = 5
"""Parts of a plan that are not the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    folder: Path
    plan: Mapping[str, Any]
    """As it is written down."""
    words: tuple[str, ...]
    """Of `run`."""

    def check(self, plans: Sequence[Plan]) -> None:
        """
        Raises:
            UsageError: what is about to run is something else; says what differs.
        """
        if len(plans) != 1:
            raise UsageError(f"{self.folder}: expected one run, found that its command means {len(plans)}")
        differing = sorted(_differing(self.plan, as_kept(plans[0])))
        if differing:
            more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
            raise UsageError(
                f"{self.folder}: expected the plan of this run, found another in "
                f"{', '.join(differing[:_SHOWN])}{more}: the scenario, its deployment, this machine or the "
                "kit has changed since"
            )


def saved_run(folder: Path) -> SavedRun:
    """
    Raises:
        UsageError: no run lies there, or several do; it was made from a file in that same folder.
    """
    folder = folder.resolve()
    if not is_file(folder / "result.msgpack"):
        inside = sorted(one.parent.name for one in folder.glob("*/result.msgpack"))
        if len(inside) != 1:
            found = f"{len(inside)}: {', '.join(inside[:5])}" if inside else "none"
            raise UsageError(f"{folder}: expected the folder of one run, found {found}")
        folder = folder / inside[0]
    try:
        result = msgspec.msgpack.decode(read_file(folder / "result.msgpack"), type=ScenarioResult)
        plan = msgspec.json.decode(read_file(folder / "plan.json"), type=dict[str, Any])
    except (OSError, ValueError, RecursionError) as problem:
        raise UsageError(f"{folder}: the run cannot be read: {problem}") from problem
    options = dict(zip(result.changed[::2], result.changed[1::2], strict=False))
    if len(result.changed) % 2 or not options.keys() <= _OPTIONS:
        raise UsageError(f"{folder}: expected options of `run`, found {' '.join(result.changed)[:80]!r}")
    files = (result.file, options.get("--deployment", ""), options.get("--compose", ""))
    if any(one and Path(one).resolve().is_relative_to(folder.parent) for one in files):
        raise UsageError(f"{folder}: its scenario lies in the results themselves; run it by its name instead")
    words = ("--scenario", result.file, "--seed", str(result.seed), "--backend", result.backend)
    return SavedRun(folder=folder, plan=plan, words=(*words, *result.changed))


def _differing(kept: Mapping[str, Any], now: Mapping[str, Any], inside: str = "") -> Iterator[str]:
    """The parts of a plan that are not the same, each by its path: `scenario.deployment.client.library`."""
    for key in kept.keys() | now.keys():
        before, after = kept.get(key), now.get(key)
        if before == after or (not inside and key in _OF_ITS_SUITE):
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differing(before, after, f"{inside}{key}.")
        else:
            yield f"{inside}{key}"
