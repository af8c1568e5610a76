"""Start a plan's topology on either backend; neither is imported before it is needed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from harness.model.plan import Plan
from harness.model.seams import Topology
from harness.model.words import BackendKind


def up(
    plan: Plan, *, run: str, directory: Path, backend: BackendKind, image: str | None = None
) -> AbstractContextManager[Topology]:
    """A ready topology; taken down at the end. `run` names it in labels and records, `directory` is
    the run's folder, `image` the containers' (None: the backend chooses).

    Raises:
        EnvironmentFailure: the machine cannot start it; nothing was learnt about the topology.
    """
    if backend is BackendKind.DOCKER:
        from harness.topology import docker  # noqa: PLC0415 - a machine may have only one backend

        return docker.up(plan, run=run, directory=directory, image=image)
    from harness.topology import process  # noqa: PLC0415 - see above

    return process.up(plan, run=run, directory=directory)
