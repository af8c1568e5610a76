"""`python -m lab.sigkill`: SIGKILL in the middle of every fault, on every backend, and what `clean` leaves.

A fault takes about ten seconds on a backend. Faults that need a project of somebody's own run against the one
that is named.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from harness.errors import UsageError
from harness.explore.draw import Document
from harness.faults import FAULTS
from harness.faults.crash import ONLY_A_PROJECT
from harness.model.words import BackendKind
from harness.running.compiling import compile_chosen
from harness.running.ground import Ground, choose_ground
from harness.running.selection import Choice, choose
from harness.running.vocabulary import shipped
from lab.rows import RUNS, report
from lab.sigkill.example import examples, first_that_fits
from lab.sigkill.table import markdown, rows
from lab.sigkill.trial import Outcome, tried


def main() -> int:
    given = _parser().parse_args()
    folder = given.out / f"sigkill-{secrets.token_hex(3)}"
    found = list(outcomes(given.fault or list(FAULTS), given.backend, folder))
    if given.compose:
        words = ["--compose", str(given.compose.resolve())]
        words += [word for image in given.image for word in ("--image", image)]
        needing = dict.fromkeys(one.fault for one in found if ONLY_A_PROJECT in one.skipped)
        found += in_a_project(list(needing), words, folder)
    status = report("sigkill", rows(found), directory=given.out, title=f"\nruns in {folder}")
    print(f"\n{markdown(found)}")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.sigkill", description=__doc__)
    parser.add_argument(
        "--backend", action="append", choices=("process", "docker"), help="only this one; repeatable"
    )
    parser.add_argument("--fault", action="append", choices=tuple(FAULTS), help="only this one; repeatable")
    parser.add_argument(
        "--compose", type=Path, help="a Compose project, for the faults that need one of somebody's own"
    )
    parser.add_argument("--image", action="append", default=[], help="as of `run`; repeatable")
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser


def outcomes(faults: list[str], backends: list[str] | None, folder: Path) -> Iterator[Outcome]:
    """Of each fault on each backend, in the order of the library."""
    for backend in backends or [BackendKind.PROCESS, BackendKind.DOCKER]:
        why_not = misfits(choose_ground(backend, [None]))
        for fault in faults:
            example, reason = first_that_fits(fault, shipped(), why_not)
            if example is None:
                yield Outcome(fault=fault, backend=backend, skipped=reason)
                continue
            outcome = tried(example, backend, (), (folder / f"{fault}-{backend}".replace(" ", "-")).resolve())
            print(f"{fault} on {backend}: {outcome.proof or outcome.failure}; left: {list(outcome.left)}")
            yield outcome


def in_a_project(faults: list[str], words: Sequence[str], folder: Path) -> Iterator[Outcome]:
    """Faults that only a project can have. Its deployment takes the place of the example's."""
    for fault in faults:
        example = next(
            one for one in examples(fault, shipped()) if one.document["faults"][-1][fault] == "primary"
        )
        place = (folder / f"{fault}-compose".replace(" ", "-")).resolve()
        outcome = tried(example, "compose", words, place)
        print(f"{fault} in a project: {outcome.proof or outcome.failure}; left: {list(outcome.left)}")
        yield outcome


def misfits(ground: Ground) -> Callable[[Document], str | None]:
    """Why a scenario cannot be run on this ground; None: it can, empty: nobody could write it so."""

    def why_not(document: Document) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "example.yaml"
            file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
            try:
                plans = compile_chosen(choose(Choice(files=(file,))), seed=0, ground=ground)
            except UsageError:
                return ""
            return next((plan.skip for plan in plans if plan.skip), None)

    return why_not


if __name__ == "__main__":
    sys.exit(main())
