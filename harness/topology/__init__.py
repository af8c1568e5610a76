"""Stage 3: real Redis nodes, from a plan. Nothing here knows about sessions, faults or verdicts.

Reading order:

    backends    the table of backends; a topology up on any of them
    base/       what both backends share: configuration text, readiness, cuts, owners
    process/    runs nodes as server processes, each in a network namespace of its own
    docker/     runs nodes as containers

The two backends know `base` and never each other.
"""
