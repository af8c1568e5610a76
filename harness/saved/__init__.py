"""Results on disk: read back, judged again, asked for one session's story, thinned out.

    folders     what lies in a folder of results
    node_logs   the nodes' own logs, on the run's clock
    judging     one run's folder: history -> judged, written beside it
    suites      a suite's folder: loaded, judged again, removed
    merging     several suites put together to one
    telling     why a session was broken; everything that one run recorded
    foreign     histories that others recorded

A folder of results may come from anybody, and may have lost parts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.saved.merging import merge
    from harness.saved.suites import judge_again, load, prune
    from harness.saved.telling import lines, why

__all__ = ["judge_again", "lines", "load", "merge", "prune", "why"]

_HOMES = {
    "judge_again": "suites",
    "lines": "telling",
    "load": "suites",
    "merge": "merging",
    "prune": "suites",
    "why": "telling",
}
"""Imported when they are first used: whoever judges a history of others needs none of what judges runs."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
