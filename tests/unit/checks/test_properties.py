"""Random histories of a correct store yield nothing; the same with one promise broken yield it.

The model store executes every attempt at a moment of its own, between sent and answered or, for
unknown outcomes, any time later or never. Whatever the checks say about such a history is a false
alarm. Then one acked effect is taken away, and must be missed.
"""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.checks.run import run_checks
from harness.model.words import Outcome, StepKind
from lab.past import Doing, Past
from tests.share import examples

END_S = 12.0
USERS = ("ann", "bob", "eve")
ITEMS = ("cart:1", "cart:2")

seeds = st.integers(min_value=0, max_value=2**32)
thorough = examples(80, 8)
some = examples(25, 4)


def tell(
    seed: int,
    *,
    idle_s: float = 300.0,
    witnesses: bool = True,
    guarded: bool = True,
    operations: int = 60,
    rotates: bool = False,
) -> Past:
    """A random but correct run: overlapping operations, retries, unknown outcomes, a clean failover; also changes
    of id, each sent once."""
    dice = random.Random(seed)
    past = Past(idle_s=idle_s, end_s=END_S, witnesses=witnesses, guarded=guarded)
    sessions: list[tuple[float, str]] = []
    now = 0.5
    if dice.random() < 0.5:
        past.fail_over("redis-2", dice.uniform(2.0, 8.0))
    for _ in range(operations):
        now += dice.choice((0.0, 0.0003, 0.01, 0.1, 0.3))
        if now > END_S - 4:
            break
        known = [sid for known_from, sid in sessions if known_from < now]
        if not known or dice.random() < 0.15:
            how = _how(dice, now, late=False)
            attempts = how.get("attempts")
            sid = past.log_in(dice.choice(USERS), now, **how)
            if isinstance(attempts, list):  # acked: only then does anybody know the id
                sessions.append((attempts[-1][2], sid))
            continue
        if rotates and dice.random() < 0.15:
            done_s = now + 0.1 * dice.random()
            sessions.append((done_s, past.rotate(dice.choice(known[-4:]), now, took=done_s - now)))
            continue
        _something(past, dice, dice.choice(known[-4:]), now)
    return past


def _something(past: Past, dice: random.Random, sid: str, now: float) -> None:
    what = dice.choice(
        ("read", "read", "read", "touch", "theme", "move", "ip", "add", "add", "remove", "out", "all")
    )
    how = _how(dice, now, late=True)
    if what == "read":
        past.read(sid, now, **how)
    elif what == "touch":
        past.touch(sid, now, whole=False, **how)
    elif what == "theme":
        past.change(sid, now, **how)
    elif what == "move":
        past.change(sid, now, "ip", "agent", **how)
    elif what == "ip":
        past.change(sid, now, "ip", **how)
    elif what == "add":
        # Never sent twice: an increment is not safe to repeat.
        past.add(
            sid, now, dice.choice((1, 2, -1)), dice.choice(ITEMS), **_how(dice, now, late=True, retry=False)
        )
    elif what == "remove":
        past.remove(sid, now, dice.choice(ITEMS), **how)
    elif what == "out" and dice.random() < 0.5:
        past.logout(sid, now, **how)
    elif what == "all" and dice.random() < 0.3:
        past.logout_everywhere(sid, now, attempts=_attempts(dice, now))


def _attempts(dice: random.Random, now: float) -> list[tuple[float, float | None, float | None]]:
    executed = now + dice.choice((0.0002, 0.02, 0.2)) * (0.1 + dice.random())
    return [(now, executed, executed + dice.choice((0.0001, 0.05)) * (0.1 + dice.random()))]


def _how(dice: random.Random, now: float, *, late: bool, retry: bool = True) -> dict[str, object]:
    draw = dice.random()
    if draw < 0.08:
        return {"outcome": "rejected", "executed": False}
    if draw < 0.2:
        executed: object = False
        if dice.random() < 0.7:
            executed = now + dice.choice((0.01, 0.3, 3.0 if late else 0.4)) * (0.1 + 0.9 * dice.random())
        return {"outcome": "unknown", "executed": executed}
    if draw < 0.3 and retry:
        answer = _attempts(dice, now + 0.2)[0]
        first = now + 0.19 * dice.random() if dice.random() < 0.5 else None
        return {"attempts": [(now, first, None), answer]}
    return {"attempts": _attempts(dice, now)}


@thorough
@given(seeds)
def test_correct_run_has_no_finding(seed: int) -> None:
    """Overlaps, retries, unknown outcomes, logouts and a clean failover raise no false alarm."""
    findings, counts, sessions, crashed = run_checks(tell(seed).history())
    assert [f"{one.name}: {one.sentence}" for one in findings] == []
    assert crashed == ()
    assert all(count.high == 0 for count in counts.values()), counts
    assert sessions.broken == 0


@thorough
@given(seeds)
def test_correct_run_with_short_timeouts_has_no_finding(seed: int) -> None:
    """Sessions that time out on their own, in the middle of everything, raise no false alarm."""
    findings, _, _, crashed = run_checks(tell(seed, idle_s=0.8, witnesses=False).history())
    excused = {"logged-out-by-outage"}  # true where touches were refused meanwhile
    assert [f"{one.name}: {one.sentence}" for one in findings if one.name not in excused] == []
    assert crashed == ()


@thorough
@given(seeds)
def test_unguarded_writes_make_pieces_and_nothing_else(seed: int) -> None:
    """Writes that create what they do not find bring back pieces; nothing else is claimed of them."""
    findings, _, _, crashed = run_checks(tell(seed, guarded=False).history())
    expected = {"partial-session", "undone-by-own-write"}
    assert [f"{one.name}: {one.sentence}" for one in findings if one.name not in expected] == []
    assert crashed == ()


def _mutations(told: Past, does: StepKind) -> list[Doing]:
    """Acked, effective doings of a kind whose session nobody else destroys, sent once."""
    told.history()
    destroyed = Counter(
        step.session  # type: ignore[attr-defined]
        for doing in told.doings
        for step in _blank_steps(doing)
        if step.does is StepKind.DESTROY  # type: ignore[attr-defined]
    )
    everywhere = {doing.user for doing in told.doings if doing.behaviour == "logout-everywhere"}
    allowed = 1 if does is StepKind.DESTROY else 0
    return [
        doing
        for doing in told.doings
        if doing.outcome is Outcome.ACKED
        and len(doing.attempts) == 1
        and doing.user not in everywhere
        and destroyed[doing.sid] == allowed
        and any(step.does is does and step.effective for step in doing.replies[1])
        and _sent_once(told, doing)
    ]


def _blank_steps(doing: Doing) -> list[object]:
    return [step for steps in doing.replies.values() for step in steps] or [
        type("Step", (), {"session": doing.sid, "does": StepKind.DESTROY})()
        for _ in ([1] if doing.behaviour == "logout" else [])
    ]


def _sent_once(told: Past, doing: Doing) -> bool:
    login = next(one for one in told.doings if one.sid == doing.sid)
    return login.outcome is Outcome.ACKED and len(login.attempts) == 1


def _again(seed: int, lost: set[int]) -> Past:
    """The same run, with the effects of these operations taken away."""
    past = tell(seed)
    for doing in past.doings:
        doing.lost = doing.id in lost
    return past


@some
@given(seeds)
def test_lost_log_in_is_found(seed: int) -> None:
    """A dropped acked log-in of a session that nobody logs out is a lost session."""
    for doing in _mutations(tell(seed), StepKind.CREATE)[:2]:
        findings = run_checks(_again(seed, {doing.id}).history())[0]
        assert ("lost-session", doing.sid) in {(one.name, one.session) for one in findings}


@some
@given(seeds)
def test_lost_logout_is_found(seed: int) -> None:
    """A dropped acked logout is a resurrected session, and a security incident."""
    for doing in _mutations(tell(seed), StepKind.DESTROY)[:3]:
        findings = run_checks(_again(seed, {doing.id}).history())[0]
        found = [one for one in findings if one.session == doing.sid and one.side == "open"]
        assert [one.name for one in found] == ["resurrected-session"]
        assert found[0].operations[0] == doing.id


@some
@given(seeds)
def test_lost_field_write_is_found(seed: int) -> None:
    """A dropped acked write is a lost write, whatever was written over it."""
    for does in (StepKind.WRITE, StepKind.INCREMENT):
        for doing in _mutations(tell(seed), does)[:2]:
            findings = run_checks(_again(seed, {doing.id}).history())[0]
            assert ("lost-write", doing.id) in {(one.name, (*one.operations, 0)[0]) for one in findings}


@some
@given(seeds, seeds)
def test_one_more_lost_write_never_improves(seed: int, other: int) -> None:
    """Adding a loss never takes a lost write away."""
    writes = [doing.id for doing in _mutations(tell(seed), StepKind.WRITE)]
    if len(writes) < 2:
        return
    lost = set(random.Random(other).sample(writes, k=len(writes) // 2))
    more = lost | {next(one for one in writes if one not in lost)}
    fewer = run_checks(_again(seed, lost).history())[1]["lost-write"]
    worse = run_checks(_again(seed, more).history())[1]["lost-write"]
    assert worse.low > fewer.low
    assert worse.high >= fewer.high


@some
@given(seeds)
def test_missing_audit_proves_nothing(seed: int) -> None:
    """Without an audit nothing is claimed, and what it would have shown stays open."""
    past = tell(seed)
    past.audited = False
    findings, counts, _, _ = run_checks(past.history())
    assert findings == []
    writes = [
        doing
        for doing in past.doings
        for step in (doing.replies.get(len(doing.attempts)) or [])
        if doing.outcome is Outcome.ACKED
        and step.effective
        and step.does in {StepKind.WRITE, StepKind.INCREMENT}
    ]
    assert counts["lost-write"].high >= len(writes)
