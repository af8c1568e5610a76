"""The verbs. Each parses its options, calls the stages, prints, and returns an exit status
(`harness.errors.ExitStatus`).

A person never sees a traceback: every `KitError` is one message, and anything else is a bug, whose
traceback goes into a file.
"""

from __future__ import annotations

import argparse
import re
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness import __doc__ as package_doc
from harness import beside, completion, doctor, output, saved
from harness import plan as planning
from harness.errors import EnvironmentFailure, ExitStatus, KitError, UsageError
from harness.model.engine import is_engine_name
from harness.model.plan import Plan
from harness.model.results import SuiteResult
from harness.model.scenario import FaultStep, Scenario
from harness.report import terminal
from harness.run import Asked, NotWritten, run
from harness.running import by_hand, selection
from harness.running.given_files import Given, sorted_out
from harness.running.ground import BACKENDS, Ground, build_image, choose_ground, clean, ground_for_planning
from harness.running.selection import Choice, Chosen
from harness.running.vocabulary import shipped
from harness.saved.foreign import judge_file
from harness.scenario import load_fault, load_faults
from harness.version import kit_version
from harness.visible import visible_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `failover-kit` and `python -m harness`."""
    output.prepare()
    try:
        return _carried_out(arguments)
    finally:
        output.finish()


def _carried_out(arguments: Sequence[str] | None) -> int:
    _unwind_on_sigterm()
    try:
        _check_ground(sys.argv[1:] if arguments is None else arguments)
        options = _parser().parse_args(arguments)
        verb: Callable[[argparse.Namespace], int] = options.verb
        return verb(options)
    except KitError as problem:
        output.complain(str(problem))
        return problem.exit_code
    except KeyboardInterrupt:
        output.complain("interrupted")
        return ExitStatus.INTERRUPTED
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        output.complain(f"{where}{problem.strerror or problem}")
        return EnvironmentFailure.exit_code
    except Exception as problem:  # noqa: BLE001  a bug must not look like a verdict: never status 1
        output.report_crash(problem)
        return EnvironmentFailure.exit_code


def _check_ground(arguments: Sequence[str]) -> None:
    """What no verb can do without: words that a result can repeat, and a current folder."""
    for word in arguments:
        try:
            word.encode()
        except UnicodeEncodeError as problem:
            raise UsageError(f"{word[:40]!r}: expected an argument in UTF-8, found other bytes") from problem
    try:
        Path.cwd()
    except FileNotFoundError as problem:
        raise EnvironmentFailure(
            "the current folder does not exist any more: cd to another folder"
        ) from problem


def _unwind_on_sigterm() -> None:
    """SIGTERM unwinds as Ctrl-C does, so that nothing stays behind."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _run(options: argparse.Namespace) -> int:
    asked = Asked(
        choice=_choice(options),
        name="selected" if _given(options).scenarios else options.suite,
        backend=options.backend,
        seed=options.seed,
        jobs=options.jobs,
        out=Path(options.out),
    )
    try:
        return _show_suite(run(asked, terminal.display(sys.stdout), warn=output.note))
    except NotWritten as problem:  # what was learnt is shown all the same
        _show_suite(problem.suite)
        raise


def _show_suite(result: SuiteResult) -> int:
    terminal.show(result, sys.stdout)
    return result.exit_code


def _choice(options: argparse.Namespace) -> Choice:
    return _given(options).choice(suite=options.suite, settings=options.set, engines=options.engine)


def _given(options: argparse.Namespace) -> Given:
    return sorted_out(options.files, scenarios=options.scenario, deployments=options.deployment)


def _list(options: argparse.Namespace) -> int:
    given = sorted_out(options.files, scenarios=options.scenario)
    if given.deployments:
        raise UsageError(f"list: expected scenarios, found the deployment {given.deployments[0]}")
    chosen = selection.choose(given.choice(suite="all"))
    named = [replace(one.scenario, file=selection.as_typed(one.scenario.file)) for one in chosen]
    terminal.show_list(named, sys.stdout)
    return 0


def _plan(options: argparse.Namespace) -> int:
    ground = ground_for_planning(options.backend)
    seed = options.seed if options.seed is not None else 0
    for plan in selection.compile_chosen(selection.choose(_choice(options)), seed=seed, ground=ground):
        output.say(planning.describe(plan, shipped()))
    return 0


def _judge(options: argparse.Namespace) -> int:
    if (options.run is None) == (options.history is None):
        raise UsageError("judge: expected either a results folder or --history FILE")
    if options.history is not None:
        return _judge_history(Path(options.history), partial=options.partial)
    if options.partial:
        raise UsageError("judge: --partial belongs to --history")
    return _show_suite(saved.judge_again(Path(options.run)))


def _judge_history(file: Path, *, partial: bool) -> int:
    lines, exit_code = judge_file(file, partial=partial)
    output.say("\n".join(lines))
    return exit_code


def _show(options: argparse.Namespace) -> int:
    return _show_suite(saved.load(Path(options.run)))


def _history(options: argparse.Namespace) -> int:
    for line in saved.lines(Path(options.run)):
        if output.unread():
            break
        sys.stdout.buffer.write(visible_json(line.decode()).encode() + b"\n")
    return 0


def _why(options: argparse.Namespace) -> int:
    for line in saved.why(Path(options.run), options.session, scenario=options.scenario):
        output.say(line)
    return 0


def _prune(options: argparse.Namespace) -> int:
    for line in saved.prune(Path(options.out), keep=options.keep):
        output.say(line)
    return 0


def _clean(_options: argparse.Namespace) -> int:
    for line in clean() or ["nothing to remove"]:
        output.say(line)
    for file in output.crash_files():
        output.complain(f"{file}: the traceback of a bug in the kit; report it, then remove the file")
    return 0


def _doctor(_options: argparse.Namespace) -> int:
    return doctor.examine(sys.stdout)


def _image(options: argparse.Namespace) -> int:
    output.say(build_image(options.engine))
    return 0


def _up(options: argparse.Namespace) -> int:
    plan, ground = _one_plan(options)
    return by_hand.up(plan, ground, Path(options.out), sys.stdout)


def _one_plan(options: argparse.Namespace) -> tuple[Plan, Ground]:
    chosen = _to_hold(options)
    if len(chosen) != 1:
        raise UsageError(
            "up: expected one scenario or one deployment file, and one engine; found "
            f"{len(chosen)} topologies"
        )
    ground = choose_ground(options.backend, selection.engines_of([one.scenario for one in chosen]))
    (plan,) = selection.compile_chosen(chosen, seed=options.seed or 0, ground=ground)
    return plan, ground


def _to_hold(options: argparse.Namespace) -> list[Chosen]:
    given = _given(options)
    if given.scenarios:
        return selection.choose(_choice(options))
    if not given.deployments:
        raise UsageError("up: expected a scenario or a deployment file: failover-kit up sentinel/01")
    return selection.choose_without_load(_choice(options))


def _status(options: argparse.Namespace) -> int:
    return by_hand.status(options.run, sys.stdout)


def _inject(options: argparse.Namespace) -> int:
    def read(scenario: Scenario) -> FaultStep:
        return load_fault(options.fault, scenario, shipped())

    return by_hand.inject(read, options.run, sys.stdout)


def _down(options: argparse.Namespace) -> int:
    return by_hand.down(options.run, sys.stdout)


def _with(options: argparse.Namespace) -> int:
    engine = (f"deployment.engine={options.engine}",) if options.engine else ()
    scenario = beside.nodes_of(options.target, settings=(*options.set, *engine))
    faults = load_faults(options.fault, scenario, shipped())
    ground = choose_ground(options.backend, selection.engines_of([scenario]))
    return beside.with_command(
        replace(scenario, faults=faults),
        ground,
        command=options.command,
        environment=options.env,
        seed=options.seed if options.seed is not None else secrets.randbelow(2**31),
        out=Path(options.out),
    )


def _completion(options: argparse.Namespace) -> int:
    output.say(completion.script(_parser(), options.shell))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="failover-kit",
        description=(package_doc or "").splitlines()[0],
        epilog=f"Exit status: {'; '.join(f'{one} {one.meaning}' for one in ExitStatus)}.",
    )
    parser.add_argument("--version", action="version", version=f"failover-kit {kit_version()}")
    verbs = parser.add_subparsers(metavar="verb", required=True)

    def verb(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(verb=action)
        return added

    running = verb("run", _run, "run scenarios and report")
    _selecting(running)
    running.add_argument(
        "--jobs", type=_positive, help="how many scenarios run in parallel (default: one per CPU)"
    )
    running.add_argument("--out", type=_path, default="runs", help="folder for results (default: runs)")
    listing = verb("list", _list, "list the scenarios with what they show and their tags")
    _naming(listing)
    _selecting(verb("plan", _plan, "print what a run would do, without starting anything"))
    judge = verb("judge", _judge, "judge a saved run again, or a history from another tool")
    judge.add_argument("run", type=_path, nargs="?", help="a results folder, e.g. runs/latest")
    judge.add_argument(
        "--history",
        type=_path,
        metavar="FILE",
        help="a history as JSON lines, one operation per line, of any store of registers",
    )
    judge.add_argument("--partial", action="store_true", help="accept an incomplete last line of FILE")
    _of_a_run(verb("show", _show, "print the report of a saved run again"))
    why = verb("why", _why, "print all that a saved run recorded about one session")
    _of_a_run(why)
    why.add_argument(
        "session",
        nargs="?",
        help="session id, or its beginning; without it, the broken sessions are listed",
    )
    why.add_argument("--scenario", type=_path, help="the scenario's folder in the run, or a part of its name")
    _of_a_run(verb("history", _history, "print everything that one scenario recorded, as JSON lines for jq"))
    verb("doctor", _doctor, "print what this machine can do and what is missing")
    image = verb("image", _image, "build an image for the nodes from Debian packages, without a registry")
    image.add_argument("--engine", help="e.g. valkey-8.1 (default: redis-8.0)")
    up = verb("up", _up, "start the nodes of a scenario and keep them running (a held topology)")
    _selecting(up)
    up.add_argument("--out", type=_path, default="runs", help="folder for the nodes' files (default: runs)")
    for name, action, text in (
        ("status", _status, "print the nodes and roles of held topologies"),
        ("down", _down, "stop a held topology"),
    ):
        verb(name, action, text).add_argument(
            "run", nargs="?", help="its id; not needed if there is only one"
        )
    inject = verb("inject", _inject, "inject a fault into a held topology")
    inject.add_argument("fault", help="as in a scenario file, e.g. 'kill: primary'")
    inject.add_argument("--run", help="id of the held topology; not needed if there is only one")
    beside_it = verb(
        "with", _with, "start nodes, run your own command against them, and inject faults meanwhile"
    )
    beside_it.add_argument(
        "target",
        type=_path,
        help="single, sentinel, cluster, split, shared; a deployment file; or a scenario",
    )
    beside_it.add_argument(
        "--fault",
        action="append",
        default=[],
        help="as in a scenario's list, e.g. 'after: 3s, kill: primary'; may be repeated",
    )
    beside_it.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="an additional environment variable for the command, e.g. STORE={REDIS_URL}",
    )
    _settings_of_nodes(beside_it)
    beside_it.add_argument(
        "--engine", type=_engine, help="an engine by name, e.g. redis-7.0; doctor lists them"
    )
    beside_it.add_argument("--seed", type=_seed, help="repeat the random choices of faults")
    beside_it.add_argument("--out", type=_path, default="runs", help="folder for results (default: runs)")
    beside_it.add_argument("command", nargs="+", metavar="COMMAND", help="after '--': what to run")
    complete = verb("completion", _completion, "print a completion script for a shell")
    complete.add_argument("shell", choices=completion.SHELLS)
    verb("clean", _clean, "remove processes and containers that a killed harness left; results stay")
    prune = verb("prune", _prune, "remove old results")
    prune.add_argument("--out", type=_path, default="runs", help="folder of results (default: runs)")
    prune.add_argument("--keep", type=_positive, default=10, help="how many to keep (default: 10)")
    return parser


def _naming(parser: argparse.ArgumentParser) -> None:
    what = "a scenario: a file, a folder, or a glob over shipped ones"
    parser.add_argument("files", type=_path, nargs="*", metavar="FILE", help=f"{what}; or a deployment file")
    parser.add_argument(
        "--scenario",
        type=_path,
        action="append",
        default=[],
        help="the same as FILE: a scenario; may be repeated",
    )


def _selecting(parser: argparse.ArgumentParser) -> None:
    _naming(parser)
    parser.add_argument("--suite", choices=selection.SUITES, default="core", help="default: core")
    _settings_of_nodes(parser)
    parser.add_argument(
        "--engine",
        type=_engine,
        action="append",
        default=[],
        help="an engine by name, e.g. redis-7.0 or valkey-9.1 (doctor lists them); may be repeated",
    )
    parser.add_argument("--seed", type=_seed, help="repeat a plan: the same arrivals, users and choices")
    parser.add_argument(
        "--deployment",
        type=_path,
        action="append",
        default=[],
        metavar="FILE",
        help="run against another deployment; may be repeated",
    )


def _settings_of_nodes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="default: auto")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change one setting")


def _of_a_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=_path, help="a results folder, e.g. runs/latest")


def _path(text: str) -> str:
    """Nothing is no path: it would mean the folder that somebody happens to be in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, found nothing (is a variable empty?)")
    if "\n" in text or not text.isprintable():
        raise argparse.ArgumentTypeError(f"expected a path without control characters, found {text!r}")
    return text


def _seed(text: str) -> int:
    try:
        return selection.seed_of(text)
    except UsageError as problem:
        raise argparse.ArgumentTypeError(str(problem).removeprefix("seed: ")) from problem


def _engine(text: str) -> str:
    if not is_engine_name(text):
        raise argparse.ArgumentTypeError(
            f"expected an engine such as redis, redis-7.0 or valkey-9.1, found {text!r}"
        )
    return text


def _positive(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text[:40]!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
