"""docs/survival/README.md: which sessions survive what, with every n. Pure: made of the records alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.many.statistics import median, rate
from harness.many.summary import CellSummary
from harness.model.cells import CONFIDENCE, Spread
from harness.model.judgement import Interval
from harness.report.cells import share_text, spread_text
from lab.survival.record import Record

WANTED = 5
"""Runs of each cell."""
FAULTS = {
    "kill": "the primary is killed, and started again after 6 s",
    "pause": "the primary is paused for 6 s",
    "isolate": "the primary and one of three web servers are cut off for 6 s",
    "planned-failover": "an operator orders a failover",
    "reborn-empty": "the primary starts again at once, with an empty disk",
    "cache-filled": "the cache is filled to twice its memory",
}
"""Name of the scenario's file -> what happens in it; in the order of the page."""
TOPOLOGIES = {
    "single": "one node, append-only file synced every second",
    "sentinel": "Sentinel: a primary, two replicas, three sentinels; nothing on disk",
    "cluster": "Cluster: three shards of a primary and a replica; nothing on disk",
    "split": "the same Sentinel, and a cache on a node of its own",
    "shared": "one node for sessions and cache, append-only file, `allkeys-lru`",
}
CANNOT = frozenset(
    {
        ("planned-failover", "single"),
        ("planned-failover", "shared"),
        ("cache-filled", "single"),
        ("cache-filled", "sentinel"),
        ("cache-filled", "cluster"),
    }
)
"""Faults that a topology cannot have: nobody could take over, or there is no cache."""
FIGURES = (
    ("put out", "logged out"),
    ("got in wrongly", "got in wrongly"),
    ("nobody could log in for", "nobody could log in"),
    ("no surviving write for", "no surviving write"),
    ("confirmed writes lost", "acked writes lost"),
    ("refused", "refused"),
)
"""Title of the column, name of the figure."""

_HEAD = """# Which sessions survive which fault

{state}

`make survival` makes this page from runs; nobody edits it. Every topology is to have every fault that it can
have, on every engine, under the same traffic: 120 requests a second of 200 users, three web servers. The
time-outs are those of the profile `fast` (down-after 1.2 s, node-timeout 2 s), so that longer ones mean
longer outages than here. The client is redis-py's, with a time-out of 0.5 s and three retries.

The topologies:

{topologies}

A run **survives** if the kit finds nothing broken: nobody is put out, nobody gets in wrongly, no confirmed
write is lost. An outage alone breaks nothing; its length is in the tables. Each figure is the median of the
runs, with the smallest and the largest in parentheses. A share is that of all such runs, at {confidence}, all
engines together; with fewer than {wanted} decided runs it is "too few".

{measured}

## Survived, of all decided runs

{grid}
"""

_REPEAT = """## Repeat it

```sh
make survival                # an hour; goes on where it was
failover-kit run matrices/survival/processes.yaml --seed 1 --shard 1/4   # the first of four machines
failover-kit compare runs/latest --baseline docs/survival/processes.json
```

[processes.html](processes.html) and [containers.html](containers.html) are the decision pages of these runs.
The JSON files beside them have the figures of every single run. For a topology of your own, put its
deployment file into the matrix.
"""


def page(records: Sequence[Record]) -> str:
    cells = [cell for record in records for cell in record.fitting]
    head = _HEAD.format(
        topologies="\n".join(f"- **{name}**: {what}" for name, what in TOPOLOGIES.items()),
        confidence=f"{CONFIDENCE:.0%}",
        measured="\n".join(map(_measured, records)),
        wanted=WANTED,
        state="\n".join([_lacking(records), *_late(records)]),
        grid="\n".join(_grid(cells)),
    )
    sections = (line for fault, what in FAULTS.items() for line in _section(fault, what, cells))
    return "\n".join([head.rstrip(), "", *sections, _REPEAT]).rstrip() + "\n"


def _measured(record: Record) -> str:
    late = f"in {record.slow} of {record.judged} runs the machine was late by too much for the time-outs"
    return (
        f"- {record.engine}, backend {record.backend}: {record.measured_on}, {record.cores} cores, "
        f"{record.memory_gib} GiB, {record.jobs} runs side by side, version {record.kit} of the kit, "
        f"timing {record.timing}; {late}"
    )


def _lacking(records: Sequence[Record]) -> str:
    engines = {cell.engine_asked for record in records for cell in record.cells}
    wanted = (len(FAULTS) * len(TOPOLOGIES) - len(CANNOT)) * len(engines)
    complete = sum(cell.kept.runs >= WANTED for record in records for cell in record.cells)
    if complete == wanted:
        return f"Every cell has at least {WANTED} decided runs."
    return (
        f"**{wanted - complete} of {wanted} cells have fewer than {WANTED} decided runs so far: "
        "too few to compare topologies or engines.**\n"
        "`make survival` goes on with them, and so do other machines, by `--shard`."
    )


def _late(records: Sequence[Record]) -> Iterator[str]:
    """How many runs had a late machine, and what that means for the figures."""
    slow, judged = sum(one.slow for one in records), sum(one.judged for one in records)
    if slow:
        jobs, cores = max(one.jobs for one in records), min(one.cores for one in records)
        yield (
            f"In {slow} of {judged} runs the machine was late by too much for the time-outs "
            f"({jobs} runs side by side on {cores} cores).\n"
            "What became of sessions and writes counts there. Times and shares of refused requests do not: "
            "`n` says\nhow many runs are left."
        )


def _grid(cells: Sequence[CellSummary]) -> Iterator[str]:
    yield f"| fault | {' | '.join(TOPOLOGIES)} |"
    yield "| --- " * (len(TOPOLOGIES) + 1) + "|"
    for fault in FAULTS:
        row = " | ".join(_of_all((fault, name), cells) for name in TOPOLOGIES)
        yield f"| [{fault}](#{fault}) | {row} |"


def _of_all(place: tuple[str, str], cells: Sequence[CellSummary]) -> str:
    """Of every engine together."""
    mine = [one.kept for one in cells if _place(one) == place]
    kept = rate(sum(one.seen for one in mine), sum(one.runs for one in mine))
    if kept.runs:
        share = share_text(kept) if kept.runs >= WANTED else "too few"
        return f"{kept.seen} of {kept.runs}: {share}"
    return "cannot have it" if place in CANNOT else "not run yet"


def _place(cell: CellSummary) -> tuple[str, str]:
    return Path(cell.file).stem, Path(cell.deployment_file).stem


def _section(fault: str, what: str, cells: Sequence[CellSummary]) -> Iterator[str]:
    yield f"## {fault}"
    yield ""
    yield f"{what[:1].upper()}{what[1:]}."
    yield ""
    yield f"| topology | engine | survived | {' | '.join(title for title, _ in FIGURES)} |"
    yield "| --- " * (len(FIGURES) + 3) + "|"
    for topology in TOPOLOGIES:
        for cell in cells:
            if _place(cell) == (fault, topology):
                texts = (topology, cell.engine_asked, _survived(cell), *_figures(cell))
                yield f"| {' | '.join(texts)} |"
    yield ""


def _survived(cell: CellSummary) -> str:
    return f"{cell.kept.seen} of {cell.kept.runs}" if cell.kept.runs else "not decided"


def _figures(cell: CellSummary) -> Iterator[str]:
    for _, name in FIGURES:
        found = cell.figures.get(name)
        values = found.intervals if found else []
        text = spread_text(_spread(name, found.unit, values) if found and values else None)
        fewer = 0 < len(values) < cell.kept.runs
        yield f"{text}, n = {len(values)}" if fewer else text


def _spread(name: str, unit: str, values: Sequence[Interval]) -> Spread:
    return Spread(
        name=name,
        unit=unit,
        values=tuple(values),
        median=median(values),
        range=Interval(low=min(one.low for one in values), high=max(one.high for one in values)),
        median_within=None,
    )
