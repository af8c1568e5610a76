"""Stage 3: real Redis nodes, from a plan. Nothing here knows about sessions, faults or verdicts.

Reading order: `start` chooses a backend · `process` (with `engines`, `network`, `ownership`) runs
nodes as processes, `docker` runs them as containers · `configuration` is the text that both give
their nodes · `readiness` forms the topology and says when it is ready · `control` is the one way in
which this package talks to a node.
"""
