"""What a job is given to read, and which shard is its own.

A job gets a number from whoever started it, counted from 0. Which shard that means depends on what is left to
do, so a list goes with it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import EnvironmentFailure
from harness.jobs.shards import Asked

INDEX = "JOB_COMPLETION_INDEX"
"""The variable with its number, as Kubernetes calls it."""
PLACE = "/failover-kit"
"""Where a job finds these two files, and where it leaves results."""
TASK, FILES = "job.json", "files.tar.gz"
RESULTS = "/results"

MODULE = "harness.cli.part"
"""What a job runs, in the image of the kit."""
COMMAND = ("python3", "-P", "failover_kit/start.py", MODULE)


class Job(msgspec.Struct, kw_only=True, frozen=True):
    """The same for all jobs of one command."""

    asked: Asked
    todo: tuple[int, ...]
    """Shards: that of the first job, of the second, …"""

    def shard_of(self, index: str) -> int:
        """A swarm gives its first task no number, but the name of its node."""
        number = int(index) if index.isdecimal() and len(index) < 7 else 0
        if number >= len(self.todo):
            raise EnvironmentFailure(f"{INDEX}: expected less than {len(self.todo)}, found {index}")
        return self.todo[number]


def written(job: Job) -> bytes:
    return msgspec.json.encode(job)


def read(place: Path) -> Job:
    """
    Raises:
        EnvironmentFailure: there is none.
    """
    try:
        return msgspec.json.decode((place / TASK).read_bytes(), type=Job)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as problem:
        raise EnvironmentFailure(f"{place / TASK}: cannot be read: {problem}") from problem
