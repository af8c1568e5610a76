"""The page of a record: a row for each scenario, a column for each engine; then what did not pass. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from harness.model.words import Shows, Verdict
from lab.catalogue.record import OneRun, Record

WORDS: Mapping[Verdict, Mapping[Shows, str]] = {
    Verdict.PASS: {Shows.PROMISE: "kept", Shows.WEAKNESS: "shown"},
    Verdict.FAIL: {Shows.PROMISE: "**broken**", Shows.WEAKNESS: "**not shown**"},
}
OTHERS: Mapping[Verdict, str] = {
    Verdict.INCONCLUSIVE: "undecided",
    Verdict.SKIPPED: "skipped",
    Verdict.ERROR: "error",
}
NOT_RUN = ""
WHY_AT_MOST = 160
"""Characters of a reason: it also holds what was measured."""
_FOLDERS = re.compile(r"(?<!\S)/(?:[\w.+-]+/)+")
"""Of the machine that it was run on."""


def page(record: Record, shown: Mapping[str, Shows]) -> list[str]:
    """`shown`: what each shipped scenario shows, in the order of the rows."""
    grounds = sorted({one.ground for one in record.runs})
    return [*_counts(record, grounds), "", *_table(record, shown, grounds), "", *_reasons(record)]


def _counts(record: Record, grounds: Sequence[tuple[str, str]]) -> list[str]:
    verdicts = list(Verdict)
    lines = [
        f"| engine | backend | last run | {' | '.join(one.lower() for one in verdicts)} |",
        f"| --- | --- | --- |{' --- |' * len(verdicts)}",
    ]
    for ground in grounds:
        runs = [one for one in record.runs if one.ground == ground]
        counted = Counter(one.verdict for one in runs)
        last = max(one.measured_on for one in runs)
        cells = (*ground, last, *(str(counted[one]) for one in verdicts))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _table(record: Record, shown: Mapping[str, Shows], grounds: Sequence[tuple[str, str]]) -> list[str]:
    of = {(one.scenario, one.ground): one.verdict for one in record.runs}
    lines = [
        f"| scenario | | {' | '.join(f'{engine} ({backend})' for engine, backend in grounds)} |",
        f"| --- | --- |{' --- |' * len(grounds)}",
    ]
    for name, shows in shown.items():
        words = (_word(of.get((name, ground)), shows) for ground in grounds)
        what = "W" if shows is Shows.WEAKNESS else "P"
        lines.append(f"| `{name}` | {what} | {' | '.join(words)} |")
    return lines


def _word(verdict: Verdict | None, shows: Shows) -> str:
    if verdict is None:
        return NOT_RUN
    return WORDS[verdict][shows] if verdict in WORDS else OTHERS[verdict]


def _reasons(record: Record) -> list[str]:
    """Each reason once, with the runs that give it."""
    said: dict[tuple[str, Verdict, str], list[OneRun]] = {}
    for one in record.runs:
        if one.verdict is not Verdict.PASS:
            said.setdefault((one.scenario, one.verdict, _short(one.why)), []).append(one)
    lines = ["| scenario | on | verdict | why |", "| --- | --- | --- | --- |"]
    for (name, verdict, why), runs in said.items():
        on = ", ".join(f"{one.engine} ({one.backend})" for one in runs)
        lines.append(f"| `{name}` | {on} | {verdict.lower()} | {why} |")
    return lines


def _short(why: str) -> str:
    text = " ".join(_FOLDERS.sub("", why).split()).replace("|", "/")
    return text if len(text) <= WHY_AT_MOST else f"{text[: WHY_AT_MOST - 2].rstrip()} …"
