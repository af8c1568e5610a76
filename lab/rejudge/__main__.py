"""Saved runs, judged by this checkout and compared with how another one judged them.

    python -m lab.rejudge --keep KEPT RUN...       # before a change: findings, metrics and verdicts into KEPT
    python -m lab.rejudge --against KEPT RUN...    # after it: what differs, member by member

A RUN is a folder of results, or a folder of such folders. Nothing is written into it. Exit status: 0 the
same, 1 something differs or a run is missing on one side, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness import history
from harness.checks.judge import judge
from harness.errors import ExitStatus, UsageError
from harness.history.files import PLAN
from harness.options import Parser
from harness.safe_files import is_file
from harness.saved.judging import read_run
from lab.command import as_command

DIFFERENCES_SHOWN = 20
"""Of one run."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    found = {f"{run.parent.name}--{run.name}.json": run for one in options.runs for run in runs_below(one)}
    if not found:
        print("rejudge: expected folders with runs in them, found none", file=sys.stderr)
        return ExitStatus.USAGE
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        for name, run in found.items():
            (options.keep / name).write_bytes(msgspec.json.format(judged(run), indent=1))
        print(f"{len(found)} judgements kept in {options.keep}")
        return ExitStatus.PASSED
    return compare(options.against, found)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m lab.rejudge", description=__doc__.partition("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--keep", type=Path, metavar="KEPT", help="write the judgements there")
    what.add_argument("--against", type=Path, metavar="KEPT", help="compare with the judgements there")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of results")
    return parser.parse_args(arguments)


def runs_below(folder: Path) -> Iterator[Path]:
    """Every run in a folder, at any depth; what links lead to is left out, as it would be found twice."""
    for plan in sorted(folder.rglob(PLAN)):
        between = plan.relative_to(folder).parents
        if is_file(plan) and not any((folder / one).is_symlink() for one in between if one.name):
            yield plan.parent


def judged(run: Path) -> bytes:
    """Findings, metrics and verdict, as JSON; why it cannot be judged, if it cannot."""
    try:
        past = read_run(run)
        history.check_plausible(run, past)
        return msgspec.json.encode(judge(past))
    except UsageError as problem:
        return msgspec.json.encode({"cannot be judged": str(problem).replace(str(run), run.name)})


def compare(kept: Path, found: dict[str, Path]) -> ExitStatus:
    """Print what differs from the judgements in `kept`."""
    before = {one.name for one in kept.glob("*.json")}
    same = 0
    for name in sorted(before | found.keys()):
        if name not in before or name not in found:
            print(f"{name}: only {'now' if name in found else 'before'}")
            continue
        differences = list(differing(msgspec.json.decode((kept / name).read_bytes()), _now(found[name])))
        same += not differences
        for where, was, is_now in differences[:DIFFERENCES_SHOWN]:
            print(f"{name}: {where}: {was} -> {is_now}")
        if len(differences) > DIFFERENCES_SHOWN:
            print(f"{name}: {len(differences) - DIFFERENCES_SHOWN} more")
    everything = len(before | found.keys())
    print(f"{same} of {everything} judgements are the same")
    return ExitStatus.PASSED if same == everything else ExitStatus.FAILED


def _now(run: Path) -> Any:
    return msgspec.json.decode(judged(run))


_NONE = "nothing"


def differing(before: Any, after: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """Each place at which two values of JSON differ, with what is there."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from differing(
                before.get(name, _NONE), after.get(name, _NONE), f"{where}.{name}".strip(".")
            )
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for n, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differing(old, new, f"{where}[{n}]")
    elif before != after:
        yield where, _short(before), _short(after)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} entries"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 100 else f"{text[:100]}…"


if __name__ == "__main__":
    as_command(main)
