"""What the kit costs, as ratios to something else that was measured in the same minutes.

long_run   long clean histories (or with one session in a hundred broken), made without nodes
loading    the load engine against a bare loop of the same client
recording  CPU and bytes per operation, and memory over a long run
judging    seconds, memory, and how both grow with the history
growing    what a hundred million operations would cost, from what fewer do
foreign    `judge --history`, the whole command, on a history that somebody else recorded
filling    the cache filler against redis-benchmark
workers    load workers against one process, and merging what they recorded
machines   nodes on three engines against nodes on one
starting   a topology in containers against a bare `docker compose up --wait`
runs       runs of one scenario per hour, and the share of their time that is no traffic
suite      wall time of a suite against the sum of its scenarios'
__main__   the table: `python -m lab.bench`
"""
