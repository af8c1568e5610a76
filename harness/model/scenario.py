"""What a scenario file says, typed. `harness.scenario` makes these from YAML text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

from harness.model.deployment import Deployment
from harness.model.finding_kind import Measure
from harness.model.inventory import Inventory
from harness.model.times import FOREVER
from harness.model.words import Arrivals, OperationKind, Phase, Shows, Trait

OptionValue = str | int | float | bool

INSTANCE, WITH_SESSIONS, WITH_CACHE = "instance", "sessions", "cache"
"""The option of a behaviour whose objects may lie on the instance of the cache, and its words."""


class OptionType(StrEnum):
    """Types that options of faults and behaviours can have, with the unit they are kept in."""

    DURATION = "duration"
    """A number with a unit in the file (`500ms`, `2s`); kept in seconds, float."""
    SIZE = "size"
    """`10MB`, `64KiB`; kept in bytes, int."""
    COUNT = "count"
    SHARD = "shard"
    """The number of another shard than the target's; 0: the next one."""
    FACTOR = "factor"
    SHARE = "share"
    """`10%`; kept as a part of 1, float."""
    WORD = "word"
    FLAG = "flag"
    WEB_SERVER = "web server"
    """`web-1`, `web-2`, ..."""
    PEERS = "peers"
    """One of the words, or a web server."""
    ENGINE = "engine"
    """`valkey-9.1`; empty: none is named."""
    DIRECTIVES = "directives"
    """A table as under `redis`; kept as the lines of a configuration file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option that a fault or behaviour understands. `default` None: the option is required."""

    name: str
    type: OptionType
    help: str
    default: OptionValue | None = None
    words: tuple[str, ...] = ()
    unless: str = ""
    """Another option of the same fault that takes its place when it is given."""
    of_a_cluster: tuple[str, ...] = ()
    """Words that can be chosen in a Redis cluster only."""
    traits: Mapping[str, tuple[Trait, ...]] = field(default_factory=dict)
    """Word -> traits that a fault has besides those of its declaration where it is chosen."""
    of_age: bool = False
    """Behaviours: it changes something only where sessions have an absolute timeout."""
    shares: tuple[str, ...] = ()
    """Behaviours: the objects that it is about, by what their keys begin with. Whoever works on the same ones
    must choose the same."""
    least: float | None = None
    """The smallest number that has an effect which can be proved."""
    example: str = ""
    """What whoever tries the fault out takes: free text has no words to choose from, and of several words one
    may have no effect alone."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What kind of fault has to come before another one, for that to change anything."""

    trait: Trait
    target: str = ""
    """On this target; empty: on any."""

    def left_by(self, traits: Collection[Trait], target: str) -> bool:
        """Whether a fault with these traits, on this target, is one."""
        return self.trait in traits and self.target in {"", target}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What the scenario reader must know of a fault or a behaviour, without importing its code."""

    name: str
    help: str
    targets: tuple[str, ...] = ()
    """Faults: the symbolic targets that are legal, e.g. ("primary", "replica"); empty: takes none."""
    options: tuple[Option, ...] = ()
    traits: tuple[Trait, ...] = ()
    """Faults: what kind of thing it is, for whoever plans, observes or judges it."""
    least_for_s: float | None = 0.0
    """Faults: the shortest `for:` that it can keep; None: it is over at once, with nothing to heal."""
    wrong: Callable[[Mapping[str, OptionValue]], str | None] = lambda _: None
    """Faults: why its options, each of them legal, make no sense on any deployment; None: they do."""
    needs: Callable[[str, Mapping[str, OptionValue], Inventory], Needed | None] = lambda *_: None
    """Faults: what has to come before it on this target with these options, where it finds nothing to change
    unless an application of somebody's own sees to that; None: nothing."""
    kind: OperationKind | None = None
    """Behaviours: what its operations count as."""
    traffic: Mapping[str, float] = field(default_factory=dict)
    """Behaviours: its weight in each realistic mix that it belongs to."""
    leads_to: tuple[str, ...] = ()
    """Behaviours: the findings that only a mix with it, or with another that names them, can have."""
    surprise: Callable[[Mapping[str, OptionValue], Callable[[float], float]], str | None] = lambda *_: None
    """Behaviours: what these options are likely to lead to that nobody means, for a warning; None: nothing.
    It is also given a function: how many such requests of one user come within so many seconds."""
    needs_timeout: bool = False
    """Behaviours: whether it makes no sense for sessions that have no idle timeout."""
    shows: tuple[str, ...] = ()
    """Behaviours: the same where whoever leads to a finding does not see it, and nobody else does."""

    def traits_with(self, options: Mapping[str, OptionValue]) -> tuple[Trait, ...]:
        """Of a fault with these options."""
        chosen = (one.traits.get(str(options.get(one.name, one.default)), ()) for one in self.options)
        return tuple(dict.fromkeys((*self.traits, *chain.from_iterable(chosen))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Every fault, behaviour and finding by name; `harness.running.vocabulary` assembles the shipped one."""

    faults: Mapping[str, Declaration]
    behaviours: Mapping[str, Declaration]
    findings: Mapping[str, Measure]
    metrics: frozenset[str]

    def traffic(self) -> dict[str, dict[str, float]]:
        """Realistic mixes, each by one word: what behaviours say of their share in it."""
        mixes: dict[str, dict[str, float]] = {}
        for name, behaviour in self.behaviours.items():
            for word, weight in behaviour.traffic.items():
                mixes.setdefault(word, {})[name] = weight
        return dict(sorted(mixes.items()))

    def leads_to(self, mix: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Findings that behaviours of a mix say that they lead to -> these behaviours."""
        makers: dict[str, tuple[str, ...]] = {}
        for name, behaviour in self.behaviours.items():
            for finding in behaviour.leads_to if name in mix else ():
                makers[finding] = (*makers.get(finding, ()), name)
        return makers

    def beyond(self, mix: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Findings that no behaviour of a mix can make -> those that can."""
        here = self.leads_to(mix)
        blind = {
            finding: tuple(name for name, one in self.behaviours.items() if finding in one.shows)
            for finding in dict.fromkeys(chain.from_iterable(one.shows for one in self.behaviours.values()))
        }
        nobody_does = {name: by for name, by in self.leads_to(self.behaviours).items() if name not in here}
        return {name: by for name, by in blind.items() if not set(by) & set(mix)} | nobody_does


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Sessions at an open arrival rate. Times in seconds."""

    web_servers: int = 3
    application: bool = False
    """No load and no web servers: a command of somebody's own is the application."""
    rate_per_s: float = 200.0
    arrivals: Arrivals = Arrivals.POISSON
    users: int = 200
    """Users that are logged in before the baseline starts."""
    devices: int = 1
    """Browsers of each user, each with a session of its own."""
    think_time_s: float = 0.0
    """How long a browser waits at least between two of its requests; 0: as chance has it."""
    idle_timeout_s: float | None = 300.0
    """None: sessions have no time to live, and end by a logout alone."""
    absolute_timeout_s: float = 0.0
    """A session ends at this age, however often it is used; 0: at none."""
    active_share: float = 1.0
    """Share of the users that keep using their session; the rest log in once and stay idle."""
    session_sizes: tuple[tuple[int, float], ...] = ()
    """(bytes, weight): how large sessions are besides their fields. Empty: nothing besides."""
    traffic: str = ""
    """The word for the mix, where it was asked for by one."""
    mix: Mapping[str, float] = field(default_factory=dict)
    """Behaviour name -> weight."""
    options: Mapping[str, Mapping[str, OptionValue]] = field(default_factory=dict)
    """Behaviour name -> its options, defaults filled in."""
    kinds: Mapping[str, OperationKind] = field(default_factory=dict)
    """Behaviour of the mix -> what its operations count as; a plan of an earlier version says nothing."""
    beyond: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Finding that no behaviour of the mix can make -> those that can; a plan of an earlier version says
    nothing."""
    leads_to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Finding -> the behaviours of the mix that say that they lead to it."""
    witnesses: bool = True
    guarded_writes: bool = True
    """Field writes only if the session exists; False is the naive HSET that revives a piece of it."""
    transactions: bool = True
    """Group the commands of one behaviour in MULTI/EXEC (redis-py's default); False: plain pipelines."""

    @property
    def active_users(self) -> int:
        return max(1, min(self.users, round(self.users * self.active_share)))

    @property
    def kept_with_cache(self) -> tuple[str, ...]:
        """The behaviours whose objects lie on the instance of the cache."""
        return tuple(name for name, given in self.options.items() if given.get(INSTANCE) == WITH_CACHE)

    @property
    def ends_unused_s(self) -> float:
        """How long a session lives by its idle timeout that nobody uses."""
        return FOREVER if self.idle_timeout_s is None else self.idle_timeout_s

    @property
    def shortest_life_s(self) -> float:
        """The same, also by its absolute timeout."""
        return min(self.ends_unused_s, self.absolute_timeout_s or FOREVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When a fault begins. Exactly one of the three forms is set.

    * `after_s` alone: seconds after the baseline began.
    * `event` + `offset_s`: that long after the named event was first seen since the previous
      fault of the list took effect: promoted, demoted, healed, recovered, or `fault N`
      (1-based; when fault N took effect).
    * `acked` + `times` (+ `unreplicated`): once that many operations of the behaviour were acked
      since the previous fault of the list took effect, and, with `unreplicated`, while no replica
      of the shard has them.
    * `replica_lag_bytes`: once the slowest replica is further behind than that.
    """

    after_s: float | None = None
    event: str | None = None
    offset_s: float = 0.0
    acked: str | None = None
    times: int = 1
    unreplicated: bool = False
    replica_lag_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultStep:
    number: int
    """1-based position in the file."""
    kind: str
    target: str
    """Symbolic (`primary`, `shard 2 primary`, `killed`, `web-1`, ...); resolved at injection."""
    start: Start
    for_s: float | None = None
    """`for:`; heal this long after the effect. None: healed at the end of the run (or never needs it)."""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    traits: tuple[Trait, ...] = ()
    """Of its kind, as declared."""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """`factor * setting` in a bound, or a plain number when `setting` is None."""

    factor: float
    setting: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """`metric(arguments) [in phase] [on group] [with engine]: comparison bound`.

    Metrics: every finding name (a count) · outage(kind) longest window and downtime(kind) their
    sum, s (`surviving write` is a kind there) · latency(kind, pNN), s · acked(x) rejected(x) unknown(x)
    not_sent(x) counts, x a behaviour of the mix, else a kind · share(finding), % of what could have had
    it · loss window, s from the first fault's effect to the last lost acked write · failovers (promotions
    seen) · evicted keys ·
    at risk (sessions). Times are held in seconds, shares in percent.
    """

    text: str
    metric: str
    arguments: tuple[str, ...] = ()
    phase: Phase | None = None
    on: str | None = None
    """`web-1`, `shard 2`, `sessions`, `cache`; None: everything."""
    engine: str | None = None
    """`Redis < 7.2`, `Valkey`: not expected of any other engine; None: holds for all."""
    comparison: str = "=="
    bound: tuple[Term, ...] = ()
    unit: str = ""
    timing: bool = False
    """It bounds a time from above, so what it measures on a late machine may be the machine's."""
    line: int = 0

    @property
    def allows_anything(self) -> bool:
        """`>= 0`: it only says that this may happen."""
        return self.comparison == ">=" and not any(term.setting or term.factor for term in self.bound)

    @property
    def demands(self) -> bool:
        """Whether it would be unmet if nothing at all had happened. That sessions were at risk, and that
        something was acked, is so in every run that could show anything."""
        if self.metric in {"at risk", "acked"}:
            return False
        of_settings = any(term.setting for term in self.bound)
        least = sum(term.factor for term in self.bound)
        if self.comparison == ">":
            return of_settings or least >= 0
        return self.comparison in {">=", "=="} and (of_settings or least > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    file: str
    name: str
    shows: Shows
    tags: tuple[str, ...]
    about: str
    """Why it matters, one or two sentences."""
    advice: str
    """The setting that governs the outcome, and what to change."""
    bugs: tuple[str, ...] = ()
    """Reports of what it shows, as `redis/redis#12762`."""
    engines: str = ""
    """On which engines it happens, and which one mended it first, for people."""
    prevented_by: str = ""
    """The shipped scenario beside it in which the same fault does no harm: `sentinel/05`; empty: none is
    known."""
    deployment: Deployment
    fits: tuple[str, ...] = ()
    """Names of further topologies (kinds) this scenario may run against; empty: only its own."""
    workload: Workload
    faults: tuple[FaultStep, ...]
    duration_s: float | None = None
    """None: until settled."""
    settle_within_s: float = 45.0
    audit_expiry: bool = False
    """True: the scenario tests expiry, so an idle timeout may run out before the audit ends."""
    expect: tuple[Expectation, ...] = ()
    exclusive: bool = False
    """Measures short times: runs alone."""
    misfit: str = ""
    """Why it cannot run on the engine that was asked for; empty: nothing speaks against it."""

    def faults_with(self, *traits: Trait) -> dict[int, FaultStep]:
        """The faults that have any of these traits, by number."""
        return {step.number: step for step in self.faults if not set(traits).isdisjoint(step.traits)}
