"""The road of one run, from a plan to its judgement:

    topology up -> its turn -> record -> topology down -> judge -> write

Files are written first, and judged second from the saved files, so that a later judgement reads exactly
the same. In all cases faults are healed and every node is stopped before the process ends.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.model.plan import Plan
from harness.model.results import Progress, ScenarioResult
from harness.running.recording import Stop, record_on
from harness.saved.judging import judge_folder
from harness.topology.backends import up


def run_plan(
    plan: Plan,
    *,
    run: str,
    directory: Path,
    image: str | None,
    tell: Callable[[Progress], None],
    stop: Stop,
    ready: Callable[[], None] | None = None,
    recorded: Callable[[], None] | None = None,
) -> ScenarioResult:
    """Run one plan in `directory`, which has it in a file already, and judge what was recorded. `ready` is
    called once the nodes are, and returns when traffic may begin; None: it may begin at once. `recorded` is
    called once nothing is measured any more.

    Raises:
        EnvironmentFailure: Docker, a node or the disk failed before there was anything to judge.
    """
    tell(Progress(scenario=plan.label, phase="starting"))
    with up(plan, run=run, directory=directory, backend=plan.backend, image=image) as topology:
        if ready is not None:
            ready()
        record_on(topology, plan, run=run, directory=directory, image=image, tell=tell, stop=stop)
    if recorded is not None:
        recorded()
    tell(Progress(scenario=plan.label, phase="judging"))
    return judge_folder(directory)
