"""The code under test: a shop that keeps its log-ins in Redis, found by Sentinel."""

import time
import uuid

from redis.exceptions import RedisError

PATIENCE_S = 15.0


class SessionStore:
    """Tries again for a while: a failover takes some seconds."""

    def __init__(self, redis):
        self._redis = redis

    def log_in(self, user):
        session = str(uuid.uuid4())
        self._patiently(lambda: self._redis.set(f"session:{session}", user, ex=3600))
        return session

    def user_of(self, session):
        return self._patiently(lambda: self._redis.get(f"session:{session}"))

    def copied(self):
        """Whether a replica has what was written."""
        return self._redis.wait(1, 1000) >= 1

    def _patiently(self, ask):
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                return ask()
            except RedisError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.1)
