"""Configuration files against rules about failover, without starting anything.

    acl              users of an access list, and what they may do
    haproxy          an HAProxy configuration
    subjects         what rules look at: nodes, projects, proxies, deployments
    compose          a Compose project, and its nodes
    kit_files        deployment files and scenarios, and their nodes
    reading          files of any kind -> what rules look at
    rule             what a rule and a finding are
    rules/           the rules
    table            all of them
    own_deployment   the files given -> a deployment of them, for proofs
    checking         rules + files -> findings
    terminal         findings for people
    machine_formats  findings for machines: SARIF, JUnit

Pure but for reading files. What proves a rule is a scenario; the verb `lint --prove` runs it.
"""

from harness.lint.checking import check, proofs
from harness.lint.machine_formats import junit, sarif
from harness.lint.own_deployment import deployment_of
from harness.lint.reading import read
from harness.lint.rule import Finding, Proof, Rule, Severity
from harness.lint.table import RULES
from harness.lint.terminal import text

__all__ = [
    "RULES",
    "Finding",
    "Proof",
    "Rule",
    "Severity",
    "check",
    "deployment_of",
    "junit",
    "proofs",
    "read",
    "sarif",
    "text",
]
