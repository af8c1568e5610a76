"""Verdicts over three engines and on one: what the table says of them. The image that tests over them use."""

from __future__ import annotations

import os
from contextlib import nullcontext
from unittest.mock import Mock

import docker.errors
import pytest

from harness.model.words import BackendKind, Verdict
from harness.topology.docker import daemon, kit_image
from lab.bench.machines import _ready, _worst
from lab.machines.__main__ import own_kit_image
from lab.machines.verdicts import Run, status, table

PASS, FAIL, UNDECIDED = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def known(one: Verdict | None, three: Verdict | None) -> dict[tuple[str, str], Run]:
    of = {BackendKind.DOCKER: one, BackendKind.MACHINES: three}
    return {
        ("sentinel/01", backend): Run(
            scenario="sentinel/01", backend=backend, seed=3, verdict=verdict, nodes=6
        )
        for backend, verdict in of.items()
        if verdict is not None
    }


@pytest.mark.parametrize(
    ("one", "three", "said", "ends"),
    [
        (PASS, PASS, "the same", 0),
        (FAIL, FAIL, "the same", 0),
        (PASS, FAIL, "DIFFERENT", 1),
        (FAIL, PASS, "DIFFERENT", 1),
        (PASS, UNDECIDED, "undecided", 3),
        (UNDECIDED, UNDECIDED, "undecided", 3),
        (PASS, None, "undecided", 3),
    ],
)
def test_verdicts_are_the_same_or_not(
    one: Verdict | None, three: Verdict | None, said: str, ends: int
) -> None:
    """What nobody has decided is no equality."""
    found = known(one, three)
    assert table(found, ["sentinel/01"]).splitlines()[-1].endswith(f"| {said} |")
    assert status(found, ["sentinel/01"]) == ends


def test_one_difference_outweighs_what_is_undecided() -> None:
    """And each scenario that is asked for has its row."""
    found = known(PASS, FAIL)
    assert status(found, ["sentinel/01", "sentinel/02"]) == 1
    assert len(table(found, ["sentinel/01", "sentinel/02"]).splitlines()) == 4


def test_the_fault_that_is_furthest_behind_counts() -> None:
    """By what is above one and a half times of one engine."""
    row = _worst({"cut": [0.2, 0.3, 0.2], "kill": [0.9]}, {"cut": [0.1, 0.1, 0.1], "kill": [0.5]})
    assert row.measured == pytest.approx(150)
    assert row.met is False
    assert "cut 200/100, kill 900/500" in row.note
    assert _ready([3.0, 4.0], [2.0, 2.0]).met


@pytest.mark.parametrize("fails", [False, True])
def test_the_image_of_the_kit_has_a_tag_of_its_own_and_goes(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Also after a failure, and where one that was killed left it: nobody else's image is replaced or removed."""
    monkeypatch.setenv(kit_image.NAMED, "ours/kit:1")
    did: list[str] = []

    def remove(tag: str, **_: object) -> None:
        did.append(f"remove {tag}")
        if len(did) == 1:
            raise docker.errors.ImageNotFound(tag)

    monkeypatch.setattr(daemon, "connect", lambda: Mock(images=Mock(remove=remove)))
    monkeypatch.setattr(kit_image, "build", lambda: did.append(f"build {kit_image.tag()}"))
    with pytest.raises(KeyError) if fails else nullcontext(), own_kit_image():
        own = os.environ[kit_image.NAMED]
        assert did == [f"remove {own}", f"build {own}"]
        if fails:
            raise KeyError
    assert did[2:] == [f"remove {own}"]
    assert own.startswith("redis-failover-kit/kit:test-")
