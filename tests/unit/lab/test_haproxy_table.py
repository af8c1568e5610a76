"""What runs behind a proxy lost, put together for each fault and shape."""

from __future__ import annotations

from lab.haproxy.table import HEAD, Run, Share, table


def run(lost: int, *, shape: str = "role", decided: bool = True, seconds: float = 11.0) -> Run:
    return Run(
        fault="planned failover primary",
        shape=shape,
        decided=decided,
        pooled=Share(lost=lost, acked=1000),
        per_request=Share(lost=lost // 2, acked=500),
        without_survivor_s=seconds,
    )


def lines(*runs: Run) -> list[str]:
    return table(runs, ("role", "fast")).removeprefix(HEAD).strip().splitlines()


def test_a_line_for_each_fault_and_shape() -> None:
    """In the order of the shapes, with the number of runs, the median and how far they lie apart."""
    start = "| planned failover primary |"
    assert lines(run(0, shape="fast", seconds=1.5), run(90), run(100), run(120, seconds=12.0)) == [
        f"{start} `role` | 3 | 100 (90 to 120) of 1000 | 50 (45 to 60) of 500 | 11.0 (11.0 to 12.0) s |",
        f"{start} `fast` | 1 | 0 of 1000 | 0 of 500 | 1.5 s |",
    ]


def test_runs_whose_losses_are_not_known_count_as_runs_only() -> None:
    """Never as runs that lost nothing."""
    assert lines(run(0, decided=False), run(80)) == [
        "| planned failover primary | `role` | 1 of 2 decided | 80 of 1000 | 40 of 500 | 11.0 s |"
    ]
    assert lines(run(0, decided=False)) == [
        "| planned failover primary | `role` | 0 of 1 decided | – | – | – |"
    ]
