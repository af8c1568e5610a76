"""Which nodes a command gets, and how faults call the command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.beside import is_kind, nodes_of
from harness.errors import UsageError
from harness.model.fit import APPLICATION, web_server_names
from harness.model.scenario import Workload
from harness.running.vocabulary import shipped
from harness.scenario import load_faults


def test_kind_of_topology_is_a_word_unless_a_file_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of somebody's own comes first."""
    monkeypatch.chdir(tmp_path)
    assert is_kind("sentinel")
    assert not is_kind("sentinel/01")
    (tmp_path / "sentinel").touch()
    assert not is_kind("sentinel")


@pytest.mark.parametrize("word", ["sentinel", "sentinel/01"])
@pytest.mark.parametrize("given", ["app", "web-1"])
def test_command_is_called_app(word: str, given: str) -> None:
    """Also where a fault is written for the web server that it takes the place of."""
    nodes = nodes_of(word, settings=())
    assert web_server_names(nodes.workload) == (APPLICATION,)
    (step,) = load_faults([f"after: 1s, isolate: primary, with: {given}"], nodes, shipped())
    assert step.options["with"] == APPLICATION


def test_command_is_alone() -> None:
    """Another web server does not exist, and says what does."""
    nodes = nodes_of("sentinel", settings=())
    with pytest.raises(UsageError, match="there is no web-2; the command is called app"):
        load_faults(["after: 1s, isolate: primary, with: web-2"], nodes, shipped())


def test_load_has_web_servers_and_no_command() -> None:
    """A scenario's own fault cannot name what only a command is called."""
    nodes = replace(nodes_of("sentinel", settings=()), workload=Workload(mix={"read": 1.0}, web_servers=2))
    assert web_server_names(nodes.workload) == ("web-1", "web-2")
    with pytest.raises(UsageError, match="there is no app; the workload has web-1, web-2"):
        load_faults(["after: 1s, isolate: primary, with: app"], nodes, shipped())
