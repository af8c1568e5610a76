"""What `inject` and `heal` do: a call of a held topology's resident.

Whoever types a fault waits for Python to start. So nothing is imported here that a call does not need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import Any, TextIO

from harness.control.words import WAIT_MAX_S
from harness.errors import NoEffect
from harness.held import residence
from harness.held.forms import Form
from harness.held.residence import Residence

_HEALS_WITHIN_S = 60.0
_WITH_BACKENDS = "harness.held.by_hand:resident_of"
"""Imported only where it is needed: it knows the backends, and all that nodes need."""


def inject(fault: str, run: str | None, stream: TextIO, form: Form = Form.PEOPLE) -> int:
    """Do one fault to a held topology and say what proved it. One with `for:` is waited for until it is
    healed; any other stays until `heal`, or until another fault undoes it.

    Returns 3 where no effect was seen.

    Raises:
        UsageError: no such fault, or none that this topology or machine allows.
    """
    control = _resident(run)
    try:
        effect = control.call("POST", "/inject", fault)
    except NoEffect as nothing:
        _tell(_now(), "no effect", str(nothing), form, stream)
        return NoEffect.exit_code
    _tell(effect["effect_at"], "effect", effect["proof"], form, stream)
    if effect["for_s"] is not None:
        _tell(_now(), "healed", _healed(control, effect), form, stream)
    return 0


def _healed(control: Residence, effect: Mapping[str, Any]) -> str:
    """What proved that a fault with an end of its own is healed, once it is. Ctrl-C heals it at once."""
    number, within_s = effect["fault"], effect["for_s"] + _HEALS_WITHIN_S
    try:
        while _of_fault(control, number)["state"] == "effect":
            control.call("GET", f"/wait/healed?within={min(within_s, WAIT_MAX_S):g}s&fault={number}")
    except KeyboardInterrupt:
        control.call("POST", "/heal", {"fault": number})
        raise
    found = _of_fault(control, number)
    return str(found["healed"] or found["reason"])


def _of_fault(control: Residence, number: int) -> Mapping[str, Any]:
    faults: list[Mapping[str, Any]] = control.call("GET", "/status")["faults"]
    return next(one for one in faults if one["fault"] == number)


def heal(run: str | None, stream: TextIO, form: Form = Form.PEOPLE) -> int:
    """Undo every fault of a held topology that is in effect; nodes that were killed or stopped start again.

    Raises:
        EnvironmentFailure: one could not be undone.
    """
    control = _resident(run)
    healed = control.call("POST", "/heal", {})["healed"]
    for one in healed:
        proof = _of_fault(control, one["fault"])["healed"] or "runs again: " + ", ".join(one["nodes"])
        _tell(_now(), "healed", f"{one['kind']}: {proof}", form, stream)
    if not healed and form is Form.PEOPLE:
        print("no fault is in effect", file=stream)
    return 0


def _resident(run: str | None) -> Residence:
    """By its file alone where that is enough: no backend has to be asked then."""
    files = residence.files(run)
    known = residence.of_file(files[0]) if len(files) == 1 else None
    if known is not None:
        return known
    started: Residence = resolve_name(_WITH_BACKENDS)(run)
    return started


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tell(at: str, what: str, detail: str, form: Form, stream: TextIO) -> None:
    """One line, with the time of day; what a machine reads is one object a line."""
    line = json.dumps({"at": at, "what": what, "detail": detail}) if form is Form.JSON else ""
    print(line or f"{at} {what}: {detail}", file=stream, flush=True)
