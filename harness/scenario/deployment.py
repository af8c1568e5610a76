"""What a team decides: the `deployment` of a scenario, or a deployment file of its own.

A setting that the chosen kind of topology does not have is refused rather than ignored: somebody
who writes `down_after` for a cluster believes something that is not so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.libraries import INSIDE, LIBRARIES, apart
from harness.model.credentials import users_of, without_secrets
from harness.model.deployment import ClientProfile, Deployment, TopologySpec
from harness.model.directive_table import TLS_FILES
from harness.model.directives import LeftOut
from harness.model.proxy import Balance, ProxyProgram, ProxyShape, ProxySpec
from harness.model.words import Discovery, TooFew, TopologyKind
from harness.presets import of_topology
from harness.scenario import tree
from harness.scenario.directives import Directives, DirectiveTable, Written
from harness.scenario.guest_file import GuestFile
from harness.scenario.haproxy_file import Around, NodesTls
from harness.scenario.hosts import ENGINES, WORKERS, placed_on, read_engines
from harness.scenario.node_settings import HOSTS, NODES, ZONES, read_hosts, read_nodes
from harness.scenario.problems import Problems
from harness.scenario.table import Field, read_table, table_schema
from harness.scenario.user_files import (
    HAPROXY_CFG,
    REDIS_CONF,
    SENTINEL_CONF,
    SERVERS_OWN_KEYS,
    SERVICE_NAME,
    USERS_ACL,
    read_proxy,
    read_user_files,
)
from harness.scenario.values import (
    DURATION,
    ENGINE,
    FLAG,
    OF_LIBRARY,
    POSITIVE_DURATION,
    SHARE,
    TEXT,
    Later,
    One,
    Schema,
    Unreadable,
    count,
    word,
)

TIMING: Mapping[str, Mapping[str, float]] = {
    "fast": {},  # the model's own defaults
    "article": {"down_after_s": 5.0, "failover_timeout_s": 10.0, "node_timeout_s": 5.0},
    "production": {"down_after_s": 5.0, "failover_timeout_s": 60.0, "node_timeout_s": 15.0},
}


def _service(text: str) -> str:
    if not SERVICE_NAME.fullmatch(text):
        raise Unreadable("")
    return text


_KIND = Field(
    key="kind",
    reader=word(tuple(TopologyKind), TopologyKind),
    required=True,
    help="the arrangement of Redis nodes: " + ", ".join(TopologyKind),
)
_REDIS = Field(key="redis", reader=Directives("redis"), help="Redis directives of every data node")
_PRIMARY = Field(
    key="primary", reader=Directives("primary"), help="directives of nodes that start as primary"
)
_REPLICA = Field(
    key="replica", reader=Directives("replica"), help="directives of nodes that start as replica"
)
_CACHE = Field(key="cache", reader=Directives("cache"), help="directives of the cache instance")
_SERVICE = One(
    "a name of letters, digits, '.', '-' and '_'",
    _service,
    {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,100}$"},
)
_REPLICAS = Field(key="replicas", reader=count(0, 5), help="replicas of the primary")


def _sentinel_fields(fewest: int) -> tuple[Field, ...]:
    return (
        _REPLICAS,
        Field(key="sentinels", reader=count(fewest, 7), help="sentinels that guard the primary"),
        SENTINEL_CONF,
        Field(key="service", reader=_SERVICE, help="the name by which sentinels know the primary"),
        Field(key="quorum", reader=count(1, 7), help="sentinels that must agree; default: a majority"),
        Field(
            key="down_after",
            attribute="down_after_s",
            reader=POSITIVE_DURATION,
            help="silence after which a sentinel suspects a node",
        ),
        Field(
            key="failover_timeout",
            attribute="failover_timeout_s",
            reader=POSITIVE_DURATION,
            help="Sentinel's limit for each part of a failover; a second one waits twice as long",
        ),
        Field(
            key="one_sentinel_id",
            reader=FLAG,
            help="all sentinels have the same `sentinel myid`, as when one file was copied to all of them",
        ),
        Field(key="parallel_syncs", reader=count(1, 5), help="replicas that resync at a time"),
        _REPLICA,
        Field(
            key="sentinel",
            reader=Directives("sentinel", of_sentinel=True),
            help="directives of every sentinel",
        ),
    )


_PROXY_SETTINGS = (
    Field(
        key="check_every",
        attribute="check_every_s",
        reader=POSITIVE_DURATION,
        help="time between two checks of a node",
    ),
    Field(key="fall", reader=count(1, 20), help="failed checks in a row after which a node is DOWN"),
    Field(key="rise", reader=count(1, 20), help="passed checks in a row after which a node is UP"),
    Field(key="shutdown_sessions", reader=FLAG, help="connections to a node end when it is marked DOWN"),
    Field(
        key="balance",
        reader=word(tuple(Balance), Balance),
        help="which of several nodes that are UP gets a connection",
    ),
    Field(key="order", reader=TEXT, help="names of nodes, first the one that `balance: first` prefers"),
    Field(key="retries", reader=count(0, 10), help="further tries to connect to a node"),
    Field(key="redispatch", reader=FLAG, help="a further try may go to another node"),
)

_CLUSTER_FIELDS = (
    Field(key="shards", reader=count(3, 9), help="primaries; fewer than three cannot agree on a failover"),
    Field(key="replicas_per_shard", reader=count(0, 2), help="replicas of each primary"),
    Field(
        key="node_timeout",
        attribute="node_timeout_s",
        reader=POSITIVE_DURATION,
        help="cluster-node-timeout: silence after which a node is suspected",
    ),
    Field(key="validity_factor", reader=count(0), help="cluster-replica-validity-factor"),
    Field(
        key="require_full_coverage",
        reader=FLAG,
        help="refuse everything while any slot has no node",
    ),
    Field(key="allow_reads_when_down", reader=FLAG, help="cluster-allow-reads-when-down"),
    Field(
        key="given_shard_ids",
        reader=FLAG,
        help="nodes begin with a nodes.conf that has the id of their shard, as some operators write it",
    ),
    _REPLICA,
)

_PROXY_FIELDS = (
    Field(
        key="proxy",
        reader=word(tuple(ProxyProgram), ProxyProgram),
        help="what stands between clients and nodes; default: nothing",
    ),
    HAPROXY_CFG,
    Field(key="proxies", reader=count(1, 2), help="how many of them"),
    Field(
        key="shape",
        reader=word(tuple(ProxyShape), ProxyShape),
        help="what makes a node the one that a proxy sends clients to",
    ),
    Field(
        key="proxy_settings",
        reader=Later(table_schema(_PROXY_SETTINGS)),
        help="what differs from the shape's usual settings",
    ),
)

_TLS = Field(
    key="tls", reader=FLAG, help="nodes speak TLS only, with certificates that are made at the start"
)
_COMMON = (_KIND, _TLS, REDIS_CONF, USERS_ACL, _REDIS, _PRIMARY, NODES, HOSTS, ZONES)
TOPOLOGY_FIELDS: Mapping[TopologyKind, tuple[Field, ...]] = {
    TopologyKind.SINGLE: _COMMON,
    TopologyKind.SENTINEL: (*_COMMON, *_sentinel_fields(1), *_PROXY_FIELDS),
    TopologyKind.CLUSTER: (*_COMMON, *_CLUSTER_FIELDS),
    TopologyKind.SPLIT: (*_COMMON, *_sentinel_fields(0), _CACHE),
    TopologyKind.SHARED: (
        *_COMMON,
        Field(
            key="cache_database",
            reader=count(0, 15),
            help="logical database of the cache; sessions live in database 0",
        ),
    ),
}


def _of_wait(replicas: str, within: str, too_few: str) -> tuple[Field, ...]:
    """The settings of WAIT, by these keys."""
    return (
        Field(
            key=replicas,
            attribute="wait_replicas",
            reader=count(0, 5),
            help="WAIT for this many replicas after each write",
        ),
        Field(key=within, attribute="wait_timeout_s", reader=POSITIVE_DURATION, help="how long WAIT waits"),
        Field(
            key=too_few,
            attribute="too_few",
            reader=word(tuple(TooFew), TooFew),
            help="what the application makes of a write that WAIT counted on too few replicas",
        ),
    )


_WAIT_FIELDS = _of_wait("replicas", "within", "too_few")

LIBRARY_DEFAULTS: Mapping[str, Any] = {
    "socket_timeout_s": 5.0,
    "connect_timeout_s": 5.0,
    "sentinel_timeout_s": 5.0,
    "sentinel_retries": 10,
    "application_retries": 0,
    "max_connections": 100,
}
"""Of redis-py 8: what its clients do where an application sets nothing."""
RETRIES_OF_REDIS = 10
"""Of `Redis()` and `RedisCluster()`. `master_for` has none."""
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "tuned": {},  # the model's own defaults
    "library-defaults": LIBRARY_DEFAULTS,
    "naive": {**LIBRARY_DEFAULTS, "library_retries": RETRIES_OF_REDIS},
}

CLIENT_FIELDS = (
    Field(
        key="profile",
        reader=word(tuple(PROFILES)),
        help="defaults of the settings below: tuned, what the library does where nothing is set, or naive",
    ),
    Field(key="library", reader=word(tuple(dict.fromkeys((INSIDE, *LIBRARIES)))), help="the client library"),
    Field(
        key="version",
        reader=OF_LIBRARY,
        help="version of the library, in an environment of its own; default: the one that the kit has",
    ),
    Field(
        key="discovery",
        reader=word(tuple(Discovery), Discovery),
        help="how a web server finds the primary",
    ),
    Field(key="user", reader=TEXT, help="the ACL user as which it logs in; default: the default user"),
    Field(
        key="socket_timeout",
        attribute="socket_timeout_s",
        reader=POSITIVE_DURATION,
        help="how long a command waits for its reply",
    ),
    Field(
        key="connect_timeout",
        attribute="connect_timeout_s",
        reader=POSITIVE_DURATION,
        help="how long connecting to a data node may take",
    ),
    Field(
        key="sentinel_timeout",
        attribute="sentinel_timeout_s",
        reader=POSITIVE_DURATION,
        help="how long one sentinel is asked",
    ),
    Field(key="library_retries", reader=count(0, 100), help="retries inside the client library"),
    Field(
        key="sentinel_retries",
        reader=count(0, 100),
        help="retries of the library's clients that ask sentinels, each of them",
    ),
    Field(key="application_retries", reader=count(0, 100), help="retries of the application around it"),
    Field(
        key="retry_backoff",
        attribute="retry_backoff_s",
        reader=DURATION,
        help="pause before an application retry; doubled each time up to 1 s",
    ),
    Field(
        key="repeat_writes",
        reader=FLAG,
        help="retries repeat writes whose reply was lost, which may then execute twice",
    ),
    Field(
        key="request_deadline",
        attribute="request_deadline_s",
        reader=POSITIVE_DURATION,
        help="the application cancels a call of the client library that takes longer; default: it waits",
    ),
    Field(key="max_connections", reader=count(1), help="connections of one web server"),
    Field(
        key="bounded",
        reader=FLAG,
        help="false: open a connection whenever none is free, beyond max_connections: a known mistake",
    ),
    Field(
        key="connect_per_request",
        reader=SHARE,
        help="share of the web servers that open a connection for each request instead of pooling",
    ),
    Field(key="read_from_replicas", reader=FLAG, help="reads go to replicas too"),
    *_of_wait("wait_replicas", "wait_timeout", "wait_too_few"),
    Field(
        key="wait",
        reader=Later(table_schema(_WAIT_FIELDS)),
        help="the same three as a table: `wait: {replicas: 1, within: 100ms, too_few: try-again}`",
    ),
)


def _all_topology_fields() -> tuple[Field, ...]:
    return tuple({field.key: field for fields in TOPOLOGY_FIELDS.values() for field in fields}.values())


DEPLOYMENT_FIELDS = (
    Field(key="name", reader=TEXT, help="how reports call it; default: the kind of topology"),
    Field(key="engine", reader=ENGINE, help="the engine to run on, by name; default: what the machine has"),
    Field(
        key="timing",
        reader=word(tuple(TIMING)),
        help="defaults of the time-outs: fast for tests, production as teams run it",
    ),
    Field(
        key="topology",
        reader=Later(table_schema(_all_topology_fields())),
        required=True,
        help="the Redis nodes and their settings",
    ),
    Field(key="client", reader=Later(table_schema(CLIENT_FIELDS)), help="what the application configures"),
    ENGINES,
    WORKERS,
    Field(
        key="guest",
        reader=GuestFile(),
        help="your own application in the place of the client: its guest file, a path from here",
    ),
)


def read_deployment(
    node: tree.Node, path: str, problems: Problems, *, extra: tuple[Field, ...] = ()
) -> Deployment:
    """A mapping with `topology`, `client`, `timing`, `name` and whatever `extra` keys the file has."""
    values = read_table(node, path, (*extra, *DEPLOYMENT_FIELDS), problems)
    timing = values.get("timing", "fast")
    below = f"{path}." if path else ""
    topology = _read_topology(
        values.get("topology"), f"{below}topology", values.get("timing"), values.get("engine"), problems
    )
    client = _read_client(values.get("client"), f"{below}client", topology, problems)
    if {"client", "guest"} <= values.keys():
        problems.add(node, f"{below}guest", "expected either 'client' or 'guest', found both")
    engines: dict[str, str] = {}
    if ENGINES.key in values:
        engines = read_engines(values[ENGINES.key], f"{below}{ENGINES.key}", problems)
        if strange := sorted(topology.hosts.keys() - engines.keys()):
            problems.add(
                values[ENGINES.key],
                f"{below}{ENGINES.key}",
                f"expected an engine for each host of the topology, found none for {', '.join(strange)}",
            )
        topology = placed_on(topology, engines) if engines and not strange else topology
    workers = values.get(WORKERS.key, 0)
    worker_hosts: tuple[str, ...] = () if isinstance(workers, int) else workers
    if engines and (strange := sorted(set(worker_hosts) - engines.keys())):
        problems.add(
            next(value for key, value in node.value if key.value == WORKERS.key),
            f"{below}{WORKERS.key}",
            f"expected hosts of this deployment ({', '.join(engines)}), found {', '.join(strange)}",
        )
    return Deployment(
        hosts=engines,
        name=values.get("name", topology.kind.value),
        topology=topology,
        client=client,
        engine=values.get("engine"),
        timing=timing,
        guest=values.get("guest"),
        workers=len(worker_hosts) or workers,
        worker_hosts=worker_hosts,
    )


def _read_topology(
    node: tree.Node | None, path: str, timing: str | None, engine: str | None, problems: Problems
) -> TopologySpec:
    """`timing`: the profile that the deployment names, if any; it fills what files leave open."""
    if node is None:
        return TopologySpec(kind=TopologyKind.SINGLE)
    kind = _kind_of(node)
    if kind is None:  # the field reports what is wrong with it; other keys are judged by all legal ones
        read_table(node, path, _all_topology_fields(), problems)
        return TopologySpec(kind=TopologyKind.SINGLE)
    fields = TOPOLOGY_FIELDS[kind]
    values = read_table(node, path, fields, problems, elsewhere=_keys_of_others(kind))
    tables = {name: found for name, found in values.items() if isinstance(found, DirectiveTable)}
    for one in (place for found in tables.values() for place in found.written):
        one.check(engine, problems)
    values |= {name: found.used for name, found in tables.items()}
    named = {key: values.pop(key) for key in _FILES if key in values}
    files = read_user_files(named, node, path, problems)
    for one in files.written:
        one.check(engine, problems)
    for name, below in (("redis", files.redis), ("sentinel", files.sentinel)):
        values[name] = {**below, **values.get(name, {})}
    written = (*files.written, *(one for found in tables.values() for one in found.written))
    as_written = any(_asks_for_tls(one) for one in written)
    values["tls"] = values.get("tls", False) or as_written
    proxy, of_proxy = _read_proxy(node, values, path, problems, tls_as_written=as_written)
    values["tls"] |= any(one.file is not None and one.file.nodes_speak_tls for one in proxy.values())
    left_out = (*files.left_out, *(one for found in tables.values() for one in found.left_out), *of_proxy)
    left_out = tuple(_with_tls(left_out)) if values["tls"] else left_out
    own, hosts = values.pop(NODES.key, None), values.pop(HOSTS.key, None)
    values |= proxy
    servers_own = {} if timing else _where_files_are_silent(kind, named)
    given = {**_shape(kind), **TIMING[timing or "fast"], **servers_own, **files.keys, **values}
    spec = TopologySpec(**given, left_out=left_out)
    if own is not None:
        table = read_nodes(own, f"{path}.{NODES.key}", of_topology(spec), engine, problems)
        spec = replace(spec, nodes=table.settings, left_out=(*spec.left_out, *table.left_out))
    if hosts is not None:
        spec = replace(spec, hosts=read_hosts(hosts, f"{path}.{HOSTS.key}", of_topology(spec), problems))
        if spec.zones:
            problems.add(hosts, f"{path}.{HOSTS.key}", "expected 'hosts' or 'zones', found both")
    spec = without_secrets(spec)
    if spec.sentinels and spec.effective_quorum > spec.sentinels:
        problems.add(node, f"{path}.quorum", f"{spec.quorum} of {spec.sentinels} sentinels can never agree")
    if kind is TopologyKind.SPLIT and spec.sentinels and not spec.replicas:
        problems.add(node, f"{path}.replicas", "sentinels without a replica have nothing to promote")
    return spec


def _asks_for_tls(one: Written) -> bool:
    return one.directive.name == "tls-port" and one.directive.arguments != ("0",)


def _with_tls(left_out: Iterable[LeftOut]) -> Iterator[LeftOut]:
    """What is not carried out where nodes speak TLS: files of certificates, and these decide nothing."""
    for one in left_out:
        if one.name in TLS_FILES:
            yield replace(one, why="certificates are made for every run", decides=False)
        elif one.name not in {"tls-port", "tls-replication", "tls-cluster"}:
            yield one


def _where_files_are_silent(kind: TopologyKind, files: Iterable[str]) -> dict[str, Any]:
    """What a server does by itself; a redis.conf says times of clusters only."""
    found: dict[str, Any] = {}
    for file in files:
        if file == SENTINEL_CONF.key or kind is TopologyKind.CLUSTER:
            found |= SERVERS_OWN_KEYS.get(file, {})
    return found


_FILES = (REDIS_CONF.key, SENTINEL_CONF.key, USERS_ACL.key)


def _read_proxy(
    node: tree.Node, values: dict[str, Any], path: str, problems: Problems, *, tls_as_written: bool
) -> tuple[dict[str, ProxySpec], tuple[LeftOut, ...]]:
    """Takes from the values what is about proxies."""
    program, file = values.pop("proxy", None), values.pop(HAPROXY_CFG.key, None)
    shape = {key: values.pop(key) for key in ("proxies", "shape", "proxy_settings") if key in values}
    if file is not None:
        for key in shape.keys() - {"proxies"}:
            problems.add(node, f"{path}.{key}", f"the file says it: remove this, or '{HAPROXY_CFG.key}'")
        of_the_run = NodesTls.OF_THE_RUN if values["tls"] else NodesTls.NONE
        around = Around(
            data=values.get("replicas", 2) + 1,
            sentinels=values.get("sentinels", 3),
            tls=NodesTls.AS_WRITTEN if tls_as_written else of_the_run,
        )
        theirs, left_out = read_proxy(file, node, path, around, problems)
        return {"proxy": ProxySpec(count=shape.get("proxies", 1), file=theirs)}, left_out
    if program is None:
        for key in shape:
            problems.add(node, f"{path}.{key}", "there is no proxy; say `proxy: haproxy` too")
        return {}, ()
    settings: dict[str, Any] = {}
    if "proxy_settings" in shape:
        below = f"{path}.proxy_settings"
        settings = read_table(shape["proxy_settings"], below, _PROXY_SETTINGS, problems)
    if "order" in settings:
        settings["order"] = tuple(settings["order"].replace(",", " ").split())
    spec = ProxySpec(
        program=program,
        count=shape.get("proxies", 1),
        shape=shape.get("shape", ProxyShape.ROLE),
        **settings,
    )
    known = [f"redis-{number}" for number in range(1, values.get("replicas", 2) + 2)]
    for name in spec.order:
        if name not in known:
            problems.add(node, f"{path}.proxy_settings.order", f"no node {name!r}; nodes: {', '.join(known)}")
    return {"proxy": spec}, ()


def _kind_of(node: tree.Node) -> TopologyKind | None:
    if isinstance(node, tree.Mapping):
        for key, value in node.value:
            if key.value == "kind" and value.value in tuple(TopologyKind):
                return TopologyKind(value.value)
    return None


def _shape(kind: TopologyKind) -> dict[str, Any]:
    """Counts of a kind in its default shape, where they differ from the model's."""
    return {} if kind is TopologyKind.SENTINEL else {"replicas": 0, "sentinels": 0}


def _keys_of_others(kind: TopologyKind) -> dict[str, str]:
    own = {field.key for field in TOPOLOGY_FIELDS[kind]}
    owners: dict[str, list[str]] = {}
    for other, fields in TOPOLOGY_FIELDS.items():
        for field in fields:
            if field.key not in own:
                owners.setdefault(field.key, []).append(other)
    return {
        key: f"does not apply to {kind}; it is a setting of {', '.join(of)}" for key, of in owners.items()
    }


def _read_client(
    node: tree.Node | None, path: str, topology: TopologySpec, problems: Problems
) -> ClientProfile:
    # Without a sentinel a client can only use a fixed address.
    inventory = of_topology(topology)
    default = Discovery.ON_ERROR if inventory.fails_over else Discovery.FIXED_ADDRESS
    if inventory.proxies:
        default = Discovery.THROUGH_PROXY
    if node is None:
        return ClientProfile(discovery=default)
    values = client_settings(node, path, problems, knows_sentinels=bool(inventory.sentinels))
    client = ClientProfile(**{"discovery": default, **values})
    replicas = inventory.replicas_of_a_shard
    through = client.discovery is Discovery.THROUGH_PROXY
    if through is not bool(inventory.proxies):
        message = (
            f"there is no proxy; say `proxy: haproxy` in the topology, or leave {client.discovery} out"
            if through
            else f"clients know the proxy's address only; legal with a proxy: {Discovery.THROUGH_PROXY}"
        )
        problems.add(node, f"{path}.discovery", message)
        return client
    if through and client.read_from_replicas:
        problems.add(node, f"{path}.read_from_replicas", "the proxy sends everything to the primary")
    knows_clusters = inventory.clustered and client.discovery is not Discovery.FIXED_ADDRESS
    if knows_clusters and client.connect_per_request:
        problems.add(node, f"{path}.connect_per_request", "a cluster client keeps its connections")
    if client.discovery is not Discovery.FIXED_ADDRESS and not inventory.fails_over:
        message = f"{client.discovery} asks sentinels, and there are none; legal: fixed-address"
        problems.add(node, f"{path}.discovery", message)
    if knows_clusters and client.discovery is not Discovery.ON_ERROR:
        message = (
            f"a cluster client learns the slots itself, again after errors; legal: {Discovery.ON_ERROR}, and "
            f"{Discovery.FIXED_ADDRESS} for a client that knows no clusters"
        )
        problems.add(node, f"{path}.discovery", message)
    if client.read_from_replicas and not replicas:
        problems.add(node, f"{path}.read_from_replicas", "there is no replica to read from")
    if refused := _why_not_apart(client, topology, clustered=inventory.clustered):
        problems.add(node, f"{path}.library", refused)
    known = users_of({**topology.redis, **topology.primary})
    if client.user and client.user not in known:
        found = ", ".join(sorted(known)) or "none"
        problems.add(
            node, f"{path}.user", f"expected a user of 'users_acl', found {client.user!r}; there: {found}"
        )
    if client.wait_replicas > replicas:
        message = f"WAIT for {client.wait_replicas} of {replicas} replicas never succeeds"
        problems.add(node, f"{path}.wait_replicas", message)
    if client.wait_replicas and client.wait_timeout_s >= client.socket_timeout_s:
        message = (
            f"{client.wait_timeout_s:g} s, and the client hangs up after socket_timeout,"
            f" {client.socket_timeout_s:g} s: WAIT could not say that replicas are missing; make it shorter"
        )
        problems.add(node, f"{path}.wait_timeout", message)
    return client


def client_settings(
    node: tree.Node, path: str, problems: Problems, *, knows_sentinels: bool
) -> dict[str, Any]:
    """What is written, and what the profile chooses: a library retries by itself only where its client was
    made without sentinels."""
    values = read_table(node, path, CLIENT_FIELDS, problems)
    values |= _read_wait(values.pop("wait", None), f"{path}.wait", values, problems)
    chosen = dict(PROFILES.get(values.get("profile", ""), {}))
    if chosen and not knows_sentinels:
        chosen["library_retries"] = RETRIES_OF_REDIS
    return {**chosen, **values}


def _read_wait(
    node: tree.Node | None, path: str, beside: Mapping[str, Any], problems: Problems
) -> dict[str, Any]:
    """`wait` as a table of its own. The same said beside it as well is a contradiction."""
    if node is None:
        return {}
    values = read_table(node, path, _WAIT_FIELDS, problems)
    if twice := [field.key for field in _WAIT_FIELDS if field.name in values.keys() & beside.keys()]:
        problems.add(node, path, f"{', '.join(twice)} of WAIT is said twice: here and beside it")
    return values


_OWN_CANNOT = (
    "the kit cancels calls of libraries in a process of their own only; to use request_deadline, name "
    "another library or a version"
)


def _why_not_apart(client: ClientProfile, topology: TopologySpec, *, clustered: bool) -> str:
    """Why a library in a process of its own cannot be such a client; empty: it can."""
    library = apart(client.library, client.version)
    if library is None:
        return _OWN_CANNOT if client.request_deadline_s is not None else ""
    discoveries = ", ".join(sorted(library.discoveries))
    asks = client.discovery is not Discovery.FIXED_ADDRESS and not clustered
    cannot = {
        f"discovery {client.discovery}; legal: {discoveries}": client.discovery not in library.discoveries,
        f"Sentinel, which {library.name} does not know; legal: discovery {Discovery.FIXED_ADDRESS}": (
            asks and not library.sentinels
        ),
        f"library_retries, which {library.name} does not have": (
            client.library_retries > 0 and not library.retries
        ),
        "a cluster": clustered and not library.clusters,
        f"discovery {Discovery.FIXED_ADDRESS} on a cluster": (
            clustered and client.discovery is Discovery.FIXED_ADDRESS
        ),
        "TLS": topology.tls,
        "read_from_replicas": client.read_from_replicas,
        "connect_per_request": client.connect_per_request > 0,
    }
    refused = ", ".join(what for what, asked in cannot.items() if asked)
    return (
        f"the kit runs {client.named} in a process of its own, and there not with {refused}"
        if refused
        else ""
    )


def deployment_schema() -> Schema:
    return table_schema(DEPLOYMENT_FIELDS)
