"""Nobody is logged out by a failover, and everybody can log in again."""

import pytest
from conftest import call


@pytest.mark.parametrize("fault", ["kill: primary", "pause: primary", "isolate: primary"])
def test_sessions_outlive_a_failover(store, fault):
    ann = store.log_in("ann")
    assert store.copied()
    broken = call("POST", "/inject", fault)
    bob = store.log_in("bob")
    promoted = call("GET", f"/wait/promoted?within=30s&fault={broken['fault']}")
    assert promoted["event_s"] > broken["effect_s"]
    assert store.user_of(ann) == "ann"
    assert store.user_of(bob) == "bob"
