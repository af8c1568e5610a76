"""Stories about what a read may see."""

from __future__ import annotations

from lab.past import Past


def stale_read() -> Past:
    """redis-3 is cut off; somebody reads there."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.change(ann, 2.0)
    past.read(ann, 3.0, node="redis-3")
    past.act(4.0, lambda: past.stores.update({"redis-3": past.stores["redis-1"]}))
    past.read(ann, 5.0)
    return past


def stale_absence() -> Past:
    """The same right after the log-in: not found, and there again later."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, node="redis-3")
    past.act(4.0, lambda: past.stores.update({"redis-3": past.stores["redis-1"]}))
    past.read(ann, 5.0)
    return past


def zombie_reader() -> Past:
    """Web-1 stayed with the old primary and reads there what has been overwritten on the new one;
    the session is logged out before anybody looks again. Nothing was lost."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.fail_over("redis-2", 2.0, follow=8.0)
    past.change(ann, 3.0, web="web-2")
    past.add(ann, 3.1, web="web-2")
    past.touch(ann, 3.2, web="web-2")
    past.read(ann, 4.0, node="redis-1")
    past.logout(ann, 5.0, web="web-2")
    return past


def zombie_without_the_session() -> Past:
    """Web-1 does not find there what was made on the new primary, and which times out later."""
    past = Past(idle_s=8.0)
    past.cut_off("redis-2", 0.5)
    past.fail_over("redis-2", 1.0, follow=8.0)
    ann = past.log_in("ann", 2.0, web="web-2")
    past.read(ann, 3.0, node="redis-1")
    return past


def lost_with_open_attempt() -> Past:
    """An old attempt is still open, but the witness of the newer write is gone: it was lost."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, None, None), (2.5, 2.501, 2.502)])
    past.change(ann, 3.0, lost=True)
    past.read(ann, 4.0)
    return past


def old_between_attempts() -> Past:
    """The first attempt was seen before the second was sent: what was there before it is old already."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    before = past.change(ann, 1.5)
    past.change(ann, 2.0, attempts=[(2.0, 2.1, None), (3.0, 3.1, 3.2)])
    past.read(ann, 2.2)
    past.read(ann, 2.6, forge=lambda step: (step.saw or {}).update(theme=f"{before.id}:theme"))
    return past


def fresh_read() -> Past:
    """A read that overlaps the write may see either."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.4, 2.5)])
    past.read(ann, 2.1, attempts=[(2.1, 2.2, 2.6)])
    past.read(ann, 5.0)
    return past


def overwritten_between_attempts() -> Past:
    """The first attempt was seen, then overwritten, then the second was sent."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.1, None), (3.0, 3.1, 3.2)])
    past.read(ann, 2.2)
    past.change(ann, 2.5, attempts=[(2.5, 2.6, 2.7)])
    past.read(ann, 2.65, took=0.3)  # under way while the second change is answered
    return past


def torn_state() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    moved = past.change(ann, 2.0, "ip", "agent")
    past.read(ann, 3.0, forge=lambda step: (step.saw or {}).update({"agent": "1:agent"}))
    past.read(ann, 4.0)
    assert moved.id == 2
    return past


def whole_state() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, "ip", "agent")
    past.change(ann, 2.5, "ip")
    past.read(ann, 3.0)
    return past
