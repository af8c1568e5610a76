"""Seeded weaknesses: does `explore` find each, and how small is the schedule that it ends with?

table      the weaknesses of each topology, and what promises the opposite
engine     an engine with a bug that sleeps until a node takes over or starts again (a misbehaving proxy)
behind     one run of one plan on nodes with a weakness, in a process of its own
ground     what an exploration runs on, with such nodes
__main__   explores each of them, and says what was found, after how long
"""
