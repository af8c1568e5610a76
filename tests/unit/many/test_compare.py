"""Comparing two suites: chance is never called a difference, and a difference is never called chance."""

from __future__ import annotations

import json
import random
import sys
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import UsageError
from harness.many.compare import Compared, Comparison, Sense, compare
from harness.many.difference import corrected, of_figures, of_rates
from harness.many.summary import Summary, read_summary
from harness.model.judgement import Interval
from harness.model.plan import shared_label
from harness.report.comparison import MARKDOWN_LINES, NAMED, markdown, show_comparison
from tests.share import times


def exact(*values: float) -> list[Interval]:
    return [Interval(low=one, high=one) for one in values]


def cell(**members: Any) -> dict[str, Any]:
    return {
        "name": "primary killed",
        "file": "sentinel/01.yaml",
        "shows": "promise",
        "deployment_file": "",
        "engine_asked": "",
        "varied": [],
        "verdict": "PASS",
        "seeds": list(range(10)),
        "kept": {"seen": 10, "runs": 10},
        "findings": {},
        "figures": {},
        **members,
    }


def summary(*cells: dict[str, Any], **members: Any) -> Summary:
    return read_summary(text(*cells, **members), "summary.json")


def text(*cells: dict[str, Any], **members: Any) -> bytes:
    whole = {
        "kit": "1",
        "backend": "process",
        "engine": "Redis 7.0.15",
        "timing": "fast",
        "suite": "core",
        "run": "abc",
        "jobs": 2,
        "cells": list(cells or [cell()]),
        **members,
    }
    return json.dumps(whole).encode()


def outages(*values: float) -> dict[str, Any]:
    return {"longest outage": {"unit": "s", "values": [[one, one] for one in values]}}


def about(compared: Compared, what: str) -> Comparison:
    return next(one for one in compared.comparisons if one.what == what)


def test_two_groups_of_four_that_do_not_overlap_are_told_apart() -> None:
    """Two of the seventy orders are like that; of three and three, two of twenty."""
    assert of_figures(exact(1, 2, 3, 4), exact(5, 6, 7, 8)) == pytest.approx(2 / comb(8, 4))
    assert of_figures(exact(1, 2, 3), exact(4, 5, 6)) == pytest.approx(2 / comb(6, 3))


def test_intervals_that_overlap_are_no_difference() -> None:
    """An order that nobody knows speaks for nothing, however many runs there are."""
    wide = [Interval(low=0, high=100)] * 30
    assert of_figures(wide, exact(*range(30))) == 1
    assert of_figures(exact(*range(30)), wide) == 1
    assert of_figures(exact(*range(10)), [Interval(low=20, high=float("inf"))] * 10) < 0.001


def test_equal_or_missing_values_are_no_difference() -> None:
    """Zero lost on either side is the same, and nothing measured says nothing."""
    assert of_figures(exact(0, 0, 0), exact(0, 0, 0)) == 1
    assert of_figures([], exact(1)) == 1
    assert of_rates((0, 0), (10, 0)) == 1


def test_rates_have_the_chance_of_the_hypergeometric_distribution() -> None:
    """None of ten against five of ten: as unlikely as counting all tables says."""
    tables = [comb(10, n) * comb(10, 5 - n) / comb(20, 5) for n in range(6)]
    assert of_rates((0, 5), (10, 10)) == pytest.approx(sum(one for one in tables if one <= tables[0] + 1e-12))


def test_several_comparisons_are_corrected_together() -> None:
    """The least likely counts for all of them, the next for one less, and none overtakes."""
    assert corrected([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert corrected([0.9, 0.8]) == [1.0, 1.0]
    assert corrected([]) == []


def test_chance_alone_is_called_a_difference_in_one_of_twenty_at_most() -> None:
    """Pairs of suites with ten figures each, all alike: few of them differ in anything."""
    draw, pairs = random.Random(3), times(300, 60)
    wrong = 0
    for _ in range(pairs):
        chances = [
            of_figures(exact(*(draw.random() for _ in range(8))), exact(*(draw.random() for _ in range(8))))
            for _ in range(10)
        ]
        wrong += min(corrected(chances)) < 0.05
    assert wrong / pairs <= 0.07


@pytest.mark.parametrize(
    ("after", "sense"),
    [
        (cell(kept={"seen": 9, "runs": 10}), Sense.BROKEN),
        (cell(kept={"seen": 10, "runs": 10}), Sense.SAME),
        (cell(kept={"seen": 0, "runs": 0}), Sense.SAME),
    ],
)
def test_a_promise_that_was_always_kept_is_newly_broken_by_one_run(
    after: dict[str, Any], sense: Sense
) -> None:
    """It needs no statistics; runs that decided nothing break nothing."""
    assert about(compare(summary(), summary(after)), "kept").sense is sense


def test_a_weakness_that_is_no_longer_shown_is_no_regression() -> None:
    """Users are better off."""
    before = cell(shows="weakness")
    after = cell(shows="weakness", kept={"seen": 0, "runs": 10})
    found = compare(summary(before), summary(after))
    assert about(found, "shown").sense is Sense.BETTER
    assert not found.worse


def test_a_longer_outage_is_worse_and_one_like_the_others_is_noise() -> None:
    """By the order of ten runs each."""
    before = cell(figures=outages(*range(10)))
    longer = compare(summary(before), summary(cell(figures=outages(*range(20, 30)))))
    assert about(longer, "longest outage").sense is Sense.WORSE
    assert longer.comparisons[0].what == "longest outage"
    similar = compare(summary(before), summary(cell(figures=outages(*(one + 0.5 for one in range(10))))))
    assert about(similar, "longest outage").sense is Sense.WITHIN_NOISE
    assert not similar.worse


def test_a_finding_that_is_new_counts_from_none() -> None:
    """A summary leaves out what no run proved."""
    after = cell(findings={"lost-session": {"seen": 10, "runs": 10}}, kept={"seen": 10, "runs": 10})
    found = about(compare(summary(), summary(after)), "lost-session")
    assert found.sense is Sense.WORSE
    assert found.runs == (10, 10)


def test_suites_may_differ_in_one_thing_as_a_whole() -> None:
    """Engine, deployment or setting: it is what is compared, and is named."""
    for name, left, right in (
        ("engine_asked", "redis-7.0", "valkey-9.1"),
        ("deployment_file", "a.yaml", "b.yaml"),
        ("varied", ["down_after=1s"], ["down_after=5s"]),
    ):
        cells = [[cell(file=file, **{name: value}) for file in "xy"] for value in (left, right)]
        assert len(compare(summary(*cells[0]), summary(*cells[1])).comparisons) == 2
    different = compare(summary(engine="Redis 7.0.15"), summary(engine="Valkey 9.1.2"))
    assert different.differs == ("engine: Redis 7.0.15 → Valkey 9.1.2",)


def test_what_was_set_on_one_side_only_is_said() -> None:
    """It is no other scenario, but whatever differs may come from it. An earlier kit did not say."""
    plain, changed = cell(set=[]), cell(set=["deployment.topology.redis.appendonly=yes"])
    for before, after, said in (
        (plain, changed, ("settings: its own → deployment.topology.redis.appendonly=yes",)),
        (changed, changed, ()),
        (cell(), changed, ()),
    ):
        compared = compare(summary(before), summary(after))
        assert compared.differs == said
        assert len(compared.comparisons) == 1


def test_a_cell_is_called_by_what_both_sides_have_in_common() -> None:
    """The engine that is compared is no part of its name; the deployment that both have is."""
    left = cell(name="killed (ours, redis-7.0)", engine_asked="redis-7.0")
    right = cell(name="killed (ours, valkey-9.1)", engine_asked="valkey-9.1")
    assert {one.cell for one in compare(summary(left), summary(right)).comparisons} == {"killed (ours)"}
    for one, other, shared in (
        ("a (b)", "a (c)", "a"),
        ("a (b)", "a (b)", "a (b)"),
        ("a", "a (c)", "a"),
        ("a (b)", "c (b)", "a (b)"),
    ):
        assert shared_label(one, other) == shared


def test_cells_that_one_side_has_not_decided_are_listed() -> None:
    """Nothing about them is the same; what was skipped was not asked."""
    nothing = {"kept": {"seen": 0, "runs": 0}, "verdict": "INCONCLUSIVE"}
    found = compare(
        summary(cell(), cell(file="x", name="x", kept={"seen": 0, "runs": 0}, verdict="SKIPPED")),
        summary(cell(**nothing), cell(file="x", name="x")),
    )
    assert (found.undecided_before, found.undecided_after) == ((), ("primary killed",))
    assert "not decided after: primary killed" in markdown(found, ("a", "b"))


def test_two_that_are_alike_have_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A head without a row says nothing."""
    show_comparison(compare(summary(), summary()), ("a", "b"), sys.stdout)
    said = capsys.readouterr().out
    assert "1 the same" in said
    assert "scenario" not in said


def test_cells_without_a_counterpart_are_listed() -> None:
    """They are not compared with something else."""
    found = compare(summary(cell(), cell(file="x", name="old")), summary(cell(), cell(file="y", name="new")))
    assert (found.only_before, found.only_after) == (("old",), ("new",))


def test_of_many_cells_without_a_counterpart_some_are_named() -> None:
    """A matrix beside a part of it is no wall of names."""
    several = [cell(name=f"n{number}", file=f"{number}.yaml") for number in range(NAMED + 3)]
    text = markdown(compare(summary(cell()), summary(cell(), *several)), ("a", "b"))
    assert f"only after: n0, n1, n2, n3, n{NAMED - 1} and 3 more" in text


def test_nothing_in_common_is_a_usage_error() -> None:
    """And so is a choice among several."""
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(summary(cell(file="x")), summary(cell(file="y")))
    with pytest.raises(UsageError, match="the same engine, or one on either side, found a, b and c, d"):
        compare(*(summary(*(cell(engine_asked=one) for one in each)) for each in ("ab", "cd")))
    crossed = [
        summary(*(cell(engine_asked=a, deployment_file=b) for a, b in each))
        for each in (("ax", "by"), ("ay", "bx"))
    ]
    with pytest.raises(UsageError, match="found none: compare suites that differ in one of these"):
        compare(*crossed)
    several = [cell(engine_asked=one) for one in ("a", "b")]
    for left, right in combinations([summary(*several), summary(*several, cell())], 2):
        assert compare(left, right).only_after
    with pytest.raises(UsageError, match="found several"):
        compare(summary(cell(), cell()), summary())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        text(cell(kept={"seen": 11, "runs": 10})),
        text(cell(figures={"x": {"unit": "s", "values": [[None, 1]]}})),
        text(cell(figures={"x": {"unit": "s", "values": [[2, 1]]}})),
        text(cell(figures={"x": {"unit": "s", "values": [[1]]}})),
        text().replace(b'"cells"', b'"other"'),
    ],
)
def test_whatever_is_no_summary_is_refused_whole(content: bytes) -> None:
    """One clear line, and no figure is taken from half of a file."""
    with pytest.raises(UsageError, match=r"summary\.json"):
        read_summary(content, "summary.json")


def test_markdown_is_short_and_shows_the_worst_first() -> None:
    """However much differs; what a name holds is text."""
    cells = [cell(file=f"{n}", name=f"cell `{n}` | <b>", kept={"seen": 9, "runs": 10}) for n in range(200)]
    found = compare(
        summary(*(cell(file=f"{n}", name=f"cell `{n}` | <b>") for n in range(200))), summary(*cells)
    )
    lines = markdown(found, ("before", "after")).splitlines()
    assert len(lines) <= MARKDOWN_LINES
    assert any("more rows" in line for line in lines)
    assert "\\<b\\>" in lines[6]
    assert lines[6].startswith("| newly broken |")


def run(*words: str) -> int:
    return main(["compare", *words])


def test_the_command_exits_with_5_for_a_regression_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only where it is asked to; from files and from folders."""
    before, after = tmp_path / "before.json", tmp_path / "after"
    after.mkdir()
    before.write_bytes(text())
    (after / "summary.json").write_bytes(text(cell(kept={"seen": 9, "runs": 10})))
    assert run(str(before), str(after)) == 0
    assert run(str(before), str(after), "--fail-on-regression") == 5
    assert run(str(after), "--baseline", str(before), "--fail-on-regression") == 5
    assert run(str(after), str(before), "--fail-on-regression") == 0
    assert "newly broken" in capsys.readouterr().out
    assert run(str(after)) == 2
    assert run(str(after), str(tmp_path / "nowhere")) == 2
    assert "nowhere" in capsys.readouterr().err
