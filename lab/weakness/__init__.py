"""Seeded weaknesses: does `explore` find each, and how small is the schedule that it ends with?

table      the weaknesses of each topology, and the promise that each of them breaks
engine     an engine with a bug that sleeps until a node takes over or starts again (a misbehaving proxy)
behind     one run of one plan on that engine, in a process of its own
ground     what an exploration runs on, with that engine
__main__   explores each of them, and says what was found, after how long
"""
