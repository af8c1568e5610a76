"""What a fault keeps open until it is healed: connections, and threads that go on using them.

An effect is data and is written down; a socket is neither, so it stays in the scene, under the fault's
number.

Trap: whoever holds a topology by hand ends its process after `inject`, and with it everything kept here. So a
fault that keeps something has the trait LASTS, and by hand it needs `for:`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from harness.model.scenario import FaultStep
from harness.model.seams import FaultScene

_ENDS_WITHIN_S = 5.0


@contextmanager
def keeping(step: FaultStep, scene: FaultScene) -> Iterator[ExitStack]:
    """Whatever is entered in here stays until `let_go`; after an error nothing stays."""
    with ExitStack() as closing:
        yield closing
        scene.kept[step.number] = closing.pop_all()


def let_go(step: FaultStep, scene: FaultScene) -> None:
    """Close what a fault kept, the last first. Idempotent."""
    if (closing := scene.kept.pop(step.number, None)) is not None:
        closing.close()


@contextmanager
def going_on(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do this in a thread of its own meanwhile. It is told when to stop, and may end before."""
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_ENDS_WITHIN_S)
