"""`explore`: random schedules until a promise breaks, then the smallest that still breaks it."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from harness import output
from harness import scenario as reading
from harness.beside import is_kind, nodes_of
from harness.errors import UsageError
from harness.explore import Found, OnNodes, Request, explore
from harness.presets import inventory_of
from harness.report import terminal
from harness.running.ground import ground_of
from harness.running.vocabulary import shipped


def carry_out(options: argparse.Namespace) -> int:
    own = _own_deployment(options.target)
    scenario = nodes_of(options.target, settings=options.set, engine=options.engine)
    deployment = scenario.deployment
    request = Request(
        kind=deployment.topology.kind,
        own_deployment=own is not None,
        shards=inventory_of(deployment).shards,
        expect=tuple(options.expect),
        minutes=options.minutes,
        seed=options.seed if options.seed is not None else secrets.randbelow(2**31),
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
        seed=request.seed,
        jobs=options.jobs or max(1, ground.machine.cpus),
        out=folder / "runs",
        display=terminal.display(sys.stdout),
    )
    output.say(f"explore {options.target}: seed {request.seed}, runs start for {request.minutes:g} min")
    found = explore(request, nodes, folder, output.say)
    for line in said(found):
        output.say(line)
    return found.status


def _own_deployment(target: str) -> Path | None:
    if is_kind(target):
        return None
    if (kind := reading.first_key(Path(target))) != "deployment":
        instead = f"a {kind} file" if kind else "none of these"
        raise UsageError(
            f"explore {target}: expected a topology by its name, such as sentinel, or a deployment file, "
            f"found {instead}"
        )
    return Path(target)


def said(found: Found) -> Iterator[str]:
    undecided = f", {found.undecided} of them undecided" if found.undecided else ""
    yield f"explore: {found.runs} runs{undecided}, in {found.folder}"
    if found.broken is None or found.file is None:
        if found.doubt:
            yield f"  undecided, for example: {found.doubt}"
        yield "no promise was broken" if found.undecided < found.runs else "no run decided anything"
        return
    times, of = found.seen
    yield f"broken: {found.broken.why or '; '.join(found.broken.reasons)}"
    yield f"the smallest schedule that breaks it, in {times} of {of} runs: {found.file}"
    if not found.whole:
        yield "  the time ended before the kit had tried to leave out everything: give it more with --minutes"
    yield f"  repeat it:  failover-kit run {found.file} --repeat 10"
