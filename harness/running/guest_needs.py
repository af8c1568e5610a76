"""What a guest, or a client library, needs on this machine before it can be started."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.libraries import apart
from harness.libraries.environments import missing
from harness.model.deployment import ClientProfile
from harness.model.guest import Guest


def needed_by(guest: Guest) -> str | None:
    """Why a guest cannot be started on this machine, with what installs it; None: nothing is missing."""
    for name, how in guest.needs.items():
        if not (Path(guest.folder) / name).exists() and shutil.which(name) is None:
            return f"the guest {guest.name} needs {name}, which is not here; to install it: {how}"
    return None


def library_of(client: ClientProfile) -> str | None:
    """Why a client's library cannot be used on this machine, with what installs it; None: it can."""
    library = apart(client.library, client.version)
    return None if library is None else missing(library, client.version)
