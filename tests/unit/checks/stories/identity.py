"""Stories about whose session and whose value it is."""

from __future__ import annotations

from lab.past import Past


def foreign_session() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    bob = past.log_in("bob", 1.1)
    theirs = {"sid": bob, "user_id": "bob", "generation": "2", "theme": "2:theme"}
    past.read(ann, 2.0, forge=lambda step: setattr(step, "saw", theirs))
    return past


def unwritten_value() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, forge=lambda step: (step.saw or {}).update({"created": "77:nobody"}))
    return past


def value_of_refused_write() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, outcome="rejected", executed=False)
    past.edit(ann, 2.5, lambda found: found.fields.update({"created": "2:theme"}))
    past.read(ann, 3.0)
    return past


def reply_mixed_up() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, outcome="unknown", error="reply-mixed-up: HGETALL PTTL answered [1, []]")
    return past


def own_session() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0)
    past.change(ann, 2.5, outcome="unknown", executed=9.0)
    past.read(ann, 10.0)
    past.read(ann, 11.0, outcome="unknown", executed=False, error="TimeoutError: Timeout reading")
    return past


def ghost_retry() -> Past:
    """The first attempt of an acked write lands after a later acked one."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 4.0, None), (2.5, 2.501, 2.502)])
    past.change(ann, 3.0)
    past.read(ann, 5.0)
    return past


def harmless_retry() -> Past:
    """Both attempts before the later write; and a concurrent retry over an overlapping one."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.1, None), (2.5, 2.501, 2.502)])
    past.change(ann, 3.0)
    past.change(ann, 4.0, attempts=[(4.0, 4.1, None), (4.5, 4.6, 4.7)])
    past.change(ann, 4.2)
    past.read(ann, 5.0)
    return past
