"""Stage 3: real Redis nodes, from a plan. Nothing here knows about sessions, faults or verdicts.

Reading order:

    backends    the table of backends; a topology up on any of them
    base/       what all backends share: configuration text, readiness, cuts, owners
    process/    runs nodes as server processes, each in a network namespace of its own
    docker/     runs nodes as containers
    compose/    runs a user's own Compose project, with the means of `docker`
    machines/   runs nodes as containers of several engines, with the means of `docker`

Backends know `base` and never each other, but for the last two, whose nodes are containers too.
"""
