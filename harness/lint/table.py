"""All rules, in the order in which they are listed and explained."""

from __future__ import annotations

from harness.lint.rule import Rule
from harness.lint.rules import (
    clients,
    commands,
    containers,
    data,
    files,
    names,
    passwords,
    proxies,
    sentinels,
)

RULES: tuple[Rule, ...] = (
    *files.RULES,
    *sentinels.RULES,
    *passwords.RULES,
    *commands.RULES,
    *data.RULES,
    *names.RULES,
    *containers.RULES,
    *proxies.RULES,
    *clients.RULES,
)
