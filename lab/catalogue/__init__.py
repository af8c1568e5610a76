"""Every shipped scenario on every engine that is here: one table.

record    what is kept of a run, and what later runs add to it   (pure)
table     the page of it: scenario × engine                      (pure)
__main__  the runs: `python -m lab.catalogue`
"""
