"""What a job of `harness.jobs` does: one shard, in the image of the kit. It is no verb.

    python -P failover_kit/start.py harness.cli.part

It ends with 0 as soon as there are results, whatever they say: what to do about a broken promise is not for a
cluster manager to decide. A job that is started again goes on with what it finds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness import output
from harness.cli.command import main as verbs
from harness.errors import ExitStatus, KitError
from harness.jobs import files, task
from harness.kit_files import kit_root
from harness.report.write import PLANNED, SUITE


def main() -> int:
    place = Path(task.PLACE)
    try:
        job = task.read(place)
        shard = job.shard_of(os.environ.get(task.INDEX, ""))
        files.unpack((place / task.FILES).read_bytes(), kit_root())
    except KitError as problem:
        output.complain(str(problem))
        return problem.exit_code
    os.chdir(kit_root())
    return carried_out(job.asked.command(shard, out := f"{task.RESULTS}/{shard}"), Path(out))


def carried_out(words: list[str], out: Path) -> int:
    """Run a shard, or go on with it; returns the exit status of the job."""
    if _done(out):
        return 0
    if begun := next(out.glob(f"*/{PLANNED}"), None):
        words = [*words, "--resume", str(begun.parent)]
    status = verbs(words)
    return 0 if _done(out) and status != ExitStatus.INTERRUPTED else status


def _done(out: Path) -> bool:
    return any(out.glob(f"*/{SUITE}"))


if __name__ == "__main__":
    sys.exit(main())
