"""Certificates of a run whose nodes speak TLS: an authority, the nodes, the kit's clients. Made at its start.

They are in the run's secrets and, for the nodes, in files beside their data, which go with it. All nodes
share one certificate: what a run tests is who is answered after a failover, not who is certified. It names
their addresses, as clients of somebody else's check those, and also those of the proxies, which pass on what
they do not understand.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness.errors import EnvironmentFailure
from harness.model.credentials import new_secrets
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.seams import Address, Certificates, Secrets
from harness.model.words import NodeRole
from harness.redis_wire.tls import CERTIFIED_NAME

if TYPE_CHECKING:
    import trustme

FOLDER = "tls"
"""In a node's folder of data. Kept when a node loses its data."""
AUTHORITY, CERTIFICATE, KEY = "ca.crt", "node.crt", "node.key"
TO_NODES, TO_CLIENTS = "proxy.pem", "server.pem"
"""What a proxy shows, each a certificate with its key."""

OF_CLIENTS = {
    "REDIS_TLS_CA_FILE": AUTHORITY,
    "REDIS_TLS_CERT_FILE": "client.crt",
    "REDIS_TLS_KEY_FILE": "client.key",
}
"""In the run's folder, while its nodes are there: what a client of somebody else's needs. The variable that
leads it there -> the file."""
_CLIENT = "client.failover-kit.internal"


def secrets_of(plan: Plan, pins: Pins = FREE) -> Secrets:
    """Random passwords for a run, but for pinned ones, and, if somebody speaks TLS, certificates."""
    secrets = new_secrets(plan, pins)
    needed = plan.scenario.deployment.topology.needs_certificates
    return replace(secrets, certificates=made()) if needed else secrets


def naming(secrets: Secrets, addresses: Iterable[Address]) -> Secrets:
    """The same passwords, and certificates that name these addresses, which are chosen after the secrets."""
    if secrets.certificates is None:
        return secrets
    return replace(secrets, certificates=made(sorted({at.host for at in addresses})))


def made(hosts: Iterable[str] = ()) -> Certificates:
    """A new authority, and what it certifies. `hosts`: addresses of nodes."""
    import trustme  # noqa: PLC0415 - it takes longer to import than most verbs to run

    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    node, client = authority.issue_cert(CERTIFIED_NAME, *hosts), authority.issue_cert(_CLIENT)
    return Certificates(
        authority=authority.cert_pem.bytes().decode(),
        node=_certificate(node),
        node_key=node.private_key_pem.bytes().decode(),
        client=_certificate(client),
        client_key=client.private_key_pem.bytes().decode(),
    )


def _certificate(of: trustme.LeafCert) -> str:
    return "".join(one.bytes().decode() for one in of.cert_chain_pems)


def files(certificates: Certificates, role: NodeRole) -> dict[str, str]:
    """What a node finds in its `FOLDER`. A proxy is a client of the nodes."""
    if role is NodeRole.PROXY:
        return {
            AUTHORITY: certificates.authority,
            TO_NODES: certificates.client_key + certificates.client,
            TO_CLIENTS: certificates.node_key + certificates.node,
        }
    return {
        AUTHORITY: certificates.authority,
        CERTIFICATE: certificates.node,
        KEY: certificates.node_key,
    }


def directives(directory: str) -> dict[str, str]:
    """The lines with which a node finds them; `directory`: of its data, as the node sees it."""
    folder = PurePosixPath(directory) / FOLDER
    return {
        "tls-ca-cert-file": str(folder / AUTHORITY),
        "tls-cert-file": str(folder / CERTIFICATE),
        "tls-key-file": str(folder / KEY),
    }


def of_a_proxy(directory: str) -> str:
    """How HAProxy spells who it is to nodes, and whom it takes for one."""
    authority, own = (as_haproxy_spells(directory, name) for name in (AUTHORITY, TO_NODES))
    return f"verify required verifyhost {CERTIFIED_NAME} ca-file {authority} crt {own}"


def as_haproxy_spells(directory: str, file: str) -> str:
    """Where one of a proxy's files is. It quotes as a shell does."""
    return shlex.quote(str(PurePosixPath(directory) / FOLDER / file))


def hand_out(secrets: Secrets, directory: Path) -> None:
    """Write what a client needs into a run's folder; nothing where nodes speak plain TCP.

    Raises:
        EnvironmentFailure: it cannot be written.
    """
    known = secrets.certificates
    if known is None:
        return
    texts = {AUTHORITY: known.authority, "client.crt": known.client, "client.key": known.client_key}
    folder = directory / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(text, encoding="ascii")
    except OSError as error:
        raise EnvironmentFailure(f"{folder}: cannot write a client's certificate: {error}") from error


def take_back(directory: Path) -> None:
    """Remove what `hand_out` wrote: it is of no use without the nodes."""
    shutil.rmtree(directory / FOLDER, ignore_errors=True)


def of_clients(secrets: Secrets, directory: Path) -> dict[str, str]:
    """The variables that lead a client there."""
    if secrets.certificates is None:
        return {}
    return {name: str(directory / FOLDER / file) for name, file in OF_CLIENTS.items()}
