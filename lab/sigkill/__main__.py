"""`python -m lab.sigkill`: SIGKILL in the middle of every fault, on every backend, and what `clean` leaves.

A fault takes about ten seconds on a backend. Faults that need a project of somebody's own run against the one
that is named. A command that is broken off goes on where it was, and tries again what had no effect.
`--again` begins anew. `--plan` starts no node: it prints which fault can be had on which backend of this
machine, and why not. `--write` puts that into docs/faults.md.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from harness.errors import UsageError
from harness.explore.draw import Document
from harness.faults import FAULTS
from harness.faults.crash import ONLY_A_PROJECT
from harness.model.words import BackendKind
from harness.options import Parser
from harness.running.compiling import compile_chosen
from harness.running.ground import Ground, choose_ground
from harness.running.selection import Choice, choose
from harness.running.vocabulary import shipped
from harness.safe_files import write_file
from lab.command import as_command
from lab.published import MadePart
from lab.rows import ROOT, RUNS, report
from lab.sigkill.example import Example, examples, first_that_fits
from lab.sigkill.kept import keep, kept
from lab.sigkill.table import markdown, planned, rows
from lab.sigkill.trial import Outcome, tried

BACKENDS = (BackendKind.PROCESS, BackendKind.DOCKER)
OF_HOSTS = BackendKind.MACHINES
"""Where the environment names hosts."""
PAGE = ROOT / "docs" / "faults.md"
MADE = MadePart("<!-- made by python -m lab.sigkill --write -->", "<!-- end -->")
IN_A_PROJECT = "compose"
"""In the place of a backend: a project of somebody's own."""


def main() -> int:
    given = _parser().parse_args()
    folder: Path = given.out / "sigkill"
    if given.again:
        shutil.rmtree(folder, ignore_errors=True)
    wanted = given.fault or list(FAULTS)
    if given.plan or given.write:
        return _plan(wanted, given.backend or list(BACKENDS), write=given.write)
    done = {(one.fault, one.backend): one for one in kept(folder) if one.works or one.left}
    skipped = []
    for backend in given.backend or BACKENDS:
        left = [fault for fault in wanted if (fault, backend) not in done]
        for one in outcomes(left, [backend], folder):
            if one.skipped:
                skipped.append(one)
            else:
                done[one.fault, one.backend] = one
    if given.compose:
        words = ["--compose", str(given.compose.resolve())]
        words += [word for image in given.image for word in ("--image", image)]
        needing = dict.fromkeys(one.fault for one in skipped if ONLY_A_PROJECT in one.skipped)
        left = [fault for fault in needing if (fault, IN_A_PROJECT) not in done]
        done |= {(one.fault, one.backend): one for one in in_a_project(left, words, folder)}
    found = sorted([*done.values(), *skipped], key=lambda one: list(FAULTS).index(one.fault))
    status = report("sigkill", rows(found), directory=given.out, title=f"\nruns in {folder}")
    print(f"\n{markdown(found)}")
    return status


def _plan(faults: Sequence[str], backends: Sequence[str], *, write: bool) -> int:
    """Which of them can be had here."""
    lines = planned(
        {
            (fault, backend): first_that_fits(fault, shipped(), why_not)[1]
            for backend in backends
            for why_not in (misfits(choose_ground(backend, [None])),)
            for fault in faults
        }
    )
    print(lines)
    if write:
        write_file(PAGE, MADE.into(PAGE.read_text(encoding="utf-8"), lines).encode())
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.sigkill", description=__doc__)
    parser.add_argument(
        "--backend", action="append", choices=(*BACKENDS, OF_HOSTS), help="only this one; repeatable"
    )
    parser.add_argument("--fault", action="append", choices=tuple(FAULTS), help="only this one; repeatable")
    parser.add_argument(
        "--compose", type=Path, help="a Compose project, for the faults that need one of somebody's own"
    )
    parser.add_argument("--image", action="append", default=[], help="as of `run`; repeatable")
    parser.add_argument("--plan", action="store_true", help="start nothing: which fault can be had where")
    parser.add_argument("--write", action="store_true", help="the same, into docs/faults.md")
    parser.add_argument("--again", action="store_true", help="forget what was tried before")
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser


def outcomes(faults: list[str], backends: list[str] | None, folder: Path) -> Iterator[Outcome]:
    """Of each fault on each backend, in the order of the library."""
    for backend in backends or BACKENDS:
        why_not = misfits(choose_ground(backend, [None]))
        for fault in faults:
            example, reason = first_that_fits(fault, shipped(), why_not)
            if example is None:
                yield Outcome(fault=fault, backend=backend, skipped=reason)
                continue
            outcome = _kept(example, backend, (), folder)
            print(f"{fault} on {backend}: {outcome.proof or outcome.failure}; left: {list(outcome.left)}")
            yield outcome


def in_a_project(faults: list[str], words: Sequence[str], folder: Path) -> Iterator[Outcome]:
    """Faults that only a project can have. Its deployment takes the place of the example's."""
    for fault in faults:
        example = next(
            one for one in examples(fault, shipped()) if one.document["faults"][-1][fault] == "primary"
        )
        outcome = _kept(example, IN_A_PROJECT, words, folder)
        print(f"{fault} in a project: {outcome.proof or outcome.failure}; left: {list(outcome.left)}")
        yield outcome


def _kept(example: Example, backend: str, words: Sequence[str], folder: Path) -> Outcome:
    """One trial, in a folder of its own. What an earlier one left when it was broken off is removed."""
    place = (folder / f"{example.fault}-{backend}".replace(" ", "-")).resolve()
    shutil.rmtree(place, ignore_errors=True)
    outcome = tried(example, backend, words, place)
    keep(outcome, place)
    return outcome


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
    as_command(main)
