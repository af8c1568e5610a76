"""Whether every engine that can be had here gives the verdicts that the others give.

table     what each engine's run says, as rows   (pure)
__main__  the runs: `python -m lab.engines`
"""
