"""The cells as tables: in columns for the terminal, Markdown for docs/guests.md, and an HTML page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

import msgspec

from harness.report.words import unbroken
from lab.guests.cures import NOTICED_S, Cure, needed, proofs, without_cure
from lab.guests.measured import Cell
from lab.published import MadePart

MADE = MadePart("<!-- made by make guests: begin -->", "<!-- made by make guests: end -->")
HEAD = (
    "application",
    "put out",
    "page for nobody",
    "got in wrongly",
    "told ok, then lost",
    "hung",
    "errors for",
    "back after",
    "measured",
)
SAID = {
    "put_out": "put out",
    "pages_for_nobody": "page for nobody",
    "got_in": "got in wrongly",
    "lost": "told ok, then lost",
    "hung": "hung",
    "restarted": "web servers started anew",
    "errors": "errors for",
}
"""Number of a cell -> the column that has it."""

OVERVIEW, CURES, WITHOUT_CURE = "Applications and faults", "What was tried as a cure", "Nothing was tried"
LATE = "(late)"
MAY_BE_THE_MACHINE = "?"
IN_TIME = "in time"
NOTES = {
    OVERVIEW: (
        "An empty cell is not part of the table: a variant runs only where it is to cure something.\n"
        f"**{LATE}**: the machine itself was late while this was measured, by as much as the last column of\n"
        "the fault's own table says; times may be too long by as much.\n"
        f"**{MAY_BE_THE_MACHINE}** after a number: it was so late that some or all may be its doing.\n"
        f"**{IN_TIME}**: it was not late. Where there is only a date, that was not kept."
    ),
    CURES: (
        "One run without and one run with each. **gone**: the number is 0 in the run with it. **better**,\n"
        "**worse**: the two runs are further apart than chance makes them as a rule (counts by more than\n"
        f"twice the root of their sum, times by more than {NOTICED_S:g} s). **no better**: they are not.\n"
        "**cost**: what became worse in the run with it."
    ),
    WITHOUT_CURE: "Bad numbers without a row above. A row above is no promise of a cure: read its result.",
}
"""Title of a table -> what to know before it is read."""


class Guest(msgspec.Struct, kw_only=True, frozen=True):
    """A row of the tables."""

    file: str
    name: str
    about: str
    versions: str


class Fault(msgspec.Struct, kw_only=True, frozen=True):
    file: str
    name: str


class Table(msgspec.Struct, kw_only=True, frozen=True):
    """What `docs/guests.json` holds."""

    guests: tuple[Guest, ...]
    faults: tuple[Fault, ...]
    cells: tuple[Cell, ...]

    @property
    def by_place(self) -> dict[tuple[str, str], Cell]:
        return {(one.guest, one.fault): one for one in self.cells}


Rows = list[tuple[str, ...]]


def overview(table: Table, cures: Sequence[Cure]) -> Rows:
    """Guest x fault, the worst of each in a few words."""
    known = table.by_place
    head = ("application", *(one.file for one in table.faults))
    rows: Rows = [head]
    for guest in table.guests:
        places = [(guest.file, one.file) for one in table.faults]
        rows.append((guest.name, *(_brief_at(at, known, cures) for at in places)))
    return rows


def _brief_at(at: tuple[str, str], known: Mapping[tuple[str, str], Cell], cures: Sequence[Cure]) -> str:
    if at in known:
        return brief(known[at])
    return "not measured" if needed(cures, *at) else ""


def brief(cell: Cell) -> str:
    """The worst of a cell in a few words."""
    if cell.why_not:
        return "not known"
    said = [
        f"{_count(cell, 'restarted')} started anew" if cell.restarted else "",
        f"{_count(cell, 'got_in')} got in" if cell.got_in else "",
        f"{_count(cell, 'put_out')} of {cell.came_by} out" if cell.put_out else "",
        f"{_count(cell, 'pages_for_nobody')} as nobody" if cell.pages_for_nobody and not cell.put_out else "",
        f"{_count(cell, 'lost')} lost" if cell.lost else "",
        f"{_count(cell, 'hung')} hung" if cell.hung else "",
    ]
    worst = [one for one in said if one]
    shown = ", ".join(worst[:3]) or (f"errors {cell.errors_s:.1f} s" if cell.errors_s >= 0.1 else "nothing")
    return f"{shown} {LATE}" if cell.late_s else shown


def _count(cell: Cell, number: str) -> str:
    return f"{getattr(cell, number)}{MAY_BE_THE_MACHINE if number in cell.undecided else ''}"


def of_fault(table: Table, fault: Fault) -> Rows:
    """All numbers under one fault, a row for each application."""
    known = table.by_place
    rows: Rows = [HEAD]
    for guest in table.guests:
        cell = known.get((guest.file, fault.file))
        if cell is None:
            continue
        shown = _numbers(cell) if not cell.why_not else (cell.why_not, *[""] * 6)
        rows.append((guest.name, *shown, _measured(cell)))
    return rows


def _numbers(cell: Cell) -> tuple[str, ...]:
    cookies = "cookie" if cell.cookies_deleted == 1 else "cookies"
    deleted = f", {cell.cookies_deleted} {cookies} deleted" if cell.cookies_deleted else ""
    return (
        f"{_count(cell, 'put_out')} of {cell.came_by}{deleted}",
        _count(cell, "pages_for_nobody"),
        _count(cell, "got_in"),
        _count(cell, "lost"),
        _count(cell, "hung"),
        f"{cell.errors_s:.1f} s",
        _back(cell),
    )


def _back(cell: Cell) -> str:
    if cell.restarted:
        return f"only after a restart: {_count(cell, 'restarted')}"
    return "not in this run" if cell.back_s is None else f"{cell.back_s:.1f} s"


def _measured(cell: Cell) -> str:
    """`2026-11-30, in time`: when, and how the machine was doing."""
    machine = f"late by {cell.late_s:.1f} s" if cell.late_s else IN_TIME
    return cell.measured_on if cell.late_s is None else f"{cell.measured_on}, {machine}"


def cured(table: Table, cures: Sequence[Cure]) -> Rows:
    """Each bad number that something is to cure, with the number of that run, and what became worse in it."""
    names = {one.file: one.name for one in table.guests}
    faults = {one.file: one.name for one in table.faults}
    rows: Rows = [("application", "fault", "what", "before", "with", "after", "result", "cost")]
    for one in proofs(cures, table.by_place):
        rows.append(
            (
                names[one.bad.guest],
                faults[one.bad.fault],
                SAID[one.number],
                one.before,
                one.cure.setting,
                one.after,
                one.helped,
                "; ".join(f"{SAID[number]}: {one.both(number)}" for number in one.cost),
            )
        )
    return rows


def uncured(table: Table, cures: Sequence[Cure]) -> Rows:
    """Bad numbers of applications as documented that no cure is named for, by application and fault."""
    names = {one.file: one.name for one in table.guests}
    faults = {one.file: one.name for one in table.faults}
    found: dict[tuple[str, str], list[str]] = {}
    for cell, number in without_cure(cures, table.by_place):
        said = found.setdefault((cell.guest, cell.fault), [])
        said.append(f"{_count(cell, number)} {SAID[number]}")
    rows: Rows = [("application", "fault", "what")]
    rows += [(names[guest], faults[fault], ", ".join(said)) for (guest, fault), said in found.items()]
    return rows


def as_text(rows: Rows) -> str:
    """In aligned columns."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{word:<{w}}" for word, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_markdown(rows: Rows) -> str:
    head, *body = rows
    lines = [head, tuple("---" for _ in head), *body]
    return "\n".join(f"| {' | '.join(word.replace('|', '/') for word in line)} |" for line in lines)


def as_html(rows: Rows) -> str:
    head, *body = rows
    return "\n".join(
        [
            "<div class='wide'><table><thead><tr>",
            *(f"<th>{escape(word)}</th>" for word in head),
            "</tr></thead><tbody>",
            *(
                "<tr>" + "".join(f"<td>{escape(unbroken(word))}</td>" for word in row) + "</tr>"
                for row in body
            ),
            "</tbody></table></div>",
        ]
    )


def sections(table: Table, cures: Sequence[Cure]) -> Iterator[tuple[str, Rows]]:
    """Every table with its title, in the order in which they are read."""
    yield OVERVIEW, overview(table, cures)
    for fault in table.faults:
        rows = of_fault(table, fault)
        if len(rows) > 1:
            yield fault.name, rows
    yield CURES, cured(table, cures)
    yield WITHOUT_CURE, uncured(table, cures)
    yield (
        "Versions",
        [
            ("application", "what it is", "made of"),
            *((one.name, one.about, one.versions) for one in table.guests),
        ],
    )


def said_once(table: Table) -> str:
    known = [one for one in table.cells if not one.why_not]
    engines, kits = _each(one.engine for one in known), _each(one.kit for one in known)
    days = sorted({one.measured_on for one in known})
    when = " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "no day"
    return f"One run of each, {len(table.cells)} in all: {when}, with version {kits} of the kit on {engines}."


def _each(words: Iterable[str]) -> str:
    return ", ".join(sorted({one for one in words if one})) or "nothing"


def markdown(table: Table, cures: Sequence[Cure]) -> str:
    """The part of docs/guests.md between the marks."""
    parts = [said_once(table), ""]
    for title, rows in sections(table, cures):
        parts += [f"### {title}", "", *([NOTES[title], ""] if title in NOTES else [])]
        parts += [as_markdown(rows) if len(rows) > 1 else "None.", ""]
    return "\n".join(parts).strip()


def html(table: Table, cures: Sequence[Cure]) -> str:
    """A page of its own: no script, no network, no font."""
    parts = [
        f"<h2>{escape(title)}</h2>\n{_note(title)}{as_html(rows)}" for title, rows in sections(table, cures)
    ]
    return _PAGE.format(said=escape(said_once(table)), parts="\n".join(parts))


def _note(title: str) -> str:
    return f"<p>{escape(NOTES[title].replace('**', ''))}</p>\n" if title in NOTES else ""


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What users of applications see</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; --page: #fff; --head: #f3f5f8; }}
body {{ margin: 2rem auto; max-width: 96rem; padding: 0 1rem; background: var(--page); }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #d6dae0; padding: .3rem .5rem; text-align: left; vertical-align: top; }}
th {{ background: var(--head); }}
th:first-child, td:first-child {{ position: sticky; left: 0; max-width: 7.5rem; }}
td:first-child {{ background: var(--page); }}
@media (prefers-color-scheme: dark) {{ body {{ color: #dde2e8; --page: #15181c; --head: #20252b; }}
  th, td {{ border-color: #363c44; }} }}
</style></head><body>
<h1>What users of applications see</h1>
<p>{said}</p>
{parts}
</body></html>
"""
