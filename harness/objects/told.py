"""What was done to many keys of one kind and seen of them, as columns: what a kind's screen looks at.

Judging looks at an object record by record, which takes long where there are a hundred thousand of them. So a
kind may say of which of its keys nothing can be wrong, for all of them at once (`ObjectKind.calm`).

Premise: whoever makes a `Told` has proved that the steps of each key may have been carried out in the order
in which they stand, and that each was acked by its only attempt. Where everything that was seen agrees with
this order, the model finds nothing. Trap: a kind may only call calm what its model calls right, and what an
order of registers explains (`harness.checks.promises.exact_objects`). In doubt it does not, which costs time
and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from harness.costly import np, npt
from harness.model.words import StepKind

Numbers: TypeAlias = "npt.NDArray[np.int64]"
Flags: TypeAlias = "npt.NDArray[np.bool_]"
Moments: TypeAlias = "npt.NDArray[np.float64]"

DOES = tuple(StepKind)

ABSENT = 0
"""Instead of the number of a text: there was none."""
NO_TOTAL = -1
"""Instead of a total: what stood there is no number of something."""
NO_TTL = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told:
    """One entry a step; those of one key stand together."""

    begin: Numbers
    """Of each key, its first step."""
    key: Numbers
    """Of each step, which of `begin` it belongs to."""
    does: npt.NDArray[np.int8]
    """Position in `DOES`. What the audit saw is a LOOK."""
    effective: npt.NDArray[np.int8]
    """1: it changed something; 0: it did not; -1: nobody said so."""
    value: npt.NDArray[np.uint64]
    """PUT, LOOK: the number of the text that was put, or was the look's value; equal texts, equal numbers."""
    total: Numbers
    """COUNT: what the reply said. LOOK: the look's value as a number, 0 where the object was not there."""
    ttl_us: Numbers
    sent_us: Numbers
    done_us: Numbers

    def are(self, kind: StepKind) -> Flags:
        found: Flags = self.does == DOES.index(kind)
        return found

    def last_before(self, chosen: Flags) -> Numbers:
        """For each step, the last chosen one before it of the same key; -1: there is none."""
        last = np.maximum.accumulate(np.where(chosen, np.arange(len(chosen)), -1))
        found: Numbers = np.append(-1, last)[: len(chosen)]
        found[found < self.begin[self.key]] = -1
        return found

    def over(self, ends: Numbers) -> Flags:
        """Whether each step was sent after the time of the step at `ends` had run out; it has not where that
        is -1 or has no time."""
        found: Flags = (ends >= 0) & (self.ttl_us[ends] != NO_TTL)
        found &= self.sent_us > self.sent_us[ends] + self.ttl_us[ends]
        return found

    def keys_without(self, wrong: Flags) -> Flags:
        """The keys that none of these steps belongs to."""
        found = np.ones(len(self.begin), np.bool_)
        found[self.key[wrong]] = False
        return found

    def latest_of(self, moments_us: Moments) -> Moments:
        """Of each key, the latest of its steps' moments."""
        latest: Moments = np.full(len(self.begin), -np.inf)
        np.maximum.at(latest, self.key, moments_us)
        return latest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calm:
    """By key."""

    calm: Flags
    """Its model finds nothing, and an order explains all that was seen."""
    holds_until_us: Moments
    """Of a calm one: what `ObjectKind.holds_until_us` says, but for what cannot be measured of a deadline
    (`Past.epsilon_us`); minus infinity for None."""
