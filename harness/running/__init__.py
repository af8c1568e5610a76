"""Runs the selected scenarios; `harness.run` is the road through these modules.

vocabulary   what scenario files may name
ground       how nodes run on this machine: backend, image, engines
selection    the user's selection -> scenarios
compiling    scenarios -> plans for this machine
suite        plans in parallel, each in its own process
one_process  that process
one_run      its road: a plan -> its judgement
recording    a plan on a topology that is up -> its history
environment  the machine and the versions, written beside the history
pinning      what `--pin` fixes of the nodes
for_pytest   one scenario, for the pytest plug-in
"""
