"""What is here, what can be had, and what a killed harness left: `doctor`, `image`, `clean`."""

from __future__ import annotations

import argparse
import sys

from harness import doctor as examination
from harness import output
from harness.running import ground


def doctor(_options: argparse.Namespace) -> int:
    return examination.examine(sys.stdout)


def image(options: argparse.Namespace) -> int:
    output.say(ground.build_image(options.engine))
    return 0


def clean(_options: argparse.Namespace) -> int:
    for line in ground.clean() or ["nothing to remove"]:
        output.say(line)
    for file in output.crash_files():
        output.complain(f"{file}: the traceback of a bug in the kit; report it, then remove the file")
    return 0
