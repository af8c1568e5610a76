"""What articles, vendors and tutorials say about sessions on Redis, decided by runs.

claims.yaml  the statements, and what is measured if each is true
statements   the same, typed
outcome      runs -> what a statement comes to
page         outcomes -> docs/claims.md
__main__     the runs: `python -m lab.claims`

Trap: a statement is about every failover of its kind, so a single run refutes it, and no number of runs
proves it: the page gives the share of runs in which it held, with its interval.
"""
