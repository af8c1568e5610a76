"""What a guest, or a client library, needs on this machine before it can be started."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import EnvironmentFailure
from harness.libraries import apart
from harness.libraries.environments import missing
from harness.model.deployment import ClientProfile
from harness.model.guest import Guest
from harness.topology.docker.image import present


def needed_by(guest: Guest) -> str | None:
    """Why a guest cannot be started on this machine, with what installs it; None: nothing is missing."""
    image = guest.container.image if guest.container else ""
    for name, how in guest.needs.items():
        if name != image and not (Path(guest.folder) / name).exists() and shutil.which(name) is None:
            return f"the guest {guest.name} needs {name}, which is not here; to install it: {how}"
    if image and not _present(image):
        how = guest.needs.get(image, f"docker pull {image}")
        return f"the guest {guest.name} needs the image {image}, which is not here; to get it: {how}"
    return None


def library_of(client: ClientProfile) -> str | None:
    """Why a client's library cannot be used on this machine, with what installs it; None: it can."""
    library = apart(client.library, client.version)
    return None if library is None else missing(library, client.version)


def _present(image: str) -> bool:
    try:
        return present(image)
    except EnvironmentFailure:  # no engine: the backend says it better
        return True
