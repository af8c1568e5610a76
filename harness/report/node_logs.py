"""What the nodes logged around each fault, merged by time.

Which lines a page shows is decided here; `harness.saved.node_logs` reads them. Trap: a log's clock has
milliseconds. Two nodes that log within the same one may have done it in either order. The lines of one node
keep the order of its log: lines are sorted by time alone, never by their text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from operator import attrgetter

from harness.model.history import History

BEFORE_US, AFTER_US = 500_000, 10_000_000
"""Around the effect of a fault, or until the next one."""
LINES_MAX = 80
"""Of one fault."""
LETTERS_MAX = 240
"""Of one line; what is cut ends with an ellipsis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    t_us: int
    """On the run's clock."""
    node: str
    text: str
    """Without date and process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    fault: str
    at_s: float
    """Its effect, counted as in the lines."""
    lines: tuple[str, ...]
    more: int
    """That are not shown."""


def around_faults(lines: Sequence[LogLine], past: History) -> tuple[Around, ...]:
    """One for each effect around which somebody logged something; `lines`: of each node in its order."""
    effects = sorted(past.effects, key=lambda one: one.t_us)
    found = []
    for effect, following in zip_longest(effects, effects[1:]):
        begin_us, end_us = effect.t_us - BEFORE_US, effect.t_us + AFTER_US
        if following is not None:
            end_us = min(end_us, following.t_us - BEFORE_US)
        mine = [one for one in lines if begin_us <= one.t_us < end_us]
        if mine:
            shown = tuple(_text(one, past.zero_us) for one in by_time(mine)[:LINES_MAX])
            what = f"{effect.source}: {effect.said}"
            at_s = (effect.t_us - past.zero_us) / 1e6
            found.append(Around(fault=what, at_s=at_s, lines=shown, more=len(mine) - len(shown)))
    return tuple(found)


def counted_from(past: History) -> str:
    """What the seconds of all lines count from, in words."""
    first = past.first_effect
    return "the beginning of the baseline" if first is None else f"the effect of {first.source}"


def by_time(lines: Iterable[LogLine]) -> list[LogLine]:
    """Stable: within the same millisecond the order stays."""
    return sorted(lines, key=attrgetter("t_us"))


def _text(line: LogLine, zero_us: int) -> str:
    text = line.text if len(line.text) <= LETTERS_MAX else f"{line.text[: LETTERS_MAX - 1]}…"
    return f"{(line.t_us - zero_us) / 1e6:+10.3f} s  {line.node:<10}  {text}"
