"""`explore`: random schedules of faults, until a promise breaks; then the smallest one that still breaks it.

    failover-kit explore sentinel --minutes 10 --expect 'lost-write: 0'

    promises    what must hold in every run, whatever is drawn
    draw        a random scenario, as a document (pure)
    fitting     what of that fits a topology
    shrink      the same with something left out (pure)
    exploring   draws run until one breaks a promise, or time is up; what breaks is made smaller
    ground      what the draws run on

A draw uses a part of all kinds of faults and behaviours only (swarm testing): what is never together with
everything else at once is found sooner.
"""

from harness.explore.exploring import Found, explore
from harness.explore.fitting import Request, fitting
from harness.explore.ground import OnNodes

__all__ = ["Found", "OnNodes", "Request", "explore", "fitting"]
