"""A topology that is held while somebody works with it by hand: `up`, `status`, `down`."""

from __future__ import annotations

import argparse
import socket
import sys
from dataclasses import replace
from pathlib import Path

from harness import beside
from harness.cli.choice import choice_of, given_in
from harness.errors import UsageError
from harness.held import by_hand, residence
from harness.held.forms import Form
from harness.model.plan import Plan
from harness.running import selection
from harness.running.compiling import compile_chosen
from harness.running.ground import Ground, choose_ground, enter_own_network
from harness.running.pinning import Pinned, pinned
from harness.running.selection import Chosen


def up(options: argparse.Namespace) -> int:
    with residence.new_listener() as listener:
        fixed = pinned(options.pin)
        options.set = [*fixed.settings, *options.set]
        plan, ground = _one_plan(options, listener, fixed)
        form, out = _form(options), Path(options.out)
        return by_hand.up(
            plan, ground, out, sys.stdout, form, listener=listener, join=options.join, pins=fixed.pins
        )


def _form(options: argparse.Namespace) -> Form:
    return Form(options.form)


def _one_plan(options: argparse.Namespace, listener: socket.socket, fixed: Pinned) -> tuple[Plan, Ground]:
    chosen = _to_hold(options)
    if len(chosen) != 1:
        raise UsageError(
            "up: expected one scenario or one deployment file, and one engine; found "
            f"{len(chosen)} topologies"
        )
    if own := chosen[0].scenario.deployment.project:
        raise UsageError(
            f"up: {own.file} is a Compose project; `failover-kit run` and `failover-kit with` can start it, "
            "`up` cannot"
        )
    engines = selection.engines_of([one.scenario for one in chosen])
    ground = choose_ground(options.backend, engines, beside_command=True)
    if options.own_network:
        with residence.handed_on(listener):
            enter_own_network(ground)
    ground = fixed.ground(ground)
    chosen = [replace(one, scenario=beside.without_load(one.scenario)) for one in chosen]
    (plan,) = compile_chosen(chosen, seed=options.seed or 0, ground=ground)
    return plan, ground


def _to_hold(options: argparse.Namespace) -> list[Chosen]:
    words = [*options.files, *options.scenario, *options.bug]
    if len(words) == 1 and beside.is_kind(words[0]) and not options.deployment and len(options.engine) <= 1:
        engine = options.engine[0] if options.engine else None
        return [Chosen(scenario=beside.nodes_of(words[0], settings=options.set, engine=engine), changed=())]
    given = given_in(options)
    if given.scenarios:
        return selection.choose(choice_of(options))
    if not given.deployments:
        raise UsageError("up: expected a topology, a scenario or a deployment file: failover-kit up sentinel")
    return selection.choose_without_load(choice_of(options))


def status(options: argparse.Namespace) -> int:
    return by_hand.status(options.run, sys.stdout, _form(options))


def down(options: argparse.Namespace) -> int:
    if options.all and options.run is not None:
        raise UsageError(f"down: expected either --all or the id of one, found both, with {options.run}")
    return by_hand.down(options.run, sys.stdout, everything=options.all)
