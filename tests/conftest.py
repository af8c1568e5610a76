"""How every test runs: as quickly as nothing that it proves forbids.

The collector of garbage looks seldom, and never at what collecting the tests made: modules, tests and their cases
live to the end, and to look at all of them again and again took a tenth of the time. And pyarrow asks for a
package that need not be there whenever it makes a scalar: what is missing is searched for anew each time, in
every folder, by pytest's finder as well.
"""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec

import pytest

WANTED_BY_PYARROW = "dateutil"
if find_spec(WANTED_BY_PYARROW) is None:
    sys.modules[WANTED_BY_PYARROW] = None  # type: ignore[assignment] # known to be missing

NEW_OBJECTS = 50_000
"""Made since the last look, before the next; Python looks after 700."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
    gc.enable()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without charts: drawing them takes longer than all the rest of judging a small run again."""
    monkeypatch.setattr("harness.report.page.charts", lambda _: ())
