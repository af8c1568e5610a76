"""The process that owns test engines: `python -m lab.machines.guardian COUNT`.

It starts them, says where they are in one line of JSON, and takes them down when its standard input ends:
also when its caller was killed. One that is killed itself leaves a folder with its name in it, which the next
one takes down first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from harness.errors import EnvironmentFailure
from harness.topology.base import processes
from lab.machines import engines

PLACE = Path("/var/tmp")  # noqa: S108 - folders there are made with names that nobody can guess
PREFIX = "failover-kit-engines-"
_OWNER = "owner.json"

ENDS_WITHIN_S = 600.0
"""Images of a gigabyte for each engine are removed, on a machine that may be busy."""


@contextmanager
def guarded(count: int) -> Iterator[Mapping[str, str]]:
    """Name -> address of each engine, for as long as this is open or this process lives.

    Raises:
        EnvironmentFailure: they do not start.
    """
    with subprocess.Popen(
        [sys.executable, "-m", __spec__.name, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as guardian:
        assert guardian.stdin is not None
        assert guardian.stdout is not None
        try:
            said = guardian.stdout.readline()
            if not said:
                raise EnvironmentFailure("test engines: expected them to start, found that they did not")
            yield json.loads(said)
        finally:
            guardian.stdin.close()
            guardian.wait(ENDS_WITHIN_S)


def main() -> int:
    count = int(sys.argv[1])
    for abandoned in orphans():
        engines.sweep(abandoned)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
    (folder / _OWNER).write_bytes(msgspec.json.encode(processes.this_process()))
    with engines.engines(folder, count) as found:
        print(json.dumps(found), flush=True)
        sys.stdin.read()
    return 0


def orphans() -> list[Path]:
    """The folders of guardians that were killed."""
    found = []
    for file in PLACE.glob(f"{PREFIX}*/{_OWNER}"):
        owner = msgspec.json.decode(file.read_bytes(), type=processes.ProcessIdentity)
        if not processes.may_live(owner):
            found.append(file.parent)
    return found


if __name__ == "__main__":
    sys.exit(main())
