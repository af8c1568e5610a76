"""Stage 1: YAML text to a Scenario. Pure; every problem of a file is reported, with its line.

    first_key         which kind of file it is
    source            the text of a file, whatever the path leads to
    file_kind         a redis.conf, a Compose project, … in its place: recognised by content
    conf_file         a redis.conf or sentinel.conf, line by line
    tree              YAML nodes that know where they come from
    problems          what is wrong, all of it, with the nearest legal word
    values            times, sizes, rates, words: how each is written
    table             mappings with fixed keys
    overrides         --set path=value
    directives        Redis directives, by the server's own grammar
    haproxy_table     which lines of a haproxy.cfg a run takes over
    haproxy_checks    what its health checks send
    haproxy_sections  who is behind its servers
    haproxy_file      somebody's own haproxy.cfg, with the run's nodes
    user_files        a redis.conf, sentinel.conf and users.acl that a deployment names
    node_settings     settings of single nodes
    hosts             the engines on which a deployment's nodes are
    guest_file        how somebody's own application is started, and talked to
    deployment        what a team decides
    project           the same, of somebody's Compose project
    surroundings      what faults and expectations may refer to
    faults            what is done, and when
    workload          who does what, how often
    expectations      what must be measured
    reading           puts these together: `load`, `load_deployment`
    matrix            scenarios, deployments, engines and settings in every combination
    schema            the JSON Schema for editors

Nothing here imports a fault or a behaviour: what there is comes in as a Vocabulary.
"""

from harness.scenario.expectations import METRICS
from harness.scenario.first_key import first_key, is_scenario
from harness.scenario.guest_file import guest_schema, load_guest
from harness.scenario.matrix import load_matrix, matrix_schema
from harness.scenario.reading import (
    fault_words,
    load,
    load_deployment,
    load_faults,
    load_live_fault,
    scenario_of,
    scenario_of_kind,
)
from harness.scenario.schema import scenario_schema, settings_called

__all__ = [
    "METRICS",
    "fault_words",
    "first_key",
    "guest_schema",
    "is_scenario",
    "load",
    "load_deployment",
    "load_faults",
    "load_guest",
    "load_live_fault",
    "load_matrix",
    "matrix_schema",
    "scenario_of",
    "scenario_of_kind",
    "scenario_schema",
    "settings_called",
]
