"""Stage 1: YAML text to a Scenario. Pure; every problem of a file is reported, with its line.

    first_key     which kind of file it is
    source        the text of a file, whatever the path leads to
    file_kind     a redis.conf, a Compose project, … in its place: recognised by content
    conf_file     a redis.conf or sentinel.conf, line by line
    tree          YAML nodes that know where they come from
    problems      what is wrong, all of it, with the nearest legal word
    values        times, sizes, rates, words: how each is written
    table         mappings with fixed keys
    overrides     --set path=value
    guest_file    how somebody's own application is started, and talked to
    user_files    a redis.conf, sentinel.conf and users.acl that a deployment names
    deployment workload faults expectations      the parts of a file
    reading       puts them together: `load`, `load_deployment`
    matrix        scenarios, deployments, engines and settings in every combination
    schema        the JSON Schema for editors

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
from harness.scenario.schema import scenario_schema

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
]
