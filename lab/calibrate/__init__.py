"""How well the kit measures time: outages and latencies of a known length, measured by a normal run.

stopped   a run whose only node is stopped from outside for known times
judge     what the run should have measured, from those times alone
__main__  the tables: `python -m lab.calibrate`
"""
