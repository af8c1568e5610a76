"""The causes that the kit names, against what the nodes executed.

monitor     MONITOR on every data node, by a process of its own
truth       what became of every write, from those lines and the nodes' logs
__main__    the scenarios that lose something, compared: `python -m lab.oracle`
"""
