"""Namespaces that a machine does not allow: said in words, and nothing stays open."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.topology.base import namespaces
from harness.topology.base.namespaces import Namespace
from harness.topology.process.network import trial

NOT_ALLOWED = PermissionError(1, "Operation not permitted")


def refused(*_: object) -> None:
    raise NOT_ALLOWED


def descriptors() -> set[str]:
    return {one.name for one in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("unshare", "enter"):
        monkeypatch.setattr(namespaces, name, refused)


@pytest.mark.usefixtures("without_rights")
def test_trial_without_rights_leaves_nothing_open() -> None:
    """An ordinary user is told why, and asking costs no descriptor."""
    before = descriptors()
    assert trial() == "network namespaces are not allowed here (Operation not permitted); run as root"
    assert descriptors() == before


@pytest.mark.usefixtures("without_rights")
def test_namespace_that_cannot_be_entered_leaves_nothing_open() -> None:
    """The file behind it is closed again."""
    before = descriptors()
    with pytest.raises(PermissionError):
        Namespace.at(str(Path("/proc/self/ns/net")))
    assert descriptors() == before
