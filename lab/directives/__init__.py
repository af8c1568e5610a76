"""What each engine says of its directives: their names, and which values they take.

answers   from what a server said of a line to the form of its value    (pure)
__main__  asks each engine and writes `harness/model/engine_directives.py`: `python -m lab.directives`
"""
