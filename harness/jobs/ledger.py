"""What became of each shard, beside the results: `submitted.json`.

Results that have been gathered lie in `shards/`, one folder each, until all of them are merged. So a command
that goes on with them knows what is left, also after it was killed.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.jobs.shards import Asked, folder_of
from harness.report.write import SUITE
from harness.safe_files import is_file, make_folder, read_file, write_file

SUBMITTED = "submitted.json"
SHARDS = "shards"


class Shard(msgspec.Struct, kw_only=True):
    number: int
    host: str = ""
    """Which has run it; empty: none has yet."""
    handed_out: int = 0
    """How often some host has begun with it."""
    lost: list[str] = []
    """Why earlier tries left no results."""


class Ledger(msgspec.Struct, kw_only=True):
    asked: Asked
    kit: str
    """The mark of the kit's files."""
    files: str
    """A digest of the user's own."""
    shards: list[Shard]

    @classmethod
    def of(cls, asked: Asked, *, kit: str, files: str) -> Ledger:
        shards = [Shard(number=number) for number in range(1, asked.shards + 1)]
        return cls(asked=asked, kit=kit, files=files, shards=shards)

    def shard(self, number: int) -> Shard:
        return self.shards[number - 1]

    @property
    def repeated(self) -> list[Shard]:
        """Those that were handed out again."""
        return [one for one in self.shards if one.handed_out > 1]

    def said_of(self, shard: Shard) -> str:
        """What became of it, in one line."""
        times = f"handed out {shard.handed_out} times: {'; '.join(shard.lost) or 'the command was ended'}"
        return f"{self.asked.name(shard.number)} {times}"

    def write(self, folder: Path) -> None:
        make_folder(folder / SHARDS, exist_ok=True)
        write_file(folder / SUBMITTED, msgspec.json.format(msgspec.json.encode(self)))

    def place(self, folder: Path, number: int) -> Path:
        """Of a shard's results."""
        return folder / SHARDS / folder_of(number, self.asked.shards)

    def gathered(self, folder: Path) -> list[int]:
        return [
            one.number for one in self.shards if is_file(self.place(folder, one.number) / SUITE)
        ]  # fmt: skip

    def left(self, folder: Path) -> list[int]:
        done = set(self.gathered(folder))
        return [one.number for one in self.shards if one.number not in done]


def read(folder: Path) -> Ledger:
    """What an earlier command left, to go on with.

    Raises:
        UsageError: nothing was submitted there.
    """
    try:
        return msgspec.json.decode(read_file(folder / SUBMITTED), type=Ledger)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else problem
        raise UsageError(
            f"--resume {folder}: expected results that --submit began, found: {SUBMITTED}: {why or problem}"
        ) from problem


def same(before: Ledger, wanted: Ledger, folder: Path) -> Ledger:
    """The earlier one, if it is about the same.

    Raises:
        UsageError: it is not.
    """
    for what, old, new in (
        ("runs", before.asked, wanted.asked),
        ("files", before.files, wanted.files),
        ("kit", before.kit, wanted.kit),
    ):
        if old != new:
            raise UsageError(
                f"--resume {folder}: expected the same {what} as were begun there, found others: repeat the "
                "command that began them, or begin anew"
            )
    return before
