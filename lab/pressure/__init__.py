"""Whether verdicts hold on a machine that is busy with something else.

burners   keeps every core busy, and ends with whoever asked for it
tally     what the runs' summaries say, counted
__main__  the runs: `python -m lab.pressure`
"""
