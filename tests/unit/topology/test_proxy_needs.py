"""What a proxy needs on each backend, and what is said where it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.proxy import ProxySpec
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.topology.docker import backend as docker
from harness.topology.docker import image
from harness.topology.process import backend as process
from harness.topology.process import proxy_program
from tests.builders_topology import docker_plan, process_plan

PROXIED = process_plan("sentinel", proxy=ProxySpec())


def machine(*, network_faults: bool) -> Machine:
    return Machine(
        backend=BackendKind.PROCESS, network_faults=network_faults, why_no_network_faults="run as root"
    )


def test_process_backend_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where a plan has a proxy."""
    monkeypatch.setattr(proxy_program, "path", lambda: None)
    assert process.fits(PROXIED) == (
        "a proxy needs HAProxy, which is not on this machine: apt-get install haproxy"
    )
    assert process.fits(process_plan("sentinel")) is None


def test_process_backend_needs_an_address_for_each_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """On loopback the proxy's ports would be anybody's."""
    monkeypatch.setattr(proxy_program, "path", lambda: Path("/usr/sbin/haproxy"))
    monkeypatch.setattr(process, "machine", lambda: machine(network_faults=False))
    assert process.fits(PROXIED) == "a proxy needs its own address: run as root"
    monkeypatch.setattr(process, "machine", lambda: machine(network_faults=True))
    assert process.fits(PROXIED) is None


def test_docker_backend_says_how_its_image_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Built here, or named in the environment."""
    monkeypatch.delenv("HAPROXY_IMAGE", raising=False)
    monkeypatch.setattr(image, "present", lambda _: False)
    monkeypatch.setattr(image, "_can_build", lambda: False)
    plan = docker_plan("sentinel", proxy=ProxySpec())
    assert "failover-kit image --engine haproxy" in str(docker.fits(plan))
    assert docker.fits(docker_plan("sentinel")) is None
    monkeypatch.setenv("HAPROXY_IMAGE", "haproxy:3.0")
    assert docker.fits(plan) is None


def test_doctor_tells_of_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is one, and how to get it."""
    monkeypatch.setattr(proxy_program, "path", lambda: None)
    assert process._proxy().endswith("apt-get install haproxy")
    assert proxy_program.version.__wrapped__() == ""
    monkeypatch.setattr(image, "present", lambda _: True)
    assert image.survey_of_proxy() == "image redis-failover-kit/node:haproxy"
