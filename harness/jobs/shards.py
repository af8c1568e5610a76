"""What is asked for: one command, in how many parts.

Every job runs the same command with another `--shard`, so all of them need the same seed. Shards may come
back in any order, and from any host.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UsageError
from harness.topology.backends import OF_JOBS

OF_EACH_HOST = 3
"""Shards for each host where nobody says how many: what is lost with a host is a third of its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One command for all jobs."""

    words: tuple[str, ...]
    """Of `failover-kit run`: what is run, without its seed, its shard and its folder."""
    seed: int
    shards: int
    runs: int
    """Of all shards together."""

    def command(self, shard: int, out: str) -> list[str]:
        """The words of one shard, counted from 1."""
        own = ["--seed", str(self.seed), "--shard", f"{shard}/{self.shards}", "--out", out]
        return ["run", *self.words, "--backend", OF_JOBS, *own]

    def name(self, shard: int) -> str:
        return f"shard {shard}/{self.shards}"


def how_many(asked: int | None, *, runs: int, machines: int, cpus: int) -> int:
    """In how many shards the runs are handed out. Each should keep all processors of a host busy, and none
    should be so long that much is lost with it.

    Raises:
        UsageError: more shards are asked for than there are runs.
    """
    if asked is None:
        return max(1, min(OF_EACH_HOST * machines, runs, max(machines, runs // cpus)))
    if asked > runs:
        raise UsageError(f"--shards {asked}: expected {runs} at most, as there are no more runs, found more")
    return asked


def folder_of(shard: int, shards: int) -> str:
    """The name of a shard's results."""
    return f"{shard}-of-{shards}"
