"""The same with the fixture: pytest starts the nodes itself, `failover-kit with` is not needed."""

from redis.sentinel import Sentinel
from shop import SessionStore


def test_sessions_outlive_a_paused_primary(redis_failover):
    topology = redis_failover("sentinel")
    known = {"password": topology.sentinel_password, "socket_timeout": 0.5}
    sentinel = Sentinel(topology.sentinels, sentinel_kwargs=known)
    store = SessionStore(
        sentinel.master_for(
            topology.service, password=topology.password, socket_timeout=0.5, decode_responses=True
        )
    )
    ann = store.log_in("ann")
    assert store.copied()
    with topology.fault("pause: primary") as fault:
        assert fault.wait("promoted") < 10
        assert store.user_of(ann) == "ann"
