"""Shapes of HAProxy before Sentinel under the same faults: one table of what both kinds of clients lost.

__main__  runs every shape under every fault, several times, by the kit's own command
rounds    which runs are still missing, so that the measurement can be made in pieces
table     the numbers of single runs, put together for each shape and fault
page      that table in docs/haproxy.md, and the numbers in docs/haproxy.json
"""
