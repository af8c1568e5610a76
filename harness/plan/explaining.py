"""What should happen in a run, second by second, and why: said from the plan and the timings of detectors.

No sentence in here belongs to one scenario. What a fault is comes from its traits and its declaration, when
somebody notices from the topology's settings. Trap: these are expectations and no measurement; the steps of
each failover in a report are what happened.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from textwrap import fill

from harness.model.fit import LEFT_BY
from harness.model.inventory import SHUTDOWN_TIMEOUT_S, NodePlan
from harness.model.persistence import LOG, NOTHING, SNAPSHOT, persistence, setting
from harness.model.plan import Plan
from harness.model.scenario import FaultStep, Vocabulary
from harness.model.words import Discovery, NodePurpose, NodeRole, Trait
from harness.plan.describing import options_of
from harness.plan.timeline import DEMOTION_S, Expected, Pace, expected_faults, latest_end_s

_WIDTH = 110
_VOTES_S = 1.5
"""From suspicion to promotion: sentinels wait up to a second by chance before they ask for votes."""
_MIN_REPLICAS_S = 1.0
_REPLICA_FOR_S = 20.0
"""Sentinels bear a primary that says it is a replica for two of their intervals for INFO."""
_MIGRATES_S = 8.0
"""A replica changes its shard some seconds after the other one has lost its last."""
_NOTHING = "nothing"
_TILT_AFTER_S = 2.0
"""A sentinel whose timer is later than that does not believe what it sees."""
_AS_A_GUEST = "it is a guest with a client of its own: only the run shows it"


@dataclass(frozen=True, slots=True, order=True)
class _Line:
    at_s: float
    order: int
    what: str
    why: str


def explain(plan: Plan, vocabulary: Vocabulary) -> str:
    """The course of one run, for people."""
    scenario = plan.scenario
    lines = [_Line(0.0, 0, f"traffic of {scenario.workload.rate_per_s:g}/s begins: the baseline", "")]
    faults = expected_faults(scenario, plan.inventory)
    if plan.inventory.clustered and scenario.deployment.client.discovery is Discovery.FIXED_ADDRESS:
        refused = "whatever belongs to another node is refused with MOVED"
        lines.append(_Line(0.0, 1, refused, "clients know one address and no slots"))
    course = _Course(plan, vocabulary)
    for fault in faults:
        lines += course.of(fault, [one for one in faults if one is not fault])
    end_s = latest_end_s(scenario, plan.inventory)
    lines.append(
        _Line(
            end_s,
            9,
            "the audit has ended by now, as a rule long before",
            f"recovery may take up to {scenario.settle_within_s:g} s",
        )
    )
    return "\n".join((f"{scenario.name} ({scenario.shows}; {scenario.file})", *_about(plan), *_told(lines)))


def _told(lines: list[_Line]) -> Iterator[str]:
    yield ""
    for line in sorted(lines):
        yield f"  ~{line.at_s:>5.1f} s  {line.what}"
        if line.why:
            yield f"            because {line.why}"


def _about(plan: Plan) -> Iterator[str]:
    scenario = plan.scenario
    for title, text in (
        ("what", scenario.about),
        ("reports", ", ".join(scenario.bugs)),
        ("engines", scenario.engines),
        ("advice", scenario.advice),
        ("prevented", f"compare {scenario.prevented_by}" if scenario.prevented_by else ""),
        ("expected", "; ".join(one.text for one in scenario.expect) or "no findings at all"),
    ):
        if text:
            yield fill(text, _WIDTH, initial_indent=f"  {title:<10} ", subsequent_indent=" " * 13)


class _Course:
    """What follows from each fault of one plan."""

    def __init__(self, plan: Plan, vocabulary: Vocabulary) -> None:
        self._plan = plan
        self._topology = plan.scenario.deployment.topology
        self._pace = Pace(self._topology, plan.inventory)
        self._vocabulary = vocabulary

    def of(self, fault: Expected, others: Sequence[Expected]) -> Iterator[_Line]:
        step, at_s = fault.step, fault.start_s
        struck = f"fault {step.number}: {' '.join(filter(None, (step.kind, step.target)))}"
        said = ", ".join((struck, *options_of(step, self._vocabulary)))
        declared = self._vocabulary.faults.get(step.kind)
        yield _Line(at_s, 1, f"{said} ({declared.help.rstrip('.')})" if declared else said, "")
        if self._silent(step):
            yield _Line(at_s, 2, *self._unanswered(step))
        yield from self._of_its_data(fault)
        if Trait.FILLS_MEMORY in step.traits:
            yield _Line(at_s, 2, *self._full(step))
        if lasts_s := self._stop_lasts_s(fault, others):
            what = "the node has ended by now, and refused writes meanwhile"
            why = f"since Redis 7.0 it waits for replicas that are behind; shutdown-timeout is {lasts_s:g} s"
            yield _Line(at_s + lasts_s, 3, what, why)
        if Trait.HANDS_OVER in step.traits:
            yield from self._handed_over(fault)
        elif self._hands_over_at_its_end(step):
            why = "the primary hands over before it ends (shutdown-on-sigterm failover)"
            yield _Line(at_s + 0.5, 4, "a replica is promoted", why)
            yield _Line(at_s + 0.5, 5, *self._clients())
        elif self._takes_primary(fault):
            unnoticed = self._full_volume_unnoticed() if Trait.FILLS_VOLUME in step.traits else None
            if unnoticed:
                yield _Line(at_s, 2, *unnoticed)
            else:
                yield from self._failover(fault, others)
        if fault.healed_s is not None:
            yield from self._healed(fault, others)

    def _silent(self, step: FaultStep) -> bool:
        """Whether a primary no longer answers those who ask it for sessions, and no connection is closed."""
        if not _strikes_primary(step):
            return False
        cut = Trait.CUTS_LINKS in step.traits and Trait.CUTS_REPLICATION not in step.traits
        dropped = cut and step.options.get("by", "drop") == "drop"
        asked = _takes(step, {"clients", "everybody", *self._plan.web_servers})
        return Trait.FREEZES_PROCESS in step.traits or (dropped and asked)

    def _unanswered(self, step: FaultStep) -> tuple[str, str]:
        if self._plan.scenario.deployment.guest is not None:
            return "requests that ask it wait for as long as the application lets them", _AS_A_GUEST
        timeout_s = self._plan.scenario.deployment.client.socket_timeout_s
        if step.for_s is not None and step.for_s < timeout_s:
            return "requests to it wait until it answers", f"socket_timeout is {timeout_s:g} s, and longer"
        return (
            f"requests to it end unanswered after {timeout_s:g} s each",
            f"socket_timeout is {timeout_s:g} s",
        )

    def _takes_primary(self, fault: Expected) -> bool:
        """Whether somebody must take the place of a primary that it strikes."""
        step = fault.step
        if Trait.CAUSES_FAILOVER not in step.traits or Trait.STARTS_PROCESS in step.traits:
            return False
        if not _strikes_primary(step) or self._unseen(step) or self._hands_over_at_its_end(step):
            return False
        return step.for_s is None or step.for_s > self._suspicion_s(step)

    def _suspicion_s(self, step: FaultStep) -> float:
        """A primary that answers and says that it is a replica is suspected later."""
        late_s = _REPLICA_FOR_S if Trait.UNASKED in step.traits and self._plan.sentinels() else 0.0
        return self._pace.suspicion_s + late_s

    def _unseen(self, step: FaultStep) -> bool:
        """Whether a fault of links leaves those alone who decide on a failover, or hardly delays them."""
        if float(step.options.get("delay", 0.0)) >= self._pace.suspicion_s:
            return False
        if "from" not in step.options:
            return False
        if "delay" in step.options:
            return True
        decide = {"nodes", "everybody", *(() if self._plan.inventory.clustered else ("sentinels",))}
        return not _takes(step, decide, port="bus" if self._plan.inventory.clustered else "data")

    def _full_volume_unnoticed(self) -> tuple[str, str] | None:
        """What becomes of a node that nobody replaces although its volume is full; None: it is replaced."""
        node = self._first_primary()
        kept = persistence(node)
        if kept == NOTHING:
            return "the node answers as before", "it keeps no data on disk"
        ends = kept == LOG and setting(node, "appendfsync", "everysec") == "always"
        if not self._plan.inventory.fails_over and not ends:
            return "the node refuses writes", "nobody is there who could replace it"
        if self._plan.inventory.clustered and not ends:
            return (
                "the node refuses writes, and no replica takes its place",
                "it still answers the other nodes; it ends where it has to note a change of the cluster",
            )
        return None

    def _failover(self, fault: Expected, others: Sequence[Expected]) -> Iterator[_Line]:
        at_s = fault.start_s
        if not self._plan.inventory.fails_over:
            yield _Line(at_s, 2, "no replica takes its place", "there are neither sentinels nor a cluster")
            return
        noticed_s = at_s + self._suspicion_s(fault.step)
        setting = "node_timeout" if self._plan.inventory.clustered else "down_after"
        shard = re.match(r"shard \d+", fault.step.target)
        whom = "the other nodes" if self._plan.inventory.clustered else "sentinels"
        whom += " suspect the primary" + (f" of {shard[0]}" if shard else "")
        why = f"{setting} is {self._pace.suspicion_s:g} s"
        if Trait.UNASKED in fault.step.traits:
            why += f", and it has said for {_REPLICA_FOR_S:g} s more that it is a replica"
        yield _Line(noticed_s, 3, whom, why)
        if reason := self._why_nobody(fault, others):
            yield _Line(noticed_s + _VOTES_S, 4, "nobody is promoted", reason)
            return
        promoted_s = self._promoted_s(fault)
        yield _Line(promoted_s, 4, "a replica is promoted", self._why_promoted())
        yield _Line(promoted_s, 5, *self._clients())

    def _promoted_s(self, fault: Expected) -> float:
        step = fault.step
        late_s = self._suspicion_s(step) - self._pace.suspicion_s
        return fault.start_s + self._pace.promotion_s(step) + late_s

    def _why_promoted(self) -> str:
        if self._plan.inventory.clustered:
            return "the majority of primaries votes for it"
        total = len(self._plan.sentinels())
        quorum = self._topology.effective_quorum
        return f"{quorum} of {total} sentinels agree, and {total // 2 + 1} elect the one that promotes it"

    def _why_nobody(self, fault: Expected, others: Sequence[Expected]) -> str:
        """Why a failover that is due does not come; empty: it does."""
        by_s = fault.start_s + self._pace.suspicion_s
        struck = [one for one in others if one.start_s <= by_s]
        if fault.step.target == "everything":
            struck.append(fault)
        gone = sum(map(self._voters_down, struck)) + (1 if self._plan.inventory.clustered else 0)
        voters = (
            self._plan.inventory.shards if self._plan.inventory.clustered else len(self._plan.sentinels())
        )
        if voters - gone < voters // 2 + 1:
            return f"{voters - gone} of {voters} voters are left, and a majority is {voters // 2 + 1}"
        replicas = [node for node in self._plan.inventory.session_nodes() if node.role is NodeRole.REPLICA]
        if not replicas:
            return "there is no replica"
        if all(node.setting("replica-priority", "100") == "0" for node in replicas):
            return "every replica has replica-priority 0"
        if any(node.setting("rename-command", "").upper().startswith("CONFIG") for node in replicas):
            return "CONFIG has another name, and a promotion needs it"
        if self._topology.one_sentinel_id:
            return "all sentinels have one id, so none of them knows another that agrees"
        if self._topology.given_shard_ids:
            return "the others take its replica for a primary without slots, where ids of shards were given"
        if any(map(_in_tilt, struck)):
            still = f"sentinels that stood still for longer than {_TILT_AFTER_S:g} s"
            return f"{still} act on nothing for 30 s (TILT)"
        return self._no_replica_left(fault, struck)

    def _no_replica_left(self, fault: Expected, struck: Sequence[Expected]) -> str:
        """Where every replica of the shard was stopped as well; empty: one is left."""
        shard = _shard_of(fault.step.target)
        replicas = len(self._plan.inventory.session_nodes(shard)) - 1
        gone = sum(
            replicas if one.step.target == "all replicas" else 1
            for one in struck
            if Trait.STOPS_PROCESS in one.step.traits
            and one.healed_s is None
            and one.step.target.split()[-1] in {"replica", "replicas"}
            and _shard_of(one.step.target) == shard
        )
        if not replicas or gone < replicas or self._migrates(fault, struck):
            return ""
        return "every replica that it had is down"

    def _migrates(self, fault: Expected, struck: Sequence[Expected]) -> bool:
        """Whether a replica of another shard, which has two, comes before the primary is struck."""
        in_time = all(one.start_s + _MIGRATES_S <= fault.start_s for one in struck)
        to_spare = self._plan.inventory.clustered and self._plan.inventory.replicas_of_a_shard > 1
        stays = setting(self._first_primary(), "cluster-allow-replica-migration", "yes") == "no"
        return to_spare and in_time and not stays

    def _voters_down(self, fault: Expected) -> int:
        step = fault.step
        lasts = Trait.STOPS_PROCESS in step.traits or Trait.FREEZES_PROCESS in step.traits
        if not lasts or fault.healed_s is not None:
            return 0
        voters = (
            self._plan.inventory.shards if self._plan.inventory.clustered else len(self._plan.sentinels())
        )
        shares = {
            "all sentinels": voters,
            "everything": voters,
            "sentinel": 1,
            "majority": voters // 2 + 1,
            "minority": (voters - 1) // 2,
        }
        is_primary = self._plan.inventory.clustered and "primary" in step.target.split()
        return shares.get(step.target, 1 if is_primary else 0)

    def _clients(self) -> tuple[str, str]:
        if self._plan.scenario.deployment.guest is not None:
            return "the application finds the new primary, or does not", _AS_A_GUEST
        client = self._plan.scenario.deployment.client
        wait = f"a request waits for at most {self._plan.longest_client_wait_s:.1f} s"
        put_off = self._put_off()
        if self._plan.inventory.clustered:
            return "clients find the new primary", f"they learn the slots again after an error; {wait}"
        return {
            Discovery.ON_ERROR: (
                "clients can find the new primary" if put_off else "clients find the new primary",
                f"they ask the sentinels again after an error{put_off}; {wait}",
            ),
            Discovery.FOLLOW_EVENTS: ("clients find the new primary", f"sentinels announce it; {wait}"),
            Discovery.THROUGH_PROXY: (
                "clients find the new primary",
                f"the proxy checks which node is primary; {wait}",
            ),
        }.get(
            client.discovery,
            ("clients do not find the new primary", f"their discovery is {client.discovery}"),
        )

    def _put_off(self) -> str:
        retries = self._plan.scenario.deployment.client.library_retries
        if not retries:
            return ""
        return (
            f", which {retries} retries of the library may put off: some versions dial the same address again"
        )

    def _handed_over(self, fault: Expected) -> Iterator[_Line]:
        step, at_s = fault.step, fault.start_s
        yield _Line(
            at_s + 0.5, 4, "a replica is promoted", "an operator asked for it, so no time-out has to expire"
        )
        if Trait.STEPS_BACK in step.traits:
            forced = step.options.get("force")
            yield _Line(
                at_s + 0.5,
                5,
                "the old primary follows the new one",
                "it steps back after its time-out, whatever the replica lacks then"
                if forced
                else "it stops writes until the replica has everything, and hands over then",
            )
        if Trait.UNASKED in step.traits and self._plan.sentinels():
            refused = "clients are sent to the old primary, and their writes are refused"
            yield _Line(at_s + 0.5, 6, refused, "no sentinel was asked, and they go on naming it")
            noticed_s = at_s + self._suspicion_s(step)
            why = f"it has said for {_REPLICA_FOR_S:g} s and down_after that it is a replica"
            yield _Line(noticed_s, 7, "sentinels suspect the old primary, and promote a replica anew", why)
        elif Trait.STEPS_BACK not in step.traits and self._plan.sentinels():
            yield _Line(
                at_s + DEMOTION_S,
                6,
                "by now the old primary follows the new one",
                "sentinels look at roles every 10 s; what it confirmed since the promotion is discarded",
            )

    def _healed(self, fault: Expected, others: Sequence[Expected]) -> Iterator[_Line]:
        assert fault.healed_s is not None, "asked before"
        at_s, step = fault.healed_s + self._stop_lasts_s(fault, others), fault.step
        yield _Line(at_s, 6, f"fault {step.number} is healed", f"it lasts {step.for_s:g} s")
        if Trait.STOPS_PROCESS in step.traits and _strikes_primary(step):
            node = self._first_primary()
            kept, why = _kept(node, step), _why_kept(node, step)
            if Trait.FORGETS_UNSYNCED in step.traits and persistence(node) == LOG:
                sync = setting(node, "appendfsync", "everysec")
                if sync != "always":
                    kept, why = "what was on the disk", f"appendfsync is {sync}"
            yield _Line(at_s, 7, f"the node comes back with {kept}", why)
        replaced = self._takes_primary(fault) and not self._why_nobody(fault, others)
        if replaced and self._plan.sentinels() and Trait.HANDS_OVER not in step.traits:
            yield _Line(
                max(at_s + self._pace.recovery_s(step), self._promoted_s(fault) + DEMOTION_S),
                7,
                "by now the old primary follows the new one",
                "sentinels look at roles every 10 s; what only the old one has is discarded",
            )

    def _of_its_data(self, fault: Expected) -> Iterator[_Line]:
        step, at_s = fault.step, fault.start_s
        if Trait.STARTS_PROCESS in step.traits and LEFT_BY.get(step.target) is not Trait.STOPS_PROCESS:
            node = self._first_primary()
            yield _Line(at_s + 0.1, 2, f"the node comes back with {_kept(node, step)}", _why_kept(node, step))
            has_replicas = bool(self._plan.inventory.replicas_of_a_shard)
            if "replica" in step.target:
                yield _Line(at_s + 0.1, 3, "the node copies its primary", "it is a replica")
            elif has_replicas and _strikes_primary(step) and _kept(node, step) == _NOTHING:
                why = "they follow whoever is primary, and nobody was promoted so soon"
                yield _Line(at_s + 0.1, 3, "its replicas copy that", why)
        if self._cuts_replication(step):
            yield from self._min_replicas(at_s)
        if self._unseen(step) and _strikes_primary(step) and self._plan.inventory.fails_over:
            who = "the other primaries" if self._plan.inventory.clustered else "sentinels"
            yield _Line(at_s, 3, "nobody takes the place of the primary", f"{who} reach it in time")
        yield from self._waits(step, at_s)

    def _hands_over_at_its_end(self, step: FaultStep) -> bool:
        """Only a cluster does: elsewhere the server takes the word and does nothing about it."""
        inventory = self._plan.inventory
        asked = setting(self._first_primary(), "shutdown-on-sigterm", "")
        can = inventory.clustered and inventory.replicas_of_a_shard > 0
        return _orderly(step) and "failover" in asked and can

    def _stop_lasts_s(self, fault: Expected, others: Sequence[Expected]) -> float:
        """An orderly stop of a primary whose replicas are behind takes so long (since Redis 7.0)."""
        behind = any(
            self._cuts_replication(one.step)
            and one.start_s <= fault.start_s
            and (one.healed_s is None or one.healed_s > fault.start_s)
            for one in others
        )
        waits = behind and _orderly(fault.step)
        return self._first_primary().number("shutdown-timeout", SHUTDOWN_TIMEOUT_S) if waits else 0.0

    def _cuts_replication(self, step: FaultStep) -> bool:
        """Whether no replica of a primary gets anything from it."""
        if Trait.CUTS_REPLICATION in step.traits:
            return True
        struck = _strikes_primary(step) or step.target == "all replicas"
        takes_data = _takes(step, {"replicas", "nodes", "everybody"})
        return Trait.CUTS_LINKS in step.traits and takes_data and struck

    def _waits(self, step: FaultStep, at_s: float) -> Iterator[_Line]:
        """Where a client asks for more replicas than the fault leaves."""
        client, taken = self._plan.scenario.deployment.client, 0
        replicas = self._plan.inventory.replicas_of_a_shard
        if step.target in {"replica", "all replicas"} and {
            Trait.STOPS_PROCESS,
            Trait.FREEZES_PROCESS,
            Trait.CUTS_LINKS,
        } & set(step.traits):
            taken = 1 if step.target == "replica" else replicas
        if self._cuts_replication(step):
            taken = replicas
        if taken and replicas - taken < client.wait_replicas:
            what = f"every write waits {client.wait_timeout_s:g} s for replicas in vain"
            yield _Line(at_s, 4, what, f"WAIT asks for {client.wait_replicas}, and {replicas - taken} answer")

    def _full(self, step: FaultStep) -> tuple[str, str]:
        """What a node does that is full, by its policy and by who has a time to live."""
        inventory, workload = self._plan.inventory, self._plan.scenario.workload
        cache = inventory.cache
        node = cache if step.target == "cache" and cache is not None else self._first_primary()
        policy = setting(node, "maxmemory-policy", "noeviction")
        why = f"maxmemory-policy is {policy}"
        if setting(node, "maxmemory", "0") == "0":
            return "memory grows", "there is no maxmemory"
        if node.purpose is NodePurpose.CACHE and workload.kept_with_cache:
            does = "refuses to count" if policy == "noeviction" else "evicts what is counted there, too"
            return f"once it is full it {does}; no session is touched", why
        if node.purpose is NodePurpose.CACHE:
            return "no session is touched", "the cache has an instance of its own"
        if policy == "noeviction":
            return "once it is full it refuses writes", why
        if not policy.startswith("volatile-"):
            return "once it is full it evicts keys of both, cache and sessions", why
        ttl_s, idle_s = float(step.options.get("ttl", 0.0)), workload.idle_timeout_s
        if not ttl_s and idle_s is None:
            return "once it is full it refuses writes", f"{why}, and nothing has a time to live"
        if not ttl_s or idle_s is None:
            whose = (
                "sessions, and nothing of the cache" if idle_s is not None else "the cache, and no session"
            )
            return f"once it is full it evicts {whose}", f"{why}, and only these have a time to live"
        if policy == "volatile-ttl":
            first = "the cache" if ttl_s < idle_s else "sessions"
            return f"once it is full it evicts {first} first", f"{why}, and these end sooner"
        return (
            "once it is full it evicts keys of both, cache and sessions",
            f"{why}, and both have a time to live",
        )

    def _min_replicas(self, at_s: float) -> Iterator[_Line]:
        node = self._first_primary()
        if not node.number("min-replicas-to-write", 0):
            yield _Line(at_s, 2, "the primary goes on confirming writes", "min-replicas-to-write is 0")
            return
        lag_s = node.number("min-replicas-max-lag", 10)
        yield _Line(
            at_s + lag_s + _MIN_REPLICAS_S,
            3,
            "the primary refuses writes",
            f"min-replicas-max-lag is {lag_s:g} s",
        )

    def _first_primary(self) -> NodePlan:
        return next(node for node in self._plan.data_nodes() if node.role is NodeRole.PRIMARY)


def _takes(step: FaultStep, groups: Collection[str], *, port: str = "data") -> bool:
    """Whether a fault of links is about connections of one of these groups to this port."""
    group = step.options.get("from", "everybody")
    return group in groups and step.options.get("port", "all") in {"all", port}


def _orderly(step: FaultStep) -> bool:
    """A stop that the node hears of."""
    stops = Trait.STOPS_PROCESS in step.traits and Trait.ENDS_UNWARNED not in step.traits
    return stops and _strikes_primary(step) and step.target != "everything"


def _log_is_new(node: NodePlan, step: FaultStep) -> bool:
    """Whether it is started with an append-only file for the first time."""
    given = str(step.options.get("redis", "")).lower().replace('"', "").splitlines()
    return persistence(node) != LOG and "appendonly yes" in given


def _kept(node: NodePlan, step: FaultStep) -> str:
    if step.options.get("data") == "empty" or _log_is_new(node, step):
        return _NOTHING
    return {LOG: "everything", SNAPSHOT: "its last snapshot"}.get(persistence(node), _NOTHING)


def _why_kept(node: NodePlan, step: FaultStep) -> str:
    if step.options.get("data") == "empty":
        return "the fault wipes its directory"
    if _log_is_new(node, step):
        return "it is told to read an append-only file, and has none yet (since Redis 7.0)"
    return {LOG: "it has an append-only file", SNAPSHOT: "it has save points and no append-only file"}.get(
        persistence(node), "it keeps nothing on disk, unless a snapshot was saved by hand"
    )


def _strikes_primary(step: FaultStep) -> bool:
    words = set(step.target.split())
    return bool({"primary", "everything"} & words) and "old" not in words


def _in_tilt(fault: Expected) -> bool:
    step = fault.step
    frozen = Trait.FREEZES_PROCESS in step.traits and step.target in {"all sentinels", "majority"}
    return frozen and step.for_s is not None and step.for_s > _TILT_AFTER_S


def _shard_of(target: str) -> int:
    found = re.match(r"shard (\d+) ", target)
    return int(found[1]) if found else 1
