"""`inject` and `heal`: what is called, and what is said of the answers; the resident is scripted."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.errors import NoEffect
from harness.held import calling
from harness.held.forms import Form

EFFECT = {"fault": 2, "effect_at": "2026-11-29T00:00:00.000Z", "proof": "frozen: redis-1", "for_s": None}


@dataclass
class Resident:
    """Answers each call with what is next for its path."""

    answers: dict[str, list[Any]]
    asked: list[tuple[str, object]] = field(default_factory=list)

    def call(self, method: str, path: str, body: object = None) -> Any:
        self.asked.append((f"{method} {path}", body))
        answer = self.answers[path.partition("?")[0]].pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def scripted(monkeypatch: pytest.MonkeyPatch, **answers: list[Any]) -> Resident:
    resident = Resident(
        {f"/{path}".replace("wait", "wait/healed"): list(one) for path, one in answers.items()}
    )
    monkeypatch.setattr(calling, "_resident", lambda _run: resident)
    return resident


def state(word: str, healed: str = "") -> dict[str, Any]:
    return {"faults": [{"fault": 2, "state": word, "healed": healed, "reason": ""}]}


def test_fault_without_an_end_is_told_once_it_is_in_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the moment of its effect and the proof; a machine gets an object in a line."""
    resident = scripted(monkeypatch, inject=[EFFECT, EFFECT])
    told = io.StringIO()
    assert calling.inject("pause: primary", None, told) == 0
    assert told.getvalue() == "2026-11-29T00:00:00.000Z effect: frozen: redis-1\n"
    assert resident.asked == [("POST /inject", "pause: primary")]
    told = io.StringIO()
    assert calling.inject("pause: primary", None, told, Form.JSON) == 0
    assert json.loads(told.getvalue())["what"] == "effect"


def test_fault_without_effect_has_a_status_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the reason."""
    scripted(monkeypatch, inject=[NoEffect("nothing seen")])
    told = io.StringIO()
    assert calling.inject("kill: replica", None, told) == 3
    assert told.getvalue().endswith("no effect: nothing seen\n")


def test_fault_with_an_end_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another fault that is healed meanwhile does not count."""
    resident = scripted(
        monkeypatch,
        inject=[{**EFFECT, "for_s": 2.0}],
        status=[state("effect"), state("effect"), state("healed", "answering"), state("healed", "answering")],
        wait=[{}, {}],
    )
    told = io.StringIO()
    assert calling.inject("pause: primary, for: 2s", None, told) == 0
    assert told.getvalue().endswith("healed: answering\n")
    assert resident.asked.count(("GET /wait/healed?within=62s&fault=2", None)) == 2


def test_interrupted_wait_heals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: the one fault, and no other."""
    resident = scripted(
        monkeypatch,
        inject=[{**EFFECT, "for_s": 7200.0}],
        status=[state("effect")],
        wait=[KeyboardInterrupt()],
        heal=[{}],
    )
    with pytest.raises(KeyboardInterrupt):
        calling.inject("pause: primary, for: 2h", None, io.StringIO())
    assert resident.asked[-2:] == [
        ("GET /wait/healed?within=3600s&fault=2", None),
        ("POST /heal", {"fault": 2}),
    ]


def test_heal_tells_what_it_undid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that there was nothing; a machine then gets nothing."""
    one = {"fault": 2, "kind": "kill", "nodes": ["redis-1"]}
    scripted(monkeypatch, heal=[{"healed": [one]}, {"healed": []}, {"healed": []}], status=[state("healed")])
    told = io.StringIO()
    assert calling.heal(None, told) == 0
    assert told.getvalue().endswith("healed: kill: runs again: redis-1\n")
    told = io.StringIO()
    assert calling.heal(None, told) == 0
    assert told.getvalue() == "no fault is in effect\n"
    told = io.StringIO()
    assert calling.heal(None, told, Form.JSON) == 0
    assert told.getvalue() == ""
