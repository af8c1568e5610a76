"""A report from an issue tracker finds its scenarios, however somebody writes it."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.running import selection
from harness.running.reports import scenarios_of, short_names
from harness.running.vocabulary import shipped
from harness.scenario import load


@pytest.mark.parametrize(
    "asked",
    [
        "redis-6062",
        "redis#6062",
        "redis/redis#6062",
        "Redis-Redis-6062",
        "https://github.com/redis/redis/issues/6062#issuecomment-1",
    ],
)
def test_report_is_found_however_it_is_written(asked: str) -> None:
    """The scenario that shows it is among those found."""
    assert "03-planned-failover-loses-writes" in [path.stem for path in scenarios_of(asked)]


def test_unknown_report_names_the_nearest() -> None:
    """A number that is off by one digit is a misprint."""
    with pytest.raises(UsageError, match=r"--bug 'redis-606': expected a report .*did you mean 'redis-6062'"):
        scenarios_of("redis-606")


def test_short_name_leaves_out_the_owner() -> None:
    """As the list shows it, and as it can be asked for again."""
    (path,) = selection.scenario_files("sentinel/03")
    assert short_names(load(path, shipped())) == ["redis-6062", "valkey-1291", "redis-py-3867"]
