"""Completion, as the shells themselves carry it out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness import cli
from tests.builders_kit import ROOT


@pytest.fixture
def bash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with two files and the script for bash in it."""
    assert cli.main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    for name in ("mine.yaml", "ours.yaml"):
        (tmp_path / name).touch()
    return tmp_path


def completed(folder: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    listed = " ".join(f"'{word}'" for word in words)
    ask = (
        f"source ./script; COMP_WORDS=(failover-kit {listed}); COMP_CWORD={len(words)}; "
        r"""$(complete -p failover-kit | sed 's/.*-F \([^ ]*\).*/\1/'); printf '%s\n' "${COMPREPLY[@]}" """
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", ask], cwd=folder, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("pl",), ("plan",)),
        (("run", "mi"), ("mine.yaml",)),
        (("plan", "mine.yaml", "ou"), ("ours.yaml",)),
        (("up", "--deployment", "ou"), ("ours.yaml",)),
        (
            ("run", "--backend", ""),
            (
                "auto",
                "compose",
                "docker",
                "machines",
                "process",
            ),
        ),
        (("run", "mine.yaml", "--engine", "valkey-9"), ("valkey-9.1",)),
        (
            ("completion", ""),
            (
                "bash",
                "zsh",
            ),
        ),
        (("run", "--dep"), ("--deployment",)),
    ],
    ids=" ".join,
)
def test_bash_completes(words: tuple[str, ...], offered: tuple[str, ...], bash: Path) -> None:
    """Verbs, options, their values and files; the second file as the first."""
    assert sorted(completed(bash, *words)) == sorted(offered)


def test_shipped_scenarios_are_completed(bash: Path) -> None:
    """By the name that `run` takes."""
    shipped = {f"single/{path.stem}" for path in (ROOT / "scenarios/single").glob("*.yaml")}
    assert set(completed(bash, "run", "single/")) == shipped
    assert set(completed(bash, "list", "--scenario", "single/")) == shipped


def test_zsh_gets_the_same_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verbs, files for every plain argument, scenarios and engines; without a mistake in the script's own
    language, where zsh is here to say so."""
    assert cli.main(["completion", "zsh"]) == 0
    script = capsys.readouterr().out
    assert script.startswith("#compdef failover-kit\n")
    assert "plan:'" in script
    assert '"(*)::' not in script
    assert "single/02-killed-with-aof-nothing-lost" in script
    assert "valkey-9.1" in script
    if zsh := shutil.which("zsh"):
        (tmp_path / "_failover-kit").write_text(script)
        subprocess.run([zsh, "-n", tmp_path / "_failover-kit"], check=True, timeout=30)
