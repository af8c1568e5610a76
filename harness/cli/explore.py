"""`explore`: random schedules until a promise breaks, then the smallest that still breaks it.

Several topologies share the time: what one does not use, because a promise broke early, the next ones have.
"""

from __future__ import annotations

import argparse
import secrets
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness import output
from harness import scenario as reading
from harness.beside import is_kind, nodes_of
from harness.errors import ExitStatus, UsageError
from harness.explore import Found, OnNodes, Request, explore, fitting
from harness.model.nearest import did_you_mean, near_file
from harness.presets import PRESETS
from harness.report import terminal
from harness.running.ground import ground_of
from harness.running.vocabulary import shipped

_DOUBTS_SHOWN = 3
"""Reasons for which runs decided nothing."""


def carry_out(options: argparse.Namespace) -> int:
    targets: list[str] = options.target
    ends_s = time.monotonic() + 60 * options.minutes
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    explorations = [_prepared(target, options, seed) for target in targets]  # what is wrong is said first
    found: list[tuple[str, Found]] = []
    try:
        spaces = [fitting(request, nodes, folder) for request, nodes, folder in explorations]
    except UsageError:
        for _, _, folder in explorations:
            with suppress(OSError):  # nothing was made yet, or there is something in it
                folder.rmdir()
        raise
    for n, target in enumerate(targets):
        request, nodes, folder = explorations[n]
        minutes = max(0.0, ends_s - time.monotonic()) / 60 / (len(targets) - n)  # what others left, too
        output.say(f"explore {target}: seed {seed}, runs start for {round(minutes, 1):g} min")
        one = explore(replace(request, minutes=minutes), spaces[n], nodes, folder, output.say)
        one = replace(one, options=nodes.options())
        found.append((target, one))
        for line in said(one):
            output.say(line)
        if one.interrupted:
            break
    for line in summary(found) if len(targets) > 1 else ():
        output.say(line)
    return status_of([one for _, one in found])


def _prepared(target: str, options: argparse.Namespace, seed: int) -> tuple[Request, OnNodes, Path]:
    own = _own_deployment(target)
    scenario = nodes_of(target, settings=options.set, engine=options.engine)
    deployment = scenario.deployment
    request = Request.on(
        deployment,
        own_deployment=own is not None,
        expect=tuple(options.expect),
        minutes=options.minutes,
        seed=seed,
        vocabulary=shipped(),
    )
    folder = Path(options.out) / f"explore-{request.kind}-{secrets.token_hex(3)}"
    ground = ground_of(options.backend, [scenario])
    nodes = OnNodes(
        ground=ground,
        backend=options.backend,
        deployment=own,
        settings=tuple(options.set),
        engine=options.engine,
        seed=seed,
        jobs=options.jobs or max(1, ground.machine.cpus),
        out=folder / "runs",
        display=terminal.display(sys.stdout),
    )
    return request, nodes, folder


def _own_deployment(target: str) -> Path | None:
    if is_kind(target):
        return None
    if (kind := reading.first_key(Path(target))) != "deployment":
        there = "none of these" if Path(target).exists() else f"no such file{_meant(target)}"
        instead = f"a file that begins with {kind!r}" if kind else there
        raise UsageError(
            f"explore {target}: expected a topology by its name, such as sentinel, or a deployment file, "
            f"found {instead}"
        )
    return Path(target)


def _meant(target: str) -> str:
    by_name, file = did_you_mean(target, PRESETS), near_file(Path(target))
    return (file or by_name) if Path(target).suffix else (by_name or file)


def said(found: Found) -> Iterator[str]:
    """What one exploration came to."""
    yield f"explore: {_counted(found)}, in {found.folder}"
    for doubt in found.doubts[:_DOUBTS_SHOWN]:
        yield f"  undecided in {doubt.runs}: {doubt.reason}"
        yield f"    for example:  {_replay(doubt.example)}"
    if len(found.doubts) > _DOUBTS_SHOWN:
        yield f"  undecided in {sum(one.runs for one in found.doubts[_DOUBTS_SHOWN:])} for other reasons"
    if found.broken is None or found.file is None:
        yield _nothing(found)
        return
    yield f"broken: {found.broken.why or '; '.join(found.broken.reasons)}"
    if found.broken_in is not None:
        yield f"  that run again:  {_replay(found.broken_in)}"
    yield f"the smallest schedule that breaks it{_again(found)}: {found.file}"
    if not found.whole:
        yield "  the time ended before the kit had tried to leave out everything: give it more with --minutes"
    yield f"  repeat it:  {_repeat(found)}"


def summary(explored: Sequence[tuple[str, Found]]) -> Iterator[str]:
    """A line for each of several explorations, and how to repeat what broke."""
    runs, undecided = (
        sum(numbers) for numbers in zip(*((one.runs, one.undecided) for _, one in explored), strict=True)
    )
    broken = sum(one.broken is not None for _, one in explored)
    yield ""
    yield f"all: {runs} runs, {undecided} of them undecided, a promise broken on {broken} of {len(explored)}"
    width = max(len(target) for target, _ in explored)
    for target, one in explored:
        if one.broken is None:
            yield f"  {target:<{width}}  {_counted(one)}: {_nothing(one)}"
            continue
        yield f"  {target:<{width}}  {_counted(one)}: {one.broken.why or '; '.join(one.broken.reasons)}"
        if one.broken_in is not None:
            yield f"  {'':<{width}}    {_replay(one.broken_in)}"
        yield f"  {'':<{width}}    {_repeat(one)}"


def status_of(found: Sequence[Found]) -> ExitStatus:
    """A broken promise counts most, then that the user stopped it; then a topology on which no run decided
    anything, whatever the others came to."""
    statuses = {one.status for one in found}
    order = (ExitStatus.FAILED, ExitStatus.INTERRUPTED, ExitStatus.INCONCLUSIVE)
    return next((one for one in order if one in statuses), ExitStatus.PASSED)


def _counted(found: Found) -> str:
    runs = f"{found.runs} run{'' if found.runs == 1 else 's'}"
    return f"{runs}, {found.undecided} of them undecided" if found.undecided else runs


def _nothing(found: Found) -> str:
    if not found.runs:
        return "no run was started" + ("" if found.interrupted else ": give it more with --minutes")
    return "no promise was broken" if found.undecided < found.runs else "no run decided anything"


def _again(found: Found) -> str:
    times, of = found.again
    return f", in {times} of {of} more runs" if of else ""


def _repeat(found: Found) -> str:
    return shlex.join(["failover-kit", "run", str(found.file), *found.options, "--repeat", "10"])


def _replay(folder: Path) -> str:
    return shlex.join(["failover-kit", "replay", str(folder)])
