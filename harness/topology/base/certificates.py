"""Certificates of a run whose nodes speak TLS: an authority, the nodes, the kit's clients. Made at its start.

They are in the run's secrets and, for the nodes, in files beside their data, which go with it. All nodes
share one certificate: what a run tests is who is answered after a failover, not who is certified.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.model.credentials import new_secrets
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.seams import Certificates, Secrets
from harness.redis_wire.tls import CERTIFIED_NAME

if TYPE_CHECKING:
    import trustme

FOLDER = "tls"
"""In a node's folder of data. Kept when a node loses its data."""
AUTHORITY, CERTIFICATE, KEY = "ca.crt", "node.crt", "node.key"
_CLIENT = "client.failover-kit.internal"


def secrets_of(plan: Plan, pins: Pins = FREE) -> Secrets:
    """Random passwords for a run, but for pinned ones, and, if its nodes speak TLS, certificates."""
    secrets = new_secrets(plan, pins)
    return replace(secrets, certificates=made()) if plan.scenario.deployment.topology.tls else secrets


def made() -> Certificates:
    """A new authority, and what it certifies."""
    import trustme  # noqa: PLC0415 - it takes longer to import than most verbs to run

    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    node, client = authority.issue_cert(CERTIFIED_NAME), authority.issue_cert(_CLIENT)
    return Certificates(
        authority=authority.cert_pem.bytes().decode(),
        node=_certificate(node),
        node_key=node.private_key_pem.bytes().decode(),
        client=_certificate(client),
        client_key=client.private_key_pem.bytes().decode(),
    )


def _certificate(of: trustme.LeafCert) -> str:
    return "".join(one.bytes().decode() for one in of.cert_chain_pems)


def files(certificates: Certificates) -> dict[str, str]:
    """What a node finds in its `FOLDER`."""
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
