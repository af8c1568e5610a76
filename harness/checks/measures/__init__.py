"""The numbers of a run: how long, how many, how late. A number is no judgement.

latency         how long users waited, in percentiles
availability    windows in which nothing got through
survival        windows without a write that was acked and is still there
scope           `in <phase>` and `on <group>`: which operations and findings count
at_risk         which sessions a fault could have hurt
node_use        what nodes had to bear: memory, connections, a cluster that is down
session_counts  how many sessions came through, and how many did not
bounds          the bounds of expectations as numbers
summary         all numbers that the table, the page and the expectations show
"""
