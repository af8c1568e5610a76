"""What is here, what can be had, and what a killed harness left: `doctor`, `image`, `clean`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import doctor as examination
from harness import output
from harness.beside import left_behind
from harness.held import residence
from harness.running import ground
from harness.topology.docker import kit_image


def doctor(_options: argparse.Namespace) -> int:
    return examination.examine(sys.stdout)


def image(options: argparse.Namespace) -> int:
    if options.kit:
        output.say(f"image {kit_image.build()} is there: docker run --rm {kit_image.tag()} run single/01")
    else:
        output.say(ground.build_image(options.engine))
    return 0


def clean(_options: argparse.Namespace) -> int:
    for line in [*ground.clean(), *residence.clean(), *left_behind.clean()] or ["nothing to remove"]:
        output.say(line)
    if files := output.crash_files():
        output.complain(_bugs(files))
    return 0


def _bugs(files: Sequence[Path]) -> str:
    if len(files) == 1:
        return f"{files[0]}: the traceback of a bug in the kit; report it, then remove the file"
    newest = max(files, key=lambda one: one.stat().st_mtime)
    return (
        f"{newest} and {len(files) - 1} more in {newest.parent}: tracebacks of bugs in the kit;"
        f" report them, then remove the files ({output.CRASH}*.log)"
    )
