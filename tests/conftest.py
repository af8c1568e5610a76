"""How every test runs: as quickly as nothing that it proves forbids.

The collector of garbage looks seldom, and never at what collecting the tests made: modules, tests and their cases
live to the end, and to look at all of them again and again took a tenth of the time. And pyarrow asks for a
package that need not be there whenever it makes a scalar: what is missing is searched for anew each time, in
every folder, by pytest's finder as well. Pictures of the same run are drawn once. And of a test that passes, a
worker sends one report in the place of three: each is packed, sent and unpacked, which takes as long as most
tests.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests import scratch

WANTED_BY_PYARROW = "dateutil"
if find_spec(WANTED_BY_PYARROW) is None:
    sys.modules[WANTED_BY_PYARROW] = None  # type: ignore[assignment] # known to be missing

NEW_OBJECTS = 50_000
"""Made since the last look, before the next; Python looks after 700."""


@pytest.fixture(scope="session", autouse=True)
def _scratch(tmp_path_factory: pytest.TempPathFactory) -> None:
    scratch.use(tmp_path_factory)


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
    gc.enable()
    if (charts := sys.modules.get("harness.report.charts")) is not None:
        vars(charts)["drawn"] = _once(vars(charts)["drawn"])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if not hasattr(item.config, "workerinput"):
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


def _once(drawn: Callable[..., Any]) -> Callable[..., Any]:
    """Each picture is drawn when it is first wanted: many tests write the page of the same run, and a picture
    takes longer than all the rest of it."""
    kept: dict[tuple[str, ...], Any] = {}

    def drawn_once(curves: object, scale: object, manner: object, *, prefix: str) -> object:
        key = (repr(curves), repr(scale), repr(manner), prefix)
        if key not in kept:
            kept[key] = drawn(curves, scale, manner, prefix=prefix)
        return kept[key]

    return drawn_once


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without charts: drawing them takes longer than all the rest of judging a small run again."""
    monkeypatch.setattr("harness.report.page.charts", lambda _: ())
