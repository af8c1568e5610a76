"""Runs what was asked for; `harness.run` is the road through these modules.

vocabulary   what scenario files may name
ground       what nodes are made of here: backend, image, engines
selection    what was asked for -> scenarios -> plans
suite        plans side by side, each in a process of its own
attempt      that process
recording    a plan on a topology that is up -> its history
environment  the machine and the versions, written beside the history
for_pytest   one scenario, for the pytest plug-in
by_hand      a topology without traffic, held for trying faults by hand
"""
