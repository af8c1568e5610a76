"""Judged results for the report's tests, small enough to read."""

from __future__ import annotations

from dataclasses import replace

from harness.model.judgement import (
    ExpectationResult,
    FailoverStep,
    Finding,
    Interval,
    Judgement,
    LatencyRow,
    Metrics,
    SessionCounts,
    Window,
)
from harness.model.results import ScenarioResult, Story, SuiteResult
from harness.model.words import Cause, FindingSide, Shows, Verdict

LOST = Finding(
    name="lost-session",
    side=FindingSide.CLOSED,
    session="ab" * 16,
    user="u7",
    cause=Cause.SPLIT_BRAIN,
    because="redis-1 was no longer primary",
    sentence="The session of u7 was acked and is gone.",
    operations=(1, 2),
    node="redis-1",
    node_role="deposed primary",
)
UNDONE = replace(LOST, name="resurrected-session", side=FindingSide.OPEN, cause=Cause.NOT_YET_REPLICATED)

METRICS = Metrics(
    outages=(
        Window(kind="login", group="worst", start_s=0.1, duration_s=Interval(low=2.31, high=2.31), failed=40),
        Window(
            kind="write",
            group="worst",
            start_s=0.2,
            duration_s=Interval(low=9.0, high=float("inf")),
            failed=9,
        ),
    ),
    worst_outage=Window(
        kind="write", group="web-2", start_s=0.2, duration_s=Interval(low=1.9, high=2.31), failed=9
    ),
    logouts_failed=12,
    latency=(
        LatencyRow(kind="read", phase="fault", count=9, p50_ms=1.0, p95_ms=2.0, p99_ms=3.0, max_ms=4.0),
    ),
    failover_steps=(FailoverStep(step="promoted", shard=1, t_s=1.52, source="redis-2"),),
    sessions=SessionCounts(
        total=300, at_risk=120, intact=110, broken=10, undecidable=0, logged_out=10, got_back_in=7
    ),
    operations={"acked": 900, "rejected": 3, "unknown": 2, "not_sent": 0},
    by_behaviour={"read": {"acked": 900}},
    lag_at_fault_bytes=2048,
)


def judgement(verdict: Verdict = Verdict.FAIL, shows: Shows = Shows.PROMISE) -> Judgement:
    return Judgement(
        verdict=verdict,
        reasons=("10 lost-session, expected none",),
        shows=shows,
        findings=(UNDONE, LOST),
        counts={"lost-session": Interval(low=1, high=3), "resurrected-session": Interval(low=1, high=1)},
        expectations=(
            ExpectationResult(text="outage(write): < 5s", measured="9.0 s", low=9, high=9, met=False),
            ExpectationResult(
                text="lost-session: 0", measured="1 to 3", low=1, high=3, met=None, why="no audit"
            ),
        ),
        metrics=METRICS,
    )


def result(
    verdict: Verdict = Verdict.FAIL, shows: Shows = Shows.PROMISE, name: str = "primary killed"
) -> ScenarioResult:
    judged = verdict not in (Verdict.SKIPPED, Verdict.ERROR)
    return ScenarioResult(
        name=name,
        file="scenarios/sentinel/01-primary-killed.yaml",
        shows=shows,
        topology="sentinel",
        backend="process",
        engine="Redis 7.0.15",
        client="redis-py-asyncio on-error",
        timing="fast",
        seed=7,
        advice="lower down_after",
        about="The commonest failure.",
        verdict=verdict,
        reasons=("10 lost-session, expected none",),
        run_dir="sentinel-01-primary-killed" if judged else "",
        wall_s=21.0,
        judgement=judgement(verdict, shows) if judged else None,
        why="acked by a deposed primary",
        stories=(Story(finding="lost-session", session="ab" * 16, lines=("+0.1 s web-1 log-in acked",)),),
    )


def suite(*results: ScenarioResult, exit_code: int = 1) -> SuiteResult:
    return SuiteResult(
        suite="core",
        run="abc123",
        directory="runs/20260101-000000-core-abc123",
        started_wall_us=1_767_225_600_000_000,
        wall_s=61.0,
        backend="process",
        engine="Redis 7.0.15",
        timing="fast",
        jobs=2,
        seed=7,
        verdict=Verdict.FAIL,
        exit_code=exit_code,
        results=results,
    )
