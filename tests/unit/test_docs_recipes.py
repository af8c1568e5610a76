"""docs/doing-it-right.md: a recipe for every behaviour, proved by scenarios that exist and do that very thing."""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from failover_kit import session_store
from failover_kit.session_store import SessionStore
from harness.sessions import BEHAVIOURS, commands
from tests.builders_docs import section_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "doing-it-right.md").read_text(encoding="utf-8")
PROOF = re.compile(r"`(scenarios/[\w/-]+\.yaml)`")


@cache
def mix_of(path: str) -> set[str]:
    return set(yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["workload"]["mix"])


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_has_a_recipe_with_a_proof(behaviour: str) -> None:
    """A scenario that is there; one of them has the behaviour in its mix, or the one that it misses."""
    recipe = section_of(PAGE, behaviour)
    proofs = PROOF.findall(recipe.partition("**Proof**")[2])
    assert proofs
    assert [one for one in proofs if not (ROOT / one).is_file()] == []
    needs = {behaviour, "logout-everywhere"} if behaviour == "list-devices" else {behaviour}
    assert any(needs & mix_of(one) for one in proofs)


def test_page_names_no_scenario_that_is_gone() -> None:
    """Anywhere on the page."""
    assert [one for one in PROOF.findall(PAGE) if not (ROOT / one).is_file()] == []


def test_every_method_of_the_store_belongs_to_a_recipe() -> None:
    """By its name, in a recipe; and it says its commands itself."""
    methods = {name: one for name, one in inspect.getmembers(SessionStore) if not name.startswith("_")}
    del methods["script"]
    assert [name for name in methods if f"`{name}`" not in PAGE] == []
    assert [name for name, one in methods.items() if not re.search(r"`[A-Z]{3,}", one.__doc__ or "")] == []


def test_page_lists_the_recipes_that_have_a_method() -> None:
    """All of them and no other: nobody looks for a method that is not there."""
    head = PAGE.partition("These recipes have a method")[2].partition("The others")[0]
    methods = [name for name, _ in inspect.getmembers(SessionStore) if not name.startswith("_")]
    having = [
        behaviour
        for behaviour in BEHAVIOURS
        if any(f"`{one}`" in section_of(PAGE, behaviour).partition("**Proof**")[0] for one in methods)
    ]
    assert sorted(re.findall(r"`([\w-]+)`", head)) == sorted(having)


@pytest.mark.parametrize("name", ["RENEW", "RELEASE"])
def test_store_sends_the_scripts_that_the_scenarios_try(name: str) -> None:
    """What is proved is what is offered: the store may not import the kit, so its scripts are copies."""
    ours: Any = getattr(commands, name)
    assert getattr(session_store, name) == ours


def test_store_counts_as_the_scenarios_do() -> None:
    """The same script under another name."""
    assert session_store.COUNT == commands.COUNT_WITHIN
