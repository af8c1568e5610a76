"""The exact test: could one register, one operation after the other, have given these answers?

Each operation took place at one moment between its beginning and its end. `judge_register` looks for
an order of those moments that explains every answer: by zones where values are distinct, else by
search (Wing and Gong 1993, with Lowe's memory of configurations seen). `explain` cuts a register
that has no such order down to what still shows it. Pure: out of time is UNDECIDED, never a pass.

A value seen that nobody wrote contradicts by itself, and is looked for before any search. Three cuts
keep the search small. What only observes takes place as soon as it holds. An optional
operation takes place only right before something that needs what it leaves. A value is not
overwritten while somebody must still see it and nobody can bring it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

from harness.checks.linearizability.actions import UNSAID, Action, Answer, Unsaid, Value
from harness.checks.linearizability.fast_path import judge_by_zones
from harness.model.times import FOREVER

MOST_CONFIGURATIONS = 1_000_000
"""About 300 MB of them; a search that needs more is undecided."""

WORK_BETWEEN_LOOKS = 20_000
"""Operations looked at before the first look at the clock, and between two: some 10 ms."""

_ID, _SENT = attrgetter("id"), attrgetter("sent")

_ANY = -1
"""No condition, or no change, among the numbers that stand for values."""

Configuration = tuple[int, int, int, int, bool]
"""Certain operations done: all before the first number, and the bits of the second from there on;
bits of the optional ones done; the value; whether the last one done still has to prove its use."""


def judge_register(actions: Sequence[Action], out_of_time: Callable[[], bool]) -> Answer:
    """Whether the operations on one register are linearizable. It begins absent."""
    if _as_they_were_sent(actions):
        return Answer.LINEARIZABLE
    if _never_written(actions) is not None:
        return Answer.NOT
    by_zones = judge_by_zones(actions)
    if by_zones is None:
        return search(actions, out_of_time)
    return Answer.LINEARIZABLE if by_zones else Answer.NOT


def _as_they_were_sent(actions: Iterable[Action]) -> bool:
    """Whether each may have taken place at the moment it was sent, which no other order forbids, and the
    optional ones never did. So it was with nearly all."""
    held: Value = None
    for one in sorted(actions, key=_SENT):
        if one.after:
            return False
        if one.optional:
            continue
        if (one.expects is not UNSAID and one.expects != held) or one.refuses == held:
            return False
        if one.leaves is not UNSAID:
            held = one.leaves
    return True


def _never_written(actions: Iterable[Action]) -> Action | None:
    """One that certainly found a value which nothing here can have left."""
    left = {one.leaves for one in actions if one.leaves is not UNSAID}
    return next(
        (
            one
            for one in actions
            if not one.optional and isinstance(one.expects, str) and one.expects not in left
        ),
        None,
    )


def search(actions: Iterable[Action], out_of_time: Callable[[], bool]) -> Answer:
    """The same, whatever the operations are."""
    try:
        return _searched(_Register(actions, _Allowance(out_of_time)))
    except _OutOfTimeError:
        return Answer.UNDECIDED


def _searched(register: _Register) -> Answer:
    start: Configuration = (0, 0, 0, 0, False)
    seen: set[Configuration] = set()
    waiting: list[Iterator[Configuration]] = [iter([start])]
    while waiting:
        following = next(waiting[-1], None)
        if following is None:
            waiting.pop()
            continue
        configuration, reach = register.settle(following)
        if configuration in seen:
            continue
        if configuration[0] == register.size:
            return Answer.LINEARIZABLE
        seen.add(configuration)
        if len(seen) > MOST_CONFIGURATIONS:
            return Answer.UNDECIDED
        waiting.append(register.following(configuration, reach))
    return Answer.NOT


class _OutOfTimeError(Exception):
    """Ends a search wherever it is."""


class _Allowance:
    """Counts operations looked at, and looks at the clock now and then."""

    def __init__(self, out_of_time: Callable[[], bool]) -> None:
        self._out_of_time = out_of_time
        self._work = 0

    def spend(self, work: int) -> None:
        self._work += work
        if self._work >= WORK_BETWEEN_LOOKS:
            self._work = 0
            if self._out_of_time():
                raise _OutOfTimeError


class _Register:
    """The operations as columns of numbers. 0 is absence."""

    def __init__(self, actions: Iterable[Action], allowance: _Allowance) -> None:
        self._spend = allowance.spend
        self._codes: dict[Value, int] = {None: 0}
        ordered = sorted(sorted(actions, key=_ID), key=_SENT)
        certain = [one for one in ordered if not one.optional]
        optional = [one for one in ordered if one.optional and one.changes]
        both = [*certain, *optional]
        self._tied = any(one.after for one in both)
        at = {one.id: n for n, one in enumerate(certain)} if self._tied else {}
        self.size = len(certain)
        self._sent = [one.sent for one in both]
        self._done = [one.done for one in certain]
        self._expects = self._coded([one.expects for one in both])
        self._refuses = self._coded([one.refuses for one in both])
        self._leaves = self._coded([one.leaves for one in both])
        self._after = [tuple([at[id_] for id_ in one.after if id_ in at]) for one in both]
        self._observers: dict[int, list[int]] = {}
        """Value -> certain operations that expect it."""
        self._bringers: dict[int, list[int]] = {}
        """Value -> certain operations that leave it."""
        self._optional: dict[int, list[int]] = {}
        """Value -> optional operations that leave it."""
        observed, brought = self._observers.setdefault, self._bringers.setdefault
        for n, (expects, leaves) in enumerate(zip(self._expects[: self.size], self._leaves, strict=False)):
            if expects != _ANY:
                observed(expects, []).append(n)
            if leaves != _ANY:
                brought(leaves, []).append(n)
        for n in range(self.size, len(both)):
            self._optional.setdefault(self._leaves[n], []).append(n)
        self._chained = {self._expects[n] for n in range(self.size, len(both))}
        """What optional operations expect: another one may be of use to them."""
        self._balking = {self._refuses[n] for n in range(self.size, len(both))}
        """What optional operations refuse."""
        pairs = zip(self._expects, self._leaves, strict=True)
        self._observing = [leaves in (_ANY, expects) for expects, leaves in pairs]
        """Those that leave the register as they find it."""

    def _coded(self, values: Iterable[Value | Unsaid]) -> list[int]:
        codes = self._codes
        return [_ANY if value is UNSAID else codes.setdefault(value, len(codes)) for value in values]

    def settle(self, configuration: Configuration) -> tuple[Configuration, list[int]]:
        """Let everything that only observes, and holds, take place; and what can come next."""
        if not self._tied:
            return self._settle(configuration)
        base, ahead, taken, value, unproved = configuration
        observing, expects, refuses = self._observing, self._expects, self._refuses
        while True:
            reach = self._reach(base, ahead)
            now = 0
            for n in reach:
                if observing[n] and (expects[n] == value or expects[n] == _ANY) and refuses[n] != value:
                    now |= 1 << (n - base)
            if not now:
                return (base, ahead, taken, value, unproved), reach
            unproved = False
            base, ahead = _shifted(base, ahead | now)

    def _settle(self, configuration: Configuration) -> tuple[Configuration, list[int]]:
        """The same in one go, where nothing waits for another one: what takes place now no longer stands in
        the way of what follows, and makes no difference to what came before it."""
        base, ahead, taken, value, unproved = configuration
        observing, expects, refuses = self._observing, self._expects, self._refuses
        sent, done, size = self._sent, self._done, self.size
        found, first_done = [], FOREVER
        n, bits, now = base, ahead, 0
        while n < size and sent[n] <= first_done:
            if not bits & 1:
                if observing[n] and (expects[n] == value or expects[n] == _ANY) and refuses[n] != value:
                    now |= 1 << (n - base)
                else:
                    found.append(n)
                    if done[n] < first_done:  # noqa: PLR1730 - as above
                        first_done = done[n]
            bits >>= 1
            n += 1
        self._spend(n - base + 1)
        if now:
            unproved = False
            base, ahead = _shifted(base, ahead | now)
        return (base, ahead, taken, value, unproved), found

    def _reach(self, base: int, ahead: int) -> list[int]:
        """Certain operations that are not done and that nothing not done precedes."""
        found = []
        first_done = FOREVER
        n, bits, sent, done, size = base, ahead, self._sent, self._done, self.size
        while n < size and sent[n] <= first_done:
            if not bits & 1:
                found.append(n)
                if done[n] < first_done:  # noqa: PLR1730 - min() costs more, and this is where time goes
                    first_done = done[n]
            bits >>= 1
            n += 1
        self._spend(n - base + 1)
        return [n for n in found if self._free(n, base, ahead)] if self._tied else found

    def _free(self, n: int, base: int, ahead: int) -> bool:
        return all(_is_done(earlier, base, ahead) for earlier in self._after[n])

    def _holds(self, n: int, value: int) -> bool:
        expects = self._expects[n]
        return (expects in (value, _ANY)) and self._refuses[n] != value

    def _takes_anything(self, n: int) -> bool:
        return self._expects[n] == _ANY and self._refuses[n] == _ANY

    def following(self, configuration: Configuration, reach: list[int]) -> Iterator[Configuration]:
        """What may take place next, the likeliest first; the others are seldom asked for."""
        base, ahead, taken, value, unproved = configuration
        for n in sorted(reach, key=self._done.__getitem__):
            if (
                self._holds(n, value)
                and not (unproved and self._takes_anything(n))
                and self._may_leave(configuration, n)
            ):
                yield (*_shifted(base, ahead | 1 << (n - base)), taken, self._leaves[n], False)
        if self._optional:
            for n in self._useful(configuration, reach):
                yield base, ahead, taken | 1 << (n - self.size), self._leaves[n], True

    def _may_leave(self, configuration: Configuration, n: int) -> bool:
        """Whether this may overwrite the value: nobody has to see it later, or somebody brings it back."""
        base, ahead, taken, value, _ = configuration
        if self._leaves[n] == value:
            return True
        if not _one_left(self._observers.get(value, ()), base, ahead, n):
            return True
        if _one_left(self._bringers.get(value, ()), base, ahead, n):
            return True
        return any(not taken >> (o - self.size) & 1 for o in self._optional.get(value, ()))

    def _useful(self, configuration: Configuration, reach: list[int]) -> Iterator[int]:
        """Optional operations that can take place now, and leave what something here waits for."""
        base, ahead, taken, value, unproved = configuration
        first_done = min(self._done[n] for n in reach) if reach else FOREVER
        blocked = value in self._balking or any(
            self._refuses[n] == value and self._expects[n] == _ANY for n in reach
        )
        wanted = self._optional.keys() if blocked else {self._expects[n] for n in reach} | self._chained
        for leaves in wanted - {value}:
            tried = set()
            self._spend(1)
            for n in self._optional.get(leaves, ()):
                if self._sent[n] > first_done:
                    break
                like = (self._expects[n], self._refuses[n])
                if (
                    like not in tried
                    and not taken >> (n - self.size) & 1
                    and not (unproved and self._takes_anything(n))
                    and self._holds(n, value)
                    and self._free(n, base, ahead)
                    and self._may_leave(configuration, n)
                ):
                    tried.add(like)  # any other like it does the same, now and later
                    yield n


def _is_done(n: int, base: int, ahead: int) -> bool:
    return n < base or bool(ahead >> (n - base) & 1)


def _one_left(among: Sequence[int], base: int, ahead: int, but: int) -> bool:
    """Whether one of these, in order, besides `but`, is not done."""
    for n in reversed(among):
        if n < base:
            return False
        if n != but and not ahead >> (n - base) & 1:
            return True
    return False


def _shifted(base: int, ahead: int) -> tuple[int, int]:
    """The same, with all that is done without a gap counted in `base`."""
    more = (~ahead & (ahead + 1)).bit_length() - 1
    return base + more, ahead >> more


def explain(actions: Sequence[Action], out_of_time: Callable[[], bool]) -> tuple[list[Action], bool]:
    """Of a register that is not linearizable: few operations that show it, and whether time sufficed
    to leave none over. A value that nobody wrote shows it alone.

    Every write of every value that they saw is among them, so nothing left out could explain what they
    saw; and without any one of the observations the rest is linearizable.
    """
    alone = _never_written(actions)
    if alone is not None:
        return [alone], True
    kept = list(actions)

    def still_shown(rest: list[Action]) -> bool:
        return judge_register(rest, out_of_time) is Answer.NOT

    while True:
        before = len(kept)
        size = before
        while size:
            kept = _without_chunks(kept, size, still_shown, out_of_time)
            size //= 2
        if out_of_time():
            return kept, False
        if len(kept) == before:
            return kept, True


def _without_chunks(
    kept: list[Action],
    size: int,
    still_shown: Callable[[list[Action]], bool],
    out_of_time: Callable[[], bool],
) -> list[Action]:
    """Leave out groups of that many operations wherever the rest shows the same."""
    start = 0
    while (chunk := _removable(kept)[start : start + size]) and not out_of_time():
        gone = {one.id for one in chunk}
        rest = [one for one in kept if one.id not in gone]
        if still_shown(rest):
            kept = rest
        else:
            start += size
    return kept


def _removable(kept: list[Action]) -> list[Action]:
    """What may be left out without making the rest harder to explain: observations, and changes to
    values that nobody is said to have seen. A failed compare-and-set saw any value but one."""
    seen = {one.expects for one in kept if one.expects is not UNSAID}
    refused = {one.refuses for one in kept if one.refuses is not UNSAID}
    return [one for one in kept if not one.changes or (one.leaves not in seen and refused <= {one.leaves})]
