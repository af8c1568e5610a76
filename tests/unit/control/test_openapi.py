"""The file for other tools against the calls that there are."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from harness.control.openapi import description
from harness.control.routes import FAULT_BODY, ROUTES
from harness.faults import FAULTS
from tests.builders_docs import ROOT

FILE = json.loads((ROOT / "docs/control.openapi.json").read_text(encoding="utf-8"))


def test_the_file_is_what_the_calls_are() -> None:
    """Write it anew with `python -m harness.control.openapi > docs/control.openapi.json`."""
    assert description() == FILE


def test_the_file_has_each_call_and_no_other() -> None:
    """By method and path."""
    told = {(method.upper(), path) for path, methods in FILE["paths"].items() for method in methods}
    assert told == {(route.method, route.path) for route in ROUTES}


def test_each_reference_leads_somewhere() -> None:
    """A reader of the file finds each schema in it."""
    schemas = FILE["components"]["schemas"]
    named = {part.split('"')[0] for part in json.dumps(FILE).split("#/components/schemas/")[1:]}
    assert named <= schemas.keys()


BODY = Draft202012Validator(FILE["components"]["schemas"][FAULT_BODY])


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_a_body_and_two_at_once_are_none(kind: str) -> None:
    """As the server takes them."""
    other = next(name for name in FAULTS if name != kind)
    assert BODY.is_valid({kind: "primary", "for": "5s"})
    assert not BODY.is_valid({kind: "primary", other: "primary"})
    assert not BODY.is_valid({"for": "5s"})
