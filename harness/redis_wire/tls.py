"""How the kit's own connections speak TLS: with the certificates of the run, and nobody else's.

A node is known by its certificate, which names all nodes of the run; its address is chosen later. So a server
of somebody else's at one of these addresses is refused before a password is sent to it.
"""

from __future__ import annotations

import ssl
import tempfile
from functools import lru_cache
from pathlib import Path

from harness.model.seams import Certificates

CERTIFIED_NAME = "node.failover-kit.internal"
"""In the certificate of the nodes."""


@lru_cache(maxsize=8)
def context_of(certificates: Certificates) -> ssl.SSLContext:
    """A client's context: its own certificate, and only the run's authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificates.authority)
    with tempfile.TemporaryDirectory() as folder:  # the library reads a key from a file only
        file = Path(folder) / "client.pem"
        file.touch(mode=0o600)
        file.write_text(certificates.client_key + certificates.client, encoding="ascii")
        context.load_cert_chain(file)
    return context


def refusal(problem: ssl.SSLError) -> str:
    """Who did not take whose certificate, as one sentence."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is none of this run: {problem.verify_message}"
    said = (problem.reason or str(problem)).replace("_", " ").lower()
    return f"no TLS with the certificate of this run: {said}"
