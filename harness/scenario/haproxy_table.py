"""Which lines of a haproxy.cfg a proxy of a run is given. What is not here is left out.

A proxy must not run a program, read a file, reach beyond the run's nodes, or open a door of its own.
What `decides` can change who gets connections, so a verdict without it is not about the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.model.directive_table import Reason
from harness.model.proxy import Mark

RUNS_PROGRAMS = Reason("it runs a program, and the kit starts none of yours", decides=True)
UNKNOWN = Reason("the kit does not know it", decides=True)
LEADS_OUT = Reason(
    "it reads a file, a variable or a script of the machine that the file is from", decides=True
)
CERTIFICATES = Reason("certificates are made for every run", decides=False)
OTHER_PROTOCOL = Reason("the run's nodes and clients do not speak the PROXY protocol", decides=True)
AGENT = Reason("there is no agent on the run's nodes", decides=True)
OWN_SENTINEL = Reason("it asks another port of each node's own host, and nothing is there", decides=True)
ELSEWHERE = Reason("it asks a place that is no node of the run", decides=True)
UNREADABLE_SEND = Reason("what it sends may hold a password that the kit cannot see", decides=True)
CHANGES = Reason("it does more than ask", decides=True)
PLACE = Reason("true of the machine that the file is from; the run says it for this one", decides=False)
OTHER_SECTION = Reason("no connection of a client needs it", decides=False)
NOT_ON_THE_ROAD = Reason("no connection of a client goes there", decides=False)


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


SECTIONS_PASSED = frozenset({"global", "defaults", "frontend", "backend", "listen"})
SECTIONS_LEFT_OUT: Mapping[str, Reason] = {
    "program": RUNS_PROGRAMS,
    "resolvers": PLACE,
    **dict.fromkeys(
        ["peers", "mailers", "ring", "log-forward", "log-profile", "userlist", "cache"], OTHER_SECTION
    ),
    **dict.fromkeys(["http-errors", "fcgi-app", "traces", "crt-store", "acme"], OTHER_SECTION),
}

GLOBAL_PASSED = frozenset({"maxconn", "nbthread", "spread-checks", "max-spread-checks", "hard-stop-after"})
_GLOBAL_PLACE = _words(
    "daemon user group uid gid chroot pidfile stats log log-tag log-send-hostname ulimit-n fd-hard-limit "
    "master-worker mworker-max-reloads nbproc cpu-map numa-cpu-mapping node description localpeer ca-base "
    "crt-base setenv unsetenv presetenv resetenv unix-bind server-state-base server-state-file quiet "
    "zero-warning set-dumpable strict-limits ssl-dh-param-file ssl-load-extra-files "
    "ssl-load-extra-del-ext expose-experimental-directives"
)
_GLOBAL_RUNS = frozenset({"external-check", "insecure-fork-wanted", "insecure-setuid-wanted"})

_GLOBAL_OF_TLS = re.compile(
    r"ssl-server-verify|ssl-default-(bind|server)-(ciphers|ciphersuites|options|curves|sigalgs)"
)

LINES_PASSED = _words(
    "mode balance hash-type timeout retries retry-on maxconn fullconn backlog default_backend use_backend "
    "use-server acl monitor-uri monitor tcp-request tcp-response http-request redirect stick-table stick "
    "rate-limit disabled enabled id max-keep-alive-queue hash-balance-factor clitcpka-cnt clitcpka-idle "
    "clitcpka-intvl srvtcpka-cnt srvtcpka-idle srvtcpka-intvl"
)
_LINES_PLACE = _words(
    "log log-format log-format-sd log-tag error-log-format unique-id-format unique-id-header description "
    "email-alert errorfile errorfiles errorloc errorloc302 errorloc303 source stats capture compression "
    "load-server-state-from-file server-state-file-name http-response http-after-response http-error "
    "monitor-net bind-process guid cookie dynamic-cookie-key"
)
OPTIONS_PASSED = _words(
    "tcp-check httpchk redis-check redispatch tcpka clitcpka srvtcpka log-health-checks tcp-smart-accept "
    "tcp-smart-connect allbackups persist abortonclose splice-auto splice-request splice-response "
    "contstats http-server-close http-keep-alive httpclose forceclose prefer-last-server nolinger "
    "independent-streams socket-stats dontlognull dontlog-normal log-separate-errors tcplog httplog "
    "logasap idle-close-on-response forwardfor http-no-delay disable-h2-upgrade"
)

_LEADS_OUT = re.compile(
    r"\blua\.|\benv\(|\bmap(_[a-z_]+)?\(|^-[fM]$|^(lf-)?file$|^use-service$|^peers$|^send-spoe-group$"
)


_TLS_SWITCHES = (
    "allow-0rtt no-tls-tickets tls-tickets no-sslv3 no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 force-sslv3 "
    "force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13"
)
_TLS_VALUES = "verify ciphers ciphersuites alpn npn ssl-min-ver ssl-max-ver curves sigalgs client-sigalgs"

OF_TLS_FILES: Mapping[str, Mapping[str, Mark]] = {
    "bind": {"crt": Mark.OWN_CERTIFICATE, "crt-list": Mark.OWN_CERTIFICATE, "ca-file": Mark.AUTHORITY},
    "server": {"crt": Mark.CLIENT_CERTIFICATE, "ca-file": Mark.AUTHORITY},
}
"""What leads to a certificate, by the line that it is in: the run's is put in its place."""
OF_TLS_NAMES = frozenset({"verifyhost", "sni", "check-sni"})
"""What says whose certificate is expected."""


def _options(values: int, reason: Reason | None, names: str) -> dict[str, tuple[int, Reason | None]]:
    """Of a line: how many words follow each, and why it is left out."""
    return dict.fromkeys(names.split(), (values, reason))


BIND_OPTIONS: Mapping[str, tuple[int, Reason | None]] = {
    **_options(1, None, "maxconn backlog nice tcp-ut name mss"),
    **_options(0, None, "defer-accept tfo"),
    **_options(1, PLACE, "interface user group uid gid mode process thread shards level namespace id proto"),
    **_options(0, PLACE, "transparent v4v6 v6only expose-fd"),
    **_options(0, OTHER_PROTOCOL, "accept-proxy accept-netscaler-cip"),
    **_options(0, None, f"ssl prefer-client-ciphers no-alpn {_TLS_SWITCHES}"),
    **_options(1, None, f"crt crt-list ca-file ecdhe ca-ignore-err crt-ignore-err {_TLS_VALUES}"),
    **_options(0, CERTIFICATES, "strict-sni"),
    **_options(1, CERTIFICATES, "crl-file ca-verify-file tls-ticket-keys"),
}

SERVER_OPTIONS: Mapping[str, tuple[int, Reason | None]] = {
    **_options(0, None, "check no-check backup no-backup disabled enabled non-stick tfo"),
    **_options(
        1,
        None,
        "inter fastinter downinter fall rise weight maxconn maxqueue minconn on-marked-down "
        "on-marked-up on-error error-limit observe slowstart init-state id track cookie "
        "pool-max-conn pool-low-conn pool-purge-delay max-reuse tcp-ut",
    ),
    **_options(
        1,
        PLACE,
        "resolvers resolve-prefer resolve-net resolve-opts init-addr source interface namespace "
        "check-proto proto usesrc",
    ),
    **_options(0, None, f"ssl no-ssl check-ssl no-check-ssl no-ssl-reuse ssl-reuse {_TLS_SWITCHES}"),
    **_options(1, None, f"ca-file crt verifyhost sni check-sni check-alpn {_TLS_VALUES}"),
    **_options(1, CERTIFICATES, "crl-file"),
    **_options(
        0, OTHER_PROTOCOL, "send-proxy send-proxy-v2 send-proxy-v2-ssl send-proxy-v2-ssl-cn check-send-proxy"
    ),
    **_options(1, OTHER_PROTOCOL, "proxy-v2-options"),
    **_options(0, AGENT, "agent-check"),
    **_options(1, AGENT, "agent-port agent-addr agent-inter agent-send"),
    **_options(0, ELSEWHERE, "check-via-socks4"),
    **_options(1, ELSEWHERE, "socks4 redir"),
}


def why_not(section: str, words: tuple[str, ...]) -> Reason | None:
    """Why a line is not passed on, by its words without a `no` before them; None: it is, as it is written."""
    name = words[0]
    reason = _of_global(name) if section == "global" else _of_a_proxy(name, words)
    if reason is None and name not in {"tcp-check", "http-check"} and any(map(_LEADS_OUT.search, words)):
        return LEADS_OUT
    return reason


def _of_global(name: str) -> Reason | None:
    if name in GLOBAL_PASSED or name.startswith("tune.") or _GLOBAL_OF_TLS.fullmatch(name):
        return None
    if name in _GLOBAL_RUNS or name.startswith("lua-"):
        return RUNS_PROGRAMS
    return PLACE if name in _GLOBAL_PLACE else UNKNOWN


def _of_a_proxy(name: str, words: tuple[str, ...]) -> Reason | None:
    if name == "external-check" or words[:2] == ("option", "external-check"):
        return RUNS_PROGRAMS
    if name == "option":
        return None if len(words) > 1 and words[1] in OPTIONS_PASSED else UNKNOWN
    if name in LINES_PASSED:
        return None
    return PLACE if name in _LINES_PLACE else UNKNOWN
