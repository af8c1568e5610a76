"""Results on disk: read back, judged again, asked for one session's story, thinned out.

    folders     what lies in a folder of results
    judging     one run's folder: history -> judged, written beside it
    suites      a suite's folder: loaded, judged again, removed
    telling     why a session was broken; everything that one run recorded
    foreign     histories that others recorded

A folder of results may come from anybody, and may have lost parts.
"""

from harness.saved.suites import judge_again, load, prune
from harness.saved.telling import lines, why

__all__ = ["judge_again", "lines", "load", "prune", "why"]
