"""The words of the command: every verb, its options, and the function that carries it out.

A function is named as `module:function` below `harness.cli`, and imported when the verb is called. Nothing
here knows a stage: `--help` and a misspelt option answer at once.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from functools import cache

from harness import __doc__ as package_doc
from harness.errors import ExitStatus, UsageError
from harness.model.command_words import BACKENDS, SUITES, seed_of
from harness.model.engine import is_engine_name, meant_engine
from harness.options import Parser
from harness.version import kit_version

SHELLS = ("bash", "zsh")

Verb = Callable[[str, str, str], argparse.ArgumentParser]
"""A verb by its name, its function and what it does."""


@cache
def parser() -> argparse.ArgumentParser:
    """All words of the command. Reading arguments changes nothing in it."""
    made = Parser(
        prog="failover-kit",
        description=(package_doc or "").splitlines()[0],
        epilog=f"Exit status: {'; '.join(f'{one} {one.meaning}' for one in ExitStatus)}.",
    )
    made.add_argument("--version", action="version", version=f"failover-kit {kit_version()}")
    verbs = made.add_subparsers(metavar="verb", required=True)

    def verb(name: str, function: str, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(verb=function)
        return added

    running = (_runs, _exports, _exploring)
    for some in (*running, _files, _results, _machine, _held, _beside, _guests, _housekeeping):
        some(verb)
    return made


def _runs(verb: Verb) -> None:
    """What runs scenarios, or says what a run would do."""
    running = verb("run", "run:carry_out", "run scenarios and report")
    _selecting(running)
    running.add_argument(
        "--jobs", type=_positive, help="how many scenarios run in parallel (default: one per CPU)"
    )
    running.add_argument("--out", type=_path, default="runs", help="folder for results (default: runs)")
    _many(running)
    running.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="only the I-th of N parts of the runs, for one of N machines",
    )
    running.add_argument(
        "--submit",
        choices=("swarm",),
        help="hand the runs out as jobs of a Docker Swarm over the hosts of --hosts, merge their results",
    )
    _shards(running, "of --submit: in how many parts (default: three for each host)")
    running.add_argument(
        "--resume",
        type=_path,
        metavar="FOLDER",
        help="go on with the results that the same command began; what is finished is not run again",
    )
    running.add_argument(
        "--until-sure",
        type=_share,
        metavar="PERCENT",
        help="with --repeat: end the runs of each as soon as it is sure whether this share of them is kept",
    )
    replaying = verb("replay", "replay:carry_out", "run a saved run once more: the same plan, with its seed")
    _of_a_run(replaying)
    replaying.add_argument("--out", type=_path, default="runs", help="folder for results (default: runs)")
    listing = verb("list", "list:carry_out", "list the scenarios with what they show and their tags")
    _naming(listing)
    listing.add_argument("--suite", choices=SUITES, default="all", help="default: all")
    planning = verb("plan", "plan:carry_out", "print what a run would do, without starting anything")
    _selecting(planning)
    _many(planning)
    explaining = verb("explain", "plan:explain", "say second by second what should happen, and why")
    _selecting(explaining)
    explaining.set_defaults(vary=[], repeat=None)


def _shards(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--shards", type=_positive, metavar="N", help=text)


def _exports(verb: Verb) -> None:
    exporting = verb("export", "submitting:export", "print what makes a cluster manager do the same runs")
    exporting.add_argument("form", choices=("kubernetes",), help="an indexed Job and its volume, as YAML")
    _selecting(exporting)
    _many(exporting)
    exporting.add_argument(
        "--jobs", type=_positive, help="how many scenarios run in parallel in a shard (default: one per CPU)"
    )
    _shards(exporting, "in how many parts (default: three)")
    exporting.add_argument(
        "--kit-image",
        metavar="NAME",
        help="the image of the kit, as your registry has it (default: the one that make kit-image builds)",
    )


def _files(verb: Verb) -> None:
    linting = verb(
        "lint", "lint:carry_out", "check configuration files for what breaks at a failover; starts nothing"
    )
    linting.add_argument(
        "files",
        type=_path,
        nargs="+",
        metavar="FILE",
        help="redis.conf, sentinel.conf, users.acl, Compose, haproxy.cfg, deployment, scenario, or a shipped "
        "scenario's name; files given together are one deployment",
    )
    linting.add_argument("--format", choices=("text", "sarif", "junit"), default="text", help="default: text")
    linting.add_argument(
        "--prove", action="store_true", help="run the scenarios that show what was found, on real nodes"
    )
    linting.add_argument("--backend", choices=BACKENDS, default="auto", help="of --prove; default: auto")
    linting.add_argument("--out", type=_path, default="runs", help="folder for results of --prove")


def _results(verb: Verb) -> None:
    """What reads results again."""
    judge = verb("judge", "judge:judge", "judge a saved run again, or a history from another tool")
    judge.add_argument("run", type=_path, nargs="?", help="a results folder, e.g. runs/latest")
    judge.add_argument(
        "--history",
        type=_path,
        metavar="FILE",
        help="a history as JSON lines, one operation per line, of any store of registers",
    )
    judge.add_argument("--partial", action="store_true", help="accept an incomplete last line of FILE")
    _of_a_run(
        verb("decide", "many:decide", "make the page that a team can choose a topology or a setting by")
    )
    merging = verb("merge", "many:merge", "put results together to one, such as the shards of a matrix")
    merging.add_argument("parts", type=_path, nargs="+", metavar="RESULT", help="results folders")
    merging.add_argument("--out", type=_path, default="runs", help="folder for results (default: runs)")
    comparing = verb("compare", "many:compare", "compare two results, cell by cell: is one worse?")
    comparing.add_argument("before", type=_path, metavar="RESULT", help="a results folder, or a summary.json")
    comparing.add_argument("after", type=_path, nargs="?", metavar="RESULT", help="the other one")
    comparing.add_argument(
        "--baseline",
        type=_path,
        metavar="FILE",
        help="compare RESULT with this one, in the place of a second RESULT",
    )
    comparing.add_argument(
        "--fail-on-regression", action="store_true", help="exit with 5 if anything is worse, or newly broken"
    )
    comparing.add_argument("--format", choices=("text", "markdown"), default="text", help="default: text")
    _of_a_run(verb("show", "saved:show", "print the report of a saved run again"))
    why = verb("why", "saved:why", "print all that a saved run recorded about one session")
    _of_a_run(why)
    why.add_argument(
        "session",
        nargs="?",
        help="session id, or its beginning; without it, the broken sessions are listed",
    )
    why.add_argument("--scenario", type=_path, help="the scenario's folder in the run, or a part of its name")
    _of_a_run(
        verb("history", "saved:history", "print everything that one scenario recorded, as JSON lines for jq")
    )


def _machine(verb: Verb) -> None:
    _hosts(verb("doctor", "machine:doctor", "print what this machine can do and what is missing"))
    image = verb(
        "image", "machine:image", "build an image for the nodes from Debian packages, without a registry"
    )
    wanted = image.add_mutually_exclusive_group()
    wanted.add_argument("--engine", help="e.g. valkey-8.1 (default: redis-8.0)")
    wanted.add_argument(
        "--kit", action="store_true", help="an image of this kit instead, in which nodes are processes"
    )


def _held(verb: Verb) -> None:
    """Nodes that stay up, and faults at them by hand."""
    up = verb("up", "by_hand:up", "start the nodes of a scenario and keep them running (a held topology)")
    _selecting(up)
    up.set_defaults(vary=[], repeat=None)
    up.add_argument("--out", type=_path, default="runs", help="folder for the nodes' files (default: runs)")
    _joining(up)
    _own_network(up)
    _pinning(up)
    _for_machines(up, "text", "env")
    status = verb("status", "by_hand:status", "print the nodes and roles of held topologies")
    _for_machines(status, "text", "env")
    down = verb("down", "by_hand:down", "stop a held topology")
    down.add_argument("--all", action="store_true", help="stop every held topology")
    for one in (status, down):
        one.add_argument("run", nargs="?", help="its id; not needed if there is only one")
    inject = verb("inject", "calling:inject", "inject a fault into a held topology")
    inject.add_argument("fault", help="as in a scenario file, e.g. 'kill: primary'")
    inject.add_argument("--run", help="id of the held topology; not needed if there is only one")
    heal = verb("heal", "calling:heal", "undo every fault that is in effect in a held topology")
    heal.add_argument("--run", help="id of the held topology; not needed if there is only one")
    for one in (inject, heal):
        _for_machines(one, "text")


def _beside(verb: Verb) -> None:
    beside_it = verb(
        "with",
        "beside:carry_out",
        "start nodes, run your own command against them, and inject faults meanwhile",
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
    _joining(beside_it)
    _own_network(beside_it)
    _pinning(beside_it)
    _settings_of_nodes(beside_it)
    beside_it.add_argument(
        "--engine", type=_engine, help="an engine by name, e.g. redis-7.0; doctor lists them"
    )
    beside_it.add_argument("--seed", type=_seed, help="repeat the random choices of faults")
    beside_it.add_argument("--out", type=_path, default="runs", help="folder for results (default: runs)")
    beside_it.add_argument("command", nargs="+", metavar="COMMAND", help="after '--': what to run")


def _guests(verb: Verb) -> None:
    guest = verb("guest", "guest:check", "check that the kit understands your own application")
    guest.add_argument("what", choices=("check",), help="walk through its requests on healthy nodes")
    guest.add_argument("file", type=_path, metavar="FILE", help="the guest file")
    guest.add_argument(
        "--beside",
        type=_path,
        default="single",
        metavar="TARGET",
        help="the nodes beside it: single, sentinel, split, shared; or a deployment file (default: single)",
    )
    guest.add_argument("--backend", choices=BACKENDS, default="auto", help="default: auto")


def _exploring(verb: Verb) -> None:
    exploring = verb(
        "explore",
        "explore:carry_out",
        "try random schedules of faults until a promise breaks, and find the smallest that breaks it",
    )
    exploring.add_argument(
        "target",
        nargs="+",
        type=_path,
        help="single, sentinel, cluster, split, shared; or a deployment file; several share the time",
    )
    exploring.add_argument(
        "--minutes",
        type=_minutes,
        default=10.0,
        help="how long runs may start, including those for the smallest schedule (default: 10)",
    )
    exploring.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="METRIC: BOUND",
        help="another promise, e.g. 'lost-write: 0'; may be repeated",
    )
    _settings_of_nodes(exploring)
    exploring.add_argument(
        "--engine", type=_engine, help="an engine by name, e.g. redis-7.0; doctor lists them"
    )
    exploring.add_argument("--seed", type=_seed, help="repeat the draws")
    exploring.add_argument(
        "--jobs", type=_positive, help="how many schedules run in parallel (default: one per CPU)"
    )
    exploring.add_argument("--out", type=_path, default="runs", help="folder for results (default: runs)")


def _housekeeping(verb: Verb) -> None:
    complete = verb("completion", "completion:carry_out", "print a completion script for a shell")
    complete.add_argument("shell", choices=SHELLS)
    cleaning = verb(
        "clean", "machine:clean", "remove processes and containers that a killed harness left; results stay"
    )
    _hosts(cleaning)
    prune = verb("prune", "saved:prune", "remove old results")
    prune.add_argument("--out", type=_path, default="runs", help="folder of results (default: runs)")
    prune.add_argument("--keep", type=_positive, default=10, help="how many to keep (default: 10)")


def _for_machines(parser: argparse.ArgumentParser, default: str, *others: str) -> None:
    forms = parser.add_mutually_exclusive_group()
    parser.set_defaults(form=default)
    forms.add_argument(
        "--json", dest="form", action="store_const", const="json", help="print JSON", default=default
    )
    if "env" in others:
        forms.add_argument(
            "--env",
            dest="form",
            action="store_const",
            const="env",
            help='print variables for a shell: eval "$(failover-kit status --env)"',
            default=default,
        )


def _joining(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--join",
        metavar="NAME",
        help="a container or network namespace of yours that already runs: it gets an address on the nodes' "
        "network, and partitions reach it as they reach the command or your shell",
    )


def _own_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--own-network",
        action="store_true",
        help="without root: nodes have a network of their own, so that network faults work; only what runs "
        "inside it reaches them",
    )


def _pinning(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pin",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value that the application's configuration fixes: service=NAME, password=TEXT, "
        "sentinel-password=TEXT (none: without one), port=NUMBER, sentinel-port=NUMBER; may be repeated",
    )


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
    parser.add_argument(
        "--bug",
        action="append",
        default=[],
        metavar="REPORT",
        help="the scenarios that show a report from an issue tracker, such as redis-12762; may be repeated",
    )


def _selecting(parser: argparse.ArgumentParser) -> None:
    _naming(parser)
    parser.add_argument("--suite", choices=SUITES, help="default: core")
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
    parser.add_argument(
        "--compose",
        type=_path,
        action="append",
        default=[],
        metavar="FILE",
        help="run against your own Compose project, started beside the original; may be repeated",
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="SERVICE=IMAGE",
        help="an image that takes the place of a service's in that project, or of an image that it names; "
        "may be repeated",
    )


def _many(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repeat",
        type=_positive,
        metavar="N",
        help="run each N times, with N seeds; rates and times then have intervals",
    )
    parser.add_argument(
        "--vary",
        type=_varied,
        action="append",
        default=[],
        metavar="PATH=VALUE,VALUE…",
        help="run each with every one of these values of a setting; may be repeated: every combination",
    )


def _hosts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hosts",
        metavar="NAME=ENGINE,…",
        help="of --backend machines, or of --submit: each host and its Docker engine, e.g. "
        "a=ssh://ops@a,b=context:b",
    )
    parser.add_argument(
        "--allow-remote-engine",
        action="store_true",
        help="nodes may run on Docker engines of other machines, where faults kill and fill",
    )


def _settings_of_nodes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="default: auto")
    _hosts(parser)
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
        return seed_of(text)
    except UsageError as problem:
        raise argparse.ArgumentTypeError(str(problem).removeprefix("seed: ")) from problem


def _engine(text: str) -> str:
    if not is_engine_name(text):
        raise argparse.ArgumentTypeError(
            f"expected an engine such as redis, redis-7.0 or valkey-9.1, found {text!r}; {meant_engine(text)}"
        )
    return text


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected I/N such as 2/3, found {text[:40]!r}")
    return int(match[1]), int(match[2])


def _share(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,3})?) ?%?", text)
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError(f"expected a share from 0.1 % to 99.9 %, found {text[:40]!r}")
    return float(match[1]) / 100


def _minutes(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(?:\.[0-9]{1,2})?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"expected minutes above 0, such as 10 or 0.5, found {text[:40]!r}")
    return float(text)


def _varied(text: str) -> tuple[str, tuple[str, ...]]:
    """`deployment.topology.down_after=1s,5s`. A comma inside brackets or quotes ends no value."""
    path, equals, values = text.partition("=")
    split = tuple(one.strip() for one in _apart(values))
    wrong = not equals or not path.strip() or not all(split) or len(set(split)) < len(split)
    if wrong:
        raise argparse.ArgumentTypeError(
            "expected path=value,value… with different values, such as deployment.timing=fast,article, "
            f"found {text[:60]!r}"
        )
    return path.strip(), split


def _apart(values: str) -> list[str]:
    depth, quote, found = 0, "", [""]
    for sign in values:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        else:
            depth += (sign in "[{") - (sign in "]}")
        if sign == "," and not depth and not quote:
            found.append("")
        else:
            found[-1] += sign
    return found


def _positive(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 999999, found {text[:40]!r}")
    return int(text)
