"""`run --submit` and `export`: the same runs on other machines, each job a shard.

The trap: a job gets the words of this command, so whatever it cannot do there is refused here.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from functools import partial
from pathlib import Path

from harness import output
from harness.cli.choice import choice_of, suite_of
from harness.cli.pipeline import tell_pipeline
from harness.errors import UsageError
from harness.model.hosts import BACKEND, NAMED
from harness.report import terminal

_WITH_VALUE = ("scenario", "bug", "set", "engine", "deployment")
"""Options of `run` that may be repeated, and that mean the same in a job."""
_NOT_IN_A_JOB = {
    "compose": "a job has no Docker engine for a Compose project",
    "image": "a job has no Docker engine for images of a Compose project",
    "shard": "a job is a shard; --shards N says how many",
    "until_sure": "no job knows what the others have seen",
}


def submit(options: argparse.Namespace, name: str) -> int:
    from harness.jobs.submit import Request  # noqa: PLC0415 - a Docker client, for nothing where nobody submits
    from harness.jobs.submit import submit as submitted  # noqa: PLC0415
    from harness.topology.machines.hosts import named  # noqa: PLC0415

    _check(options, "--submit")
    engines = named()
    if not engines:
        raise UsageError(
            f"--submit {options.submit}: expected --hosts NAME=ENGINE,… or {NAMED}, found neither"
        )
    asked = Request(
        understand=partial(choice_of, options),
        words=tuple(words_of(options)),
        name=name,
        out=Path(options.out),
        seed=options.seed,
        shards=options.shards,
        resume=Path(options.resume) if options.resume else None,
    )
    found = submitted(asked, terminal.display(sys.stdout), engines)
    for line in found.repeated:
        output.say(line)
    terminal.show(found.suite, sys.stdout)
    tell_pipeline(found.suite)
    return found.suite.exit_code


def export(options: argparse.Namespace) -> int:
    from harness.jobs import kubernetes  # noqa: PLC0415 - as above
    from harness.jobs.shards import Asked, how_many  # noqa: PLC0415
    from harness.jobs.submit import understood  # noqa: PLC0415

    _check(options, "export")
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    of = understood(partial(choice_of, options), seed)
    count = how_many(options.shards, runs=len(of.plans), machines=1, cpus=1)
    asked = Asked(words=tuple(words_of(options)), seed=seed, shards=count, runs=len(of.plans))
    output.say(kubernetes.manifest(asked, of.files, image=options.kit_image).rstrip("\n"))
    return 0


def words_of(options: argparse.Namespace) -> list[str]:
    """The same command for a job, without what every job says itself."""
    words = list(options.files)
    for option in _WITH_VALUE:
        words += [word for value in getattr(options, option) for word in (f"--{option}", value)]
    words += [word for path, values in options.vary for word in ("--vary", f"{path}={','.join(values)}")]
    if not words:
        words += ["--suite", suite_of(options)]
    elif options.suite:
        words += ["--suite", options.suite]
    for option in ("repeat", "jobs"):
        if value := getattr(options, option):
            words += [f"--{option}", str(value)]
    return words


def _check(options: argparse.Namespace, what: str) -> None:
    for option, why in _NOT_IN_A_JOB.items():
        if getattr(options, option, None):
            raise UsageError(f"--{option.replace('_', '-')}: it cannot be used with {what}: {why}")
    if options.backend not in {"auto", "process"}:
        where = f"; --backend {BACKEND} spreads one topology over hosts" if options.backend == BACKEND else ""
        raise UsageError(
            f"--backend {options.backend}: expected process with {what}, as a job has its nodes as processes"
            f"{where}"
        )
