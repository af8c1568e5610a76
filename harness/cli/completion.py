"""`completion`: what makes bash and zsh complete the words of `failover-kit`, made from its parser by shtab.

    failover-kit completion bash > ~/.local/share/bash-completion/completions/failover-kit

The script stands alone: it holds verbs, options, shipped scenarios and engines as they were when it was
printed, so that a key press starts nothing. Print it again after an upgrade.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from shlex import quote

import shtab

from harness import output
from harness.cli.arguments import parser
from harness.kit_files import kit_root
from harness.topology.process import server_programs

_SCENARIOS, _ENGINES = "_failover_kit_files_and_scenarios", "_failover_kit_engines"


def carry_out(options: argparse.Namespace) -> int:
    output.say(_script(parser(), options.shell))
    return 0


def _script(parser: argparse.ArgumentParser, shell: str) -> str:
    words = _what_words_are()
    for action in _actions(parser):
        if action.dest in words and (action.type is not None or action.dest == "engine"):
            action.complete = words[action.dest]  # type: ignore[attr-defined]  # shtab's own way
    made = str(shtab.complete(parser, shell=shell))
    return made.replace('"(*)::', '"*:') if shell == "zsh" else made  # else zsh completes the first file only


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for verb in action.choices.values():
                yield from _actions(verb)
        else:
            yield action


def _what_words_are() -> Mapping[str, object]:
    """The name of an argument -> what may follow."""
    scenarios = _either(_SCENARIOS, "scenario", _shipped(), files=True)
    return {
        "files": scenarios,
        "scenario": scenarios,
        "deployment": shtab.FILE,
        "history": shtab.FILE,
        "run": shtab.DIRECTORY,
        "out": shtab.DIRECTORY,
        "engine": _either(_ENGINES, "engine", list(server_programs.HOW_TO_GET), files=False),
    }


def _shipped() -> list[str]:
    root = kit_root() / "scenarios"
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.glob("*/*.yaml"))


def _either(function: str, what: str, words: list[str], *, files: bool) -> Mapping[str, object]:
    """Fixed words, and files as well."""
    listed = " ".join(words)
    bash = [f'compgen -W {quote(listed)} -- "$1"', *(['compgen -f -- "$1"'] if files else [])]
    zsh = [f"{what}s:{what}:({listed})", *(["files:file:_files"] if files else [])]
    return {
        "bash": function,
        "zsh": function,
        "preamble": {
            "bash": f"{function}() {{\n  {'; '.join(bash)}\n}}",
            "zsh": f"{function}() {{\n  _alternative {' '.join(map(quote, zsh))}\n}}",
        },
    }
