"""Results on disk: read back, judged again, asked for one session's story, thinned out.

    folders     what lies in a folder of results
    judging     one run's folder: history -> judged, written beside it
    node_logs   the nodes' own logs, on the run's clock
    suites      a suite's folder: loaded, judged again, removed
    merging     several suites put together to one
    telling     why a session was broken; everything that one run recorded
    foreign     histories that others recorded

A folder of results may come from anybody, and may have lost parts.
"""

from harness.saved.merging import merge
from harness.saved.suites import judge_again, load, prune
from harness.saved.telling import lines, why

__all__ = ["judge_again", "lines", "load", "merge", "prune", "why"]
