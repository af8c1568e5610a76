"""Start a plan's topology on either backend; neither is imported before it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from harness.errors import EnvironmentFailure
from harness.model.engine import is_named
from harness.model.plan import Plan
from harness.model.seams import Topology
from harness.model.words import BackendKind


@contextmanager
def up(
    plan: Plan,
    *,
    run: str,
    directory: Path,
    backend: BackendKind,
    image: str | None = None,
    loopback: bool = False,
) -> Iterator[Topology]:
    """A ready topology; taken down at the end. `run` names it in labels and records, `directory` is
    the run's folder, `image` the containers' (None: the backend chooses). `loopback`: processes share
    the machine's own loopback address, even where they could have a network of their own.

    Raises:
        EnvironmentFailure: the machine cannot start it, or only another engine than the deployment names;
            nothing was learnt about the topology.
    """
    wanted = plan.scenario.deployment.engine
    with _on(backend, plan, run=run, directory=directory, image=image, loopback=loopback) as topology:
        if not is_named(wanted, topology.engine):
            of = f"image {image}" if image else "the server program"
            raise EnvironmentFailure(
                f"engine {wanted}: expected nodes of it, found {topology.engine} in {of}; "
                "name another engine or none"
            )
        yield topology


def _on(
    backend: BackendKind, plan: Plan, *, run: str, directory: Path, image: str | None, loopback: bool
) -> AbstractContextManager[Topology]:
    if backend is BackendKind.DOCKER:
        from harness.topology.docker import backend as docker  # noqa: PLC0415 - a machine may have only one backend

        return docker.up(plan, run=run, directory=directory, image=image)
    from harness.topology.process import backend as process  # noqa: PLC0415 - see above

    return process.up(plan, run=run, directory=directory, loopback=loopback)
