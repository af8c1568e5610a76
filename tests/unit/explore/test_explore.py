"""Random schedules of faults, and the smallest that breaks a promise."""

from __future__ import annotations

import itertools
import random
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import yaml

from harness.cli import main
from harness.cli.explore import carry_out, said, status_of, summary
from harness.errors import ExitStatus, UsageError
from harness.explore import ground as explore_ground
from harness.explore.draw import (
    FAULTS_AT_MOST,
    NOTICED_S,
    Act,
    Document,
    Space,
    acts,
    always,
    draw,
    single_faults,
    single_settings,
)
from harness.explore.exploring import IN_VAIN, TRIES, Found, _Exploration, explore
from harness.explore.fitting import Request, fitting
from harness.explore.promises import NEVER, expectations
from harness.explore.shrink import groups, without
from harness.model.results import ScenarioResult, SuiteResult
from harness.model.seams import Machine
from harness.model.words import BackendKind, TopologyKind, Verdict
from harness.run import RunRequest
from harness.running.ground import Ground
from harness.running.vocabulary import shipped
from tests.builders_results import result, suite
from tests.builders_scenario import GOOD, read
from tests.fakes import make_plan

INVENTORY = make_plan(TopologyKind.SENTINEL).inventory
SPACE = Space(
    kind="sentinel",
    own_deployment=False,
    inventory=INVENTORY,
    expect=expectations((), shipped().findings),
    vocabulary=shipped(),
    targets={
        "kill": ("primary",),
        "pause": ("primary", "replica"),
        "isolate": ("primary",),
        "slow": ("replica",),
    },
    settings=("topology.down_after", "topology.redis.appendonly", "client.wait_replicas"),
)
REPLACED_MS = 1000 * SPACE.replaced_s


ALWAYS = always(shipped())
FEW = replace(shipped(), faults={name: shipped().faults[name] for name in SPACE.targets})
"""With every fault an exploration tries hundreds of combinations first."""


def _read(file: Path) -> Document:
    found: Document = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


def drawn(seed: int, space: Space = SPACE) -> Document:
    return draw(space, random.Random(seed), "one")


def kinds(document: Document) -> list[str]:
    return [list(fault)[1] for fault in document["faults"]]


@pytest.mark.parametrize(("down_after", "lasts_s"), [("30s", (1, 64)), ("1s", (1, 10))])
def test_faults_of_a_slow_deployment_last_long_enough(
    down_after: str, lasts_s: tuple[int, int], tmp_path: Path
) -> None:
    """With the default of Sentinel nobody would ever be replaced within nine seconds."""
    text = GOOD.replace("{kind: sentinel}", f"{{kind: sentinel, down_after: {down_after}}}")
    scenario = read(tmp_path, text)
    request = Request.on(scenario.deployment, own_deployment=True, minutes=1, seed=1, vocabulary=FEW)
    space = replace(SPACE, noticed_s=max(NOTICED_S, request.noticed_s))
    assert space.lasts_s == lasts_s
    longest_ms = max(_ms(fault.get("for", "0ms")) for n in range(60) for fault in drawn(n, space)["faults"])
    assert 0.8 < longest_ms / 1000 / lasts_s[1] <= 1


def test_a_seed_repeats_a_draw() -> None:
    """And another one draws something else."""
    assert drawn(1) == drawn(1)
    assert len({str(drawn(seed)) for seed in range(20)}) == 20


def test_a_draw_is_made_of_what_is_declared() -> None:
    """Faults that fit, their targets and options, behaviours that exist; in the order of time."""
    for seed in range(200):
        document = drawn(seed)
        assert 1 <= len(document["faults"]) <= FAULTS_AT_MOST
        assert ALWAYS.items() <= document["workload"]["mix"].items()
        assert document["workload"]["mix"].keys() <= shipped().behaviours.keys()
        for fault, kind in zip(document["faults"], kinds(document), strict=True):
            assert fault[kind] in SPACE.targets[kind]
            options = {one.name for one in shipped().faults[kind].options}
            assert set(fault) - {"after", "for", kind} <= options
        starts = [int(fault["after"].removesuffix("ms")) for fault in document["faults"]]
        assert starts == sorted(starts)


def test_nobody_is_struck_while_another_fault_holds_it() -> None:
    """Such a fault has no effect, and its run decides nothing. Another node may lead after a failover, and then
    a replica is missing until the old primary is back. Without a shard the first one is meant."""
    targets = {
        "kill": ("primary", "shard 1 primary"),
        "pause": ("replica", "shard 1 replica", "all replicas"),
        "slow": ("sentinel", "shard 2 replica"),
    }
    space, pairs = replace(SPACE, targets=targets), Counter[tuple[str, str]]()
    for seed in range(300):
        faults = drawn(seed, space)["faults"]
        for earlier, later in itertools.combinations(faults, 2):
            first, second = (next(iter({"kill", "pause", "slow"} & set(one))) for one in (earlier, later))
            pairs[first, second] += 1
            over_ms = _ms(earlier["after"]) + _ms(earlier["for"])
            if (first, second) == ("kill", "pause"):
                assert _ms(later["after"]) >= max(over_ms, _ms(earlier["after"]) + REPLACED_MS)
            elif (first, second) == ("pause", "pause"):
                assert _ms(later["after"]) >= over_ms
            elif (first, second) == ("kill", "kill"):
                assert _ms(later["after"]) >= min(over_ms, _ms(earlier["after"]) + REPLACED_MS)
    assert len(pairs) == 9
    assert any(
        _ms(later["after"]) < _ms(earlier["after"]) + _ms(earlier["for"])
        for seed in range(100)
        for earlier, later in itertools.pairwise(drawn(seed, space)["faults"])
    )  # faults on others overlap


def test_nobody_takes_the_place_of_a_primary_while_the_replicas_are_held() -> None:
    """So the next fault on a primary comes when the one before is over."""
    targets = {"kill": ("primary",), "pause": ("all replicas",)}
    seen = 0
    for seed in range(300):
        faults = drawn(seed, replace(SPACE, targets=targets))["faults"]
        for replicas, one, other in zip(faults, faults[1:], faults[2:], strict=False):
            if [next(iter({"kill", "pause"} & set(each))) for each in (replicas, one, other)] == [
                "pause",
                "kill",
                "kill",
            ] and _ms(replicas["after"]) + _ms(replicas["for"]) > _ms(one["after"]):
                seen += 1
                assert _ms(other["after"]) >= _ms(one["after"]) + _ms(one["for"])
    assert seen


def test_node_that_is_cut_off_can_be_killed_before_it_is_back() -> None:
    """Most failures that cost something are two at once. A second cut of the same node changes nothing."""
    targets = {"cut replication": ("primary",), "isolate": ("primary",), "kill": ("primary",)}
    seen = Counter[tuple[str, str]]()
    for seed in range(300):
        for earlier, later in itertools.pairwise(drawn(seed, replace(SPACE, targets=targets))["faults"]):
            first, second = (next(iter(targets.keys() & set(one))) for one in (earlier, later))
            seen[first, second] += _ms(later["after"]) < _ms(earlier["after"]) + _ms(earlier["for"])
    assert seen["cut replication", "kill"] > 5
    assert seen["isolate", "kill"] > 5
    assert seen["cut replication", "isolate"] == seen["isolate", "cut replication"] == 0


def test_an_old_primary_is_there_after_a_failover_only() -> None:
    """A fault on a replica, or one that is over at once, leaves none behind."""
    targets = {"kill": ("primary", "replica"), "pause": ("the old primary", "replica")}
    seen = 0
    for seed in range(300):
        faults = drawn(seed, replace(SPACE, targets=targets))["faults"]
        for number, fault in enumerate(faults):
            if fault.get("pause") == "the old primary":
                seen += 1
                assert any(
                    one.get("kill") == "primary"
                    and _ms(one["for"]) >= REPLACED_MS
                    and _ms(fault["after"]) >= _ms(one["after"]) + REPLACED_MS
                    for one in faults[:number]
                )
    assert seen


@pytest.mark.parametrize(
    ("kind", "later", "first"),
    [
        (TopologyKind.SPLIT, {"flush": "cache"}, {"fill cache": "cache"}),
        (TopologyKind.SENTINEL, {"reattach": "replica", "to": "primary"}, {"hand over": "primary"}),
        (TopologyKind.SENTINEL, {"restart": "replica", "address": "abandoned"}, {"restart": "replica"}),
    ],
)
def test_what_would_change_nothing_comes_after_what_it_needs(
    kind: TopologyKind, later: Document, first: Document
) -> None:
    """An empty cache has nothing to flush, and a replica that follows the primary stays where it is."""
    targets: dict[str, list[str]] = {"pause": ["replica"]}
    for one in (later, first):
        name, target = next(iter(one.items()))
        targets.setdefault(name, []).append(target)
    space = replace(SPACE, inventory=make_plan(kind).inventory, targets=targets)
    seen = 0
    for seed in range(300):
        faults = drawn(seed, space)["faults"]
        for n, fault in enumerate(faults):
            if later.items() <= fault.items():
                seen += 1
                before = [
                    one for one in faults[:n] if first.items() <= one.items() and one.get("address") != "same"
                ]
                assert before or any("reattach" in one for one in faults[:n])
                assert _ms(faults[n - 1]["after"]) < _ms(fault["after"])
    assert seen


def test_primaries_and_what_may_cost_something_are_drawn_more_often() -> None:
    """There are many words for a replica, and many faults that take nothing from anybody."""
    words = ("primary", "replica", "another replica", "all replicas", "sentinel", "all sentinels")
    targets = dict.fromkeys(("kill", "monitor", "disconnect clients", "save snapshot"), words)
    faults = [one for seed in range(300) for one in drawn(seed, replace(SPACE, targets=targets))["faults"]]
    struck = [next(one[kind] for kind in targets if kind in one) for one in faults]
    assert struck.count("primary") > 2 * sum("replica" in one for one in struck)
    assert sum("kill" in one for one in faults) > 0.3 * len(faults)


def _ms(text: str) -> int:
    return int(text.removesuffix("ms"))


def test_every_kind_of_operation_is_in_every_mix() -> None:
    """By its first behaviour, so that whatever is expected of a kind can be decided."""
    kinds_of = {shipped().behaviours[name].kind for name in ALWAYS}
    assert kinds_of == {one.kind for one in shipped().behaviours.values()}
    assert len(ALWAYS) == len(kinds_of)


def test_what_has_no_values_to_choose_from_is_not_drawn() -> None:
    """An option that takes some text; one that has an example takes that."""
    settings = [one["faults"][0] for kind, _, one in single_faults(SPACE) if kind == "config set"]
    assert {(one["directive"], one["value"]) for one in settings} == {("maxmemory", "50mb")}
    options = {
        option for kind, _, one in single_faults(SPACE) if kind == "restart" for option in one["faults"][0]
    }
    assert "data" in options
    assert not options & {"redis", "engine"}


def test_what_lasts_is_healed_in_the_run() -> None:
    """A node that stays away to the end would explain anything."""
    for fault in (one for seed in range(50) for one in drawn(seed)["faults"]):
        assert "for" in fault


def test_draws_leave_out_whole_kinds() -> None:
    """With everything in every run, one fault would always hide the other."""
    seen = [frozenset(kinds(drawn(seed))) for seed in range(300)]
    assert {frozenset({"kill"}), frozenset({"pause"}), frozenset({"isolate"})} <= set(seen)
    assert any(len(some) > 2 for some in seen)


def test_somebodys_own_settings_stay() -> None:
    """Only faults and traffic are drawn then."""
    own = replace(SPACE, own_deployment=True, settings=())
    assert all(drawn(seed, own)["deployment"] == {"topology": {"kind": "sentinel"}} for seed in range(20))


def test_settings_that_the_topology_has_are_drawn() -> None:
    """Each in some runs only, with one of its values."""
    seen = [drawn(seed)["deployment"] for seed in range(100)]
    assert {one["topology"].get("down_after") for one in seen} == {None, "1200ms", "2s"}
    assert {one.get("client", {}).get("wait_replicas") for one in seen} == {None, "0", "1"}
    assert {one["topology"].get("redis", {}).get("appendonly") for one in seen} == {None, "yes", "no"}
    assert not any("replicas" in one["topology"] for one in seen)


def test_a_topology_without_replicas_is_not_asked_to_have_some() -> None:
    """Its nodes would refuse every write, and nothing could be decided."""
    paths = {path for path, _ in single_settings(SPACE)}
    alone = {path for path, _ in single_settings(replace(SPACE, targets={"kill": ("primary",)}))}
    assert paths - alone == {"topology.redis.min-replicas-to-write", "client.wait_replicas"}


def test_parts_are_left_out_faults_first_and_then_everything_else_at_once() -> None:
    """Never the last fault, the kind of the topology, or what every run needs."""
    document = next(
        one
        for seed in range(99)
        if len((one := drawn(seed))["faults"]) == 3
        and one["deployment"].get("client")
        and len(one["deployment"]["topology"]) > 1
    )
    tried = list(groups(document, ALWAYS))
    made = [made for group in tried if (made := without(document, group)) is not None]
    assert len(made) == len(tried)
    assert [len(one["faults"]) for one in made[:4]] == [2, 2, 2, 3]
    assert made[0]["faults"] == document["faults"][:2]
    assert made[3] == {
        **document,
        "deployment": {"topology": {"kind": "sentinel"}},
        "workload": {**document["workload"], "mix": ALWAYS},
        "faults": [
            {key: value for key, value in fault.items() if key in {"after", "for", kind}}
            for fault, kind in zip(document["faults"], kinds(document), strict=True)
        ],
    }
    for one in made:
        assert one != document
        assert one["faults"]
        assert one["deployment"]["topology"]["kind"] == "sentinel"
        assert ALWAYS.items() <= one["workload"]["mix"].items()


def test_what_is_gone_already_is_left_out_no_more() -> None:
    """A group that was made before may have lost some of its parts, or all."""
    document = next(one for seed in range(99) if len((one := drawn(seed))["faults"]) == 2)
    last, first, everything_else, *_ = groups(document, ALWAYS)
    one_left = without(document, last)
    assert one_left is not None
    assert without(one_left, last) is None
    assert without(one_left, first) is None  # no fault would be left
    smallest = without(one_left, everything_else)
    assert smallest is not None
    assert not list(groups(smallest, ALWAYS))
    assert without(smallest, everything_else) is None


def test_what_is_expected_besides_wins() -> None:
    """Whatever no fault excuses is expected always."""
    found = expectations(("lost-write: 0", "over-budget: >= 0", "outage(write): < 5s"), shipped().findings)
    assert (found["lost-write"], found["over-budget"], found["outage(write)"]) == ("0", ">= 0", "< 5s")
    assert all(found[name] == "0" for name in NEVER if name != "over-budget")
    assert found["stale-read"] == ">= 0"


def test_deployment_without_a_part_is_not_asked_for_what_calls_for_it() -> None:
    """A single node has no replica that could differ; everything else stays forbidden."""
    whole = expectations((), shipped().findings)
    bare = expectations((), shipped().findings, premises=False)
    assert {name for name in whole if whole[name] != bare[name]} == {"replica-divergence"}
    assert bare["replica-divergence"] == ">= 0"


def test_node_that_comes_back_elsewhere_need_not_be_found_again() -> None:
    """Nobody tells it whom to follow; everything else is promised as ever."""
    space = replace(SPACE, targets={"restart": ("primary",)})
    documents = [drawn(seed, space) for seed in range(100)]
    elsewhere = [{one.get("address", "same") for one in each["faults"]} != {"same"} for each in documents]
    assert any(elsewhere)
    assert not all(elsewhere)
    for document, moved in zip(documents, elsewhere, strict=True):
        assert document["expect"] == {**SPACE.expect, "no-recovery": ">= 0" if moved else "0"}


@pytest.mark.parametrize("text", ["lost-write", ": 0", "lost-write:", "", "[" * 20_000])
def test_an_expectation_without_metric_or_bound_is_refused(text: str) -> None:
    """By what was typed, or its beginning."""
    with pytest.raises(UsageError, match="expected metric: bound") as refused:
        expectations((text,), {})
    assert text[:100] in str(refused.value)
    assert len(str(refused.value)) < 250


def test_two_bounds_for_one_metric_are_refused() -> None:
    """The second would take the place of the first, and nobody would say so."""
    with pytest.raises(UsageError, match="expected one bound for lost-write, found two"):
        expectations(("lost-write: 0", "lost-write : 1"), {})


def test_promises_that_no_fault_excuses_exist() -> None:
    """A name that is no finding would be expected of nobody."""
    assert set(NEVER) <= shipped().findings.keys()


@dataclass
class Scripted:
    """Runs nothing: what a schedule comes to is said by the test."""

    breaks: Callable[[Document], bool]
    jobs: int = 2
    verdict: Verdict = Verdict.PASS
    """Of a run that breaks nothing."""
    interrupted_after: int = 10**6
    ran: list[Document] = field(default_factory=list)
    together: list[int] = field(default_factory=list)
    """How many files each call was given."""
    takes: Callable[[float], None] = lambda _: None
    """Is told for how many seconds the nodes are busy."""

    def why_not(self, file: Path) -> str | None:
        document = _read(file)
        fits = all(
            any(fault.get(kind) in some for kind, some in SPACE.targets.items())
            for fault in document["faults"]
        )
        return None if fits else "it does not fit"

    def run(self, files: Sequence[Path], *, repeat: int) -> SuiteResult:
        self.together.append(len(files))
        self.takes(20.0 * len(files) / self.jobs)
        results = [self._result(file) for file in files for _ in range(repeat)]
        return replace(suite(*results), interrupted=len(self.ran) >= self.interrupted_after)

    def _result(self, file: Path) -> ScenarioResult:
        document = _read(file)
        self.ran.append(document)
        verdict = Verdict.FAIL if self.breaks(document) else self.verdict
        reasons = ("a fault found nothing",) if verdict is Verdict.INCONCLUSIVE else ()
        return replace(result(verdict), file=str(file), name=document["name"], reasons=reasons)


def explored(ground: Scripted, folder: Path, *, minutes: float = 1, seed: int = 3) -> tuple[Found, list[str]]:
    told: list[str] = []
    request = Request(
        kind=TopologyKind.SENTINEL,
        own_deployment=False,
        inventory=INVENTORY,
        minutes=minutes,
        seed=seed,
        vocabulary=FEW,
    )
    return explore(request, fitting(request, ground, folder), ground, folder, told.append), told


def needs(*wanted: str) -> Callable[[Document], bool]:
    return lambda document: set(wanted) <= set(kinds(document))


def test_the_smallest_schedule_that_breaks_is_written(tmp_path: Path) -> None:
    """Two faults are needed; everything else is left out."""
    found, told = explored(Scripted(needs("kill", "isolate")), tmp_path)
    assert found.broken is not None
    assert found.file is not None
    smallest = _read(found.file)
    assert sorted(kinds(smallest)) == ["isolate", "kill"]
    assert smallest["deployment"] == {"topology": {"kind": "sentinel"}}
    assert smallest["workload"]["mix"] == ALWAYS
    assert found.again == (TRIES, TRIES)
    assert found.whole
    assert "broke a promise" in "\n".join(told)


def test_a_schedule_that_breaks_now_and_then_is_made_smaller_too(tmp_path: Path) -> None:
    """One of a few runs is enough: here each smaller one breaks in every run but its first."""
    broken, ran = needs("kill"), Counter[str]()

    def now_and_then(document: Document) -> bool:
        ran[str(document)] += broken(document)
        return broken(document) and (len(+ran) == 1 or ran[str(document)] > 1)

    found, _ = explored(Scripted(now_and_then), tmp_path)
    assert found.file is not None
    smallest = _read(found.file)
    assert kinds(smallest) == ["kill"]
    assert smallest["workload"]["mix"] == ALWAYS
    assert found.again == (TRIES - 1, TRIES)


def test_an_exploration_ends_when_its_time_is_up(tmp_path: Path) -> None:
    """Nothing broke, and how many runs that was."""
    found, _ = explored(Scripted(lambda _: False), tmp_path, minutes=0.005)
    assert found.broken is None
    assert found.runs > 0
    assert found.undecided == 0


def test_more_is_drawn_at_once_as_long_as_the_time_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of 20 s, two side by side: a batch of six takes a minute, and the last one what is left of three."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def later(seconds: float) -> None:
        now[0] += seconds

    nodes = Scripted(lambda _: False, takes=later)
    found, _ = explored(nodes, tmp_path, minutes=3)
    assert nodes.together == [2, 6, 6, 4]
    assert (found.runs, now[0]) == (18, 180)


def test_nothing_runs_a_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What decided nothing would be run again after the time is up."""
    asked: list[RunRequest] = []
    monkeypatch.setattr(explore_ground, "run", lambda one, *_, **__: asked.append(one))
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True, cpus=2)
    ground = explore_ground.OnNodes(
        ground=Ground(backend=BackendKind.PROCESS, image=None, machine=machine, said=""),
        backend="process",
        deployment=None,
        settings=(),
        engine=None,
        seed=1,
        jobs=1,
        out=tmp_path,
        display=MagicMock(),
    )
    ground.run([tmp_path / "0001.yaml"], repeat=1)
    assert [one.second_runs for one in asked] == [False]


def test_runs_that_decide_nothing_are_counted(tmp_path: Path) -> None:
    """They are no success."""
    found, _ = explored(Scripted(lambda _: False, verdict=Verdict.INCONCLUSIVE), tmp_path, minutes=0.005)
    assert found.undecided == found.runs > 0
    [doubt] = found.doubts
    assert (doubt.reason, doubt.runs) == ("a fault found nothing", found.runs)
    *_, reason, example, last = said(found)
    assert reason == f"  undecided in {found.runs}: a fault found nothing"
    assert example == f"    for example:  failover-kit replay {doubt.example}"
    assert last == "no run decided anything"


def test_runs_without_a_broken_promise_are_said(tmp_path: Path) -> None:
    """As far as they decided anything."""
    *_, last = said(Found(folder=tmp_path, runs=9, undecided=8))
    assert last == "no promise was broken"


def test_an_interruption_ends_it_and_keeps_what_was_found(tmp_path: Path) -> None:
    """While nothing is broken, and while a schedule is made smaller."""
    found, _ = explored(Scripted(lambda _: False, interrupted_after=4), tmp_path / "a")
    assert (found.interrupted, found.runs, found.broken) == (True, 8, None)
    found, _ = explored(Scripted(lambda _: True, interrupted_after=6), tmp_path / "b")
    assert (found.interrupted, found.whole) == (True, False)
    assert found.file is not None
    assert found.file.exists()


def test_a_wrong_expectation_is_said_where_it_was_written(tmp_path: Path) -> None:
    """On the command line: the file that it was put into is nobody's."""

    class Strict(Scripted):
        def why_not(self, file: Path) -> str | None:
            return f"{file}:69: expect.lost-writ: unknown metric" if "expect" in _read(file) else None

    with pytest.raises(UsageError, match=r"^explore sentinel: --expect lost-writ: unknown metric$"):
        explored(Strict(lambda _: False), tmp_path)


def test_what_is_wrong_is_said_before_anything_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And no word of runs that start."""
    given = Namespace(
        target=["single"], minutes=1, seed=1, set=[], engine=None, expect=["lost-writ: 0"],
        backend="process", jobs=1, out=str(tmp_path),
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"--expect lost-writ"):
        carry_out(given)
    assert capsys.readouterr().out == ""


def test_folder_of_what_was_drawn_has_what_ran_and_nothing_else(tmp_path: Path) -> None:
    """What was only tried, to see whether it fits, has left nothing anywhere."""
    ground = Scripted(needs("kill", "isolate"))
    explored(ground, tmp_path)
    drawn_files = [_read(file) for file in sorted((tmp_path / "drawn").iterdir())]
    assert all(one in ground.ran for one in drawn_files)
    assert len(drawn_files) > 1
    assert {one.name for one in tmp_path.iterdir()} == {"drawn", "smallest.yaml"}


def test_what_had_no_effect_is_drawn_seldom() -> None:
    """Not never: it may have an effect beside other faults."""
    act = ("pause", "replica", ())

    def times(*seldom: Act) -> int:
        documents = [draw(SPACE, random.Random(seed), "one", seldom) for seed in range(300)]
        return sum(one == act for document in documents for one in acts(document, FEW))

    assert 0 < times(act) < times() / 3
    assert times(("pause", "replica", (("with", "web-1"),))) == times()


def test_same_results_lead_to_the_same_draws(tmp_path: Path) -> None:
    """And other results to others: what had no effect is drawn seldom for the rest of an exploration."""

    class Idle(Scripted):
        def _result(self, file: Path) -> ScenarioResult:
            return replace(super()._result(file), without_effect=tuple(range(1, 7)))

    def ran(kind: type[Scripted], name: str) -> list[Document]:
        ground = kind(lambda _: False, interrupted_after=14)
        explored(ground, tmp_path / name)
        return ground.ran[:14]

    idle = ran(Idle, "idle")
    assert ran(Idle, "again") == idle != ran(Scripted, "usual")


def test_effect_that_came_once_keeps_a_fault_in_the_draws(tmp_path: Path) -> None:
    """It was in vain for a reason of that run."""
    request = Request(
        kind="sentinel", own_deployment=False, inventory=INVENTORY, minutes=1, seed=1, vocabulary=FEW
    )
    exploration = _Exploration(request, SPACE, Scripted(lambda _: False), tmp_path, lambda _: None)
    document = {**drawn(1), "faults": [{"after": "2s", "pause": "replica", "for": "1s"}]}
    [act] = acts(document, FEW)
    made = result()
    without = replace(made, without_effect=(1,))
    seen = []
    for one in (*[without] * IN_VAIN, made, *[without] * IN_VAIN):
        exploration._note_effects(one, document)
        seen.append(act in exploration._seldom())
    assert seen == [*[False] * (IN_VAIN - 1), True, *[False] * (IN_VAIN + 1)]


@pytest.mark.parametrize(
    ("text", "found"),
    [(None, "no such file"), ("- 1", "none of these"), ("scenario: 1", "a file that begins with 'scenario'")],
)
def test_what_is_no_deployment_is_refused(text: str | None, found: str, tmp_path: Path) -> None:
    """By what lies there."""
    file = tmp_path / "ours.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=rf"ours\.yaml: expected a topology .* found {found}$"):
        carry_out(Namespace(target=[str(file)], minutes=1, seed=1))


def test_a_topology_that_no_fault_fits_is_refused(tmp_path: Path) -> None:
    """By the last reason."""

    class Nothing(Scripted):
        def why_not(self, file: Path) -> str | None:
            return f"{file.name} does not fit" if _read(file)["faults"] else None

    with pytest.raises(UsageError, match=r"no fault can be run here: tried.yaml does not fit"):
        explored(Nothing(lambda _: False), tmp_path)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Found(folder=Path("x"), runs=9, undecided=0), ExitStatus.PASSED),
        (Found(folder=Path("x"), runs=9, undecided=8), ExitStatus.PASSED),
        (Found(folder=Path("x"), runs=9, undecided=9), ExitStatus.INCONCLUSIVE),
        (Found(folder=Path("x"), runs=9, undecided=0, interrupted=True), ExitStatus.INTERRUPTED),
        (Found(folder=Path("x"), runs=9, undecided=0, broken=result()), ExitStatus.FAILED),
    ],
)
def test_the_exit_status_says_what_came_of_it(found: Found, expected: ExitStatus) -> None:
    """A broken promise before everything else."""
    assert found.status is expected


def test_an_expectation_that_no_run_decides_is_refused_first(tmp_path: Path) -> None:
    """By its own reason, not by that of a fault."""

    class Undecidable(Scripted):
        def why_not(self, file: Path) -> str | None:
            return "expect.outage(x): unknown metric"

    with pytest.raises(UsageError, match=r"explore sentinel: expect\.outage\(x\): unknown metric"):
        explored(Undecidable(lambda _: False), tmp_path)


def test_a_refusal_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what was explored has one."""
    words = ["explore", "sentinel", "--backend", "process", "--out", str(tmp_path / "runs")]
    assert main([*words, "--expect", "lost-writ: 0"]) == 2
    assert "did you mean 'lost-write'?" in capsys.readouterr().err
    assert not list((tmp_path / "runs").iterdir())


BROKEN = Found(
    folder=Path("y"),
    runs=4,
    undecided=0,
    broken=replace(result(Verdict.FAIL), why="lost more"),
    broken_in=Path("runs/draw 1"),
    file=Path("y/smallest.yaml"),
)


def test_several_explorations_end_with_one_table() -> None:
    """Each with its runs, and what broke with the command that repeats it."""
    whole = Found(folder=Path("x"), runs=9, undecided=2)
    assert list(summary([("split", whole), ("cluster", BROKEN)])) == [
        "",
        "all: 13 runs, 2 of them undecided, a promise broken on 1 of 2",
        "  split    9 runs, 2 of them undecided: no promise was broken",
        "  cluster  4 runs: lost more",
        "             failover-kit replay 'runs/draw 1'",
        "             failover-kit run y/smallest.yaml --repeat 10",
    ]
    assert status_of([whole, BROKEN]) == ExitStatus.FAILED
    assert status_of([whole, replace(whole, undecided=9)]) == ExitStatus.INCONCLUSIVE
    assert status_of([whole, whole]) == ExitStatus.PASSED


def test_what_is_found_says_how_to_repeat_it() -> None:
    """The run that broke, the smallest schedule, and how often that one breaks."""
    found = replace(BROKEN, again=(2, 3), whole=False)
    assert list(said(found)) == [
        "explore: 4 runs, in y",
        "broken: lost more",
        "  that run again:  failover-kit replay 'runs/draw 1'",
        "the smallest schedule that breaks it, in 2 of 3 more runs: y/smallest.yaml",
        "  the time ended before the kit had tried to leave out everything: give it more with --minutes",
        "  repeat it:  failover-kit run y/smallest.yaml --repeat 10",
    ]


def test_what_is_repeated_needs_what_the_exploration_was_given(tmp_path: Path) -> None:
    """The smallest schedule has no setting of a deployment file, so without it another deployment would run."""
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True, cpus=2)
    nodes = explore_ground.OnNodes(
        ground=Ground(backend=BackendKind.PROCESS, image=None, machine=machine, said=""),
        backend="process",
        deployment=Path("ours.yaml"),
        settings=("deployment.web_servers=2",),
        engine="redis-7.0",
        seed=1,
        jobs=1,
        out=tmp_path,
        display=MagicMock(),
    )
    found = replace(BROKEN, options=nodes.options())
    command = (
        "failover-kit run y/smallest.yaml --backend process --set deployment.web_servers=2 "
        "--engine redis-7.0 --deployment ours.yaml --repeat 10"
    )
    assert list(said(found))[-1] == f"  repeat it:  {command}"
    assert list(summary([("ours.yaml", found)]))[-1].strip() == command
    assert replace(nodes, backend="auto", settings=(), engine=None, deployment=None).options() == ()


def test_what_an_interruption_kept_from_its_start_is_no_run(tmp_path: Path) -> None:
    """It decided nothing because there was none, and there is nothing to replay."""

    class Stopped(Scripted):
        def run(self, files: Sequence[Path], *, repeat: int) -> SuiteResult:
            made = super().run(files, repeat=repeat)
            first, *others = made.results
            never = [
                replace(one, verdict=Verdict.SKIPPED, reasons=("not run: the suite was interrupted first",))
                for one in others
            ]
            return replace(made, results=(first, *never), interrupted=True)

    found, told = explored(Stopped(lambda _: False), tmp_path)
    assert (found.runs, found.undecided, found.doubts, told) == (1, 0, (), [])
    assert list(said(found)) == [f"explore: 1 run, in {tmp_path}", "no promise was broken"]
    assert list(said(replace(found, runs=0)))[-1] == "no run was started"


def test_reasons_of_undecided_runs_are_put_together(tmp_path: Path) -> None:
    """Whatever the fault's number was, and whatever the nodes looked like."""

    class Doubtful(Scripted):
        def _result(self, file: Path) -> ScenarioResult:
            made = super()._result(file)
            return replace(
                made, reasons=(f"fault {len(self.ran)} (kill) had none; last seen: {len(self.ran)}",)
            )

    found, _ = explored(Doubtful(lambda _: False, verdict=Verdict.INCONCLUSIVE), tmp_path, minutes=0.005)
    assert [(one.reason, one.runs) for one in found.doubts] == [("fault (kill) had none", found.runs)]


def test_what_another_fault_must_leave_comes_after_it() -> None:
    """The sentinel that led an election, and the primary that was replaced."""
    later = ("sentinel leader", "the old primary")
    space = replace(SPACE, targets={"kill": ("primary", *later), "pause": later})
    seen = set()
    for seed in range(200):
        faults = drawn(seed, space)["faults"]
        for n, (fault, kind) in enumerate(zip(faults, kinds({"faults": faults}), strict=True)):
            if fault[kind] in later:
                seen.add(fault[kind])
                first = next(one for one in faults[:n] if one.get("kill") == "primary")
                assert _ms(fault["after"]) - _ms(first["after"]) >= REPLACED_MS
    assert seen == set(later)
    tried = {target: one["faults"] for kind, target, one in single_faults(SPACE) if kind == "kill"}
    assert [len(tried[target]) for target in ("primary", *later)] == [1, 2, 2]
