"""The backend of a user's own project, as far as it needs no engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import EnvironmentFailure
from harness.model.deployment import Project
from harness.model.seams import ProjectBackend
from harness.topology.compose import backend
from tests.builders_topology import docker_plan

OURS: ProjectBackend = backend
"""For the type checker: the module is a backend."""


def test_only_a_project_fits() -> None:
    """Topologies of the kit have backends of their own."""
    plan = docker_plan("single")
    assert OURS.fits(plan) is not None
    own = replace(plan.scenario.deployment, project=Project(file="docker-compose.yml"))
    assert OURS.fits(replace(plan, scenario=replace(plan.scenario, deployment=own))) is None


def test_a_project_is_not_held(tmp_path: Path) -> None:
    """Said before anything starts, with what to do instead."""
    with (
        pytest.raises(EnvironmentFailure, match="docker compose up"),
        OURS.up(docker_plan("single"), run="r", directory=tmp_path, to_hold=True),
    ):
        pass
    with pytest.raises(EnvironmentFailure, match="never held"):
        OURS.attach(tmp_path)
    assert OURS.held() == []
