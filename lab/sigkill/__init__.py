"""SIGKILL in the middle of every fault, on every backend; then `clean`, and nothing may be left.

example    a scenario for each fault of the library, made from what it declares: new ones come by themselves
trial      one of them run by the kit's own command, killed while the fault is in effect, and cleaned up
traces     what there is of it on this machine before and after
kept       what was tried so far
table      fault × backend: has it an effect here, and what was left
"""
