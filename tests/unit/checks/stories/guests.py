"""Stories about an application of somebody's own: what its users saw, and what the front door says at the end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from harness.model.guest import Guest
from harness.model.history import History
from harness.model.plan import Plan
from harness.model.records import AuditEntry, Operation, Step
from harness.model.told import AS_NOBODY, NO_ANSWER
from harness.model.words import FRONT_DOOR, NodeRole, Outcome, StepKind
from lab.past import Doing, Past

GUEST = Guest(name="a guest", file="guest.yaml", folder="/", start=("serve",))
SHOWN = frozenset({StepKind.CREATE, StepKind.READ, StepKind.WRITE, StepKind.INCREMENT, StepKind.DESTROY})


@dataclass
class GuestPast(Past):
    """What a guest's users were told; of its nodes nothing is known but what they say of themselves."""

    witnesses: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.forgets: set[int] = set()
        """Operations whose answer told the browser to forget the session."""

    def page_for_nobody(self, sid: str, at: float, *, forget: bool = False) -> Doing:
        """The session is there, and the application does not look."""
        doing = self.read(sid, at, told=AS_NOBODY)
        self.forged[doing.id] = _empty
        if forget:
            self.forgets.add(doing.id)
        return doing

    def plan(self) -> Plan:
        plan = super().plan()
        deployment = replace(plan.scenario.deployment, guest=GUEST)
        return replace(plan, scenario=replace(plan.scenario, deployment=deployment))

    def history(self) -> History:
        past = super().history()
        return replace(
            past,
            operations=tuple(map(self._told, past.operations)),
            connections=(),
            audit=tuple(_at_the_door(one) for one in past.audit if one.role == NodeRole.PRIMARY),
        )

    def _told(self, one: Operation) -> Operation:
        steps = [_shown(step) for step in one.steps if step.does in SHOWN]
        if one.id in self.forgets:
            steps.append(_forgotten(one))
        attempts = [msgspec.structs.replace(each, connection=None) for each in one.attempts]
        return msgspec.structs.replace(one, steps=tuple(steps), attempts=tuple(attempts))


def _empty(step: Step) -> None:
    step.saw = {}


def _shown(step: Step) -> Step:
    effective = step.effective if step.effective is False else None
    return msgspec.structs.replace(step, ttl_ms=None, pttl_ms=None, witness=None, effective=effective)


def _forgotten(one: Operation) -> Step:
    return Step(
        n=len(one.steps) + 1,
        does=StepKind.FORGET,
        command="Set-Cookie",
        key=one.key,
        session=one.session,
        outcome=Outcome.ACKED,
        attempts=(1,),
        sent_us=one.sent_us,
        done_us=one.done_us,
    )


def _at_the_door(entry: AuditEntry) -> AuditEntry:
    return msgspec.structs.replace(
        entry, node=FRONT_DOOR, run_id="", pttl_ms=None, witnesses=None, indexed=None
    )


def cookie_deleted() -> Past:
    """Redis was away for a moment; the application took ann for nobody and deleted her cookie."""
    past = GuestPast()
    ann = past.log_in("ann", 1.0)
    past.page_for_nobody(ann, 2.0, forget=True)
    past.log_in("ann", 2.1)
    return past


def anonymous_page() -> Past:
    """The same, and ann's cookie stayed: the next page is hers again."""
    past = GuestPast()
    ann = past.log_in("ann", 1.0)
    past.page_for_nobody(ann, 2.0)
    past.read(ann, 3.0)
    return past


def told_ok_then_lost() -> Past:
    """Ann was told that she was logged in, and was not."""
    past = GuestPast()
    ann = past.log_in("ann", 1.0, lost=True)
    past.read(ann, 2.0)
    return past


def evicted() -> Past:
    """The nodes tell which keys they evict, but not which of them was ann's."""
    past = GuestPast(eviction_events=True)
    past.evicted = [(2.0, "redis-1", 1)]
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.read(ann, 3.0)
    return past


def hung_request() -> Past:
    past = GuestPast()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, outcome="unknown", executed=False, told=NO_ANSWER)
    past.read(ann, 5.0)
    return past


def app_died() -> Past:
    """While it showed ann a page."""
    past = GuestPast()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 1.9, outcome="unknown", executed=False)
    past.event("web-server-died", 2.0, source="web-1", detail="its process ended with status 3")
    return past


def needs_restart() -> Past:
    """Redis is back, and web-1 lets nobody in until somebody starts it anew."""
    past = GuestPast()
    past.log_in("ann", 1.0)
    for user, at in (("bob", 3.0), ("eve", 4.0)):
        past.log_in(user, at, outcome="unknown", executed=False)
    past.event("web-server-stuck", 5.0, source="web-1", detail="for 10 s log-ins ended so: answered 500")
    return past


def let_in_again() -> Past:
    """An error page after recovery is an outage; the next log-in got in by itself."""
    past = GuestPast()
    past.log_in("ann", 1.0)
    past.log_in("bob", 2.0, outcome="unknown", executed=False)
    past.log_in("bob", 3.0)
    return past


def app_killed() -> Past:
    """By a fault of the kit's; and an error page is no hung request."""
    past = GuestPast()
    ann = past.log_in("ann", 1.0)
    past.event("web-server-killed", 2.0, source="web-1")
    past.read(ann, 3.0, outcome="unknown", executed=False)
    return past


def same_page() -> Past:
    """Ann is there all the time, and logs out in the end; what she wrote is shown."""
    past = GuestPast()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 1.5)
    past.add(ann, 1.6)
    past.read(ann, 2.0)
    past.logout(ann, 3.0)
    return past


def error_at_logout() -> Past:
    """Redis was away: ann's logout ended in an error page, the next page was for nobody, and her session came back.
    Nobody was told that she was signed out, and a page for nobody proves no logout."""
    past = GuestPast()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.page_for_nobody(ann, 2.1)
    return past


def lost_by_a_failover() -> Past:
    """The node that acked it is known by elimination: a log-in that nobody saw is a failover's loss here."""
    past = GuestPast()
    past.log_in("bob", 0.5)
    past.cut_off("redis-2", 1.0)
    ann = past.log_in("ann", 1.5)
    past.fault(2.0)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    return past


def stored_whole_by_two() -> Past:
    """Two requests of ann's browser at once; the one that stores its whole session last wins."""
    past = GuestPast()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 1.5, lost=True)
    past.add(ann, 1.5)
    past.read(ann, 2.0)
    return past


def cart_back_by_a_failover() -> Past:
    past = GuestPast()
    ann = past.log_in("ann", 0.5)
    past.cut_off("redis-2", 1.0)
    past.change(ann, 1.5)
    past.read(ann, 1.7)
    past.fault(2.0)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    return past
