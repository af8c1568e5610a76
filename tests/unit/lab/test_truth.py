"""The oracle that causes are compared with: what it makes of MONITOR lines and logs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from harness.model.words import Cause
from lab.oracle.truth import Truth, read_node


def _node(tmp_path: Path, monitor: str, log: str = "") -> Path:
    for folder, text in (("monitor/redis-1.monitor", monitor), ("nodes/redis-1.log", log)):
        (tmp_path / folder).parent.mkdir()
        (tmp_path / folder).write_text(text)
    return tmp_path


def test_executions_are_found_by_key_and_by_port(tmp_path: Path) -> None:
    """A client's command, what a script did, and what came by the stream of replication."""
    lines = (
        '# back 1.0 0123 0\n+10.000100 [0 198.18.0.9:50123] "DEL" "session:{a}"\n'
        '+10.000200 [0 lua] "RPUSH" "witness:{a}" "17"\n+10.000300 [0 198.18.0.2:6379] "flushall"\n'
    )
    node = read_node("redis-1", _node(tmp_path, lines))
    (deleted,) = node.from_port(50123, 10.0, 11.0)
    assert deleted.words == ("DEL", "session:{a}")
    assert list(node.from_port(50123, 10.5, 11.0)) == []
    assert node.did("witness:{a}", lambda one: "17" in one.words, 10.0, 11.0) is not None
    assert node.did("witness:{a}", lambda one: "18" in one.words, 10.0, 11.0) is None
    assert len(node.by_key["flushall"]) == 1


def test_log_tells_promotions_copies_and_rebirths(tmp_path: Path) -> None:
    """The second process of the node loaded its data, the first had none."""
    log = (
        "7:M 21 Nov 2026 15:35:01.000 # Server initialized\n"
        "7:S 21 Nov 2026 15:35:02.250 * Full resync from master: 21b2:14\n"
        "7:M 21 Nov 2026 15:35:03.500 * MASTER MODE enabled (user request from 'id=9')\n"
        "8:M 21 Nov 2026 15:35:04.000 # Server initialized\n"
        "8:M 21 Nov 2026 15:35:04.001 * DB loaded from disk: 0.000 seconds\n"
    )
    node = read_node("redis-1", _node(tmp_path, "", log))
    start = datetime(2026, 11, 21, 15, 35).timestamp()  # noqa: DTZ001  the node's own time
    assert node.copied == [pytest.approx(start + 2.25)]
    assert node.promoted == [pytest.approx(start + 3.5)]
    assert [(round(at - start, 3), loaded) for at, loaded in node.born] == [(1.0, False), (4.0, True)]


def test_node_got_it_when_it_executed_it_last_or_copied_all(tmp_path: Path) -> None:
    """What it copied later counts as got then: it may have lost the first one since."""
    lines = '10.0001 [0 10.0.0.2:6379] "RPUSH" "witness:{a}" "17"\n'
    node = read_node("redis-1", _node(tmp_path, lines))

    def got(since: float, until: float) -> float | None:
        return node.got("witness:{a}", lambda one: "17" in one.words, since, until)

    assert (got(9.0, 11.0), got(9.0, 9.5), got(10.5, 11.0)) == (10.0001, None, None)
    node.copied.append(12.0)
    assert (got(9.0, 11.0), got(9.0, 13.0), got(10.5, 13.0)) == (10.0001, 12.0, 12.0)


def test_verdicts_on_causes() -> None:
    """Not to know is no error; to say anything but the truth is, and so is "at promotion" far from it."""
    truth = Truth(Cause.NOT_YET_REPLICATED, "", promotion=100.0, at=(99.9, 99.9))
    assert truth.verdict(Cause.NOT_YET_REPLICATED) == "right"
    assert truth.verdict(Cause.AT_PROMOTION) == "right"
    assert truth.verdict(Cause.SPLIT_BRAIN) == "wrong"
    assert truth.verdict(Cause.NOT_DETERMINED) == "not determined"
    early = Truth(Cause.NOT_YET_REPLICATED, "", promotion=100.0, at=(98.0, 98.0))
    assert early.verdict(Cause.AT_PROMOTION) == "wrong"
    assert Truth(None, "nothing decides it").verdict(Cause.FLUSHED) == "wrong"
