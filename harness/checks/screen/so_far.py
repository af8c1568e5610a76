"""What the screen knows of every session after the parts of a history that it has read.

A long history does not fit into memory: its columns are read part by part, and a few numbers of each session
are carried from one part to the next. So what judging takes grows with the number of sessions, and hardly
with that of operations. Nothing is decided here.

Trap: whatever a part says of a session is said of the part only. Who asks for "the first" or "the last" of a
session asks here as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.checks.columns.arrays import NO_CODE, NONE, Codes, Flags, Integers, Names, picked
from harness.costly import np, npt, pa

Sums: TypeAlias = "npt.NDArray[np.uint64]"

_ODD = np.uint64(0x9E3779B97F4A7C15)
_NUMBER_BITS = 31
"""Of a session's; two of them stand together in one signed number."""


class Twice:
    """Numbers of sessions, and in which sessions one comes a second time."""

    def __init__(self) -> None:
        self._numbers: list[Sums] = []
        self._sessions: list[Codes] = []

    def add(self, numbers: Sums, sessions: Codes) -> None:
        self._numbers.append(numbers)
        self._sessions.append(sessions.astype(np.int32))

    def sessions(self) -> Codes:
        """Those of all equal numbers. Takes what was added."""
        numbers = np.concatenate([np.zeros(0, np.uint64), *self._numbers])
        sessions = np.concatenate([np.zeros(0, np.int32), *self._sessions])
        self._numbers.clear()
        self._sessions.clear()
        order = np.argsort(numbers)
        numbers = numbers[order]
        same = numbers[1:] == numbers[:-1]
        again = np.append(same, False) | np.append(False, same)
        found: Codes = sessions[order[again[: len(order)]]]
        return found


def together(numbers: Sums, sessions: Codes | Integers) -> Sums:
    """One number for both."""
    return numbers ^ (sessions.astype(np.uint64) * _ODD)


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """The last change so far of every field of a session that may still change, one entry each."""

    session: Codes
    field: Codes
    number: Sums
    """The token's; 0: the field was removed."""
    writes: Flags
    total: Integers

    @classmethod
    def none(cls) -> Held:
        whole = np.zeros(0, np.int64)
        codes = whole.astype(np.int32)
        return cls(
            session=codes,
            field=codes,
            number=whole.astype(np.uint64),
            writes=whole.astype(np.bool_),
            total=whole,
        )

    def where(self, chosen: Flags) -> Held:
        return Held(**{name: getattr(self, name)[chosen] for name in Held.__slots__})

    def and_also(self, other: Held) -> Held:
        return Held(
            **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in Held.__slots__}
        )


_BY_SESSION = {
    "suspect": False,
    "user": np.int32(NO_CODE),
    "shard": np.int32(0),
    "begun": False,
    "gone": False,
    "unlisted": False,
    "sums": np.uint64(0),
    "latest_us": np.int64(NONE),
    "over_us": np.int64(NONE),
    "set_sent_us": np.int64(NONE),
    "set_done_us": np.int64(NONE),
    "timeout_us": np.int64(NONE),
    "left": np.int32(0),
    "chain": np.uint64(0),
}
"""What is known of each session, and of a new one."""


class SoFar:
    """Everything by a session's number in `sessions`."""

    suspect: Flags
    user: Codes
    """Of the first operation, its user's number in `users`; likewise `shard`."""
    shard: Codes
    begun: Flags
    """It had a step."""
    gone: Flags
    """It was destroyed."""
    unlisted: Flags
    """It was taken out of its user's list."""
    sums: Sums
    """Of what it holds: `contents`."""
    latest_us: Integers
    """When the latest of its steps was sent."""
    over_us: Integers
    """When the last of its operations with a step ended."""
    set_sent_us: Integers
    """Of the last step that set its time-out."""
    set_done_us: Integers
    timeout_us: Integers
    """`NONE`: nobody set one."""
    left: Codes
    """How many witnesses its steps left."""
    chain: Sums
    """Which, and in which order: `chained`."""

    def __init__(self) -> None:
        self.sessions = Names()
        self.users = Names()
        self.fields = Names()
        self.held = Held.none()
        self.values = Twice()
        """What was written to a session."""
        self.witnesses = Twice()
        self._links: list[Integers] = []
        """Two sessions that one operation is about, as one number each."""
        self.blamed_users: set[int] = set()
        self.blamed_names: set[str] = set()
        """Sessions of which nobody has said anything yet."""
        for name, value in _BY_SESSION.items():
            setattr(self, name, np.zeros(0, np.asarray(value).dtype))

    def number(self, sessions: pa.Array) -> Codes:
        """The numbers of these sessions; new ones are added."""
        found = self.sessions.numbers(sessions)
        more = len(self.sessions) - len(self.suspect)
        if more:
            for name, value in _BY_SESSION.items():
                before = getattr(self, name)
                setattr(self, name, np.append(before, np.full(more, value, before.dtype)))
        return found

    def blame(self, sessions: Codes | Integers) -> None:
        self.suspect[sessions] = True

    def blame_named(self, names: Sequence[str]) -> None:
        numbers = self.sessions.known(names)
        self.blame(numbers[numbers >= 0])
        self.blamed_names.update(name for name, n in zip(names, numbers.tolist(), strict=True) if n < 0)

    def link(self, sessions: Codes, others: Codes) -> None:
        """These are clean together or not at all, each with the other of its place."""
        self._links.append(np.unique(sessions.astype(np.int64) << _NUMBER_BITS | others))

    def blame_linked(self) -> None:
        """Blame whoever is linked to a suspect, near or far: once everybody else is blamed. Sessions mostly
        follow one another, so back and forth is mostly enough."""
        links = np.unique(np.concatenate([np.zeros(0, np.int64), *self._links]))
        one, other = links >> _NUMBER_BITS, links & ((1 << _NUMBER_BITS) - 1)
        while (self.suspect[one] != self.suspect[other]).any():
            pairs, suspect = list(zip(one.tolist(), other.tolist(), strict=True)), self.suspect.tolist()
            for first, second in (*reversed(pairs), *pairs):
                suspect[first] = suspect[second] = suspect[first] or suspect[second]
            self.suspect[:] = suspect

    def conclude(self) -> None:
        """Blame whom only all operations together can blame."""
        self.blame(self.values.sessions())
        self.blame(self.witnesses.sessions())
        names, self.blamed_names = sorted(self.blamed_names), set()
        self.blame_named(names)
        users = np.zeros(len(self.users) + 1, np.bool_)
        users[list(self.blamed_users)] = True
        self.suspect |= users[self.user] | ~self.begun


def numbers_of(texts: Iterable[str]) -> Sums:
    """A number of 64 bits for each text, the same for the same text as long as this process lives."""
    found: Sums = np.fromiter(map(hash, texts), np.int64).view(np.uint64)
    return found


def chained(numbers: Sums, place: Integers | Codes) -> Sums:
    """What each adds to a sum that tells the order as well; `place`: its place in its row."""
    powers = np.full(int(place.max(initial=-1)) + 1, _ODD, np.uint64)
    powers[:1] = 1
    return numbers * picked(np.cumprod(powers, dtype=np.uint64), place)
