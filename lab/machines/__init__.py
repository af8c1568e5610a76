"""Several Docker engines on one machine, for tests of the machines backend: `python -m lab.machines`.

engines   each in a network of its own with its own data, joined by a switch, one swarm
guardian  the process that owns them, and takes them down whatever becomes of its caller
verdicts  `python -m lab.machines.verdicts`: the same scenarios over three engines and on one
"""
