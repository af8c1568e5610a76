"""Runs inside `failover-kit with sentinel -- pytest`: nodes from the variables, faults by the control interface."""

import json
import os
import urllib.request

import pytest
from redis.sentinel import Sentinel
from shop import SessionStore


def call(method, path, body=None):
    request = urllib.request.Request(
        os.environ["FAILOVER_CONTROL"] + path,
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {os.environ['FAILOVER_CONTROL_TOKEN']}"},
        method=method,
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@pytest.fixture
def store():
    hosts = [tuple(one.split(":")) for one in os.environ["REDIS_SENTINELS"].split(",")]
    known = {"password": os.environ["REDIS_SENTINEL_PASSWORD"], "socket_timeout": 0.5}
    sentinel = Sentinel(hosts, sentinel_kwargs=known)
    primary = sentinel.master_for(
        os.environ["REDIS_SERVICE"],
        password=os.environ["REDIS_PASSWORD"],
        socket_timeout=0.5,
        decode_responses=True,
    )
    yield SessionStore(primary)
    call("POST", "/heal")
    call("GET", "/wait/recovered?within=60s")
