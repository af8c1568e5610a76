"""Runs the selected scenarios; `harness.run` is the road through these modules.

vocabulary     what scenario files may name
selection      the user's selection -> scenarios
reports        which scenarios show which report of a bug
given_files    the same from the files of a command
guest_needs    what an application must have on this machine
ground         how nodes run on this machine: backend, image, engines
pinning        what `--pin` fixes of the nodes
projects       Compose projects, looked at once
compiling      scenarios -> plans for this machine
surroundings   what a command learns of the nodes beside it
guest_servers  the web servers of an application
guest_check    its recipes one by one, on healthy nodes
environment    the machine and the versions, written beside the history
worker_words   what a run and its load workers say to each other
worker         a load engine in a process of its own
crew           several of them, for a run as one load engine
recording      a plan on a topology that is up -> its history
one_run        the road of one run: a plan -> its judgement
one_process    a process for that
suite          plans side by side, each in such a process
resuming       a suite that did not come to its end, gone on with
replaying      a saved run, run once more
"""
