"""A haproxy.cfg of somebody's own with a run's addresses and passwords in the place of its marks. Pure.

Before their lines come two of the kit's: where the proxy answers for observers, and where its log goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.model.credentials import alike, filled, has_own, kit_login
from harness.model.haproxy_words import escaped
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.proxy import Asked, FileLogin, Mark, ProxyFile
from harness.model.seams import Address, Secrets
from harness.redis_wire.tls import CERTIFIED_NAME
from harness.topology.base.certificates import AUTHORITY, TO_CLIENTS, TO_NODES, as_haproxy_spells

_MARK = re.compile(r"⟦([a-z-]+) ?([^⟧]*)⟧")
_CERTIFICATES: Mapping[Mark, str] = {
    Mark.AUTHORITY: AUTHORITY,
    Mark.OWN_CERTIFICATE: TO_CLIENTS,
    Mark.CLIENT_CERTIFICATE: TO_NODES,
}


def render(
    file: ProxyFile,
    plan: Plan,
    *,
    own: Address,
    addresses: Mapping[str, Address],
    secrets: Secrets,
    directory: str,
    first: tuple[str, ...],
) -> str:
    """The whole file; `first`: the lines of the kit's own section before it, `directory`: of the proxy's
    files, as it sees them."""

    def filled_in(found: re.Match[str]) -> str:
        mark, what = Mark(found[1]), found[2]
        if mark is Mark.LOGIN:
            return _words(file.logins[int(what)], plan, secrets)
        if mark in _CERTIFICATES:
            return as_haproxy_spells(directory, _CERTIFICATES[mark])
        return _place(mark, what, own=own, addresses=addresses, plan=plan)

    parts = ["\n".join(first)]
    for section in file.sections:
        lines = [one for line in section.lines for one in _lines(line, file, plan)]
        parts.append("\n".join([section.head, *(f"    {_MARK.sub(filled_in, line)}" for line in lines)]))
    return "\n\n".join(parts) + "\n"


def _lines(line: str, file: ProxyFile, plan: Plan) -> Iterator[str]:
    """A login that the file has not is there only where the nodes have the run's own passwords."""
    found = _MARK.fullmatch(line)
    if found is None:
        yield line
    elif not _has_own(file.logins[int(found[2])], plan):
        yield f"tcp-check send {line}\\r\\n"
        yield "tcp-check expect string +OK"


def _words(login: FileLogin, plan: Plan, secrets: Secrets) -> str:
    if _has_own(login, plan) and login.password:
        words: tuple[str, ...] = ("AUTH", *filter(None, (login.user, filled(login.password, secrets))))
    else:
        words = kit_login(plan, _any(login, plan).name, secrets).auth()
    return escaped(" ".join(words))


def _has_own(login: FileLogin, plan: Plan) -> bool:
    return has_own(alike(plan, _any(login, plan)))


def _any(login: FileLogin, plan: Plan) -> NodePlan:
    return plan.sentinels()[0] if login.asked is Asked.SENTINEL else plan.inventory.session_nodes()[0]


def _place(mark: Mark, node: str, *, own: Address, addresses: Mapping[str, Address], plan: Plan) -> str:
    if mark is Mark.OWN:
        return own.host
    if mark is Mark.CLIENTS:
        return f"{own.host}:{own.port}"
    if mark is Mark.SERVICE:
        return plan.scenario.deployment.topology.service
    if mark is Mark.CERTIFIED:
        return CERTIFIED_NAME
    at = addresses[node]
    texts = {
        Mark.HOST: at.host,
        Mark.PORT: str(at.port),
        Mark.ESCAPED_HOST: re.escape(at.host),
        Mark.HOST_LENGTH: str(len(at.host)),
    }
    return texts[mark]
