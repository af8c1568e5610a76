"""What really became of every write of a run, told by what the nodes executed: the judge of the judges.

Reads the nodes' MONITOR lines (`lab.oracle.monitor`) and their logs, ties every attempt to its execution by
its connection's local port, and follows the data from primary to primary. Shares nothing with
`harness.checks`: it takes no sample, no event and no cause from there, only which operation a finding
is about, who saw it, and when.

Trap: an execution may be missing where MONITOR had a gap. An acked attempt was executed all the same,
somewhere between sent and done; then that interval stands for the moment.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from harness.model.attempt_results import REPLY, is_answer
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import Attempt, Connection, Operation, Step
from harness.model.words import BackendKind, Cause, NodeRole, StepKind

NEAR_S = 0.15
"""`at promotion` is right if the execution was this close to the promotion; the nodes are asked three
times in that time."""
CLOCK_S = 0.002
"""Logs are written to a millisecond."""
LONGEST_KEY = 100
TOUCHED_S = 0.05
"""Deadlines of two touches of one session further apart than this are different ones."""

_LINE = re.compile(rb"(\d+\.\d+) \[(\d+) ([^\]]+)\] (.*)")
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_LOGGED = re.compile(r"^\d+:\w (\d+ \w+ \d+ [\d:.]+) \S (.*)$")

Says = Callable[["Executed"], bool]


@dataclass(frozen=True, slots=True)
class Executed:
    """One command as a node executed it. `t` is Unix time in seconds."""

    t: float
    database: int
    address: str
    """`host:port` of the client, or of the primary whose stream it came by; `lua`: from a script."""
    words: tuple[str, ...]


@dataclass(slots=True)
class Node:
    """What one node executed, and what its log says became of it."""

    name: str
    born: list[tuple[float, bool]] = field(default_factory=list)
    """When a process began, and whether it loaded data."""
    promoted: list[float] = field(default_factory=list)
    copied: list[float] = field(default_factory=list)
    """When it began to copy its primary's whole data."""
    by_key: dict[str, list[Executed]] = field(default_factory=lambda: defaultdict(list))
    by_port: dict[str, list[Executed]] = field(default_factory=lambda: defaultdict(list))

    def did(self, key: str, says: Says, since: float, until: float) -> Executed | None:
        return next((one for one in self.by_key[key] if since <= one.t <= until and says(one)), None)

    def got(self, key: str, says: Says, since: float, until: float) -> float | None:
        """When it last executed this between these moments, or began to copy a primary that had."""
        copied = [t for t in self.copied if since < t < until]
        did = (one.t for one in self.by_key[key] if since - CLOCK_S <= one.t <= until + CLOCK_S and says(one))
        return max([*copied, *did], default=None)

    def from_port(self, port: int | None, since: float, until: float) -> Iterable[Executed]:
        lines = self.by_port[str(port)]
        for one in lines[bisect_left(lines, since, key=lambda line: line.t) :]:
            if one.t > until:
                return
            yield one


@dataclass(frozen=True, slots=True)
class Truth:
    cause: Cause | None
    """None: nothing that was executed decides it."""
    why: str
    promotion: float | None = None
    at: tuple[float, float] | None = None
    """When it was executed."""

    def verdict(self, cause: Cause) -> str:
        """`right`, `not determined` or `wrong`."""
        if cause is Cause.NOT_DETERMINED:
            return "not determined"
        if cause is Cause.AT_PROMOTION and self.promotion is not None and self.at is not None:
            near = self.at[0] - NEAR_S <= self.promotion <= self.at[1] + NEAR_S
            return "right" if near else "wrong"
        return "right" if cause is self.cause else "wrong"


class Oracle:
    def __init__(self, history: History, folder: Path) -> None:
        self._history = history
        self._began = history.opening.started_wall_us / 1e6
        self._operations = {one.id: one for one in history.operations}
        self._connections = {one.id: one for one in history.connections}
        plan = history.plan
        zone = UTC if history.opening.backend == BackendKind.DOCKER else None
        self.nodes = {one.name: read_node(one.name, folder, zone) for one in plan.data_nodes()}
        self._shard = {one.name: one.shard for one in plan.data_nodes()}
        self._owners: dict[int, list[tuple[float, str]]] = defaultdict(list)
        for one in plan.data_nodes():
            if one.role is NodeRole.PRIMARY:
                self._owners[one.shard].append((0.0, one.name))
        for node in self.nodes.values():
            self._owners[self._shard[node.name]] += [(t, node.name) for t in node.promoted if t > self._began]
        for owners in self._owners.values():
            owners.sort()

    def truth(self, found: Finding) -> Truth | None:
        """The true cause of a finding; None: this oracle does not judge findings of that name."""
        judge = _JUDGES.get(found.name)
        return None if judge is None else judge(self, found)

    # Findings.

    def lost(self, found: Finding) -> Truth:
        """An acked change is gone: where it was executed, and what became of that node's data."""
        operation = self._operations[found.operations[0]]
        step = _step_of(found, operation)
        if step is None:
            return Truth(None, "the operation has no step of that kind")
        return self._lost(operation, step, self._looked(found))

    def out_of_date(self, found: Finding) -> Truth:
        """Who answered, and what it was then."""
        return self._answered(found, self._operations[found.operations[-1]])

    def undone(self, found: Finding) -> Truth:
        """A logout did not hold: it was lost, or a node that had not heard of it answered."""
        operation = self._operations[found.operations[0]]
        step = _step_of(found, operation)
        if step is None:
            return Truth(None, "the logout has no deleting step")
        if step.effective is False:
            return self._answered(found, operation)
        if len(found.operations) > 1:
            seen = self._operations[found.operations[-1]]
            answer = self._answered(found, seen)
            here = self._node_of(seen, found.shard)
            if answer.cause is not None and here != self._node_of(operation, found.shard):
                return answer
        return self._lost(operation, step, self._looked(found))

    def refused(self, found: Finding) -> Truth:
        """No log-in of the window was executed anywhere; the settings leave one reason to refuse them."""
        for number in found.operations:
            key = self._operations[number].key
            if any(
                one.words[0].lower() == "hset" for node in self.nodes.values() for one in node.by_key[key]
            ):
                return Truth(None, f"operation {number} was executed")
        redis = self._history.plan.scenario.deployment.topology.redis
        if "min-replicas-to-write" in redis:
            return Truth(Cause.TOO_FEW_REPLICAS, "none was executed by a primary that asks for replicas")
        if "maxmemory" in redis and redis.get("maxmemory-policy", "noeviction") == "noeviction":
            return Truth(Cause.OUT_OF_MEMORY, "none was executed by the full node")
        return Truth(None, "none was executed")

    def _looked(self, found: Finding) -> tuple[float, float]:
        """Between which moments somebody looked: the attempt that was answered, not those before it."""
        seen = found.seen_us or 0
        if len(found.operations) > 1:
            for attempt, _ in self._attempts(self._operations[found.operations[-1]], found.shard):
                if attempt.result == REPLY and attempt.done_us is not None and attempt.sent_us <= seen:
                    return self._unix(attempt.sent_us), self._unix(seen)
        return self._unix(seen), self._unix(seen)

    # Where the data went.

    def _lost(self, operation: Operation, step: Step, looked: tuple[float, float]) -> Truth:
        where = self._execution(operation, step)
        if where is None:
            return Truth(None, "no acked attempt on a known connection")
        node, since, until = where
        shard = self._shard[node]
        says = _mark(step, until)
        holder, at, first = node, until, True
        asked, seen = looked
        position = self._held(shard, node, until)
        while True:
            following = self._next(shard, holder, position)
            over = seen if following is None else min(seen, self._owners[shard][following][0])
            if (end := self._emptied(holder, at, over)) is not None:
                return Truth(end[0], end[1], at=(since, until))
            if following is None or self._owners[shard][following][0] > seen + CLOCK_S:
                if self._evicted(holder, step, since, asked):
                    return Truth(Cause.EVICTED, f"{holder} kept it and nobody removed it", at=(since, until))
                return Truth(None, f"{holder} executed it and stayed primary", at=(since, until))
            promotion, heir = self._owners[shard][following]
            got = self.nodes[heir].got(step.key, says, since, promotion)
            if got is None:
                return self._by_promotion(node, heir, promotion, (since, until), first=first)
            if self._emptied(heir, got, promotion) is not None:
                why = f"{heir} had it, and came back without its data before it was promoted"
                return Truth(Cause.NEW_PRIMARY_RESTARTED, why, promotion, (since, until))
            holder, at, position, first = heir, promotion, following, False

    def _by_promotion(
        self, node: str, heir: str, promotion: float, at: tuple[float, float], *, first: bool
    ) -> Truth:
        def told(cause: Cause | None) -> Truth:
            when = at[0] - promotion
            return Truth(cause, f"{node} executed it {when:+.3f} s from {heir}'s promotion", promotion, at)

        if not first or at[1] < promotion - CLOCK_S:
            return told(Cause.NOT_YET_REPLICATED)
        if at[0] > promotion + CLOCK_S:
            return told(Cause.SPLIT_BRAIN)
        return told(Cause.AT_PROMOTION)

    def _held(self, shard: int, node: str, at: float) -> int:
        """Since which turn of the shard's primaries the node calls itself one."""
        mine = [n for n, (t, name) in enumerate(self._owners[shard]) if name == node and t <= at + CLOCK_S]
        return mine[-1] if mine else 0

    def _next(self, shard: int, node: str, position: int) -> int | None:
        owners = self._owners[shard]
        return next((n for n in range(position + 1, len(owners)) if owners[n][1] != node), None)

    def _emptied(self, node: str, since: float, until: float) -> tuple[Cause, str] | None:
        """What emptied the node's data between these moments."""
        here = self.nodes[node]
        for t, loaded in here.born:
            if since < t <= until + CLOCK_S and not loaded:
                return Cause.RESTARTED_EMPTY, f"{node} came back without its data"
        for one in here.by_key["flushall"] + here.by_key["flushdb"]:
            if since < one.t <= until and (one.words[0].lower() == "flushall" or one.database == 0):
                return Cause.FLUSHED, f"{node} executed {one.words[0]}"
        return None

    def _evicted(self, node: str, step: Step, since: float, until: float) -> bool:
        """The node was made to evict, and nobody removed the key (or the member)."""
        policy = self._history.plan.scenario.deployment.topology.redis.get("maxmemory-policy", "noeviction")

        def removes(one: Executed) -> bool:
            verb = one.words[0].lower()
            return verb in {"del", "unlink"} or (verb == "srem" and step.member in one.words)

        removed = self.nodes[node].did(step.key, removes, since + CLOCK_S, until)
        return policy != "noeviction" and removed is None

    def _answered(self, found: Finding, operation: Operation) -> Truth:
        """What the node was that answered this operation."""
        for attempt, connection in self._attempts(operation, found.shard):
            if not is_answer(attempt.result) or attempt.done_us is None:
                continue  # an error answers one command of a pipeline; the others have replies
            since, until = self._unix(attempt.sent_us), self._unix(attempt.done_us)
            return self._standing(connection.node, since, until)
        return Truth(None, "no answered attempt on a known connection")

    def _standing(self, node: str, since: float, until: float) -> Truth:
        shard = self._shard[node]
        owners = self._owners[shard]
        if not any(name == node and t <= until + CLOCK_S for t, name in owners):
            return Truth(Cause.NOT_YET_REPLICATED, f"{node} was a replica", at=(since, until))
        following = self._next(shard, node, self._held(shard, node, until))
        if following is None or owners[following][0] > until + CLOCK_S:
            return Truth(None, f"{node} was the primary", at=(since, until))
        promotion = owners[following][0]
        cause = Cause.SPLIT_BRAIN if since > promotion + CLOCK_S else Cause.AT_PROMOTION
        why = f"{node} answered {since - promotion:+.3f} s from {owners[following][1]}'s promotion"
        return Truth(cause, why, promotion, (since, until))

    # Attempts to executions.

    def _unix(self, t_us: float) -> float:
        return self._began + t_us / 1e6

    def _attempts(self, operation: Operation, shard: int | None) -> list[tuple[Attempt, Connection]]:
        """Attempts on nodes of a shard (None: any), the last one first."""
        found = []
        for attempt in reversed(operation.attempts):
            connection = self._connections.get(attempt.connection or 0)
            if connection is None or connection.node not in self._shard:
                continue
            if shard is None or self._shard[connection.node] == shard:
                found.append((attempt, connection))
        return found

    def _node_of(self, operation: Operation, shard: int | None) -> str | None:
        answered = [c.node for a, c in self._attempts(operation, shard) if a.result == REPLY]
        return answered[0] if answered else None

    def _execution(self, operation: Operation, step: Step) -> tuple[str, float, float] | None:
        """(node, from, to): where the acked attempt of the step was executed, and when."""
        for attempt, connection in self._attempts(operation, None):
            if attempt.n not in step.attempts or attempt.result != "reply" or attempt.done_us is None:
                continue
            node = self.nodes[connection.node]
            since, until = self._unix(attempt.sent_us) - CLOCK_S, self._unix(attempt.done_us) + CLOCK_S
            for one in node.from_port(connection.local_port, since, until):
                if step.key in one.words:
                    return node.name, one.t, one.t
            says = _mark(step, until)
            if (did := node.did(step.key, says, since, until)) is not None:
                return node.name, did.t, did.t
            return node.name, since, until
        return None


def _mark(step: Step, at: float) -> Says:
    """How to recognise the effect of a step in what a replica executes."""
    key, member = step.key, step.member
    if step.witness is not None and step.does not in {StepKind.CREATE, StepKind.DESTROY}:
        return lambda one: one.words[0].lower() == "rpush" and step.witness in one.words
    if step.does is StepKind.CREATE:
        return lambda one: one.words[0].lower() == "hset" and "sid" in one.words
    if step.does is StepKind.TOUCH:
        return lambda one: _sets_deadline(one, at + (step.ttl_ms or 0) / 1000)
    if step.does is StepKind.DESTROY:
        return lambda one: one.words[0].lower() in {"del", "unlink"} and key in one.words
    if step.does is StepKind.INDEX_ADD:
        return lambda one: one.words[0].lower() == "sadd" and member in one.words
    if step.does in {StepKind.INDEX_REMOVE, StepKind.INDEX_DESTROY}:
        return lambda one: one.words[0].lower() in {"srem", "del"}
    values = {*step.wrote.values()}
    return lambda one: not values.isdisjoint(one.words)


def _sets_deadline(one: Executed, deadline: float) -> bool:
    verb = one.words[0].lower()
    if verb in {"pexpireat", "expireat"}:
        at = float(one.words[2]) / (1000 if verb == "pexpireat" else 1)
        return abs(at - deadline) < TOUCHED_S
    if verb in {"expire", "pexpire"}:
        left = float(one.words[2]) / (1000 if verb == "pexpire" else 1)
        return abs(one.t + left - deadline) < 1.0
    return False


_ABOUT = {
    "lost-session": {StepKind.CREATE},
    "evicted-session": {StepKind.CREATE},
    "lost-write": {StepKind.WRITE, StepKind.INCREMENT, StepKind.REMOVE_FIELD},
    "lost-update": {StepKind.WRITE, StepKind.INCREMENT, StepKind.REMOVE_FIELD, StepKind.CREATE},
    "expired-early": {StepKind.TOUCH, StepKind.CREATE},
    "index-drift": {StepKind.INDEX_ADD, StepKind.INDEX_REMOVE, StepKind.INDEX_DESTROY},
    "resurrected-session": {StepKind.DESTROY},
    "escaped-logout": {StepKind.DESTROY},
}

_JUDGES: dict[str, Callable[[Oracle, Finding], Truth]] = {
    **dict.fromkeys(_ABOUT, Oracle.lost),
    "resurrected-session": Oracle.undone,
    "stale-read": Oracle.out_of_date,
    "torn-state": Oracle.out_of_date,
    "refused-login": Oracle.refused,
}


def _step_of(found: Finding, operation: Operation) -> Step | None:
    """The step that the finding's promise hangs on."""
    steps = [one for one in operation.steps if one.does in _ABOUT[found.name]]
    named = [one for one in steps if (one.member or one.session) == found.session]
    return next(iter(named or steps), None)


def read_node(name: str, folder: Path, zone: tzinfo | None = None) -> Node:
    """A node from its MONITOR lines and its log. `zone`: of the log's times; None: this machine's."""
    node = Node(name)
    for line in (folder / "monitor" / f"{name}.monitor").read_bytes().split(b"\n"):
        if (match := _LINE.search(line)) is not None:
            _note(node, match)
    for said in (folder / "nodes" / f"{name}.log").read_text(errors="replace").splitlines():
        if (logged := _LOGGED.match(said)) is None:
            continue
        t = datetime.strptime(logged[1], "%d %b %Y %H:%M:%S.%f").replace(tzinfo=zone).timestamp()
        if logged[2].startswith(("MASTER MODE enabled", "Failover election won")):
            node.promoted.append(t)
        elif logged[2].startswith("Full resync from master"):
            node.copied.append(t)
        elif logged[2].startswith("Server initialized"):
            node.born.append((t, False))
        elif logged[2].startswith("DB loaded from"):
            node.born[-1] = (node.born[-1][0], True)
    return node


def _note(node: Node, match: re.Match[bytes]) -> None:
    words = tuple(one.decode(errors="replace") for one in _WORD.findall(match[4]))
    address = match[3].decode()
    one = Executed(float(match[1]), int(match[2]), address, words)
    node.by_port[address.rpartition(":")[2]].append(one)
    verb = words[0].lower()
    for word in {verb} if verb.startswith("flush") else set(words[1:]):
        if len(word) <= LONGEST_KEY:
            node.by_key[word].append(one)
