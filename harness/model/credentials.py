"""A user's own passwords, users and renamed commands: from files into nodes, and who logs in how.

No password of a file is ever given to a node, written or printed. Each is replaced while the file is read, by
a token; for every run each token becomes a random password. Equal passwords get equal tokens, so what does
not fit together in the files does not fit together in the run either. A command that is switched off gets a
token for a name, which makes it unknown to everybody but the kit.

Where nodes have credentials of the user's own, the kit logs in as a user of its own, with all rights: neither
a wrong password nor an access list can blind it. Clients under test log in as the user's application does.

The trap: nodes of a deployment that says nothing of passwords have the run's own, and ask for it.
"""

from __future__ import annotations

import hashlib
import re
import secrets as random_secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from harness.errors import UsageError
from harness.model.deployment import TopologySpec
from harness.model.directive_table import CREDENTIALS
from harness.model.directives import Directive, Lines, lines_of, parsed, quoted, used
from harness.model.inventory import NodePlan
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.proxy import ProxySpec
from harness.model.seams import Certificates, Login, Secrets
from harness.model.words import NodePurpose, NodeRole

KIT_USER = "failover-kit"
"""The kit's own user on nodes that have credentials of somebody's own."""

_TOKEN = re.compile(r"own-secret-[0-9]+")
_ONE_PASSWORD = frozenset(
    {"requirepass", "masterauth", "primaryauth", "sentinel auth-pass", "sentinel sentinel-pass"}
)


class Tokens:
    """Passwords of one deployment's files, each by its token. Only their digests are kept."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def kept(self, directives: Mapping[str, Lines]) -> dict[str, Lines]:
        """The same directives without a secret in them."""
        kept: dict[str, Lines] = {}
        for name, value in directives.items():
            lines = tuple(self._line(name, line) for line in lines_of(value))
            kept[name] = lines[0] if isinstance(value, str) else lines
        return kept

    def kept_of_proxy(self, spec: ProxySpec | None) -> ProxySpec | None:
        """The same proxy without a password in its file."""
        if spec is None or spec.file is None:
            return spec
        logins = tuple(
            replace(one, password=one.password and self._token(_digest(one.password)))
            for one in spec.file.logins
        )
        return replace(spec, file=replace(spec.file, logins=logins))

    def _line(self, name: str, line: str) -> str:
        directive = parsed(name, line)
        without = self._without_secret(directive)
        return line if without is directive else " ".join(map(quoted, without.arguments))

    def _without_secret(self, directive: Directive) -> Directive:
        *before, last = directive.arguments
        if directive.name in _ONE_PASSWORD and last:
            return replace(directive, arguments=(*before, self._token(_digest(last))))
        if directive.name == "rename-command" and before and not last:
            return replace(directive, arguments=(*before, self._token(f"command {before[0].lower()}")))
        if directive.name == "user":
            name, *rules = directive.arguments
            return replace(directive, arguments=(name, *map(self._rule, rules)))
        return directive

    def _rule(self, rule: str) -> str:
        """`>password`, `#digest`, and `<` and `!` that take them away again."""
        if rule[:1] in {">", "<"}:
            return rule[0] + self._token(_digest(rule[1:]))
        if rule[:1] in {"#", "!"}:
            return {"#": ">", "!": "<"}[rule[0]] + self._token(rule[1:].lower())
        return rule

    def _token(self, digest: str) -> str:
        return self._known.setdefault(digest, f"own-secret-{len(self._known) + 1}")


def is_token(text: str) -> bool:
    """Whether it stands for a password, or for the name of a command that is switched off."""
    return _TOKEN.fullmatch(text) is not None


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode(errors="surrogateescape")).hexdigest()


def without_secrets(spec: TopologySpec) -> TopologySpec:
    """The topology with a token in the place of each password, the same for the same one."""
    tokens = Tokens()
    return replace(
        spec,
        redis=tokens.kept(spec.redis),
        primary=tokens.kept(spec.primary),
        replica=tokens.kept(spec.replica),
        sentinel=tokens.kept(spec.sentinel),
        cache=tokens.kept(spec.cache),
        nodes={
            name: replace(one, directives=tokens.kept(one.directives)) for name, one in spec.nodes.items()
        },
        proxy=tokens.kept_of_proxy(spec.proxy),
    )


def new_secrets(plan: Plan, pins: Pins = FREE) -> Secrets:
    """Random passwords for a run: the kit's own, unless they are pinned, and one for each token of the plan.

    Raises:
        UsageError: one is pinned, and the nodes have others from the user's files.
    """
    for nodes, pinned in ((plan.data_nodes(), pins.password), (plan.sentinels(), pins.sentinel_password)):
        if pinned is not None and has_own(nodes):
            raise UsageError(
                "--pin: expected nodes with a password of the kit, found credentials in the deployment's own "
                "files: each run has random ones in their place"
            )
    return Secrets(
        redis=random_secrets.token_hex(16) if pins.password is None else pins.password,
        sentinel=random_secrets.token_hex(16) if pins.sentinel_password is None else pins.sentinel_password,
        own={token: random_secrets.token_hex(16) for token in tokens_of(plan)},
    )


def tokens_of(plan: Plan) -> list[str]:
    lines = [line for node in plan.nodes for value in node.directives.values() for line in lines_of(value)]
    proxy = plan.scenario.deployment.topology.proxy
    lines += [login.password for login in proxy.file.logins] if proxy and proxy.file else []
    return list(dict.fromkeys(token for line in lines for token in _TOKEN.findall(line)))


def filled(text: str, secrets: Secrets) -> str:
    """The text with the password of this run in the place of each token."""
    return _TOKEN.sub(lambda found: secrets.own.get(found[0], found[0]), text)


def has_own(nodes: Iterable[NodePlan]) -> bool:
    """Whether somebody's own credentials take the place of the run's on these nodes."""
    return any(one.name in CREDENTIALS for node in nodes for one in used(node.directives))


def alike(plan: Plan, node: NodePlan) -> tuple[NodePlan, ...]:
    """The nodes whose credentials belong together: all data nodes, or all sentinels."""
    return plan.sentinels() if node.role is NodeRole.SENTINEL else plan.data_nodes()


def kit_login(plan: Plan, name: str, secrets: Secrets) -> Login:
    """How the kit logs in at a node, and by which names it calls its commands."""
    node = plan.node(name)
    own = has_own(alike(plan, node))
    return Login(
        password=secrets.of(node.role),
        user=KIT_USER if own else None,
        renamed=renamed(node, secrets),
        certificates=_of_nodes(plan, secrets),
    )


def renamed(node: NodePlan, secrets: Secrets) -> Mapping[str, str]:
    """The name by which a node knows each command that has another one."""
    return {
        one.arguments[0].upper(): filled(one.arguments[1], secrets)
        for one in used(node.directives)
        if one.name == "rename-command" and len(one.arguments) > 1
    }


def client_login(plan: Plan, secrets: Secrets, *, purpose: NodePurpose = NodePurpose.SESSIONS) -> Login:
    """How the application logs in at data nodes: with what the node that is primary at the start wants of
    its user. It keeps that after a failover, as an application does."""
    certificates = secrets.certificates if plan.scenario.deployment.topology.clients_speak_tls else None
    if not has_own(plan.data_nodes()):
        return Login(password=secrets.redis, certificates=certificates)
    user = plan.scenario.deployment.client.user
    password = _password(_first(plan, purpose), user, secrets)
    return Login(password=password, user=user or None, certificates=certificates)


def guard_password(plan: Plan, secrets: Secrets) -> str:
    """What a sentinel needs as the default user of the node that is primary at the start; empty: nothing."""
    if not has_own(plan.data_nodes()):
        return secrets.redis
    return _password(_first(plan, NodePurpose.SESSIONS), "", secrets)


def _first(plan: Plan, purpose: NodePurpose) -> NodePlan:
    return next(one for one in plan.data_nodes() if one.purpose is purpose and one.role is NodeRole.PRIMARY)


def sentinel_login(plan: Plan, secrets: Secrets) -> Login:
    """How the application logs in at sentinels."""
    sentinels = plan.sentinels()
    own = sentinels and has_own(sentinels)
    password = _password(sentinels[0], "", secrets) if own else secrets.sentinel if sentinels else ""
    return Login(password=password, certificates=_of_nodes(plan, secrets))


def _of_nodes(plan: Plan, secrets: Secrets) -> Certificates | None:
    """A proxy may speak TLS with clients before nodes that do not, and the other way round."""
    return secrets.certificates if plan.scenario.deployment.topology.tls else None


def _password(node: NodePlan, user: str, secrets: Secrets) -> str:
    """Empty: none is needed, or none is known."""
    found = [filled(rule[1:], secrets) for rule in _rules(node, user or "default") if rule.startswith(">")]
    if not user:
        asked = [one.arguments[-1] for one in used(node.directives) if one.name == "requirepass"]
        found = [filled(asked[-1], secrets)] if asked else found
    return found[0] if found else ""


def _rules(node: NodePlan, user: str) -> Iterator[str]:
    for one in used(node.directives):
        if one.name == "user" and one.arguments[0] == user:
            yield from one.arguments[1:]


def users_of(directives: Mapping[str, Lines]) -> set[str]:
    """Names of users that these lines define."""
    return {one.arguments[0] for one in used(directives) if one.name == "user"}
