"""What a guest needs on this machine before it can be started."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.model.guest import Guest


def needed_by(guest: Guest) -> str | None:
    """Why a guest cannot be started on this machine, with what installs it; None: nothing is missing."""
    for name, how in guest.needs.items():
        if not (Path(guest.folder) / name).exists() and shutil.which(name) is None:
            return f"the guest {guest.name} needs {name}, which is not here; to install it: {how}"
    return None
