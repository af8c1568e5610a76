"""Stage 2: a Scenario and a seed to a Plan: everything that follows before anything runs. Pure.

    load        how long a client can wait, how many actors that takes
    timeline    when faults are expected, how long the run will take
    compiling   puts them together and refuses what cannot be judged
    warnings    what a sound plan is likely to run into
    describing  a plan as text
    explaining  what should happen in it, second by second, and why

`skip` is for pairs that do not fit (deployment, machine); what is wrong with a file is an error.
"""

from harness.plan.compiling import compile  # noqa: A004 - the stage's own word, always used qualified
from harness.plan.describing import describe, describe_all, describe_nodes
from harness.plan.explaining import explain

__all__ = ["compile", "describe", "describe_all", "describe_nodes", "explain"]
