"""Over results, never inside a run: what many runs of the same thing come to.

    statistics   the intervals that a number of runs allows
    figures      which figures are compared from run to run
    cells        the results of a suite, put together by what was run
    enough       whether a cell has runs enough
    difference   whether two groups of runs differ by more than chance
    summary      a suite's summary.json, read back
    compare      two suites, cell by cell
    candidates   what a team may choose between

Pure. Trap: a run that was not decided counts neither for nor against a promise; its cell says so.
"""
