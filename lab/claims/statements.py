"""The statements of `claims.yaml`, typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import yaml

FILE = Path(__file__).with_name("claims.yaml")


class Check(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is run, and what is measured in it if the statement is true."""

    scenario: str
    """As `failover-kit run` takes it."""
    set: dict[str, str] = {}
    """Path of a setting -> its value, as for `--set`."""
    expect: dict[str, str]
    """As in a scenario: metric -> comparison and bound. All of them must be met."""

    @property
    def settings(self) -> tuple[str, ...]:
        """What the command that runs it must change."""
        expected = ", ".join(f'"{metric}": "{bound}"' for metric, bound in self.expect.items())
        changed = (f"{path}={value}" for path, value in self.set.items())
        return (*changed, "shows=promise", f"expect={{{expected}}}")

    def covers(self, other: Check) -> bool:
        """Whether a run of this one measures whatever the other one expects."""
        same = (self.scenario, self.set) == (other.scenario, other.set)
        return same and other.expect.items() <= self.expect.items()

    @property
    def options(self) -> tuple[str, ...]:
        return (self.scenario, *(word for one in self.settings for word in ("--set", one)))


class Condition(Check, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A case in which the statement may be true after all."""

    condition: str
    """Ends the sentence `true only if …`."""


class Statement(
    msgspec.Struct,
    kw_only=True,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"said_by": "said by", "only_if": "only if"},
):
    claim: str
    said_by: str
    check: Check
    only_if: Condition | None = None

    @property
    def checks(self) -> tuple[Check, ...]:
        return (self.check,) if self.only_if is None else (self.check, self.only_if)


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    claims: int
    statements: list[Statement]


def read_statements(path: Path = FILE) -> tuple[Statement, ...]:
    """
    Raises:
        msgspec.ValidationError: the file has another shape.
    """
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(msgspec.convert(found, type=_File).statements)


def checks_of(statements: Iterable[Statement]) -> Iterator[Check]:
    """Every check once, in the order of the statements."""
    yield from {check.options: check for one in statements for check in one.checks}.values()


def together(checks: Iterable[Check]) -> list[Check]:
    """Fewer checks that measure the same: those that run the same thing expect everything in one run, unless
    they expect different things of one metric."""
    merged: list[Check] = []
    for check in checks:
        for n, other in enumerate(merged):
            if _agree(other, check):
                merged[n] = msgspec.structs.replace(other, expect={**other.expect, **check.expect})
                break
        else:
            merged.append(Check(scenario=check.scenario, set=check.set, expect=check.expect))
    return merged


def _agree(one: Check, other: Check) -> bool:
    same = (one.scenario, one.set) == (other.scenario, other.set)
    return same and all(other.expect.get(metric, bound) == bound for metric, bound in one.expect.items())
