"""What docs/catalogue-on-engines.json keeps: the verdict of each scenario on each engine and backend. Pure.

Trap: a run that decided nothing says nothing. It must not take the place of an earlier run that did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.model.engine import engine_name
from harness.model.words import Verdict
from lab.rows import ROOT

RECORD = ROOT / "docs" / "catalogue-on-engines.json"
DECIDED = frozenset({Verdict.PASS, Verdict.FAIL})


class OneRun(msgspec.Struct, frozen=True, kw_only=True):
    scenario: str
    """`sentinel/03-planned-failover-loses-writes`."""
    engine: str
    backend: str
    verdict: Verdict
    why: str = ""
    """The first reason, where it did not pass."""
    measured_on: str = ""
    """Date, ISO 8601."""

    @property
    def ground(self) -> tuple[str, str]:
        return self.engine, self.backend


class Record(msgspec.Struct, frozen=True, kw_only=True):
    runs: tuple[OneRun, ...] = ()

    def with_runs(self, later: Iterable[OneRun]) -> Record:
        """Later runs take the place of earlier ones, unless they decided less."""
        found = {(one.scenario, one.ground): one for one in self.runs}
        for one in later:
            before = found.get((one.scenario, one.ground))
            if before is None or before.verdict not in DECIDED or one.verdict in DECIDED:
                found[one.scenario, one.ground] = one
        return Record(runs=tuple(found[key] for key in sorted(found)))

    def of_shipped(self, names: Iterable[str]) -> Record:
        """Without what is no shipped scenario any more."""
        shipped = set(names)
        return Record(runs=tuple(one for one in self.runs if one.scenario in shipped))


def runs_of(summary: Mapping[str, Any], measured_on: str) -> Iterator[OneRun]:
    """The runs of scenarios as they are shipped. Of one that never got nodes the engine is that which was
    asked for."""
    for one in summary["scenarios"]:
        engine = engine_name(one["engine"]) if one["engine"] else one["engine_asked"]
        broken_off = summary["interrupted"] and one["verdict"] not in DECIDED
        if one.get("varied") or not engine or broken_off:
            continue
        file = Path(one["file"])
        passed = one["verdict"] == Verdict.PASS
        yield OneRun(
            scenario=f"{file.parent.name}/{file.stem}",
            engine=engine,
            backend=one["backend"],
            verdict=Verdict(one["verdict"]),
            why="" if passed else next(iter(one["reasons"]), ""),
            measured_on=measured_on,
        )
