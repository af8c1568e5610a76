"""Does jobs in a process of its own: one line of JSON in, one line of JSON out, until its input ends.

It keeps the topologies that it started and takes them down when its input ends, because the selftest is
through, was stopped, or is gone. Ctrl-C in the terminal is for the selftest, not for its workers.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec

from harness.checks.judge import judge
from harness.model.seams import Topology
from harness.model.words import Verdict
from harness.topology.process import backend as process
from lab.selftest import clean, faulted, seeded
from lab.selftest.mischief import Setting
from lab.selftest.model import Model
from lab.selftest.model_surroundings import PUT_OUT_BY_OUTAGE

ROUGH_EVERY = 8
"""One in so many histories of the model store is a rough one."""


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    kind: str
    """`bug`, `clean`, `fault` or `model`."""
    name: str
    """The bug's, the topology's, the fault's; nothing for a model."""
    seed: int
    operations: int = 0
    """Of a model."""


class Told(msgspec.Struct, frozen=True):
    """What a model's history was judged to be."""

    seed: int
    operations: int
    findings: tuple[str, ...]
    verdict: str
    undecided: int
    """Upper ends of all findings' counts: what the judge could not rule out."""


class Done(msgspec.Struct, frozen=True):
    job: Job
    bug: seeded.Seeded | None = None
    clean: clean.Clean | None = None
    model: Told | None = None


class Bench:
    """Topologies by what they were started with; an unusual one takes the place of another."""

    def __init__(self, directory: Path, engine: str | None) -> None:
        self._directory = directory
        self.engine = engine
        self._up: dict[str, tuple[Topology, ExitStack]] = {}
        self._started = 0

    def topology(self, setting: Setting, kind: str) -> Topology:
        key = f"{kind} {sorted(setting.redis.items())}"
        if key not in self._up:
            self.close()
            self._started += 1
            directory = self._directory / f"nodes-{self._started}"
            directory.mkdir(parents=True)
            plan = seeded.plan_of(seeded.scenario_of(setting, kind, self.engine), seed=0, directory=directory)
            stack = ExitStack()
            run = f"selftest-{os.getpid()}-{self._started}"
            up = process.up(plan, run=run, directory=directory, loopback=True)
            self._up[key] = stack.enter_context(up), stack
        return self._up[key][0]

    def close(self) -> None:
        while self._up:
            _, (_, stack) = self._up.popitem()
            stack.close()


def do(job: Job, bench: Bench, directory: Path) -> Done:
    """Carry one job out. What a run leaves is kept only if something was wrong with it."""
    if job.kind == "model":
        return Done(job=job, model=judged(job.seed, job.operations))
    folder = directory / f"{job.kind}-{job.name.replace(', ', '-').replace(' ', '-')}-{job.seed}"
    if job.kind == "clean":
        topology = bench.topology(clean.SETTING, job.name)
        found = clean.run(job.name, job.seed, topology=topology, directory=folder)
        if not found.findings:
            shutil.rmtree(folder)
        return Done(job=job, clean=found)
    if job.kind == "fault":
        bench.close()  # its nodes would only stand by
        found = faulted.run(faulted.fault_named(job.name), job.seed, engine=bench.engine, directory=folder)
        if not found.findings:
            shutil.rmtree(folder)
        return Done(job=job, clean=found)
    bug = seeded.bug_named(job.name)
    topology = bench.topology(bug.setting(job.seed), "single")
    shown = seeded.run(bug, job.seed, topology=topology, directory=folder)
    if shown.as_it_should_be or (not shown.bit and not shown.false_alarms):
        shutil.rmtree(folder)
    return Done(job=job, bug=shown)


def judged(seed: int, operations: int) -> Told:
    """Make and judge one history of the model store."""
    gc.disable()  # many objects and next to no cycles: collecting in between would take half the time
    model = Model(seed, rough=seed % ROUGH_EVERY == 0, renews=True)
    try:
        judgement = judge(model.tell(operations))
    finally:
        gc.enable()
        gc.collect()
    findings = [
        f"{one.name}: {one.sentence}"
        for one in judgement.findings
        if one.name != PUT_OUT_BY_OUTAGE.metric or one.session not in model.store.put_out
    ]
    if judgement.verdict is not Verdict.PASS:
        findings += [f"{judgement.verdict}: {reason}" for reason in judgement.reasons]
    undecided = sum(count.high > count.low for count in judgement.counts.values())
    return Told(
        seed=seed,
        operations=operations,
        findings=tuple(findings),
        verdict=str(judgement.verdict),
        undecided=undecided,
    )


def main(directory: Path, engine: str | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of every `finally`
    bench = Bench(directory, engine)
    try:
        for line in sys.stdin:
            done = do(msgspec.json.decode(line, type=Job), bench, directory)
            print(msgspec.json.encode(done).decode(), flush=True)
    finally:
        bench.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
