"""What is done to sessions: each operation, carried out on what one node holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.checks.facts.step_effects import IDENTITY
from harness.model.records import Step
from harness.model.words import StepKind
from harness.redis_wire.ends import ENDS, ends_us
from harness.redis_wire.keys import index_key, session_key
from lab.past.doing import Doing, Steps
from lab.past.frame import Frame
from lab.past.store import Data, Hash


def pttl_ms(found: Hash | None, now_us: float) -> int:
    if found is None:
        return -2
    return -1 if found.ends_us == float("inf") else int((found.ends_us - now_us) / 1000)


def _step(does: StepKind, doing: Doing, command: str, *, deciding: bool = True) -> Step:
    return Step(
        n=1, does=does, command=command, key=session_key(doing.sid), session=doing.sid, deciding=deciding
    )


def _lives_us(idle_s: float, fields: Mapping[str, str], now_us: float) -> float:
    over_us = ends_us(fields)
    return idle_s * 1e6 if over_us is None else min(idle_s * 1e6, over_us - now_us)


def log_in(frame: Frame) -> Steps:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        version = str(doing.id)
        wrote = {name: f"{version}:{name}" for name in ("created", "ip", "agent", "theme")}
        if frame.age_s:
            wrote[ENDS] = f"{version}:{round(now_us + frame.age_s * 1e6)}"
        fields = {"sid": doing.sid, "user_id": doing.user, "generation": version, **wrote}
        lives_us = _lives_us(frame.idle_s, fields, now_us)
        data.sessions[doing.sid] = Hash(fields, now_us + lives_us)
        if frame.witnesses:
            data.witnesses.setdefault(doing.sid, []).append(version)
        data.indexes.setdefault(doing.user, set()).add(doing.sid)
        create = _step(StepKind.CREATE, doing, "MULTI HSET EXPIRE RPUSH EXPIRE EXEC")
        create.wrote, create.effective, create.ttl_ms = wrote, True, round(lives_us / 1000)
        create.witness = version if frame.witnesses else None
        listed = _step(StepKind.INDEX_ADD, doing, "SADD EXPIRE", deciding=False)
        listed.member, listed.effective, listed.key = doing.sid, True, index_key(doing.user)
        return [create, listed]

    return steps


def look(data: Data, now_us: float, doing: Doing) -> Step:
    found = data.session(doing.sid, now_us)
    step = _step(StepKind.READ, doing, "HGETALL PTTL")
    step.saw = dict(found.fields) if found is not None else {}
    step.pttl_ms = pttl_ms(found, now_us)
    return step


def read(data: Data, now_us: float, doing: Doing) -> list[Step]:
    return [look(data, now_us, doing)]


def touch(idle_s: float, *, whole: bool) -> Steps:
    """`whole`: it gives the idle timeout also where less is left of the session's age."""

    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        looked = look(data, now_us, doing)
        looked.deciding = False
        touched = _step(StepKind.TOUCH, doing, "EXPIRE")
        found = data.session(doing.sid, now_us)
        lives_us = _lives_us(idle_s, {} if found is None or whole else found.fields, now_us)
        touched.ttl_ms = round(lives_us / 1000)
        touched.effective = found is not None
        if found is not None:
            found.ends_us = now_us + lives_us
        return [looked, touched]

    return steps


def _guarded(frame: Frame, data: Data, now_us: float, doing: Doing, step: Step) -> Hash | None:
    """The session to write to; a piece of one where writes are not guarded."""
    found = data.session(doing.sid, now_us)
    step.witness = str(doing.id) if frame.witnesses else None
    step.effective = found is not None
    if found is None:
        if frame.guarded:
            return None
        found = data.sessions[doing.sid] = Hash({}, float("inf"))
    if frame.witnesses:
        data.witnesses.setdefault(doing.sid, []).append(str(doing.id))
    return found


def change(frame: Frame, fields: tuple[str, ...]) -> Steps:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        step = _step(StepKind.WRITE, doing, "EVAL (EXISTS HSET RPUSH)")
        step.wrote = {name: f"{doing.id}:{name}" for name in fields}
        found = _guarded(frame, data, now_us, doing, step)
        if found is not None:
            if not frame.guarded:  # HSET then tells how many fields are new
                step.effective = not found.fields.keys().isdisjoint(step.wrote)
            found.fields.update(step.wrote)
        return [step]

    return steps


def add(frame: Frame, item: str, amount: int) -> Steps:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        step = _step(StepKind.INCREMENT, doing, "EVAL (EXISTS HINCRBY RPUSH)")
        step.added = {item: amount}
        found = _guarded(frame, data, now_us, doing, step)
        if found is not None:
            found.fields[item] = str(int(found.fields.get(item, "0")) + amount)
            step.added_now = {item: int(found.fields[item])}
        return [step]

    return steps


def remove(frame: Frame, item: str) -> Steps:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        step = _step(StepKind.REMOVE_FIELD, doing, "EVAL (EXISTS HDEL RPUSH)")
        step.removed = (item,)
        found = _guarded(frame, data, now_us, doing, step)
        if found is not None:
            removed = found.fields.pop(item, None)
            if not frame.guarded:  # HDEL 0 tells nothing
                step.effective = None if removed is None else True
            if not found.fields:
                del data.sessions[doing.sid]
        return [step]

    return steps


def logout(data: Data, now_us: float, doing: Doing) -> list[Step]:
    step = _step(StepKind.DESTROY, doing, "DEL")
    step.effective = data.session(doing.sid, now_us) is not None
    if not step.effective and len(doing.attempts) > 1:
        step.effective = None  # an earlier, unanswered attempt may have been the one
    data.sessions.pop(doing.sid, None)
    removed = _step(StepKind.INDEX_REMOVE, doing, "SREM", deciding=False)
    removed.member, removed.key = doing.sid, index_key(doing.user)
    index = data.indexes.get(doing.user, set())
    removed.effective = doing.sid in index or (None if len(doing.attempts) > 1 else False)
    index.discard(doing.sid)
    return [step, removed]


def rotate(frame: Frame, old: str) -> Steps:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        seen = _step(StepKind.READ, doing, "HGETALL PTTL", deciding=False)
        seen.session, seen.key = old, session_key(old)
        held = data.session(old, now_us)
        seen.saw, seen.pttl_ms = {} if held is None else dict(held.fields), pttl_ms(held, now_us)
        create, listed = log_in(frame)(data, now_us, doing)
        kept = {name: value for name, value in seen.saw.items() if name not in IDENTITY}
        create.wrote = kept
        made, lives_us = data.sessions[doing.sid], _lives_us(frame.idle_s, kept, now_us)
        made.fields = {name: made.fields[name] for name in IDENTITY} | kept
        made.ends_us, create.ttl_ms = now_us + lives_us, round(lives_us / 1000)
        destroy, removed = logout(data, now_us, replace(doing, sid=old))
        return [seen, create, destroy, listed, removed]

    return steps


def logout_everywhere(late: str | None) -> Steps:
    """`late`: the session that was entered after the list was read, which is then deleted whole."""

    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        index = data.indexes.get(doing.user, set())
        listing = _step(StepKind.INDEX_READ, doing, "SMEMBERS", deciding=False)
        listing.members = tuple(sorted(index - {late}))
        carried = [listing]
        for sid in listing.members:
            step = _step(StepKind.DESTROY, doing, "DEL")
            step.session, step.key = sid, session_key(sid)
            step.effective = data.session(sid, now_us) is not None
            data.sessions.pop(sid, None)
            carried.append(step)
        does, command = (StepKind.INDEX_DESTROY, "DEL") if late else (StepKind.INDEX_REMOVE, "SREM")
        cleared = _step(does, doing, command, deciding=False)
        cleared.members, cleared.effective = listing.members, bool(index)
        index.clear()
        return [*carried, cleared]

    return steps
