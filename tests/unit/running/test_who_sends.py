"""A record names the library and the version that sent its operations."""

from __future__ import annotations

import pytest

from harness.model.deployment import ClientProfile, TopologySpec
from harness.model.words import TopologyKind
from harness.running.recording import who_sends
from lab.plans import plan_of, scenario_of


@pytest.mark.parametrize(
    ("library", "version", "expected"),
    [
        ("redis-py-asyncio", "5.3.1", "redis-py-asyncio 5.3.1, on-error"),
        ("coredis", "", "coredis 6.9.0, on-error"),
        ("valkey-glide", "", "valkey-glide 2.6.0, on-error"),
    ],
)
def test_record_names_the_library_and_not_the_kits_own(library: str, version: str, expected: str) -> None:
    """The usual version where none is asked for."""
    profile = ClientProfile(library=library, version=version)
    plan = plan_of(scenario_of(TopologySpec(kind=TopologyKind.SINGLE), client=profile), [])
    assert who_sends(plan) == expected
