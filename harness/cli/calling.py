"""Faults at a topology that is held: `inject`, `heal`."""

from __future__ import annotations

import argparse
import sys

from harness.held import calling
from harness.held.forms import Form


def inject(options: argparse.Namespace) -> int:
    return calling.inject(options.fault, options.run, sys.stdout, Form(options.form))


def heal(options: argparse.Namespace) -> int:
    return calling.heal(options.run, sys.stdout, Form(options.form))
