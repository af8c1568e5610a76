"""What is read of results and of the kept record. A `summary.json` may be cut off, or somebody else's: it is
looked at before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from harness.errors import UsageError
from harness.model.words import Verdict
from harness.safe_files import read_file
from harness.visible import visible
from lab.catalogue.record import RECORD, Record

T = TypeVar("T")

_Cell = Annotated[str, msgspec.Meta(pattern=r"\A[^|<>`\x00-\x1f]*\Z")]
"""What stands in a table as it is."""
_SHOWN = 160


class Told(msgspec.Struct):
    """Of each scenario."""

    file: str
    verdict: Verdict
    engine: _Cell


class ToldInFull(Told):
    """What the page of the catalogue needs as well."""

    engine_asked: _Cell
    backend: _Cell
    reasons: list[str]


class Summary(msgspec.Struct):
    scenarios: list[Told]


class FullSummary(msgspec.Struct):
    scenarios: list[ToldInFull]
    interrupted: bool


def read_summary(file: Path, kind: type[Summary | FullSummary]) -> Mapping[str, Any]:
    """A `summary.json`, which has at least what `kind` says.

    Raises:
        UsageError: it cannot be read, or it is none.
    """
    found: Mapping[str, Any] = _decoded(file, dict[str, Any], "a summary.json of the kit's")
    try:
        msgspec.convert(found, kind)
    except msgspec.ValidationError as problem:
        raise UsageError(_none(file, "a summary.json of the kit's", problem)) from problem
    return found


def read_record(file: Path = RECORD) -> Record:
    """What is kept of the catalogue on each engine; nothing, where there is no such file.

    Raises:
        UsageError: it cannot be read, or it is damaged.
    """
    return _decoded(file, Record, "the record of the catalogue") if file.exists() else Record()


def _decoded(file: Path, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(read_file(file), type=kind)
    except OSError as problem:
        raise UsageError(f"{file}: cannot be read: {problem.strerror or problem}") from problem
    except (ValueError, RecursionError) as problem:
        raise UsageError(_none(file, what, problem)) from problem


def _none(file: Path, what: str, problem: Exception) -> str:
    return f"{file}: expected {what}, found: {visible(str(problem))[:_SHOWN]}"
