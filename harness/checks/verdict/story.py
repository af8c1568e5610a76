"""What happened to one session, in words: a dozen lines for a finding, all of it for `why`.

Reads the history again instead of keeping text for every finding. Times count from the first
fault's proved effect. Trap: the lines around the break matter more than the first ones; what is left
out is counted, never silently dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.checks.columns.arrays import Flags, Integers, Words, integers
from harness.checks.facts.of_run import Facts, facts_of
from harness.checks.facts.ownership import Standing
from harness.checks.facts.step_effects import seen_at, state_of
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.screen.screening import screen
from harness.costly import np
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import AuditEntry, Event, ForensicEntry, Operation, Step
from harness.model.table import rows_of
from harness.model.times import FOREVER, NEVER
from harness.model.words import FRONT_DOOR, Outcome, StepKind

TOLD = (
    *("effect", "no-effect", "healed", "promoted", "demoted", "rebooted", "recovered"),
    *("flushed", "evicted", "web-server-killed"),
)
"""Events that belong into a session's story."""
EVENTS_SHOWN = 4
TURNING_POINTS = ("effect", "promoted", "flushed", "evicted", "web-server-killed", "demoted", "healed")
"""What is shown first where there is room for some events only: what was done, then what it led to."""
OPERATIONS_SHOWN = 6
"""Of a finding that is about no single session."""
WIDTH = 150


@dataclass(frozen=True, slots=True)
class _Line:
    t_us: float
    text: str
    operation: int | None = None
    event: str = ""
    audit: bool = False
    last_look: bool = False


def stories(history: History, findings: Sequence[Finding]) -> list[list[str]]:
    """Their stories, told from the part of the history that was looked at closely to find them; from the
    whole where nothing is wrong with the session itself, but with another object."""
    part, facts = screen(history).suspects, facts_of(history)
    suspects = {*part.sessions()}
    return [
        _story(part if one.session is None or one.session in suspects else history, facts, one)
        for one in findings
    ]


def story(history: History, finding: Finding, lines: int = 12) -> list[str]:
    """The story of the finding's session in at most `lines` lines; without a session, the events."""
    return _story(history, facts_of(history), finding, lines)


def _story(history: History, facts: Facts, finding: Finding, lines: int = 12) -> list[str]:
    timelines = _timelines_of(
        history, facts, _rows_about(history, finding.session, finding.operations[:OPERATIONS_SHOWN])
    )
    timeline = next((one for one in timelines.sessions.values() if one.session == finding.session), None)
    told = _lines_of_no_session(timelines, finding) if timeline is None else _lines(timelines, timeline)
    if not told:
        return [finding.sentence]
    return _written(timelines, told, _choose(told, finding, lines))


def session_story(history: History, session: str) -> list[str]:
    """Everything recorded about a session (a prefix of its id is enough, if only one has it)."""
    timelines = _timelines_of(history, facts_of(history), _rows_about(history, session))
    names = [one for one in timelines.sessions if one.startswith(session)]
    if not names:
        return [f"no session {session!r} in this history; it has {len(history.sessions())} sessions"]
    if len(names) > 1:
        return [f"{len(names)} sessions begin with {session!r}:", *sorted(names)[:20]]
    timeline = timelines.sessions[names.pop()]
    head = f"session {timeline.session} of {timeline.user}, shard {timeline.shard}"
    return [head, *(f"{_time(timelines, one.t_us)}  {one.text}" for one in _lines(timelines, timeline))]


def _rows_about(history: History, beginning: str | None, operations: Sequence[int] = ()) -> Integers:
    """Of the sessions whose ids begin so, and of all that a step of another did to them, or read of the list
    that should name them; and these operations. The rest of a long history stays a table."""
    table = history.table
    wanted: Flags = np.isin(integers(table.operations, "id"), np.array(operations, np.int64))
    if beginning is not None:

        def begins(name: str) -> bool:
            return name.startswith(beginning)

        wanted |= Words(table.operations, "session").which(begins)
        wanted[rows_of(table.steps)[Words(table.steps, "session").which(begins)]] = True
        users = Words(table.operations, "user")
        theirs = users.which(frozenset(users.at(wanted)).__contains__)
        reads_list = rows_of(table.steps)[Words(table.steps, "does").equal(StepKind.INDEX_READ)]
        wanted[reads_list[theirs[reads_list]]] = True
    return np.flatnonzero(wanted)


def _timelines_of(history: History, facts: Facts, rows: Integers) -> Timelines:
    return Timelines(replace(history, operations=history.table.take(rows)), facts)


def _lines(timelines: Timelines, timeline: Timeline) -> list[_Line]:
    """All that is known of a session, in the order of time."""
    told = _events(timelines, timeline.shard, timeline.key)
    told += [
        _operation(timelines, one, timeline)
        for one in timelines.history.operations
        if _concerns(one, timeline)
    ]
    told += [_audit(timeline, entry) for entry in timeline.audit]
    told += _last_looks(timelines, timeline)
    return sorted(told, key=lambda one: one.t_us)


def _lines_of_no_session(timelines: Timelines, finding: Finding) -> list[_Line]:
    """Of a finding that is about no single session: the events, and its first operations."""
    told = _events(timelines, finding.shard, None)
    named = (timelines.operations.get(one) for one in finding.operations[:OPERATIONS_SHOWN])
    told += [_operation(timelines, one, None) for one in named if one is not None]
    return sorted(told, key=lambda one: one.t_us)


def _events(timelines: Timelines, shard: int | None, key: str | None) -> list[_Line]:
    """What happened to this shard (None: to any) and to all keys or this."""
    return [
        _Line(event.t_us, _event(event), event=event.name)
        for event in timelines.history.events
        if event.name in TOLD and (shard is None or event.shard in {None, shard}) and event.key in {None, key}
    ]


def _concerns(operation: Operation, timeline: Timeline) -> bool:
    if operation.session == timeline.session:
        return True
    return operation.user == timeline.user and any(
        step.session == timeline.session or _should_name(step, operation, timeline)
        for step in operation.steps
    )


def _should_name(step: Step, operation: Operation, timeline: Timeline) -> bool:
    """A read of its user's list of sessions, since there is this one."""
    if step.does is not StepKind.INDEX_READ or operation.user != timeline.user:
        return False
    begun_us = operation.due_us if operation.sent_us is None else operation.sent_us
    return timeline.created is None or begun_us >= timeline.created.sent_us


def _choose(told: list[_Line], finding: Finding, lines: int) -> list[int]:
    """Which lines to show: the finding's own, the audit's, the events between, then what is next to its own.
    Where some are left out, the last line is for their number."""
    if len(told) <= lines:
        return list(range(len(told)))
    own = [n for n, one in enumerate(told) if one.operation in finding.operations]
    audit = [n for n, one in enumerate(told) if one.audit]
    from_us = min((told[n].t_us for n in own), default=NEVER)
    to_us = finding.seen_us if finding.seen_us is not None else FOREVER
    between = [n for n, one in enumerate(told) if one.event and from_us <= one.t_us <= to_us]
    events = sorted(between, key=lambda n: (_weight(told[n].event), n))[:EVENTS_SHOWN]
    first = [n for n, one in enumerate(told) if one.operation is not None][:1]
    rest = sorted(range(len(told)), key=lambda n: min((abs(n - one) for one in own), default=n))
    looks = [n for n, one in enumerate(told) if one.last_look]
    order = [*own[:4], *own[-2:], *first, *audit[:2], *looks[:1], *events, *rest]
    return sorted(list(dict.fromkeys(order))[: lines - 1])


def _weight(event: str) -> int:
    return TURNING_POINTS.index(event) if event in TURNING_POINTS else len(TURNING_POINTS)


def _written(timelines: Timelines, told: list[_Line], kept: list[int]) -> list[str]:
    shown = [_fitted(f"{_time(timelines, told[n].t_us)}  {told[n].text}") for n in kept]
    left_out = len(told) - len(kept)
    if left_out:
        shown.append(f"({left_out} more lines; `failover-kit why` shows all)")
    return shown


def _fitted(line: str) -> str:
    """At most `WIDTH` long, without half a word; what was left out is marked."""
    if len(line) <= WIDTH:
        return line
    return f"{line[: WIDTH - 1].rpartition(' ')[0].rstrip()} …"


def _time(timelines: Timelines, t_us: float) -> str:
    return f"{(t_us - timelines.facts.landmarks.zero_us) / 1e6:+z9.3f} s"


def _event(event: Event) -> str:
    what = {"effect": "fault took effect", "no-effect": "fault had no effect"}.get(event.name, event.name)
    said = event.said
    where = f" {event.node}" if event.node and event.node != event.source and event.node not in said else ""
    return f"-- {event.source}: {what}{where}{': ' + said if said else ''}"


def _operation(timelines: Timelines, operation: Operation, timeline: Timeline | None) -> _Line:
    steps = _steps_about(operation, timeline)
    deciding = next((one for one in steps if one.deciding), steps[0] if steps else None)
    begun_us = operation.due_us if operation.sent_us is None else operation.sent_us
    parts = [operation.web_server, f"{operation.behaviour} #{operation.id}"]
    if deciding is not None:
        parts += [] if timelines.of_guest else [_at(timelines, operation, deciding)]
        parts.append("; ".join(_outcome(one, timeline) for one in steps))
    else:
        parts.append(str(operation.outcome))
    if operation.told:
        parts.append(f"user sees {operation.told!r}")
    return _Line(begun_us, "  ".join(parts), operation=operation.id)


def _steps_about(operation: Operation, timeline: Timeline | None) -> list[Step]:
    """Those on this session, and the read of the list that should name it; all, where an operation that was
    asked for with this session has none of them."""
    everything = list(operation.steps)
    if timeline is None:
        return everything
    on = [(one.session or operation.session) == timeline.session for one in everything]
    if not any(on) and operation.session == timeline.session:
        return everything
    about = zip(everything, on, strict=True)
    return [one for one, is_on in about if is_on or _should_name(one, operation, timeline)] or everything


def _at(timelines: Timelines, operation: Operation, step: Step) -> str:
    connection = timelines.connection_for(operation, step)
    if connection is None:
        return "(no node)"
    sent_us, done_us = seen_at(operation, step)
    standing = timelines.ownership.standing(connection.node, sent_us, done_us)
    role = str(standing) if standing is not Standing.UNKNOWN else "?"
    return f"at {connection.node} ({role})"


def _outcome(step: Step, timeline: Timeline | None) -> str:
    words = [str(step.does), str(step.outcome)]
    if step.outcome is Outcome.ACKED:
        if step.effective is False:
            taken = step.does is StepKind.ACQUIRE
            words.append(f"without effect: {'the lock was taken' if taken else 'the key did not exist'}")
        if step.saw is not None and timeline is not None:
            state = state_of(step.saw, timeline.session, timeline.user)
            words.append(f"saw it {state.name.lower()}" if step.saw else "saw nothing")
        if step.does is StepKind.INDEX_READ and step.members is not None and timeline is not None:
            words.append("names it" if timeline.session in step.members else "does not name it")
    elif step.error:
        words.append(f"({step.error[:60]})")
    changed = {**step.wrote} if step.does is StepKind.WRITE else {**step.added}
    if changed:
        words.append(", ".join(f"{name}={value}" for name, value in changed.items())[:60])
    if len(step.attempts) > 1:
        words.append(f"in {len(step.attempts)} attempts")
    return " ".join(words)


def _audit(timeline: Timeline, entry: AuditEntry) -> _Line:
    if entry.saw is None:
        found = f"no answer ({entry.error or 'none'})"
    else:
        state = state_of(entry.saw, timeline.session, timeline.user)
        found = f"{state.name.lower()}" + (
            "" if not entry.saw or entry.pttl_ms is None else f", time to live {entry.pttl_ms} ms"
        )
    witnesses = "" if entry.witnesses is None else f", {len(entry.witnesses)} witnesses"
    role = "" if entry.node == FRONT_DOOR else f" ({entry.role})"
    return _Line(entry.sent_us, f"audit  {entry.node}{role}: {found}{witnesses}", audit=True)


def _last_looks(timelines: Timelines, timeline: Timeline) -> list[_Line]:
    """A line per node that was read before it lost its data: the last reading, and which writes it was
    the only one to have."""
    last = {entry.node: entry for entry in timelines.forensics(timeline.session)}
    return [_last_look(timelines, timeline, entry) for entry in last.values()]


def _last_look(timelines: Timelines, timeline: Timeline, entry: ForensicEntry) -> _Line:
    said = ["its type is not a session's"]
    if entry.saw is not None:
        said = [state_of(entry.saw, timeline.session, timeline.user).name.lower()]
    if entry.witnesses is not None:
        said.append(f"{len(entry.witnesses)} witnesses")
        kept = None if timeline.primary is None else timeline.primary.witnesses
        gone = () if kept is None else [f"#{one}" for one in entry.witnesses if one not in kept]
        if gone:
            said.append(f"lost since: {' '.join(gone)}")
    moment = timelines.last_looks.moment(entry)
    return _Line(entry.sent_us, f"last look  {entry.node} ({moment}): {', '.join(said)}", last_look=True)
