"""Options of a command."""

from __future__ import annotations

import pytest

from harness.options import Parser


def _verbs(*, passes_on: bool = False) -> Parser:
    parser = Parser(prog="kit", passes_on=passes_on)
    parser.add_argument("--seed", type=int)
    run = parser.add_subparsers(dest="verb").add_parser("run", passes_on=passes_on)
    run.add_argument("--engine", choices=("redis-7.0", "valkey-9.1"))
    return parser


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["run", "--engin", "redis-7.0"],
            "kit run: error: unrecognized arguments: --engin redis-7.0; did you mean",
        ),
        (["run", "--eng=redis-7.0"], "did you mean '--engine'?"),
        (["run", "--nothing-like-it"], "kit run: error: unrecognized arguments: --nothing-like-it\n"),
        (["--sed", "7"], "kit: error: "),
        (["run", "--engine", "redis-70"], "did you mean 'redis-7.0'?"),
    ],
)
def test_misspelt_word_is_answered_with_the_nearest(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the verb that does not know it; none is taken for a longer one."""
    with pytest.raises(SystemExit) as ended:
        _verbs().parse_args(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_what_is_for_another_command_is_passed_on() -> None:
    parser = Parser(prog="kit", passes_on=True)
    parser.add_argument("--seed", type=int)
    given, words = parser.parse_known_args(["--seed", "7", "tests", "-k", "cut"])
    assert (given.seed, words) == (7, ["tests", "-k", "cut"])
